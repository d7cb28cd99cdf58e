// A workgroup reads a piece of ROWS rows and of sixteen vectors of columns into its own memory, sixteen k at a time, as plain
// matrices of f16; its subgroups multiply them as cooperative matrices of 16 x 16, with sums in f32. Experimental in wgpu 30,
// and so used only where a test at the start has shown that it is right.

alias Left = coop_mat16x16<f16, A>;
alias Right = coop_mat16x16<f16, B>;
alias Sum = coop_mat16x16<f32, C>;

const COLUMNS: u32 = 16u;
// Vectors of k at a time: one cooperative matrix.
const PIECE: u32 = 4u;
// From one row or column of a piece to the next: a multiple of 16 bytes, as loads have to be, and no power of two, lest all rows
// begin in the same bank.
const STRIDE: u32 = 24u;
// Rows of a subgroup, and numbers in a row of sums.
const STRIP: u32 = 32u;
const WIDTH: u32 = 4u * COLUMNS;

// [ROWS, 16 k] and [WIDTH, 16 k]: the second one is a matrix by columns, as four k of a weight lie side by side.
var<workgroup> left_piece: array<f16, ROWS * STRIDE>;
var<workgroup> right_piece: array<f16, WIDTH * STRIDE>;
// [ROWS / STRIP, 16, WIDTH]: half of each subgroup's sums, since all of them would be more memory than a workgroup is sure to have.
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

// The first one of the workgroup, whose invocations share all of them.
fn column_of(group: u32, local: u32) -> u32 {
    return group * COLUMNS;
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
        let into = row * STRIDE + i % PIECE * 4u;
        left_piece[into] = f16(x.x);
        left_piece[into + 1u] = f16(x.y);
        left_piece[into + 2u] = f16(x.z);
        left_piece[into + 3u] = f16(x.w);
    }
    let at = k + lane / 8u % PIECE;
    let column = lane % 8u + 8u * (lane / 32u);
    var w = Weights();
    if at < depth() {
        w = right(right_at(first_column + column), at);
    }
    let into = 4u * column * STRIDE + lane / 8u % PIECE * 4u;
    write_column(into, w[0]);
    write_column(into + STRIDE, w[1]);
    write_column(into + 2u * STRIDE, w[2]);
    write_column(into + 3u * STRIDE, w[3]);
    workgroupBarrier();
}

fn write_column(into: u32, w: vec4<f32>) {
    right_piece[into] = f16(w.x);
    right_piece[into + 1u] = f16(w.y);
    right_piece[into + 2u] = f16(w.z);
    right_piece[into + 3u] = f16(w.w);
}

// Finishes what stands in `sums`: sixteen rows of each of so many subgroups, whose rows are STRIP apart.
fn finish_sums(first_row: u32, first_column: u32, count: u32) {
    for (var i = lane; i < count * 16u * COLUMNS; i += 64u) {
        let row = i / COLUMNS;
        let at = row * WIDTH + i % COLUMNS * 4u;
        let sum = Gates(sums[at], sums[at + 1u], sums[at + 2u], sums[at + 3u]);
        finish(first_row + row / 16u * STRIP + row % 16u, first_column + i % COLUMNS, sum);
    }
}
