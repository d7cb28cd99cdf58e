// Gates r, z, n; reset after the recurrent product:
// n = G(x_n + F(r) h_n)
// h_t = (1 - F(z)) n + F(z) h_{t-1}

// The input's gates that it reads, from the first one on, of those that a unit has.
const HAS_INPUT: bool = true;
const INPUT_GATES: u32 = 3u;
const INPUT_FIRST: u32 = 0u;
// h_{t-1} and c_{t-1} of its unit that it reads, and c_t that it writes.
const READS_H: bool = true;
const READS_C: bool = false;
const WRITES_C: bool = false;

fn cell(x: Gates, h: Gates, previous: State, unit: u32) -> State {
    let r = gate_activation(x.x + h.x);
    let z = gate_activation(x.y + h.y);
    let n = candidate_activation(x.z + r * h.z);
    return State((1.0 - z) * n + z * previous.h, previous.c);
}
