// A workgroup computes sixteen vectors of a by sixteen vectors of b. It reads a piece of PIECE rows of both
// into its own memory, and each of its 8 x 8 invocations multiplies two vectors by two. The next rows are on their
// way meanwhile.

const LANES: u32 = 64u;
const COLUMNS: u32 = 16u;
const PIECE: u32 = 8u;

var<workgroup> a_piece: array<vec4<f32>, PIECE * COLUMNS>;
var<workgroup> b_piece: array<vec4<f32>, PIECE * COLUMNS>;

fn b_of(row: u32, column: u32) -> vec4<f32> {
    // A column past the last one reads some other one, and is thrown away.
    let known = vec4<f32>(b[dims.b_offset + row * dims.b_stride + min(column, dims.b_width - 1u)]);
    return select(known, vec4(1.0, 0.0, 0.0, 0.0), column == dims.b_width);
}

@compute @workgroup_size(LANES)
fn main(
    @builtin(local_invocation_index) lane: u32,
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
) {
    let chunk = tile_of(group, groups);
    let first = chunk * dims.chunk;
    if first >= dims.rows {
        return;
    }
    let first_a = COLUMNS * (group.x / dims.b_blocks);
    let first_b = COLUMNS * (group.x % dims.b_blocks);
    // The place of this invocation's reads in a piece: two rows, four apart.
    let read_row = lane / COLUMNS;
    let a_column = first_a + lane % COLUMNS;
    let b_column = first_b + lane % COLUMNS;
    var sum_0_0 = mat4x4<f32>();
    var sum_0_1 = mat4x4<f32>();
    var sum_1_0 = mat4x4<f32>();
    var sum_1_1 = mat4x4<f32>();
    let end = min(first + dims.chunk, dims.rows);
    let last = end - 1u;
    var row = min(first + read_row, last);
    var more = min(first + read_row + 4u, last);
    var a_0 = read_a(row, a_column);
    var a_1 = read_a(more, a_column);
    var b_0 = b_of(row, b_column);
    var b_1 = b_of(more, b_column);
    let own_a = lane / 8u;
    let own_b = lane % 8u;
    for (var start = first; start < end; start += PIECE) {
        workgroupBarrier();
        a_piece[lane] = a_0;
        a_piece[lane + LANES] = a_1;
        b_piece[lane] = b_0;
        b_piece[lane + LANES] = b_1;
        workgroupBarrier();
        // A row past the end is the last one, and is not multiplied: a branch would wait for its load.
        row = min(start + PIECE + read_row, last);
        more = min(start + PIECE + read_row + 4u, last);
        a_0 = read_a(row, a_column);
        a_1 = read_a(more, a_column);
        b_0 = b_of(row, b_column);
        b_1 = b_of(more, b_column);
        let count = min(PIECE, end - start);
        for (var r = 0u; r < count; r += 1u) {
            let x_0 = a_piece[r * COLUMNS + own_a];
            let x_1 = a_piece[r * COLUMNS + own_a + 8u];
            let y_0 = b_piece[r * COLUMNS + own_b];
            let y_1 = b_piece[r * COLUMNS + own_b + 8u];
            sum_0_0 = accumulate(sum_0_0, x_0, y_0);
            sum_0_1 = accumulate(sum_0_1, x_0, y_1);
            sum_1_0 = accumulate(sum_1_0, x_1, y_0);
            sum_1_1 = accumulate(sum_1_1, x_1, y_1);
        }
    }
    store(chunk, first_a + own_a, first_b + own_b, sum_0_0);
    store(chunk, first_a + own_a, first_b + own_b + 8u, sum_0_1);
    store(chunk, first_a + own_a + 8u, first_b + own_b, sum_1_0);
    store(chunk, first_a + own_a + 8u, first_b + own_b + 8u, sum_1_1);
}
