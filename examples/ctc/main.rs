//! Strings of digits from touch tones in noise: CTC, greedy decoding, and the error rate on fresh strings.

mod arguments;
#[path = "../common/choices.rs"]
mod choices;
#[path = "../common/curve.rs"]
mod curve;
#[path = "../common/display.rs"]
mod display;
mod edits;
#[path = "../common/ending.rs"]
mod ending;
mod learn;
mod tones;

use arguments::Arguments;
use clap::Parser;
use display::{GREEN_TEXT, Line, Panel, RED_TEXT, paint};
use edits::{Edit, edits};
use ending::Failure;
use learn::Test;
use plotters::style::BLUE;
use std::io::Write;
use std::process::ExitCode;

/// Batches of the test.
const TEST_BATCHES: u64 = 16;

/// Strings that are shown.
const SHOWN: usize = 8;

/// Digits of a batch at most.
const DIGITS: usize = 1 << 20;

fn main() -> ExitCode {
    env_logger::init();
    ending::run(|out| run(&Arguments::parse(), out))
}

fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<ExitCode, Failure> {
    let digits = arguments.digits.saturating_mul(arguments.batch);
    if digits > DIGITS {
        return Err(format!("--digits times --batch: expected at most {DIGITS}, found {digits}").into());
    }
    let (engine, settings) = (arguments.device.engine()?, arguments.settings());
    let (bar, mut losses) = (display::bar("update", arguments.updates, 0), Vec::new());
    let mut trainer = learn::learn(&settings, &engine, |update, loss| {
        losses.push(loss);
        bar.set_position(update);
        bar.set_message(format!("loss {:.4}", curve::newest(&losses)));
    })?;
    bar.finish();
    let test = Test::new(&settings, &mut trainer, TEST_BATCHES)?;
    let has_colours = display::has_colours();
    writeln!(out, "string, and what was read (_: missing; in brackets: too much)")?;
    for (expected, found) in test.expected.iter().zip(&test.found).take(SHOWN) {
        let width = arguments.digits;
        let string: String = expected.iter().map(|class| digit(*class)).collect();
        let read: String = edits(expected, found).iter().map(|edit| shown(edit, has_colours)).collect();
        writeln!(out, "{string:<width$}  {read}")?;
    }
    let (rate, seed, name) = (test.error_rate(), arguments.seed, engine.name());
    writeln!(out, "label error rate {rate:.3} (seed {seed}, engine {name})")?;
    if let Some(path) = &arguments.plot {
        let points = curve::points(&losses);
        let most = points.iter().map(|point| point.1).fold(1e-9, f64::max);
        let lines = vec![Line { name: "training".into(), colour: BLUE, points: &points }];
        display::plot(path, &[Panel { x: "update", y: "loss", most, lines, spans: &[] }])?;
    }
    Ok(ExitCode::SUCCESS)
}

/// The digit of a class.
fn digit(class: i32) -> String {
    (class - 1).to_string()
}

fn shown(edit: &Edit, has_colours: bool) -> String {
    match *edit {
        Edit::Same(class) => paint(has_colours, GREEN_TEXT, digit(class)),
        Edit::Other(class) => paint(has_colours, RED_TEXT, digit(class)),
        Edit::Extra(class) => paint(has_colours, RED_TEXT, format_args!("[{}]", digit(class))),
        Edit::Missing(_) => paint(has_colours, RED_TEXT, "_"),
    }
}
