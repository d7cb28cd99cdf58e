//! The `infer` example as a person runs it. `cargo test` builds examples; a single `--test infer` needs
//! `cargo build --examples` before.

mod common;

use common::{F32, F64, NORM, case, difference, reference};
use ndarray::{Array3, ArrayD};
use ndarray_npy::{read_npy, write_npy};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use wgpu_rnn::{Activation, Cell, Config, Directions, Layout, Merge, Naming, Reset, Weights, file};

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs `infer` in this folder, on the CPU unless told otherwise.
    fn infer(&self, arguments: &[&str]) -> Output {
        let test = std::env::current_exe().unwrap();
        let program = test.parent().and_then(Path::parent).unwrap().join("examples/infer");
        assert!(
            program.with_extension(std::env::consts::EXE_EXTENSION).exists(),
            "run `cargo build --examples` first"
        );
        let device = if arguments.contains(&"--device") { &[][..] } else { &["--device", "cpu"] };
        Command::new(program).args(arguments).args(device).current_dir(self.0.path()).output().unwrap()
    }

    #[track_caller]
    fn succeeds(&self, arguments: &[&str]) {
        let output = self.infer(arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Exit code 2, one line, and the result of before untouched.
    #[track_caller]
    fn fails(&self, arguments: &[&str], expected: &str) {
        std::fs::write(self.path("y.safetensors"), "before").unwrap();
        let count = || std::fs::read_dir(self.0.path()).unwrap().count();
        let before = count();
        let output = self.infer(arguments);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert_eq!(stderr.lines().count(), 1, "{stderr}");
        assert!(stderr.starts_with("error: ") && stderr.contains(expected), "{stderr}");
        assert_eq!(std::fs::read(self.path("y.safetensors")).unwrap(), b"before");
        assert_eq!(count(), before);
    }
}

const FILES: [&str; 6] =
    ["--weights", "w.safetensors", "--input", "x.safetensors", "--output", "y.safetensors"];

fn with<'a>(more: &[&'a str]) -> Vec<&'a str> {
    [&FILES[..], more].concat()
}

fn save(folder: &Folder, case: &common::Case, naming: Naming) {
    case.weights.save(folder.path("w.safetensors"), naming).unwrap();
    let state = case.state.as_ref().unwrap();
    let c = state.c.as_ref().map(|c| ("c0", c));
    let tensors = [("input", &case.input), ("h0", &state.h)].into_iter().chain(c);
    let tensors = tensors.map(|(name, array)| (name.to_owned(), array.view().into_dyn()));
    file::save_tensors(folder.path("x.safetensors"), tensors).unwrap();
}

#[test]
fn computes_what_the_library_does() {
    for cell in Cell::ALL {
        for layout in [Layout::Tnc, Layout::Ntc] {
            let folder = Folder::new();
            let case = case(
                &Config::new(cell, 13).num_layers(2).bidirectional().input_size(7).layout(layout),
                5,
                3,
                1,
            );
            save(&folder, &case, Naming::Gluon);
            let theirs = reference(&case);
            folder.succeeds(&with(&["--layout", if layout == Layout::Ntc { "ntc" } else { "tnc" }]));
            let ours = file::load_tensors(folder.path("y.safetensors")).unwrap();
            assert_eq!(ours.len(), if cell.has_cell_state() { 3 } else { 2 });
            difference("output", &ours["output"], &theirs.output.into_dyn(), F32).unwrap();
            difference("h_n", &ours["h_n"], &theirs.h_n.into_dyn(), F32).unwrap();
            if let Some(c_n) = theirs.c_n {
                difference("c_n", &ours["c_n"], &c_n.into_dyn(), F32).unwrap();
            }
        }
    }
}

