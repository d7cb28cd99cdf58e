//! Peers in Python: a process each, that is given a file and then told to run.

use crate::case::Case;
use crate::peer::{Failure, Prepared};
use ndarray::{Array3, Ix3};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::Duration;

struct Process {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
    /// Where the process leaves its output.
    file: PathBuf,
    _folder: tempfile::TempDir,
}

/// `peer` is a name that `peers.py` knows. With 0 threads it takes as many as it wants.
pub fn prepare(python: &Path, peer: &str, threads: usize, case: &Case) -> Result<Box<dyn Prepared>, Failure> {
    let folder = tempfile::tempdir()?;
    let path = folder.path().join("case.safetensors");
    let tensors = case.tensors();
    let views = tensors.iter().map(|(name, tensor)| (name.clone(), tensor.view()));
    wgpu_rnn::file::save_tensors(&path, views)?;
    let file = folder.path().join("output.safetensors");
    let task = serde_json::json!({
        "peer": peer,
        "threads": threads,
        "cell": case.configuration.cell.name(),
        "layers": case.configuration.num_layers,
        "streamed": case.configuration.is_streamed,
        "case": path,
        "output": file,
    });
    let mut child = Command::new(python)
        .arg(script())
        .arg(task.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let (Some(input), Some(output)) = (child.stdin.take(), child.stdout.take()) else {
        return Err("no pipe to Python".into());
    };
    let mut process = Process { child, input, output: BufReader::new(output), file, _folder: folder };
    match process.line()?.as_str() {
        "ready" => Ok(Box::new(process)),
        other => Err(other.into()),
    }
}

/// Beside the program, where it was carried to another machine; else where it was built.
fn script() -> PathBuf {
    let beside = std::env::current_exe().ok().and_then(|program| Some(program.parent()?.join("peers.py")));
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("peers.py");
    beside.filter(|script| script.exists()).unwrap_or(built)
}

impl Process {
    fn line(&mut self) -> Result<String, Failure> {
        let mut line = String::new();
        if self.output.read_line(&mut line)? == 0 {
            return Err("Python ended".into());
        }
        Ok(line.trim().to_owned())
    }
}

impl Prepared for Process {
    fn run(&mut self, count: usize) -> Result<(Array3<f32>, Vec<Duration>), Failure> {
        writeln!(self.input, "{count}")?;
        let line = self.line()?;
        let seconds: Result<Vec<f64>, _> = line.split_whitespace().map(str::parse).collect();
        let seconds = seconds.map_err(|_| line.clone())?;
        let mut tensors = wgpu_rnn::file::load_tensors(&self.file)?;
        let output = tensors.remove("output").ok_or("no output")?.into_dimensionality::<Ix3>()?;
        Ok((output, seconds.into_iter().map(Duration::from_secs_f64).collect()))
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
