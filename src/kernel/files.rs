//! The files of `shaders/` that each kernel is joined from.

use super::multiply::{End, multiply, sums};
use super::{Ctc, Kernel, Read, Run, StepIndex, Tile};
use crate::network::{Dtype, Equation, Save};
use std::borrow::Cow;

impl Tile {
    /// The way that operands are read.
    const fn wgsl(self) -> &'static str {
        match self.read {
            Read::Each | Read::Unrolled | Read::Kept => include_str!("../../shaders/read_each.wgsl"),
            Read::Shared => include_str!("../../shaders/read_shared.wgsl"),
            Read::Split | Read::SplitWide => include_str!("../../shaders/read_split.wgsl"),
            Read::Workgroup | Read::Parts(_) => include_str!("../../shaders/read_workgroup.wgsl"),
            Read::Cooperative => include_str!("../../shaders/read_cooperative.wgsl"),
        }
    }
}

impl Kernel {
    /// The whole WGSL text: files, joined. Its entry point is `main`.
    pub fn wgsl(self, tile: Tile, step_index: StepIndex, dtype: Dtype) -> String {
        let mut files: Vec<Cow<'static, str>> =
            self.files(tile, step_index, dtype).into_iter().map(Cow::Borrowed).collect();
        if self.has_tiles() {
            let end = match self {
                Kernel::Gemm | Kernel::GemmInF32 => End::Gemm,
                Kernel::Step(_) | Kernel::SavedStep(..) => End::Step,
                _ => End::Other,
            };
            files.push(Cow::Owned(match self {
                Kernel::Back { run: Run::Sums(parts), .. } => sums(parts),
                _ => multiply(tile, self.gates(), end),
            }));
            if tile.read != Read::Kept {
                files.push(Cow::Borrowed(include_str!("../../shaders/multiply/keep_none.wgsl")));
            }
        }
        files.join("\n")
    }

