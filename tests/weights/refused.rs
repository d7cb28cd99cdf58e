//! Settings, inputs and states that are refused, and the sentences that say so.

use crate::says;
use ndarray::{Array2, Array3, ArrayD, IxDyn};
use wgpu_rnn::{
    Activation, Call, Cell, Config, Engine, Error, Init, Merge, Naming, Packed, Reset, Rnn, State, Weights,
    mxnet,
};

#[test]
fn settings_are_refused() {
    let init = |config: Config, init: Init| Weights::init(&config, &init);
    says(
        init(Config::lstm(3).num_layers(65_537).input_size(3), Init::gluon()),
        "num_layers: expected at most 65536, found 65537",
    );
    says(init(Config::lstm(0).input_size(3), Init::gluon()), "hidden_size: expected at least 1, found 0");
    says(
        init(Config::lstm(3).num_layers(0).input_size(3), Init::gluon()),
        "num_layers: expected at least 1, found 0",
    );
    says(
        init(Config::gru(3), Init::gluon()),
        "input_size: expected at least 1, or a first call with an input, found 0",
    );
    says(
        init(Config::gru(3).input_size(2), Init::gluon().forget_bias(1.0)),
        "forget_bias: expected an LSTM with biases, found 1 for gru",
    );
    says(
        init(Config::gru(3).input_size(2), Init::uniform(f32::NAN)),
        "scale: expected a number from 0 on, found NaN",
    );
    says(
        init(Config::gru(3).input_size(2), Init::mxnet(&mxnet::Random::new(0)).seed(3)),
        "seed: expected none (mxnet::Random has it), found 3",
    );
    for (hidden, input, layers) in
        [(usize::MAX, 1, 1), (1 << 31, 1, 1), (1, usize::MAX, 1), (1 << 20, 1 << 42, 1)]
    {
        init(Config::lstm(hidden).input_size(input).num_layers(layers), Init::gluon()).unwrap_err();
    }
}

/// A wrong combination is refused where weights are made for it, in one sentence.
#[test]
fn combinations_are_refused() {
    let lstm = || Config::lstm(5).num_layers(2).input_size(7);
    let gru = || Config::gru(5).num_layers(2).input_size(7);
    let stack = Config::stack(&[(Cell::Lstm, 5), (Cell::Gru, 4)]).input_size(7);
    let mut changed = stack.clone();
    changed.hidden_size = 6;
    let bent = Activation::LeakyRelu { alpha: f32::NAN };
    for (config, expected) in [
        (gru().proj_size(3), "proj_size: expected an LSTM, found gru"),
        (gru().peepholes(), "peepholes: expected an LSTM, found gru"),
        (gru().coupled_input_forget(), "coupled_input_forget: expected an LSTM, found gru"),
        (stack.clone().layer_norm(), "layer_norm: expected an LSTM, found gru"),
        (stack.clone().cell_clip(-1.0, 1.0), "cell_clip: expected an LSTM, found gru"),
        (lstm().cell_clip(1.0, -1.0), "cell_clip: expected min at most max, found min 1, max -1"),
        (lstm().cell_clip(f32::NAN, 1.0), "cell_clip: expected min at most max, found min NaN, max 1"),
        (lstm().cell_clip(-1.0, f32::INFINITY), "cell_clip: expected finite bounds, found min -1, max inf"),
        (lstm().cell_clip_nan(), "cell_clip_nan: expected a cell_clip beside it, found none"),
        (lstm().preactivation_clip(0.0), "preactivation_clip: expected a finite number over 0, found 0"),
        (
            lstm().preactivation_clip(f32::NAN),
            "preactivation_clip: expected a finite number over 0, found NaN",
        ),
        (lstm().gru_reset(Reset::Before), "gru_reset before: expected a GRU, found lstm"),
        (gru().activations(&[Activation::Tanh]), "activations: expected 2 for gru, found 1"),
        (
            gru().bidirectional().activations(&[Activation::Tanh; 3]),
            "activations: expected 2 or 4 for gru, found 3",
        ),
        (gru().activations(&[bent, bent]), "activations: expected finite parameters, found leaky_relu:NaN"),
        (gru().merge(Merge::Sum), "merge: expected two directions to merge, found one"),
        (stack.clone().residual(), "residual: expected layers of one size, 5, found 4"),
        (stack.clone().num_layers(3), "num_layers: expected 2, as the stack has layers, found 3"),
        (changed, "stack: expected lstm 6 in the first layer, found lstm 5"),
        (Config::stack(&[]).input_size(1), "num_layers: expected at least 1, found 0"),
        (
            Config::stack(&[(Cell::Gru, 3), (Cell::Gru, 0)]).input_size(1),
            "hidden_size: expected at least 1, found 0",
        ),
    ] {
        says(Weights::init(&config, &Init::gluon()), expected);
        // And where they are set for weights that there are.
        if config.stack.is_empty() && config.proj_size == 0 && !config.peepholes {
            let plain = Config::new(config.cell, 5).num_layers(2).directions(config.directions).input_size(7);
            says(Weights::init(&plain, &Init::gluon()).unwrap().configure(|_| config.clone()), expected);
        }
    }
    says(
        Weights::init(&Config::new(Cell::Vanilla(bent), 5).input_size(3), &Init::gluon()),
        "activations: expected finite parameters, found leaky_relu:NaN",
    );
    let plain = Weights::init(&lstm(), &Init::gluon()).unwrap();
    says(
        plain.configure(|config| config.proj_size(3)),
        "settings: expected settings that keep the weights' shapes, found others",
    );
    says(
        Weights::init(&lstm().peepholes(), &Init::mxnet(&mxnet::Random::new(0))),
        "init: expected a network as Gluon draws it, without options, found others",
    );
}