#[test]
fn reads_and_writes_npy_in_both_precisions() {
    let folder = Folder::new();
    let case = case(&Config::gru(13).bidirectional().input_size(7), 5, 3, 2);
    case.weights.save(folder.path("w.safetensors"), Naming::PyTorch).unwrap();
    write_npy(folder.path("x.npy"), &case.input).unwrap();
    let arguments = ["--weights", "w.safetensors", "--input", "x.npy", "--output", "y.npy"];
    let theirs = wgpu_rnn::reference::forward(&case.weights.cast::<f64>(), &case.input.mapv(f64::from), None)
        .unwrap()
        .output;
    folder.succeeds(&arguments);
    let ours: Array3<f32> = read_npy(folder.path("y.npy")).unwrap();
    difference("output", &ours, &theirs, F32).unwrap();
    folder.succeeds(&[&arguments[..], &["--dtype", "f64", "--device", "auto"]].concat());
    let ours: Array3<f64> = read_npy(folder.path("y.npy")).unwrap();
    difference("output", &ours, &theirs, F64).unwrap();
}

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
        ("--cell-states", Config::cell_states, lstm, &["output", "h_n", "c_n", "cell_states"]),
        ("--gru-reset before", |c| c.gru_reset(Reset::Before), gru, &["output", "h_n"]),
        ("--gru-reset after", |c| c, gru, &["output", "h_n"]),
        ("--merge apart", |c| c.merge(Merge::Apart), gru, &["output", "output_reverse", "h_n"]),
        (
            "--merge sum",
            |c| c.merge(Merge::Sum),
            || Config::gru(13).bidirectional().input_size(7),
            &["output", "h_n"],
        ),
        ("--residual --every-layer", |c| c.residual().every_layer(), gru, &["output", "output_l0", "h_n"]),
        ("--last-only", Config::last_only, gru, &["output", "h_n"]),
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
            case.weights = case.weights.configure(setting).unwrap();
            case.lengths = lengths;
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

fn save_with_lengths(folder: &Folder, case: &common::Case, lengths: &[usize]) {
    let bytes: Vec<u8> = lengths.iter().flat_map(|&length| (length as i32).to_le_bytes()).collect();
    save_with(folder, case, "lengths", safetensors::Dtype::I32, vec![lengths.len()], &bytes);
}

/// The input file of a case with one more tensor.
fn save_with(
    folder: &Folder,
    case: &common::Case,
    name: &str,
    dtype: safetensors::Dtype,
    shape: Vec<usize>,
    bytes: &[u8],
) {
    save(folder, case, Naming::PyTorch);
    let file = std::fs::read(folder.path("x.safetensors")).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&file).unwrap();
    let mut views: Vec<_> = tensors.iter().collect();
    views.push((name, safetensors::tensor::TensorView::new(dtype, shape, bytes).unwrap()));
    let file = safetensors::serialize(views, None).unwrap();
    std::fs::write(folder.path("x.safetensors"), file).unwrap();
}

#[test]
fn one_sequence_and_packed_ones() {
    let folder = Folder::new();
    let mut case = case(&Config::lstm(13).bidirectional().input_size(7), 4, 3, 4);
    case.weights.save(folder.path("w.safetensors"), Naming::PyTorch).unwrap();
    case.lengths = Some(vec![4, 2, 1]);
    let theirs = reference(&case).output;
    // Packed: 3 sequences have a first step, 2 a second one, 1 a third and a fourth.
    let rows = [(0, 0), (0, 1), (0, 2), (1, 0), (1, 1), (2, 0), (3, 0)];
    let data: Vec<f32> =
        rows.iter().flat_map(|&(t, n)| case.input.slice(ndarray::s![t, n, ..]).to_vec()).collect();
    let data = ndarray::Array2::from_shape_vec((7, 7), data).unwrap();
    let state = case.state.clone().unwrap();
    let c = state.c.unwrap();
    let floats = [("data", data.into_dyn()), ("h0", state.h.into_dyn()), ("c0", c.into_dyn())];
    let floats: Vec<(&str, Vec<usize>, Vec<u8>)> = floats
        .iter()
        .map(|(name, array)| {
            (*name, array.shape().to_vec(), array.iter().flat_map(|x| x.to_le_bytes()).collect())
        })
        .collect();
    let sizes: Vec<u8> = [3_i64, 2, 1, 1].iter().flat_map(|size| size.to_le_bytes()).collect();
    let mut views: Vec<_> = floats
        .iter()
        .map(|(name, shape, bytes)| {
            (
                *name,
                safetensors::tensor::TensorView::new(safetensors::Dtype::F32, shape.clone(), bytes).unwrap(),
            )
        })
        .collect();
    views.push((
        "batch_sizes",
        safetensors::tensor::TensorView::new(safetensors::Dtype::I64, vec![4], &sizes).unwrap(),
    ));
    std::fs::write(folder.path("x.safetensors"), safetensors::serialize(views, None).unwrap()).unwrap();
    folder.succeeds(&with(&[]));
    let ours = file::load_tensors(folder.path("y.safetensors")).unwrap()["output"].clone();
    assert_eq!(ours.shape(), [7, 26]);
    for (row, &(t, n)) in ours.outer_iter().zip(&rows) {
        difference("output", &row, &theirs.slice(ndarray::s![t, n, ..]).into_dyn(), F32).unwrap();
    }

    case.lengths = None;
    let theirs = reference(&case);
    let tensors = [("input", &case.input), ("h0", &case.state.as_ref().unwrap().h)];
    let c = case.state.as_ref().unwrap().c.as_ref().map(|c| ("c0", c));
    let tensors = tensors.into_iter().chain(c);
    let first =
        tensors.map(|(name, array)| (name.to_owned(), array.slice(ndarray::s![.., 1, ..]).into_dyn()));
    file::save_tensors(folder.path("x.safetensors"), first).unwrap();
    for layout in ["tnc", "ntc"] {
        folder.succeeds(&with(&["--layout", layout]));
        let ours = file::load_tensors(folder.path("y.safetensors")).unwrap();
        let second = |array: &Array3<f64>| array.slice(ndarray::s![.., 1, ..]).to_owned().into_dyn();
        difference("output", &ours["output"], &second(&theirs.output), F32).unwrap();
        difference("h_n", &ours["h_n"], &second(&theirs.h_n), F32).unwrap();
        difference("c_n", &ours["c_n"], &second(theirs.c_n.as_ref().unwrap()), F32).unwrap();
    }
}

