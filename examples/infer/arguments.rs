//! The command line, and the settings that it stands for.

#[path = "../common/sizes.rs"]
mod sizes;

use clap::{Parser, ValueEnum};
use sizes::Sizes;
use std::path::PathBuf;
use wgpu_rnn::{Activation, Config, Directions, Layout, Merge, Outputs, Reader, Reset, Weights};

/// Run a stacked, bidirectional RNN, LSTM or GRU on a GPU.
///
/// Names and shapes of the weights tell the network: cells and sizes, by layer; directions, biases,
/// projection, peepholes, layer normalisation and learned initial states. What the file states beside them
/// holds. The options tell the rest.
#[derive(Parser)]
#[command(version)]
pub struct Arguments {
    /// Weights: .safetensors, PyTorch's .pt and .pth, MXNet's .params, .npz, .onnx; `convert --inspect` tells
    /// what a file has
    #[arg(long, value_name = "FILE")]
    pub weights: PathBuf,

    /// The network that is meant, of a file with several: its path, as `encoder.lstm`, or the end of it
    #[arg(long, value_name = "NAME")]
    pub prefix: Option<String>,

    /// Cell and sizes, of a file that does not tell them (MXNet 2's one vector): lstm:100:20:2:both for H
    /// 100, I 20, two layers and both directions; proj=P for a projection
    #[arg(long, value_name = "CELL:H:I[:L][:both]")]
    pub sizes: Option<Sizes>,

    /// Input: .safetensors with `input` [T, N, I], or [T, I] for one sequence; if wished `lengths` [N],
    /// integers, and `h0` and `c0` [L*D, N, H]. Packed sequences are `data` and `batch_sizes` in the place of
    /// `input` and `lengths`. Or .npy with the input alone
    #[arg(long, value_name = "FILE")]
    pub input: PathBuf,

    /// Result: .safetensors with `output`, `h_n`, for an LSTM `c_n`, and what the options ask for; or .npy
    /// with the output alone
    #[arg(long, value_name = "FILE")]
    pub output: PathBuf,

    /// The engine; auto takes a GPU, or the CPU if there is none but a software adapter
    #[arg(long, value_enum, default_value_t = Device::Auto)]
    pub device: Device,

    /// The type of numbers. f16 is for GPUs with SHADER_F16, which store weights, states and outputs so and
    /// compute in f32: a stored number errs by up to 2^-11 of itself, by 2^-25 below 2^-14. Weight matrices,
    /// input and h0 are refused from 65520 on. f64 is for the CPU reference
    #[arg(long, value_enum, default_value_t = Dtype::F32)]
    pub dtype: Dtype,

    /// The axes of input and output, instead of those that the file states; tnc if it states none
    #[arg(long, value_enum)]
    layout: Option<Axes>,

    /// The nonlinearity of a vanilla RNN, if the weights' metadata does not tell it: relu, tanh, or another
    /// one of those below
    #[arg(long, value_name = "NAME")]
    pub activation: Option<Activation>,

    /// Other activations, as ONNX orders them: f,g,h of an LSTM; f,g of a GRU; f of an RNN; or as many for
    /// each direction. relu, tanh, sigmoid, softsign, softplus, leaky_relu:ALPHA, elu:ALPHA,
    /// thresholded_relu:ALPHA, affine:ALPHA:BETA, hard_sigmoid:ALPHA:BETA, scaled_tanh:ALPHA:BETA
    #[arg(long, value_name = "NAMES", value_delimiter = ',', conflicts_with = "activation")]
    activations: Vec<Activation>,

    /// The place of a GRU's reset gate: after the recurrent product (PyTorch, MXNet, cuDNN), or before it
    /// (ONNX's default); after, if the file does not state it
    #[arg(long, value_enum)]
    gru_reset: Option<GruReset>,

    /// Bounds an LSTM's cell state at every step (MXNet, cuDNN)
    #[arg(long, value_name = "MIN,MAX", value_delimiter = ',', num_args = 1, allow_hyphen_values = true)]
    cell_clip: Vec<f32>,

    /// With --cell-clip: a NaN becomes MIN instead of staying one
    #[arg(long)]
    cell_clip_nan: bool,

    /// Bounds what goes into the gates' activations, to both sides (ONNX clip)
    #[arg(long, value_name = "X", allow_hyphen_values = true)]
    preactivation_clip: Option<f32>,

    /// Makes an LSTM's forget gate 1 - i (ONNX input_forget)
    #[arg(long)]
    coupled_input_forget: bool,

