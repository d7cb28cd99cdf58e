//! A network with its weights, an input, and the reference's output.

use crate::configuration::Configuration;
use ndarray::{Array1, Array3, ArrayD, s};
use wgpu_rnn::{Call, Directions, Engine, Init, Naming, OutputGradients, Rnn, Weights, mxnet, reference};

/// A configuration with numbers.
pub struct Case {
    pub configuration: Configuration,
    pub weights: Weights,
    /// `[T, N, I]`
    pub input: Array3<f32>,
    /// The length of each sequence, in a case of lengths.
    pub lengths: Option<Vec<usize>>,
    /// The reference's output in f64: of so many rows of the batch, and so many steps from the first on, as
    /// it does in a few seconds. Rows know nothing of each other, nor the steps of one direction of those to
    /// come.
    pub truth: Array3<f64>,
    /// The gradient of a loss by the output, in a case of training.
    pub by_output: Option<Array3<f32>>,
}

impl Configuration {
    pub fn draw(self) -> Result<Case, wgpu_rnn::Error> {
        let weights = Weights::init(&self.config(), &Init::pytorch().seed(1))?;
        let input = mxnet::Random::new(1).uniform(-1.0, 1.0, (self.steps, self.batch, self.features));
        let (steps, rows) = self.verified();
        let part = input.slice(s![..steps, ..rows, ..]).mapv(f64::from);
        let (lengths, call) = (self.lengths(), Call::new(&part));
        let call = lengths.iter().fold(call, |call, lengths| call.lengths(&lengths[..rows]));
        let truth = reference::call(&weights.cast::<f64>(), &call)?.output;
        Ok(Case { configuration: self, weights, input, lengths, truth, by_output: None })
    }

    /// A case of training: what is verified is the gradient by the input, of all rows and steps, by the CPU
    /// engine, which the library's tests hold against the reference's tape.
    pub fn draw_training(self) -> Result<Case, wgpu_rnn::Error> {
        let weights = Weights::init(&self.config(), &Init::pytorch().seed(1))?;
        let input = mxnet::Random::new(1).uniform(-1.0, 1.0, (self.steps, self.batch, self.features));
        let width = self.directions.count() * self.size;
        let by_output = mxnet::Random::new(2).uniform(-1.0, 1.0, (self.steps, self.batch, width));
        let rnn = Rnn::new(&Engine::cpu(), weights.clone());
        let (_, mut saved) = rnn.forward_saved(&Call::new(&input))?;
        let gradients = rnn.backward(&mut saved, &OutputGradients::new().output(&by_output))?;
        let truth = gradients.input.mapv(f64::from);
        Ok(Case { configuration: self, weights, input, lengths: None, truth, by_output: Some(by_output) })
    }

    /// Steps and rows of the batch that are verified.
    fn verified(&self) -> (usize, usize) {
        let wide = self.directions.count() * self.size;
        let numbers = self.cell.gates() * self.size * (wide + self.size) * self.directions.count();
        let a_step = (numbers * self.num_layers).max(1);
        let steps = match self.directions {
            Directions::Both => self.steps,
            _ => (VERIFIED / a_step).clamp(1, self.steps),
        };
        (steps, (VERIFIED / (a_step * steps)).clamp(1, self.batch))
    }
}

/// Multiplications of the reference, at most, or a row's.
const VERIFIED: usize = 2_000_000_000;

impl Case {
    /// A weight tensor under PyTorch's name.
    pub fn tensor(&self, kind: &str, layer: usize, direction: usize) -> ArrayD<f32> {
        let suffix = ["", "_reverse"][direction];
        let name = format!("{kind}_l{layer}{suffix}");
        // Every network here has it.
        self.weights.tensor(&name).expect("a tensor of the network").to_owned()
    }

    /// Layer and direction of every slot, in order.
    pub fn slots(&self) -> impl Iterator<Item = (usize, usize)> {
        let directions = self.configuration.directions.count();
        (0..self.configuration.num_layers * directions)
            .map(move |slot| (slot / directions, slot % directions))
    }

    /// The largest distance of `[T, N, C]` from the truth.
    pub fn error(&self, output: &Array3<f32>) -> f64 {
        let (steps, rows, columns) = self.truth.dim();
        if output.dim() != (self.configuration.steps, self.configuration.batch, columns) {
            return f64::INFINITY;
        }
        let output = output.slice(s![..steps, ..rows, ..]);
        let distances = output.iter().zip(&self.truth).map(|(&ours, truth)| (f64::from(ours) - truth).abs());
        distances
            .fold(0.0, |worst, distance| if distance.is_nan() { f64::INFINITY } else { worst.max(distance) })
    }

    /// All tensors, for peers in other languages.
    pub fn tensors(&self) -> Vec<(String, ArrayD<f32>)> {
        let weights = self.weights.tensors(Naming::PyTorch).map(|(name, tensor)| (name, tensor.to_owned()));
        let by_output = self.by_output.iter().map(|by| ("by_output".to_owned(), by.clone().into_dyn()));
        let lengths = self.lengths.iter().map(|all| {
            let all: Array1<f32> = all.iter().map(|&length| length as f32).collect();
            ("lengths".to_owned(), all.into_dyn())
        });
        let input = ("input".to_owned(), self.input.clone().into_dyn());
        weights.chain([input]).chain(by_output).chain(lengths).collect()
    }
}