/// Outputs that a network cannot give, on every engine and without one.
#[test]
fn outputs_are_refused() {
    let (input, single) = (Array3::zeros((2, 3, 7)), Config::gru(5).residual().input_size(7));
    let stack = Config::stack(&[(Cell::Lstm, 5), (Cell::Gru, 4)]).input_size(7);
    for (config, call, expected) in [
        (
            single.clone().num_layers(2),
            Call::new(&input).last_only(),
            "last_only: expected no residual connections, found some",
        ),
        (
            stack,
            Call::new(&input).cell_states(),
            "cell_states: expected a last layer with a cell state (an LSTM), found gru",
        ),
    ] {
        says(config.check_call(&call), expected);
        let weights = Weights::init(&config, &Init::gluon()).unwrap();
        for engine in [Engine::cpu(), Engine::reference()] {
            let error = Rnn::new(&engine, weights.clone()).call(&call).unwrap_err();
            assert!(matches!(error, Error::Argument { .. }), "{error:?}");
            assert_eq!(error.to_string(), expected);
        }
    }
    // One layer adds nothing to anything.
    single.check_call(&Call::new(&input).last_only()).unwrap();
}

#[test]
fn lengths_and_batch_sizes_are_refused() {
    let rnn = Rnn::lazy(&Engine::cpu(), &Config::gru(4), Init::gluon()).unwrap();
    let input = Array3::zeros((5, 3, 7));
    let call = |lengths: &[i8]| rnn.call(&Call::new(&input).lengths(lengths));
    says(call(&[1, 2]), "lengths: expected 3, one for each sequence, found 2");
    says(call(&[1, -1, 2]), "lengths: expected 0 to 5 (T) for sequence 1, found -1");
    says(call(&[1, 2, 6]), "lengths: expected 0 to 5 (T) for sequence 2, found 6");
    call(&[0, 5, 3]).unwrap();
    says(
        rnn.call(&Call::new(&input).lengths(&[u64::MAX; 3])),
        "lengths: expected 0 to 5 (T) for sequence 0, found 9223372036854775807",
    );
    let unpack = |rows: usize, sizes: &[usize]| {
        Packed { data: Array2::<f32>::zeros((rows, 7)), batch_sizes: sizes.to_vec() }.unpack()
    };
    unpack(3, &[2, 1]).unwrap();
    says(unpack(3, &[1, 2]), "batch_sizes: expected 1 to 1 at time step 1, found 2");
    says(unpack(4, &[2, 1]), "batch_sizes: expected a sum of 4, the rows of data, found 3");
    says(unpack(0, &[]), "batch_sizes: expected a first one of at least 1, found none");
    says(unpack(1, &[1, 0]), "batch_sizes: expected 1 to 1 at time step 1, found 0");
    let packed = Packed { data: Array2::zeros((3, 7)), batch_sizes: vec![2, 1] };
    says(
        rnn.call(&Call::packed(&packed).last_only()),
        "packed input: expected a call that gives back all steps, found the last only",
    );
    says(
        rnn.call(&Call::packed(&packed).lengths(&[2, 1])),
        "lengths: expected none beside packed input, which has its own, found some",
    );
    let narrow = Packed { data: Array2::zeros((3, 6)), batch_sizes: vec![2, 1] };
    let error = rnn.call(&Call::packed(&narrow)).unwrap_err();
    assert!(
        matches!(&error, Error::Shape { name, found, .. } if name == "input" && found == &[3, 6]),
        "{error}"
    );
}

