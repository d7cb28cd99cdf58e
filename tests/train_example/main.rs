//! The example `train` as a person runs it, on the CPU engine. A single `--test train_example` needs
//! `cargo build --examples` before.
#![cfg(unix)]

mod killed;
mod refused;

use safetensors::{Dtype, tensor::TensorView};
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use wgpu_rnn::Weights;

/// Sequences, steps and features of the data.
const SIZES: [usize; 3] = [30, 6, 3];

/// A folder with sequences of two classes in `data`.
struct Folder(tempfile::TempDir);

/// The settings of all runs: a small network, and six batches an epoch.
const SMALL: &str = "--data data --hidden 8 --batch 4 --device cpu --checkpoint run --save weights";

impl Folder {
    fn new() -> Folder {
        let folder = Folder(tempfile::tempdir().unwrap());
        let labels: Vec<i32> = (0..SIZES[0] as i32).map(|n| n % 2).collect();
        folder.write("data", Some(&numbers()), &[3, 6, 1, 5, 4, 6].repeat(5), &labels);
        folder
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    fn names(&self) -> BTreeSet<String> {
        let entries = std::fs::read_dir(self.0.path()).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }

    /// Writes a file of sequences, lengths and labels.
    fn write(&self, name: &str, x: Option<&[f32]>, lengths: &[i32], labels: &[i32]) {
        let [x, lengths, labels] = [
            x.map_or(Vec::new(), |x| x.iter().flat_map(|x| x.to_le_bytes()).collect::<Vec<u8>>()),
            lengths.iter().flat_map(|x| x.to_le_bytes()).collect(),
            labels.iter().flat_map(|x| x.to_le_bytes()).collect(),
        ];
        let view = |dtype, shape: &[usize], bytes| TensorView::new(dtype, shape.to_vec(), bytes).unwrap();
        let mut tensors = Vec::new();
        if !x.is_empty() {
            tensors.push(("x", view(Dtype::F32, &SIZES, &x)));
        }
        for (name, bytes) in [("length", &lengths), ("label", &labels)] {
            if !bytes.is_empty() {
                tensors.push((name, view(Dtype::I32, &[bytes.len() / 4], bytes)));
            }
        }
        std::fs::write(self.path(name), safetensors::serialize(tensors, None).unwrap()).unwrap();
    }

    /// A command of an example in this folder; arguments are parted by blanks.
    fn command(&self, example: &str, arguments: &str) -> Command {
        let test = std::env::current_exe().unwrap();
        let program = test.parent().and_then(Path::parent).unwrap().join("examples").join(example);
        assert!(program.exists(), "run `cargo build --examples` first");
        let mut command = Command::new(program);
        // One thread is enough for a small network.
        command.args(arguments.split_whitespace()).current_dir(self.0.path()).env("RAYON_NUM_THREADS", "1");
        command
    }

    fn train(&self, more: &str) -> Output {
        self.command("train", &format!("{SMALL} {more}")).output().unwrap()
    }

    fn start(&self, more: &str) -> Child {
        let mut command = self.command("train", &format!("{SMALL} {more}"));
        command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
    }

    #[track_caller]
    fn succeeds(&self, more: &str) -> String {
        let output = self.train(more);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        last_line(&output)
    }
}

fn numbers() -> Vec<f32> {
    let [n, t, i] = SIZES;
    (0..n * t * i).map(|place| ((place * 7) % 11) as f32 / 5.0 - 1.0 + (place / (t * i) % 2) as f32).collect()
}

fn last_line(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).lines().last().unwrap_or_default().to_owned()
}

/// The metadata of a safetensors file.
fn metadata(bytes: &[u8]) -> std::collections::HashMap<String, String> {
    let (_, header) = safetensors::SafeTensors::read_metadata(bytes).unwrap();
    header.metadata().clone().unwrap()
}

/// The weights are a file for `infer` and the library, which leave the head out, and say what made them.
#[test]
fn the_weights_are_read_by_others() {
    let folder = Folder::new();
    let last = folder.succeeds("--epochs 2 --plot curve --log log.csv");
    assert!(last.starts_with("test accuracy ") && last.contains(" (seed 0, engine CPU"), "{last}");
    let bytes = folder.read("weights");
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    assert_eq!(tensors.tensor("head.weight").unwrap().shape(), [2, 16]);
    let weights = Weights::load(folder.path("weights")).unwrap();
    assert_eq!((weights.config().num_layers, weights.config().input_size), (2, 3));
    assert_eq!(Weights::load(folder.path("run")).unwrap(), weights);
    let training: serde_json::Value = serde_json::from_str(&metadata(&bytes)["training"]).unwrap();
    assert_eq!(training["step"], 12);
    assert!(training["settings"]["optimizer"].to_string().contains("0.002"), "{training}");
    let log = String::from_utf8(folder.read("log.csv")).unwrap();
    let lines: Vec<&str> = log.lines().collect();
    assert_eq!((lines.len(), lines[0]), (13, "step,loss,rows,right,norm,learning_rate"));
    let last: Vec<f64> = lines[12].split(',').map(|number| number.parse().unwrap()).collect();
    assert!(last[0] == 12.0 && last[1] > 0.0 && last[3] <= last[2] && last[5] == 0.002, "{last:?}");

    let x = ndarray::Array3::<f32>::ones((4, 2, 3));
    ndarray_npy::write_npy(folder.path("x.npy"), &x).unwrap();
    let files = "--weights weights --input x.npy --output y.npy --device cpu";
    let output = folder.command("infer", files).output().unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let y: ndarray::Array3<f32> = ndarray_npy::read_npy(folder.path("y.npy")).unwrap();
    assert_eq!(y.dim(), (4, 2, 16));

    assert!(folder.read("curve.png").starts_with(b"\x89PNG"));
    assert!(String::from_utf8(folder.read("curve.svg")).unwrap().ends_with("</svg>\n"));
}

/// No epoch leaves the first weights, which a file gives as well as the seed.
#[test]
fn a_run_begins_with_the_weights_of_a_file() {
    let folder = Folder::new();
    folder.succeeds("--epochs 0 --seed 3 --plot curve.png");
    let first = folder.read("weights");
    let names = ["curve.png", "curve.svg", "data", "weights"].map(String::from);
    assert_eq!(folder.names(), names.into());
    folder.succeeds("--epochs 0 --seed 4");
    assert_ne!(folder.read("weights"), first);
    std::fs::write(folder.path("first"), &first).unwrap();
    folder.succeeds("--epochs 0 --seed 4 --from first");
    let load = |name: &str| Weights::load(folder.path(name)).unwrap();
    assert_eq!(load("weights"), load("first"));
    // The seed's other uses stay: the weights alone are the same.
    folder.succeeds("--epochs 1 --seed 3");
    let trained = folder.read("weights");
    folder.succeeds("--epochs 1 --seed 3 --from first");
    assert_eq!(folder.read("weights"), trained);
    assert_ne!(load("weights"), load("first"));
}

/// Every epoch is a line where there is no terminal, and results alone are on standard output.
#[test]
fn progress_is_on_standard_error() {
    let output = Folder::new().train("--epochs 2");
    let [stdout, stderr] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert_eq!(stderr.lines().count(), 2, "{stderr}");
    assert!(
        stderr.starts_with("epoch   1 of 2  loss ") && stderr.trim_end().ends_with(" rows/s"),
        "{stderr}"
    );
    assert!(stdout.starts_with("confusion") && !stdout.contains("\x1b"), "{stdout}");
}
