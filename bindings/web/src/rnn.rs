//! A network of a file, and its calls.

use crate::arrays::{check_names, from_js, object, option, sizes, to_js};
use crate::error::{self, Result, argument};
use js_sys::{Reflect, Uint8Array};
use ndarray::{Array3, Ix3};
use std::cell::RefCell;
use std::thread::LocalKey;
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use wgpu_rnn::{Activation, Call, Directions, Engine, Layout, Output, Outputs, State, Weights};

#[wasm_bindgen(typescript_custom_section)]
const TYPES: &str = r#"
/** The network of a file, and the place where it is computed. */
export interface LoadOptions {
  /** The network, of a file with several: a module path, a node's or a layer's name. */
  prefix?: string;
  /** The activation of a vanilla RNN, where the file does not tell: "tanh", "relu" and others. */
  activation?: string;
  /** "gpu", "cpu", or "auto", the default: the GPU, or the CPU where there is none but in software. */
  engine?: "auto" | "gpu" | "cpu";
}

/** The state of a network: h of shape [L*D, N, H], and c of an LSTM. */
export interface State {
  h: Array32;
  c?: Array32;
}

/** What a call takes beside its input. */
export interface CallOptions {
  /** The length of each sequence, N of them. Output past a sequence's end is zero. */
  lengths?: ArrayLike<number> & Iterable<number>;
  /** The state to start from; zeros, or the learned state, by default. */
  state?: State;
  /** The last step's output alone, of shape [1, N, C]. */
  lastOnly?: boolean;
  /** An LSTM's cell states at every step, too. */
  cellStates?: boolean;
  /** The output of every layer, too. */
  everyLayer?: boolean;
}

/** The results of a call. */
export interface Output {
  /** [T, N, D*H], or [N, T, D*H] of a network that is batch first. */
  output: Array32;
  /** The other direction, of a network whose directions stay apart. */
  outputReverse?: Array32;
  /** [T, N, D*H] of the last layer, if it was asked for. */
  cellStates?: Array32;
  /** The outputs of the layers below the last, from the lowest on, if they were asked for. */
  lower?: Array32[];
  state: State;
  /** The adapter, or the CPU. */
  engine: string;
}
"#;

/// A recurrent network: weights of a file, on an engine.
#[wasm_bindgen]
pub struct Rnn(pub(crate) wgpu_rnn::Rnn);

#[wasm_bindgen]
impl Rnn {
    /// Reads the network of a file: safetensors, PyTorch's .pt, MXNet's .params, .npz, ONNX, Keras.
    pub async fn load(
        bytes: Vec<u8>,
        #[wasm_bindgen(unchecked_optional_param_type = "LoadOptions")] options: JsValue,
    ) -> Result<Rnn> {
        check_names(&options, &["prefix", "activation", "engine"])?;
        let text = |name: &str| match option(&options, name) {
            None => Ok(None),
            Some(value) => {
                value.as_string().map(Some).ok_or_else(|| argument(name, "a string", "another value"))
            }
        };
        let (prefix, activation) = (text("prefix")?, text("activation")?);
        let weights = match is_safetensors(&bytes) {
            true => read(&bytes, prefix, activation)?,
            false => {
                let converted = to_safetensors(Uint8Array::from(&bytes[..]), prefix, activation).await?;
                read(&Uint8Array::from(converted).to_vec(), None, None)?
            }
        };
        let engine = engine(text("engine")?.as_deref()).await?;
        Ok(Rnn(wgpu_rnn::Rnn::new(&engine, weights)))
    }

    /// The adapter, or the CPU.
    #[wasm_bindgen(getter)]
    pub fn engine(&self) -> String {
        self.0.engine().name().to_owned()
    }

    /// The cell: "lstm", "gru", "rnn_tanh", "rnn_relu" and others.
    #[wasm_bindgen(getter)]
    pub fn cell(&self) -> String {
        self.0.config().cell.to_string()
    }

    /// The features of the input, I.
    #[wasm_bindgen(getter, js_name = inputSize)]
    pub fn input_size(&self) -> usize {
        self.0.config().input_size
    }

