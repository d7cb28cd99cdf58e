//! Initialisers, and weights that wait for the input size.

use crate::every_config;
use ndarray::{Array2, Array3};
use wgpu_rnn::{Config, Engine, Init, Naming, Rnn, State, Weights, reference};

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
        let rnn = Rnn::lazy(&Engine::cpu(), &config, init.clone()).unwrap();
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
    let rnn = Rnn::lazy(&Engine::cpu(), &Config::gru(4), Init::gluon()).unwrap();
    rnn.forward(&Array3::zeros((2, 3, 9)), Some(&State::new(Array3::zeros((1, 3, 5))))).unwrap_err();
    rnn.forward(&Array3::zeros((0, 3, 9)), None).unwrap_err();
    assert!(rnn.weights().is_none());
    rnn.forward(&Array3::zeros((2, 3, 7)), None).unwrap();
    assert_eq!(rnn.config().input_size, 7);
}

#[test]
fn zero_weights_keep_the_state_at_zero() {
    for config in every_config() {
        let weights = Weights::init(&config, &Init::uniform(0.0)).unwrap();
        let answer = reference::forward(&weights, &Array3::ones((5, 3, 7)), None).unwrap();
        assert!(answer.output.iter().chain(&answer.h_n).all(|&h| h == 0.0));
    }
}
