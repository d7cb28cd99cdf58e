//! The time of a call in Rust, which bench/overhead.py holds Python's against.
//!
//!     cargo run --release --example call -- HIDDEN_SIZE STEPS BATCH DIRECTIONS CALLS
//!
//! Prints the median in microseconds.

use ndarray::Array3;
use std::time::Instant;
use wgpu_rnn::{Config, Engine, Init, Rnn};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let sizes = std::env::args().skip(1).map(|size| size.parse());
    let sizes: Vec<usize> = sizes.collect::<Result<_, _>>()?;
    let &[hidden_size, steps, batch, directions, calls] = sizes.as_slice() else {
        return Err("expected HIDDEN_SIZE STEPS BATCH DIRECTIONS CALLS".into());
    };
    let config = Config::lstm(hidden_size).input_size(hidden_size);
    let config = if directions == 2 { config.bidirectional() } else { config };
    let rnn = Rnn::lazy(&Engine::cpu(), &config, Init::pytorch())?;
    let input = Array3::<f32>::ones((steps, batch, hidden_size));
    let mut state = None;
    let mut times = Vec::new();
    for _ in 0..calls {
        let began = Instant::now();
        let answer = rnn.forward(&input, state.as_ref())?;
        state = Some(answer.state());
        times.push(began.elapsed());
    }
    times.sort();
    println!("{}", times[calls / 2].as_secs_f64() * 1e6);
    Ok(())
}
