//! Networks whose weights are drawn.

use super::read;
use crate::error::{self, Result, argument};
use crate::promise::promise;
use crate::rnn::{Rnn, engine};
use js_sys::Promise;
use serde::Deserialize;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use wgpu_rnn::{Activation, Cell, Config, Directions, Init, Layout, Merge, Naming, Reset, Weights};

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
/** The sizes and options of a network. OPTIONS.md of the Rust crate has the equations. */
export interface NetworkOptions {
  /** The cell, an LSTM by default; "rnn:ACTIVATION" for a vanilla RNN with another activation. */
  cell?: "lstm" | "gru" | "rnn_tanh" | "rnn_relu" | `rnn:${string}`;
  /** I: features of the input. */
  inputSize: number;
  /** H: units of each layer and direction. */
  hiddenSize: number;
  /** L, 1 by default. */
  numLayers?: number;
  bidirectional?: boolean;
  /** Read the sequence from its end alone. */
  reverse?: boolean;
  /** The merge of two directions: side by side, by default. */
  merge?: "concatenate" | "sum" | "average" | "multiply";
  /** P: units that an LSTM's hidden state is projected to. */
  projSize?: number;
  /** False for gates without biases. */
  bias?: boolean;
  /** Arrays are [N, T, I]. */
  batchFirst?: boolean;
  /** Layers from the second on add their input to their output. */
  residual?: boolean;
  /** Activations in ONNX's order, where they are not the cell's own. */
  activations?: string[];
  /** A GRU's reset gate acts before the recurrent product. */
  resetBefore?: boolean;
  peepholes?: boolean;
  coupledInputForget?: boolean;
  layerNorm?: boolean;
  /** The bounds of an LSTM's cell state. */
  cellClip?: [number, number];
  /** The bound of the arguments of the gates' activations. */
  preactivationClip?: number;
  /** The initial state is learnt. */
  learnedState?: boolean;
  /** The seed of the weights, which are drawn as PyTorch draws them; 0 by default. */
  seed?: number;
  /** As in `LoadOptions`. */
  engine?: "auto" | "gpu" | "cpu";
}
"#;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
struct NetworkOptions {
    #[serde(default = "lstm")]
    cell: String,
    input_size: usize,
    hidden_size: usize,
    #[serde(default = "one")]
    num_layers: usize,
    #[serde(default)]
    bidirectional: bool,
    #[serde(default)]
    reverse: bool,
    merge: Option<MergeOption>,
    #[serde(default)]
    proj_size: usize,
    #[serde(default = "yes")]
    bias: bool,
    #[serde(default)]
    batch_first: bool,
    #[serde(default)]
    residual: bool,
    #[serde(default)]
    activations: Vec<String>,
    #[serde(default)]
    reset_before: bool,
    #[serde(default)]
    peepholes: bool,
    #[serde(default)]
    coupled_input_forget: bool,
    #[serde(default)]
    layer_norm: bool,
    cell_clip: Option<[f32; 2]>,
    preactivation_clip: Option<f32>,
    #[serde(default)]
    learned_state: bool,
    #[serde(default)]
    seed: u64,
    engine: Option<String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
enum MergeOption {
    Concatenate,
    Sum,
    Average,
    Multiply,
}

fn lstm() -> String {
    Cell::Lstm.to_string()
}

fn one() -> usize {
    1
}

fn yes() -> bool {
    true
}

impl NetworkOptions {
    fn config(&self) -> Result<Config> {
        let cell: Cell = self.cell.parse().map_err(error::of)?;
        let mut config =
            Config::new(cell, self.hidden_size).num_layers(self.num_layers).input_size(self.input_size);
        config = match (self.bidirectional, self.reverse) {
            (true, true) => return Err(argument("reverse", "a network that is not bidirectional", "both")),
            (true, false) => config.bidirectional(),
            (false, true) => config.directions(Directions::Reverse),
            (false, false) => config,
        };
        if let Some(merge) = self.merge {
            config = config.merge(match merge {
                MergeOption::Concatenate => Merge::Concatenate,
                MergeOption::Sum => Merge::Sum,
                MergeOption::Average => Merge::Average,
                MergeOption::Multiply => Merge::Multiply,
            });
        }
        let activations: wgpu_rnn::Result<Vec<Activation>> =
            self.activations.iter().map(|name| name.parse()).collect();
        config.activations = activations.map_err(error::of)?;
        if let Some([min, max]) = self.cell_clip {
            config = config.cell_clip(min, max);
        }
        config.proj_size = self.proj_size;
        config.bias = self.bias;
        config.layout = if self.batch_first { Layout::Ntc } else { Layout::Tnc };
        config.residual = self.residual;
        config.gru_reset = if self.reset_before { Reset::Before } else { Reset::After };
        config.peepholes = self.peepholes;
        config.coupled_input_forget = self.coupled_input_forget;
        config.layer_norm = self.layer_norm;
        config.preactivation_clip = self.preactivation_clip;
        config.learned_state = self.learned_state;
        Ok(config)
    }
}

#[wasm_bindgen]
impl Rnn {
    /// Makes a network whose weights are drawn, as PyTorch draws them.
    #[wasm_bindgen(unchecked_return_type = "Promise<Rnn>")]
    pub fn create(#[wasm_bindgen(unchecked_param_type = "NetworkOptions")] options: JsValue) -> Promise {
        promise(read("options", &options).map(|options: NetworkOptions| async move {
            let config = options.config()?;
            let weights = Weights::init(&config, &Init::pytorch().seed(options.seed)).map_err(error::of)?;
            Ok(Rnn(wgpu_rnn::Rnn::new(&engine(options.engine.as_deref()).await?, weights)))
        }))
    }

    /// The weights as a safetensors file, by PyTorch's names.
    pub fn save(&self) -> Result<Vec<u8>> {
        let weights = self.0.weights().ok_or_else(|| error::of(wgpu_rnn::Error::InputSizeOpen))?;
        weights.to_safetensors(Naming::PyTorch).map_err(error::of)
    }
}
