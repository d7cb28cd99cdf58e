// back: one time step of one layer and direction on the way back, the product of the gradients with a
// transposed recurrent weight and the gradient of the cell's update in one.
//   a [N, K], b [K, U], carry [N, U]  ->  gates[t] [N, U, G], carry [N, U]
// Before the step, gates[t] are the pre-activations that the forward pass has saved; after the step, the
// gradients by them. Each file of back/ is a formula. One invocation computes one unit for ROWS rows of the
// batch, or four units: a file of units/. With both directions in one dispatch, each array holds the forward
// direction's part and then the reverse one's, except gates, whose rows hold both, and the lengths.

fn rows() -> u32 {
    return dims.batch;
}

fn depth() -> u32 {
    return dims.depth;
}

fn b_at(column: u32) -> u32 {
    let last = (dims.units - 1u) / UNITS;
    return direction * dims.direction_weight / UNITS + block_at(min(column, last), dims.depth);
}

fn read_b(at: u32, k: u32) -> Weights {
    return Weights(b[at + k * BLOCK]);
}

fn unit_epilogue(row: u32, unit: u32, sum: f32) {
    if row >= dims.batch || unit >= dims.units {
        return;
    }
    let t = time_step();
    let place = Place(row, unit, t * dims.batch + row, direction * dims.batch + row);
    if ENDS {
        carry[carry_h_at(place)] += sum;
        return;
    }
    var is_past = false;
    if HAS_LENGTHS {
        is_past = dims.first_step + t >= lengths[row];
    }
    if is_past {
        pass_on(place, sum);
    } else {
        step_back(place, sum);
    }
}
