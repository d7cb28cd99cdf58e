//! The packed layout as ARCHITECTURE tells it: the tensor's number at each place of a packed weight.

use wgpu_rnn::inspect::{Equation, KernelWeight, Product, WeightPart};
use wgpu_rnn::{Cell, Directions, Merge, Reset, Weights};

/// Units whose weights stand side by side, and numbers in a vector, as ARCHITECTURE tells them.
const BLOCK: usize = 8;
const VECTOR: usize = 4;

/// The tensors of a slot.
#[derive(Clone)]
pub struct Tensors<'a> {
    weights: &'a Weights,
    suffix: String,
    cell: Cell,
    hidden: usize,
    state: usize,
    input: usize,
    /// Arrays side by side in the layer's input.
    sources: usize,
    /// Units that an invocation computes on the way back.
    together: usize,
}

impl<'a> Tensors<'a> {
    /// `together` is the number of units that an invocation computes on the way back.
    pub fn new(weights: &'a Weights, key: KernelWeight, direction: usize, together: usize) -> Tensors<'a> {
        let config = weights.config();
        let suffix = format!("_l{}{}", key.layer, ["", "_reverse"][direction]);
        let one = config.directions == Directions::Both && config.merge == Merge::Concatenate;
        let (cell, hidden) =
            config.stack.get(key.layer).copied().unwrap_or((config.cell, config.hidden_size));
        let shape = |kind: &str, axis| weights.tensor(&format!("{kind}{suffix}")).unwrap().shape()[axis];
        let (state, input) = (shape("weight_hh", 1), shape("weight_ih", 1));
        let sources = if key.layer > 0 && one { 2 } else { 1 };
        Tensors { weights, suffix, cell, hidden, state, input, sources, together }
    }

    /// A number of a tensor, or zero where the network has none such.
    fn at(&self, kind: &str, index: &[usize]) -> f32 {
        let tensor = self.weights.tensor(&format!("{kind}{}", self.suffix));
        tensor.map_or(0.0, |tensor| tensor[index])
    }

    /// The number that belongs to a place of a packed array: from the place to the tensor, unlike the kernel.
    pub fn number(&self, part: WeightPart, at: usize) -> f32 {
        let (gates, hidden) = (self.cell.gates(), self.hidden);
        match part {
            WeightPart::InputWeight => {
                let width = self.input / self.sources;
                let padded = width.div_ceil(VECTOR);
                let [block, k, lane, column, i] = digits(at, [self.sources * padded, BLOCK, VECTOR, VECTOR]);
                let column = (block * BLOCK + lane) * VECTOR + column;
                let (unit, gate) = (column / gates, column % gates);
                let (source, k) = (k / padded, k % padded * VECTOR + i);
                match unit < hidden && k < width {
                    true => self.at("weight_ih", &[gate * hidden + unit, source * width + k]),
                    false => 0.0,
                }
            }
            WeightPart::InputBias => match at / gates < hidden {
                true => self.at("bias_ih", &[at % gates * hidden + at / gates]),
                false => 0.0,
            },
            WeightPart::Product(product) => {
                let (kind, units, width, first, count) = match product {
                    Product::Recurrent { first, gates } => ("weight_hh", hidden, self.state, first, gates),
                    Product::Projection => ("weight_hr", self.state, hidden, 0, 1),
                };
                let [block, k, lane, gate, i] = digits(at, [width.div_ceil(VECTOR), BLOCK, count, VECTOR]);
                let (unit, k) = (block * BLOCK + lane, k * VECTOR + i);
                match unit < units && k < width {
                    true => self.at(kind, &[(first + gate) * units + unit, k]),
                    false => 0.0,
                }
            }
            WeightPart::Parameters(equation) => self.parameter(equation, at),
            WeightPart::SavedInputWeight | WeightPart::SavedInputBias => self.saved_input(part, at),
            WeightPart::Transposed(_) | WeightPart::TransposedInput => self.transposed(part, at),
            WeightPart::Again(_) | WeightPart::BothBiases => self.again(part, at),
        }
    }

    /// Numbers of a unit in a row of gates that a saved call keeps.
    fn kept(&self) -> usize {
        if self.cell.gates() == 1 { 1 } else { 4 }
    }

    /// As those of other calls, with rows of four numbers per unit.
    fn saved_input(&self, part: WeightPart, at: usize) -> f32 {
        let (gates, hidden, kept) = (self.cell.gates(), self.hidden, self.kept());
        if part == WeightPart::SavedInputBias {
            let (unit, gate) = (at / kept, at % kept);
            let is_there = unit < hidden && gate < gates;
            return if is_there { self.at("bias_ih", &[gate * hidden + unit]) } else { 0.0 };
        }
        let width = self.input / self.sources;
        let padded = width.div_ceil(VECTOR);
        let [block, k, lane, column, i] = digits(at, [self.sources * padded, BLOCK, VECTOR, VECTOR]);
        let column = (block * BLOCK + lane) * VECTOR + column;
        let (unit, gate) = (column / kept, column % kept);
        let (source, k) = (k / padded, k % padded * VECTOR + i);
        match unit < hidden && gate < gates && k < width {
            true => self.at("weight_ih", &[gate * hidden + unit, source * width + k]),
            false => 0.0,
        }
    }

    /// The recurrent weights and both biases, by gates of units as a saved call keeps them.
    fn again(&self, part: WeightPart, at: usize) -> f32 {
        let (hidden, kept) = (self.hidden, self.kept());
        let is_after = self.cell == Cell::Gru && self.weights.config().gru_reset == Reset::After;
        let recurrent = |place: usize| match (is_after, place) {
            (true, 2) => None,
            (true, 3) => Some(2),
            _ => Some(place).filter(|&place| place < self.cell.gates()),
        };
        if part == WeightPart::BothBiases {
            let (unit, place) = (at / kept, at % kept);
            if unit >= hidden {
                return 0.0;
            }
            let ih =
                if place < self.cell.gates() { self.at("bias_ih", &[place * hidden + unit]) } else { 0.0 };
            return ih + recurrent(place).map_or(0.0, |gate| self.at("bias_hh", &[gate * hidden + unit]));
        }
        let WeightPart::Again(Product::Recurrent { first, gates }) = part else { return 0.0 };
        let [block, k, lane, column, i] = digits(at, [self.state.div_ceil(VECTOR), BLOCK, VECTOR, VECTOR]);
        let column = (block * BLOCK + lane) * VECTOR + column;
        let (unit, place, k) = (column / kept, column % kept, k * VECTOR + i);
        match recurrent(place).filter(|gate| (first..first + gates).contains(gate)) {
            Some(gate) if unit < hidden && k < self.state => self.at("weight_hh", &[gate * hidden + unit, k]),
            _ => 0.0,
        }
    }

    /// Columns of a weight as rows, by gates of units as a saved call keeps them.
    fn transposed(&self, part: WeightPart, at: usize) -> f32 {
        let (hidden, kept) = (self.hidden, self.kept());
        let row = (hidden * kept).next_multiple_of(VECTOR);
        // The gate that stands at a place of a unit's numbers: of the input's product, or of the recurrent
        // one, where the candidate's place is empty.
        let gate_at = |place: usize, is_gru: bool, gates: usize| match (is_gru, place) {
            (true, 2) => None,
            (true, 3) => Some(2),
            _ => Some(place).filter(|&place| place < gates),
        };
        match part {
            WeightPart::TransposedInput => {
                let directions = if self.weights.config().directions == Directions::Both { 2 } else { 1 };
                let width = self.input / self.sources;
                let padded = width.next_multiple_of(VECTOR);
                let axes = [directions * row / VECTOR, BLOCK, VECTOR, VECTOR];
                let [block, k, lane, column, i] = digits(at, axes);
                let (column, k) = ((block * BLOCK + lane) * VECTOR + column, k * VECTOR + i);
                let (source, column) = (column / padded, column % padded);
                let (direction, unit, place) = (k / row, k % row / kept, k % kept);
                let own = Tensors { suffix: self.suffix_of(direction), ..self.clone() };
                match gate_at(place, false, self.cell.gates()) {
                    Some(gate) if unit < hidden && column < width && source < self.sources => {
                        own.at("weight_ih", &[gate * hidden + unit, source * width + column])
                    }
                    _ => 0.0,
                }
            }
            WeightPart::Transposed(Product::Recurrent { first: 0, gates }) => {
                let [block, k, lane, of_four, i] = digits(at, [row / VECTOR, BLOCK, self.together, VECTOR]);
                let (column, k) = ((block * BLOCK + lane) * self.together + of_four, k * VECTOR + i);
                match gate_at(k % kept, gates == 3, gates) {
                    Some(gate) if k / kept < hidden && column < self.state => {
                        self.at("weight_hh", &[gate * hidden + k / kept, column])
                    }
                    _ => 0.0,
                }
            }
            WeightPart::Transposed(product) => {
                let (kind, first, rows, columns) = match product {
                    Product::Recurrent { first, .. } => ("weight_hh", first * hidden, hidden, self.state),
                    Product::Projection => ("weight_hr", 0, self.state, hidden),
                };
                let [block, k, lane, of_four, i] =
                    digits(at, [rows.div_ceil(VECTOR), BLOCK, self.together, VECTOR]);
                let (column, k) = ((block * BLOCK + lane) * self.together + of_four, k * VECTOR + i);
                let is_there = k < rows && column < columns;
                if is_there { self.at(kind, &[first + k, column]) } else { 0.0 }
            }
            _ => 0.0,
        }
    }

    fn suffix_of(&self, direction: usize) -> String {
        let plain = self.suffix.trim_end_matches("_reverse");
        format!("{plain}{}", ["", "_reverse"][direction])
    }

    fn parameter(&self, equation: Equation, at: usize) -> f32 {
        let config = self.weights.config();
        let (first, width) = match equation.product() {
            Some(Product::Recurrent { first, gates }) => (first, gates),
            _ => (0, equation.width()),
        };
        let vectors = match equation {
            Equation::LstmNorm => 7,
            _ if config.peepholes => 2,
            _ => 1,
        };
        let [unit, vector, gate] = digits(at, [vectors, width]);
        if unit >= self.hidden {
            return 0.0;
        }
        let of_gate = |kind| self.at(kind, &[(first + gate) * self.hidden + unit]);
        match vector {
            0 if config.layer_norm => of_gate("bias_hh") + of_gate("bias_ih"),
            0 => of_gate("bias_hh"),
            1 if gate < 3 => of_gate("weight_peephole"),
            2 => of_gate("weight_norm_ih"),
            3 => of_gate("bias_norm_ih"),
            4 => of_gate("weight_norm_hh"),
            5 => of_gate("bias_norm_hh"),
            6 if gate == 0 => self.at("weight_norm_c", &[unit]),
            6 if gate == 1 => self.at("bias_norm_c", &[unit]),
            _ => 0.0,
        }
    }
}

/// The indices of a number in an array of these inner axes, the outermost first.
fn digits<const N: usize, const M: usize>(mut at: usize, axes: [usize; N]) -> [usize; M] {
    let mut digits = [0; M];
    for (digit, axis) in digits[1..].iter_mut().zip(axes).rev() {
        *digit = at % axis;
        at /= axis;
    }
    digits[0] = at;
    digits
}
