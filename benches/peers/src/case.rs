//! What is computed: a network, its weights, an input, and what the reference makes of them.

use ndarray::{Array3, ArrayD};
use wgpu_rnn::{Cell, Config, Directions, Init, Naming, Weights, cpu, mxnet};

/// One network and size.
#[derive(Clone, Copy)]
pub struct Configuration {
    pub name: &'static str,
    pub cell: Cell,
    pub num_layers: usize,
    pub directions: Directions,
    /// I and H.
    pub size: usize,
    /// T.
    pub steps: usize,
    /// N.
    pub batch: usize,
    /// The peers that it is for.
    pub peers: &'static [&'static str],
}

const ALL: &[&str] = &["burn-wgpu", "onnxruntime", "pytorch"];
/// rlx's loop over the sequence ends, on lavapipe, after 65,535 turns: shorter sequences, of the same networks.
const RLX: &[&str] = &["rlx-wgpu"];

const fn lstm(
    name: &'static str,
    size: usize,
    batch: usize,
    steps: usize,
    peers: &'static [&'static str],
) -> Configuration {
    Configuration {
        name,
        cell: Cell::Lstm,
        num_layers: 1,
        directions: Directions::Forward,
        size,
        steps,
        batch,
        peers,
    }
}

const fn both(one: Configuration) -> Configuration {
    Configuration { directions: Directions::Both, ..one }
}

/// The six sizes, and those at which rlx is right.
pub const CONFIGURATIONS: [Configuration; 10] = [
    lstm("LSTM 256 N1 T25", 256, 1, 25, &["burn-wgpu", "rlx-wgpu", "onnxruntime", "pytorch"]),
    both(lstm("BiLSTM 128 N16 T100", 128, 16, 100, ALL)),
    both(lstm("BiLSTM 256 N16 T50", 256, 16, 50, ALL)),
    Configuration { num_layers: 2, ..both(lstm("2x BiLSTM 128 N16 T100", 128, 16, 100, ALL)) },
    Configuration { cell: Cell::Gru, ..both(lstm("BiGRU 128 N16 T100", 128, 16, 100, ALL)) },
    lstm("LSTM 512 N32 T50", 512, 32, 50, ALL),
    both(lstm("BiLSTM 128 N16 T60", 128, 16, 60, RLX)),
    both(lstm("BiLSTM 256 N16 T30", 256, 16, 30, RLX)),
    Configuration { cell: Cell::Gru, ..both(lstm("BiGRU 128 N16 T80", 128, 16, 80, RLX)) },
    lstm("LSTM 256 N16 T30", 256, 16, 30, RLX),
];

/// A configuration with numbers.
pub struct Case {
    pub configuration: Configuration,
    pub weights: Weights,
    /// `[T, N, I]`
    pub input: Array3<f32>,
    /// The reference's output in f64.
    pub truth: Array3<f64>,
}

impl Configuration {
    pub fn draw(self) -> Result<Case, wgpu_rnn::Error> {
        let config = Config::new(self.cell, self.size)
            .num_layers(self.num_layers)
            .directions(self.directions)
            .input_size(self.size);
        let weights = Weights::init(&config, &Init::pytorch().seed(1))?;
        let input = mxnet::Random::new(1).uniform(-1.0, 1.0, (self.steps, self.batch, self.size));
        let truth = cpu::forward(&weights.cast::<f64>(), &input.mapv(f64::from), None)?.output;
        Ok(Case { configuration: self, weights, input, truth })
    }
}

impl Case {
    /// A weight tensor under PyTorch's name.
    pub fn tensor(&self, kind: &str, layer: usize, direction: usize) -> ArrayD<f32> {
        let suffix = ["", "_reverse"][direction];
        let name = format!("{kind}_l{layer}{suffix}");
        // Every network here has it.
        self.weights.tensor(&name).expect("a tensor of the network").to_owned()
    }

    /// Of a network's every slot, in order.
    pub fn slots(&self) -> impl Iterator<Item = (usize, usize)> {
        let directions = self.configuration.directions.count();
        (0..self.configuration.num_layers * directions)
            .map(move |slot| (slot / directions, slot % directions))
    }

    /// The largest distance of `[T, N, C]` from the truth.
    pub fn error(&self, output: &Array3<f32>) -> f64 {
        if output.dim() != self.truth.dim() {
            return f64::INFINITY;
        }
        let distances = output.iter().zip(&self.truth).map(|(&ours, truth)| (f64::from(ours) - truth).abs());
        distances
            .fold(0.0, |worst, distance| if distance.is_nan() { f64::INFINITY } else { worst.max(distance) })
    }

    /// All tensors, for peers in other languages.
    pub fn tensors(&self) -> Vec<(String, ArrayD<f32>)> {
        let weights = self.weights.tensors(Naming::PyTorch).map(|(name, tensor)| (name, tensor.to_owned()));
        weights.chain([("input".to_owned(), self.input.clone().into_dyn())]).collect()
    }
}
