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

/// Bytes that the C library's heap may grow by in each quarter: at 100,000 calls a leak of less than a byte
/// per call.
const MOST_GROWN: usize = 1 << 14;

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
        let in_use = bytes_in_use();
        let mut outcome = Ok(());
        kept += allocation_counter::measure(|| outcome = run(calls / QUARTERS)).bytes_current;
        outcome?;
        grown.push(bytes_in_use().saturating_sub(in_use));
    }
    println!(
        "soak: {calls} calls, heap {kept} bytes more, the C library's {grown:?} more after each quarter"
    );
    if inspect::objects_made(engine) != objects {
        return Err("objects were made in the steady state".into());
    }
    // The heap of Rust code, to a byte: tables of wgpu may double once.
    if kept > MOST_KEPT {
        return Err(format!("{kept} bytes of the heap more after {calls} calls").into());
    }
    // The driver's memory too. It takes blocks of a MiB now and then; a leak grows in every quarter.
    if grown.iter().all(|&bytes| bytes > MOST_GROWN) {
        return Err(format!(
            "{grown:?} bytes of the C library's heap more after each quarter of {calls} calls"
        )
        .into());
    }
    Ok(())
}

/// Bytes that the C library has given out, to the driver too; 0 where the C library does not tell. Resident
/// memory tells less: glibc before 2.38 cannot reuse a freed block for an aligned one of equal size, and a
/// driver's blocks of a MiB then go on to fresh memory.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[allow(unsafe_code)]
fn bytes_in_use() -> usize {
    // SAFETY: the call takes nothing and answers with numbers.
    let info = unsafe { libc::mallinfo2() };
    info.uordblks + info.hblkhd
}

#[cfg(not(all(target_os = "linux", target_env = "gnu")))]
fn bytes_in_use() -> usize {
    0
}