#[test]
fn wrong_options_are_one_line() {
    let folder = Folder::new();
    let lstm = case(&Config::lstm(5).input_size(7), 4, 3, 3);
    save(&folder, &lstm, Naming::PyTorch);
    let fails = |options: &str, expected: &str| {
        folder.fails(&with(&options.split_whitespace().collect::<Vec<_>>()), expected);
    };
    fails("--cell-clip 1,-1", "cell_clip: expected min at most max, found min 1, max -1");
    fails("--cell-clip -1,1e39", "cell_clip: expected finite bounds, found min -1, max inf");
    fails("--cell-clip 1", "--cell-clip: expected MIN,MAX, found 1 number");
    fails("--cell-clip-nan", "cell_clip_nan: expected a cell_clip beside it, found none");
    fails("--preactivation-clip -1", "preactivation_clip: expected a finite number over 0, found -1");
    fails("--gru-reset before", "gru_reset before: expected a GRU, found lstm");
    fails("--activations relu,relu", "activations: expected 3 for lstm, found 2");
    fails("--merge sum", "merge: expected two directions to merge, found one");
    save_with_lengths(&folder, &lstm, &[1, 2]);
    fails("", "lengths: expected 3, one for each sequence, found 2");
    save_with_lengths(&folder, &lstm, &[1, 2, 5]);
    fails("", "lengths: expected 0 to 4 (T) for sequence 2, found 5");
    save_with_lengths(&folder, &lstm, &[1, usize::MAX, 3]);
    fails("--device gpu", "lengths: expected 0 to 4 (T) for sequence 1, found -1");
    let floats = [0; 12];
    save_with(&folder, &lstm, "lengths", safetensors::Dtype::F32, vec![3], &floats);
    fails("", "found a tensor named lengths of another kind or name");
    save_with(&folder, &lstm, "batch_sizes", safetensors::Dtype::I32, vec![3], &floats);
    fails("", "expected input, or data with batch_sizes and without lengths, found both or a half");
    let gru = case(&Config::gru(5).bidirectional().input_size(7), 4, 3, 3);
    save(&folder, &gru, Naming::PyTorch);
    fails("--cell-clip -1,1", "cell_clip: expected an LSTM, found gru");
    fails("--reverse", "--reverse: expected weights of one direction, found two");
    fails("--cell-states", "cell_states: expected an LSTM as last layer, found gru");
}

