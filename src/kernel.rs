//! The kernels: the files of `shaders/` that each is joined from, and its arrays. Knows no GPU, so that tests
//! can check every combination.

mod arrays;
mod files;
mod multiply;
mod tile;

pub(crate) use multiply::{PIECE, unrolled};
pub use tile::{OUTER_EACH, OUTER_SHARED, OUTER_WORKGROUP, PARTS, Read, Tile};

pub use crate::network::Array;
use crate::network::{Back, Dtype, Equation, Save};
use std::collections::HashSet;

/// A kernel; one file of `shaders/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Kernel {
    /// A GEMM: the input's share of all gates, for all time steps; or the recurrent product of a
    /// layer-normalised LSTM.
    Gemm,
    /// The same, whose result is f32 where the operands are f16: a gradient.
    GemmInF32,
    /// One time step of one layer and direction: the recurrent product and the cell's update, or one phase of
    /// several.
    Step(Equation),
    /// Many time steps in one dispatch, their state in the memory of a workgroup.
    Sequence(Equation),
    /// One time step of a saved call, which keeps its pre-activations and states.
    SavedStep(Equation, Save),
    /// Many time steps of a saved call in one dispatch.
    SavedSequence(Equation, Save),
    /// One time step on the way back, or one phase of several.
    Back {
        /// The product and the formula.
        phase: Back,
        /// An invocation computes four units, and not one.
        is_wide: bool,
        /// The part of the phase, or the time steps, that one dispatch computes.
        run: Run,
    },
    /// The update of a layer-normalised LSTM.
    Norm,
    /// The same of a saved call.
    SavedNorm(Save),
    /// The operand of a GRU's candidate with reset before, which the way back makes again.
    Again,
    /// Two arrays become one: merged directions, residual connections.
    Combine,
    /// The same of an array that may be f16 and an array of f32: gradients.
    CombineInF32,
    /// An array of a caller's, of any strides, is carried to an array of the plan's, or the other way.
    Carry {
        /// The type that the kernel reads.
        from: Dtype,
        /// The type that the kernel writes.
        to: Dtype,
        /// Numbers past the ends of sequences become zero.
        blanks: bool,
    },
    /// A tensor of the flat parameters becomes a part of an array that another kernel reads.
    Pack,
    /// The same, of a weight that the way back reads transposed.
    Transpose,
    /// The gradient by a weight, in partial sums over time and batch.
    Outer,
    /// Partial sums become a tensor of the flat gradients.
    Reduce,
    /// Dropout between layers.
    Drop,
    /// The softmax cross-entropy, and its gradient.
    CrossEntropy,
    /// A loss that is a sum over numbers, and its gradient.
    Elementwise,
    /// A phase of connectionist temporal classification.
    Ctc(Ctc),
    /// The mean or the maximum of rows over time.
    Pool,
    /// The gradient by these rows.
    PoolBack,
    /// The sums of rows of losses.
    Total,
    /// The sums of squares of blocks of gradients.
    Squares,
    /// The norm of all gradients, and their factor.
    NormOfAll,
    /// One step of an optimiser.
    Update,
}

/// The phases of connectionist temporal classification.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ctc {
    /// Predictions become logarithms of probabilities.
    Logs,
    /// The probabilities of beginnings and ends of paths, and the loss.
    Paths,
    /// The gradient.
    Gradient,
}

/// The work of one dispatch on the way back.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Run {
    /// A time step; by a tile with parts of K, the sums of each part.
    Step,
    /// Many time steps.
    Sequence,
    /// The formula of a time step, over the sums of so many parts of K.
    Sums(u32),
}

/// The way that a kernel gets the time step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StepIndex {
    /// Immediate data.
    Immediate,
    /// A uniform with a dynamic offset, where there is no immediate data (WebGPU).
    Uniform,
}

/// Units whose weights stand side by side: `BLOCK` of `prelude.wgsl`.
pub const BLOCK: usize = 8;

/// Numbers of the K axis in one vector; K is padded to whole ones.
pub const VECTOR: usize = 4;

/// Invocations per workgroup, along the columns: `WORKGROUP` of `prelude.wgsl` and `LANES` of `lanes.wgsl`.
pub const WORKGROUP: u32 = 64;

