//! The table of the way back: a time step of a cell is one phase, or several where a product waits for the
//! result of another product. Each phase has a product with a transposed weight, and a formula in a file of
//! `shaders/back/`.

use super::{Cell, CellSpec, Product, Reset};

/// A storage buffer of a kernel, by its name in WGSL.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Array {
    /// The name.
    pub name: &'static str,
    /// True if the kernel writes the buffer (and may read it).
    pub is_written: bool,
}

/// An array that a kernel only reads.
pub(crate) const fn read(name: &'static str) -> Array {
    Array { name, is_written: false }
}

/// An array that a kernel writes.
pub(crate) const fn written(name: &'static str) -> Array {
    Array { name, is_written: true }
}

/// A product with a transposed weight, and the formula over it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Back {
    /// Vanilla RNN.
    Rnn,
    /// LSTM without a projection.
    Lstm,
    /// The projection of an LSTM's output, or the product alone of a layer-normalised LSTM.
    Projection,
    /// LSTM below its projection.
    LstmProjected,
    /// GRU, reset after the recurrent product.
    Gru,
    /// The candidate n and the gate z of a GRU with reset before.
    GruCandidate,
    /// The gate r of a GRU with reset before.
    GruReset,
    /// The projection's product of a layer-normalised LSTM.
    Product,
    /// The rest of a layer-normalised LSTM, which needs the sums of all units: a kernel without a product.
    Norm,
}

/// The left operand of a phase's product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Operand {
    /// The gradients by all gates, of the time step before on the way back.
    Gates,
    /// The gradient by the projection's result, of the same time step.
    Projected,
    /// The gradient by the candidate, of the same time step.
    Candidate,
}

/// One row of the table.
#[derive(Clone, Copy, Debug)]
pub struct BackRow {
    /// The name of the kernel.
    pub name: &'static str,
    /// The name of the kernel that does many time steps.
    pub sequence_name: &'static str,
    /// The files of the formula.
    pub wgsl: &'static [&'static str],
    /// The storage buffers, from binding 1 on.
    pub arrays: &'static [Array],
    /// The weight whose transpose the product has, if there is a product.
    pub product: Option<Product>,
    /// The product's left operand.
    pub operand: Operand,
    /// The phase begins a time step on the way back: the product gives the gradient by h.
    pub is_first: bool,
}

const GATES: &str = include_str!("../../shaders/back/gates.wgsl");
const VECTORS: &str = include_str!("../../shaders/back/vectors.wgsl");
const ROWS: &str = include_str!("../../shaders/back/rows.wgsl");
/// The bindings of gates that are vectors, where the product has other rows.
const GATES_ALONE: &str = include_str!("../../shaders/back/gates_alone.wgsl");
const LSTM: &str = concat!(
    include_str!("../../shaders/cell/lstm_options.wgsl"),
    include_str!("../../shaders/back/lstm.wgsl")
);
const UPDATE: &str = include_str!("../../shaders/back/lstm_update.wgsl");

impl Back {
    /// Every phase.
    pub const ALL: [Back; 9] = [
        Back::Rnn,
        Back::Lstm,
        Back::Projection,
        Back::LstmProjected,
        Back::Gru,
        Back::GruCandidate,
        Back::GruReset,
        Back::Product,
        Back::Norm,
    ];

    /// The phases of a cell's time step, in their order on the way back.
    pub(crate) fn of(spec: &CellSpec) -> Vec<Back> {
        match spec.cell {
            Cell::Vanilla(_) => vec![Back::Rnn],
            Cell::Lstm if spec.layer_norm && spec.has_projection => {
                vec![Back::Projection, Back::Product, Back::Norm]
            }
            Cell::Lstm if spec.layer_norm => vec![Back::Projection, Back::Norm],
            Cell::Lstm if spec.has_projection => vec![Back::Projection, Back::LstmProjected],
            Cell::Lstm => vec![Back::Lstm],
            Cell::Gru => match spec.gru_reset {
                Reset::After => vec![Back::Gru],
                Reset::Before => vec![Back::GruCandidate, Back::GruReset],
            },
        }
    }

    /// True if the phase is all of a time step, many of which one dispatch can do.
    pub const fn is_whole(self) -> bool {
        !self.row().sequence_name.is_empty()
    }

