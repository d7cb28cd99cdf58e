//! Marks of Arabic text.

use crate::{data, fails, json, succeeds};
use serde::Deserialize;

#[derive(Deserialize)]
struct Case {
    text: String,
    tags: Vec<usize>,
    marked: String,
}

#[derive(Deserialize)]
struct Tagged {
    text: String,
    characters: String,
    tags: Vec<usize>,
}

fn model() -> String {
    data("diacritize.pt").to_str().unwrap().to_owned()
}

fn cases() -> Vec<Case> {
    json("diacritize.json")
}

fn input() -> String {
    cases().iter().map(|case| format!("{}\n", case.text)).collect()
}

/// Texts of different lengths in one call get the tags that each has alone.
#[test]
fn tags_are_those_of_pytorch() {
    let cases = cases();
    let used: std::collections::BTreeSet<usize> =
        cases.iter().flat_map(|case| case.tags.iter().copied()).collect();
    assert!(cases.len() > 10 && used.len() >= 5, "{used:?}");
    for batch in ["1", "4", "100"] {
        let [out, speed] =
            succeeds("diacritize", &["--model", &model(), "--json", "--batch", batch], &input());
        let found: Vec<Tagged> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(found.len(), cases.len());
        for (found, case) in found.iter().zip(&cases) {
            assert_eq!(found.tags, case.tags, "{:?}, {batch} in a call", case.text);
            assert_eq!((&found.text, found.characters.chars().count()), (&case.marked, case.tags.len()));
        }
        let characters: usize = cases.iter().map(|case| case.tags.len()).sum();
        let told = format!("{} texts of {characters} characters in ", cases.len());
        assert!(speed.starts_with("CPU") && speed.contains(&told), "{speed}");
    }
}

#[test]
fn texts_are_lines_or_arguments() {
    let expected: String = cases().iter().map(|case| format!("{}\n", case.marked)).collect();
    assert_eq!(succeeds("diacritize", &["--model", &model()], &input())[0], expected);
    let cases = cases();
    let texts: Vec<&str> = cases.iter().map(|case| case.text.as_str()).collect();
    let model = model();
    let arguments = [&["--model", &model, "--"], &texts[..]].concat();
    assert_eq!(succeeds("diacritize", &arguments, "not read\n")[0], expected);
    assert_eq!(succeeds("diacritize", &["--model", &model], "")[0], "");
}

#[test]
fn faults_are_one_line() {
    fails("diacritize", &["--model", "none", "x"], "none: cannot be read");
    let other = data("vad.safetensors");
    let other = other.to_str().unwrap();
    fails("diacritize", &["--model", other, "x"], r#"array: expected "embedding.weight", found ""#);
}
