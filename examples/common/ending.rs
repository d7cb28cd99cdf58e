//! The way a program ends: by its exit code, in one line if something is wrong, without a word if nobody
//! listens.

use std::error::Error;
use std::io::{ErrorKind, Write};
use std::process::ExitCode;

/// Characters of an error that are shown.
const LINE: usize = 1_000;

pub type Failure = Box<dyn Error>;

/// The exit code after an error.
const FAILED: u8 = 2;

/// The exit code that a shell gives for a program that SIGPIPE has ended.
const CLOSED_PIPE: u8 = 128 + 13;

/// Runs a program that writes to standard output.
///
/// The program ends quietly if nobody reads that any more, as in `| head`.
pub fn run(program: impl FnOnce(&mut dyn Write) -> Result<ExitCode, Failure>) -> ExitCode {
    program(&mut std::io::stdout().lock()).unwrap_or_else(|error| fail(&*error))
}

/// Says what is wrong on standard error, if that can be written.
fn fail(error: &(dyn Error + 'static)) -> ExitCode {
    // Errors of the library and of files name what they are about: a bare one is standard output's.
    let error = match error.downcast_ref::<std::io::Error>() {
        Some(closed) if closed.kind() == ErrorKind::BrokenPipe => return ExitCode::from(CLOSED_PIPE),
        Some(other) => format!("standard output: cannot be written: {}", other.kind()),
        None => one_line(&error.to_string()),
    };
    let _ = writeln!(std::io::stderr(), "error: {error}");
    ExitCode::from(FAILED)
}

/// A driver's message may have several lines, a path any character, and another crate's message a whole file.
fn one_line(text: &str) -> String {
    let line = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let mut shown = String::new();
    for c in line.chars().take(LINE) {
        // Quotes are printable as they are.
        if matches!(c, '"' | '\'' | '\\') { shown.push(c) } else { shown.extend(c.escape_debug()) }
    }
    if line.chars().nth(LINE).is_some() { shown + "..." } else { shown }
}
