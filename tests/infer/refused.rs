//! Errors are one line, and leave the result of before alone.

use crate::common::case;
use crate::{Folder, save, save_with, save_with_lengths, with};
use ndarray::ArrayD;
use wgpu_rnn::{Config, Naming, Weights, file};

#[test]
fn wrong_options_are_one_line() {
    let folder = Folder::new();
    let lstm = case(&Config::lstm(5).input_size(7), 4, 3, 3);
    save(&folder, &lstm, Naming::PyTorch);
    let fails = |options: &str, expected: &str| {
        folder.fails(&with(&options.split_whitespace().collect::<Vec<_>>()), expected);
    };
    fails("--cell-clip 1,-1", "error: cell_clip: expected min at most max, found min 1, max -1");
    fails("--cell-clip -1,1e39", "cell_clip: expected finite bounds, found min -1, max inf");
    fails("--cell-clip 1", "--cell-clip: expected MIN,MAX, found 1 number");
    fails("--cell-clip-nan", "cell_clip_nan: expected a cell_clip beside it, found none");
    fails("--preactivation-clip -1", "preactivation_clip: expected a finite number over 0, found -1");
    fails("--gru-reset before", "error: gru_reset before: expected a GRU, found lstm");
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
    fails("", "tensor \"lengths\": expected integers, found F32");
    save_with(&folder, &lstm, "batch_sizes", safetensors::Dtype::I32, vec![3], &floats);
    fails("", "expected input, or data with batch_sizes and without lengths, found both or a half");
    let gru = case(&Config::gru(5).bidirectional().input_size(7), 4, 3, 3);
    save(&folder, &gru, Naming::PyTorch);
    fails("--cell-clip -1,1", "cell_clip: expected an LSTM, found gru");
    fails("--reverse", "--reverse: expected weights of one direction, found two");
    fails("--cell-states", "cell_states: expected a last layer with a cell state (an LSTM), found gru");
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
    for several in [["--cell-states"], ["--every-layer"]] {
        let arguments = ["--weights", "w.safetensors", "--input", "x.safetensors", "--output", "y.npy"];
        folder.fails(
            &[&arguments[..], &several[..]].concat(),
            "--output y.npy: expected .safetensors for several arrays over time, found .npy",
        );
    }
    folder.fails(
        &with(&["--activation", "relu"]),
        "error: activation: expected none for lstm weights, found relu",
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
    folder.fails(&with(&[]), "h0: expected 3 axes, [L*D, N, H], found 2");
    tensors(&[("input", &[4, 3, 7]), ("x", &[1])]);
    folder.fails(&with(&[]), "found a tensor named \"x\"");
    tensors(&[("h0", &[3, 5])]);
    folder.fails(&with(&[]), "expected a tensor named input, found none");
    tensors(&[("x\u{1b}[2J\n", &[1])]);
    folder.fails(&with(&[]), r#"found a tensor named "x\u{1b}[2J\n""#);
    std::fs::write(folder.path("x.safetensors"), "no such thing").unwrap();
    folder.fails(&with(&[]), "x.safetensors: safetensors: not a whole safetensors file");
    std::fs::remove_file(folder.path("x.safetensors")).unwrap();
    folder.fails(&with(&[]), "x.safetensors: cannot be read");
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

/// The bytes of an `.npy` file of version 1 without numbers.
fn npy(header: &str) -> Vec<u8> {
    let mut bytes = b"\x93NUMPY\x01\x00".to_vec();
    let padded = format!("{header:<width$}\n", width = (header.len() + 11).next_multiple_of(64) - 11);
    bytes.extend((padded.len() as u16).to_le_bytes());
    bytes.extend(padded.bytes());
    bytes
}

#[test]
fn npy_files_that_lie_are_one_line() {
    let folder = Folder::new();
    let lstm = case(&Config::lstm(5).input_size(7), 4, 3, 3);
    save(&folder, &lstm, Naming::PyTorch);
    let header = |shape: &str| format!("{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}");
    let overflows = "the shape has more elements than memory can have";
    for (bytes, expected) in [
        // Promises more than the file holds.
        (npy(&header("(1000000000000, 3, 7)")), ""),
        (npy(&header("(0, 9223372036854775808, 4)")), overflows),
        (npy(&header("(9223372036854775808, 0, 4)")), overflows),
        (npy(&header("(4294967296, 4294967296, 0)")), overflows),
        (npy(&header("(99999999999999999999999999, 0)")), overflows),
        (npy(&"(".repeat(9_000)), "the header has too many brackets"),
        (npy(&header(&"[".repeat(60_000))), "a header of at most 10000 bytes, found 60"),
        (npy("no header"), ""),
        (npy(&"x".repeat(9_000)), ""),
        (npy("\u{1b}[2J"), ""),
        (b"\x93NUMPY\x01\x00\xff\x00{".to_vec(), "the header is cut off"),
        (b"\x93NUMPY\x02\x00\xff\xff\xff\xff{".to_vec(), "a header of at most"),
        (b"\x93NUMPY".to_vec(), ""),
        (b"no such thing".to_vec(), ""),
        (Vec::new(), ""),
    ] {
        std::fs::write(folder.path("x.npy"), bytes).unwrap();
        let arguments = ["--weights", "w.safetensors", "--input", "x.npy", "--output", "y.safetensors"];
        let error = folder.fails(&arguments, &format!("x.npy: expected a .npy array of f32: {expected}"));
        assert!(error.len() < 1_200, "{} bytes", error.len());
    }
}

#[test]
fn another_dtype_is_told_from_none() {
    let folder = Folder::new();
    save(&folder, &case(&Config::lstm(5).input_size(7), 4, 3, 3), Naming::PyTorch);
    for (name, dtype, expected) in [
        (
            "input",
            safetensors::Dtype::I64,
            "x.safetensors: safetensors: tensor \"input\": expected F32, found I64",
        ),
        ("data", safetensors::Dtype::F64, "tensor \"data\": expected F32, found F64"),
        ("h0", safetensors::Dtype::U64, "tensor \"h0\": expected F32, found U64"),
        ("lengths", safetensors::Dtype::F64, "tensor \"lengths\": expected integers, found F64"),
    ] {
        let view = safetensors::tensor::TensorView::new(dtype, vec![1, 1], &[0; 8]).unwrap();
        let bytes = safetensors::serialize([(name, view)], None).unwrap();
        std::fs::write(folder.path("x.safetensors"), bytes).unwrap();
        folder.fails(&with(&[]), expected);
    }
}

#[cfg(unix)]
#[test]
fn files_without_an_end_are_refused() {
    let folder = Folder::new();
    save(&folder, &case(&Config::lstm(5).input_size(7), 4, 3, 3), Naming::PyTorch);
    let device = "/dev/zero: expected a regular file, found a device";
    let output = ["--output", "y.safetensors"];
    folder.fails(&[&["--weights", "/dev/zero", "--input", "x.safetensors"], &output[..]].concat(), device);
    folder.fails(
        &[&["--weights", ".", "--input", "x.safetensors"], &output[..]].concat(),
        "error: .: expected a regular file, found a directory",
    );
    for name in ["x.npy", "zero.safetensors"] {
        std::os::unix::fs::symlink("/dev/zero", folder.path(name)).unwrap();
        folder.fails(
            &[&["--weights", "w.safetensors", "--input", name], &output[..]].concat(),
            &format!("{name}: expected a regular file, found a device"),
        );
    }
}
