// A workgroup reads a piece of ROWS rows of a and of sixteen columns of b into its own memory, sixteen k at a
// time, and each of its 8 x 8 invocations multiplies every eighth row by every eighth column: a number of a
// that is read from its buffer is used sixteen times, one of b ROWS times. For large products on GPUs; on a
// software adapter the detour only costs.

const COLUMNS: u32 = 16u;
// Vectors of k at a time.
const PIECE: u32 = 4u;

// [PIECE, ROWS]
var<workgroup> a_piece: array<vec4<f32>, PIECE * ROWS>;
// [PIECE, 4, COLUMNS]: each of the four columns of a vector by itself, so that neighbours read neighbours.
var<workgroup> b_piece: array<vec4<f32>, PIECE * 4u * COLUMNS>;
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
        var four = vec4<f32>();
        if at < depth() {
            four = read_a(a_at(first_row + row) + at);
        }
        a_piece[i % PIECE * ROWS + row] = four;
    }
    let at = k + lane / 8u % PIECE;
    let column = lane % 8u + 8u * (lane / 32u);
    var b = Weights();
    if at < depth() {
        b = read_b(b_at(first_column + column), at);
    }
    let into = lane / 8u % PIECE * 4u * COLUMNS + column;
    b_piece[into] = b[0];
    b_piece[into + COLUMNS] = b[1];
    b_piece[into + 2u * COLUMNS] = b[2];
    b_piece[into + 3u * COLUMNS] = b[3];
    workgroupBarrier();
}

fn read_b_piece(k: u32, column: u32) -> Weights {
    let at = k * 4u * COLUMNS + column;
    return Weights(
        b_piece[at], b_piece[at + COLUMNS], b_piece[at + 2u * COLUMNS], b_piece[at + 3u * COLUMNS],
    );
}

// Four rows, eight apart, from `at` on.
fn accumulate_piece(sum: ptr<function, Quad>, at: u32, b: Weights) {
    (*sum).r0 = accumulate((*sum).r0, a_piece[at], b);
    (*sum).r1 = accumulate((*sum).r1, a_piece[at + 8u], b);
    (*sum).r2 = accumulate((*sum).r2, a_piece[at + 16u], b);
    (*sum).r3 = accumulate((*sum).r3, a_piece[at + 24u], b);
}

fn epilogue_piece(row: u32, column: u32, sum: Quad) {
    epilogue(row, column, sum.r0);
    epilogue(row + 8u, column, sum.r1);
    epilogue(row + 16u, column, sum.r2);
    epilogue(row + 24u, column, sum.r3);
}
