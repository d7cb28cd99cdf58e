//! The part of libtest-mimic's face that the library's trials use, for a page that runs them one by one; and
//! the wait that their blocking calls stand on.
//!
//! A page cannot block. WebAssembly's promise integration (JSPI) suspends a whole computation instead:
//! [`run_trial`] is called as a promise, and [`wait::block_on`] suspends it until the future is woken.

mod wait;

use std::cell::RefCell;
use std::fmt::Display;
use wasm_bindgen::prelude::wasm_bindgen;

pub use wait::{block_on, bytes_of};

/// A trial that has failed, and why.
#[derive(Clone, Debug)]
pub struct Failed(String);

impl Failed {
    pub fn message(&self) -> Option<&str> {
        Some(&self.0)
    }
}

impl<M: Display> From<M> for Failed {
    fn from(message: M) -> Failed {
        Failed(message.to_string())
    }
}

/// The arguments, of which a page has none: `main` lists the trials, and the page runs them.
#[derive(Debug)]
pub struct Arguments {
    pub list: bool,
}

impl Arguments {
    pub fn from_args() -> Arguments {
        Arguments { list: true }
    }
}

pub struct Trial {
    name: String,
    run: Option<Box<dyn FnOnce() -> Result<(), Failed>>>,
}

impl Trial {
    pub fn test(name: String, run: impl FnOnce() -> Result<(), Failed> + 'static) -> Trial {
        Trial { name, run: Some(Box::new(run)) }
    }

    #[must_use]
    pub fn with_ignored_flag(self, _: bool) -> Trial {
        self
    }
}

thread_local! {
    static TRIALS: RefCell<Vec<Trial>> = const { RefCell::new(Vec::new()) };
    /// The error of the trial that ran last: a failure's or a panic's message.
    static ERROR: RefCell<Option<String>> = const { RefCell::new(None) };
}

/// Trials that the page knows.
#[derive(Debug)]
pub struct Conclusion;

impl Conclusion {
    pub fn exit(self) {}
}

/// Tells the page of the trials.
pub fn run(_: &Arguments, trials: Vec<Trial>) -> Conclusion {
    std::panic::set_hook(Box::new(|panic| ERROR.set(Some(panic.to_string()))));
    log::set_logger(&Console).expect("the one logger");
    log::set_max_level(log::LevelFilter::Error);
    TRIALS.set(trials);
    Conclusion
}

/// Errors that the library logs, which the page's driver counts as failures.
struct Console;

impl log::Log for Console {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        metadata.level() == log::Level::Error
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            wait::console_error(&record.args().to_string());
        }
    }

    fn flush(&self) {}
}

/// The names of the trials.
#[wasm_bindgen]
pub fn names() -> Vec<String> {
    TRIALS.with_borrow(|trials| trials.iter().map(|trial| trial.name.clone()).collect())
}

/// Runs a trial. The page calls it as `WebAssembly.promising`, straight: no frame of JavaScript may lie below
/// a computation that is suspended.
#[unsafe(no_mangle)]
pub extern "C" fn run_trial(index: u32) {
    let run = TRIALS.with_borrow_mut(|trials| trials[index as usize].run.take());
    let outcome = run.expect("a trial runs once")();
    ERROR.set(outcome.err().map(|failed| failed.0));
}

/// The error of the trial that ran last.
#[wasm_bindgen]
pub fn error() -> Option<String> {
    ERROR.take()
}
