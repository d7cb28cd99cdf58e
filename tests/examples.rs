//! The parts of the examples `copy` and `ctc`: their sequences, the edits between strings, and that their
//! networks learn.

#[path = "../examples/common/choices.rs"]
#[allow(dead_code, reason = "the examples use the rest")]
mod choices;

#[path = "../examples/copy/adding.rs"]
mod adding;
#[path = "../examples/ctc/edits.rs"]
mod edits;
#[path = "../examples/ctc/tones.rs"]
mod tones;

#[path = "../examples/copy/learn.rs"]
mod learn_adding;
#[path = "../examples/ctc/learn.rs"]
mod learn_strings;

use adding::{BLIND_ERROR, sequences};
use choices::Cell;
use edits::{Edit, edits, error_rate};
use ndarray::s;
use tones::{BLANK, CLASSES, strings};
use wgpu_rnn::Engine;

/// The mean of so many losses at the start and at the end.
const MEAN_OF: usize = 5;

#[test]
fn sums_are_those_of_the_marked_numbers() {
    for steps in [2, 3, 20] {
        let batch = sequences(3, 5, steps, 9);
        for n in 0..9 {
            let marked = |part: std::ops::Range<usize>| -> Vec<usize> {
                part.filter(|&t| batch.input[[t, n, 1]] == 1.0).collect()
            };
            let halves = [marked(0..steps / 2), marked(steps / 2..steps)];
            assert_eq!(halves.each_ref().map(Vec::len), [1, 1], "{steps} steps, sequence {n}");
            let sum = halves.concat().iter().map(|&t| batch.input[[t, n, 0]]).sum::<f32>();
            assert!(batch.answers.slice(s![.., n, 0]).iter().all(|&answer| answer == sum));
        }
        assert!(batch.input.iter().all(|number| (0.0..=1.0).contains(number)));
    }
}

#[test]
fn the_blind_error_is_that_of_the_answer_1() {
    let batch = sequences(0, 0, 2, 20_000);
    let squares = batch.answers.iter().map(|answer| f64::from(answer - 1.0).powi(2));
    let error = squares.sum::<f64>() / batch.answers.len() as f64;
    assert!((error - BLIND_ERROR).abs() < 0.003, "{error}");
}

#[test]
fn batches_depend_on_seed_and_number() {
    let one = sequences(1, 2, 10, 3);
    assert_eq!(one, sequences(1, 2, 10, 3));
    assert_ne!(one, sequences(2, 2, 10, 3));
    assert_ne!(one, sequences(1, 3, 10, 3));
    let one = strings(1, 2, 3, 5, 0.2);
    assert_eq!(one, strings(1, 2, 3, 5, 0.2));
    assert_ne!(one.input, strings(2, 2, 3, 5, 0.2).input);
    assert_ne!(one.input, strings(1, 3, 3, 5, 0.2).input);
}

/// Without noise the tones tell the string.
#[test]
fn tones_are_those_of_the_digits() {
    const KEYS: [[i32; 3]; 4] = [[1, 2, 3], [4, 5, 6], [7, 8, 9], [-1, 0, -1]];
    let batch = strings(4, 0, 40, 6, 0.0);
    let (mut seen, mut equal_neighbours) = ([false; CLASSES], 0);
    for (n, label) in batch.labels.iter().enumerate() {
        let (mut read, mut was_silent) = (Vec::new(), true);
        for t in 0..batch.input.dim().0 {
            let levels = batch.input.slice(s![t, n, ..]);
            let heard: Vec<usize> = (0..7).filter(|&feature| levels[feature] > 0.0).collect();
            assert!(t < batch.lengths[n] || heard.is_empty(), "a tone past the end");
            if let (&[low, high], true) = (&heard[..], was_silent) {
                read.push(KEYS[low][high - 4] + 1);
            }
            was_silent = heard.is_empty();
        }
        assert_eq!(read, *label, "string {n}");
        assert!((1..=6).contains(&label.len()));
        label.iter().for_each(|&class| seen[class as usize] = true);
        equal_neighbours += label.windows(2).filter(|pair| pair[0] == pair[1]).count();
    }
    assert!(seen[BLANK + 1..].iter().all(|&is_seen| is_seen) && !seen[BLANK]);
    assert!(equal_neighbours > 0);
}

#[test]
fn edits_are_the_fewest() {
    let of = |text: &str| -> Vec<i32> { text.bytes().map(i32::from).collect() };
    // Levenshtein distances as they are published, and the ends of strings.
    let cases = [
        ("kitten", "sitting", 3),
        ("saturday", "sunday", 3),
        ("intention", "execution", 5),
        ("flaw", "lawn", 2),
        ("same", "same", 0),
        ("", "abc", 3),
        ("abc", "", 3),
        ("", "", 0),
    ];
    for (expected, found, count) in cases {
        let (expected, found) = (of(expected), of(found));
        let edits = edits(&expected, &found);
        let differing = edits.iter().filter(|edit| !matches!(edit, Edit::Same(_))).count();
        assert_eq!(differing, count, "{expected:?}, {found:?}");
        let read = edits.iter().filter_map(|&edit| match edit {
            Edit::Same(class) | Edit::Other(class) | Edit::Extra(class) => Some(class),
            Edit::Missing(_) => None,
        });
        assert_eq!(read.collect::<Vec<_>>(), found);
    }
}

#[test]
fn the_error_rate_is_by_places() {
    let expected = [vec![1, 2, 3], vec![4], vec![]];
    assert_eq!(error_rate(&expected, &expected), 0.0);
    assert_eq!(error_rate(&expected, &[vec![1, 3], vec![5, 4], vec![]]), 0.5);
    assert_eq!(error_rate(&[vec![]], &[vec![]]), 0.0);
}

/// The mean loss falls by a part at least.
fn assert_falls(losses: &[f64], part: f64) {
    let mean = |losses: &[f64]| losses.iter().sum::<f64>() / losses.len() as f64;
    let (first, last) = (mean(&losses[..MEAN_OF]), mean(&losses[losses.len() - MEAN_OF..]));
    assert!(last < (1.0 - part) * first, "{first} at the start, {last} at the end");
}

#[test]
fn adding_is_learnt() {
    let settings =
        learn_adding::Settings { hidden: 8, steps: 6, batch: 32, updates: 300, seed: 0, learning_rate: 0.03 };
    for cell in [Cell::Lstm, Cell::Gru, Cell::Rnn] {
        let mut losses = Vec::new();
        let mut watch = |update, loss| {
            losses.push(loss);
            assert_eq!(update, losses.len() as u64);
        };
        let error = learn_adding::learn(&settings, cell, &Engine::cpu(), &mut watch).unwrap();
        assert_eq!(losses.len(), 300);
        assert_falls(&losses, 0.8);
        assert!(error < 0.5 * BLIND_ERROR, "{cell}: {error}");
    }
}

#[test]
fn strings_are_learnt() {
    let settings = learn_strings::Settings {
        cell: Cell::Gru,
        hidden: 12,
        digits: 1,
        noise: 0.1,
        batch: 16,
        updates: 120,
        seed: 0,
        learning_rate: 0.03,
    };
    let mut losses = Vec::new();
    let learnt = learn_strings::learn(&settings, &Engine::cpu(), |_, loss| losses.push(loss));
    assert_falls(&losses, 0.7);
    let test = learn_strings::Test::new(&settings, &mut learnt.unwrap(), 2).unwrap();
    assert_eq!((test.expected.len(), test.found.len()), (32, 32));
    assert!(test.error_rate() < 0.5, "{}", test.error_rate());
}
