//! The examples where nobody reads what they write.
#![cfg(unix)]

use crate::{Folder, example, with};
use std::fs::File;
use std::process::{Command, Output, Stdio};

/// The exit code that a shell shows for a program that SIGPIPE has ended.
const CLOSED_PIPE: i32 = 141;

fn run(name: &str, arguments: &[&str], stdout: impl Into<Stdio>) -> Output {
    let child = Command::new(example(name)).args(arguments).stdout(stdout).stderr(Stdio::piped()).spawn();
    child.unwrap().wait_with_output().unwrap()
}

#[test]
fn a_closed_pipe_ends_them_quietly() {
    for (name, arguments) in
        [("notebook", &[][..]), ("plan", &[]), ("stream", &["--device", "cpu", "--seconds", "0.1", "--fast"])]
    {
        let (reader, writer) = std::io::pipe().unwrap();
        drop(reader);
        let output = run(name, arguments, writer);
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(CLOSED_PIPE), "{name}: {stderr}");
        assert!(!stderr.contains("panicked") && !stderr.contains("error: standard"), "{name}: {stderr}");
    }
}

/// The result is a file, which is written even if nobody reads the line about it.
#[test]
fn infer_needs_no_reader() {
    let folder = Folder::new();
    crate::save_any(&folder);
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let arguments = with(&["--device", "cpu"]);
    let status =
        Command::new(example("infer")).args(arguments).current_dir(folder.path("")).stdout(writer).status();
    assert_eq!(status.unwrap().code(), Some(0));
    assert!(folder.path("y.safetensors").exists());
}

#[cfg(target_os = "linux")]
#[test]
fn a_full_disk_is_an_error() {
    let full = || File::options().write(true).open("/dev/full").unwrap();
    for (name, arguments) in
        [("notebook", &[][..]), ("plan", &[]), ("stream", &["--device", "cpu", "--seconds", "0.1", "--fast"])]
    {
        let output = run(name, arguments, full());
        let stderr = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(2), "{name}: {stderr}");
        assert!(stderr.contains("error: standard output: cannot be written: no storage space"), "{stderr}");
    }
    // Only the exit code can say that something is wrong.
    for (name, arguments) in [
        ("infer", &["--weights", "none", "--input", "none.npy", "--output", "none.npy"][..]),
        ("infer", &["--weights"]),
        ("plan", &["--hidden-size", "0"]),
        ("stream", &["--wav", "none"]),
    ] {
        let status = Command::new(example(name)).args(arguments).stderr(full()).status().unwrap();
        assert_eq!(status.code(), Some(2), "{name} {arguments:?}");
    }
}