#[test]
fn bad_input_is_one_line_and_leaves_the_result_alone() {
    let folder = Folder::new();
    let lstm = case(&Config::lstm(5).input_size(7), 4, 3, 3);
    save(&folder, &lstm, Naming::PyTorch);
    let tensors = |tensors: &[(&str, &[usize])]| {
        let arrays: Vec<_> =
            tensors.iter().map(|(name, shape)| (name, ArrayD::<f32>::zeros(*shape))).collect();
        let views = arrays.iter().map(|(name, array)| ((**name).to_owned(), array.view()));
        file::save_tensors(folder.path("x.safetensors"), views).unwrap();
    };
    folder.fails(
        &with(&["--dtype", "f64", "--device", "gpu"]),
        "--dtype f64: expected --device cpu or auto, found gpu",
    );
    folder.fails(
        &with(&["--activation", "relu"]),
        "--activation: expected none for the weights of a lstm, found one",
    );
    let own = ["--weights", "w.safetensors", "--input", "x.safetensors", "--output", "w.safetensors"];
    folder.fails(&own, "--output w.safetensors: expected another file");
    // With or without an adapter, what is wrong with the input is said first, and alone.
    folder.fails(&with(&["--layout", "ntc", "--device", "gpu"]), "h_0: expected shape [1, 4, 5]");
    folder.fails(&with(&["--layout", "ntc"]), "h_0: expected shape [1, 4, 5]");
    tensors(&[("input", &[4, 3, 8])]);
    folder.fails(
        &with(&[]),
        "input: expected shape [T, N, 7] or [T, 7], with T and N at least 1, found [4, 3, 8]",
    );
    tensors(&[("input", &[4, 8])]);
    folder.fails(
        &with(&[]),
        "input: expected shape [T, N, 7] or [T, 7], with T and N at least 1, found [4, 8]",
    );
    tensors(&[("input", &[4, 3, 7]), ("h0", &[1, 3, 5])]);
    folder.fails(&with(&[]), "c_0: expected one beside h_0, found none");
    tensors(&[("input", &[4, 3, 7]), ("c0", &[1, 3, 5])]);
    folder.fails(&with(&[]), "expected h0 beside c0, found none");
    tensors(&[("input", &[4, 3, 7]), ("h0", &[3, 5]), ("c0", &[1, 3, 5])]);
    folder.fails(&with(&[]), "h0: expected shape [L*D, N, H], found [3, 5]");
    tensors(&[("input", &[4, 3, 7]), ("x", &[1])]);
    folder.fails(&with(&[]), "found a tensor named x of another kind or name");
    tensors(&[("x", &[1])]);
    folder.fails(&with(&[]), "expected a tensor named input, found none");
    std::fs::write(folder.path("x.safetensors"), "no such thing").unwrap();
    folder.fails(&with(&[]), "x.safetensors: safetensors: not a whole safetensors file");
    std::fs::remove_file(folder.path("x.safetensors")).unwrap();
    folder.fails(&with(&[]), "x.safetensors: cannot be read");
    // A header that promises more than the file holds.
    let mut lying = b"\x93NUMPY\x01\x00\x76\x00".to_vec();
    lying.extend_from_slice(b"{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000, 3, 7), }");
    lying.resize(127, b' ');
    lying.push(b'\n');
    std::fs::write(folder.path("x.npy"), lying).unwrap();
    folder.fails(
        &["--weights", "w.safetensors", "--input", "x.npy", "--output", "y.safetensors"],
        "x.npy: expected a .npy array of f32",
    );
    std::fs::write(folder.path("x.npy"), "no such thing").unwrap();
    folder.fails(
        &["--weights", "w.safetensors", "--input", "x.npy", "--output", "y.safetensors"],
        "x.npy: expected a .npy array of f32",
    );
    folder.fails(
        &["--weights", "w.safetensors", "--input", "x.npy", "--output", "y.txt"],
        "y.txt: expected a name",
    );
    let bare = Weights::init(&Config::rnn(3).input_size(2), &wgpu_rnn::Init::gluon()).unwrap();
    let views = bare.tensors(Naming::PyTorch);
    file::save_tensors(folder.path("w.safetensors"), views).unwrap();
    folder
        .fails(&with(&[]), "w.safetensors: activation: expected relu, tanh or another one for a vanilla RNN");
}
