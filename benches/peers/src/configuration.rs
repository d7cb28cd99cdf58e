//! The networks and sizes that are measured.

use wgpu_rnn::{Activation, Cell, Config, Directions};

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
    /// The length of the shortest sequence, where sequences have lengths from there to T.
    pub shortest: Option<usize>,
    /// A call computes one step, and the state is carried from call to call.
    pub is_streamed: bool,
    /// The peers that it is for.
    pub peers: &'static [&'static str],
}

const ALL: &[&str] = &["burn-wgpu", "onnxruntime-webgpu", "onnxruntime", "pytorch"];
const ALL_AND_RLX: &[&str] = &["burn-wgpu", "rlx-wgpu", "onnxruntime-webgpu", "onnxruntime", "pytorch"];
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
        shortest: None,
        is_streamed: false,
        peers,
    }
}

const fn both(one: Configuration) -> Configuration {
    Configuration { directions: Directions::Both, ..one }
}

/// Kokoro's layer: a BiLSTM of 256 units on 640 features.
const fn kokoro(name: &'static str, steps: usize) -> Configuration {
    Configuration { features: 640, ..both(lstm(name, 256, 1, steps, ALL_AND_RLX)) }
}

/// The six sizes, those at which rlx is right, and the layers of real models.
pub const CONFIGURATIONS: [Configuration; 16] = [
    lstm("LSTM 256 N1 T25", 256, 1, 25, ALL_AND_RLX),
    both(lstm("BiLSTM 128 N16 T100", 128, 16, 100, ALL)),
    both(lstm("BiLSTM 256 N16 T50", 256, 16, 50, ALL)),
    Configuration { num_layers: 2, ..both(lstm("2x BiLSTM 128 N16 T100", 128, 16, 100, ALL)) },
    Configuration { cell: Cell::Gru, ..both(lstm("BiGRU 128 N16 T100", 128, 16, 100, ALL)) },
    lstm("LSTM 512 N32 T50", 512, 32, 50, ALL),
    both(lstm("BiLSTM 128 N16 T60", 128, 16, 60, RLX)),
    both(lstm("BiLSTM 256 N16 T30", 256, 16, 30, RLX)),
    Configuration { cell: Cell::Gru, ..both(lstm("BiGRU 128 N16 T80", 128, 16, 80, RLX)) },
    lstm("LSTM 256 N16 T30", 256, 16, 30, RLX),
    kokoro("Kokoro T50", 50),
    kokoro("Kokoro T200", 200),
    kokoro("Kokoro T500", 500),
    Configuration { is_streamed: true, ..lstm("Silero, a step", 128, 1, 512, ALL_AND_RLX) },
    lstm("Silero T512", 128, 1, 512, ALL_AND_RLX),
    Configuration {
        num_layers: 3,
        shortest: Some(8),
        ..both(lstm("tagger N32 T8-64", 256, 32, 64, ALL_AND_RLX))
    },
];

/// The configurations whose training is measured: forward and backward.
pub const TRAINING: [&str; 4] =
    ["BiLSTM 128 N16 T100", "BiLSTM 256 N16 T50", "BiGRU 128 N16 T100", "LSTM 512 N32 T50"];

/// PyTorch with cuDNN, by the type that numbers are computed in.
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

/// The networks that are measured beside cuDNN: Baidu's DeepBench, and a network of speech recognition.
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

impl Configuration {
    pub fn config(&self) -> Config {
        Config::new(self.cell, self.size)
            .num_layers(self.num_layers)
            .directions(self.directions)
            .input_size(self.features)
    }

    /// The calls in a run.
    pub fn calls(&self) -> f64 {
        if self.is_streamed { self.steps as f64 } else { 1.0 }
    }

    /// The length of each sequence, from the shortest to T, unsorted.
    pub fn lengths(&self) -> Option<Vec<usize>> {
        // Has no factor in common with N, so that every row comes once.
        const STRIDE: usize = 13;
        let shortest = self.shortest?;
        let at = |row: usize| row * STRIDE % self.batch;
        let length = |row| shortest + (self.steps - shortest) * at(row) / (self.batch - 1);
        Some((0..self.batch).map(length).collect())
    }
}
