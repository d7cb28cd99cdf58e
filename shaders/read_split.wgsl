// SLICES invocations share a column, and each takes a part of K: for batches so small that a GPU has too few
// invocations otherwise. A workgroup has a block of eight columns, whose weights it reads in the
// order in which they lie.

var<workgroup> partial: array<Gates, SLICES * ROWS * BLOCK>;
var<private> lane: u32;
var<private> slice: u32;

@compute @workgroup_size(SLICES * BLOCK)
fn main(
    @builtin(local_invocation_index) local: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    lane = local;
    slice = local / BLOCK;
    run(local, group, groups);
}

fn column_of(group: u32, local: u32) -> u32 {
    return group * BLOCK + local % BLOCK;
}

fn put(column: u32, row: u32, sum: Gates) {
    partial[(slice * ROWS + row) * BLOCK + column % BLOCK] = sum;
}

// The slices of each row and column, added up by one invocation once all have put theirs.
fn finish(row: u32, column: u32) {
    workgroupBarrier();
    for (var i = lane; i < ROWS * BLOCK; i += SLICES * BLOCK) {
        epilogue(row + i / BLOCK, column - lane % BLOCK + i % BLOCK, sum_of_slices(i));
    }
}
