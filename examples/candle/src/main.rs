//! Learns a running mean with a GRU of wgpu-rnn below a linear layer of candle: candle differentiates the loss
//! and the linear layer, and the library the GRU.
//!
//!     cargo run --release --manifest-path examples/candle/Cargo.toml

mod layer;

use candle_core::{Device, Result, Tensor, Var};
use layer::Recurrent;
use wgpu_rnn::{Config, Engine, Init, Weights, mxnet};

const STEPS: usize = 20;
const BATCH: usize = 32;
const UNITS: usize = 24;
const RATE: f64 = 0.4;

fn main() -> Result<()> {
    let engine = Engine::auto();
    println!("engine: {}", engine.name());
    let config = Config::gru(UNITS).input_size(1);
    let weights = Weights::init(&config, &Init::pytorch().seed(1)).map_err(candle_core::Error::wrap)?;
    let gru = Recurrent::new(&engine, weights);
    let flat = gru.weights();
    let count = flat.len();
    let weights = Var::from_vec(flat, count, &Device::Cpu)?;
    let drawn = mxnet::Random::new(2).uniform(-0.2, 0.2, UNITS);
    let linear = Var::from_vec(drawn.to_vec(), (UNITS, 1), &Device::Cpu)?;
    let (input, target) = running_means()?;
    let loss_of = |weights: &Tensor, linear: &Tensor| -> Result<Tensor> {
        let output = gru.forward(&input, weights)?;
        let guess = output.reshape((STEPS * BATCH, UNITS))?.matmul(linear)?;
        (guess - target.reshape((STEPS * BATCH, 1))?)?.sqr()?.mean_all()
    };

    // The gradient against central differences, along a direction drawn at random.
    let along = Tensor::rand(-1.0_f32, 1.0, count, &Device::Cpu)?;
    let gradients = loss_of(weights.as_tensor(), linear.as_tensor())?.backward()?;
    let by_weights = gradients.get(&weights).expect("the loss depends on the weights");
    let slope = (by_weights * &along)?.sum_all()?.to_scalar::<f32>()?;
    let moved = |by: f64| -> Result<f32> {
        let weights = (weights.as_tensor() + (&along * by)?)?;
        loss_of(&weights, linear.as_tensor())?.to_scalar::<f32>()
    };
    let measured = (moved(1e-2)? - moved(-1e-2)?) / 2e-2;
    println!("slope of the loss along a random direction: {slope:.5}, by central differences {measured:.5}");
    assert!((slope - measured).abs() < 2e-2 * slope.abs().max(0.1), "candle has another gradient");

    let first = loss_of(weights.as_tensor(), linear.as_tensor())?.to_scalar::<f32>()?;
    let mut last = first;
    for step in 0..=800 {
        let loss = loss_of(weights.as_tensor(), linear.as_tensor())?;
        last = loss.to_scalar::<f32>()?;
        if step % 100 == 0 {
            println!("step {step:>4}  loss {last:.5}  {}", "#".repeat((800.0 * last) as usize));
        }
        let gradients = loss.backward()?;
        for var in [&weights, &linear] {
            if let Some(gradient) = gradients.get(var) {
                var.set(&(var.as_tensor() - (gradient * RATE)?)?)?;
            }
        }
    }
    assert!(last < first / 3.0, "the loss went from {first} to {last}");
    Ok(())
}

/// Numbers from U(-1, 1), and the mean of those so far: `[T, N, 1]` each.
fn running_means() -> Result<(Tensor, Tensor)> {
    let input = mxnet::Random::new(7).uniform(-1.0, 1.0, (STEPS, BATCH, 1));
    let mut target = input.clone();
    for step in 1..STEPS {
        for row in 0..BATCH {
            let before = target[[step - 1, row, 0]] * step as f32;
            target[[step, row, 0]] = (before + input[[step, row, 0]]) / (step + 1) as f32;
        }
    }
    let shape = (STEPS, BATCH, 1);
    let tensor = |array: ndarray::Array3<f32>| {
        Tensor::from_vec(array.into_raw_vec_and_offset().0, shape, &Device::Cpu)
    };
    Ok((tensor(input)?, tensor(target)?))
}
