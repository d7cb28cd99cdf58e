//! Times of training steps and of all-reduces.

use crate::arguments::Bench;
use crate::ending::Failure;
use crate::ranks::Ranks;
use std::io::Write;
use std::sync::mpsc::channel;
use std::time::{Duration, Instant};
use wgpu_rnn::train::{Clip, Head, Loss, Optimizer, Targets, Trainer};
use wgpu_rnn::{Call, Config, Engine, Init, Rnn, mxnet};

/// Steps that are not measured: the first ones make arrays.
const FIRST: usize = 3;

/// Numbers of the all-reduces, in millions.
const MILLIONS: [f64; 4] = [0.05, 0.5, 5.0, 50.0];

pub fn run(arguments: &Bench, ranks: &Ranks, out: &mut dyn Write) -> Result<(), Failure> {
    let [rank, world] = ranks.place();
    let kind = if arguments.strong { "strong" } else { "weak" };
    let mut show = |line: String| if rank == 0 { writeln!(out, "{line}") } else { Ok(()) };
    show(format!("{world} ranks, {kind} scaling, ms, median (fastest)"))?;
    let bi =
        |hidden: usize, inputs: usize| Config::lstm(hidden).num_layers(2).bidirectional().input_size(inputs);
    // The network of the recordings, and one of a realistic size.
    for (name, config, steps, batch) in
        [("BiLSTM 2 x 64, T 24", bi(64, 12), 24, 28), ("BiLSTM 2 x 128, T 100", bi(128, 128), 100, 16)]
    {
        let rows = if arguments.strong { (batch / world).max(1) } else { batch };
        let (whole, sums, len) = measure(arguments, ranks, &config, [steps, rows])?;
        let per_second = [0, 1].map(|of| (rows * world) as f64 / whole[of] * 1e3);
        show(format!(
            "{name}, N {rows}, {:.2} M parameters: step {}, of it the sum {}; {:.0} ({:.0}) rows/s",
            len as f64 / 1e6,
            shown(whole),
            shown(sums),
            per_second[0],
            per_second[1],
        ))?;
    }
    if world > 1 && !arguments.strong {
        let mut sum = Ranks::sum();
        for millions in MILLIONS {
            let mut numbers = vec![1.0; (millions * 1e6) as usize];
            let mut times = Vec::new();
            for _ in 0..arguments.sums + FIRST {
                ranks.meet();
                let begun = Instant::now();
                sum(&mut numbers).map_err(|error| -> Failure { error })?;
                times.push(begun.elapsed());
            }
            show(format!("all-reduce of {millions} M parameters: {}", shown(middle(times))))?;
        }
    }
    Ok(())
}

/// Times of a step and of the sum within, and the number of parameters.
fn measure(
    arguments: &Bench,
    ranks: &Ranks,
    config: &Config,
    [steps, rows]: [usize; 2],
) -> Result<([f64; 2], [f64; 2], usize), Failure> {
    let rnn = Rnn::lazy(&Engine::cpu(), config, Init::pytorch())?;
    let trainer = Trainer::new(rnn, Head::last_states(9), Loss::cross_entropy(), Optimizer::adamw(1e-3))?;
    let mut trainer = trainer.clip(Clip::norm(1.0))?;
    let (sender, sums) = channel();
    let [_, world] = ranks.place();
    if world > 1 {
        let mut sum = Ranks::sum();
        trainer = trainer.reduce(move |numbers| {
            let begun = Instant::now();
            sum(numbers)?;
            sender.send(begun.elapsed())?;
            Ok(())
        });
    }
    let input = mxnet::Random::new(1).uniform(-1.0, 1.0, (steps, rows, config.input_size));
    let targets = Targets::Classes((0..rows as i32).map(|n| n % 9).collect());
    let mut times = Vec::new();
    ranks.meet();
    for _ in 0..arguments.steps + FIRST {
        let begun = Instant::now();
        trainer.step(&Call::new(&input), &targets)?;
        times.push(begun.elapsed());
    }
    let (weights, head) = trainer.weights()?;
    let len = weights.tensors(wgpu_rnn::Naming::PyTorch).map(|(_, tensor)| tensor.len()).sum::<usize>()
        + head.params().tensors().map(|(_, tensor)| tensor.len()).sum::<usize>();
    Ok((middle(times), middle(sums.try_iter().collect()), len))
}

/// The median and the fastest, in ms.
fn middle(times: Vec<Duration>) -> [f64; 2] {
    let mut times: Vec<f64> = times.iter().skip(FIRST).map(|time| 1e3 * time.as_secs_f64()).collect();
    times.sort_by(f64::total_cmp);
    if times.is_empty() { [0.0; 2] } else { [times[times.len() / 2], times[0]] }
}

fn shown([median, fastest]: [f64; 2]) -> String {
    format!("{median:.2} ({fastest:.2})")
}
