//! A litmus test: can workgroups wait for each other, as a kernel that stays for all time steps would need?

use crate::floors::Floors;
use crate::gpu::{Failure, Gpu, Launch, Source, unrolled};
use crate::ladder::paint;

/// Meetings in one dispatch.
const ROUNDS: usize = 100;

/// Turns of all of a workgroup's waits together; with those of other loops fewer than lavapipe's 65,535.
const TURNS: usize = 32_768;

/// Additions that a turn passes its time with: all turns together take longer than an operating system takes
/// to let a waiting thread run.
const IDLE: usize = 16;

pub const WORKGROUPS: [usize; 7] = [1, 2, 3, 4, 8, 16, 64];

pub fn run(gpu: &Gpu, floors: &Floors, runs: usize) -> Result<(), Failure> {
    println!("{ROUNDS} meetings a dispatch, {runs} dispatches each, at most {TURNS} turns of waiting");
    let head = format!(
        "{:<10} {:>10} {:>12} {:>12} {:>14} {:>12} {:>14}",
        "meet by", "workgroups", "completed", "wrong", "us a meeting", "dispatches", "ms given up"
    );
    println!("{}", paint(&head, "1"));
    for by_value in [false, true] {
        for workgroups in WORKGROUPS {
            let line = meet(gpu, floors, by_value, workgroups, runs)?;
            println!("{line}");
        }
    }
    println!(
        "dispatches: a meeting's time by that of a dispatch in a chain ({:.2} us)\n",
        1e6 * floors.dispatch
    );
    Ok(())
}

fn meet(
    gpu: &Gpu,
    floors: &Floors,
    by_value: bool,
    workgroups: usize,
    runs: usize,
) -> Result<String, Failure> {
    let lens = [1, ROUNDS * workgroups, 2 * workgroups, 1, 1, 1, workgroups];
    let buffers = lens.map(|len| gpu.zeros(len));
    let bound = buffers.each_ref();
    // One meeting beside many, so that the rest of a dispatch can be left out.
    let [one, many] = [1, ROUNDS].map(|rounds| {
        let by_value = f64::from(u8::from(by_value));
        let kernel = gpu.kernel(&Source {
            wgsl: &unrolled(include_str!("persistent.wgsl"), IDLE),
            arrays: (0, 7),
            immediates: 0,
            overrides: &[("ROUNDS", rounds as f64), ("TURNS", TURNS as f64), ("BY_VALUE", by_value)],
        });
        let group = gpu.bind(&kernel, &[], &bound);
        [Launch { kernel, group, immediates: Vec::new(), workgroups: [workgroups as u32, 1, 1] }]
    });
    let (mut done, mut given_up, mut wrong) = (Vec::new(), Vec::new(), 0);
    for _ in 0..runs {
        gpu.clear(&bound);
        let start = gpu.time(&one)?;
        gpu.clear(&bound);
        let time = gpu.time(&many)?;
        wrong += gpu.read::<u32>(&buffers[4])?[0];
        if gpu.read::<u32>(&buffers[5])?[0] as usize == workgroups {
            done.push((time - start) / (ROUNDS - 1) as f64);
        } else {
            given_up.push(time);
        }
    }
    let completed = format!("{:.0}%", 100.0 * done.len() as f64 / runs as f64);
    let [meeting, given_up] = [done, given_up].map(|mut times| {
        times.sort_by(f64::total_cmp);
        times.get(times.len() / 2).copied()
    });
    let number = |time: Option<f64>, unit: f64| time.map_or("-".into(), |time| format!("{:.2}", time / unit));
    Ok(format!(
        "{:<10} {workgroups:>10} {completed:>12} {wrong:>12} {:>14} {:>12} {:>14}",
        if by_value { "value" } else { "counter" },
        number(meeting, 1e-6),
        number(meeting, floors.dispatch),
        number(given_up, 1e-3)
    ))
}
