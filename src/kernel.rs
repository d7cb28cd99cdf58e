//! The kernels: the files of `shaders/` that each is joined from, and its arrays. Knows no GPU, so that tests
//! can check every combination.

mod files;

pub use crate::network::Array;
use crate::network::{Back, Dtype, Equation, Save, read, written};
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
        /// Many time steps in one dispatch.
        is_sequence: bool,
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
}

/// The way that a kernel gets the time step.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StepIndex {
    /// Immediate data.
    Immediate,
    /// A uniform with a dynamic offset, where there is no immediate data (WebGPU).
    Uniform,
}

/// The batch rows that one invocation, or one workgroup, computes, and the way that the rows are read: a file
/// of `shaders/rows/`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Tile {
    /// Rows.
    pub rows: u32,
    /// The way that the rows are read.
    pub read: Read,
}

/// The way that a product reads its operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Read {
    /// Each invocation reads all of its rows and weights.
    Each,
    /// Eight lanes of a subgroup read the rows for each other; a subgroup must have at least eight lanes.
    Shared,
    /// Eight invocations have a part of K each.
    Split,
    /// A workgroup reads rows and weights into its own memory.
    Workgroup,
    /// Workgroup memory as in `Workgroup`; subgroups multiply the rows and weights as cooperative matrices of
    /// f16.
    Cooperative,
}

impl Read {
    /// The letter that follows the rows in a tile's name.
    const fn letter(self) -> &'static str {
        match self {
            Read::Each => "",
            Read::Shared => "s",
            Read::Split => "k",
            Read::Workgroup => "w",
            Read::Cooperative => "c",
        }
    }
}

impl Tile {
    /// Every tile, smaller ones first.
    pub const ALL: [Tile; 11] = [
        Tile { rows: 1, read: Read::Each },
        Tile { rows: 4, read: Read::Each },
        Tile { rows: 8, read: Read::Each },
        Tile { rows: 8, read: Read::Shared },
        Tile { rows: 16, read: Read::Shared },
        Tile { rows: 32, read: Read::Shared },
        Tile { rows: 1, read: Read::Split },
        Tile { rows: 4, read: Read::Split },
        Tile { rows: 32, read: Read::Workgroup },
        Tile { rows: 64, read: Read::Workgroup },
        Tile { rows: 64, read: Read::Cooperative },
    ];

    /// Columns, or units, that a workgroup computes.
    pub const fn columns(self) -> u32 {
        match self.read {
            Read::Each | Read::Shared => WORKGROUP,
            Read::Split => BLOCK as u32,
            Read::Workgroup | Read::Cooperative => 16,
        }
    }

    /// True if the tile can read numbers of this type.
    pub const fn reads(self, dtype: Dtype) -> bool {
        !matches!((self.read, dtype), (Read::Cooperative, Dtype::F32))
    }
}

impl std::str::FromStr for Tile {
    type Err = crate::Error;

    /// From its name, as plans show it: the rows, and `s`, `k`, `w` or `c`.
    fn from_str(name: &str) -> crate::Result<Tile> {
        Tile::ALL.into_iter().find(|tile| tile.to_string() == name).ok_or_else(|| {
            let names: Vec<_> = Tile::ALL.iter().map(Tile::to_string).collect();
            let (expected, found) = (names.join(", "), name.into());
            crate::Error::Text { name: "tile", expected, found }
        })
    }
}

impl std::fmt::Display for Tile {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}{}", self.rows, self.read.letter())
    }
}

