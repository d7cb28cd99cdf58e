// The second phase of a GRU with reset before the recurrent product, here h; the place of c holds z:
// n = G(x_n + h)
// h_t = (1 - z) n + z h_{t-1}

// The input's gates that it reads, from the first one on, of those that a unit has.
const HAS_INPUT: bool = true;
const INPUT_GATES: u32 = 3u;
const INPUT_FIRST: u32 = 2u;
// h_{t-1} and c_{t-1} of its unit that it reads, and c_t that it writes.
const READS_H: bool = true;
const READS_C: bool = true;
const WRITES_C: bool = false;

fn cell(x: Gates, h: Gates, previous: State, unit: u32) -> State {
    let n = candidate_activation(x + h);
    return State((1.0 - previous.c) * n + previous.c * previous.h, previous.c);
}
