//! Initialisers, files, and the sentences that say what is wrong with them.

use ndarray::{Array2, Array3, ArrayD, IxDyn};
use wgpu_rnn::{
    Activation, Call, Cell, Config, Directions, Engine, Error, Init, Merge, Naming, Packed, Reset, Rnn,
    State, Stateful, Weights, mxnet, reference,
};

fn every_config() -> impl Iterator<Item = Config> {
    Cell::ALL.into_iter().flat_map(|cell| {
        [(1, Directions::Forward, true), (3, Directions::Both, true), (2, Directions::Both, false)].map(
            |(layers, directions, bias)| {
                let config = Config::new(cell, 13).num_layers(layers).directions(directions).input_size(7);
                if bias { config } else { config.without_bias() }
            },
        )
    })
}

#[test]
fn a_file_gives_back_the_network_under_both_names() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("weights.safetensors");
    for config in every_config() {
        let weights = Weights::init(&config, &Init::pytorch().seed(5)).unwrap();
        for naming in [Naming::PyTorch, Naming::Gluon] {
            weights.save(&path, naming).unwrap();
            let loaded = Weights::load(&path).unwrap();
            assert_eq!(loaded.config(), &config);
            assert_eq!(loaded, weights);
            assert_eq!(weights.to_safetensors(naming).unwrap(), std::fs::read(&path).unwrap());
        }
    }
    // Nothing is left beside it.
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
}

