//! A network of a file, and its calls.

use crate::arrays::{bytes, check_names, flag, from_js, object, option, sizes, to_js, whole};
use crate::error::{self, Result, argument};
use crate::promise::promise;
use crate::reader::read;
use crate::turn::Turn;
use js_sys::{Promise, Reflect, Uint8Array};
use ndarray::{Array3, Ix3};
use wasm_bindgen::JsValue;
use wasm_bindgen::prelude::wasm_bindgen;
use wgpu_rnn::{Call, Directions, Engine, Layout, Output, Outputs, State};

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
  /** The last step's output alone, of shape [1, N, C], or [N, 1, C] of a network that is batch first. */
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
  /** Those of the last layer, if they were asked for, in the axes of the output. */
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
    #[wasm_bindgen(unchecked_return_type = "Promise<Rnn>")]
    pub fn load(
        #[wasm_bindgen(unchecked_param_type = "Uint8Array | ArrayBuffer")] bytes: JsValue,
        #[wasm_bindgen(unchecked_optional_param_type = "LoadOptions")] options: JsValue,
    ) -> Promise {
        promise(LoadOptions::new(&bytes, &options).map(LoadOptions::load))
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
    #[wasm_bindgen(unchecked_return_type = "Promise<Output>")]
    pub fn forward(
        &self,
        #[wasm_bindgen(unchecked_param_type = "Array32")] input: JsValue,
        #[wasm_bindgen(unchecked_optional_param_type = "CallOptions")] options: JsValue,
    ) -> Promise {
        let rnn = self.0.clone();
        promise(Given::new(&input, &options, &CALL_OPTIONS).map(|given| async move {
            let output = rnn.call_async(&given.call()).await.map_err(error::of)?;
            Ok(to_output(&output))
        }))
    }

    /// Makes all that a call of T steps and N sequences needs, so that the first such call waits for nothing.
    #[wasm_bindgen(js_name = warmUp, unchecked_return_type = "Promise<void>")]
    pub fn warm_up(&self, steps: f64, batch: f64) -> Promise {
        let rnn = self.0.clone();
        let sizes = whole("steps", steps).and_then(|steps| Ok((steps, whole("batch", batch)?)));
        promise(sizes.map(|(steps, batch)| async move {
            rnn.warm_up_async(steps, batch).await.map_err(error::of)?;
            Ok(JsValue::UNDEFINED)
        }))
    }
}

/// The bytes and options of a network.
struct LoadOptions {
    bytes: Vec<u8>,
    prefix: Option<String>,
    activation: Option<String>,
    engine: Option<String>,
}

impl LoadOptions {
    fn new(file: &JsValue, options: &JsValue) -> Result<LoadOptions> {
        check_names("options", options, &["prefix", "activation", "engine"])?;
        let text = |name: &str| match option(options, name) {
            None => Ok(None),
            Some(value) => {
                value.as_string().map(Some).ok_or_else(|| argument(name, "a string", "another value"))
            }
        };
        let (prefix, activation, engine) = (text("prefix")?, text("activation")?, text("engine")?);
        Ok(LoadOptions { bytes: bytes("bytes", file)?, prefix, activation, engine })
    }

    async fn load(self) -> Result<Rnn> {
        let LoadOptions { bytes, prefix, activation, engine: name } = self;
        let weights = match is_safetensors(&bytes) {
            true => read(&bytes, prefix, activation)?,
            false => {
                let converted = to_safetensors(Uint8Array::from(&bytes[..]), prefix, activation).await?;
                read(&Uint8Array::from(converted).to_vec(), None, None)?
            }
        };
        Ok(Rnn(wgpu_rnn::Rnn::new(&engine(name.as_deref()).await?, weights)))
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

/// The engines that networks of a page or worker share.
#[derive(Default)]
struct Engines {
    /// The one device.
    gpu: Option<Engine>,
    /// The engine of networks that do not ask for one.
    auto: Option<Engine>,
}

thread_local! {
    /// Whoever opens an engine keeps others from opening one more.
    static ENGINES: Turn<Engines> = Turn::new(Engines::default());
}

/// The engine of this name.
pub async fn engine(name: Option<&str>) -> Result<Engine> {
    let shared = ENGINES.with(Turn::clone);
    let mut engines = shared.take().await;
    match name {
        None | Some("auto") => Ok(engines.auto().await),
        Some("gpu") => engines.gpu().await,
        Some("cpu") => Ok(Engine::cpu()),
        Some(other) => Err(argument("engine", "auto, gpu or cpu", other)),
    }
}

impl Engines {
    /// The page's GPU, or its CPU.
    async fn auto(&mut self) -> Engine {
        if let Some(known) = known(&self.auto) {
            return known;
        }
        let engine = Engine::auto_async().await;
        self.auto = Some(engine.clone());
        if engine.is_gpu() {
            self.gpu = Some(engine.clone());
        }
        engine
    }

    /// The page's GPU, which all networks share.
    async fn gpu(&mut self) -> Result<Engine> {
        if let Some(known) = known(&self.gpu) {
            return Ok(known);
        }
        let engine = Engine::gpu_async().await.map_err(error::of)?;
        self.gpu = Some(engine.clone());
        Ok(engine)
    }
}

/// The engine of earlier networks, unless its device is lost.
fn known(engine: &Option<Engine>) -> Option<Engine> {
    engine.clone().filter(|engine| !engine.is_lost())
}

/// The options of a call.
pub const CALL_OPTIONS: [&str; 5] = ["lengths", "state", "lastOnly", "cellStates", "everyLayer"];

/// The arrays and options of a call.
pub struct Given {
    input: Array3<f32>,
    lengths: Option<Vec<usize>>,
    state: Option<State>,
    outputs: Outputs,
}

impl Given {
    /// Reads the arguments of a call that has these options.
    pub fn new(input: &JsValue, options: &JsValue, known: &[&str]) -> Result<Given> {
        check_names("options", options, known)?;
        let mut outputs = Outputs::default();
        outputs.last_only = flag(options, "lastOnly")?;
        outputs.cell_states = flag(options, "cellStates")?;
        outputs.every_layer = flag(options, "everyLayer")?;
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