/// The way that sums of outer products read their operands: each invocation for itself.
pub const OUTER_EACH: Tile = Tile { rows: 1, read: Read::Each };
/// The same, with eight lanes of a subgroup for each other.
pub const OUTER_SHARED: Tile = Tile { rows: 8, read: Read::Shared };

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
                let runs = if phase.is_whole() { vec![false, true] } else { vec![false] };
                runs.into_iter().map(move |is_sequence| Kernel::Back { phase, is_wide, is_sequence })
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
            Kernel::Back { phase, is_sequence: true, .. } => phase.row().sequence_name,
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
        }
    }

    /// The storage buffers, from binding 1 on.
    pub const fn arrays(self) -> &'static [Array] {
        const GEMM: &[Array] = &[read("a"), read("b"), read("parameters"), written("input_gates")];
        const STEP: &[Array] = &[
            read("input_gates"),
            read("b"),
            read("parameters"),
            read("a"),
            read("lengths"),
            written("a_next"),
            written("output"),
            written("cell_state"),
        ];
        const SAVED_STEP: &[Array] = &[
            written("input_gates"),
            read("b"),
            read("parameters"),
            read("a"),
            read("lengths"),
            written("a_next"),
            written("output"),
            written("cell_state"),
        ];
        const NORM: &[Array] = &[
            read("input_gates"),
            read("recurrent_gates"),
            read("parameters"),
            read("lengths"),
            written("a_next"),
            written("output"),
            written("cell_state"),
        ];
        const SAVED_NORM: &[Array] = &[
            read("input_gates"),
            read("recurrent_gates"),
            read("parameters"),
            read("lengths"),
            written("a_next"),
            written("output"),
            written("cell_state"),
            written("recurrent"),
        ];
        const COMBINE: &[Array] = &[read("a"), written("b")];
        const CARRY: &[Array] = &[read("source"), written("into")];
        const CARRY_BLANKING: &[Array] = &[read("source"), written("into"), read("lengths")];
        const PACK: &[Array] = &[read("flat"), written("packed")];
        const OUTER: &[Array] = &[read("a"), read("b"), written("partial")];
        const AGAIN: &[Array] = &[read("gates"), read("states"), written("m")];
        const DROP: &[Array] = &[read("dropout"), written("into")];
        const REDUCE: &[Array] = &[read("partial"), written("flat")];
        match self {
            Kernel::Gemm | Kernel::GemmInF32 => GEMM,
            Kernel::Step(_) | Kernel::Sequence(_) => STEP,
            Kernel::SavedStep(equation, save) | Kernel::SavedSequence(equation, save) => {
                // A step that keeps no gates only reads.
                match save {
                    Save::Gates if !equation.row().saves.is_empty() => SAVED_STEP,
                    _ => STEP,
                }
            }
            Kernel::Back { phase, .. } => phase.row().arrays,
            Kernel::Norm => NORM,
            Kernel::SavedNorm(Save::Gates) => SAVED_NORM,
            Kernel::SavedNorm(Save::States) => NORM,
            Kernel::Again => AGAIN,
            Kernel::Combine | Kernel::CombineInF32 => COMBINE,
            Kernel::Carry { blanks: false, .. } => CARRY,
            Kernel::Carry { blanks: true, .. } => CARRY_BLANKING,
            Kernel::Pack | Kernel::Transpose => PACK,
            Kernel::Outer => OUTER,
            Kernel::Reduce => REDUCE,
            Kernel::Drop => DROP,
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

    /// True for many time steps in one dispatch.
    pub const fn is_sequence(self) -> bool {
        matches!(
            self,
            Kernel::Sequence(_) | Kernel::SavedSequence(..) | Kernel::Back { is_sequence: true, .. }
        )
    }

    /// The tiles that the kernel can have.
    pub fn tiles(self) -> impl Iterator<Item = Tile> {
        Tile::ALL.into_iter().filter(move |tile| match self {
            Kernel::Gemm | Kernel::GemmInF32 => true,
            Kernel::Step(_) | Kernel::SavedStep(..) => {
                !matches!(tile.read, Read::Workgroup | Read::Cooperative)
            }
            Kernel::Back { is_sequence: true, .. } => matches!(tile.read, Read::Each | Read::Shared),
            Kernel::Back { .. } if self.has_tiles() => {
                !matches!(tile.read, Read::Workgroup | Read::Cooperative)
            }
            Kernel::Sequence(_) | Kernel::SavedSequence(..) => matches!(tile.read, Read::Each | Read::Shared),
            Kernel::Outer => [OUTER_EACH, OUTER_SHARED].contains(tile),
            // These kernels have no rows of their own.
            _ => *tile == Tile::ALL[0],
        })
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