/// A hash of the bits of all weights (FNV-1a), which is the same on every platform.
#[test]
fn a_seed_gives_the_same_weights_everywhere() {
    let config = Config::lstm(13).num_layers(2).bidirectional().input_size(7);
    let hash = |init: Init| {
        let weights = Weights::init(&config, &init).unwrap();
        let mut hash = 0xcbf2_9ce4_8422_2325_u64;
        for (_, tensor) in weights.tensors(Naming::PyTorch) {
            for byte in tensor.iter().flat_map(|weight| weight.to_bits().to_le_bytes()) {
                hash = (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3);
            }
        }
        format!("{hash:016x}")
    };
    let seeds = [Init::gluon(), Init::gluon().seed(1), Init::pytorch(), Init::xavier(), Init::orthogonal()];
    let hashes: Vec<String> = seeds.into_iter().map(hash).collect();
    expect_test::expect![[r#"
        95c416e0f641f828
        a230094b734a6456
        9ac2e0f96a79cb0c
        44f83a9cc8b9f718
        381e386f29ba7976"#]]
    .assert_eq(&hashes.join("\n"));
}

#[test]
fn initialisers_have_their_scale() {
    let config = Config::gru(20).input_size(30);
    let largest = |init: Init, name: &str| {
        let weights = Weights::init(&config, &init).unwrap();
        weights.tensor(name).unwrap().iter().fold(0.0_f32, |max, w| max.max(w.abs()))
    };
    let near = |found: f32, bound: f32| assert!(found <= bound && found > 0.95 * bound, "{found} of {bound}");
    near(largest(Init::gluon(), "weight_ih_l0"), 0.07);
    near(largest(Init::uniform(3.0), "weight_hh_l0"), 3.0);
    near(largest(Init::pytorch(), "weight_ih_l0"), 1.0 / 20_f32.sqrt());
    near(largest(Init::pytorch(), "bias_hh_l0"), 1.0 / 20_f32.sqrt());
    near(largest(Init::xavier(), "weight_ih_l0"), (6.0_f32 / 90.0).sqrt());
    assert_eq!(largest(Init::gluon(), "bias_ih_l0"), 0.0);
    assert_eq!(largest(Init::xavier(), "bias_hh_l0"), 0.0);
}

#[test]
fn orthogonal_is_orthogonal() {
    // [60, 20] has orthonormal columns, [60, 70] orthonormal rows.
    for (input_size, name) in [(5, "weight_hh_l0"), (70, "weight_ih_l0")] {
        let weights = Weights::init(&Config::gru(20).input_size(input_size), &Init::orthogonal()).unwrap();
        let matrix =
            weights.tensor(name).unwrap().into_dimensionality::<ndarray::Ix2>().unwrap().mapv(f64::from);
        let gram = if input_size == 5 { matrix.t().dot(&matrix) } else { matrix.dot(&matrix.t()) };
        let off = (&gram - &Array2::<f64>::eye(gram.nrows())).mapv(f64::abs);
        assert!(off.iter().all(|&error| error < 1e-6), "{name}");
    }
}

#[test]
fn forget_bias_is_the_second_block() {
    let config = Config::lstm(3).num_layers(2).bidirectional().input_size(2);
    let weights = Weights::init(&config, &Init::pytorch().forget_bias(1.0)).unwrap();
    for slot in weights.slots() {
        assert_eq!(slot.bias_ih().unwrap().to_vec()[3..6], [1.0; 3]);
        assert_eq!(slot.bias_hh().unwrap().to_vec()[3..6], [0.0; 3]);
        assert_ne!(slot.bias_ih().unwrap()[2], 1.0);
        assert_ne!(slot.bias_hh().unwrap()[6], 0.0);
    }
}

#[test]
fn lazy_weights_are_the_eager_ones() {
    let config = Config::lstm(13).num_layers(2).bidirectional();
    for init in [Init::pytorch().seed(9), Init::orthogonal()] {
        let mut rnn = Rnn::lazy(&Engine::cpu(), &config, init.clone()).unwrap();
        assert!(rnn.weights().is_none());
        rnn.forward(&Array3::zeros((2, 3, 7)), None).unwrap();
        let eager = Weights::init(&config.clone().input_size(7), &init).unwrap();
        assert_eq!(rnn.weights(), Some(&eager));
        // From now on the input size is known.
        let error = rnn.forward(&Array3::zeros((2, 3, 8)), None).unwrap_err();
        assert_eq!(
            error.to_string(),
            "input: expected shape [T, N, 7] or [T, 7], with T and N at least 1, found [2, 3, 8]"
        );
    }
}

/// A wrong first call must not decide the input size.
#[test]
fn a_refused_call_draws_nothing() {
    let mut rnn = Rnn::lazy(&Engine::cpu(), &Config::gru(4), Init::gluon()).unwrap();
    rnn.forward(&Array3::zeros((2, 3, 9)), Some(&State::new(Array3::zeros((1, 3, 5))))).unwrap_err();
    rnn.forward(&Array3::zeros((0, 3, 9)), None).unwrap_err();
    assert!(rnn.weights().is_none());
    rnn.forward(&Array3::zeros((2, 3, 7)), None).unwrap();
    assert_eq!(rnn.config().input_size, 7);
}

#[track_caller]
fn says<T: std::fmt::Debug>(result: Result<T, Error>, expected: &str) {
    assert_eq!(result.unwrap_err().to_string(), expected);
}

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
        "input_size: expected at least 1 (a lazy Rnn takes it from its first input), found 0",
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
        (lstm().proj_size(5), "proj_size: expected less than hidden_size 5, found 5"),
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
        (gru().residual().last_only(), "last_only: expected no residual connections, found some"),
        (stack.clone().residual(), "residual: expected layers of one size, 5, found 4"),
        (stack.clone().cell_states(), "cell_states: expected an LSTM as last layer, found gru"),
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
    let plain = Weights::init(&lstm(), &Init::gluon()).unwrap();
    says(
        plain.configure(|config| config.proj_size(3)),
        "settings: expected none that change the weights' shapes, found such a one",
    );
    says(
        Weights::init(&lstm().peepholes(), &Init::mxnet(&mxnet::Random::new(0))),
        "init: expected a network as Gluon draws it, without options, found others",
    );
}

#[test]
fn lengths_and_batch_sizes_are_refused() {
    let mut rnn = Rnn::lazy(&Engine::cpu(), &Config::gru(4), Init::gluon()).unwrap();
    let input = Array3::zeros((5, 3, 7));
    let mut call = |lengths: &[i8]| rnn.call(&Call::new(&input).lengths(lengths));
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
    let mut last = Rnn::lazy(&Engine::cpu(), &Config::gru(4).last_only(), Init::gluon()).unwrap();
    says(
        last.forward_packed(&packed, None),
        "packed input: expected a network that gives all steps, found the last only",
    );
}

/// Every tensor of every option, under both names, and what the network is told from them.
#[test]
fn options_are_told_from_names_and_shapes() {
    let lstm = || Config::lstm(13).num_layers(2).bidirectional().input_size(7);
    for config in [
        lstm().proj_size(5),
        lstm().peepholes(),
        lstm().layer_norm().learned_state(),
        lstm().proj_size(3).peepholes().layer_norm().learned_state().without_bias(),
        Config::gru(13).learned_state().input_size(7),
        Config::stack(&[(Cell::Lstm, 13), (Cell::Gru, 5), (Cell::RnnTanh, 8)]).bidirectional().input_size(7),
        Config::stack(&[(Cell::Lstm, 13), (Cell::Lstm, 5)]).input_size(7).proj_size(4),
        Config::rnn_tanh(3).activations(&[Activation::LeakyRelu { alpha: 0.25 }]).input_size(2),
        Config::rnn_tanh(3).bidirectional().activations(&[Activation::Relu, Activation::Tanh]).input_size(2),
        Config::gru(3)
            .activations(&[Activation::HardSigmoid { alpha: 0.25, beta: 0.5 }, Activation::Relu])
            .input_size(2),
        Config::stack(&[(Cell::RnnRelu, 4), (Cell::RnnTanh, 6), (Cell::Gru, 4)]).input_size(3),
        Config::stack(&[(Cell::RnnRelu, 4), (Cell::RnnTanh, 4)]).input_size(3),
    ] {
        let weights = Weights::init(&config, &Init::pytorch().seed(2)).unwrap();
        for naming in [Naming::PyTorch, Naming::Gluon] {
            let bytes = weights.to_safetensors(naming).unwrap();
            let read = Weights::reader().from_bytes(&bytes).unwrap();
            assert_eq!(read, weights);
        }
    }
    // A tensor more than the network has.
    let made = Weights::init(&lstm(), &Init::gluon()).unwrap();
    let tensors = made.tensors(Naming::PyTorch).map(|(name, tensor)| (name, tensor.to_owned()));
    let tensors: Vec<_> = tensors.collect();
    let peephole = ("weight_peephole_l0".to_owned(), ArrayD::zeros(IxDyn(&[39])));
    let all = tensors.into_iter().chain([peephole]);
    says(
        Weights::reader()
            .settings(|mut config| {
                config.peepholes = false;
                config
            })
            .from_tensors(all),
        "tensor weight_peephole_l0: the network that the others make has no such one",
    );
}

/// Whatever is asked of a configuration, it panics at nothing.
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
        Weights::reader().config(&config).from_tensors(tensors).unwrap_err();
        made.configure(|_| config.clone()).unwrap_err();
    }
}

