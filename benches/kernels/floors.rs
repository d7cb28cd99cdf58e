//! The best that the adapter can do, to hold the kernels against.

use crate::gpu::{Failure, Gpu, Launch, Source, unrolled};
use std::rc::Rc;

/// Measured in the same run as the kernels.
pub struct Floors {
    /// Seconds of a dispatch in a chain, each after the one before.
    pub dispatch: f64,
    /// Seconds of one submit with one dispatch, and the wait for it.
    pub submit: f64,
    /// Bytes a second, read from a buffer that no cache holds.
    pub bandwidth: f64,
    /// Floating-point operations per second.
    pub flops: f64,
}

const CHAIN: usize = 500;
/// Numbers of the buffer that is read: 64 MiB.
const NUMBERS: usize = 16 << 20;
const INVOCATIONS: usize = 1 << 14;
/// Turns of the loop of multiplications, and what is in each.
const TURNS: usize = 256;
const WRITTEN_OUT: usize = 32;

impl Floors {
    pub fn measure(gpu: &Gpu, rounds: usize) -> Result<Floors, Failure> {
        let launch = |wgsl: &str, arrays, overrides: &[(&str, f64)], buffers: &[&wgpu::Buffer], groups| {
            let kernel = gpu.kernel(&Source { wgsl, arrays, immediates: 0, overrides });
            let group = gpu.bind(&kernel, &[], buffers);
            Launch { kernel: Rc::clone(&kernel), group, immediates: Vec::new(), workgroups: [groups, 1, 1] }
        };
        let groups = (INVOCATIONS / 64) as u32;
        let data = gpu.buffer(&vec![0.25; 4 * INVOCATIONS]);
        let empty = launch(include_str!("floor_empty.wgsl"), (0, 1), &[], &[&data], 1);
        let numbers = gpu.zeros(NUMBERS);
        let sums = gpu.zeros(4 * INVOCATIONS);
        let read = launch(include_str!("floor_read.wgsl"), (1, 1), &[], &[&numbers, &sums], groups);
        let text = unrolled(include_str!("floor_multiply.wgsl"), WRITTEN_OUT);
        let multiply = launch(&text, (0, 1), &[("TURNS", TURNS as f64)], &[&data], groups);
        let jobs = [vec![empty.clone()], vec![empty; CHAIN], vec![read], vec![multiply]];
        let mut times = vec![Vec::new(); jobs.len()];
        for round in 0..=rounds {
            for (job, times) in jobs.iter().zip(&mut times) {
                let time = gpu.time(job)?;
                // The first makes what is made but once.
                if round > 0 {
                    times.push(time);
                }
            }
        }
        let median = |which: usize| {
            let mut times = times[which].clone();
            times.sort_by(f64::total_cmp);
            times[times.len() / 2]
        };
        Ok(Floors {
            submit: median(0),
            dispatch: (median(1) - median(0)) / (CHAIN - 1) as f64,
            bandwidth: 4.0 * NUMBERS as f64 / (median(2) - median(0)),
            flops: (INVOCATIONS * TURNS * WRITTEN_OUT * 2 * 4 * 2) as f64 / (median(3) - median(0)),
        })
    }
}

impl std::fmt::Display for Floors {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "floors: {:.2} us a dispatch in a chain, {:.0} us a submit and its wait, reads {:.2} GB/s, {:.1} GFLOP/s",
            1e6 * self.dispatch,
            1e6 * self.submit,
            self.bandwidth / 1e9,
            self.flops / 1e9
        )
    }
}
