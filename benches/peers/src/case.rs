//! What is computed: a network, its weights, an input, and what the reference makes of them.

use ndarray::{Array3, ArrayD, s};
use wgpu_rnn::{
    Activation, Call, Cell, Config, Directions, Engine, Init, Naming, OutputGradients, Rnn, Weights, mxnet,
    reference,
};

/// One network and size.
#[derive(Clone, Copy)]
pub struct Configuration {
    pub name: &'static str,
    pub cell: Cell,
    pub num_layers: usize,
    pub directions: Directions,
    /// H.
    pub size: usize,
    /// I.
    pub features: usize,
    /// T.
    pub steps: usize,
    /// N.
    pub batch: usize,
    /// The peers that it is for.
    pub peers: &'static [&'static str],
}

const ALL: &[&str] = &["burn-wgpu", "onnxruntime", "pytorch"];
/// rlx's loop over the sequence ends, on lavapipe, after 65,535 turns: shorter sequences, of the same
/// networks.
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
        features: size,
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

/// The configurations whose training is measured: forward and backward.
pub const TRAINING: [&str; 4] =
    ["BiLSTM 128 N16 T100", "BiLSTM 256 N16 T50", "BiGRU 128 N16 T100", "LSTM 512 N32 T50"];

/// What cuDNN is known by, for an NVIDIA card: Baidu's DeepBench, and a network of speech recognition.
pub const CUDNN: &[&str] = &["cudnn-f32", "cudnn-tf32", "cudnn-f16"];

/// Cell, H, T and each N of DeepBench's recurrent layers, forward: the training list, and then the server's
/// inference list.
const DEEPBENCH: [(Cell, usize, usize, &[usize]); 53] = [
    (Cell::Vanilla(Activation::Relu), 1760, 50, &[16, 32, 64, 128]),
    (Cell::Vanilla(Activation::Relu), 2048, 50, &[16, 32, 64, 128]),
    (Cell::Vanilla(Activation::Relu), 2560, 50, &[16, 32, 64, 128]),
    (Cell::Lstm, 512, 25, &[16, 32, 64, 128]),
    (Cell::Lstm, 1024, 25, &[16, 32, 64, 128]),
    (Cell::Lstm, 2048, 25, &[16, 32, 64, 128]),
    (Cell::Lstm, 4096, 25, &[16, 32, 64, 128]),
    (Cell::Lstm, 1536, 50, &[8, 16, 32]),
    (Cell::Lstm, 256, 150, &[16, 32, 64]),
    (Cell::Gru, 2816, 1500, &[32]),
    (Cell::Gru, 2816, 750, &[32]),
    (Cell::Gru, 2816, 375, &[32]),
    (Cell::Gru, 2816, 187, &[32]),
    (Cell::Gru, 2560, 1500, &[32]),
    (Cell::Gru, 2560, 750, &[32]),
    (Cell::Gru, 2560, 375, &[32]),
    (Cell::Gru, 2560, 187, &[32]),
    (Cell::Gru, 2048, 1500, &[32]),
    (Cell::Gru, 2048, 750, &[32]),
    (Cell::Gru, 2048, 375, &[32]),
    (Cell::Gru, 2048, 187, &[32]),
    (Cell::Gru, 1536, 1500, &[32]),
    (Cell::Gru, 1536, 750, &[32]),
    (Cell::Gru, 1536, 375, &[32]),
    (Cell::Gru, 1536, 187, &[32]),
    (Cell::Gru, 512, 1, &[32]),
    (Cell::Gru, 1024, 1500, &[32, 64]),
    // Inference.
    (Cell::Lstm, 512, 25, &[1, 2, 4]),
    (Cell::Lstm, 1024, 25, &[1, 2, 4]),
    (Cell::Lstm, 2048, 25, &[1, 2, 4]),
    (Cell::Lstm, 1536, 50, &[1, 2, 4]),
    (Cell::Lstm, 256, 150, &[1, 2, 4]),
    (Cell::Gru, 2816, 1500, &[1, 2, 4]),
    (Cell::Gru, 2816, 750, &[1, 2, 4]),
    (Cell::Gru, 2816, 375, &[1, 2, 4]),
    (Cell::Gru, 2816, 187, &[1, 2, 4]),
    (Cell::Gru, 2560, 1500, &[1, 2, 4]),
    (Cell::Gru, 2560, 750, &[1, 2, 4]),
    (Cell::Gru, 2560, 375, &[1, 2, 4]),
    (Cell::Gru, 2560, 187, &[1, 2, 4]),
    (Cell::Gru, 2048, 1500, &[1, 2, 4]),
    (Cell::Gru, 2048, 750, &[1, 2, 4]),
    (Cell::Gru, 2048, 375, &[1, 2, 4]),
    (Cell::Gru, 2048, 187, &[1, 2, 4]),
    (Cell::Gru, 1536, 1500, &[1, 2, 4]),
    (Cell::Gru, 1536, 750, &[1, 2, 4]),
    (Cell::Gru, 1536, 375, &[1, 2, 4]),
    (Cell::Gru, 1536, 187, &[1, 2, 4]),
    (Cell::Gru, 512, 1, &[1, 2, 4]),
    (Cell::Gru, 1024, 1500, &[1, 2, 4]),
    // Inference on a device.
    (Cell::Vanilla(Activation::Relu), 32, 672, &[1]),
    (Cell::Vanilla(Activation::Relu), 64, 96, &[1]),
    (Cell::Lstm, 256, 150, &[1]),
];

