//! The packed layout as ARCHITECTURE tells it: the tensor's number at each place of a packed weight.

use wgpu_rnn::inspect::{Equation, KernelWeight, Product, WeightPart};
use wgpu_rnn::{Cell, Directions, Merge, Weights};

/// Units whose weights stand side by side, and numbers in a vector, as ARCHITECTURE tells them.
const BLOCK: usize = 8;
const VECTOR: usize = 4;

/// The tensors of a slot.
pub struct Tensors<'a> {
    weights: &'a Weights,
    suffix: String,
    cell: Cell,
    hidden: usize,
    state: usize,
    input: usize,
    /// Arrays side by side in the layer's input.
    sources: usize,
}

impl<'a> Tensors<'a> {
    pub fn new(weights: &'a Weights, key: KernelWeight, direction: usize) -> Tensors<'a> {
        let config = weights.config();
        let suffix = format!("_l{}{}", key.layer, ["", "_reverse"][direction]);
        let one = config.directions == Directions::Both && config.merge == Merge::Concatenate;
        let (cell, hidden) =
            config.stack.get(key.layer).copied().unwrap_or((config.cell, config.hidden_size));
        let shape = |kind: &str, axis| weights.tensor(&format!("{kind}{suffix}")).unwrap().shape()[axis];
        let (state, input) = (shape("weight_hh", 1), shape("weight_ih", 1));
        let sources = if key.layer > 0 && one { 2 } else { 1 };
        Tensors { weights, suffix, cell, hidden, state, input, sources }
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
            _ => todo!(),
        }
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
