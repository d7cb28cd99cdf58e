// Eight invocations share a unit, and each takes every eighth vector of k: for batches so small that a GPU
// has too few invocations otherwise. A workgroup has a block of eight units, whose weights it reads in the
// order in which they lie.

const SLICES: u32 = WORKGROUP_OF_SPLIT / BLOCK;
// The value of WORKGROUP here: an override gives no array its length.
const WORKGROUP_OF_SPLIT: u32 = 64u;

var<workgroup> partial: array<Gates, WORKGROUP_OF_SPLIT * ROWS>;
var<private> slice: u32;

@compute @workgroup_size(WORKGROUP_OF_SPLIT)
fn main(
    @builtin(local_invocation_index) local: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    slice = local / BLOCK;
    run(local, group, groups);
}

fn column_of(group: u32, local: u32) -> u32 {
    return group * BLOCK + local % BLOCK;
}

// The part of K in which every slice has a vector per turn: its loop counts alike in all lanes, which keeps
// the count in scalar registers. Past it some slices have one vector more.
fn whole_turns() -> u32 {
    return depth() / SLICES * SLICES;
}

fn put(column: u32, row: u32, sum: Gates) {
    partial[(slice * BLOCK + column % BLOCK) * ROWS + row] = sum;
}

// The slices of each row, added up by one slice once all have put theirs.
fn epilogue_split(row: u32, column: u32) {
    workgroupBarrier();
    if slice < ROWS {
        var sum = Gates();
        for (var other = 0u; other < SLICES; other += 1u) {
            sum += partial[(other * BLOCK + column % BLOCK) * ROWS + slice];
        }
        epilogue(row + slice, column, sum);
    }
}
