//! Versions of one computation, each verified and then all timed in turn, and the table of them.

use crate::gpu::{Failure, Gpu, Launch};
use std::io::IsTerminal;

/// One way to compute it.
pub struct Version {
    pub name: String,
    pub launches: Vec<Launch>,
    /// Result buffers of the rung, each compared with the truth.
    pub results: Vec<wgpu::Buffer>,
    /// Bytes that it reads and writes at least.
    pub bytes: u64,
    /// Whether it is the library's own.
    pub ships: bool,
}

pub struct Ladder {
    pub title: String,
    pub versions: Vec<Version>,
    pub truth: Vec<f64>,
    pub tolerance: f64,
    pub flops: u64,
    /// Time steps in it, to tell the time of one.
    pub steps: usize,
}

impl Ladder {
    /// Verifies, times and prints those whose names contain `only`.
    pub fn run(&mut self, gpu: &Gpu, rounds: usize, only: &str) -> Result<(), Failure> {
        self.versions.retain(|version| version.name.contains(only));
        for version in &self.versions {
            gpu.time(&version.launches)?;
            self.verify(gpu, version)
                .map_err(|error| format!("{}, {}: {error}", self.title, version.name))?;
        }
        let mut times = vec![Vec::new(); self.versions.len()];
        for _ in 0..rounds {
            for (version, times) in self.versions.iter().zip(&mut times) {
                times.push(gpu.time(&version.launches)?);
            }
        }
        let head = format!(
            "{:<34} {:>10} {:>10} {:>15} {:>7} {:>10} {:>8}",
            self.title, "median ms", "fastest ms", "GFLOP/s (best)", "GB/s", "dispatches", "faster"
        );
        println!("{}", paint(&head, "1"));
        let mut first = None;
        for (version, mut times) in self.versions.iter().zip(times) {
            times.sort_by(f64::total_cmp);
            let steps = self.steps as f64;
            let (median, fastest) = (times[times.len() / 2] / steps, times[0] / steps);
            let flops = self.flops as f64 / steps;
            let plainest = *first.get_or_insert(median);
            let line = format!(
                "{:<34} {:>10.3} {:>10.3} {:>15} {:>7.2} {:>10} {:>7.1}x",
                version.name,
                1e3 * median,
                1e3 * fastest,
                format!("{:.2} ({:.2})", flops / median / 1e9, flops / fastest / 1e9),
                version.bytes as f64 / steps / median / 1e9,
                version.launches.len() / self.steps,
                plainest / median,
            );
            println!("{}", if version.ships { paint(&line, "32") } else { line });
        }
        println!();
        Ok(())
    }

    fn verify(&self, gpu: &Gpu, version: &Version) -> Result<(), Failure> {
        let mut numbers: Vec<f32> = Vec::new();
        for buffer in &version.results {
            numbers.extend(gpu.read::<f32>(buffer)?);
        }
        if numbers.len() != self.truth.len() {
            return Err(format!("{} numbers, expected {}", numbers.len(), self.truth.len()).into());
        }
        let errors = numbers.iter().zip(&self.truth).map(|(&ours, truth)| (f64::from(ours) - truth).abs());
        // A NaN is the worst of all.
        let worst = errors.fold(0.0, |worst: f64, error| if error <= worst { worst } else { error });
        if worst <= self.tolerance { Ok(()) } else { Err(format!("off by {worst:e}").into()) }
    }
}

/// In a terminal, with a style by its number in the ANSI escapes.
pub fn paint(text: &str, style: &str) -> String {
    if std::io::stdout().is_terminal() { format!("\x1b[{style}m{text}\x1b[0m") } else { text.to_owned() }
}

/// `[K, C]` as the library's kernels read it: `[C/4/BLOCK, K/4, BLOCK]` of 4 columns by 4 k.
pub fn in_blocks(matrix: &ndarray::ArrayView2<'_, f32>) -> Vec<f32> {
    let block = wgpu_rnn::inspect::BLOCK;
    let (depth, columns) = (matrix.nrows() / 4, (matrix.ncols() / 4).next_multiple_of(block));
    let mut packed = vec![0.0; 16 * depth * columns];
    for ((k, column), &number) in matrix.indexed_iter() {
        let vector = column / 4;
        let at = (vector / block * depth + k / 4) * block + vector % block;
        packed[16 * at + 4 * (column % 4) + k % 4] = number;
    }
    packed
}