    /// Reads sequences from their end, where the weights have one direction
    #[arg(long, alias = "backward")]
    reverse: bool,

    /// The merge of the two directions of each layer (Keras merge_mode); apart gives `output` and
    /// `output_reverse`; concatenate, if the file does not state it
    #[arg(long, value_enum)]
    merge: Option<Merging>,

    /// Each layer from the second on adds its input to its output
    #[arg(long)]
    residual: bool,

    /// Gives only what each direction ends with, [1, N, C]
    #[arg(long)]
    pub last_only: bool,

    /// Gives the last layer's cell state at every step as well: `cell_states`
    #[arg(long)]
    cell_states: bool,

    /// Gives what the layers below the last give as well: `output_l0` ...
    #[arg(long)]
    every_layer: bool,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub enum Device {
    Gpu,
    Cpu,
    Auto,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
pub enum Dtype {
    F16,
    F32,
    F64,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Axes {
    Tnc,
    Ntc,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum GruReset {
    After,
    Before,
}

#[derive(Clone, Copy, PartialEq, ValueEnum)]
enum Merging {
    #[value(alias = "concat")]
    Concatenate,
    Sum,
    #[value(alias = "ave")]
    Average,
    #[value(alias = "mul")]
    Multiply,
    #[value(alias = "none")]
    Apart,
}

impl Arguments {
    /// A reader of weights, with the sizes that are given.
    pub fn reader<'a>(&self) -> Reader<'a> {
        match &self.sizes {
            Some(Sizes(config)) => Weights::reader().config(config),
            None => Weights::reader(),
        }
    }

    /// Checks the count of numbers of each option.
    pub fn check(&self) -> Result<(), String> {
        match self.cell_clip.len() {
            0 | 2 => Ok(()),
            count => Err(format!(
                "--cell-clip: expected MIN,MAX, found {count} number{}",
                if count == 1 { "" } else { "s" }
            )),
        }
    }

    /// True if the result would take the place of the weights or of the input.
    pub fn is_output_a_source(&self) -> bool {
        let real = |path: &std::path::Path| path.canonicalize().ok();
        let output = real(&self.output);
        output.is_some() && [&self.weights, &self.input].into_iter().any(|source| real(source) == output)
    }

    /// The network that is meant, of the one that the weights tell.
    pub fn apply(&self, mut config: Config) -> Config {
        config.layout = match self.layout {
            Some(Axes::Tnc) => Layout::Tnc,
            Some(Axes::Ntc) => Layout::Ntc,
            None => config.layout,
        };
        if !self.activations.is_empty() {
            config.activations = self.activations.clone();
        }
        config.gru_reset = match self.gru_reset {
            Some(GruReset::After) => Reset::After,
            Some(GruReset::Before) => Reset::Before,
            None => config.gru_reset,
        };
        if let &[min, max] = self.cell_clip.as_slice() {
            config = config.cell_clip(min, max);
        }
        if self.cell_clip_nan {
            config = config.cell_clip_nan();
        }
        config.preactivation_clip = self.preactivation_clip.or(config.preactivation_clip);
        config.coupled_input_forget |= self.coupled_input_forget;
        if self.reverse && config.directions == Directions::Forward {
            config.directions = Directions::Reverse;
        }
        config.merge = match self.merge {
            Some(Merging::Concatenate) => Merge::Concatenate,
            Some(Merging::Sum) => Merge::Sum,
            Some(Merging::Average) => Merge::Average,
            Some(Merging::Multiply) => Merge::Multiply,
            Some(Merging::Apart) => Merge::Apart,
            None => config.merge,
        };
        config.residual |= self.residual;
        config
    }

    /// The outputs that are asked for.
    pub fn outputs(&self) -> Outputs {
        let mut outputs = Outputs::default();
        outputs.last_only = self.last_only;
        outputs.cell_states = self.cell_states;
        outputs.every_layer = self.every_layer;
        outputs
    }

    /// True if there are several arrays over time, which a file of one array cannot hold.
    pub fn gives_several(&self, config: &Config) -> bool {
        self.cell_states || self.every_layer || config.merge == Merge::Apart
    }

    /// Checks the arguments against the network of the weights.
    pub fn check_against(&self, config: &Config) -> Result<(), String> {
        if self.reverse && config.directions == Directions::Both {
            return Err("--reverse: expected weights of one direction, found two".into());
        }
        Ok(())
    }
}
