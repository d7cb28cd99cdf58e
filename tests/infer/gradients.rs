//! The `gradients` example: PyTorch's gradients from files to files, and errors of one line.

use crate::common::{F32, F64, Tolerance, case, difference, golden};
use crate::{FILES, Folder, save};
use ndarray::ArrayD;
use std::collections::BTreeMap;
use wgpu_rnn::file::{self, Tensors};
use wgpu_rnn::{Config, Engine, Float, Naming};

/// The cases whose settings are the tool's defaults, or options of it.
const CASES: [(&str, &[&str]); 8] = [
    ("rnn_relu-lengths", &["--activation", "relu"]),
    ("lstm-2b", &[]),
    ("lstm-learned", &[]),
    ("gru-lengths", &[]),
    ("gru-reset-before", &["--gru-reset", "before"]),
    ("lstm-projection", &[]),
    ("gru-average", &["--merge", "average"]),
    ("gru-dropout", &["--dropout", "0.5", "--seed", "5"]),
];

/// Numbers that each step rounds to the 11 bits of f16, with all of their sums.
const STORED_AS_HALF: Tolerance = Tolerance { atol: 2e-2, rtol: 2e-2 };

/// Writes the files of a case, runs the tool, and compares all that the case has gradients of.
fn check<T: Float>(name: &str, options: &[&str], dtype: &str, tolerance: Tolerance) {
    let folder = Folder::new();
    let (_, tensors) = golden("pytorch_gradients.safetensors");
    let prefix = format!("{name}/");
    let own: BTreeMap<&str, &ArrayD<f64>> =
        tensors.iter().filter_map(|(key, tensor)| Some((key.strip_prefix(&prefix)?, tensor))).collect();
    let as_floats = |tensor: &ArrayD<f64>| tensor.mapv(|number| T::from(number).unwrap());
    let is_weight = |key: &str| key.contains("_l0") || key.contains("_l1");
    let results = ["output", "h_n", "c_n", "grad_input", "grad_h0", "grad_c0"];

    let weights: Vec<(String, ArrayD<f32>)> = own
        .iter()
        .filter(|(key, _)| !key.starts_with("grad") && is_weight(key))
        .map(|(key, tensor)| (key.to_string(), tensor.mapv(|number| number as f32)))
        .collect();
    let views = weights.iter().map(|(key, tensor)| (key.clone(), tensor.view()));
    file::save_tensors(folder.path("w.safetensors"), views).unwrap();
    let given = own.iter().filter(|(key, _)| !is_weight(key) && !results.contains(key) && **key != "lengths");
    let given: Vec<_> = given.map(|(key, tensor)| (key.to_string(), as_floats(tensor))).collect();
    let views = given.iter().map(|(key, tensor)| (key.clone(), tensor.view()));
    file::save_tensors(folder.path("x.safetensors"), views).unwrap();
    if let Some(lengths) = own.get("lengths") {
        let bytes: Vec<u8> = lengths.iter().flat_map(|&length| (length as i64).to_le_bytes()).collect();
        crate::add(&folder, "lengths", safetensors::Dtype::I64, vec![lengths.len()], &bytes);
    }

    let output = folder.run("gradients", &[&FILES[..], &["--dtype", dtype], options].concat());
    assert!(output.status.success(), "{name}: {}", String::from_utf8_lossy(&output.stderr));
    let written = Tensors::load(folder.path("y.safetensors")).unwrap();
    let mut compared = 0;
    for (key, theirs) in own.iter().filter(|(key, _)| key.starts_with("grad.") || results.contains(key)) {
        let ours = written.floats::<T>(key).unwrap().unwrap_or_else(|| panic!("{name}: no {key}"));
        difference(&format!("{name}: {key}"), &ours, *theirs, tolerance).unwrap();
        compared += 1;
    }
    assert!(compared > weights.len());
}

#[test]
fn gives_the_gradients_of_pytorch() {
    for (name, options) in CASES {
        check::<f32>(name, options, "f32", F32);
        check::<f32>(name, &[options, &["--save", "states"]].concat(), "f32", F32);
        check::<f64>(name, options, "f64", F64);
    }
}

/// Needs an adapter.
#[test]
fn a_gpu_gives_the_gradients_of_pytorch() {
    if std::env::var("WGPU_RNN_GPU").is_ok_and(|choice| choice == "skip") {
        println!("WGPU_RNN_GPU=skip: not run");
        return;
    }
    let has_half = Engine::gpu().unwrap().limits().is_some_and(|limits| limits.f16);
    for (name, options) in CASES {
        for save in ["gates", "states"] {
            let more = ["--device", "gpu", "--save", save];
            check::<f32>(name, &[options, &more].concat(), "f32", F32);
            // The type that numbers are stored as is the GPU's own: files are f32.
            if has_half {
                check::<f32>(name, &[options, &more].concat(), "f16", STORED_AS_HALF);
            }
        }
    }
}

#[test]
fn wrong_gradients_are_one_line() {
    let folder = Folder::new();
    let lstm = case(&Config::lstm(5).input_size(7), 4, 3, 3);
    save(&folder, &lstm, Naming::PyTorch);
    let fails = |more: &[&str], expected: &str| {
        std::fs::write(folder.path("y.safetensors"), "before").unwrap();
        let output = folder.run("gradients", &[&FILES[..], more].concat());
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.lines().count() == 1 && stderr.contains(expected), "{stderr}");
        assert_eq!(std::fs::read(folder.path("y.safetensors")).unwrap(), b"before");
    };
    fails(&[], "expected a gradient, grad_output or another one, found none");
    let with = |name: &str, shape: &[usize]| {
        let tensors = [("input", lstm.input.clone().into_dyn()), (name, ArrayD::zeros(shape))];
        let views = tensors.iter().map(|(name, tensor)| (name.to_string(), tensor.view()));
        file::save_tensors(folder.path("x.safetensors"), views).unwrap();
    };
    with("grad_nothing", &[1]);
    fails(&[], "found a tensor named \"grad_nothing\"");
    with("grad_output", &[4, 3, 6]);
    fails(&[], "gradient by output: expected shape [4, 3, 5], found [4, 3, 6]");
    with("grad_output_l00", &[4, 3, 5]);
    fails(&["--every-layer"], "found a tensor named \"grad_output_l00\"");
    with("grad_output_l0", &[4, 3, 5]);
    fails(&[], "expected --every-layer for the tensor \"grad_output_l0\", found none");
    with("grad_cell_states", &[4, 3, 5]);
    fails(&[], "expected --cell-states for the tensor \"grad_cell_states\", found none");
    with("grad_output_reverse", &[4, 3, 5]);
    fails(&[], "gradients: expected those by arrays that the call gives, found one by output_reverse");
    with("grad_h_n", &[1, 3, 5]);
    fails(&["--dtype", "f64", "--device", "gpu"], "--dtype f64: expected --device cpu or auto, found gpu");
    fails(&["--dropout", "-1"], "dropout: expected a probability from 0 to 1, found -1");
    fails(&["--dropout", "0.5"], "dropout: expected 2 layers or more");
    let refused = "dtype: expected f32, or an engine with SHADER_F16, found ";
    fails(&["--dtype", "f16", "--device", "cpu"], refused);
    fails(&["--dtype", "f64"], "tensor \"input\": expected F64, found F32");
}
