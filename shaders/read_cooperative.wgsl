// A workgroup reads a piece of ROWS rows of a and of sixteen vectors of columns of b into its own memory,
// sixteen k at a time, as plain matrices of f16; its subgroups multiply these as cooperative matrices of 16 x
// 16, with sums in f32. Experimental in wgpu 30, and used only where a test at the start has shown that it is
// right.

alias MatrixA = coop_mat16x16<f16, A>;
alias MatrixB = coop_mat16x16<f16, B>;
alias Sum = coop_mat16x16<f32, C>;

const COLUMNS: u32 = 16u;
// Vectors of k at a time: one cooperative matrix.
const PIECE: u32 = 4u;
// From one row or column of a piece to the next: a multiple of 16 bytes, as loads need, and no power of two,
// lest all rows begin in the same bank.
const STRIDE: u32 = 24u;
// Rows of a subgroup, and numbers in a row of sums.
const STRIP: u32 = 32u;
const WIDTH: u32 = 4u * COLUMNS;

// [ROWS, 16 k] of a and [WIDTH, 16 k] of b, which is a matrix by columns: four k of a weight lie side by
// side.
var<workgroup> a_piece: array<f16, ROWS * STRIDE>;
var<workgroup> b_piece: array<f16, WIDTH * STRIDE>;
// [ROWS / STRIP, 16, WIDTH]: half of each subgroup's sums, since all sums together can exceed a workgroup's
// memory.
var<workgroup> sums: array<f32, ROWS / STRIP * 16u * WIDTH>;
var<private> lane: u32;
var<private> subgroup: u32;
var<private> subgroups: u32;

@compute @workgroup_size(64)
fn main(
    @builtin(local_invocation_index) local: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(subgroup_id) own: u32,
    @builtin(num_subgroups) count: u32,
) {
    lane = local;
    subgroup = own;
    subgroups = count;
    run(local, group, groups);
}

// The workgroup's first column, the same for all its invocations.
fn column_of(group: u32, local: u32) -> u32 {
    return group * COLUMNS;
}

// Reads the pieces at k, zeros past the end of K.
fn read_pieces(first_row: u32, first_column: u32, k: u32) {
    workgroupBarrier();
    for (var i = lane; i < PIECE * ROWS; i += 64u) {
        let at = k + i % PIECE;
        let row = i / PIECE;
        var four = vec4<f32>();
        if at < depth() {
            four = read_a(a_at(first_row + row) + at);
        }
        let into = row * STRIDE + i % PIECE * 4u;
        a_piece[into] = f16(four.x);
        a_piece[into + 1u] = f16(four.y);
        a_piece[into + 2u] = f16(four.z);
        a_piece[into + 3u] = f16(four.w);
    }
    let at = k + lane / 8u % PIECE;
    let column = lane % 8u + 8u * (lane / 32u);
    var b = Weights();
    if at < depth() {
        b = read_b(b_at(first_column + column), at);
    }
    let into = 4u * column * STRIDE + lane / 8u % PIECE * 4u;
    write_column(into, b[0]);
    write_column(into + STRIDE, b[1]);
    write_column(into + 2u * STRIDE, b[2]);
    write_column(into + 3u * STRIDE, b[3]);
    workgroupBarrier();
}

fn write_column(into: u32, four: vec4<f32>) {
    b_piece[into] = f16(four.x);
    b_piece[into + 1u] = f16(four.y);
    b_piece[into + 2u] = f16(four.z);
    b_piece[into + 3u] = f16(four.w);
}

// The epilogue of the numbers in `sums`: sixteen rows per subgroup, for `count` subgroups, whose rows are
// STRIP apart.
fn epilogue_sums(first_row: u32, first_column: u32, count: u32) {
    for (var i = lane; i < count * 16u * COLUMNS; i += 64u) {
        let row = i / COLUMNS;
        let at = row * WIDTH + i % COLUMNS * 4u;
        let sum = Gates(sums[at], sums[at + 1u], sums[at + 2u], sums[at + 3u]);
        epilogue(first_row + row / 16u * STRIP + row % 16u, first_column + i % COLUMNS, sum);
    }
}
