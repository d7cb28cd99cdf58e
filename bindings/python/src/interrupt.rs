//! Long calls, which Ctrl-C ends.

use crate::error;
use pyo3::prelude::*;
use std::sync::mpsc::{RecvTimeoutError, sync_channel};
use std::thread;
use std::time::Duration;

/// The time between two looks for signals.
const LOOK: Duration = Duration::from_millis(50);

/// Does work on a thread of its own, while this one looks for signals. Work whose caller was interrupted goes
/// on to its end, and nobody gets its answer.
pub fn run<T: Send + 'static>(py: Python<'_>, work: impl FnOnce() -> T + Send + 'static) -> PyResult<T> {
    let (sender, mut receiver) = sync_channel(1);
    let worker = move || {
        // Nobody waits once the caller was interrupted.
        let _ = sender.send(work());
    };
    let spawned = thread::Builder::new().name("wgpu-rnn call".into()).spawn(worker);
    spawned.map_err(|found| error::runtime(format!("thread: expected one more, found {found}"), "Thread"))?;
    loop {
        let answer;
        (receiver, answer) = py.detach(move || {
            let answer = receiver.recv_timeout(LOOK);
            (receiver, answer)
        });
        match answer {
            Ok(answer) => return Ok(answer),
            Err(RecvTimeoutError::Timeout) => py.check_signals()?,
            Err(RecvTimeoutError::Disconnected) => {
                return Err(error::runtime("call: expected an answer, found a panic".into(), "Panic"));
            }
        }
    }
}
