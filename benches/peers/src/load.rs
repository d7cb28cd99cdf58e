//! The load of the machine before a measurement.

use std::fs;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// The window over which the load is measured.
const WINDOW: Duration = Duration::from_millis(500);

/// The share of busy time, at most, of a quiet machine.
const QUIET: f64 = 0.05;

/// The longest wait for a quiet machine.
const PATIENCE: Duration = Duration::from_secs(20);

/// Waits until the machine is quiet, but not forever. The share of busy time of all cores in the last window;
/// none where the system does not tell.
pub fn wait_for_quiet() -> Option<f64> {
    let start = Instant::now();
    loop {
        let before = busy_and_all()?;
        sleep(WINDOW);
        let after = busy_and_all()?;
        let share = (after[0] - before[0]) / (after[1] - before[1]).max(1.0);
        if share <= QUIET || start.elapsed() > PATIENCE {
            return Some(share);
        }
    }
}

/// Busy time and all time of all cores since the start of the system, in Linux's ticks.
fn busy_and_all() -> Option<[f64; 2]> {
    let text = fs::read_to_string("/proc/stat").ok()?;
    // user, nice, system, idle, iowait, irq, softirq, steal
    let ticks: Vec<f64> = text
        .lines()
        .next()?
        .split_whitespace()
        .skip(1)
        .take(8)
        .filter_map(|word| word.parse().ok())
        .collect();
    let all: f64 = ticks.iter().sum();
    Some([all - ticks.get(3)? - ticks.get(4)?, all])
}
