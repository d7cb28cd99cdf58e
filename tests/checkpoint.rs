//! Checkpoints: read as they were written, refused where anything is not as it was written, and whole
//! whenever their writer is killed.

mod common;

use common::random;
use ndarray::ArrayD;
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use wgpu_rnn::file::{load_tensors, save_tensors};
use wgpu_rnn::train::Checkpoint;
use wgpu_rnn::{Cell, Config, Error, Init, Merge, Naming, Reset, Weights};

fn config() -> Config {
    Config::lstm(3).num_layers(2).bidirectional().input_size(2)
}

fn checkpoint(config: &Config) -> Checkpoint {
    let weights = Weights::init(config, &Init::pytorch().seed(1)).unwrap();
    let state = json!({ "step": 7, "rate": 0.1, "text": "\"checksum\":\"00000000\"" });
    let mut checkpoint = Checkpoint::new(&weights, state);
    let moments: Vec<_> =
        checkpoint.tensors.iter().map(|(name, tensor)| (name.clone(), tensor * 0.5)).collect();
    for (name, moment) in moments {
        checkpoint.tensors.insert(format!("optimizer.exp_avg.{name}"), moment);
    }
    checkpoint.tensors.insert("head.weight".into(), ArrayD::from_elem(&[2, 6][..], -0.0));
    checkpoint.tensors.insert("carried.h".into(), ArrayD::zeros(&[4, 1, 3][..]));
    checkpoint
}

/// A folder, and a checkpoint's place in it.
fn place() -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.safetensors");
    (folder, path)
}

fn bytes_of(checkpoint: &Checkpoint) -> Vec<u8> {
    let (_folder, path) = place();
    checkpoint.save(&path).unwrap();
    std::fs::read(path).unwrap()
}

/// The bytes of a checkpoint with other text in its header, and the header's length with it.
fn edited(bytes: &[u8], from: &str, to: &str) -> Vec<u8> {
    let (header, numbers) = parts(bytes);
    assert!(header.contains(from), "{header}");
    with_header(&header.replacen(from, to, 1), numbers)
}

fn parts(bytes: &[u8]) -> (String, &[u8]) {
    let length = u64::from_le_bytes(bytes[..8].try_into().unwrap()) as usize;
    (String::from_utf8(bytes[8..8 + length].to_vec()).unwrap(), &bytes[8 + length..])
}

fn with_header(header: &str, numbers: &[u8]) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), numbers].concat()
}

fn open(path: &Path, bytes: &[u8]) -> Result<Checkpoint, Error> {
    std::fs::write(path, bytes).unwrap();
    Checkpoint::open(path)
}

fn bits(checkpoint: &Checkpoint) -> BTreeMap<&str, (&[usize], Vec<u32>)> {
    let tensors = checkpoint.tensors.iter();
    let bits = |tensor: &ArrayD<f32>| tensor.iter().map(|number| number.to_bits()).collect();
    tensors.map(|(name, tensor)| (name.as_str(), (tensor.shape(), bits(tensor)))).collect()
}

#[test]
fn a_checkpoint_is_read_as_it_was_written() {
    let (_folder, path) = place();
    for config in [
        config(),
        Config::rnn_tanh(3).input_size(2),
        Config::stack(&[(Cell::Lstm, 3), (Cell::Gru, 5)]).input_size(2),
        config().proj_size(2).peepholes().layer_norm().cell_clip(-3.0, 3.0),
    ] {
        let mut made = checkpoint(&config);
        for number in [f32::NAN, f32::from_bits(0x7fc1_2345), f32::NEG_INFINITY, f32::from_bits(1)] {
            let name = format!("optimizer.{}", number.to_bits());
            made.tensors.insert(name, ArrayD::from_elem(&[1][..], number));
        }
        made.save(&path).unwrap();
        let read = Checkpoint::open(&path).unwrap();
        assert_eq!(bits(&read), bits(&made));
        assert_eq!(read.state, made.state);
        assert_eq!(Checkpoint::from_bytes(made.to_bytes().unwrap()).unwrap().state, made.state);
        let weights = Weights::init(&config, &Init::pytorch().seed(1)).unwrap();
        assert_eq!(read.weights(&config).unwrap(), weights);
        // Written again, it is the same file.
        assert_eq!(bytes_of(&read), std::fs::read(&path).unwrap());
    }
    let empty = Checkpoint::new(&Weights::init(&config(), &Init::pytorch()).unwrap(), Value::Null);
    empty.save(&path).unwrap();
    assert_eq!(Checkpoint::open(&path).unwrap().state, Value::Null);
}