/// A call without a state starts from the learned one, in every row of the batch; a call with one does not.
#[test]
fn a_learned_state_is_where_a_call_starts() {
    let config =
        Config::stack(&[(Cell::Lstm, 5), (Cell::Gru, 3)]).learned_state().bidirectional().input_size(7);
    let drawn = Weights::init(&config, &Init::pytorch()).unwrap();
    let random = mxnet::Random::new(3);
    let tensors = drawn.tensors(Naming::PyTorch).map(|(name, tensor)| {
        let learned = name.starts_with("initial_");
        let tensor = tensor.to_owned();
        let new = if learned { random.uniform(-1.0, 1.0, tensor.len()).into_dyn() } else { tensor };
        (name, new)
    });
    let weights = Weights::reader().from_tensors(tensors).unwrap();
    let (mut h, mut c) = (Array3::zeros((4, 2, 5)), Array3::zeros((4, 2, 5)));
    for (slot, suffix) in ["l0", "l0_reverse", "l1", "l1_reverse"].into_iter().enumerate() {
        for (array, name) in [(&mut h, "initial_h"), (&mut c, "initial_c")] {
            if let Some(learned) = weights.tensor(&format!("{name}_{suffix}")) {
                array.slice_mut(ndarray::s![slot, .., ..learned.len()]).assign(&learned);
            }
        }
    }
    assert!(h.iter().filter(|&&x| x != 0.0).count() == 2 * (5 + 5 + 3 + 3));
    assert!(c.iter().filter(|&&x| x != 0.0).count() == 2 * (5 + 5));
    let input = random.uniform(-1.0, 1.0, (4, 2, 7));
    let without = reference::forward(&weights, &input, None).unwrap();
    let with = reference::forward(&weights, &input, Some(&State { h, c: Some(c) })).unwrap();
    assert_eq!(without, with);
}

