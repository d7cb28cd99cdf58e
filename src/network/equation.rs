//! The table of equations: a time step of a cell is one equation, or several where a product waits for the
//! result of another product.
//!
//! Each has a product, with a part of a weight, and a formula in a file of `shaders/cell/`. The file declares
//! as `const` the same facts as its row here; `tests/shaders/` compares the two.

use super::CellSpec;

/// The formula of an LSTM, and its options.
const LSTM: &str = concat!(
    include_str!("../../shaders/cell/lstm_options.wgsl"),
    include_str!("../../shaders/cell/lstm.wgsl")
);

/// A product and the formula over it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Equation {
    /// Vanilla RNN.
    Rnn,
    /// LSTM.
    Lstm,
    /// GRU, reset after the recurrent product.
    Gru,
    /// The gates r and z of a GRU with reset before, and r ∘ h.
    GruReset,
    /// The candidate n of a GRU with reset before, and its new state.
    GruCandidate,
    /// The recurrent product of a layer-normalised LSTM: a plain GEMM.
    LstmProduct,
    /// The rest of a layer-normalised LSTM, which needs the sums of all units: a kernel without a product.
    LstmNorm,
    /// The projection of an LSTM's output.
    Projection,
}

/// The weight that an equation's product has.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Product {
    /// Some row blocks of `weight_hh`.
    Recurrent {
        /// The first gate.
        first: usize,
        /// Gates.
        gates: usize,
    },
    /// `weight_hr`.
    Projection,
}

impl Product {
    /// Numbers per unit: the gates, or 1.
    pub const fn width(self) -> usize {
        match self {
            Product::Recurrent { gates, .. } => gates,
            Product::Projection => 1,
        }
    }
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct EquationRow {
    /// The name of the formula's file.
    pub name: &'static str,
    /// The name of the kernel that does many time steps.
    pub sequence_name: &'static str,
    /// The file; none where the formula is a kernel of its own.
    pub wgsl: Option<&'static str>,
    /// The file that says which numbers a saved call keeps; empty if none.
    pub saves: &'static str,
    /// The weight of its product, if it has one.
    pub product: Option<Product>,
    /// The input's gates that the equation reads: the first gate, and the number of gates of the input; none
    /// if the equation reads no input.
    pub input: Option<(usize, usize)>,
    /// The formula reads h_{t-1} of its own unit, beside the product.
    pub reads_h: bool,
    /// The formula reads c_{t-1} of its own unit, or a number in the place of c.
    pub reads_c: bool,
    /// The formula writes c_t of its own unit, or a number in the place of c.
    pub writes_c: bool,
    /// The equation has biases.
    pub has_bias: bool,
    /// The content of the array that the equation writes for the next equation.
    pub result: &'static str,
}

impl Equation {
    /// Every equation.
    pub const ALL: [Equation; 8] = [
        Equation::Rnn,
        Equation::Lstm,
        Equation::Gru,
        Equation::GruReset,
        Equation::GruCandidate,
        Equation::LstmProduct,
        Equation::LstmNorm,
        Equation::Projection,
    ];