    /// The files, without the text of `multiply`.
    pub(super) fn files(self, tile: Tile, step_index: StepIndex, dtype: Dtype) -> Vec<&'static str> {
        let gates = self.gates();
        let dtype = match self {
            Kernel::Carry { from: Dtype::F16, .. } | Kernel::Carry { to: Dtype::F16, .. } => Dtype::F16,
            _ => dtype,
        };
        let mut files = vec![
            // The first file, since it may enable an extension.
            match dtype {
                Dtype::F32 => include_str!("../../shaders/dtype/f32.wgsl"),
                Dtype::F16 => include_str!("../../shaders/dtype/f16.wgsl"),
            },
            include_str!("../../shaders/prelude.wgsl"),
        ];
        if self.has_tiles() || self.has_step_index() {
            files.push(match gates {
                1 => include_str!("../../shaders/gates/1.wgsl"),
                2 => include_str!("../../shaders/gates/2.wgsl"),
                3 => include_str!("../../shaders/gates/3.wgsl"),
                _ => include_str!("../../shaders/gates/4.wgsl"),
            });
            if !matches!(self, Kernel::Back { .. }) {
                files.push(match gates {
                    1 => include_str!("../../shaders/operands/1.wgsl"),
                    2 => include_str!("../../shaders/operands/2.wgsl"),
                    3 => include_str!("../../shaders/operands/3.wgsl"),
                    _ => include_str!("../../shaders/operands/4.wgsl"),
                });
            }
        }
        if self.has_tiles() {
            files.extend([include_str!("../../shaders/accumulate.wgsl"), tile.wgsl()]);
        }
        if tile.read == Read::Cooperative {
            files.insert(0, include_str!("../../shaders/dtype/cooperative.wgsl"));
        }
        if self.has_step_index() {
            files.push(include_str!("../../shaders/activation.wgsl"));
            files.push(include_str!("../../shaders/step_index/time.wgsl"));
            files.push(match step_index {
                StepIndex::Immediate => include_str!("../../shaders/step_index/immediate.wgsl"),
                StepIndex::Uniform => include_str!("../../shaders/step_index/uniform.wgsl"),
            });
        }
        let once = include_str!("../../shaders/run/once.wgsl");
        let step = include_str!("../../shaders/step.wgsl");
        let one = [once, include_str!("../../shaders/run/step.wgsl")];
        let sequence = include_str!("../../shaders/run/sequence.wgsl");
        let stored = include_str!("../../shaders/result/stored.wgsl");
        let in_f32 = include_str!("../../shaders/result/f32.wgsl");
        let none = include_str!("../../shaders/saves/none.wgsl");
        let pooling = include_str!("../../shaders/train/pooling.wgsl");
        let numbers = include_str!("../../shaders/train/numbers.wgsl");
        let saves = |equation: Equation, save: Save| match (save, equation.row().saves) {
            (Save::States, _) | (_, "") => [include_str!("../../shaders/saves/states.wgsl"), ""],
            (Save::Gates, own) => [include_str!("../../shaders/saves/gates.wgsl"), own],
        };
        match self {
            Kernel::Gemm => files.extend([once, stored, include_str!("../../shaders/gemm.wgsl")]),
            Kernel::GemmInF32 => files.extend([once, in_f32, include_str!("../../shaders/gemm.wgsl")]),
            Kernel::Step(equation) => {
                files.extend(one);
                files.extend([none, equation.file(), step]);
            }
            Kernel::Sequence(equation) => files.extend([sequence, none, equation.file(), step]),
            Kernel::SavedStep(equation, save) => {
                files.extend(one);
                files.extend(saves(equation, save));
                files.extend([equation.file(), step]);
            }
            Kernel::SavedSequence(equation, save) => {
                files.push(sequence);
                files.extend(saves(equation, save));
                files.extend([equation.file(), step]);
            }
            Kernel::Back { phase, is_wide, run } => {
                files.push(include_str!("../../shaders/slope.wgsl"));
                files.push(include_str!("../../shaders/back/place.wgsl"));
                files.extend(phase.row().wgsl);
                if self.has_tiles() {
                    let is_part = tile.parts() > 1;
                    files.push(match run {
                        Run::Sequence => include_str!("../../shaders/run/back_sequence.wgsl"),
                        Run::Step if is_part => include_str!("../../shaders/run/back_part.wgsl"),
                        Run::Step | Run::Sums(_) => include_str!("../../shaders/run/back_once.wgsl"),
                    });
                    files.push(match is_wide {
                        true => include_str!("../../shaders/units/4.wgsl"),
                        false if is_part => include_str!("../../shaders/units/part.wgsl"),
                        false => include_str!("../../shaders/units/1.wgsl"),
                    });
                    if is_part || matches!(run, Run::Sums(_)) {
                        files.push(include_str!("../../shaders/back/parts.wgsl"));
                    }
                    files.push(include_str!("../../shaders/back.wgsl"));
                }
            }
            Kernel::Norm | Kernel::SavedNorm(_) => {
                files.push(match self {
                    Kernel::SavedNorm(Save::Gates) => include_str!("../../shaders/saves/norm.wgsl"),
                    Kernel::SavedNorm(Save::States) => include_str!("../../shaders/saves/norm_states.wgsl"),
                    _ => include_str!("../../shaders/saves/norm_none.wgsl"),
                });
                files.extend([
                    Equation::Lstm.file(),
                    include_str!("../../shaders/lanes.wgsl"),
                    include_str!("../../shaders/norm.wgsl"),
                ]);
            }
            Kernel::Again => files.extend([
                include_str!("../../shaders/activation.wgsl"),
                include_str!("../../shaders/again.wgsl"),
            ]),
            Kernel::Combine => files.extend([stored, include_str!("../../shaders/combine.wgsl")]),
            Kernel::CombineInF32 => files.extend([in_f32, include_str!("../../shaders/combine.wgsl")]),
            Kernel::Pack => files.extend([
                include_str!("../../shaders/pack/columns.wgsl"),
                include_str!("../../shaders/pack.wgsl"),
            ]),
            Kernel::Transpose => files.extend([
                include_str!("../../shaders/pack/transposed.wgsl"),
                include_str!("../../shaders/pack.wgsl"),
            ]),
            Kernel::Outer => {
                files.push(include_str!("../../shaders/outer.wgsl"));
                files.push(match tile.read {
                    Read::Shared => include_str!("../../shaders/outer/shared.wgsl"),
                    Read::Workgroup => include_str!("../../shaders/outer/workgroup.wgsl"),
                    _ => include_str!("../../shaders/outer/each.wgsl"),
                });
            }
            Kernel::Reduce => files.push(include_str!("../../shaders/reduce.wgsl")),
            Kernel::Drop => files.push(include_str!("../../shaders/drop.wgsl")),
            Kernel::CrossEntropy => {
                files.extend([numbers, include_str!("../../shaders/train/cross_entropy.wgsl")])
            }
            Kernel::Elementwise => {
                files.extend([numbers, include_str!("../../shaders/train/elementwise.wgsl")])
            }
            Kernel::Ctc(phase) => {
                files.push(numbers);
                files.push(include_str!("../../shaders/train/ctc.wgsl"));
                if phase != Ctc::Logs {
                    files.push(include_str!("../../shaders/train/ctc_targets.wgsl"));
                }
                files.push(match phase {
                    Ctc::Logs => include_str!("../../shaders/train/ctc_logs.wgsl"),
                    Ctc::Paths => include_str!("../../shaders/train/ctc_paths.wgsl"),
                    Ctc::Gradient => include_str!("../../shaders/train/ctc_gradient.wgsl"),
                });
            }
            Kernel::Pool => {
                files.extend([pooling, include_str!("../../shaders/train/pool.wgsl")]);
            }
            Kernel::PoolBack => {
                files.extend([pooling, include_str!("../../shaders/train/pool_back.wgsl")]);
            }
            Kernel::Total | Kernel::Squares | Kernel::NormOfAll => {
                files.extend([numbers, include_str!("../../shaders/lanes.wgsl")]);
                files.push(match self {
                    Kernel::Total => include_str!("../../shaders/train/total.wgsl"),
                    Kernel::Squares => include_str!("../../shaders/train/squares.wgsl"),
                    _ => include_str!("../../shaders/train/norm_of_all.wgsl"),
                });
            }
            Kernel::Update => files.extend([numbers, include_str!("../../shaders/train/update.wgsl")]),
            Kernel::Carry { from, to, blanks } => {
                files.push(match from {
                    Dtype::F32 => include_str!("../../shaders/carry/from_f32.wgsl"),
                    Dtype::F16 => include_str!("../../shaders/carry/from_f16.wgsl"),
                });
                files.push(match to {
                    Dtype::F32 => include_str!("../../shaders/carry/to_f32.wgsl"),
                    Dtype::F16 => include_str!("../../shaders/carry/to_f16.wgsl"),
                });
                files.push(match blanks {
                    false => include_str!("../../shaders/carry/all.wgsl"),
                    true => include_str!("../../shaders/carry/to_ends.wgsl"),
                });
                files.push(include_str!("../../shaders/carry.wgsl"));
            }
        }
        files
    }
}
