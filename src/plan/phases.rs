//! What one time step of a cell consists of: one dispatch, or two or three where a product must wait for another one.

use super::build::Slot;
use super::{Part, Schedule};
use crate::config::LayerConfig;
use crate::kernel::{Equation, Kernel, VECTOR};
use crate::{Activation, Cell, Config, Reset};

/// One dispatch of a time step.
pub(super) struct Phase {
    pub kernel: Kernel,
    /// The weights that its product has.
    pub part: Part,
    /// Their name, where there are several.
    pub weight_name: &'static str,
    /// G of its product.
    pub gates: usize,
    /// Vectors of G numbers for each unit.
    pub parameters: u64,
    pub parameters_name: &'static str,
    /// What it leaves for the next one.
    pub writes: &'static str,
    /// Whether it reads or writes a number a unit in the place of a cell state.
    pub uses_cell_state: bool,
    /// Whether its result becomes, in another buffer, what it reads at the next time step.
    pub alternates: bool,
    activations: [Activation; 3],
}

/// What else a phase's overrides depend on.
pub(super) struct Bound<'a> {
    pub has_lengths: bool,
    pub slot: &'a Slot,
    pub is_last: bool,
}

/// The phases of a layer's time step.
pub(super) fn phases(
    config: &Config,
    layer: &LayerConfig,
    direction: usize,
    schedule: Schedule,
) -> Vec<Phase> {
    let activations = config.activations_of(layer.cell, direction);
    let phase = |kernel: Kernel, part| Phase {
        kernel,
        part,
        weight_name: "weight_hh",
        gates: kernel.equation().map_or(VECTOR, Equation::gates),
        parameters: 1,
        parameters_name: "bias_hh",
        writes: "",
        uses_cell_state: layer.cell.has_cell_state(),
        alternates: false,
        activations,
    };
    let mut phases = match layer.cell {
        Cell::RnnRelu | Cell::RnnTanh => vec![phase(Kernel::Step(Equation::Rnn), Part::All)],
        Cell::Gru if config.gru_reset == Reset::Before => vec![
            Phase {
                writes: "r h",
                uses_cell_state: true,
                parameters_name: "bias_hh r z",
                ..phase(Kernel::Step(Equation::GruReset), Part::Reset)
            },
            Phase {
                weight_name: "weight_hn",
                uses_cell_state: true,
                parameters_name: "bias_hn",
                ..phase(Kernel::Step(Equation::GruCandidate), Part::Candidate)
            },
        ],
        Cell::Gru => vec![phase(Kernel::Step(Equation::Gru), Part::All)],
        Cell::Lstm if config.layer_norm => vec![
            Phase { writes: "recurrent gates", parameters: 0, ..phase(Kernel::Gemm, Part::All) },
            Phase { parameters: 7, parameters_name: "norm", writes: "m", ..phase(Kernel::Norm, Part::All) },
        ],
        Cell::Lstm => vec![Phase {
            parameters: 1 + u64::from(config.peepholes),
            writes: "m",
            ..phase(Kernel::Step(Equation::Lstm), Part::All)
        }],
    };
    if config.proj_size > 0 {
        phases.push(Phase {
            weight_name: "weight_hr",
            parameters: 0,
            uses_cell_state: false,
            ..phase(Kernel::Step(Equation::Projection), Part::Projection)
        });
    }
    // With one phase, what it writes is what it reads at the next time step.
    if let [Phase { kernel, alternates, .. }] = &mut phases[..] {
        *alternates = true;
        if let (Schedule::Sequence, Kernel::Step(equation)) = (schedule, *kernel) {
            *kernel = Kernel::Sequence(equation);
            *alternates = false;
        }
    }
    phases
}

impl Phase {
    /// Units that it computes.
    pub fn units(&self, layer: &LayerConfig) -> u64 {
        match self.part {
            Part::Projection => layer.state_size as u64,
            _ => layer.hidden_size as u64,
        }
    }

    /// K of its product.
    pub fn read_size(&self, layer: &LayerConfig) -> u64 {
        match self.part {
            Part::All | Part::Reset => layer.state_size as u64,
            Part::Candidate | Part::Projection => layer.hidden_size as u64,
        }
    }

    /// The row length of what it writes, in vectors of four.
    pub fn written_depth(&self, layer: &LayerConfig) -> u64 {
        match self.kernel {
            // All gates of a unit make up a vector.
            Kernel::Gemm => layer.hidden_size as u64,
            _ => self.units(layer).div_ceil(VECTOR as u64),
        }
    }

    /// What the host sets in the kernel, as far as it differs from what stands there.
    pub fn overrides(&self, config: &Config, bound: &Bound<'_>) -> Vec<(&'static str, f64)> {
        let mut overrides = Vec::new();
        let mut set = |name, value: f64| overrides.push((name, value));
        let mut flag = |name, is_set: bool| set(name, f64::from(u8::from(is_set)));
        flag("HAS_LENGTHS", bound.has_lengths);
        flag("WRITES_OUTPUT", bound.is_last && bound.slot.keeps);
        flag("WRITES_CELLS", bound.slot.keeps_cells && self.uses_cell_state);
        if let Some(equation) = self.kernel.equation() {
            use Equation::{Gru, GruCandidate, GruReset, Lstm, Projection};
            let in_one = matches!(self.kernel, Kernel::Sequence(_));
            flag("HAS_INPUT", equation != Projection);
            flag(
                "HIDDEN_IS_LEFT",
                (matches!(equation, Gru | GruReset) && !in_one) || (self.alternates && bound.has_lengths),
            );
            flag("HIDDEN_IS_NEXT", equation == GruCandidate || (equation == Gru && in_one));
            flag("READS_CELL", matches!(equation, Lstm | GruCandidate));
            flag("WRITES_CELL", matches!(equation, Lstm | GruReset));
            flag("ALTERNATES", self.alternates);
            flag("PAIRED", bound.slot.count == 2);
        }
        let clip = config.cell_clip.filter(|_| self.uses_lstm());
        if self.uses_lstm() {
            flag("PEEPHOLES", config.peepholes);
            flag("COUPLED", config.coupled_input_forget);
            flag("CLIPS_CELL", clip.is_some());
            flag("CELL_CLIPS_NAN", clip.is_some_and(|clip| clip.nan));
        }
        flag("CLIPS_PREACTIVATION", config.preactivation_clip.is_some());
        if let Some(bound) = config.preactivation_clip {
            set("PREACTIVATION_CLIP", f64::from(bound));
        }
        if let Some(clip) = clip {
            set("CELL_MIN", f64::from(clip.min));
            set("CELL_MAX", f64::from(clip.max));
        }
        if let Some(equation) = self.kernel.equation()
            && equation.gates() < 3
        {
            set("INPUT_GATES", if equation == Equation::Rnn { 1.0 } else { 3.0 });
            set("INPUT_FIRST", if equation == Equation::GruCandidate { 2.0 } else { 0.0 });
        }
        set("PARAMETERS", self.parameters as f64);
        let names = [["F", "F_ALPHA", "F_BETA"], ["G", "G_ALPHA", "G_BETA"], ["H", "H_ALPHA", "H_BETA"]];
        for (activation, [name, alpha, beta]) in self.activations.into_iter().zip(names) {
            set(name, activation.index() as f64);
            let parameters = activation.parameters();
            for (name, value) in [alpha, beta].into_iter().zip(parameters) {
                set(name, f64::from(value));
            }
        }
        overrides
    }

    fn uses_lstm(&self) -> bool {
        self.kernel.equation() == Some(Equation::Lstm) || self.kernel == Kernel::Norm
    }
}
