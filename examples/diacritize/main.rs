//! A tagger from end to end: Arabic text gets the marks of its vowels, by the network of arabic-diacritizer.
//!
//!     python3 examples/fetch.py diacritize
//!     cargo run --release --example diacritize -- --model models/bilstm_best.pt "بسم الله الرحمن الرحيم"

mod alphabet;
mod arguments;
#[allow(dead_code, reason = "other examples use the rest")]
#[path = "../common/choices.rs"]
mod choices;
#[path = "../common/ending.rs"]
mod ending;
mod model;
#[path = "../common/shaped.rs"]
mod shaped;

use arguments::Arguments;
use clap::Parser;
use ending::Failure;
use model::Tagger;
use std::io::{BufRead, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

fn main() -> ExitCode {
    env_logger::init();
    ending::run(|out| run(&Arguments::parse(), out).map(|()| ExitCode::SUCCESS))
}

fn run(arguments: &Arguments, out: &mut dyn Write) -> Result<(), Failure> {
    let engine = arguments.device.engine()?;
    let tagger = Tagger::open(&arguments.model, &engine)?;
    let mut lines = lines(&arguments.texts);
    let (mut texts, mut characters, mut time) = (0, 0, Duration::ZERO);
    loop {
        let batch: Vec<String> = lines.by_ref().take(arguments.batch).collect::<Result<_, _>>()?;
        if batch.is_empty() {
            break;
        }
        let begun = Instant::now();
        let stripped: Vec<Vec<char>> = batch.iter().map(|text| alphabet::strip(text)).collect();
        let tags = tagger.tags(&stripped)?;
        time += begun.elapsed();
        for (text, tags) in stripped.iter().zip(&tags) {
            let marked = alphabet::marked(text, tags);
            if arguments.json {
                let text: String = text.iter().collect();
                writeln!(out, "{}", serde_json::json!({ "text": marked, "characters": text, "tags": tags }))?;
            } else {
                writeln!(out, "{marked}")?;
            }
        }
        texts += batch.len();
        characters += stripped.iter().map(Vec::len).sum::<usize>();
    }
    let seconds = time.as_secs_f64();
    let speed = format!("{texts} texts of {characters} characters in {seconds:.3} s");
    let _ = writeln!(std::io::stderr(), "{}: {speed}", engine.name());
    Ok(())
}

/// The texts of the command line, or the lines of standard input as they come.
fn lines(texts: &[String]) -> Box<dyn Iterator<Item = Result<String, Failure>> + '_> {
    if !texts.is_empty() {
        return Box::new(texts.iter().map(|text| Ok(text.clone())));
    }
    let named = |error| format!("standard input: cannot be read: {error}").into();
    Box::new(std::io::stdin().lock().lines().map(move |line| line.map_err(named)))
}
