//! The notebook's six networks, drawn and called as it does, from MXNet's default seed.

use ndarray::Array3;
use wgpu_rnn::{Config, Directions, Engine, Init, Output, Result, Rnn, Schedule, State, mxnet};

/// One call of a network.
pub struct Call {
    /// The name of the file in `tests/golden/notebook/` that holds the same call made by MXNet.
    pub fixture: &'static str,
    /// The network.
    pub title: &'static str,
    pub input: Array3<f32>,
    /// The state that the call passes, if it passes one.
    pub state: Option<State>,
    pub answer: Output,
}

/// A network after its calls, whose weights are all drawn.
pub struct Network {
    pub rnn: Rnn,
    pub calls: Vec<Call>,
}

/// T, N, I and H of all of them.
const SIZES: (usize, usize, usize, usize) = (4, 5, 3, 6);

/// The schedule of one network: a network of one direction has none to pair, and keeps the base schedule.
pub fn schedule_of(config: &Config, wanted: Option<Schedule>) -> Option<Schedule> {
    match wanted {
        Some(Schedule::Paired) if config.directions != Directions::Both => Some(Schedule::Stepwise),
        _ => wanted,
    }
}

/// Draws and calls in the notebook's order: the input once; then for each network `initialize()`, which draws
/// what needs no input size, the states, and the first call, which draws the rest. The first network is
/// called without states before its states are drawn; the others, for the tests' sake, after everything else.
pub fn run(engine: &Engine, schedule: Option<Schedule>) -> Result<Vec<Network>> {
    let (steps, batch, features, hidden) = SIZES;
    let random = mxnet::Random::new(0);
    let input = random.uniform(0.0, 1.0, (steps, batch, features));
    let call = |rnn: &Rnn, fixture, title, state: Option<State>| {
        let answer = rnn.forward(&input, state.as_ref())?;
        Ok(Call { fixture, title, input: input.clone(), state, answer })
    };
    let stacked = |config: Config| config.num_layers(2);
    let networks = [
        ("rnn", "rnn_zero_state", "RNN", Config::rnn(hidden)),
        ("stack_rnn", "stack_rnn_zero_state", "Stacked RNN", stacked(Config::rnn(hidden))),
        ("bidir_rnn", "bidir_rnn_zero_state", "Bidirectional RNN", Config::rnn(hidden).bidirectional()),
        (
            "stack_bidir_rnn",
            "stack_bidir_rnn_zero_state",
            "Stacked bidirectional RNN",
            stacked(Config::rnn(hidden)).bidirectional(),
        ),
        ("lstm", "lstm_zero_state", "LSTM", Config::lstm(hidden)),
        (
            "stack_bidir_lstm",
            "stack_bidir_lstm_zero_state",
            "Stacked bidirectional LSTM",
            stacked(Config::lstm(hidden)).bidirectional(),
        ),
    ];
    let mut done: Vec<Network> = Vec::new();
    for (fixture, zero_state, title, config) in networks {
        let rnn = Rnn::lazy(engine, &config, Init::mxnet(&random))?;
        let rnn = rnn.with_tuning(schedule_of(&config, schedule))?;
        let mut calls = Vec::new();
        if done.is_empty() {
            calls.push(call(&rnn, zero_state, title, None)?);
        }
        let draw = || random.uniform(0.0, 1.0, (config.slots(), batch, hidden));
        let h = draw();
        let state = State { h, c: config.cell.has_cell_state().then(draw) };
        calls.push(call(&rnn, fixture, title, Some(state))?);
        if !done.is_empty() {
            calls.push(call(&rnn, zero_state, title, None)?);
        }
        done.push(Network { rnn, calls });
    }
    Ok(done)
}