impl Kernel {
    /// Every kernel.
    pub fn all() -> impl Iterator<Item = Kernel> {
        let others = [
            Kernel::Gemm,
            Kernel::GemmInF32,
            Kernel::Norm,
            Kernel::Again,
            Kernel::Combine,
            Kernel::CombineInF32,
            Kernel::Pack,
            Kernel::Transpose,
            Kernel::Outer,
            Kernel::Reduce,
            Kernel::Drop,
            Kernel::CrossEntropy,
            Kernel::Elementwise,
            Kernel::Ctc(Ctc::Logs),
            Kernel::Ctc(Ctc::Paths),
            Kernel::Ctc(Ctc::Gradient),
            Kernel::Pool,
            Kernel::PoolBack,
            Kernel::Total,
            Kernel::Squares,
            Kernel::NormOfAll,
            Kernel::Update,
        ];
        let steps = || Equation::ALL.into_iter().filter(|equation| equation.is_step());
        let in_one = || Equation::ALL.into_iter().filter(|equation| equation.is_whole());
        let both = [Dtype::F32, Dtype::F16];
        let carries = both.into_iter().flat_map(move |from| {
            let of = move |to| [false, true].map(|blanks| Kernel::Carry { from, to, blanks });
            both.into_iter().flat_map(of)
        });
        let forward = steps().map(Kernel::Step).chain(in_one().map(Kernel::Sequence));
        let saved = Save::ALL.into_iter().flat_map(move |save| {
            let steps = steps().map(move |equation| Kernel::SavedStep(equation, save));
            let in_one = in_one().map(move |equation| Kernel::SavedSequence(equation, save));
            steps.chain(in_one).chain([Kernel::SavedNorm(save)])
        });
        let back = Back::ALL.into_iter().flat_map(|phase| {
            let widths = if phase.row().product.is_some() { vec![false, true] } else { vec![false] };
            widths.into_iter().flat_map(move |is_wide| {
                let sequence = phase.is_whole().then_some(Run::Sequence);
                let has_parts = !is_wide && phase.row().product.is_some();
                let sums = PARTS.into_iter().filter(move |_| has_parts).map(Run::Sums);
                let runs = [Run::Step].into_iter().chain(sequence).chain(sums);
                runs.map(move |run| Kernel::Back { phase, is_wide, run })
            })
        });
        forward.chain(saved).chain(back).chain(others).chain(carries)
    }

