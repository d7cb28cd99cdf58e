//! The table of options: every one that a network or a call can have.
#![allow(dead_code, reason = "each test binary uses its part of it")]

use super::{Case, case};
use ndarray::Array3;
use wgpu_rnn::{
    Activation, Call, Cell, CellClip, Config, Directions, Dtype, Error, Layout, Merge, Outputs, Reset,
    Schedule, Tuning, Workload,
};

/// A network, and how it is called.
#[derive(Clone, Debug)]
pub struct Setup {
    pub config: Config,
    pub steps: usize,
    pub batch: usize,
    pub has_lengths: bool,
    pub has_state: bool,
    /// True for a NaN in c_0 of the first unit, in a row that has a step.
    pub has_nan: bool,
    /// True for bindings of a few steps only, so that sequences are split by time.
    pub splits: bool,
    pub outputs: Outputs,
    pub dtype: Dtype,
    /// A certain one, or what the plan chooses: for networks so small, `Sequence` where it can be.
    pub schedule: Option<Schedule>,
}

pub type Change = fn(&mut Setup);

/// A wrong answer that the comparison must see.
pub enum Control {
    /// The answer without the option.
    Off,
    /// The answer with another value of it.
    Other(Change),
    /// The option changes numbers by rounding only: a finer comparison sees the option.
    Rounding,
    /// The option changes no number: the plan shows the option.
    Plan,
}

pub struct Row {
    pub name: &'static str,
    pub set: Change,
    pub control: Control,
}

const fn row(name: &'static str, control: Control, set: Change) -> Row {
    Row { name, set, control }
}

/// Another cell, of another kind.
fn other(cell: Cell) -> Cell {
    match cell {
        Cell::Lstm => Cell::Gru,
        Cell::Gru => Cell::Vanilla(Activation::Relu),
        _ => Cell::Lstm,
    }
}

fn both(s: &mut Setup, merge: Merge) {
    (s.config.directions, s.config.merge) = (Directions::Both, merge);
}

/// Each turns a plain network of one layer into one with the option, or is refused for its cell.
pub const OPTIONS: [Row; 31] = [
    row("proj_size", Control::Off, |s| s.config.proj_size = 5),
    row("peepholes", Control::Off, |s| s.config.peepholes = true),
    row("coupled_input_forget", Control::Off, |s| s.config.coupled_input_forget = true),
    row("layer_norm", Control::Off, |s| s.config.layer_norm = true),
    row("cell_clip", Control::Other(|s| s.config.cell_clip = None), |s| {
        s.config = s.config.clone().cell_clip(-0.3, 0.2);
    }),
    row("cell_clip_nan", Control::Other(|s| s.config.cell_clip = Some(CLIP)), |s| {
        s.config = s.config.clone().cell_clip(CLIP.min, CLIP.max).cell_clip_nan();
        s.has_nan = true;
    }),
    row("cell_states", Control::Off, |s| s.outputs.cell_states = true),
    row("gru_reset", Control::Off, |s| s.config.gru_reset = Reset::Before),
    row("activations", Control::Off, |s| {
        let count = s.config.cell.activations().len();
        let all = [
            Activation::HardSigmoid { alpha: 0.3, beta: 0.4 },
            Activation::Softsign,
            Activation::ScaledTanh { alpha: 1.5, beta: 0.7 },
        ];
        s.config.activations = all[..count].to_vec();
    }),
    row("preactivation_clip", Control::Off, |s| s.config.preactivation_clip = Some(0.4)),
    row("three_layers", Control::Other(|s| s.config.num_layers = 2), |s| s.config.num_layers = 3),
    row("stack", Control::Other(|s| s.config.stack[1].0 = s.config.cell), |s| {
        let cell = s.config.cell;
        s.config.num_layers = 3;
        s.config.stack = vec![(cell, s.config.hidden_size), (other(cell), 8), (cell, 17)];
    }),
    row("stack_of_one_cell", Control::Other(|s| s.config.stack.swap(1, 2)), |s| {
        let cell = s.config.cell;
        s.config.num_layers = 3;
        s.config.stack = vec![(cell, s.config.hidden_size), (cell, 8), (cell, 17)];
    }),
    row("stack_of_one_size", Control::Other(|s| s.config.stack[1].0 = s.config.cell), |s| {
        let cell = s.config.cell;
        s.config.num_layers = 2;
        s.config.cell = other(cell);
        s.config.stack = vec![(s.config.cell, s.config.hidden_size), (cell, s.config.hidden_size)];
    }),
    row("activations_of_each_direction", Control::Other(one_set), |s| {
        let count = s.config.cell.activations().len();
        s.config.directions = Directions::Both;
        let all = [Activation::Tanh, Activation::Sigmoid, Activation::Softsign, Activation::Softsign];
        s.config.activations = (0..2 * count).map(|index| all[(index * 3) % 4]).collect();
    }),
    row("bidirectional", Control::Off, |s| s.config.directions = Directions::Both),
    row("reverse", Control::Off, |s| s.config.directions = Directions::Reverse),
    row("merge_sum", Control::Other(|s| both(s, Merge::Average)), |s| both(s, Merge::Sum)),
    row("merge_average", Control::Other(|s| both(s, Merge::Sum)), |s| both(s, Merge::Average)),
    row("merge_multiply", Control::Other(|s| both(s, Merge::Sum)), |s| both(s, Merge::Multiply)),
    row("merge_apart", Control::Other(|s| both(s, Merge::Concatenate)), |s| both(s, Merge::Apart)),
    row("residual", Control::Other(|s| s.config.residual = false), |s| {
        s.config.residual = true;
        s.config.num_layers = s.config.num_layers.max(2);
    }),
    row("ntc", Control::Off, |s| s.config.layout = Layout::Ntc),
    row("without_bias", Control::Off, |s| s.config.bias = false),
    row("learned_state", Control::Other(|s| s.config.learned_state = false), |s| {
        (s.config.learned_state, s.has_state) = (true, false);
    }),
    row("zero_state", Control::Off, |s| s.has_state = false),
    row("last_only", Control::Off, |s| s.outputs.last_only = true),
    row("every_layer", Control::Other(|s| s.outputs.every_layer = false), |s| {
        s.outputs.every_layer = true;
        s.config.num_layers = s.config.num_layers.max(2);
    }),
    row("lengths", Control::Off, |s| s.has_lengths = true),
    row("half", Control::Rounding, |s| s.dtype = Dtype::F16),
    // A browser raises limits to WebGPU's defaults.
    row("small_bindings", Control::Plan, |s| {
        (s.splits, s.steps, s.batch) = (cfg!(not(target_arch = "wasm32")), 23, 35);
    }),
];

