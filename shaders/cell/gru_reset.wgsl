// The first phase of a GRU with reset before the recurrent product, gates r and z: gives F(r) h_{t-1} to the
// second phase's product, and F(z) in the place of c.

// The input's gates that it reads, from the first one on, of those that a unit has.
const HAS_INPUT: bool = true;
const INPUT_GATES: u32 = 3u;
const INPUT_FIRST: u32 = 0u;
// h_{t-1} and c_{t-1} of its unit that it reads, and c_t that it writes.
const READS_H: bool = true;
const READS_C: bool = false;
const WRITES_C: bool = true;

fn cell(x: Gates, h: Gates, previous: State, unit: u32) -> State {
    return State(gate_activation(x.x + h.x) * previous.h, gate_activation(x.y + h.y));
}