    /// The name: the file's, or the equation's.
    pub const fn name(self) -> &'static str {
        match self {
            Kernel::Gemm => "gemm",
            Kernel::GemmInF32 => "gemm in f32",
            Kernel::Step(equation) | Kernel::SavedStep(equation, _) => equation.name(),
            Kernel::Sequence(equation) | Kernel::SavedSequence(equation, _) => equation.sequence_name(),
            Kernel::Back { phase, run: Run::Sequence, .. } => phase.row().sequence_name,
            Kernel::Back { run: Run::Sums(_), .. } => "sums back",
            Kernel::Back { phase, .. } => phase.row().name,
            Kernel::Norm | Kernel::SavedNorm(_) => "norm",
            Kernel::Again => "again",
            Kernel::Combine => "combine",
            Kernel::CombineInF32 => "combine in f32",
            Kernel::Carry { .. } => "carry",
            Kernel::Pack => "pack",
            Kernel::Transpose => "transpose",
            Kernel::Outer => "outer",
            Kernel::Reduce => "reduce",
            Kernel::Drop => "drop",
            Kernel::CrossEntropy => "cross entropy",
            Kernel::Elementwise => "elementwise loss",
            Kernel::Ctc(Ctc::Logs) => "ctc logs",
            Kernel::Ctc(Ctc::Paths) => "ctc paths",
            Kernel::Ctc(Ctc::Gradient) => "ctc gradient",
            Kernel::Pool => "pool",
            Kernel::PoolBack => "pool back",
            Kernel::Total => "total",
            Kernel::Squares => "squares",
            Kernel::NormOfAll => "norm of all",
            Kernel::Update => "update",
        }
    }

    /// The bindings of arrays that are given by name, in the kernel's order.
    pub(crate) fn bind<B: Copy>(self, arrays: &[(&str, B)]) -> Vec<B> {
        let binding = |array: &Array| {
            let found = arrays.iter().find(|(name, _)| *name == array.name);
            // A missing name is a fault of the plan, which every plan of the kernel would have.
            found.unwrap_or_else(|| panic!("{} has no array {}", self.name(), array.name)).1
        };
        self.arrays().iter().map(binding).collect()
    }

    /// The given overrides that the kernel's files declare.
    pub(crate) fn overrides(
        self,
        tile: Tile,
        mut given: Vec<(&'static str, f64)>,
    ) -> Vec<(&'static str, f64)> {
        let files = self.files(tile, StepIndex::Immediate, Dtype::F32);
        let lines = files.iter().flat_map(|file| file.lines());
        let names = lines.filter_map(|line| line.strip_prefix("override ")?.split_once(':'));
        let declared: HashSet<&str> = names.map(|(name, _)| name).collect();
        given.retain(|(name, _)| declared.contains(name));
        given
    }

    /// True if the kernel is told the time step.
    pub const fn has_step_index(self) -> bool {
        self.equation().is_some() || matches!(self, Kernel::Norm | Kernel::SavedNorm(_) | Kernel::Back { .. })
    }

    /// True for a product, whose batch rows come in tiles.
    pub const fn has_tiles(self) -> bool {
        match self {
            Kernel::Gemm | Kernel::GemmInF32 => true,
            Kernel::Back { phase, .. } => phase.row().product.is_some(),
            _ => self.equation().is_some(),
        }
    }

    /// G: the gates, or columns of a GEMM, of a product's column.
    pub const fn gates(self) -> u32 {
        match self {
            Kernel::Back { is_wide: true, .. } => VECTOR as u32,
            Kernel::Back { .. } => 1,
            _ => match self.equation() {
                Some(equation) => equation.width() as u32,
                None => VECTOR as u32,
            },
        }
    }

    /// True for many time steps in one dispatch.
    pub const fn is_sequence(self) -> bool {
        matches!(
            self,
            Kernel::Sequence(_) | Kernel::SavedSequence(..) | Kernel::Back { run: Run::Sequence, .. }
        )
    }

    /// The tiles that the kernel can have.
    pub fn tiles(self) -> impl Iterator<Item = Tile> {
        Tile::ALL.into_iter().filter(move |tile| match self {
            Kernel::Gemm | Kernel::GemmInF32 => tile.read != Read::Kept && tile.parts() == 1,
            // A wide step has four units in a column, and so few columns.
            Kernel::Back { run: Run::Sequence, .. } | Kernel::Back { is_wide: true, .. } => {
                matches!(tile.read, Read::Each | Read::Unrolled | Read::Shared)
            }
            Kernel::Back { run: Run::Sums(_), .. } => *tile == Tile::ALL[0],
            Kernel::Step(_) | Kernel::SavedStep(..) | Kernel::Back { .. } if self.has_tiles() => {
                match tile.read {
                    Read::Workgroup => tile.rows == 32,
                    Read::Parts(_) => matches!(self, Kernel::Back { .. }),
                    read => !matches!(read, Read::Cooperative | Read::Kept),
                }
            }
            Kernel::Sequence(_) | Kernel::SavedSequence(..) => {
                matches!(tile.read, Read::Each | Read::Unrolled | Read::Kept | Read::Shared)
            }
            Kernel::Outer => [OUTER_EACH, OUTER_SHARED, OUTER_WORKGROUP].contains(tile),
            // These kernels have no rows of their own.
            _ => *tile == Tile::ALL[0],
        })
    }

    /// The kernel that adds the parts of K of this one's product, by a tile that has some.
    pub const fn sums(self, tile: Tile) -> Option<Kernel> {
        match (self, tile.read) {
            (Kernel::Back { phase, is_wide, run: Run::Step }, Read::Parts(parts)) => {
                Some(Kernel::Back { phase, is_wide, run: Run::Sums(parts) })
            }
            _ => None,
        }
    }

    /// The equation of a kernel that computes time steps.
    pub const fn equation(self) -> Option<Equation> {
        match self {
            Kernel::Step(equation)
            | Kernel::Sequence(equation)
            | Kernel::SavedStep(equation, _)
            | Kernel::SavedSequence(equation, _) => Some(equation),
            _ => None,
        }
    }
}
