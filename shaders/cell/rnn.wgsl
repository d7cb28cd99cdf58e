// h_t = F(x + h)

// The input's gates that it reads, from the first one on, of those that a unit has.
const HAS_INPUT: bool = true;
const INPUT_GATES: u32 = 1u;
const INPUT_FIRST: u32 = 0u;
// h_{t-1} and c_{t-1} of its unit that it reads, and c_t that it writes.
const READS_H: bool = false;
const READS_C: bool = false;
const WRITES_C: bool = false;

fn cell(x: Gates, h: Gates, previous: State, unit: u32) -> State {
    return State(gate_activation(x + h), previous.c);
}
