//! Very many calls, in a process of their own: nothing grows.
//!
//! `WGPU_RNN_SOAK` sets the number of calls, 5,000 if it is not set; `.ci/run` makes 100,000.

mod common;
#[path = "common/engines.rs"]
mod engines;

use common::case;
use engines::{Offer, Outcome, Trials};
use ndarray::Array2;
use wgpu_rnn::{Config, Engine, Rnn, Streams, inspect};

/// Parts of the calls whose growth is measured apart.
const QUARTERS: usize = 4;

/// Bytes that the heap may grow by: at 5,000 calls a leak of 13 bytes per call, at 100,000 calls of less than
/// one byte.
const MOST_KEPT: i64 = 1 << 16;

/// Bytes of resident memory that each quarter may grow by: at 100,000 calls a leak of ten bytes per call.
const MOST_GROWN: usize = 1 << 18;

fn main() {
    let mut trials = Trials::new();
    trials.add(Offer::All, "calls_in_a_row", soak);
    trials.run();
}

/// Calls in a row: no object is made, and no memory is kept.
fn soak(engine: &Engine) -> Outcome {
    let calls: usize = match std::env::var("WGPU_RNN_SOAK") {
        Ok(calls) => calls.parse()?,
        Err(_) => 5_000,
    };
    let rnn = Rnn::new(engine, case(&Config::gru(8).input_size(4), 1, 1, 33).weights);
    let mut streams = Streams::new(rnn, 4)?;
    let all = [streams.join()?, streams.join()?, streams.join()?];
    let step = Array2::from_elem((1, 4), 0.5);
    let mut run = |calls: usize| -> Outcome {
        for call in 0..calls {
            streams.call(&[(all[call % 3], step.view())])?;
        }
        Ok(())
    };
    run(2_000)?;
    let objects = inspect::objects_made(engine);
    let (mut kept, mut grown) = (0, Vec::new());
    for _ in 0..QUARTERS {
        let resident = resident_bytes()?;
        let mut outcome = Ok(());
        kept += allocation_counter::measure(|| outcome = run(calls / QUARTERS)).bytes_current;
        outcome?;
        grown.push(resident_bytes()?.saturating_sub(resident));
    }
    println!(
        "soak: {calls} calls, heap {kept} bytes more, resident memory {grown:?} more after each quarter of the calls"
    );
    if inspect::objects_made(engine) != objects {
        return Err("objects were made in the steady state".into());
    }
    // The heap of Rust code, to a byte: tables of wgpu may double once.
    if kept > MOST_KEPT {
        return Err(format!("{kept} bytes of the heap more after {calls} calls").into());
    }
    // The driver's memory. Its allocator takes a MiB now and then; a leak grows in every quarter.
    if grown.iter().all(|&bytes| bytes > MOST_GROWN) {
        return Err(format!("{grown:?} bytes of memory more after each quarter of {calls} calls").into());
    }
    Ok(())
}

/// Resident bytes of this process; 0 where the system does not tell.
fn resident_bytes() -> Result<usize, libtest_mimic::Failed> {
    match std::fs::read_to_string("/proc/self/statm") {
        Ok(pages) => Ok(pages.split(' ').nth(1).ok_or("statm has two numbers")?.parse::<usize>()? * 4096),
        Err(_) => Ok(0),
    }
}
