//! The states that a call starts from.

use ndarray::Array3;
use wgpu_rnn::{Cell, Config, Engine, Init, Naming, Rnn, State, Stateful, Weights, mxnet, reference};

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
