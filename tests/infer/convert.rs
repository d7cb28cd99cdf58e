//! The example `convert`, and networks that are picked by their names.

use crate::{Folder, example, with};
use ndarray::Array3;
use serde_json::Value;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use wgpu_rnn::{Config, Naming, Weights, file};

fn golden(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/formats/data").join(name)
}

impl Folder {
    fn convert(&self, arguments: &[&str]) -> Output {
        Command::new(example("convert")).args(arguments).current_dir(self.0.path()).output().unwrap()
    }

    /// Standard output of a run that succeeds.
    #[track_caller]
    fn converts(&self, arguments: &[&str]) -> String {
        let output = self.convert(arguments);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    }

    /// Exit code 2 and one line.
    #[track_caller]
    fn refuses(&self, arguments: &[&str], expected: &str) {
        let output = self.convert(arguments);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(stderr.lines().count() == 1 && stderr.contains(expected), "{stderr}");
    }
}

fn with_golden(name: &str) -> Folder {
    let folder = Folder::new();
    std::fs::copy(golden(name), folder.path(name)).unwrap();
    folder
}

#[test]
fn inspection_tells_kind_arrays_networks_and_how_to_run_them() {
    let folder = with_golden("mxnet_nested.params");
    expect_test::expect![[r#"
        mxnet_nested.params: MXNet .params, 14 arrays
          0.0._unfused.0.l_cell.h2h_bias f32 [20]
          0.0._unfused.0.l_cell.h2h_weight f32 [20, 5]
          0.0._unfused.0.l_cell.i2h_bias f32 [20]
          0.0._unfused.0.l_cell.i2h_weight f32 [20, 3]
          0.0._unfused.0.r_cell.h2h_bias f32 [20]
          0.0._unfused.0.r_cell.h2h_weight f32 [20, 5]
          0.0._unfused.0.r_cell.i2h_bias f32 [20]
          0.0._unfused.0.r_cell.i2h_weight f32 [20, 3]
          0.1.bias f32 [3]
          0.1.weight f32 [3, 10]
          1._unfused.0.h2h_bias f32 [15]
          1._unfused.0.h2h_weight f32 [15, 5]
          1._unfused.0.i2h_bias f32 [15]
          1._unfused.0.i2h_weight f32 [15, 3]
        network 0.0: lstm 5, 1 layer, bidirectional, input 3, 400 parameters
          infer --weights mxnet_nested.params --prefix 0.0 --input X.safetensors --output Y.safetensors
        network 1: gru 5, 1 layer, input 3, 150 parameters
          infer --weights mxnet_nested.params --prefix 1 --input X.safetensors --output Y.safetensors
    "#]]
    .assert_eq(&folder.converts(&["--inspect", "mxnet_nested.params"]));

    let json = folder.converts(&["--inspect", "--json", "mxnet_nested.params"]);
    let json: Value = serde_json::from_str(&json).unwrap();
    assert_eq!(json["dialect"], "MXNet .params");
    assert_eq!(json["arrays"][9]["shape"], serde_json::json!([3, 10]));
    assert_eq!(json["networks"][0]["name"], "0.0");
    assert_eq!(json["networks"][0]["settings"]["directions"], "both");
    let line =
        "infer --weights mxnet_nested.params --prefix 0.0 --input X.safetensors --output Y.safetensors";
    assert_eq!(json["networks"][0]["infer"], line);
}

/// The line that inspection tells does run.
#[test]
fn the_line_of_an_inspection_runs() {
    for name in ["pytorch_checkpoint.pth", "mxnet_export-0000.params", "pytorch_script.pt"] {
        let folder = with_golden(name);
        let input = Array3::<f32>::from_elem((4, 2, 3), 0.25).into_dyn();
        file::save_tensors(folder.path("X.safetensors"), [("input".to_owned(), input.view())]).unwrap();
        let text = folder.converts(&["--inspect", name]);
        let lines: Vec<_> = text.lines().filter_map(|line| line.trim().strip_prefix("infer ")).collect();
        assert!(!lines.is_empty(), "{text}");
        for line in lines {
            folder.succeeds(&line.split(' ').collect::<Vec<_>>());
        }
    }
}

#[test]
fn a_network_becomes_other_kinds_of_files() {
    let folder = with_golden("pytorch_checkpoint.pth");
    let config = Config::lstm(5).num_layers(2).bidirectional().input_size(3);
    let first =
        Weights::reader().prefix("encoder.lstm".to_owned()).load(golden("pytorch_checkpoint.pth")).unwrap();
    assert_eq!(first.config(), &config);
    let mut from = vec!["pytorch_checkpoint.pth", "--prefix", "encoder.lstm"];
    for to in ["a.safetensors", "b.params", "c.npz", "d.safetensors"] {
        let said = folder.converts(&[&from[..], &[to, "--names", "gluon"]].concat());
        assert_eq!(said, format!("{to}: lstm 5, 2 layers, bidirectional, input 3\n"));
        assert_eq!(Weights::load(folder.path(to)).unwrap(), first);
        from = vec![to];
    }
    let gluon = file::load_tensors(folder.path("d.safetensors")).unwrap();
    assert!(gluon.contains_key("r1_h2h_weight"));
}

#[test]
fn refusals_are_one_line() {
    let folder = with_golden("pytorch_checkpoint.pth");
    folder.refuses(
        &["pytorch_checkpoint.pth", "x.params"],
        "prefix: expected one that picks a network, found \"model",
    );
    folder.refuses(
        &["pytorch_checkpoint.pth", "x.params", "--prefix", "none"],
        "prefix: expected the network \"none\", found \"model_state_dict.encoder.lstm\"",
    );
    folder.refuses(
        &["pytorch_checkpoint.pth", "x.h5", "--prefix", "gru"],
        "x.h5: expected a name that ends in",
    );
    folder.refuses(
        &["pytorch_checkpoint.pth", "x.params", "--prefix", "model_state_dict.gru"],
        "bias: expected a format",
    );
    folder.refuses(&["none", "x.params"], "none: cannot be read");
    assert!(!folder.path("x.params").exists());
}

/// A file's statements hold, and an option that contradicts one is refused by both names.
#[test]
fn what_a_file_states_holds() {
    let folder = Folder::new();
    let config = Config::gru(5).gru_reset(wgpu_rnn::Reset::Before).input_size(7);
    let case = crate::common::case(&config, 4, 3, 3);
    crate::save(&folder, &case, Naming::PyTorch);
    folder.succeeds(&with(&[]));
    let ours = file::load_tensors(folder.path("y.safetensors")).unwrap()["output"].clone();
    let theirs = crate::common::reference(&case).output.clone().into_dyn();
    crate::common::difference("output", &ours, &theirs, crate::common::F32).unwrap();
    folder.fails(
        &with(&["--gru-reset", "after"]),
        r#"gru_reset: expected before, as metadata "gru_reset" of the file states, found after"#,
    );
}

/// MXNet 2 has all weights of a layer in one vector, whose sizes are given.
#[test]
fn sizes_are_given_where_the_file_does_not_tell_them() {
    let folder = with_golden("mxnet2_projection.params");
    let told = folder.converts(&["--inspect", "mxnet2_projection.params"]);
    assert!(told.contains("--sizes CELL:H:I[:L][:both][:proj=P]"), "{told}");
    let sizes = "lstm:5:3:2:both:proj=2";
    folder.converts(&["mxnet2_projection.params", "o.safetensors", "--sizes", sizes]);
    let config = Config::lstm(5).input_size(3).num_layers(2).bidirectional().proj_size(2);
    let expected = Weights::reader().config(&config).load(golden("mxnet2_projection.params")).unwrap();
    assert_eq!(Weights::load(folder.path("o.safetensors")).unwrap(), expected);
    for sizes in ["lstm:5", "lstm:5:x", "elman:5:3", "lstm:5:3:2:all"] {
        let output = folder.convert(&["mxnet2_projection.params", "p.safetensors", "--sizes", sizes]);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert!(stderr.contains("expected CELL:H:I"), "{stderr}");
    }
    let other = ["mxnet2_projection.params", "p.safetensors", "--sizes", "lstm:5:3:2:both"];
    folder.refuses(&other, "rnn_param: expected shape [");
}
