//! Refusals: in one line, with exit code 2, and with all files as they were.

use crate::{Folder, numbers};
use std::collections::BTreeMap;
use wgpu_rnn::train::Checkpoint;

impl Folder {
    fn contents(&self) -> BTreeMap<String, Vec<u8>> {
        self.names().into_iter().map(|name| (name.clone(), self.read(&name))).collect()
    }

    #[track_caller]
    fn fails(&self, more: &str, expected: &str) {
        let before = self.contents();
        let output = self.train(more);
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{more}: {stderr}");
        assert_eq!(stderr.lines().count(), 1, "{more}: {stderr}");
        assert!(stderr.starts_with("error: ") && stderr.contains(expected), "{more}: {stderr}");
        assert!(output.stdout.is_empty(), "{more}");
        assert!(self.contents() == before, "{more}: a file was changed");
    }
}

#[test]
fn wrong_data_is_one_line() {
    let folder = Folder::new();
    let (lengths, labels, x) = ([6; 30], [1; 30], numbers());
    let fails = |expected: &str| folder.fails("--data wrong", expected);
    fails("wrong: cannot be read");
    std::fs::write(folder.path("wrong"), "no safetensors").unwrap();
    fails("wrong: safetensors: ");
    folder.write("wrong", None, &lengths, &labels);
    fails("wrong: safetensors: tensor x: expected shape [N, T, I], found no such tensor");
    folder.write("wrong", Some(&x), &[], &labels);
    fails("tensor length: expected shape [N], found no such tensor");
    folder.write("wrong", Some(&x), &lengths, &[]);
    fails("tensor label: expected shape [N], found no such tensor");
    folder.write("wrong", Some(&x), &lengths[..29], &labels);
    fails("tensor length: expected shape [30], found [29]");
    folder.write("wrong", Some(&x), &[7; 30], &labels);
    fails("length: expected 1 to 6 of sequence 0, found 7");
    folder.write("wrong", Some(&x), &lengths, &[-1; 30]);
    fails("label: expected 0 to 2147483647 of sequence 0, found -1");
    folder.write("wrong", Some(&x), &lengths, &[i32::MAX; 30]);
    fails("label: expected 0 to 29 for 30 sequences, found 2147483647");
    let mut x = x;
    x[0] = f32::NAN;
    folder.write("wrong", Some(&x), &lengths, &labels);
    folder
        .fails("--data wrong --epochs 30 --checkpoint none/run", "--checkpoint: expected a file in a folder");
}

#[test]
fn wrong_flags_are_one_line() {
    let folder = Folder::new();
    for (flags, expected) in [
        ("--hidden 0", "hidden"),
        ("--layers 0", "layers: expected at least 1, found 0"),
        ("--batch 0", "--batch: expected at least 1, found 0"),
        ("--checkpoint-every 0", "--checkpoint-every: expected at least 1, found 0"),
        ("--dropout 1.5", "--dropout: expected a probability from 0 to 1, found 1.5"),
        ("--dropout 1.5 --layers 1", "--dropout: expected a probability from 0 to 1, found 1.5"),
        ("--dropout=-0.1", "--dropout: expected a probability from 0 to 1, found -0.1"),
        ("--dropout NaN", "--dropout: expected a probability from 0 to 1, found NaN"),
        ("--held-back 0", "expected a part of 1 to 29 sequences, found 0 of 30"),
        ("--held-back 1", "expected a part of 1 to 29 sequences, found 1 of 30"),
        ("--held-back NaN", "expected a part of 1 to 29 sequences, found NaN of 30"),
        ("--learning-rate NaN", "learning_rate: expected"),
        ("--learning-rate=-1", "learning_rate: expected"),
        ("--save none/weights", "--save: expected a file in a folder, found no folder none"),
        ("--plot none/plot", "--plot: expected a file in a folder, found no folder none"),
        ("--save ./run", "--save: expected another file than --checkpoint, found the same"),
        ("--save data", "--save: expected another file than --data, found the same"),
        ("--log run", "--log: expected another file than --checkpoint, found the same"),
        ("--from none", "none: cannot be read"),
    ] {
        folder.fails(flags, expected);
    }
}

