//! The table of cells: all facts about a cell but its formulas.
//!
//! The formulas stand in `shaders/cell/`, `cpu/cell/` and `reference/cell.rs`; `equation.rs` has the steps
//! that a cell is computed in.

use super::{Activation, CellSpec, Equation, Product, Reset};
use crate::{Error, Result};
use std::ops::Range;

/// A recurrent cell.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Cell {
    /// Vanilla RNN (Elman 1990) with its activation: relu by default in Gluon, tanh in PyTorch.
    Vanilla(Activation),
    /// Long short-term memory with a forget gate (Gers et al. 2000).
    Lstm,
    /// Gated recurrent unit (Cho et al. 2014); the reset gate comes after the recurrent product, as in cuDNN,
    /// or before.
    Gru,
}

/// One row of the table.
struct Row {
    name: &'static str,
    /// Row blocks of a weight matrix, in PyTorch's and Gluon's order.
    gates: &'static [&'static str],
    has_cell_state: bool,
    /// The activations under ONNX's names: f of the gates (or of the whole cell), g of the candidate, h of
    /// the output.
    activations: &'static [Activation],
}

impl Cell {
    /// Every cell, for tests and tables; the vanilla RNN with Gluon's activation and with PyTorch's.
    pub const ALL: [Cell; 4] =
        [Cell::Vanilla(Activation::Relu), Cell::Vanilla(Activation::Tanh), Cell::Lstm, Cell::Gru];

    const fn row(self) -> Row {
        match self {
            Cell::Vanilla(activation) => Row {
                name: match activation {
                    Activation::Relu => "rnn_relu",
                    Activation::Tanh => "rnn_tanh",
                    _ => "rnn",
                },
                gates: &["h"],
                has_cell_state: false,
                // A vanilla RNN's own activation stands in the variant.
                activations: &[Activation::Tanh],
            },
            Cell::Lstm => Row {
                name: "lstm",
                gates: &["i", "f", "g", "o"],
                has_cell_state: true,
                activations: &[Activation::Sigmoid, Activation::Tanh, Activation::Tanh],
            },
            Cell::Gru => Row {
                name: "gru",
                gates: &["r", "z", "n"],
                has_cell_state: false,
                activations: &[Activation::Sigmoid, Activation::Tanh],
            },
        }
    }

    /// The equations of a time step, in order: one, or several where a product waits for the result of
    /// another product.
    pub(crate) fn equations(spec: &CellSpec) -> Vec<Equation> {
        let mut equations = match spec.cell {
            Cell::Vanilla(_) => vec![Equation::Rnn],
            Cell::Lstm if spec.layer_norm => vec![Equation::LstmProduct, Equation::LstmNorm],
            Cell::Lstm => vec![Equation::Lstm],
            Cell::Gru => match spec.gru_reset {
                Reset::After => vec![Equation::Gru],
                Reset::Before => vec![Equation::GruReset, Equation::GruCandidate],
            },
        };
        if spec.has_projection {
            equations.push(Equation::Projection);
        }
        equations
    }

    /// The row blocks of `weight_hh` that each recurrent product has, in order.
    pub(crate) fn products(spec: &CellSpec) -> impl Iterator<Item = Range<usize>> + use<> {
        Cell::equations(spec).into_iter().filter_map(|equation| match equation.product() {
            Some(Product::Recurrent { first, gates }) => Some(first..first + gates),
            Some(Product::Projection) | None => None,
        })
    }

    /// The name: MXNet's, of the mode of its RNN operator; `rnn` for a vanilla RNN with another activation.
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// G: row blocks in each weight matrix.
    pub const fn gates(self) -> usize {
        self.row().gates.len()
    }

    /// The gates' letters, in the order of the row blocks.
    pub const fn gate_names(self) -> &'static [&'static str] {
        self.row().gates
    }

    /// True if the cell carries a cell state c beside its hidden state h.
    pub const fn has_cell_state(self) -> bool {
        self.row().has_cell_state
    }

    /// The activation of a vanilla RNN, which no weight tells; none for other cells.
    pub const fn activation(self) -> Option<Activation> {
        match self {
            Cell::Vanilla(activation) => Some(activation),
            _ => None,
        }
    }

    /// The cell's own activations, as ONNX orders them: f; f and g of a GRU; f, g and h of an LSTM.
    pub fn activations(self) -> Vec<Activation> {
        match self {
            Cell::Vanilla(activation) => vec![activation],
            _ => self.row().activations.to_vec(),
        }
    }
}

impl std::fmt::Display for Cell {
    /// The name, and the activation of a vanilla RNN that its name does not tell: `rnn:softsign`.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Cell::Vanilla(activation) if !Cell::ALL.contains(self) => {
                write!(f, "{}:{activation}", self.name())
            }
            _ => f.write_str(self.name()),
        }
    }
}

impl std::str::FromStr for Cell {
    type Err = Error;

    fn from_str(text: &str) -> Result<Cell> {
        if let Some(cell) = Cell::ALL.into_iter().find(|cell| cell.name() == text) {
            return Ok(cell);
        }
        let activation = text.strip_prefix("rnn:").and_then(|activation| activation.parse().ok());
        activation.map(Cell::Vanilla).ok_or_else(|| {
            let expected = format!("{} or rnn:ACTIVATION", Cell::ALL.map(Cell::name).join(", "));
            Error::Text { name: "cell", expected, found: text.into() }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_text_is_read_back() {
        let other = Cell::Vanilla(Activation::HardSigmoid { alpha: 0.25, beta: 0.5 });
        for cell in Cell::ALL.into_iter().chain([other]) {
            assert_eq!(cell.to_string().parse::<Cell>().unwrap(), cell);
        }
        for text in ["", "rnn", "rnn:", "rnn:gelu", "LSTM"] {
            text.parse::<Cell>().unwrap_err();
        }
    }
}
