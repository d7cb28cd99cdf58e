//! Every option is the library's.

use crate::common::{F32, NORM, case, difference, reference};
use crate::{Folder, save, save_with_lengths, with};
use ndarray::Array3;
use wgpu_rnn::{Activation, Cell, Config, Directions, Merge, Naming, Reset, file};

/// An option, the setting that it is, the network that it is for, and the tensors of the answer.
type Setting = (&'static str, fn(Config) -> Config, fn() -> Config, &'static [&'static str]);

#[test]
fn every_option_is_the_librarys() {
    let lstm = || Config::lstm(13).num_layers(2).bidirectional().input_size(7);
    let gru = || Config::gru(13).num_layers(2).bidirectional().input_size(7);
    let one = || Config::gru(13).num_layers(2).input_size(7);
    let settings: [Setting; 17] = [
        (
            "",
            |c| c,
            || Config::lstm(13).num_layers(2).bidirectional().input_size(7).proj_size(5),
            &["output", "h_n", "c_n"],
        ),
        ("", |c| c, || Config::lstm(13).peepholes().layer_norm().input_size(7), &["output", "h_n", "c_n"]),
        (
            "",
            |c| c,
            || Config::stack(&[(Cell::Lstm, 13), (Cell::Gru, 5)]).bidirectional().input_size(7),
            &["output", "h_n", "c_n"],
        ),
        ("--cell-clip -0.25,0.125", |c| c.cell_clip(-0.25, 0.125), lstm, &["output", "h_n", "c_n"]),
        (
            "--cell-clip=-1,0 --cell-clip-nan",
            |c| c.cell_clip(-1.0, 0.0).cell_clip_nan(),
            lstm,
            &["output", "h_n", "c_n"],
        ),
        ("--preactivation-clip 0.5", |c| c.preactivation_clip(0.5), lstm, &["output", "h_n", "c_n"]),
        ("--coupled-input-forget", Config::coupled_input_forget, lstm, &["output", "h_n", "c_n"]),
        ("--cell-states", |c| c, lstm, &["output", "h_n", "c_n", "cell_states"]),
        ("--gru-reset before", |c| c.gru_reset(Reset::Before), gru, &["output", "h_n"]),
        ("--gru-reset after", |c| c, gru, &["output", "h_n"]),
        ("--merge apart", |c| c.merge(Merge::Apart), gru, &["output", "output_reverse", "h_n"]),
        (
            "--merge sum",
            |c| c.merge(Merge::Sum),
            || Config::gru(13).bidirectional().input_size(7),
            &["output", "h_n"],
        ),
        ("--residual --every-layer", |c| c.residual(), gru, &["output", "output_l0", "h_n"]),
        ("--last-only", |c| c, gru, &["output", "h_n"]),
        ("--reverse", |c| c.directions(Directions::Reverse), one, &["output", "h_n"]),
        (
            "--activations hard_sigmoid:0.25:0.5,ScaledTanh:1.5:0.5",
            |c| {
                c.activations(&[
                    Activation::HardSigmoid { alpha: 0.25, beta: 0.5 },
                    Activation::ScaledTanh { alpha: 1.5, beta: 0.5 },
                ])
            },
            gru,
            &["output", "h_n"],
        ),
        (
            "--activation softsign",
            |c| c.activations(&[Activation::Softsign]),
            || Config::rnn_tanh(13).input_size(7),
            &["output", "h_n"],
        ),
    ];
    for (index, (options, setting, network, tensors)) in settings.into_iter().enumerate() {
        for lengths in [None, Some(vec![3, 0, 5])] {
            let folder = Folder::new();
            let mut case = case(&network(), 5, 3, index as u32);
            save(&folder, &case, Naming::PyTorch);
            if let Some(lengths) = &lengths {
                save_with_lengths(&folder, &case, lengths);
            }
            if options.contains("--activation ") {
                // A file of another program does not state the activation.
                let tensors = case.weights.tensors(Naming::PyTorch);
                file::save_tensors(folder.path("w.safetensors"), tensors).unwrap();
            }
            case.weights = case.weights.configure(setting).unwrap();
            case.lengths = lengths;
            case.outputs.last_only = options.contains("--last-only");
            case.outputs.cell_states = options.contains("--cell-states");
            case.outputs.every_layer = options.contains("--every-layer");
            let theirs = reference(&case);
            folder.succeeds(&with(&options.split_whitespace().collect::<Vec<_>>()));
            let ours = file::load_tensors(folder.path("y.safetensors")).unwrap();
            let mut names = tensors.to_vec();
            names.sort_unstable();
            assert_eq!(ours.keys().collect::<Vec<_>>(), names, "{options}");
            let same = |name: &str, theirs: Option<&Array3<f64>>| {
                if let Some(theirs) = theirs {
                    let tolerance = if case.weights.config().layer_norm { NORM } else { F32 };
                    difference(name, &ours[name], &theirs.clone().into_dyn(), tolerance)
                        .unwrap_or_else(|error| panic!("{options}: {error}"));
                }
            };
            same("output", Some(&theirs.output));
            same("output_reverse", theirs.output_reverse.as_ref());
            same("cell_states", theirs.cell_states.as_ref());
            same("output_l0", theirs.lower.first());
            same("h_n", Some(&theirs.h_n));
            same("c_n", theirs.c_n.as_ref());
        }
    }
}

/// They tell a vanilla RNN's activation as `--activation` does, where the file does not.
#[test]
fn activations_are_enough_for_a_vanilla_rnn() {
    let folder = Folder::new();
    let mut case = case(&Config::rnn(5).bidirectional().input_size(7), 4, 3, 9);
    save(&folder, &case, Naming::PyTorch);
    file::save_tensors(folder.path("w.safetensors"), case.weights.tensors(Naming::PyTorch)).unwrap();
    let both = [Activation::Softsign, Activation::Tanh];
    for (options, activations) in [("softsign,tanh", &both[..]), ("softsign", &both[..1])] {
        case.weights = case.weights.configure(|config| config.activations(activations)).unwrap();
        folder.succeeds(&with(&["--activations", options]));
        let ours = file::load_tensors(folder.path("y.safetensors")).unwrap();
        difference("output", &ours["output"], &reference(&case).output.clone().into_dyn(), F32).unwrap();
    }
}