#[test]
fn weights_of_another_network_are_refused() {
    let folder = Folder::new();
    folder.succeeds("--epochs 0 --hidden 9 --save other");
    folder.fails("--from other", "other: weight_ih_l0: expected shape [32, 3], found [36, 3]");
    folder.fails("--from data", "data: prefix: expected a recurrent network, found none");
    folder.succeeds("--epochs 0 --cell gru --save other");
    folder.fails("--from other", "other: ");
}

#[test]
fn checkpoints_of_other_runs_are_refused_by_name() {
    let folder = Folder::new();
    folder.succeeds("--epochs 1");
    for (flags, expected) in [
        ("--hidden 9", "hidden_sizes of the checkpoint's network: expected"),
        ("--cell gru", "cells of the checkpoint's network: expected"),
        ("--layers 1", "cells of the checkpoint's network: expected lstm, found lstm,lstm"),
        ("--seed 1", "seed: expected 0, as in the state, found 1"),
        ("--seed 1 --layers 2 --dropout 0", "seed: expected 0, as in the state, found 1"),
        ("--batch 5", "batch_size: expected 4, as in the state, found 5"),
        ("--held-back 0.5", "sequences: expected 24, as in the state, found 15"),
        ("--learning-rate 0.1", "optimizer of the checkpoint's network: expected"),
        ("--dropout 0.5", "dropout of the checkpoint's network: expected"),
    ] {
        folder.fails(&format!("--epochs 2 --resume {flags}"), &format!("run: {expected}"));
    }
    // The same run is not.
    folder.succeeds("--epochs 2 --resume");
}

#[test]
fn a_damaged_checkpoint_is_refused() {
    let folder = Folder::new();
    folder.succeeds("--epochs 1");
    let whole = folder.read("run");
    for part in 0..8 {
        std::fs::write(folder.path("run"), &whole[..whole.len() * part / 8]).unwrap();
        folder.fails("--epochs 2 --resume", "run: damaged: ");
    }
    std::fs::write(folder.path("run"), &whole[..whole.len() - 1]).unwrap();
    folder.fails("--epochs 2 --resume", "run: damaged: ");
    let version = br#""version":"1""#;
    let place = whole.windows(version.len()).position(|window| window == version).expect("a version");
    let mut newer = whole.clone();
    newer[place + version.len() - 2] = b'2';
    std::fs::write(folder.path("run"), newer).unwrap();
    folder.fails("--epochs 2 --resume", "run: version: expected at most 1, found 2 (of a newer library)");
    std::fs::copy(folder.path("data"), folder.path("run")).unwrap();
    folder.fails("--epochs 2 --resume", "run: expected a checkpoint, found ");
    // Without --resume, the run begins anew.
    folder.succeeds("--epochs 1");
    assert!(folder.read("run") == whole);
}

/// A run that diverges says at which step, by which norm, and what there is to go on from.
#[test]
fn numbers_that_are_not_finite_are_one_line() {
    let folder = Folder::new();
    let diverges = |more: &str| {
        let output = folder.train(&format!("--epochs 3 --learning-rate 1e30 {more}"));
        let stderr = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(2), "{stderr}");
        assert!(
            stderr.starts_with("error: loss of step 3: expected a finite number, found loss "),
            "{stderr}"
        );
        assert!(stderr.contains(" and norm "), "{stderr}");
        stderr
    };
    folder.succeeds("--epochs 1");
    let before = folder.contents();
    // The checkpoint of before is another run's.
    assert!(diverges("").ends_with(" and norm NaN\n"));
    assert!(folder.contents() == before);
    assert!(diverges("--checkpoint-every 1").ends_with("; the last good checkpoint is run\n"));
    assert_eq!(Checkpoint::open(folder.path("run")).unwrap().state["step"], 2);
}