    /// Units of each layer and direction, H.
    #[wasm_bindgen(getter, js_name = hiddenSize)]
    pub fn hidden_size(&self) -> usize {
        self.0.config().hidden_size
    }

    /// The features of the output, D*H of directions side by side.
    #[wasm_bindgen(getter, js_name = outputSize)]
    pub fn output_size(&self) -> usize {
        self.0.config().output_size()
    }

    /// Layers, L.
    #[wasm_bindgen(getter, js_name = numLayers)]
    pub fn num_layers(&self) -> usize {
        self.0.config().num_layers
    }

    /// The network reads the sequence both ways.
    #[wasm_bindgen(getter)]
    pub fn bidirectional(&self) -> bool {
        self.0.config().directions == Directions::Both
    }

    /// Input and output have the batch first: [N, T, I].
    #[wasm_bindgen(getter, js_name = batchFirst)]
    pub fn batch_first(&self) -> bool {
        self.0.config().layout == Layout::Ntc
    }

    /// Computes an input of shape [T, N, I], or [N, T, I] of a network that is batch first.
    #[wasm_bindgen(unchecked_return_type = "Output")]
    pub async fn forward(
        &self,
        #[wasm_bindgen(unchecked_param_type = "Array32")] input: JsValue,
        #[wasm_bindgen(unchecked_optional_param_type = "CallOptions")] options: JsValue,
    ) -> Result<JsValue> {
        let given = Given::new(&input, &options)?;
        let output = self.0.call_async(&given.call()).await.map_err(error::of)?;
        Ok(to_output(&output))
    }

    /// Makes all that a call of T steps and N sequences needs, so that the first such call waits for nothing.
    #[wasm_bindgen(js_name = warmUp)]
    pub async fn warm_up(&self, steps: usize, batch: usize) -> Result<()> {
        self.0.warm_up_async(steps, batch).await.map_err(error::of)
    }
}

// Other kinds of files, by a module that is loaded when it is needed.
#[wasm_bindgen(inline_js = r#"
let module;

// Node's fetch reads no files.
async function source() {
  const address = new URL("../../wgpu_rnn_formats_bg.wasm", import.meta.url);
  if (address.protocol !== "file:" || typeof process !== "object") return address;
  const files = "node:fs/promises"; // A name that no bundler looks for.
  return (await import(files)).readFile(address);
}

async function load() {
  try {
    const formats = await import("../../wgpu_rnn_formats.js");
    await formats.default({ module_or_path: await source() });
    return formats;
  } catch (error) {
    module = undefined;
    throw Object.assign(new Error(`wgpu_rnn_formats: cannot be loaded: ${error.message}`), { code: "Module" });
  }
}

export async function to_safetensors(bytes, prefix, activation) {
  module ??= load();
  return (await module).toSafetensors(bytes, prefix, activation);
}
"#)]
extern "C" {
    #[wasm_bindgen(catch)]
    async fn to_safetensors(
        bytes: Uint8Array,
        prefix: Option<String>,
        activation: Option<String>,
    ) -> Result<JsValue>;
}

/// True for a header of JSON behind its length.
fn is_safetensors(bytes: &[u8]) -> bool {
    let Some((length, rest)) = bytes.split_first_chunk::<8>() else { return false };
    u64::from_le_bytes(*length) <= rest.len() as u64 && rest.first() == Some(&b'{')
}

/// Reads a network from safetensors.
fn read(bytes: &[u8], prefix: Option<String>, activation: Option<String>) -> Result<Weights> {
    let mut reader = Weights::reader();
    if let Some(activation) = activation {
        reader = reader.activation(activation.parse::<Activation>().map_err(error::of)?);
    }
    if let Some(prefix) = prefix {
        reader = reader.prefix(prefix);
    }
    reader.from_bytes(bytes).map_err(error::of)
}

thread_local! {
    /// The one device of a page or worker.
    static GPU: RefCell<Option<Engine>> = const { RefCell::new(None) };
    /// The engine of networks that do not ask for one.
    static AUTO: RefCell<Option<Engine>> = const { RefCell::new(None) };
}

