//! Runs that are killed, or interrupted, and go on.

use crate::{Folder, last_line};
use std::path::Path;
use std::process::{Child, Command};
use std::time::{Duration, Instant};

/// The flags of a run whose checkpoint is written after every batch. The last digit is the seed.
const RUN: &str = "--resume --checkpoint-every 1 --epochs 6 --seed";

/// Kills of all chains, and those of them that have to meet a checkpoint in the making.
const KILLS: [usize; 2] = [100, 10];

/// A linear congruential generator (Knuth): the high bits.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6364136223846793005).wrapping_add(1442695040888963407);
        (self.0 >> 33) % bound
    }
}

/// Waits for a time, or for a file in the making, unless the program ends before.
fn wait(child: &mut Child, folder: &Path, time: Duration, until_written: bool) -> bool {
    let begun = Instant::now();
    while child.try_wait().unwrap().is_none() {
        let is_over = begun.elapsed() >= time;
        if is_over && (!until_written || is_written(folder)) {
            return true;
        }
        std::thread::sleep(Duration::from_micros(if is_over { 20 } else { 500 }));
    }
    false
}

fn is_written(folder: &Path) -> bool {
    let names = std::fs::read_dir(folder).unwrap().flatten().map(|entry| entry.file_name());
    names.into_iter().any(|name| name.to_string_lossy().starts_with(".wgpu-rnn-"))
}

/// Chains of runs, each killed at a random moment until one ends by itself: the same weights, checkpoint and
/// last line as without a kill.
#[test]
fn killed_anywhere_ends_with_the_same_bits() {
    let (mut random, mut kills, mut in_the_making, mut chains) = (Random(13), 0, 0, 0);
    while kills < KILLS[0] || in_the_making < KILLS[1] {
        assert!(chains < 100, "{kills} kills, {in_the_making} of them in the making of a checkpoint");
        let (whole, parts, run) = (Folder::new(), Folder::new(), format!("{RUN} {}", chains % 3));
        let begun = Instant::now();
        let expected = whole.succeeds(&run);
        // Each of a chain has time for its start and for some batches.
        let most = begun.elapsed().as_micros() as u64 / 6;
        let found = loop {
            let mut child = parts.start(&run);
            let time = Duration::from_micros(random.below(most));
            let is_killed = wait(&mut child, parts.0.path(), time, random.below(2) == 0);
            if is_killed {
                child.kill().unwrap();
            }
            let output = child.wait_with_output().unwrap();
            if output.status.success() {
                break last_line(&output);
            }
            let stderr = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), None, "ended by itself: {stderr}");
            kills += 1;
            in_the_making += usize::from(is_written(parts.0.path()));
        };
        assert_eq!(found, expected, "after {kills} kills");
        for name in ["weights", "run"] {
            assert!(parts.read(name) == whole.read(name), "{name} differs after {kills} kills");
        }
        assert_eq!(parts.names(), whole.names());
        chains += 1;
    }
    println!("{kills} kills of {chains} chains, {in_the_making} in the making of a checkpoint");
}

/// Sends SIGINT once there is a checkpoint.
fn interrupt(folder: &Folder, flags: &str, file: &str) -> std::process::Output {
    let child = folder.start(flags);
    let begun = Instant::now();
    while !folder.path(file).exists() {
        assert!(begun.elapsed() < Duration::from_secs(60), "no {file}");
        std::thread::sleep(Duration::from_millis(1));
    }
    let status = Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(status.success());
    child.wait_with_output().unwrap()
}

#[test]
fn interrupted_saves_and_goes_on() {
    let (whole, parts, run) = (Folder::new(), Folder::new(), "--resume --checkpoint-every 1 --epochs 15");
    let expected = whole.succeeds(run);
    let output = interrupt(&parts, run, "run");
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(130), "{stderr}");
    assert!(stderr.ends_with("interrupted; the weights are in weights\n"), "{stderr}");
    assert!(output.stdout.is_empty());
    let load = |name| wgpu_rnn::Weights::load(parts.path(name)).unwrap();
    assert_eq!(load("weights"), load("run"));
    assert_ne!(parts.read("run"), whole.read("run"), "nothing was left to do");
    assert_eq!(parts.succeeds(run), expected);
    for name in ["weights", "run"] {
        assert!(parts.read(name) == whole.read(name), "{name} differs");
    }
    // A run that is done says the same again.
    assert_eq!(parts.succeeds(run), expected);
    assert!(parts.read("weights") == whole.read("weights"));
}
