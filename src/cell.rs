//! The table of cells: what a cell is to everything that does not compute it.
//!
//! The equations stand in `cpu/cell.rs` and `shaders/cell/`; nothing else knows them.

/// A recurrent cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Cell {
    /// Vanilla RNN with the rectifier (Gluon's default).
    RnnRelu,
    /// Vanilla RNN with the hyperbolic tangent (PyTorch's default; Elman 1990).
    RnnTanh,
    /// Long short-term memory with a forget gate (Gers et al. 2000).
    Lstm,
    /// Gated recurrent unit, reset applied after the recurrent product (cuDNN's variant of Cho et al. 2014).
    Gru,
}

/// The nonlinearity of the vanilla RNN.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Activation {
    /// max(x, 0): Gluon's default.
    Relu,
    /// tanh(x): PyTorch's default.
    Tanh,
}

/// One row of the table.
struct Facts {
    name: &'static str,
    /// Row blocks of a weight matrix, in PyTorch's and Gluon's order.
    gates: &'static [&'static str],
    /// Arrays carried from step to step: h, and c where there is one.
    states: usize,
    activation: Option<Activation>,
    wgsl: &'static str,
}

impl Cell {
    /// Every cell, for tests and tables.
    pub const ALL: [Cell; 4] = [Cell::RnnRelu, Cell::RnnTanh, Cell::Lstm, Cell::Gru];

    const fn facts(self) -> Facts {
        match self {
            Cell::RnnRelu => Facts {
                name: "rnn_relu",
                gates: &["h"],
                states: 1,
                activation: Some(Activation::Relu),
                wgsl: include_str!("../shaders/cell/rnn_relu.wgsl"),
            },
            Cell::RnnTanh => Facts {
                name: "rnn_tanh",
                gates: &["h"],
                states: 1,
                activation: Some(Activation::Tanh),
                wgsl: include_str!("../shaders/cell/rnn_tanh.wgsl"),
            },
            Cell::Lstm => Facts {
                name: "lstm",
                gates: &["i", "f", "g", "o"],
                states: 2,
                activation: None,
                wgsl: include_str!("../shaders/cell/lstm.wgsl"),
            },
            Cell::Gru => Facts {
                name: "gru",
                gates: &["r", "z", "n"],
                states: 1,
                activation: None,
                wgsl: include_str!("../shaders/cell/gru.wgsl"),
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

    /// The activation, for a vanilla RNN.
    pub const fn activation(self) -> Option<Activation> {
        self.facts().activation
    }

    /// The vanilla RNN of this activation.
    pub const fn rnn(activation: Activation) -> Cell {
        match activation {
            Activation::Relu => Cell::RnnRelu,
            Activation::Tanh => Cell::RnnTanh,
        }
    }

    /// The cell's equation for the GPU.
    pub(crate) const fn wgsl(self) -> &'static str {
        self.facts().wgsl
    }
}

impl Activation {
    /// `relu` or `tanh`.
    pub const fn name(self) -> &'static str {
        match self {
            Activation::Relu => "relu",
            Activation::Tanh => "tanh",
        }
    }
}

impl std::str::FromStr for Activation {
    type Err = crate::Error;

    fn from_str(text: &str) -> crate::Result<Activation> {
        [Activation::Relu, Activation::Tanh]
            .into_iter()
            .find(|activation| activation.name() == text)
            .ok_or_else(|| crate::Error::Activation { found: format!("{text:?}") })
    }
}
