//! Every option, alone and with every other one: the engines against the reference in double precision.
//!
//! Runs as `gpu.rs` does, and under the same variables. Where two options exclude each other, the refusal is what is tested.

mod common;
#[path = "common/encoded.rs"]
mod encoded;
#[path = "common/engines.rs"]
mod engines;

use common::{Case, F32, HALF, NORM, case, difference_of_outputs, reference};
use engines::{Offer, Outcome, Trials, own_device};
use libtest_mimic::Failed;
use proptest::prelude::*;
use proptest::test_runner::{RngAlgorithm, TestRng, TestRunner};
use wgpu_rnn::{
    Activation, Call, Cell, Config, Directions, Dtype, Engine, Error, Init, Layout, Merge, Output, Outputs,
    Plan, Reset, Rnn, Schedule, Tuning, Weights, Workload,
};

/// What a case is made of: a network, and how it is called.
#[derive(Clone, Debug)]
struct Setup {
    config: Config,
    steps: usize,
    batch: usize,
    has_lengths: bool,
    has_state: bool,
    /// Whether bindings hold a few steps only, so that sequences are split by time.
    splits: bool,
    outputs: Outputs,
    dtype: Dtype,
    /// A certain one, or what the plan chooses: for networks so small, `Sequence` where it can be.
    schedule: Option<Schedule>,
}

type Change = fn(&mut Setup);

/// Each turns a plain network of one layer into one with the option. The first group is of the LSTM, the second of the GRU,
/// the third of all.
const OPTIONS: [(&str, Change); 37] = [
    ("lstm", |s| s.config.cell = Cell::Lstm),
    ("proj_size", |s| s.config.proj_size = 5),
    ("peepholes", |s| s.config.peepholes = true),
    ("coupled_input_forget", |s| s.config.coupled_input_forget = true),
    ("layer_norm", |s| s.config.layer_norm = true),
    ("cell_clip", |s| s.config = s.config.clone().cell_clip(-0.3, 0.2)),
    ("cell_clip_nan", |s| s.config = s.config.clone().cell_clip(-0.2, 0.3).cell_clip_nan()),
    ("cell_states", |s| s.outputs.cell_states = true),
    ("gru", |s| s.config.cell = Cell::Gru),
    ("gru_reset", |s| s.config.gru_reset = Reset::Before),
    ("rnn_relu", |s| s.config.cell = Cell::Vanilla(Activation::Relu)),
    ("rnn_tanh", |s| s.config.cell = Cell::Vanilla(Activation::Tanh)),
    ("activations", |s| {
        let count = s.config.cell.activations().len();
        let all = [
            Activation::HardSigmoid { alpha: 0.3, beta: 0.4 },
            Activation::Softsign,
            Activation::ScaledTanh { alpha: 1.5, beta: 0.7 },
        ];
        s.config.activations = all[..count].to_vec();
    }),
    ("preactivation_clip", |s| s.config.preactivation_clip = Some(0.4)),
    ("three layers", |s| s.config.num_layers = 3),
    ("stack", |s| {
        let cell = s.config.cell;
        let other = if cell == Cell::Gru { Cell::Lstm } else { Cell::Gru };
        s.config.num_layers = 3;
        s.config.stack = vec![(cell, s.config.hidden_size), (other, 8), (cell, 17)];
    }),
    ("stack of one cell", |s| {
        let cell = s.config.cell;
        s.config.num_layers = 3;
        s.config.stack = vec![(cell, s.config.hidden_size), (cell, 8), (cell, 17)];
    }),
    ("stack of one size", |s| {
        let cell = s.config.cell;
        let other = if cell == Cell::Gru { Cell::Lstm } else { Cell::Gru };
        s.config.num_layers = 2;
        s.config.stack = vec![(other, s.config.hidden_size), (cell, s.config.hidden_size)];
        s.config.cell = other;
    }),
    ("activations of each direction", |s| {
        let count = s.config.cell.activations().len();
        s.config.directions = Directions::Both;
        let all = [Activation::Tanh, Activation::Sigmoid, Activation::Softsign, Activation::Softsign];
        s.config.activations = (0..2 * count).map(|index| all[(index * 3) % 4]).collect();
    }),
    ("bidirectional", |s| s.config.directions = Directions::Both),
    ("reverse", |s| s.config.directions = Directions::Reverse),
    ("merge sum", |s| (s.config.directions, s.config.merge) = (Directions::Both, Merge::Sum)),
    ("merge average", |s| (s.config.directions, s.config.merge) = (Directions::Both, Merge::Average)),
    ("merge multiply", |s| (s.config.directions, s.config.merge) = (Directions::Both, Merge::Multiply)),
    ("merge apart", |s| (s.config.directions, s.config.merge) = (Directions::Both, Merge::Apart)),
    ("residual", |s| {
        s.config.residual = true;
        s.config.num_layers = s.config.num_layers.max(2);
    }),
    ("ntc", |s| s.config.layout = Layout::Ntc),
    ("without_bias", |s| s.config.bias = false),
    ("learned_state", |s| (s.config.learned_state, s.has_state) = (true, false)),
    ("zero state", |s| s.has_state = false),
    ("last_only", |s| s.outputs.last_only = true),
    ("every_layer", |s| s.outputs.every_layer = true),
    ("lengths", |s| s.has_lengths = true),
    ("stepwise", |s| s.schedule = Some(Schedule::Stepwise)),
    ("half", |s| s.dtype = Dtype::F16),
    ("paired", |s| (s.config.directions, s.schedule) = (Directions::Both, Some(Schedule::Paired))),
    ("small bindings", |s| (s.splits, s.steps, s.batch) = (true, 23, 35)),
];

