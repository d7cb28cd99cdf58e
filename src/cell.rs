//! The table of cells: what a cell is to everything that does not compute it.
//!
//! The equations stand in `reference/cell.rs`, `cpu/cell.rs` and `shaders/cell/`; nothing else knows them.

use crate::Activation;

/// A recurrent cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cell {
    /// Vanilla RNN with the rectifier (Gluon's default).
    RnnRelu,
    /// Vanilla RNN with the hyperbolic tangent (PyTorch's default; Elman 1990).
    RnnTanh,
    /// Long short-term memory with a forget gate (Gers et al. 2000).
    Lstm,
    /// Gated recurrent unit (Cho et al. 2014); the reset gate comes after the recurrent product, as in cuDNN, or before.
    Gru,
}

/// One row of the table.
struct Facts {
    name: &'static str,
    /// Row blocks of a weight matrix, in PyTorch's and Gluon's order.
    gates: &'static [&'static str],
    /// Arrays carried from step to step: h, and c where there is one.
    states: usize,
    /// What it squashes with, under ONNX's names: f of the gates (or of all there is), g of the candidate, h of the output.
    activations: &'static [Activation],
}

impl Cell {
    /// Every cell, for tests and tables.
    pub const ALL: [Cell; 4] = [Cell::RnnRelu, Cell::RnnTanh, Cell::Lstm, Cell::Gru];

    const fn facts(self) -> Facts {
        match self {
            Cell::RnnRelu => {
                Facts { name: "rnn_relu", gates: &["h"], states: 1, activations: &[Activation::Relu] }
            }
            Cell::RnnTanh => {
                Facts { name: "rnn_tanh", gates: &["h"], states: 1, activations: &[Activation::Tanh] }
            }
            Cell::Lstm => Facts {
                name: "lstm",
                gates: &["i", "f", "g", "o"],
                states: 2,
                activations: &[Activation::Sigmoid, Activation::Tanh, Activation::Tanh],
            },
            Cell::Gru => Facts {
                name: "gru",
                gates: &["r", "z", "n"],
                states: 1,
                activations: &[Activation::Sigmoid, Activation::Tanh],
            },
        }
    }

    /// The mode's name, as MXNet's RNN operator spells it.
    pub const fn name(self) -> &'static str {
        self.facts().name
    }

    /// G: row blocks in each weight matrix (1, 4 or 3).
    pub const fn gates(self) -> usize {
        self.facts().gates.len()
    }

    /// The gates' letters, in the order of the row blocks.
    pub const fn gate_names(self) -> &'static [&'static str] {
        self.facts().gates
    }

    /// Whether the cell carries a cell state c beside its hidden state h.
    pub const fn has_cell_state(self) -> bool {
        self.states() > 1
    }

    /// The arrays carried from step to step (1: h, 2: h and c).
    pub(crate) const fn states(self) -> usize {
        self.facts().states
    }

    /// The activation of a vanilla RNN, which no weight tells; none for the others.
    pub const fn activation(self) -> Option<Activation> {
        if self.gates() == 1 { Some(self.activations()[0]) } else { None }
    }

    /// Its own activations, as ONNX orders them: f; f and g of a GRU; f, g and h of an LSTM.
    pub const fn activations(self) -> &'static [Activation] {
        self.facts().activations
    }
}
