//! The options of a network, as Python names them.

use crate::error::{self, argument};
use pyo3::prelude::*;
use wgpu_rnn::{Activation, Cell, Config, Directions, Dtype, Init, Layout, Merge, Reset};

/// The cell and hidden size of each layer of a stack whose layers differ.
pub type Stack = Vec<(String, usize)>;

/// Options by their names; those that are not given, or none, stay as they are.
#[derive(FromPyObject)]
pub struct Settings {
    #[pyo3(item)]
    num_layers: Option<usize>,
    #[pyo3(item, default)]
    bias: Option<bool>,
    #[pyo3(item, default)]
    batch_first: Option<bool>,
    #[pyo3(item, default)]
    bidirectional: Option<bool>,
    #[pyo3(item, default)]
    reverse: Option<bool>,
    #[pyo3(item, default)]
    proj_size: Option<usize>,
    #[pyo3(item, default)]
    merge: Option<String>,
    #[pyo3(item, default)]
    residual: Option<bool>,
    #[pyo3(item, default)]
    activations: Option<Vec<String>>,
    #[pyo3(item, default)]
    reset: Option<String>,
    #[pyo3(item, default)]
    peepholes: Option<bool>,
    #[pyo3(item, default)]
    coupled_input_forget: Option<bool>,
    #[pyo3(item, default)]
    layer_norm: Option<bool>,
    #[pyo3(item, default)]
    cell_clip: Option<(f32, f32)>,
    #[pyo3(item, default)]
    cell_clip_nan: Option<bool>,
    #[pyo3(item, default)]
    preactivation_clip: Option<f32>,
    #[pyo3(item, default)]
    learned_state: Option<bool>,
}

impl Settings {
    /// The choices that are texts are checked here, the rest where weights are made.
    pub fn read(&self) -> PyResult<impl FnOnce(Config) -> Config + '_> {
        let merge = self.merge.as_deref().map(merge).transpose()?;
        let reset = self.reset.as_deref().map(reset).transpose()?;
        let activations = self.activations.as_ref().map(|names| {
            let read: wgpu_rnn::Result<Vec<Activation>> = names.iter().map(|name| name.parse()).collect();
            read.map_err(error::of)
        });
        let activations = activations.transpose()?;
        let directions = match (self.bidirectional, self.reverse) {
            (Some(true), Some(true)) => {
                return Err(argument("reverse", "a network that is not bidirectional", "both"));
            }
            (Some(true), _) => Some(Directions::Both),
            (_, Some(true)) => Some(Directions::Reverse),
            (Some(false), _) => Some(Directions::Forward),
            (None, _) => None,
        };
        Ok(move |mut config: Config| {
            put(&mut config.num_layers, self.num_layers);
            put(&mut config.bias, self.bias);
            let layout = |is_first| if is_first { Layout::Ntc } else { Layout::Tnc };
            put(&mut config.layout, self.batch_first.map(layout));
            put(&mut config.directions, directions);
            put(&mut config.proj_size, self.proj_size);
            put(&mut config.merge, merge);
            put(&mut config.residual, self.residual);
            put(&mut config.activations, activations);
            put(&mut config.gru_reset, reset);
            put(&mut config.peepholes, self.peepholes);
            put(&mut config.coupled_input_forget, self.coupled_input_forget);
            put(&mut config.layer_norm, self.layer_norm);
            put(&mut config.learned_state, self.learned_state);
            config.preactivation_clip = self.preactivation_clip.or(config.preactivation_clip);
            if let Some((min, max)) = self.cell_clip {
                config = config.cell_clip(min, max);
            }
            if self.cell_clip_nan == Some(true) {
                config = config.cell_clip_nan();
            }
            config
        })
    }
}

fn put<T>(field: &mut T, value: Option<T>) {
    if let Some(value) = value {
        *field = value;
    }
}

/// The configuration of a cell by its name, or of a stack.
pub fn config(cell: &str, hidden_size: usize, stack: Option<Stack>) -> PyResult<Config> {
    let parse = |name: &str| name.parse::<Cell>().map_err(error::of);
    match stack {
        None => Ok(Config::new(parse(cell)?, hidden_size)),
        Some(layers) => {
            let layers: PyResult<Vec<_>> =
                layers.iter().map(|(name, size)| Ok((parse(name)?, *size))).collect();
            Ok(Config::stack(&layers?))
        }
    }
}

/// The initialiser of a name.
pub fn init(name: &str, seed: u64, forget_bias: Option<f32>) -> PyResult<Init> {
    let init = match name {
        "pytorch" => Init::pytorch(),
        "gluon" => Init::gluon(),
        "xavier" => Init::xavier(),
        "orthogonal" => Init::orthogonal(),
        _ => return Err(argument("init", "pytorch, gluon, xavier or orthogonal", format!("{name:?}"))),
    };
    let init = init.seed(seed);
    Ok(match forget_bias {
        Some(value) => init.forget_bias(value),
        None => init,
    })
}

/// The numbers of a network.
#[derive(Clone, Copy, PartialEq)]
pub enum Numbers {
    Single(Dtype),
    Double,
}

pub fn numbers(dtype: &str) -> PyResult<Numbers> {
    match dtype {
        "float32" => Ok(Numbers::Single(Dtype::F32)),
        "float16" => Ok(Numbers::Single(Dtype::F16)),
        "float64" => Ok(Numbers::Double),
        _ => Err(argument("dtype", "float32, float16 or float64", format!("{dtype:?}"))),
    }
}

fn merge(name: &str) -> PyResult<Merge> {
    match name {
        "concatenate" => Ok(Merge::Concatenate),
        "sum" => Ok(Merge::Sum),
        "average" => Ok(Merge::Average),
        "multiply" => Ok(Merge::Multiply),
        "apart" => Ok(Merge::Apart),
        _ => Err(argument("merge", "concatenate, sum, average, multiply or apart", format!("{name:?}"))),
    }
}

fn reset(name: &str) -> PyResult<Reset> {
    match name {
        "after" => Ok(Reset::After),
        "before" => Ok(Reset::Before),
        _ => Err(argument("reset", "after or before", format!("{name:?}"))),
    }
}