/// Options that need a cell of their kind: the first eight an LSTM, the next two a GRU.
fn plain(indices: &[usize]) -> Setup {
    let cell = match indices.iter().find(|&&index| index < 10) {
        Some(8 | 9) => Cell::Gru,
        Some(_) => Cell::Lstm,
        None => [Cell::Lstm, Cell::Gru, Cell::Vanilla(Activation::Tanh)][indices.iter().sum::<usize>() % 3],
    };
    let config = Config::new(cell, 13).input_size(7);
    Setup {
        config,
        steps: 5,
        batch: 3,
        has_lengths: false,
        has_state: true,
        splits: false,
        outputs: Outputs::default(),
        dtype: Dtype::F32,
        schedule: None,
    }
}

fn main() {
    let mut trials = Trials::new();
    for offer in [Offer::All, Offer::WebGpuDefaults, Offer::Cpu] {
        for (index, (name, _)) in OPTIONS.iter().enumerate() {
            let test = move |engine: &Engine| {
                (index..OPTIONS.len()).try_for_each(|other| pair(engine, index, other))
            };
            trials.add(offer, &format!("{}_with_each_other", name.replace(' ', "_")), Box::new(test));
        }
        trials.add(offer, "anything_at_once", Box::new(anything));
        trials.add(offer, "most_pairs_go_together", Box::new(|_| most_pairs_go_together()));
        trials.add(offer, "every_activation", Box::new(every_activation));
    }
    trials.run();
}

/// How many pairs are refused, so that none more is in silence.
fn most_pairs_go_together() -> Outcome {
    let refused = (0..OPTIONS.len()).flat_map(|one| (one..OPTIONS.len()).map(move |other| (one, other)));
    let refused: Vec<_> = refused
        .filter(|&(one, other)| {
            let mut setup = plain(&[one, other]);
            [one, other].iter().for_each(|&index| OPTIONS[index].1(&mut setup));
            refusal(&setup).is_some()
        })
        .map(|(one, other)| format!("{} and {}", OPTIONS[one].0, OPTIONS[other].0))
        .collect();
    if refused.len() == REFUSED {
        return Ok(());
    }
    Err(format!("{} pairs are refused, expected {REFUSED}: {}", refused.len(), refused.join("; ")).into())
}

/// Pairs of one cell's option with another cell or a stack that mixes them, and those that OPTIONS.md names.
const REFUSED: usize = 53;

fn pair(engine: &Engine, one: usize, other: usize) -> Outcome {
    let indices = if one == other { vec![one] } else { vec![one, other] };
    let mut setup = plain(&indices);
    indices.iter().for_each(|&index| OPTIONS[index].1(&mut setup));
    let names: Vec<_> = indices.iter().map(|&index| OPTIONS[index].0).collect();
    check(engine, &setup, (31 * one + other) as u32)
        .map_err(|failed| format!("{}: {}", names.join(" and "), failed.message().unwrap_or("failed")).into())
}

/// The refusal of a setup that no network can have, by the reference.
fn refusal(setup: &Setup) -> Option<Error> {
    let weights = match Weights::init(&setup.config, &Init::gluon()) {
        Ok(weights) => weights,
        Err(error) => return Some(error),
    };
    let input = ndarray::Array3::zeros((1, 1, setup.config.input_size));
    let call = Call::new(&input).outputs(setup.outputs);
    wgpu_rnn::reference::call(&weights, &call).err()
}

