//! Files of weights, whole and broken.

use crate::{every_config, says};
use ndarray::{ArrayD, IxDyn};
use wgpu_rnn::file::{self, Tensors};
use wgpu_rnn::{Activation, Config, Error, Init, Naming, Weights};

#[test]
fn a_file_gives_back_the_network_under_both_names() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("weights.safetensors");
    for config in every_config() {
        let weights = Weights::init(&config, &Init::pytorch().seed(5)).unwrap();
        for naming in [Naming::PyTorch, Naming::Gluon] {
            weights.save(&path, naming).unwrap();
            let loaded = Weights::load(&path).unwrap();
            assert_eq!(loaded.config(), &config);
            assert_eq!(loaded, weights);
            assert_eq!(weights.to_safetensors(naming).unwrap(), std::fs::read(&path).unwrap());
        }
    }
    // Nothing is left beside it.
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
}

#[test]
fn broken_files_are_refused_and_never_written() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("weights.safetensors");
    let config = Config::lstm(5).input_size(3);
    let whole = Weights::init(&config, &Init::gluon()).unwrap().to_safetensors(Naming::PyTorch).unwrap();
    // Cut anywhere, and with a header that lies.
    for cut in (0..whole.len()).step_by(7) {
        std::fs::write(&path, &whole[..cut]).unwrap();
        let error = Weights::load(&path).unwrap_err();
        assert!(matches!(error, Error::File { .. }), "{error}");
        // The header's length and its first letter tell the kind.
        let expected = if cut > 8 { "safetensors: " } else { "file: kind: expected " };
        assert!(error.to_string().starts_with(&format!("{}: {expected}", path.display())), "{error}");
    }
    let mut lying = whole.clone();
    lying[..8].copy_from_slice(&u64::MAX.to_le_bytes());
    Weights::reader().from_bytes(&lying).unwrap_err();
    let error = Weights::load(directory.path().join("none")).unwrap_err().to_string();
    assert!(error.contains("none: cannot be read: "), "{error}");

    // A folder that is not there, or a folder in the file's place.
    let weights = Weights::reader().from_bytes(&whole).unwrap();
    weights.save(directory.path().join("no/such/folder"), Naming::PyTorch).unwrap_err();
    let error = weights.save(directory.path(), Naming::PyTorch).unwrap_err().to_string();
    assert!(error.ends_with("expected a regular file, found a directory"), "{error}");
}

#[test]
fn types_that_are_no_numbers_of_ours_are_refused() {
    let view = |shape: &[usize], bytes: &'static [u8]| {
        safetensors::tensor::TensorView::new(safetensors::Dtype::F8_E4M3, shape.to_vec(), bytes).unwrap()
    };
    let tensors = [("weight_ih_l0", view(&[3, 1], &[0; 3])), ("weight_hh_l0", view(&[3, 1], &[0; 3]))];
    let bytes = safetensors::serialize(tensors, None).unwrap();
    says(
        Weights::reader().from_bytes(&bytes),
        r#"array: "weight_ih_l0": type: expected floats or integers, found F8_E4M3"#,
    );
}

/// A file that has this header, and so many bytes of numbers.
fn with_header(header: &str, data: usize) -> Vec<u8> {
    [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &vec![0; data]].concat()
}

