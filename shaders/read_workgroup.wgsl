// A workgroup reads a piece of ROWS rows and of sixteen columns into its own memory, sixteen k at a time, and each of its 8 x 8
// invocations multiplies every eighth row of it with every eighth column: each number that is read from a buffer is used
// sixteen or ROWS times. For large products on GPUs; on a CPU adapter the detour only costs.

const COLUMNS: u32 = 16u;
// Vectors of k at a time.
const PIECE: u32 = 4u;

// [PIECE, ROWS]
var<workgroup> left_piece: array<vec4<f32>, PIECE * ROWS>;
// [PIECE, 4, COLUMNS]: each of the four columns of a vector by itself, so that neighbours read neighbours.
var<workgroup> right_piece: array<vec4<f32>, PIECE * 4u * COLUMNS>;
var<private> lane: u32;

@compute @workgroup_size(64)
fn main(
    @builtin(local_invocation_index) local: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    lane = local;
    run(local, group, groups);
}

fn column_of(group: u32, local: u32) -> u32 {
    return group * COLUMNS + local % 8u;
}

// Reads the pieces at k, zeros past the end of K.
fn read_pieces(first_row: u32, first_column: u32, k: u32) {
    workgroupBarrier();
    for (var i = lane; i < PIECE * ROWS; i += 64u) {
        let at = k + i % PIECE;
        let row = i / PIECE;
        var x = vec4<f32>();
        if at < depth() {
            x = left(row_at(first_row + row) + at);
        }
        left_piece[i % PIECE * ROWS + row] = x;
    }
    let at = k + lane / 8u % PIECE;
    let column = lane % 8u + 8u * (lane / 32u);
    var w = Weights();
    if at < depth() {
        w = right(right_at(first_column + column), at);
    }
    let into = lane / 8u % PIECE * 4u * COLUMNS + column;
    right_piece[into] = w[0];
    right_piece[into + COLUMNS] = w[1];
    right_piece[into + 2u * COLUMNS] = w[2];
    right_piece[into + 3u * COLUMNS] = w[3];
    workgroupBarrier();
}

fn right_of(k: u32, column: u32) -> Weights {
    let at = k * 4u * COLUMNS + column;
    return Weights(
        right_piece[at], right_piece[at + COLUMNS], right_piece[at + 2u * COLUMNS], right_piece[at + 3u * COLUMNS],
    );
}

// Four rows, eight apart, from `at` on.
fn fold_piece(sum: ptr<function, Quad>, at: u32, w: Weights) {
    (*sum).r0 = fold((*sum).r0, left_piece[at], w);
    (*sum).r1 = fold((*sum).r1, left_piece[at + 8u], w);
    (*sum).r2 = fold((*sum).r2, left_piece[at + 16u], w);
    (*sum).r3 = fold((*sum).r3, left_piece[at + 24u], w);
}

fn finish_piece(row: u32, column: u32, sum: Quad) {
    finish(row, column, sum.r0);
    finish(row + 8u, column, sum.r1);
    finish(row + 16u, column, sum.r2);
    finish(row + 24u, column, sum.r3);
}