/// A learning rate that is read back as its neighbour would end every promise of the same bits.
#[test]
fn numbers_of_the_state_are_exact() {
    let (_folder, path) = place();
    let mut checkpoint = checkpoint(&config());
    let numbers =
        (any::<u64>(), any::<i64>(), prop::num::f64::NORMAL, prop::num::f64::SUBNORMAL, any::<f32>());
    let run = |(unsigned, signed, normal, subnormal, single): (u64, i64, f64, f64, f32)| {
        let single = if single.is_finite() { single } else { 0.1 };
        checkpoint.state = json!([unsigned, signed, normal, subnormal, single]);
        checkpoint.save(&path).unwrap();
        let read = Checkpoint::open(&path).unwrap().state;
        prop_assert_eq!(read[0].as_u64(), Some(unsigned));
        prop_assert_eq!(read[1].as_i64(), Some(signed));
        for (index, number) in [normal, subnormal, single.into()].into_iter().enumerate() {
            prop_assert_eq!(read[2 + index].as_f64().map(f64::to_bits), Some(number.to_bits()));
        }
        Ok(())
    };
    let mut run = run;
    let run = std::cell::RefCell::new(&mut run);
    random::runner(64).run(&numbers, |numbers| run.borrow_mut()(numbers)).unwrap();
}

