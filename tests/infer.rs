//! The `infer` example as a person runs it. `cargo test` builds examples; a single `--test infer` needs
//! `cargo build --examples` before.

mod common;

use common::{F32, F64, case, difference, reference};
use ndarray::{Array3, ArrayD};
use ndarray_npy::{read_npy, write_npy};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use wgpu_rnn::{Cell, Config, Layout, Naming, Weights, file};

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
    let theirs = wgpu_rnn::cpu::forward(&case.weights.cast::<f64>(), &case.input.mapv(f64::from), None)
        .unwrap()
        .output;
    folder.succeeds(&arguments);
    let ours: Array3<f32> = read_npy(folder.path("y.npy")).unwrap();
    difference("output", &ours, &theirs, F32).unwrap();
    folder.succeeds(&[&arguments[..], &["--dtype", "f64", "--device", "auto"]].concat());
    let ours: Array3<f64> = read_npy(folder.path("y.npy")).unwrap();
    difference("output", &ours, &theirs, F64).unwrap();
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
    folder.fails(&with(&[]), "expected input, h0 and c0, found a tensor named x");
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
        .fails(&with(&[]), "w.safetensors: activation: expected relu, tanh or another of ONNX's activations");
}
