//! The examples `infer` and `gradients` as a person runs them. `cargo test` builds examples; a single
//! `--test infer` needs
//! `cargo build --examples` before.

#[path = "../common/mod.rs"]
mod common;
mod convert;
mod gradients;
mod options;
mod refused;
mod terminal;

use common::{F32, F64, case, difference, reference};
use ndarray::Array3;
use ndarray_npy::{read_npy, write_npy};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use wgpu_rnn::{Cell, Config, Layout, Naming, file};

struct Folder(tempfile::TempDir);

/// The program of an example.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().unwrap();
    let program = test.parent().and_then(Path::parent).unwrap().join("examples").join(name);
    let program = program.with_extension(std::env::consts::EXE_EXTENSION);
    assert!(program.exists(), "run `cargo build --examples` first");
    program
}

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    /// Runs `infer` in this folder, on the CPU unless told otherwise.
    fn infer(&self, arguments: &[&str]) -> Output {
        self.run("infer", arguments)
    }

    fn run(&self, program: &str, arguments: &[&str]) -> Output {
        let device = if arguments.contains(&"--device") { &[][..] } else { &["--device", "cpu"] };
        Command::new(example(program))
            .args(arguments)
            .args(device)
            .current_dir(self.0.path())
            .output()
            .unwrap()
    }

    #[track_caller]
    fn succeeds(&self, arguments: &[&str]) {
        let output = self.infer(arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    /// Exit code 2, one line, and the result of before untouched.
    #[track_caller]
    fn fails(&self, arguments: &[&str], expected: &str) -> String {
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
        assert!(!stderr.trim_end().contains(char::is_control), "{stderr:?}");
        stderr
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

/// Weights and an input.
fn save_any(folder: &Folder) {
    save(folder, &case(&Config::lstm(5).input_size(7), 4, 3, 3), Naming::PyTorch);
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
            difference("output", &ours["output"], &theirs.output.clone().into_dyn(), F32).unwrap();
            difference("h_n", &ours["h_n"], &theirs.h_n.clone().into_dyn(), F32).unwrap();
            if let Some(c_n) = &theirs.c_n {
                difference("c_n", &ours["c_n"], &c_n.clone().into_dyn(), F32).unwrap();
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
    add(folder, name, dtype, shape, bytes);
}

/// Adds a tensor to the input file.
fn add(folder: &Folder, name: &str, dtype: safetensors::Dtype, shape: Vec<usize>, bytes: &[u8]) {
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
    let theirs = reference(&case).output.clone();
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
