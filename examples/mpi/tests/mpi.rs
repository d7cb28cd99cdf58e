//! The example as a person runs it: jobs of one or two ranks on this machine, by `mpirun`.
#![cfg(target_os = "linux")]

use safetensors::SafeTensors;
use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

/// Sums of two ranks are of f32, in another order; AdamW divides by small numbers.
const TOLERANCE: f32 = 2e-4;

/// A small network, of the recordings that the example has.
const SMALL: &str = "--hidden 16 --batch 9 --save weights --checkpoint run";

struct Folder(tempfile::TempDir);

impl Folder {
    fn new() -> Folder {
        Folder(tempfile::tempdir().unwrap())
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn read(&self, name: &str) -> Vec<u8> {
        std::fs::read(self.path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    /// A job of so many ranks, of which there may be more than cores.
    fn job(&self, ranks: usize, arguments: &str) -> Command {
        let mut command = Command::new("mpirun");
        // Jobs that end remove the folder that others begin in, if all use the same.
        command.env("OMPI_MCA_orte_tmpdir_base", self.0.path());
        command.args(["--allow-run-as-root", "--oversubscribe", "-n", &ranks.to_string()]);
        command.arg(env!("CARGO_BIN_EXE_train-mpi")).args(arguments.split_whitespace());
        command.current_dir(self.0.path()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    #[track_caller]
    fn succeeds(&self, ranks: usize, arguments: &str) -> String {
        let output = self.job(ranks, &format!("{SMALL} {arguments}")).output().unwrap();
        assert!(output.status.success(), "{}", text(&output.stderr));
        text(&output.stdout).lines().last().unwrap_or_default().to_owned()
    }

    /// The arrays of the checkpoint.
    fn arrays(&self) -> BTreeMap<String, Vec<f32>> {
        let bytes = self.read("run");
        let tensors = SafeTensors::deserialize(&bytes).unwrap();
        let numbers =
            |bytes: &[u8]| bytes.as_chunks().0.iter().map(|four| f32::from_le_bytes(*four)).collect();
        let array = |name: &str| (name.to_owned(), numbers(tensors.tensor(name).unwrap().data()));
        tensors.names().iter().map(|name| array(name)).collect()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// The process of a rank of a job.
fn process_of(job: &Child, rank: usize) -> Option<u32> {
    let own = format!("OMPI_COMM_WORLD_RANK={rank}");
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    let mut numbers = processes.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    numbers.find(|process: &u32| {
        let read = |name| std::fs::read(format!("/proc/{process}/{name}")).unwrap_or_default();
        // The parent is the second word behind the name in parentheses.
        let status = text(&read("stat"));
        let parent = status.rsplit(')').next().and_then(|rest| rest.split_whitespace().nth(1)?.parse().ok());
        parent == Some(job.id()) && text(&read("environ")).split('\0').any(|entry| entry == own)
    })
}

/// Waits for the end of a job; one that hangs is ended.
fn end_of(mut job: Child) -> Output {
    let begun = Instant::now();
    while job.try_wait().unwrap().is_none() {
        if begun.elapsed() > Duration::from_secs(120) {
            job.kill().unwrap();
            panic!("the job hangs: {}", text(&job.wait_with_output().unwrap().stderr));
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    job.wait_with_output().unwrap()
}

#[test]
fn the_same_bits_twice() {
    let [first, second] = [(); 2].map(|()| Folder::new());
    let [one, two] = [&first, &second].map(|folder| folder.succeeds(2, "--epochs 3"));
    assert!(one.starts_with("test accuracy ") && one.contains("ranks 2, engine CPU"), "{one}");
    assert_eq!(one, two);
    for name in ["weights", "run"] {
        assert!(first.read(name) == second.read(name), "{name} differs");
    }
}

/// Two ranks without dropout are as one with the batches of both: after one step, and after an
/// epoch.
#[test]
fn two_ranks_are_as_one_with_their_batches() {
    // 270 recordings: one step, or fifteen.
    for (batch, epochs) in [(135, 1), (9, 1)] {
        let [one, two] = [(1, 2 * batch), (2, batch)].map(|(ranks, batch)| {
            let folder = Folder::new();
            folder.succeeds(ranks, &format!("--dropout 0 --epochs {epochs} --batch {batch}"));
            folder.arrays()
        });
        assert_eq!(one.keys().collect::<Vec<_>>(), two.keys().collect::<Vec<_>>());
        for (name, expected) in one {
            // Second moments are squares of gradients.
            let most = expected.iter().fold(0.0_f32, |most, number| most.max(number.abs()));
            for (place, (a, b)) in two[&name].iter().zip(&expected).enumerate() {
                let is_near = (a - b).abs() <= TOLERANCE * most.max(1e-6);
                assert!(is_near, "batches of {batch}: {name}[{place}] is {a}, expected {b}");
            }
        }
    }
}

/// A rank that is killed ends the job, which goes on from the last checkpoint with the bits of one that was
/// not.
#[test]
fn a_rank_that_dies_ends_the_job_which_goes_on() {
    const RUN: &str = "--epochs 12 --resume --checkpoint-every 1";
    let (whole, parts) = (Folder::new(), Folder::new());
    let expected = whole.succeeds(2, RUN);
    for (rank, wait) in [(1, 0), (0, 40)] {
        let before = std::fs::read(parts.path("run")).ok();
        let job = parts.job(2, &format!("{SMALL} {RUN}")).spawn().unwrap();
        let begun = Instant::now();
        while std::fs::read(parts.path("run")).ok() == before {
            assert!(begun.elapsed() < Duration::from_secs(60), "no checkpoint");
            std::thread::sleep(Duration::from_millis(1));
        }
        std::thread::sleep(Duration::from_millis(wait));
        let process = process_of(&job, rank).expect("the rank runs");
        assert!(Command::new("kill").args(["-9", &process.to_string()]).status().unwrap().success());
        let output = end_of(job);
        let stderr = text(&output.stderr);
        assert!(!output.status.success(), "{stderr}");
        assert!(stderr.contains(&format!("process rank {rank} ")) && stderr.contains("(Killed)"), "{stderr}");
        assert!(output.stdout.is_empty(), "{}", text(&output.stdout));
    }
    assert!(parts.read("run") != whole.read("run"), "nothing was left to do");
    assert_eq!(parts.succeeds(2, RUN), expected);
    for name in ["weights", "run"] {
        assert!(parts.read(name) == whole.read(name), "{name} differs");
    }
}

/// An error of one rank ends the job in one line, and another number of ranks is refused.
#[test]
fn an_error_of_a_rank_ends_the_job() {
    let folder = Folder::new();
    folder.succeeds(2, "--epochs 1");
    let output = end_of(folder.job(3, &format!("{SMALL} --epochs 2 --resume")).spawn().unwrap());
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    assert!(stderr.contains(": run: world: expected 2, as in the state, found 3"), "{stderr}");
    // Only the first rank writes, which no file system lets it do by this name.
    let name = "x".repeat(300);
    let job = folder.job(2, &format!("--hidden 16 --epochs 2 --checkpoint {name}")).spawn().unwrap();
    let output = end_of(job);
    let stderr = text(&output.stderr);
    assert_eq!(output.status.code(), Some(2), "{stderr}");
    let errors: Vec<&str> = stderr.lines().filter(|line| line.starts_with("error: ")).collect();
    assert!(
        matches!(errors[..], [error] if error.starts_with(&format!("error: rank 0: {name}: "))),
        "{stderr}"
    );
}
