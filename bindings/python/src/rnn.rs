//! A network on an engine, and its calls.

use crate::arrays::{self, Number, to_py};
use crate::engine::engine;
use crate::error::{self, argument};
use crate::given::{Given, Lent, Options};
use crate::process;
use crate::settings::{self, Numbers, Settings, Stack};
use ndarray::{Array3, ArrayD, Axis};
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};
use wgpu_rnn::file::Format;
use wgpu_rnn::{
    Activation, Cell, Config, Directions, Engine, Layout, Naming, Output, Reset, Weights, reference,
};

/// Multiplications of a call from which on Ctrl-C ends it: a tenth of a second on two slow cores.
const LONG: usize = 1_000_000_000;

/// The same of the reference.
const LONG_OF_REFERENCE: usize = 20_000_000;

/// Time steps of a call on a GPU from which on Ctrl-C ends it.
const MANY_STEPS: usize = 10_000;

/// A recurrent network on an engine; in f64, by the reference.
#[pyclass(frozen, module = "wgpu_rnn._wgpu_rnn")]
pub struct Rnn {
    network: RwLock<Network>,
    /// Numbers of all weights: multiplications of a step of a sequence.
    size: usize,
}

#[derive(Clone)]
pub enum Network {
    Single(wgpu_rnn::Rnn),
    Double(Arc<Weights<f64>>),
}

/// Output, `h_n`, `c_n` of an LSTM, and what else was asked for.
type Results<'py> =
    (Bound<'py, PyAny>, Bound<'py, PyAny>, Option<Bound<'py, PyAny>>, Option<Bound<'py, PyDict>>);

/// The name of a tensor, its first number, the number behind its last, and its shape.
type Place = (String, usize, usize, Vec<usize>);

#[pymethods]
impl Rnn {
    /// A network whose weights are drawn.
    #[staticmethod]
    #[pyo3(signature = (cell, input_size, hidden_size, stack, settings, device, dtype, init, seed, forget_bias))]
    #[expect(clippy::too_many_arguments, reason = "they are Python's keywords")]
    fn create(
        py: Python<'_>,
        cell: &str,
        input_size: usize,
        hidden_size: usize,
        stack: Option<Stack>,
        settings: Settings,
        device: &str,
        dtype: &str,
        init: &str,
        seed: u64,
        forget_bias: Option<f32>,
    ) -> PyResult<Rnn> {
        let numbers = settings::numbers(dtype)?;
        let config = settings.read()?(settings::config(cell, hidden_size, stack)?).input_size(input_size);
        let init = settings::init(init, seed, forget_bias)?;
        let engine = engine(py, device)?;
        let weights = py.detach(|| Weights::init(&config, &init)).map_err(error::of)?;
        Rnn::new(&engine, weights, numbers)
    }

    /// The network of a file, by its path or its bytes.
    #[staticmethod]
    #[pyo3(signature = (path, contents, prefix, activation, settings, device, dtype))]
    #[expect(clippy::too_many_arguments, reason = "they are Python's keywords")]
    fn load(
        py: Python<'_>,
        path: Option<PathBuf>,
        contents: Option<Vec<u8>>,
        prefix: Option<String>,
        activation: Option<&str>,
        settings: Settings,
        device: &str,
        dtype: &str,
    ) -> PyResult<Rnn> {
        let numbers = settings::numbers(dtype)?;
        let activation = activation.map(|name| name.parse::<Activation>()).transpose().map_err(error::of)?;
        let change = settings.read()?;
        let engine = engine(py, device)?;
        let reader = Weights::reader().activation(activation).prefix(prefix).settings(change);
        let weights = match (path, contents) {
            (Some(path), None) => reader.load(path),
            (None, Some(contents)) => reader.from_bytes(&contents),
            _ => return Err(argument("file", "a path or bytes", "none or both")),
        };
        Rnn::new(&engine, weights.map_err(error::of)?, numbers)
    }