#[test]
fn a_stateful_layer_goes_on() {
    let config = Config::lstm(5).num_layers(2).learned_state().input_size(7);
    let weights = Weights::init(&config, &Init::pytorch()).unwrap();
    let input = mxnet::Random::new(1).uniform(-1.0, 1.0, (9, 3, 7));
    let whole = Rnn::new(&Engine::cpu(), weights.clone()).forward(&input, None).unwrap();
    let mut stream = Stateful::new(Rnn::new(&Engine::cpu(), weights));
    for _ in 0..2 {
        let (early, late) = input.view().split_at(ndarray::Axis(0), 4);
        stream.forward(&early).unwrap();
        // A call that fails changes nothing.
        stream.forward(&Array3::zeros((2, 4, 7))).unwrap_err();
        let rest = stream.forward(&late).unwrap();
        assert_eq!(rest.h_n, whole.h_n);
        assert_eq!(rest.c_n, whole.c_n);
        assert_eq!(rest.output, whole.output.slice(ndarray::s![4.., .., ..]));
        stream.reset();
    }
}

#[test]
fn inputs_and_states_are_refused() {
    for engine in [Engine::cpu(), Engine::reference()] {
        let config = Config::lstm(5).num_layers(2).bidirectional().input_size(7);
        let weights = Weights::init(&config, &Init::gluon()).unwrap();
        let mut rnn = Rnn::new(&engine, weights.clone());
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
            "c_0: expected none (only an LSTM has one), found one",
        );
        says(
            Rnn::new(&engine, weights.layout(wgpu_rnn::Layout::Ntc)).forward(&Array3::zeros((2, 3, 8)), None),
            "input: expected shape [N, T, 7] or [T, 7], with T and N at least 1, found [2, 3, 8]",
        );
    }
}

fn tensors(names: &[(&str, &[usize])]) -> Result<Weights, Error> {
    let tensors = names.iter().map(|(name, shape)| ((*name).to_owned(), ArrayD::zeros(IxDyn(shape))));
    Weights::reader().from_tensors(tensors)
}

#[test]
fn tensors_are_refused() {
    says(tensors(&[]), "weight tensor weight_ih_l0 is missing (expected with shape [G*H, I])");
    says(
        tensors(&[("l0_i2h_weight", &[8, 3])]),
        "weight tensor l0_h2h_weight is missing (expected with shape [G*H, H])",
    );
    says(
        tensors(&[("weight_ih_l0", &[9, 3]), ("weight_hh_l0", &[9, 3]), ("bias_ih_l0", &[9])]),
        "weight tensor bias_hh_l0 is missing (expected with shape [9])",
    );
    says(
        tensors(&[("weight_ih_l0", &[9, 3]), ("weight_hh_l0", &[9, 3]), ("weight_ih_l2_reverse", &[9, 3])]),
        "weight tensor weight_ih_l0_reverse is missing (expected with shape [9, 3])",
    );
    says(
        tensors(&[("weight_ih_l0", &[9, 3]), ("weight_hh_l0", &[9, 3]), ("weight_ih_l60000", &[9, 3])]),
        "weight tensor weight_ih_l1 is missing (expected with shape [9, 3])",
    );
    says(
        tensors(&[("weight_ih_l0", &[9, 3]), ("weight_hh_l0", &[9, 3]), ("fc.weight", &[9, 3])]),
        "tensor fc.weight is not a weight of an RNN, LSTM or GRU (expected names like weight_ih_l0_reverse or \
         r0_i2h_weight)",
    );
    says(
        tensors(&[("weight_ih_l0", &[9, 3]), ("l0_h2h_weight", &[9, 3])]),
        "tensor names: expected one scheme, found PyTorch's (weight_ih_l0) and Gluon's (l0_h2h_weight)",
    );
    says(
        tensors(&[("weight_ih_l0", &[9, 3]), ("weight_hh_l0", &[9, 4])]),
        "weight_hh_l0: expected shape [4, 4] (RNN), [12, 4] (GRU) or [16, 4] (LSTM), found [9, 4]",
    );
    says(
        tensors(&[("weight_ih_l0", &[12, 3]), ("weight_hh_l0", &[9, 3])]),
        "weight_ih_l0: expected shape [9, 3], found [12, 3]",
    );
    says(
        tensors(&[("weight_ih_l0", &[9]), ("weight_hh_l0", &[9, 3])]),
        "weight_ih_l0: expected shape [G*H, I], found [9]",
    );
    says(
        tensors(&[("weight_ih_l0", &[0, 0]), ("weight_hh_l0", &[0, 0])]),
        "weight_ih_l0: expected shape [G*H, I], found [0, 0]",
    );
    says(
        tensors(&[("weight_ih_l0", &[3, 3]), ("weight_hh_l0", &[3, 3])]),
        "activation: expected relu, tanh or another one for a vanilla RNN (given by the caller or as \"activation\" in the file's \
         metadata), found none",
    );
    assert!("selu".parse::<Activation>().unwrap_err().to_string().ends_with("found \"selu\""));
}

