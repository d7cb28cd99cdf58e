//! The examples that run whole models, `vad` and `diacritize`, as a person runs them: small models with the
//! same layers as the real ones, on the CPU engine. A single `--test model_examples` needs
//! `cargo build --examples` before.
#![cfg(unix)]

#[allow(dead_code, reason = "the examples use the rest")]
#[path = "../../examples/common/ending.rs"]
mod ending;
#[allow(dead_code, reason = "the examples use the rest")]
#[path = "../../examples/vad/segments.rs"]
mod segments;
#[path = "../../examples/vad/sound.rs"]
mod sound;
#[path = "../../examples/common/wav.rs"]
mod wav;

mod diacritize;
mod vad;

use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

/// A file of `data/`.
fn data(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/model_examples/data").join(name)
}

/// The JSON of a file of `data/`.
fn json<T: serde::de::DeserializeOwned>(name: &str) -> T {
    serde_json::from_slice(&std::fs::read(data(name)).unwrap()).unwrap()
}

/// Runs an example, with something on its standard input.
fn run(example: &str, arguments: &[&str], input: &str) -> Output {
    let test = std::env::current_exe().unwrap();
    let program = test.parent().and_then(Path::parent).unwrap().join("examples").join(example);
    assert!(program.exists(), "run `cargo build --examples` first");
    let mut command = Command::new(program);
    // One thread is enough for a small network.
    command.args(["--device", "cpu"]).args(arguments).env("RAYON_NUM_THREADS", "1");
    let pipes = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = pipes.spawn().unwrap();
    // A program that refuses its arguments does not read.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    child.wait_with_output().unwrap()
}

/// The standard output of a run that succeeds, and its standard error.
#[track_caller]
fn succeeds(example: &str, arguments: &[&str], input: &str) -> [String; 2] {
    let output = run(example, arguments, input);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap())
}

/// A run that ends with exit code 2, one line, and nothing on standard output.
#[track_caller]
fn fails(example: &str, arguments: &[&str], expected: &str) {
    let output = run(example, arguments, "");
    let [stdout, stderr] = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap());
    assert_eq!((output.status.code(), stdout.as_str()), (Some(2), ""), "{stderr}");
    assert!(stderr.starts_with("error: ") && stderr.contains(expected), "{stderr}");
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
}