    /// Computes a call.
    #[pyo3(signature = (input, h_0=None, c_0=None, lengths=None, batch_sizes=None, options=None))]
    #[expect(clippy::too_many_arguments, reason = "they are Python's keywords")]
    fn call<'py>(
        &self,
        py: Python<'py>,
        input: &Bound<'py, PyAny>,
        h_0: Option<&Bound<'py, PyAny>>,
        c_0: Option<&Bound<'py, PyAny>>,
        lengths: Option<Vec<i64>>,
        batch_sizes: Option<Vec<usize>>,
        options: Option<Options>,
    ) -> PyResult<Results<'py>> {
        process::check()?;
        match self.network() {
            Network::Single(rnn) => {
                let lent = Lent::<f32>::new(input, batch_sizes)?;
                let given = Given::new(&lent, [h_0, c_0], lengths, options)?;
                let (shape, is_long) =
                    (Shape::of(&given, rnn.config()), self.is_long(&given, rnn.engine(), 1));
                let output = given.compute(py, is_long, move |call| rnn.call(call))?;
                results(py, output, shape)
            }
            Network::Double(weights) => {
                let lent = Lent::<f64>::new(input, batch_sizes)?;
                let given = Given::new(&lent, [h_0, c_0], lengths, options)?;
                let shape = Shape::of(&given, weights.config());
                let is_long = self.is_long(&given, &Engine::reference(), 1);
                let output = given.compute(py, is_long, move |call| reference::call(&weights, call))?;
                results(py, output, shape)
            }
        }
    }

    /// Every tensor by PyTorch's name, as an array of its own.
    fn tensors<'py>(&self, py: Python<'py>) -> PyResult<Vec<(String, Bound<'py, PyAny>)>> {
        fn all<'py, T: Number>(py: Python<'py>, weights: &Weights<T>) -> Vec<(String, Bound<'py, PyAny>)> {
            let tensors = weights.tensors(Naming::PyTorch);
            tensors.map(|(name, tensor)| (name, to_py(py, tensor.to_owned()))).collect()
        }
        match self.network() {
            Network::Single(rnn) => Ok(all(py, known(&rnn)?)),
            Network::Double(weights) => Ok(all(py, &weights)),
        }
    }

    /// Sets every tensor.
    fn set_tensors(&self, py: Python<'_>, tensors: Vec<(String, Bound<'_, PyAny>)>) -> PyResult<()> {
        fn all<T: Number>(tensors: &[(String, Bound<'_, PyAny>)]) -> PyResult<Vec<(String, ArrayD<T>)>> {
            let read = |(name, value): &(String, Bound<'_, PyAny>)| {
                let array = arrays::from_py::<T, ndarray::IxDyn>(name, value)?;
                Ok((name.clone(), arrays::owned(name, array.as_array())?))
            };
            tensors.iter().map(read).collect()
        }
        process::check()?;
        // Nothing of Python's runs beside a guard: another thread would wait for the guard with the interpreter.
        let guard = || self.network.write().unwrap_or_else(PoisonError::into_inner);
        if let Some(config) = self.config_of_double() {
            let tensors = all::<f64>(&tensors)?;
            let read = py.detach(|| Weights::reader().config(&config).from_tensors(tensors));
            let read = Arc::new(read.map_err(error::of)?);
            *guard() = Network::Double(read);
            return Ok(());
        }
        let tensors = all::<f32>(&tensors)?;
        let set = |rnn: &mut wgpu_rnn::Rnn| {
            let weights = Weights::reader().config(&rnn.config().clone()).from_tensors(tensors)?;
            rnn.set_weights(weights)
        };
        // Without a clone of the network, its buffers stay where they are.
        let done = match &mut *guard() {
            Network::Single(rnn) => set(rnn),
            Network::Double(_) => Ok(()),
        };
        done.map_err(error::of)
    }

    /// The place of every tensor in the flat gradients.
    fn places(&self) -> PyResult<Vec<Place>> {
        fn all<T: Number>(weights: &Weights<T>) -> Vec<Place> {
            let places = weights.places(Naming::PyTorch);
            places.map(|(name, range, shape)| (name, range.start, range.end, shape.to_vec())).collect()
        }
        match self.network() {
            Network::Single(rnn) => Ok(all(known(&rnn)?)),
            Network::Double(weights) => Ok(all(&weights)),
        }
    }

    /// Writes a file, of the kind that the ending of its name tells.
    fn save(&self, py: Python<'_>, path: PathBuf, naming: &str) -> PyResult<()> {
        let (rnn, naming) = (self.single("save")?, self::naming(naming)?);
        let weights = known(&rnn)?;
        py.detach(|| weights.save(&path, Format::of(&path, naming)?)).map_err(error::of)
    }

    /// The bytes of a safetensors file.
    fn to_bytes<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyBytes>> {
        let rnn = self.single("to_bytes")?;
        Ok(PyBytes::new(py, &known(&rnn)?.to_safetensors(Naming::PyTorch).map_err(error::of)?))
    }

    /// Makes all that a call of T steps and N sequences needs.
    fn warm_up(&self, py: Python<'_>, steps: usize, batch: usize) -> PyResult<()> {
        process::check()?;
        match self.network() {
            Network::Single(rnn) => py.detach(|| rnn.warm_up(steps, batch)).map_err(error::of),
            Network::Double(_) => Ok(()),
        }
    }

    /// The adapter, or the CPU.
    #[getter]
    fn engine(&self) -> String {
        match self.network() {
            Network::Single(rnn) => rnn.engine().name().to_owned(),
            Network::Double(_) => Engine::reference().name().to_owned(),
        }
    }

    /// Sizes and options by their names.
    #[getter]
    fn settings<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyDict>> {
        self.with_config(|config| settings_of(py, config))
    }
}

impl Rnn {
    pub fn new(engine: &Engine, weights: Weights, numbers: Numbers) -> PyResult<Rnn> {
        let size = weights.as_slice().len();
        let network = match numbers {
            Numbers::Single(dtype) => {
                let rnn = wgpu_rnn::Rnn::new(engine, weights).with_dtype(dtype);
                Network::Single(rnn.map_err(error::of)?)
            }
            Numbers::Double => Network::Double(Arc::new(weights.cast())),
        };
        Ok(Rnn { network: RwLock::new(network), size })
    }

    /// The network as it is now.
    pub fn network(&self) -> Network {
        self.network.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// The network on an engine, of something that the reference in f64 does not have.
    pub fn single(&self, name: &str) -> PyResult<wgpu_rnn::Rnn> {
        match self.network() {
            Network::Single(rnn) => Ok(rnn),
            Network::Double(_) => Err(argument(name, "a network of float32 or float16", "one of float64")),
        }
    }

    fn config_of_double(&self) -> Option<Config> {
        match self.network() {
            Network::Single(_) => None,
            Network::Double(weights) => Some(weights.config().clone()),
        }
    }

    fn with_config<R>(&self, read: impl FnOnce(&Config) -> R) -> R {
        match self.network() {
            Network::Single(rnn) => read(rnn.config()),
            Network::Double(weights) => read(weights.config()),
        }
    }

    /// The call, of so many times the work of a call, takes long.
    pub fn is_long<T: Number>(&self, given: &Given<'_, T>, engine: &Engine, work: usize) -> bool {
        let view = given.view();
        let features = view.shape().last().copied().unwrap_or(1).max(1);
        let rows = view.len() / features;
        let most = if engine.name() == Engine::reference().name() { LONG_OF_REFERENCE } else { LONG };
        let is_large = rows.saturating_mul(self.size).saturating_mul(work) > most;
        is_large || (engine.is_gpu() && view.shape().iter().take(2).any(|&axis| axis > MANY_STEPS))
    }
}

pub fn known(rnn: &wgpu_rnn::Rnn) -> PyResult<&Weights> {
    rnn.weights().ok_or_else(|| error::of(wgpu_rnn::Error::InputSizeOpen))
}

fn naming(name: &str) -> PyResult<Naming> {
    match name {
        "pytorch" => Ok(Naming::PyTorch),
        "gluon" => Ok(Naming::Gluon),
        _ => Err(argument("naming", "pytorch or gluon", format!("{name:?}"))),
    }
}

/// The axes of a call's results.
#[derive(Clone, Copy)]
pub struct Shape {
    is_one: bool,
    is_packed: bool,
    /// The axis of the batch.
    batch: Axis,
}

impl Shape {
    pub fn of<T: Number>(given: &Given<'_, T>, config: &Config) -> Shape {
        let batch = Axis(if config.layout == Layout::Ntc { 0 } else { 1 });
        Shape { is_one: given.is_one(), is_packed: given.is_packed(), batch }
    }
}

/// The results of a call, for Python.
pub fn results<T: Number>(py: Python<'_>, output: Output<T>, shape: Shape) -> PyResult<Results<'_>> {
    let over_time = |array: Array3<T>| match shape.is_one {
        true => to_py(py, array.index_axis_move(shape.batch, 0)),
        false => to_py(py, array),
    };
    let state = |array: Array3<T>| match shape.is_one {
        true => to_py(py, array.index_axis_move(Axis(1), 0)),
        false => to_py(py, array),
    };
    let has_more =
        output.output_reverse.is_some() || output.cell_states.is_some() || !output.lower.is_empty();
    let mut more = None;
    if has_more {
        let dict = PyDict::new(py);
        dict.set_item("output_reverse", output.output_reverse.map(over_time))?;
        dict.set_item("cell_states", output.cell_states.map(over_time))?;
        let lower: Vec<_> = output.lower.into_iter().map(over_time).collect();
        dict.set_item("lower", lower)?;
        more = Some(dict);
    }
    let main = match output.packed {
        Some(packed) if shape.is_packed => to_py(py, packed.data),
        _ => over_time(output.output),
    };
    Ok((main, state(output.h_n), output.c_n.map(state), more))
}

fn settings_of<'py>(py: Python<'py>, config: &Config) -> PyResult<Bound<'py, PyDict>> {
    let dict = PyDict::new(py);
    let cell = match config.cell {
        Cell::Lstm => "lstm",
        Cell::Gru => "gru",
        Cell::Vanilla(_) => "rnn",
    };
    dict.set_item("cell", cell)?;
    if let Cell::Vanilla(activation) = config.cell {
        dict.set_item("nonlinearity", activation.to_string())?;
    }
    let layers: Vec<(String, usize)> =
        config.stack.iter().map(|(cell, size)| (cell.to_string(), *size)).collect();
    dict.set_item("stack", if layers.is_empty() { None } else { Some(layers) })?;
    dict.set_item("input_size", config.input_size)?;
    dict.set_item("hidden_size", config.hidden_size)?;
    dict.set_item("num_layers", config.num_layers)?;
    dict.set_item("bias", config.bias)?;
    dict.set_item("batch_first", config.layout == Layout::Ntc)?;
    dict.set_item("bidirectional", config.directions == Directions::Both)?;
    dict.set_item("proj_size", config.proj_size)?;
    dict.set_item("reverse", config.directions == Directions::Reverse)?;
    dict.set_item("merge", format!("{:?}", config.merge).to_lowercase())?;
    dict.set_item("residual", config.residual)?;
    let activations: Vec<String> = config.activations.iter().map(Activation::to_string).collect();
    dict.set_item("activations", if activations.is_empty() { None } else { Some(activations) })?;
    dict.set_item("reset", if config.gru_reset == Reset::Before { "before" } else { "after" })?;
    dict.set_item("peepholes", config.peepholes)?;
    dict.set_item("coupled_input_forget", config.coupled_input_forget)?;
    dict.set_item("layer_norm", config.layer_norm)?;
    dict.set_item("cell_clip", config.cell_clip.map(|clip| (clip.min, clip.max)))?;
    dict.set_item("cell_clip_nan", config.cell_clip.is_some_and(|clip| clip.nan))?;
    dict.set_item("preactivation_clip", config.preactivation_clip)?;
    dict.set_item("learned_state", config.learned_state)?;
    dict.set_item("output_size", config.output_size())?;
    Ok(dict)
}