/// Those of an NVIDIA card.
pub fn for_cudnn() -> Vec<Configuration> {
    let mut all = vec![Configuration {
        num_layers: 4,
        features: 123,
        ..both(lstm("4x BiLSTM 320 N32 T1000", 320, 32, 1000, CUDNN))
    }];
    for (cell, size, steps, batches) in DEEPBENCH {
        for &batch in batches {
            let name = format!("DeepBench {} {size} N{batch} T{steps}", cell.name());
            // A name for the whole run; the list has one twice.
            if all.iter().all(|other| other.name != name) {
                all.push(Configuration { cell, ..lstm(name.leak(), size, batch, steps, CUDNN) });
            }
        }
    }
    all
}

/// A configuration with numbers.
pub struct Case {
    pub configuration: Configuration,
    pub weights: Weights,
    /// `[T, N, I]`
    pub input: Array3<f32>,
    /// The reference's output in f64: of so many rows of the batch, and so many steps from the first on, as
    /// it does in a few seconds. Rows know nothing of each other, nor the steps of one direction of those to
    /// come.
    pub truth: Array3<f64>,
    /// The gradient of a loss by the output, in a case of training.
    pub by_output: Option<Array3<f32>>,
}

impl Configuration {
    pub fn draw(self) -> Result<Case, wgpu_rnn::Error> {
        let config = Config::new(self.cell, self.size)
            .num_layers(self.num_layers)
            .directions(self.directions)
            .input_size(self.features);
        let weights = Weights::init(&config, &Init::pytorch().seed(1))?;
        let input = mxnet::Random::new(1).uniform(-1.0, 1.0, (self.steps, self.batch, self.features));
        let (steps, rows) = self.verified();
        let part = input.slice(s![..steps, ..rows, ..]).mapv(f64::from);
        let truth = reference::forward(&weights.cast::<f64>(), &part, None)?.output;
        Ok(Case { configuration: self, weights, input, truth, by_output: None })
    }

    /// A case of training: what is verified is the gradient by the input, of all rows and steps, by the CPU
    /// engine, which the library's tests hold against the reference's tape.
    pub fn draw_training(self) -> Result<Case, wgpu_rnn::Error> {
        let config = Config::new(self.cell, self.size)
            .num_layers(self.num_layers)
            .directions(self.directions)
            .input_size(self.features);
        let weights = Weights::init(&config, &Init::pytorch().seed(1))?;
        let input = mxnet::Random::new(1).uniform(-1.0, 1.0, (self.steps, self.batch, self.features));
        let width = self.directions.count() * self.size;
        let by_output = mxnet::Random::new(2).uniform(-1.0, 1.0, (self.steps, self.batch, width));
        let rnn = Rnn::new(&Engine::cpu(), weights.clone());
        let (_, mut saved) = rnn.forward_saved(&Call::new(&input))?;
        let gradients = rnn.backward(&mut saved, &OutputGradients::new().output(&by_output))?;
        let truth = gradients.input.mapv(f64::from);
        Ok(Case { configuration: self, weights, input, truth, by_output: Some(by_output) })
    }
}

impl Configuration {
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

    /// Of a network's every slot, in order.
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
        weights.chain([("input".to_owned(), self.input.clone().into_dyn())]).chain(by_output).collect()
    }
}
