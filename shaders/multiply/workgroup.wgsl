// A workgroup reads a piece of its rows of a and of its columns of b into its own memory, sixteen k at a
// time, and each of its invocations multiplies some rows by some columns of the pieces, while its next
// vectors are on their way. A sum bears the numbers of its row and column. Neighbouring invocations read
// neighbouring vectors of memory.
const ROWS: u32 = {ROWS}u;
const COLUMNS: u32 = {COLUMNS}u;
const LANES: u32 = {LANES}u;
// Vectors of k at a time.
const PIECE: u32 = {PIECE}u;
// Vectors from one k to the next: one more than rows, lest all vectors of a row lie in one bank.
const A_STRIDE: u32 = ROWS + 1u;
// The same of columns, whose vectors neighbouring invocations write.
const B_STRIDE: u32 = GATES * COLUMNS + 1u;
// Rows of an invocation are so far apart, its columns eight.
const ROWS_APART: u32 = LANES / 8u;
// Vectors that an invocation reads lie so far apart. Invocations past B_LANES read what others read.
const READS_APART: u32 = LANES / PIECE;
const B_LANES: u32 = min(LANES, COLUMNS * PIECE);

var<workgroup> a_piece: array<vec4<f32>, PIECE * A_STRIDE>;
var<workgroup> b_piece: array<vec4<f32>, PIECE * B_STRIDE>;

fn multiply(row: u32, column: u32) {
    let own = lane / 8u;
    let first = column - lane % 8u;
    let from_a_{i} = a_at(row + {i}u * READS_APART + lane / PIECE);
    let from_b_{l} = b_at(first + {l}u * READS_APART + lane % B_LANES / PIECE);
    let into_a = lane % PIECE * A_STRIDE + lane / PIECE;
    let into_b = lane % PIECE * B_STRIDE + lane % B_LANES / PIECE;
    // A vector past the end of K is the last one, and is not multiplied: a branch would wait for its load.
    let last = depth() - 1u;
    let start = first_k();
    var a_{i} = read_a(from_a_{i} + min(start + lane % PIECE, last));
    var b_{l} = read_b(from_b_{l}, min(start + lane % PIECE, last));
    var sum_{r}_{c} = Gates();
    for (var k = 0u; k < own_depth(); k += PIECE) {
        workgroupBarrier();
        a_piece[into_a + {i}u * READS_APART] = a_{i};
        if lane < B_LANES {
            write_b_piece(into_b + {l}u * READS_APART, b_{l});
        }
        workgroupBarrier();
        let next = min(start + k + PIECE + lane % PIECE, last);
        a_{i} = read_a(from_a_{i} + next);
        b_{l} = read_b(from_b_{l}, next);
        let count = min(PIECE, left_of_k(k));
        for (var piece = 0u; piece < count; piece += 1u) {
            let x_{r} = a_piece[piece * A_STRIDE + own + {r}u * ROWS_APART];
            let w_{c} = read_b_piece(piece * B_STRIDE + lane % 8u + {c}u * 8u);
            sum_{r}_{c} = accumulate(sum_{r}_{c}, x_{r}, w_{c});
        }
    }
    end_of_sum(row, first, own + {r}u * ROWS_APART, lane % 8u + {c}u * 8u, sum_{r}_{c});
    end_of_sums(row, first);
}