#[test]
fn a_name_or_a_place_that_is_there_twice_is_refused() {
    let one = r#"{"dtype":"F32","shape":[1],"data_offsets":[0,4]}"#;
    for (header, expected) in [
        (format!(r#"{{"x":{one},"x":{one}}}"#), r#"tensor "x": expected once, found twice"#),
        // The same letter, escaped.
        (format!(r#"{{"x":{one},"\u0078":{one}}}"#), r#"tensor "x": expected once, found twice"#),
        (
            format!(r#"{{"__metadata__":{{"cells":"gru","cells":"lstm"}},"x":{one}}}"#),
            r#"metadata "cells": expected one entry, found two"#,
        ),
        (
            format!(r#"{{"x":{one},"y":{one}}}"#),
            "safetensors: not a whole safetensors file: offsets of tensor \"y\": expected a start at 4, found 0 to 4",
        ),
        (
            format!(r#"{{"x":{one},"y":{{"dtype":"F32","shape":[1],"data_offsets":[2,6]}}}}"#),
            "safetensors: not a whole safetensors file: offsets of tensor \"y\": expected a start at 4, found 2 to 6",
        ),
    ] {
        let found = Weights::reader().from_bytes(&with_header(&header, 4)).unwrap_err().to_string();
        // Either of two tensors in one place may be named.
        assert_eq!(found.replace("`x`", "`y`"), expected, "{header}");
    }
    let tensor = ArrayD::<f32>::zeros(IxDyn(&[1]));
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.safetensors");
    let twice = ["x", "y", "x"].map(|name| (name.to_owned(), tensor.view()));
    says(file::save_tensors(&path, twice), r#"tensor "x": expected once, found twice"#);
    says(
        file::save_tensors(&path, [("__metadata__".to_owned(), tensor.view())]),
        r#"safetensors: tensor "__metadata__": expected another name, found the metadata's"#,
    );
    assert!(!path.exists());
    let pair = ["weight_ih_l0"; 2].map(|name| (name.to_owned(), tensor.clone()));
    says(Weights::reader().from_tensors(pair), r#"tensor "weight_ih_l0": expected once, found twice"#);
}

/// A name from a file may not move the cursor of a terminal, nor fill it.
#[test]
fn text_from_a_file_is_one_short_line() {
    let evil = "a\nb\u{1b}[2J\u{202e}c";
    let long = "x".repeat(3_000_000);
    let json = |text: &str| serde_json::to_string(text).unwrap();
    let header = |name: &str, dtype: &str, shape: &str, end: usize| {
        let name = json(name);
        format!(r#"{{{name}:{{"dtype":"{dtype}","shape":{shape},"data_offsets":[0,{end}]}}}}"#)
    };
    let network = |key: &str, value: &str| {
        let (key, value) = (json(key), json(value));
        let pair = |name: &str, from: usize| {
            format!(r#""{name}":{{"dtype":"F32","shape":[1,1],"data_offsets":[{from},{}]}}"#, from + 4)
        };
        let (ih, hh) = (pair("weight_ih_l0", 0), pair("weight_hh_l0", 4));
        with_header(&format!(r#"{{"__metadata__":{{{key}:{value}}},{ih},{hh}}}"#), 8)
    };
    let million = format!("[{}1]", "1,".repeat(1_000_000));
    for text in [evil, &long] {
        for bytes in [
            with_header(&header(text, "F32", "[1]", 4), 4),
            with_header(&header(text, "F64", "[1]", 8), 8),
            with_header(&header(text, "F32", "[1]", 5), 5),
            with_header(&header(text, "F32", "[2]", 4), 4),
            with_header(&header("x", text, "[1]", 4), 4),
            with_header(&header("weight_ih_l0", "F32", &million, 4), 4),
            with_header(&format!("{{{0}:{{{0}:{0}}}}}", json(text)), 0),
            network("cells", text),
            network("activation", text),
            network("activations", text),
        ] {
            let error = Weights::reader().from_bytes(&bytes).unwrap_err().to_string();
            assert!(error.len() < 600, "{} bytes", error.len());
            assert!(!error.contains(|c: char| c.is_control() || c == '\u{202e}'), "{error:?}");
        }
    }
    assert_eq!(file::quote(evil), r#""a\nb\u{1b}[2J\u{202e}c""#);
}

#[test]
fn a_tensor_of_another_dtype_is_told_from_none() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.safetensors");
    let view = safetensors::tensor::TensorView::new(safetensors::Dtype::I16, vec![2], &[1, 0, 255, 255]);
    std::fs::write(&path, safetensors::serialize([("input", view.unwrap())], None).unwrap()).unwrap();
    let tensors = Tensors::load(&path).unwrap();
    let error = tensors.f32("input").unwrap_err().to_string();
    assert!(
        error.ends_with(r#"x.safetensors: safetensors: tensor "input": expected F32, found I16"#),
        "{error}"
    );
    assert_eq!(tensors.integers("input").unwrap().unwrap().into_raw_vec_and_offset().0, [1, -1]);
    assert_eq!(tensors.f32("other").unwrap(), None);
    assert_eq!(tensors.names().collect::<Vec<_>>(), ["input"]);
}

#[cfg(unix)]
mod unix {
    use crate::says;
    use std::fs::{self, read_link};
    use std::os::unix::fs::symlink;
    use std::process::Command;
    use wgpu_rnn::{Weights, file};

    /// A device and a FIFO without a writer have no end.
    #[test]
    fn a_file_that_is_not_regular_is_refused() {
        let folder = tempfile::tempdir().unwrap();
        let fifo = folder.path().join("fifo");
        assert!(Command::new("mkfifo").arg(&fifo).status().unwrap().success());
        let link = folder.path().join("link");
        symlink("/dev/zero", &link).unwrap();
        for (path, found) in [
            (std::path::Path::new("/dev/zero"), "device"),
            (&link, "device"),
            (&fifo, "FIFO"),
            (folder.path(), "directory"),
        ] {
            let expected = format!("{}: expected a regular file, found a {found}", path.display());
            says(Weights::load(path), &expected);
            says(file::load_tensors(path), &expected);
            says(file::read(path), &expected);
            says(file::replace(path, b"new"), &expected);
        }
    }

    /// A link stays what it is; the file that it stands for is written, and made where there is none.
    #[test]
    fn a_link_is_followed() {
        let folder = tempfile::tempdir().unwrap();
        let at = |name: &str| folder.path().join(name);
        fs::create_dir(at("below")).unwrap();
        // Relative links begin in their own folder.
        symlink("below/second", at("first")).unwrap();
        symlink("../end", at("below/second")).unwrap();
        for text in ["new", "newer"] {
            file::replace(at("first"), text.as_bytes()).unwrap();
            assert_eq!(fs::read_to_string(at("end")).unwrap(), text);
            assert!(fs::symlink_metadata(at("end")).unwrap().is_file());
            assert_eq!(read_link(at("first")).unwrap().to_str(), Some("below/second"));
            assert_eq!(read_link(at("below/second")).unwrap().to_str(), Some("../end"));
        }
        // Nothing is left beside it.
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 3);

        symlink("b", at("a")).unwrap();
        symlink("a", at("b")).unwrap();
        let expected = format!("{}: expected a regular file, found a loop of links", at("a").display());
        says(file::replace(at("a"), b"new"), &expected);
        symlink("none/end", at("lost")).unwrap();
        let expected = format!("{}: cannot be written: entity not found", at("lost").display());
        says(file::replace(at("lost"), b"new"), &expected);
        assert_eq!(read_link(at("lost")).unwrap().to_str(), Some("none/end"));
    }
}

/// A number of f64 that f32 does not hold is refused; an infinite one stays.
#[test]
fn numbers_beyond_f32_are_refused() {
    let file = |number: f64| {
        let tensor = |len: usize, first: f64| {
            let mut numbers = vec![0.25; len];
            numbers[0] = first;
            numbers.iter().flat_map(|number: &f64| number.to_le_bytes()).collect::<Vec<u8>>()
        };
        let [w, r] = [tensor(6, number), tensor(9, 0.5)];
        let view = |shape: [usize; 2], bytes| {
            safetensors::tensor::TensorView::new(safetensors::Dtype::F64, shape.to_vec(), bytes).unwrap()
        };
        let tensors = [("weight_ih_l0", view([3, 2], &w)), ("weight_hh_l0", view([3, 3], &r))];
        safetensors::serialize(tensors, None).unwrap()
    };
    let read = |number: f64| Weights::reader().activation(Activation::Tanh).from_bytes(&file(number));
    let error = read(1e300).unwrap_err().to_string();
    assert!(error.contains("numbers of \"weight_ih_l0\": expected at most 3.4028235e38"), "{error}");
    assert!(error.ends_with("found 1e300"), "{error}");
    read(f64::INFINITY).unwrap();
    read(3.4e38).unwrap();
}
