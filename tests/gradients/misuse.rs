//! Errors for saved calls and gradients that do not belong.

use crate::common::case;
use crate::engines::{Outcome, own_device};
use ndarray::Array3;
use wgpu_rnn::{Call, Config, Engine, Error, Init, OutputGradients, Rnn, Wanted, Weights};

pub fn is_an_error(engine: &Engine) -> Outcome {
    let lstm = case(&Config::lstm(5).input_size(7), 4, 3, 69);
    let rnn = Rnn::new(engine, lstm.weights.clone());
    let saved = || rnn.forward_saved(&lstm.call()).unwrap().1;
    let by_output = Array3::zeros((4, 3, 5));
    let good = || OutputGradients::new().output(&by_output);

    let mut used = saved();
    rnn.backward(&mut used, &good()).unwrap();
    assert!(matches!(rnn.backward(&mut used, &good()), Err(Error::SavedUsed)));
    let another = Rnn::new(engine, lstm.weights.clone());
    assert!(matches!(another.backward(&mut saved(), &good()), Err(Error::SavedElsewhere)));
    let on_reference = Rnn::new(&Engine::reference(), lstm.weights.clone());
    assert!(matches!(on_reference.backward(&mut saved(), &good()), Err(Error::SavedElsewhere)));
    // A clone is the same network.
    rnn.clone().backward(&mut saved(), &good()).unwrap();

    let (narrow, wide) = (Array3::zeros((4, 3, 4)), Array3::zeros((1, 3, 6)));
    let mut kept = saved();
    for (given, of) in [
        (OutputGradients::new().output(&narrow), "gradient by output"),
        (OutputGradients::new().h_n(&wide), "gradient by h_n"),
        (OutputGradients::new().c_n(&wide), "gradient by c_n"),
    ] {
        let found = rnn.backward(&mut kept, &given);
        assert!(matches!(&found, Err(Error::Shape { name, .. }) if name == of), "{of}: {found:?}");
    }
    for given in [
        OutputGradients::new().output_reverse(&by_output),
        OutputGradients::new().cell_states(&by_output),
        OutputGradients::new().lower(0, &by_output),
    ] {
        let found = rnn.backward(&mut kept, &given);
        assert!(matches!(&found, Err(Error::Argument { name: "gradients", .. })), "{found:?}");
    }
    let found = rnn.backward_of(&mut kept, &good(), &Wanted::all().frozen(1));
    assert!(matches!(&found, Err(Error::Argument { name: "frozen", .. })), "{found:?}");
    // Refused gradients leave the saved call as it was.
    rnn.backward(&mut kept, &good()).unwrap();

    // More numbers than any memory has, told before the forward pass.
    let one = Array3::zeros((1, 1, 7));
    let endless = one.broadcast((1_usize.checked_shl(40).unwrap_or(1 << 28), 1, 7)).unwrap();
    let found = rnn.forward_saved(&Call::new(&endless));
    let is_refused = match &found {
        // Gates are saved by default.
        Err(Error::Memory { what, needed } | Error::TooLarge { what, needed, holder: "memory", .. }) => {
            what.starts_with(&format!("the numbers of a saved call (gates: {needed} bytes, "))
        }
        Err(Error::TooLarge { unit: "time steps", .. }) => engine.is_gpu(),
        _ => false,
    };
    assert!(is_refused, "{:?}", found.err());
    if engine.is_gpu() {
        // Half a terabyte, which buffers could hold; an eighth of it where sizes have 32 bits.
        let large = one.broadcast((1 << 20, if usize::BITS == 32 { 1 << 8 } else { 1 << 11 }, 7)).unwrap();
        let found = rnn.forward_saved(&Call::new(&large));
        let names_both = |what: &str| what.contains(", saved (gates: ") && what.contains(" bytes, states: ");
        let is_refused = match &found {
            Err(Error::Memory { what, .. }) => names_both(what),
            // More than 32 bits count.
            Err(Error::TooLarge { what, needed, .. }) => names_both(what) && *needed > u32::MAX.into(),
            _ => false,
        };
        assert!(is_refused, "{:?}", found.err());
    }

    let mut sum = rnn.backward(&mut saved(), &good()).unwrap().weights;
    let other = case(&Config::lstm(6).input_size(7), 4, 3, 69);
    let other = Rnn::new(engine, other.weights);
    let mut by_other = other.forward_saved(&lstm.call().state(None)).unwrap().1;
    let by_other = other.backward(&mut by_other, &OutputGradients::new()).unwrap().weights;
    let before = sum.clone();
    assert!(matches!(sum.add(&by_other), Err(Error::Argument { name: "gradients", .. })));
    assert_eq!(sum, before);

    let gru = case(&Config::gru(5).input_size(7), 4, 3, 70);
    let rnn = Rnn::new(engine, gru.weights.clone());
    let mut saved = rnn.forward_saved(&gru.call()).unwrap().1;
    let found = rnn.backward(&mut saved, &OutputGradients::new().c_n(&wide));
    assert!(matches!(&found, Err(Error::Argument { name: "gradients", .. })), "{found:?}");
    Ok(())
}

/// A device that is lost between a saved call and its backward pass: the caller's own, whose loss the library
/// is not told of, and the library's.
pub fn a_lost_device_is_an_error(_: &Engine) -> Outcome {
    let lstm = case(&Config::lstm(5).input_size(7), 4, 3, 71);
    let by_output = Array3::zeros((4, 3, 5));
    let given = OutputGradients::new().output(&by_output);
    let (device, queue) = own_device(Default::default(), wgpu::Features::empty())?;
    for lost in [Engine::from_device(device, queue), Engine::builder().build()?] {
        let mut rnn = Rnn::new(&lost, lstm.weights.clone());
        let (_, mut saved) = rnn.forward_saved(&lstm.call())?;
        lost.device().ok_or("no GPU")?.destroy();
        let found = rnn.backward(&mut saved, &given);
        assert!(matches!(&found, Err(Error::DeviceLost(_))), "{found:?}");
        let found = rnn.forward_saved(&lstm.call()).map(|(output, _)| output);
        assert!(matches!(&found, Err(Error::DeviceLost(_))), "{found:?}");
        rnn.set_weights(lstm.weights.clone())?;
        let found = rnn.call(&lstm.call());
        assert!(matches!(&found, Err(Error::DeviceLost(_))), "{found:?}");
    }
    Ok(())
}

/// A call whose operations no tape holds is refused before it begins.
pub fn a_tape_has_an_end(_: &Engine) -> Outcome {
    let weights = Weights::init(&Config::lstm(1024).input_size(1024), &Init::gluon()).unwrap();
    let rnn = Rnn::new(&Engine::reference(), weights);
    let input = Array3::zeros((100, 32, 1024));
    let found =
        wgpu_rnn::reference::backward(rnn.weights().unwrap(), &Call::new(&input), &OutputGradients::new());
    assert!(matches!(&found, Err(Error::TooLarge { unit: "operations", .. })), "{:?}", found.err());
    Ok(())
}