const CLIP: CellClip = CellClip { min: -0.2, max: 0.3, nan: false };

/// The first direction's activations for both.
fn one_set(s: &mut Setup) {
    s.config.activations.truncate(s.config.activations.len() / 2);
}

/// A network of one layer, with no option.
pub fn plain(cell: Cell) -> Setup {
    Setup {
        config: Config::new(cell, 13).input_size(7),
        steps: 5,
        batch: 3,
        has_lengths: false,
        has_state: true,
        has_nan: false,
        splits: false,
        outputs: Outputs::default(),
        dtype: Dtype::F32,
        schedule: None,
    }
}

/// A network with some options, in their order.
pub fn with(cell: Cell, rows: &[&Row]) -> Setup {
    let mut setup = plain(cell);
    rows.iter().for_each(|row| (row.set)(&mut setup));
    setup
}

/// The cells that can have all of these options.
pub fn cells(rows: &[&Row]) -> Vec<Cell> {
    Cell::ALL.into_iter().filter(|&cell| with(cell, rows).refusal().is_none()).collect()
}

impl Setup {
    /// The refusal of a setup that no engine can have: of its network, or of its call.
    pub fn refusal(&self) -> Option<Error> {
        let input = Array3::<f32>::zeros((1, 1, self.config.input_size));
        self.config.check_call(&Call::new(&input).outputs(self.outputs)).err()
    }

    pub fn workload(&self) -> Workload {
        let Setup { steps, batch, has_lengths, outputs, dtype, .. } = *self;
        let tuning = Tuning { schedule: self.schedule, ..Tuning::default() };
        Workload { has_lengths, outputs, dtype, tuning, ..Workload::new(steps, batch) }
    }

    /// Weights, input, state and lengths, unsorted from 0 to T.
    pub fn drawn(&self, seed: u32) -> Case {
        let mut case = case(&self.config, self.steps, self.batch, seed);
        case.outputs = self.outputs;
        let length = |row: usize| (row * 7 + seed as usize + 3) % (self.steps + 1);
        if self.has_lengths {
            case.lengths = Some((0..self.batch).map(length).collect());
        }
        if !self.has_state {
            case.state = None;
        }
        let row = (0..self.batch).find(|&row| !self.has_lengths || length(row) > 0);
        let c = case.state.as_mut().and_then(|state| state.c.as_mut());
        if let (true, Some(row), Some(c)) = (self.has_nan, row, c) {
            c[[0, row, 0]] = f32::NAN;
        }
        case
    }
}
