//! Silero's network: a spectrum by convolution, four convolutions, an LSTM, and a layer that gives one number.
//!
//! Sound comes in chunks. The convolutions know a chunk and the end of the one before; the LSTM's state is
//! all that is carried on. So the network runs on live sound as it does on a file.

use crate::ending::Failure;
use crate::shaped::shaped;
use ndarray::{Array1, Array2, Array3, ArrayView2, Axis, Ix3, Zip, s};
use std::path::Path;
use wgpu_rnn::file::{Arrays, Limits};
use wgpu_rnn::{Engine, Rnn, Stream, Streams, Weights};

/// Strides of the convolutions after the spectrum.
const STRIDES: [usize; 4] = [1, 2, 2, 1];

/// Steps that a convolution looks at, and zeros on both sides of its input.
const TAPS: usize = 3;
const PADDING: usize = 1;

/// The names of the arrays in a file.
struct Names {
    basis: &'static str,
    convolutions: [&'static str; 4],
    lstm: &'static str,
    last: &'static str,
}

/// The names in silero_vad_16k.safetensors, and of the same layers in silero_vad.jit.
const NAMES: [Names; 2] = [
    Names {
        basis: "stft_conv.weight",
        convolutions: ["conv1", "conv2", "conv3", "conv4"],
        lstm: "lstm_cell",
        last: "final_conv",
    },
    Names {
        basis: "_model.stft.forward_basis_buffer",
        convolutions: [
            "_model.encoder.0.reparam_conv",
            "_model.encoder.1.reparam_conv",
            "_model.encoder.2.reparam_conv",
            "_model.encoder.3.reparam_conv",
        ],
        lstm: "_model.decoder.rnn",
        last: "_model.decoder.decoder.2",
    },
];

pub struct Vad {
    /// The cosines and sines of the spectrum, `[2 * frequencies, window]`.
    basis: Array2<f32>,
    convolutions: Vec<Convolution>,
    streams: Streams,
    stream: Stream,
    /// The layer behind the LSTM, `[H]`, and its bias.
    last: (Array1<f32>, f32),
    /// The end of the chunk before.
    context: Vec<f32>,
}

impl Vad {
    /// Reads the network. All sizes are told by the file.
    pub fn open(path: &Path, engine: &Engine) -> Result<Vad, Failure> {
        let arrays = Arrays::open(path, Limits::default())?;
        let is_of = |names: &&Names| arrays.names().any(|name| name == names.basis);
        let names = NAMES.iter().find(is_of).unwrap_or(&NAMES[0]);
        let window = arrays.array::<f32, Ix3>(names.basis)?.len_of(Axis(2));
        let mut channels = window / 2 + 1;
        let basis: Array3<f32> = shaped(path, &arrays, names.basis, &[2 * channels, 1, window])?;
        let mut convolutions = Vec::new();
        for (name, stride) in names.convolutions.into_iter().zip(STRIDES) {
            let convolution = Convolution::open(path, &arrays, name, channels, stride)?;
            channels = convolution.bias.len();
            convolutions.push(convolution);
        }
        let weights = Weights::reader().prefix(names.lstm.to_owned()).load(path)?;
        let (input, hidden) = (weights.config().input_size, weights.config().hidden_size);
        if input != channels {
            let expected = format!("expected {channels} features of the convolutions, found {input}");
            return Err(format!("{}: {}: {expected}", path.display(), names.lstm).into());
        }
        let named = |part: &str| format!("{}.{part}", names.last);
        let weight: Array3<f32> = shaped(path, &arrays, &named("weight"), &[1, hidden, 1])?;
        let bias: Array1<f32> = shaped(path, &arrays, &named("bias"), &[1])?;
        let mut streams = Streams::new(Rnn::new(engine, weights), 1)?;
        let stream = streams.join()?;
        let last = (weight.slice_move(s![0, .., 0]), bias[0]);
        let basis = basis.index_axis_move(Axis(1), 0);
        Ok(Vad { basis, convolutions, streams, stream, last, context: vec![0.0; window / 4] })
    }

    fn window(&self) -> usize {
        self.basis.ncols()
    }

    /// Samples of a chunk: 512, which are 32 ms.
    pub fn chunk(&self) -> usize {
        2 * self.window()
    }

    /// Runs the network before there is any sound, since a first call makes pipelines.
    pub fn warm_up(&mut self) -> Result<(), Failure> {
        self.hear(&vec![0.0; self.chunk()])?;
        self.context.fill(0.0);
        Ok(self.streams.reset(self.stream)?)
    }

    /// The probability of speech in the next chunk of sound.
    pub fn hear(&mut self, chunk: &[f32]) -> Result<f32, Failure> {
        let (window, context) = (self.window(), self.context.len());
        let mut sound = [&self.context, chunk].concat();
        self.context.copy_from_slice(&sound[sound.len() - context..]);
        // The end, mirrored about the last sample.
        let end = sound.len() - 1;
        sound.extend((1..=window / 4).map(|back| sound[end - back]).collect::<Vec<_>>());

        let mut features = self.spectrum(&sound);
        for convolution in &self.convolutions {
            features = convolution.apply(features.view());
        }
        // Four windows of the spectrum have become one step.
        let outputs = self.streams.call(&[(self.stream, features.t())])?;
        let (weight, bias) = &self.last;
        let logit = outputs[0].row(0).mapv(|h| h.max(0.0)).dot(weight) + bias;
        Ok(1.0 / (1.0 + (-logit).exp()))
    }

    /// The strength of each frequency in windows that overlap by half, `[frequencies, windows]`.
    fn spectrum(&self, sound: &[f32]) -> Array2<f32> {
        let (window, hop) = (self.window(), self.window() / 2);
        let shape = (window, (sound.len() - window) / hop + 1);
        let parts = self.basis.dot(&Array2::from_shape_fn(shape, |(at, number)| sound[number * hop + at]));
        let (cosines, sines) = parts.view().split_at(Axis(0), parts.nrows() / 2);
        Zip::from(cosines).and(sines).map_collect(|cosine, sine| cosine.hypot(*sine))
    }
}

/// A convolution over time with three taps, and ReLU.
struct Convolution {
    /// `[out, in * TAPS]`.
    weight: Array2<f32>,
    bias: Array1<f32>,
    stride: usize,
}

impl Convolution {
    fn open(
        path: &Path,
        arrays: &Arrays,
        name: &str,
        channels: usize,
        stride: usize,
    ) -> Result<Convolution, Failure> {
        let bias: Array1<f32> = arrays.array(&format!("{name}.bias"))?;
        let (out, name) = (bias.len(), format!("{name}.weight"));
        let weight: Array3<f32> = shaped(path, arrays, &name, &[out, channels, TAPS])?;
        Ok(Convolution { weight: weight.into_shape_with_order((out, channels * TAPS))?, bias, stride })
    }

    /// `[in, T]` to `[out, T / stride]`: one product with the neighbourhoods of all steps side by side.
    fn apply(&self, input: ArrayView2<'_, f32>) -> Array2<f32> {
        let (channels, steps) = input.dim();
        let mut padded = Array2::zeros((channels, steps + 2 * PADDING));
        padded.slice_mut(s![.., PADDING..PADDING + steps]).assign(&input);
        let shape = (channels * TAPS, (steps - 1) / self.stride + 1);
        let near = |(row, step)| padded[[row / TAPS, step * self.stride + row % TAPS]];
        let output =
            self.weight.dot(&Array2::from_shape_fn(shape, near)) + self.bias.view().insert_axis(Axis(1));
        output.mapv_into(|x| x.max(0.0))
    }
}
