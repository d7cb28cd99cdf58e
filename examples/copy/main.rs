//! A task that needs a long memory and both directions: a network with gates learns it, a vanilla one does
//! not.

mod adding;
mod arguments;
#[path = "../common/choices.rs"]
mod choices;
#[path = "../common/curve.rs"]
mod curve;
#[path = "../common/display.rs"]
mod display;
#[path = "../common/ending.rs"]
mod ending;
mod learn;

use adding::BLIND_ERROR;
use arguments::Arguments;
use choices::Cell;
use clap::Parser;
use display::{GREEN_TEXT, Line, Panel, RED_TEXT, paint};
use ending::Failure;
use plotters::style::{BLACK, BLUE, RED, RGBColor};
use std::io::Write;
use std::process::ExitCode;
use std::time::{Duration, Instant};

/// The error up to which the task is solved: a standard deviation of 0.1 for sums from 0 to 2.
const SOLVED: f64 = 0.01;

/// Colours of the networks' curves.
const COLOURS: [RGBColor; 2] = [BLUE, RED];

/// Numbers of a batch at most.
const NUMBERS: usize = 1 << 26;

/// A network that has learnt.
struct Learnt {
    cell: Cell,
    curve: Vec<(f64, f64)>,
    error: f64,
    time: Duration,
}

impl Learnt {
    fn is_solved(&self) -> bool {
        self.error <= SOLVED
    }
}

fn main() -> ExitCode {
    env_logger::init();
    ending::run(|out| run(&Arguments::parse(), out))
}

fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<ExitCode, Failure> {
    let numbers = arguments.steps.saturating_mul(arguments.batch);
    if numbers > NUMBERS {
        return Err(format!("--steps times --batch: expected at most {NUMBERS}, found {numbers}").into());
    }
    let (engine, settings) = (arguments.device.engine()?, arguments.settings());
    let mut all = Vec::new();
    for cell in arguments.cells() {
        let (bar, begun) = (display::bar(&format!("{cell:<4} update"), arguments.updates, 0), Instant::now());
        let mut errors = Vec::new();
        let error = learn::learn(&settings, cell, &engine, |update, error| {
            errors.push(error);
            let last = curve::newest(&errors);
            bar.set_position(update);
            bar.set_message(format!("error {last:.4}"));
        })?;
        bar.finish();
        all.push(Learnt { cell, curve: curve::points(&errors), error, time: begun.elapsed() });
    }
    let has_colours = display::has_colours();
    writeln!(out, "cell   error on the test   seconds")?;
    for learnt in &all {
        let colour = if learnt.is_solved() { GREEN_TEXT } else { RED_TEXT };
        let error = paint(has_colours, colour, format_args!("{:>17.4}", learnt.error));
        writeln!(out, "{:<4}   {error}   {:>7.1}", learnt.cell, learnt.time.as_secs_f64())?;
    }
    writeln!(out, "{}", verdict(arguments, &all, engine.name()))?;
    if let Some(path) = &arguments.plot {
        plot(path, &all, arguments.updates)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn plot(path: &std::path::Path, all: &[Learnt], updates: u64) -> Result<(), Failure> {
    let blind = [(0.0, BLIND_ERROR), (updates as f64, BLIND_ERROR)];
    let mut lines = vec![Line { name: "always 1".into(), colour: BLACK, points: &blind }];
    for (learnt, colour) in all.iter().zip(COLOURS) {
        lines.push(Line { name: learnt.cell.to_string(), colour, points: &learnt.curve });
    }
    let (x, y, most) = ("update", "mean squared error", 1.5 * BLIND_ERROR);
    display::plot(path, &[Panel { x, y, most, lines, spans: &[] }])
}

/// Who solved the task.
fn verdict(arguments: &Arguments, all: &[Learnt], engine: &str) -> String {
    let each = |learnt: &Learnt| {
        let solved = if learnt.is_solved() { "solved" } else { "not solved" };
        format!("{} {:.4} ({solved})", learnt.cell, learnt.error)
    };
    let all: Vec<String> = all.iter().map(each).collect();
    let (steps, seed, all) = (arguments.steps, arguments.seed, all.join(", "));
    let blind = format!("{BLIND_ERROR:.4} is the error of always answering 1");
    format!("adding over {steps} steps: {all}; {blind} (seed {seed}, engine {engine})")
}