    /// The row of this phase.
    pub const fn row(self) -> BackRow {
        const fn first(
            name: &'static str,
            gates: usize,
            wgsl: &'static [&'static str],
            arrays: &'static [Array],
        ) -> BackRow {
            let product = Some(Product::Recurrent { first: 0, gates });
            BackRow {
                name,
                sequence_name: "",
                wgsl,
                arrays,
                product,
                operand: Operand::Gates,
                is_first: true,
            }
        }
        match self {
            Back::Rnn => BackRow {
                sequence_name: "rnn back sequence",
                ..first(
                    "rnn back",
                    1,
                    &[GATES, include_str!("../../shaders/back/rnn.wgsl")],
                    const { &[written("gates"), read("b"), read("lengths"), written("carry"), read("gradient")] },
                )
            },
            Back::Lstm => BackRow {
                sequence_name: "lstm back sequence",
                ..first(
                    "lstm back",
                    4,
                    &[GATES, VECTORS, LSTM, UPDATE, include_str!("../../shaders/back/lstm_whole.wgsl")],
                    const {
                        &[
                            written("gates"),
                            read("b"),
                            read("parameters"),
                            read("lengths"),
                            read("states"),
                            written("carry"),
                            read("gradient"),
                        ]
                    },
                )
            },
            Back::Projection => first(
                "projection back",
                4,
                &[GATES, VECTORS, include_str!("../../shaders/back/projection.wgsl")],
                const {
                    &[
                        written("gates"),
                        read("b"),
                        read("lengths"),
                        written("carry"),
                        read("gradient"),
                        written("a_next"),
                    ]
                },
            ),
            Back::LstmProjected => BackRow {
                name: "lstm back, projected",
                sequence_name: "",
                wgsl: &[
                    ROWS,
                    GATES_ALONE,
                    LSTM,
                    UPDATE,
                    include_str!("../../shaders/back/lstm_projected.wgsl"),
                ],
                arrays: const {
                    &[
                        written("gates"),
                        read("b"),
                        read("parameters"),
                        read("lengths"),
                        read("states"),
                        written("carry"),
                        read("a"),
                        written("m"),
                    ]
                },
                product: Some(Product::Projection),
                operand: Operand::Projected,
                is_first: false,
            },
            Back::Gru => BackRow {
                sequence_name: "gru back sequence",
                ..first(
                    "gru back",
                    3,
                    &[GATES, VECTORS, include_str!("../../shaders/back/gru.wgsl")],
                    const {
                        &[
                            written("gates"),
                            read("b"),
                            read("lengths"),
                            read("states"),
                            written("carry"),
                            read("gradient"),
                        ]
                    },
                )
            },
            Back::GruCandidate => first(
                "gru_candidate back",
                2,
                &[GATES, VECTORS, include_str!("../../shaders/back/gru_candidate.wgsl")],
                const {
                    &[
                        written("gates"),
                        read("b"),
                        read("lengths"),
                        read("states"),
                        written("carry"),
                        read("gradient"),
                        written("a_next"),
                        written("m"),
                    ]
                },
            ),
            Back::GruReset => BackRow {
                name: "gru_reset back",
                sequence_name: "",
                wgsl: &[ROWS, GATES_ALONE, include_str!("../../shaders/back/gru_reset.wgsl")],
                arrays: const {
                    &[
                        written("gates"),
                        read("b"),
                        read("a"),
                        read("lengths"),
                        read("states"),
                        written("carry"),
                    ]
                },
                product: Some(Product::Recurrent { first: 2, gates: 1 }),
                operand: Operand::Candidate,
                is_first: false,
            },
            Back::Product => BackRow {
                name: "projection back, product",
                sequence_name: "",
                wgsl: &[ROWS, include_str!("../../shaders/back/product.wgsl")],
                arrays: const { &[read("b"), read("a"), read("lengths"), written("carry"), written("a_next")] },
                product: Some(Product::Projection),
                operand: Operand::Projected,
                is_first: false,
            },
            Back::Norm => BackRow {
                name: "norm back",
                sequence_name: "",
                wgsl: &[
                    LSTM,
                    include_str!("../../shaders/lanes.wgsl"),
                    include_str!("../../shaders/back/norm.wgsl"),
                ],
                arrays: const {
                    &[
                        written("gates"),
                        written("recurrent"),
                        read("parameters"),
                        read("lengths"),
                        read("states"),
                        written("carry"),
                        read("gradient"),
                        written("m"),
                    ]
                },
                product: None,
                operand: Operand::Gates,
                is_first: false,
            },
        }
    }
}