/// That the engine gives what the reference does, or that the setup is refused.
fn check(engine: &Engine, setup: &Setup, seed: u32) -> Outcome {
    if let Some(refused) = refusal(setup) {
        return match refused {
            Error::Setting { .. } | Error::Argument { .. } => Ok(()),
            other => Err(format!("expected Error::Setting or Error::Argument, found {other}").into()),
        };
    }
    let case = drawn(setup, seed);
    let theirs = reference(&case);
    // The CPU has no bindings.
    let engine = if setup.splits && engine.is_gpu() { small_bindings()? } else { engine };
    let has_half = engine.limits().is_some_and(|limits| limits.f16);
    if setup.dtype == Dtype::F16 && !has_half {
        return match run(engine, setup, &case) {
            Err(Error::Unsupported { name: "dtype", .. }) => Ok(()),
            other => {
                Err(format!("expected Error::Unsupported, found {:?}", other.map(|output| output.engine))
                    .into())
            }
        };
    }
    let ours = if setup.splits && engine.is_gpu() {
        let limits = engine.limits().ok_or("no GPU")?;
        let tuning = possible(engine, setup)?.into();
        let plan = Plan::of(&setup.config, &Workload { tuning, ..workload(setup) }, &limits)?;
        let parts = plan.buffers.iter().filter(|buffer| buffer.name.starts_with("input ")).count();
        if parts < 3 {
            return Err(format!("{parts} buffers of input, expected several").into());
        }
        run(engine, setup, &case)?
    } else {
        run(engine, setup, &case)?
    };
    if engine.is_gpu() {
        encode(engine, setup, &case, &ours)?;
    }
    // How badly a network magnifies rounding differs from case to case: the reference with as coarse numbers tells.
    let (base, times, off) = match setup.dtype {
        Dtype::F16 => (HALF, 8.0, distance(&reference(&rounded_to_half(&case)), &theirs)),
        Dtype::F32 => {
            let (base, times) = if setup.config.layer_norm { (NORM, 10.0) } else { (F32, 4.0) };
            (base, times, distance(&wgpu_rnn::reference::call(&case.weights, &case.call())?, &theirs))
        }
    };
    let mut tolerance = base.scaled_to(&theirs);
    tolerance.atol = tolerance.atol.max(times * off);
    Ok(difference_of_outputs(&ours, &theirs, tolerance)?)
}

/// The same call, from buffers to buffers, which are strided in every second case.
fn encode(engine: &Engine, setup: &Setup, case: &Case, ours: &Output) -> Outcome {
    let rnn = network(engine, setup, case)?;
    let strided = encoded::Lie { offset: 12, gap: 3, ..encoded::CONTIGUOUS };
    let lie = if setup.has_lengths || setup.outputs.every_layer { strided } else { encoded::CONTIGUOUS };
    // What the program itself can hold in no buffer.
    let most = engine.limits().map_or(0, |limits| limits.max_buffer_bytes);
    if rnn.buffer_needs(setup.steps, setup.batch).iter().any(|need| 2 * need.bytes > most) {
        return Ok(());
    }
    let outcome = encoded::equals(engine, &rnn, case, lie, ours);
    outcome.map_err(|failed| format!("encoded: {}", failed.message().unwrap_or("failed")).into())
}

fn run(engine: &Engine, setup: &Setup, case: &Case) -> wgpu_rnn::Result<Output> {
    network(engine, setup, case)?.call(&case.call())
}

fn network(engine: &Engine, setup: &Setup, case: &Case) -> wgpu_rnn::Result<Rnn> {
    let rnn = Rnn::new(engine, case.weights.clone()).with_dtype(setup.dtype)?;
    rnn.with_tuning(possible(engine, setup)?)
}

fn workload(setup: &Setup) -> Workload {
    let Setup { steps, batch, has_lengths, outputs, dtype, .. } = *setup;
    let tuning = Tuning { schedule: setup.schedule, ..Tuning::default() };
    Workload { has_lengths, outputs, dtype, tuning, ..Workload::new(steps, batch) }
}