#[test]
fn broken_files_are_refused_and_never_written() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("weights.safetensors");
    let config = Config::lstm(5).input_size(3);
    let whole = Weights::init(&config, &Init::gluon()).unwrap().to_safetensors(Naming::PyTorch).unwrap();
    // Cut anywhere, and with a header that lies.
    for cut in (0..whole.len()).step_by(7) {
        std::fs::write(&path, &whole[..cut]).unwrap();
        let error = Weights::load(&path).unwrap_err();
        assert!(matches!(error, Error::File { .. }), "{error}");
        assert!(error.to_string().starts_with(&format!("{}: safetensors: not a whole", path.display())));
    }
    let mut lying = whole.clone();
    lying[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    Weights::reader().from_bytes(&lying).unwrap_err();
    let error = Weights::load(directory.path().join("none")).unwrap_err().to_string();
    assert!(error.contains("none: cannot be read: "), "{error}");

    // A folder that is not there, or a folder in the file's place.
    let weights = Weights::reader().from_bytes(&whole).unwrap();
    weights.save(directory.path().join("no/such/folder"), Naming::PyTorch).unwrap_err();
    let error = weights.save(directory.path(), Naming::PyTorch).unwrap_err().to_string();
    assert!(error.ends_with("expected a regular file, found something else"), "{error}");
}

#[test]
fn other_types_than_f32_are_refused() {
    let view = safetensors::tensor::TensorView::new(safetensors::Dtype::F64, vec![1, 1], &[0; 8]).unwrap();
    let bytes = safetensors::serialize([("weight_ih_l0", view)], None).unwrap();
    says(Weights::reader().from_bytes(&bytes), "safetensors: tensor weight_ih_l0: expected F32, found F64");
}

#[test]
fn the_activation_comes_from_the_caller_or_the_metadata() {
    let weights = Weights::init(&Config::rnn_tanh(3).input_size(2), &Init::gluon()).unwrap();
    let bytes = weights.to_safetensors(Naming::Gluon).unwrap();
    let cell =
        |activation| Weights::reader().activation(activation).from_bytes(&bytes).unwrap().config().cell;
    assert_eq!(cell(None), Cell::RnnTanh);
    assert_eq!(cell(Some(Activation::Relu)), Cell::RnnRelu);
}

#[test]
fn the_metadata_of_other_cells_may_hold_what_it_will() {
    let bytes = [0; 4 * 4];
    let view = |shape: &[usize]| {
        safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.to_vec(), &bytes).unwrap()
    };
    let tensors = [("weight_ih_l0", view(&[4, 1])), ("weight_hh_l0", view(&[4, 1]))];
    let metadata = std::collections::HashMap::from([("activation".to_owned(), "gelu".to_owned())]);
    let bytes = safetensors::serialize(tensors, Some(metadata)).unwrap();
    assert_eq!(Weights::reader().from_bytes(&bytes).unwrap().config().cell, Cell::Lstm);
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

#[test]
fn zero_weights_keep_the_state_at_zero() {
    for config in every_config() {
        let weights = Weights::init(&config, &Init::uniform(0.0)).unwrap();
        let answer = reference::forward(&weights, &Array3::ones((5, 3, 7)), None).unwrap();
        assert!(answer.output.iter().chain(&answer.h_n).all(|&h| h == 0.0));
    }
}