/// The engine of this name.
pub async fn engine(name: Option<&str>) -> Result<Engine> {
    match name {
        None | Some("auto") => Ok(auto().await),
        Some("gpu") => gpu().await,
        Some("cpu") => Ok(Engine::cpu()),
        Some(other) => Err(argument("engine", "auto, gpu or cpu", other)),
    }
}

/// The page's GPU, or its CPU.
async fn auto() -> Engine {
    if let Some(known) = known(&AUTO) {
        return known;
    }
    let engine = Engine::auto_async().await;
    AUTO.set(Some(engine.clone()));
    if engine.is_gpu() {
        GPU.set(Some(engine.clone()));
    }
    engine
}

/// The engine of earlier networks, unless its device is lost.
fn known(engine: &'static LocalKey<RefCell<Option<Engine>>>) -> Option<Engine> {
    engine.with_borrow(Clone::clone).filter(|engine| !engine.is_lost())
}

/// The page's GPU, which all networks share.
async fn gpu() -> Result<Engine> {
    if let Some(known) = known(&GPU) {
        return Ok(known);
    }
    let engine = Engine::gpu_async().await.map_err(error::of)?;
    GPU.set(Some(engine.clone()));
    Ok(engine)
}

/// The arrays and options of a call.
pub struct Given {
    input: Array3<f32>,
    lengths: Option<Vec<usize>>,
    state: Option<State>,
    outputs: Outputs,
}

impl Given {
    pub fn new(input: &JsValue, options: &JsValue) -> Result<Given> {
        check_names(options, &["lengths", "state", "lastOnly", "cellStates", "everyLayer"])?;
        let is_set = |name: &str| option(options, name).is_some_and(|value| value.is_truthy());
        let mut outputs = Outputs::default();
        outputs.last_only = is_set("lastOnly");
        outputs.cell_states = is_set("cellStates");
        outputs.every_layer = is_set("everyLayer");
        let input = from_js("input", input)?;
        let input =
            input.into_dimensionality::<Ix3>().map_err(|_| argument("input", "three axes", "others"))?;
        Ok(Given {
            input,
            lengths: option(options, "lengths").map(|lengths| sizes("lengths", &lengths)).transpose()?,
            state: option(options, "state").map(|state| state_from(&state)).transpose()?,
            outputs,
        })
    }

    pub fn call(&self) -> Call<'_> {
        let call = Call::new(&self.input).state(self.state.as_ref()).outputs(self.outputs);
        match &self.lengths {
            Some(lengths) => call.lengths(lengths),
            None => call,
        }
    }
}

/// The results of a call, for JavaScript.
pub fn to_output(output: &Output) -> JsValue {
    let mut parts = vec![
        ("output", to_js(&output.output)),
        ("state", state_to(&output.state())),
        ("engine", output.engine.to_string().into()),
    ];
    parts.extend(output.output_reverse.as_ref().map(|array| ("outputReverse", to_js(array))));
    parts.extend(output.cell_states.as_ref().map(|array| ("cellStates", to_js(array))));
    if !output.lower.is_empty() {
        let lower: js_sys::Array = output.lower.iter().map(|array| to_js(array)).collect();
        parts.push(("lower", lower.into()));
    }
    object(&parts)
}

/// A state for JavaScript.
pub fn state_to(state: &State) -> JsValue {
    let mut parts = vec![("h", to_js(&state.h))];
    parts.extend(state.c.as_ref().map(|c| ("c", to_js(c))));
    object(&parts)
}

/// A state of an option.
pub fn state_from(value: &JsValue) -> Result<State> {
    let part = |name: &str| {
        let array = Reflect::get(value, &name.into()).unwrap_or(JsValue::UNDEFINED);
        if array.is_undefined() || array.is_null() {
            return Ok(None);
        }
        let array = from_js(name, &array)?.into_dimensionality::<Ix3>();
        array.map(Some).map_err(|_| argument(name, "three axes", "others"))
    };
    let h = part("h")?.ok_or_else(|| argument("state.h", "an array", "none"))?;
    Ok(State { h, c: part("c")? })
}