    /// The row of this equation.
    pub const fn row(self) -> EquationRow {
        const fn recurrent(first: usize, gates: usize) -> Product {
            Product::Recurrent { first, gates }
        }
        /// A formula that is a whole time step of a cell of `gates`, without a cell state.
        const fn whole(name: &'static str, wgsl: &'static str, gates: usize) -> EquationRow {
            EquationRow {
                name,
                sequence_name: "",
                wgsl: Some(wgsl),
                saves: "",
                product: Some(recurrent(0, gates)),
                input: Some((0, gates)),
                reads_h: false,
                reads_c: false,
                writes_c: false,
                has_bias: true,
                result: "h",
            }
        }
        match self {
            Equation::Rnn => EquationRow {
                sequence_name: "rnn sequence",
                saves: include_str!("../../shaders/saves/rnn.wgsl"),
                ..whole("rnn", include_str!("../../shaders/cell/rnn.wgsl"), 1)
            },
            Equation::Lstm => EquationRow {
                sequence_name: "lstm sequence",
                saves: include_str!("../../shaders/saves/lstm.wgsl"),
                reads_c: true,
                writes_c: true,
                result: "m",
                ..whole("lstm", LSTM, 4)
            },
            Equation::Gru => EquationRow {
                sequence_name: "gru sequence",
                saves: include_str!("../../shaders/saves/gru.wgsl"),
                reads_h: true,
                ..whole("gru", include_str!("../../shaders/cell/gru.wgsl"), 3)
            },
            Equation::GruReset => EquationRow {
                saves: include_str!("../../shaders/saves/gru_reset.wgsl"),
                product: Some(recurrent(0, 2)),
                reads_h: true,
                writes_c: true,
                result: "r h",
                ..whole("gru_reset", include_str!("../../shaders/cell/gru_reset.wgsl"), 3)
            },
            Equation::GruCandidate => EquationRow {
                saves: include_str!("../../shaders/saves/gru_candidate.wgsl"),
                product: Some(recurrent(2, 1)),
                input: Some((2, 3)),
                reads_h: true,
                reads_c: true,
                ..whole("gru_candidate", include_str!("../../shaders/cell/gru_candidate.wgsl"), 3)
            },
            Equation::LstmProduct => EquationRow {
                wgsl: None,
                input: None,
                has_bias: false,
                result: "recurrent gates",
                ..whole("gemm", "", 4)
            },
            Equation::LstmNorm => EquationRow {
                wgsl: None,
                product: None,
                reads_c: true,
                writes_c: true,
                result: "m",
                ..whole("norm", "", 4)
            },
            Equation::Projection => EquationRow {
                product: Some(Product::Projection),
                input: None,
                has_bias: false,
                ..whole("projection", include_str!("../../shaders/cell/projection.wgsl"), 1)
            },
        }
    }

    /// The name of its file.
    pub const fn name(self) -> &'static str {
        self.row().name
    }

    /// The formula's file; empty where the formula is a kernel of its own.
    pub(crate) const fn file(self) -> &'static str {
        match self.row().wgsl {
            Some(file) => file,
            None => "",
        }
    }

    /// The name of the kernel that computes many time steps of the equation.
    pub(crate) const fn sequence_name(self) -> &'static str {
        self.row().sequence_name
    }

    /// The weight of its product, if it has one.
    pub const fn product(self) -> Option<Product> {
        self.row().product
    }

    /// G: numbers per unit in the equation's product and parameters.
    pub const fn width(self) -> usize {
        match self.row().product {
            Some(product) => product.width(),
            // All gates of an LSTM.
            None => 4,
        }
    }

    /// Vectors of G numbers for each unit: its bias, and further tensors.
    pub(crate) fn parameters(self, cell: &CellSpec) -> usize {
        match self {
            Equation::Lstm => 1 + usize::from(cell.peepholes),
            // Bias, peepholes, two gains and biases of gates, gain and bias of the cell state.
            Equation::LstmNorm => 7,
            _ => usize::from(self.row().has_bias),
        }
    }

    /// The name of its parameters in a plan.
    pub(crate) const fn parameters_name(self) -> &'static str {
        match self {
            Equation::LstmNorm => "norm",
            Equation::GruReset => "bias_hh r z",
            Equation::GruCandidate => "bias_hn",
            _ => "bias_hh",
        }
    }

    /// True for a kernel of the file `step.wgsl`: a product and a formula over it.
    pub const fn is_step(self) -> bool {
        self.row().wgsl.is_some()
    }

    /// True if the equation can be all of a time step: its input and its product have all gates.
    pub const fn is_whole(self) -> bool {
        match (self.row().input, self.row().product) {
            (Some((0, all)), Some(Product::Recurrent { gates, .. })) => self.is_step() && gates == all,
            _ => false,
        }
    }
}