#[test]
fn a_checkpoint_is_a_file_of_weights() {
    let (_folder, path) = place();
    checkpoint(&config()).save(&path).unwrap();
    let weights = Weights::init(&config(), &Init::pytorch().seed(1)).unwrap();
    assert_eq!(Weights::load(&path).unwrap(), weights);
    assert_eq!(Weights::reader().config(&config()).load(&path).unwrap(), weights);
    // The cells of a vanilla RNN are told as well.
    let vanilla = Config::rnn_tanh(3).input_size(2);
    checkpoint(&vanilla).save(&path).unwrap();
    assert_eq!(Weights::load(&path).unwrap().config(), &vanilla);
    // Tensors of other names are refused, as before.
    for name in ["head", "header.weight", "optimizer", "Head.weight", "lstm.head.weight", " head.weight"] {
        let tensors = weights.tensors(Naming::PyTorch).map(|(name, tensor)| (name, tensor.to_owned()));
        let more = [(name.to_owned(), ArrayD::zeros(&[1][..]))];
        let error = Weights::reader().from_tensors(tensors.chain(more)).unwrap_err();
        assert!(matches!(error, Error::UnknownTensor { name: found } if found == name));
    }
    let mut checkpoint = checkpoint(&config());
    checkpoint.tensors.insert("heads.weight".into(), ArrayD::zeros(&[1][..]));
    let before = std::fs::read(&path).unwrap();
    assert!(matches!(checkpoint.save(&path), Err(Error::UnknownTensor { name }) if name == "heads.weight"));
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[test]
fn a_cut_anywhere_is_refused() {
    let (_folder, path) = place();
    let bytes = bytes_of(&checkpoint(&config()));
    for length in 0..bytes.len() {
        match open(&path, &bytes[..length]) {
            Err(Error::Damaged { path: found, .. }) => assert_eq!(found, path),
            other => panic!("cut at {length}: {other:?}"),
        }
    }
    for more in [&[0][..], &[0; 4], &bytes] {
        let longer = [&bytes, more].concat();
        assert!(matches!(open(&path, &longer), Err(Error::Damaged { .. })));
    }
    open(&path, &bytes).unwrap();
}

/// One bit at least, of every byte.
#[test]
fn a_change_anywhere_is_refused() {
    let (_folder, path) = place();
    let bytes = bytes_of(&checkpoint(&config()));
    for (place, mask) in (0..bytes.len()).zip([1, 0x20, 0x80, 0xff, 2].into_iter().cycle()) {
        let mut changed = bytes.clone();
        changed[place] ^= mask;
        let error = open(&path, &changed).unwrap_err();
        let is_refused = matches!(
            error,
            Error::Damaged { .. } | Error::NotCheckpoint { .. } | Error::NewerCheckpoint { .. }
        );
        assert!(is_refused, "byte {place}: {error}");
        assert!(error.to_string().starts_with(&format!("{}: ", path.display())), "{error}");
        // Past the metadata's names, damage is named as such.
        if place > parts(&bytes).0.find("\"version\"").unwrap() + 30 {
            assert!(matches!(error, Error::Damaged { .. }), "byte {place}: {error}");
        }
    }
    // Two numbers that change places.
    let mut changed = bytes.clone();
    let end = changed.len();
    changed[end - 8..].rotate_left(4);
    if changed != bytes {
        assert!(matches!(open(&path, &changed), Err(Error::Damaged { .. })));
    }
}

#[test]
fn damage_says_where() {
    let (folder, path) = place();
    let bytes = bytes_of(&checkpoint(&config()));
    let part = |bytes: &[u8]| match open(&path, bytes) {
        Err(Error::Damaged { part, .. }) => part,
        other => panic!("{other:?}"),
    };
    assert_eq!(part(&bytes[..5]), "length of the header");
    assert_eq!(part(&bytes[..50]), "header");
    assert_eq!(part(&bytes[..bytes.len() - 1]), "file");
    let mut changed = bytes.clone();
    *changed.last_mut().unwrap() ^= 1;
    assert_eq!(part(&changed), r#"tensor "weight_ih_l1_reverse""#);
    assert_eq!(part(&edited(&bytes, "\\\"step\\\":7", "\\\"step\\\":8")), "header");
    let error = open(&path, &changed).unwrap_err().to_string();
    let path = path.display();
    let start = format!("{path}: damaged: tensor \"weight_ih_l1_reverse\": expected checksum ");
    assert!(error.starts_with(&start), "{error}");

    let lost = Checkpoint::open(folder.path().join("lost")).unwrap_err();
    assert!(matches!(lost, Error::File { .. }), "{lost}");
}

#[test]
fn other_files_are_refused_by_name() {
    let (_folder, path) = place();
    let bytes = bytes_of(&checkpoint(&config()));
    match open(&path, &edited(&bytes, r#""version":"1""#, r#""version":"2""#)) {
        Err(error @ Error::NewerCheckpoint { expected: 1, found: 2, .. }) => {
            let expected = "version: expected at most 1, found 2 (of a newer library)";
            assert_eq!(error.to_string(), format!("{}: {expected}", path.display()));
        }
        other => panic!("{other:?}"),
    }
    let weights = Weights::init(&config(), &Init::pytorch()).unwrap();
    weights.save(&path, Naming::PyTorch).unwrap();
    let error = Checkpoint::open(&path).unwrap_err();
    assert!(matches!(error, Error::NotCheckpoint { .. }));
    let expected = "expected a checkpoint, found another safetensors file";
    assert_eq!(error.to_string(), format!("{}: {expected}", path.display()));
    let tensor = ArrayD::<f32>::zeros(&[1][..]);
    save_tensors(&path, [("weight_ih_l0".to_owned(), tensor.view())]).unwrap();
    assert!(matches!(Checkpoint::open(&path), Err(Error::NotCheckpoint { .. })));
    let text = "A text of some length, which is no checkpoint.";
    assert!(matches!(open(&path, text.as_bytes()), Err(Error::NotCheckpoint { .. })));
}

#[test]
fn another_network_is_refused_by_the_setting_that_differs() {
    let kept = checkpoint(&config());
    let base = config();
    for (other, name) in [
        (Config::gru(3).num_layers(2).bidirectional().input_size(2), "cells"),
        (Config::lstm(4).num_layers(2).bidirectional().input_size(2), "hidden_sizes"),
        (Config::lstm(3).bidirectional().input_size(2), "cells"),
        (Config::lstm(3).num_layers(2).input_size(2), "directions"),
        (base.clone().input_size(5), "input_size"),
        (base.clone().merge(Merge::Sum), "merge"),
        (base.clone().residual(), "residual"),
        (base.clone().without_bias(), "bias"),
        (base.clone().proj_size(2), "proj_size"),
        (base.clone().peepholes(), "peepholes"),
        (base.clone().coupled_input_forget(), "coupled_input_forget"),
        (base.clone().layer_norm(), "layer_norm"),
        (base.clone().learned_state(), "learned_state"),
        (base.clone().cell_clip(-1.0, 1.0), "cell_clip"),
        (base.clone().preactivation_clip(1.0), "preactivation_clip"),
        (base.clone().gru_reset(Reset::Before), "gru_reset"),
    ] {
        match kept.weights(&other) {
            Err(Error::OtherNetwork { name: found, .. }) => assert_eq!(found, name),
            result => panic!("{name}: {result:?}"),
        }
    }
    // No weight and no number depends on the layout.
    kept.weights(&base.clone().layout(wgpu_rnn::Layout::Ntc)).unwrap();
    assert_eq!(
        kept.weights(&base.merge(Merge::Sum)).unwrap_err().to_string(),
        "merge of the checkpoint's network: expected sum, found concatenate"
    );
}

/// The format of version 1: files of today are read by every later version.
#[test]
fn the_metadata_of_a_version_stay_what_they_are() {
    let config = Config::lstm(3).cell_clip(-1.0, 2.5).cell_clip_nan().input_size(2);
    let weights = Weights::init(&config, &Init::pytorch()).unwrap();
    let bytes = bytes_of(&Checkpoint::new(&weights, json!({ "step": 7 })));
    let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let mut metadata: BTreeMap<String, String> = header.metadata().clone().unwrap().into_iter().collect();
    assert_eq!(metadata.remove("checksum").unwrap().len(), 8);
    let sums: BTreeMap<String, String> = serde_json::from_str(&metadata.remove("tensors").unwrap()).unwrap();
    assert_eq!(sums["bias_hh_l0"].len(), 8);
    let network = json!({
        "activations": "none", "bias": "true", "cell_clip": "-1,2.5,nan", "cells": "lstm",
        "coupled_input_forget": "false", "directions": "forward", "gru_reset": "after", "hidden_sizes": "3",
        "input_size": "2", "layer_norm": "false", "learned_state": "false", "merge": "concatenate",
        "peepholes": "false", "preactivation_clip": "none", "proj_size": "0", "residual": "false",
    });
    let expected = [
        ("cell_clip", "-1,2.5,nan"),
        ("cells", "lstm"),
        ("format", "wgpu-rnn checkpoint"),
        ("network", &network.to_string()),
        ("state", r#"{"step":7}"#),
        ("version", "1"),
    ];
    assert_eq!(metadata, expected.map(|(key, value)| (key.to_owned(), value.to_owned())).into());
}

/// Tensors of any shape and any bits.
#[test]
fn any_array_is_read_as_it_was_written() {
    let (_folder, path) = place();
    let arrays = prop::collection::vec(prop::collection::vec(any::<u32>(), 0..40), 0..6);
    let run = |arrays: Vec<Vec<u32>>| {
        let mut made = checkpoint(&config());
        for (index, numbers) in arrays.into_iter().enumerate() {
            let numbers: Vec<f32> = numbers.into_iter().map(f32::from_bits).collect();
            let shape = [1, numbers.len()];
            let array = ArrayD::from_shape_vec(&shape[..], numbers).unwrap();
            made.tensors.insert(format!("optimizer.{index}\u{1b}\""), array.reversed_axes());
        }
        made.save(&path).unwrap();
        let read = Checkpoint::open(&path).unwrap();
        prop_assert_eq!(bits(&read), bits(&made));
        prop_assert!(load_tensors(&path).is_ok());
        Ok(())
    };
    random::runner(32).run(&arrays, run).unwrap();
}

/// Each removes the files of killed writers, and none of the files that are being written.
#[test]
fn writers_in_one_folder_do_not_disturb_each_other() {
    let (folder, _) = place();
    let made = checkpoint(&config());
    std::thread::scope(|scope| {
        for writer in 0..4 {
            let (path, made) = (folder.path().join(writer.to_string()), &made);
            scope.spawn(move || (0..15).for_each(|_| made.save(&path).unwrap()));
        }
    });
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 4);
}

/// Processes of their own, which end as the disk fills up, or are killed.
#[cfg(unix)]
mod processes {
    use super::*;
    use std::process::{Command, Stdio};
    use std::time::Duration;

    /// The variable that names the file of a child.
    const FILE: &str = "WGPU_RNN_CHECKPOINT";

    /// All numbers and the step are this one.
    fn version(step: u64) -> Checkpoint {
        let weights = Weights::init(&Config::lstm(64).input_size(8), &Init::pytorch()).unwrap();
        let mut checkpoint = Checkpoint::new(&weights, json!({ "step": step }));
        let moments: Vec<_> =
            checkpoint.tensors.iter().map(|(name, of)| (name.clone(), of.clone())).collect();
        checkpoint.tensors.extend(moments.into_iter().map(|(name, of)| (format!("optimizer.{name}"), of)));
        checkpoint.tensors.values_mut().for_each(|tensor| tensor.fill(step as f32));
        checkpoint
    }

    fn child(program: &mut Command, test: &str, path: &Path) -> Command {
        let mut command = std::mem::replace(program, Command::new("true"));
        command.args(["--exact", test, "--ignored"]).env(FILE, path);
        command.stdout(Stdio::null()).stderr(Stdio::null());
        command
    }

    fn this_program() -> PathBuf {
        std::env::current_exe().unwrap()
    }

    fn files_of(folder: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(folder).unwrap();
        entries.map(|entry| entry.unwrap().file_name().to_string_lossy().into_owned()).collect()
    }

    #[test]
    #[ignore = "a process of the test that kills it"]
    fn saves_in_a_loop() {
        let Ok(path) = std::env::var(FILE) else { return };
        let first = if Path::new(&path).exists() {
            Checkpoint::open(&path).unwrap().state["step"].as_u64().unwrap()
        } else {
            0
        };
        // Until the parent kills it.
        for step in first + 1.. {
            version(step).save(&path).unwrap();
        }
    }

    #[test]
    fn a_process_killed_at_any_moment_leaves_a_whole_file() {
        let (folder, path) = place();
        version(0).save(&path).unwrap();
        let (mut last, mut hits) = (0, 0);
        let mut random = random::seed().wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        for _ in 0..100 {
            let mut process = child(&mut Command::new(this_program()), "processes::saves_in_a_loop", &path)
                .spawn()
                .unwrap();
            random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            std::thread::sleep(Duration::from_micros(10_000 + (random >> 33) % 30_000));
            // SIGKILL.
            process.kill().unwrap();
            assert!(process.wait().unwrap().code().is_none(), "ended before it was killed");
            let beside = files_of(folder.path()).len() - 1;
            hits += usize::from(beside > 0);
            assert!(beside <= 1, "{:?}", files_of(folder.path()));
            let read = Checkpoint::open(&path).unwrap();
            let step = read.state["step"].as_u64().unwrap();
            assert!(step >= last, "{step} after {last}");
            assert!(read.tensors.values().flatten().all(|&number| number == step as f32));
            last = step;
        }
        println!("{last} saves, of which {hits} were killed");
        assert!(last > 50 && hits > 10, "{last} saves, of which {hits} were killed");
        // The next save removes the file of a killed one.
        version(last + 1).save(&path).unwrap();
        assert_eq!(files_of(folder.path()), ["run.safetensors"]);
    }

    #[test]
    #[ignore = "a process of the test of the full disk"]
    fn saves_once() {
        let Ok(path) = std::env::var(FILE) else { return };
        match version(2).save(path) {
            Err(Error::File { .. }) => std::process::exit(3),
            other => panic!("{other:?}"),
        }
    }

    /// A limit of the size of files stands for the disk: the write ends in the middle.
    #[test]
    fn a_full_disk_leaves_the_old_file() {
        let (folder, path) = place();
        version(1).save(&path).unwrap();
        let old = std::fs::read(&path).unwrap();
        let mut shell = Command::new("sh");
        shell.args(["-c", "trap '' XFSZ; ulimit -f 16; exec \"$0\" \"$@\""]).arg(this_program());
        let status = child(&mut shell, "processes::saves_once", &path).status().unwrap();
        assert_eq!(status.code(), Some(3));
        assert_eq!(std::fs::read(&path).unwrap(), old);
        assert_eq!(files_of(folder.path()), ["run.safetensors"]);
    }
}