/// No setting of a configuration panics.
#[test]
fn absurd_configurations_are_refused() {
    let huge = usize::MAX;
    for config in [
        Config::lstm(1).num_layers(huge).bidirectional().input_size(1),
        Config::lstm(huge).bidirectional().input_size(1).num_layers(2),
        Config::gru(1).input_size(huge),
        Config::lstm(huge).proj_size(huge - 1).input_size(1),
        Config::stack(&[(Cell::Gru, huge), (Cell::Lstm, huge)]).bidirectional().input_size(1),
        Config::gru(1).num_layers(0).input_size(1),
    ] {
        let _ = (config.slots(), config.output_size(), config.state_size(), config.cell_state_size());
        let input = Array3::<f32>::zeros((1, 1, 1));
        let state = State::new(Array3::zeros((1, 1, 1)));
        config.check_call(&Call::new(&input).state(&state)).unwrap_err();
        Weights::init(&config, &Init::gluon()).unwrap_err();
        let made = Weights::init(&Config::gru(3).input_size(2), &Init::gluon()).unwrap();
        let tensors = made.tensors(Naming::PyTorch).map(|(name, tensor)| (name, tensor.to_owned()));
        let tensors: Vec<_> = tensors.collect();
        Weights::reader().config(&config).from_tensors(tensors.clone()).unwrap_err();
        Weights::reader().settings(|_| config.clone()).from_tensors(tensors).unwrap_err();
        made.configure(|_| config.clone()).unwrap_err();
    }
}

#[test]
fn inputs_and_states_are_refused() {
    for engine in [Engine::cpu(), Engine::reference()] {
        let config = Config::lstm(5).num_layers(2).bidirectional().input_size(7);
        let weights = Weights::init(&config, &Init::gluon()).unwrap();
        let rnn = Rnn::new(&engine, weights.clone());
        let input = Array3::zeros((2, 3, 7));
        let state = |h, c| State { h: Array3::zeros(h), c: Some(Array3::zeros(c)) };
        says(
            rnn.forward(&Array2::zeros((2, 8)), None),
            "input: expected shape [T, N, 7] or [T, 7], with T and N at least 1, found [2, 8]",
        );
        says(
            rnn.forward(&ArrayD::zeros(IxDyn(&[])), None),
            "input: expected shape [T, N, 7] or [T, 7], with T and N at least 1, found []",
        );
        for shape in [(0, 3, 7), (2, 0, 7)] {
            let error = rnn.forward(&Array3::zeros(shape), None).unwrap_err();
            assert!(matches!(error, Error::Shape { .. }), "{error}");
        }
        says(
            rnn.forward(&input, Some(&state((4, 3, 6), (4, 3, 5)))),
            "h_0: expected shape [4, 3, 5] = [L*D, N, H], found [4, 3, 6]",
        );
        says(
            rnn.forward(&input, Some(&state((4, 3, 5), (4, 2, 5)))),
            "c_0: expected shape [4, 3, 5] = [L*D, N, H], found [4, 2, 5]",
        );
        says(
            rnn.forward(&input, Some(&State::new(Array3::zeros((4, 3, 5))))),
            "c_0: expected one beside h_0, found none",
        );
        let gru = Weights::init(&Config::gru(5).input_size(7), &Init::gluon()).unwrap();
        says(
            Rnn::new(&engine, gru).forward(&input, Some(&state((1, 3, 5), (1, 3, 5)))),
            "c_0: expected none, for cells without a cell state, found one",
        );
        says(
            Rnn::new(&engine, weights.layout(wgpu_rnn::Layout::Ntc)).forward(&Array3::zeros((2, 3, 8)), None),
            "input: expected shape [N, T, 7] or [T, 7], with T and N at least 1, found [2, 3, 8]",
        );
    }
}

/// More than memory can hold is an error, not an abort.
#[test]
fn what_memory_cannot_hold_is_refused() {
    // The first is too much for the states, the second for the output alone.
    for (hidden, shape) in [(1 << 12, (1, 1 << 50, 1)), (4, (1 << 50, 1, 1))] {
        let weights = Weights::init(&Config::gru(hidden).input_size(1), &Init::uniform(0.0)).unwrap();
        let one = ndarray::arr0(0.0_f32);
        let input = one.broadcast(shape).unwrap();
        let error = Rnn::new(&Engine::cpu(), weights).forward(&input, None).unwrap_err();
        assert!(matches!(error, Error::Memory { .. } | Error::TooLarge { .. }), "{error}");
    }
}