/// The schedule that was asked for; stepwise, if directions should be paired and cannot.
fn possible(engine: &Engine, setup: &Setup) -> wgpu_rnn::Result<Option<Schedule>> {
    let Some(limits) = engine.limits() else { return Ok(None) };
    match Plan::of(&setup.config, &workload(setup), &limits) {
        Err(Error::Unsupported { name: "schedule", .. }) if setup.schedule == Some(Schedule::Paired) => {
            Ok(Some(Schedule::Stepwise))
        }
        other => other.map(|_| setup.schedule),
    }
}

fn drawn(setup: &Setup, seed: u32) -> Case {
    let mut case = case(&setup.config, setup.steps, setup.batch, seed);
    case.outputs = setup.outputs;
    if !setup.has_state {
        case.state = None;
    }
    if setup.has_lengths {
        // Unsorted, from 0 to T.
        let lengths = (0..setup.batch).map(|row| (row * 7 + seed as usize + 3) % (setup.steps + 1));
        case.lengths = Some(lengths.collect());
    }
    case
}

/// The largest difference of two outputs, and of their states.
fn distance<A: Copy + Into<f64>>(one: &Output<A>, other: &Output<f64>) -> f64 {
    let c = one.c_n.iter().flatten().zip(other.c_n.iter().flatten());
    let h = one.h_n.iter().zip(&other.h_n);
    let distances =
        one.output.iter().zip(&other.output).chain(h).chain(c).map(|(&a, b)| (a.into() - b).abs());
    distances.fold(0.0, f64::max)
}

/// The same case as half numbers hold it.
fn rounded_to_half(case: &Case) -> Case {
    let half = |number: f32| half::f16::from_f32(number).to_f32();
    let config = case.weights.config().clone();
    let tensors =
        case.weights.tensors(wgpu_rnn::Naming::PyTorch).map(|(name, tensor)| (name, tensor.mapv(half)));
    let weights = Weights::reader().config(&config).from_tensors(tensors).unwrap();
    Case { weights, input: case.input.mapv(half), ..case.clone() }
}

/// A device whose bindings hold two or three steps of the networks here.
fn small_bindings() -> Result<&'static Engine, Failed> {
    static SMALL: std::sync::OnceLock<Result<Engine, String>> = std::sync::OnceLock::new();
    let open = || {
        let limits = wgpu::Limits {
            max_storage_buffer_binding_size: 24 << 10,
            max_buffer_size: 64 << 10,
            ..Default::default()
        };
        let (device, queue) =
            own_device(limits, wgpu::Features::SHADER_F16).map_err(|failed| format!("{failed:?}"))?;
        Ok(Engine::from_device(device, queue))
    };
    SMALL.get_or_init(open).as_ref().map_err(|error: &String| Failed::from(error.clone()))
}

fn anything(engine: &Engine) -> Outcome {
    let strategy =
        (proptest::collection::vec(0..OPTIONS.len(), 2..9), 1..=9_usize, 1..=35_usize, any::<u32>());
    let config = ProptestConfig { cases: 64, failure_persistence: None, ..Default::default() };
    // The same cases everywhere: what is badly conditioned is then found once, and not now and then.
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let result = runner.run(&strategy, |(indices, steps, batch, seed)| {
        let mut setup = plain(&indices);
        (setup.steps, setup.batch) = (steps, batch);
        // It has a size of its own.
        indices.iter().for_each(|&index| OPTIONS[index].1(&mut setup));
        // What is refused is a case all the same; most are not.
        let outcome = check(engine, &setup, seed);
        outcome.map_err(|failed| TestCaseError::fail(failed.message().unwrap_or("failed").to_owned()))
    });
    result.map_err(|error| error.to_string().into())
}

/// Each in each of its places, and as other ones for the reverse direction.
fn every_activation(engine: &Engine) -> Outcome {
    let mut all = Activation::ALL;
    all.reverse();
    all.iter().enumerate().try_for_each(|(index, &activation)| {
        let other = all[(index + 4) % all.len()];
        for cell in [Cell::Vanilla(Activation::Tanh), Cell::Gru, Cell::Lstm] {
            let count = cell.activations().len();
            let mut activations = vec![activation; count];
            activations.extend((0..count).map(|at| if at == 0 { other } else { activation }));
            let config = Config::new(cell, 13).bidirectional().input_size(7).activations(&activations);
            let setup = Setup { config, steps: 3, ..plain(&[]) };
            check(engine, &setup, index as u32)
                .map_err(|failed| format!("{activation}, {cell:?}: {}", failed.message().unwrap_or("")))?;
        }
        Ok(())
    })
}
