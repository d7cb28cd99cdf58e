//! The storage buffers of each kernel, by name.

use super::{Array, Ctc, Kernel};
use crate::network::{Save, read, written};

impl Kernel {
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
        const LOSS: &[Array] = &[
            written("predictions"),
            read("targets"),
            read("class_weights"),
            read("numbers"),
            written("rows"),
        ];
        const CTC_PATHS: &[Array] =
            &[read("predictions"), read("targets"), read("numbers"), written("paths"), written("rows")];
        const CTC_GRADIENT: &[Array] =
            &[written("predictions"), read("targets"), read("numbers"), read("paths")];
        const CTC_LOGS: &[Array] = &[written("predictions")];
        const POOL: &[Array] = &[read("features"), read("lengths"), written("pooled")];
        const POOL_BACK: &[Array] =
            &[read("features"), read("lengths"), read("by_pooled"), written("by_features")];
        const TOTAL: &[Array] = &[read("rows"), written("report")];
        const SQUARES: &[Array] = &[read("flat"), written("sums")];
        const NORM_OF_ALL: &[Array] = &[read("sums"), read("numbers"), written("report")];
        const UPDATE: &[Array] = &[
            written("parameters"),
            read("gradients"),
            written("first"),
            written("second"),
            written("third"),
            read("numbers"),
            read("report"),
        ];
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
            Kernel::CrossEntropy | Kernel::Elementwise => LOSS,
            Kernel::Ctc(Ctc::Logs) => CTC_LOGS,
            Kernel::Ctc(Ctc::Paths) => CTC_PATHS,
            Kernel::Ctc(Ctc::Gradient) => CTC_GRADIENT,
            Kernel::Pool => POOL,
            Kernel::PoolBack => POOL_BACK,
            Kernel::Total => TOTAL,
            Kernel::Squares => SQUARES,
            Kernel::NormOfAll => NORM_OF_ALL,
            Kernel::Update => UPDATE,
        }
    }
}
