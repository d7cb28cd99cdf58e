//! The statements of a layer's stored configuration about its network.

use super::super::Stated;
use super::model::Layer;
use crate::quote::quote;
use crate::{Activation, Cell, Directions, Merge, Reset};
use serde_json::Value;

/// The settings of a layer, or the reason why no network has them.
type Result<T> = std::result::Result<T, String>;

pub(super) fn state(layer: &Layer, is_of_keras_2: bool) -> Result<Stated> {
    if layer.class != "Bidirectional" {
        let one = One::read(layer, is_of_keras_2)?;
        let mut stated = one.state(std::slice::from_ref(&one.activations));
        let directions = if one.is_reverse { Directions::Reverse } else { Directions::Forward };
        let word = format!("go_backwards {}", one.is_reverse);
        stated.say("directions", word, |config| config.directions = directions);
        return Ok(stated);
    }
    let inner = layer.config.get("layer").and_then(Layer::of).ok_or("layer: expected a layer, found none")?;
    let forward = One::read(&inner, is_of_keras_2)?;
    let backward = match layer.config.get("backward_layer").and_then(Layer::of) {
        Some(layer) => One::read(&layer, is_of_keras_2)?,
        None => One { is_reverse: !forward.is_reverse, ..forward.clone() },
    };
    for (is_reverse, expected) in [(forward.is_reverse, false), (backward.is_reverse, true)] {
        if is_reverse != expected {
            let name = if expected { "backward_layer" } else { "layer" };
            return Err(format!("go_backwards of {name}: expected {expected}, found {is_reverse}"));
        }
    }
    if (forward.cell.gates(), forward.last_only) != (backward.cell.gates(), backward.last_only) {
        return Err("backward_layer: expected the cell and return_sequences of layer, found others".into());
    }
    let mut sets = vec![forward.activations.clone()];
    if backward.activations != forward.activations {
        sets.push(backward.activations.clone());
    }
    let mut stated = forward.state(&sets);
    let merge = match layer.config.get("merge_mode") {
        None => ("concat", Merge::Concatenate),
        Some(Value::Null) => ("None", Merge::Apart),
        Some(mode) => match mode.as_str() {
            Some("concat") => ("concat", Merge::Concatenate),
            Some("sum") => ("sum", Merge::Sum),
            Some("ave") => ("ave", Merge::Average),
            Some("mul") => ("mul", Merge::Multiply),
            _ => return Err(unknown("merge_mode", "concat, sum, ave, mul or None", mode)),
        },
    };
    stated.say("directions", "class Bidirectional", |config| config.directions = Directions::Both);
    stated.say("merge", format!("merge_mode {}", merge.0), |config| config.merge = merge.1);
    Ok(stated)
}

/// A layer of one direction.
#[derive(Clone)]
struct One {
    class: String,
    cell: Cell,
    /// In ONNX's order.
    activations: Vec<Activation>,
    reset: Reset,
    is_reverse: bool,
    last_only: bool,
}

impl One {
    fn read(layer: &Layer, is_of_keras_2: bool) -> Result<One> {
        // A cell in a layer of its own has the settings of the function.
        let wrapped = layer.config.get("cell").filter(|_| layer.class == "RNN").and_then(Layer::of);
        let function = wrapped.as_ref().unwrap_or(layer);
        let activation = |name: &str, default| match function.config.get(name) {
            Some(value) => activation(name, value, is_of_keras_2),
            None => Ok(default),
        };
        let own = activation("activation", Activation::Tanh)?;
        let recurrent = || activation("recurrent_activation", Activation::Sigmoid);
        let (cell, activations) = match function.class.as_str() {
            "LSTM" | "LSTMCell" => (Cell::Lstm, vec![recurrent()?, own, own]),
            "GRU" | "GRUCell" => (Cell::Gru, vec![recurrent()?, own]),
            "SimpleRNN" | "SimpleRNNCell" => (Cell::Vanilla(own), vec![own]),
            other => {
                let found = quote(other);
                return Err(format!("class: expected LSTM, GRU, SimpleRNN or Bidirectional, found {found}"));
            }
        };
        let is = |of: &Layer, name: &str| match of.config.get(name) {
            None | Some(Value::Null) => Ok(false),
            Some(value) => value.as_bool().ok_or_else(|| unknown(name, "true or false", value)),
        };
        let reset = if is(function, "reset_after")? { Reset::After } else { Reset::Before };
        let (is_reverse, last_only) = (is(layer, "go_backwards")?, !is(layer, "return_sequences")?);
        let class = function.class.clone();
        Ok(One { class, cell, activations, reset, is_reverse, last_only })
    }

    /// The settings, with the activations of one direction or of both.
    fn state(&self, activations: &[Vec<Activation>]) -> Stated {
        let mut stated = Stated::default();
        stated.last_only = self.last_only;
        stated.say_cells(vec![self.cell], format!("class {}", self.class));
        let plain = self.cell.activations();
        let all = activations.concat();
        let words = all.iter().map(Activation::to_string).collect::<Vec<_>>().join(", ");
        let is_plain = activations.iter().all(|set| *set == plain);
        let others = if is_plain { Vec::new() } else { all };
        stated.say("activations", format!("activations {words}"), |config| config.activations = others);
        if self.cell == Cell::Gru {
            let word = format!("reset_after {}", self.reset == Reset::After);
            stated.say("gru_reset", word, |config| config.gru_reset = self.reset);
        }
        stated
    }
}

/// An activation by its name in Keras.
fn activation(name: &str, value: &Value, is_of_keras_2: bool) -> Result<Activation> {
    // A function of Keras itself.
    let text = value.as_str().or_else(|| value.get("config").and_then(Value::as_str));
    Ok(match text {
        Some("tanh") => Activation::Tanh,
        Some("sigmoid") => Activation::Sigmoid,
        Some("relu") => Activation::Relu,
        Some("softsign") => Activation::Softsign,
        Some("softplus") => Activation::Softplus,
        Some("elu") => Activation::Elu { alpha: 1.0 },
        Some("linear") => Activation::Affine { alpha: 1.0, beta: 0.0 },
        Some("leaky_relu") => Activation::LeakyRelu { alpha: 0.2 },
        // Keras 3 has another slope.
        Some("hard_sigmoid") if is_of_keras_2 => Activation::HardSigmoid { alpha: 0.2, beta: 0.5 },
        Some("hard_sigmoid") => Activation::HardSigmoid { alpha: 1.0 / 6.0, beta: 0.5 },
        None if value.is_null() => Activation::Affine { alpha: 1.0, beta: 0.0 },
        _ => {
            let known = "tanh, sigmoid, relu, softsign, softplus, elu, linear, leaky_relu or hard_sigmoid";
            return Err(unknown(name, known, value));
        }
    })
}

fn unknown(name: &str, expected: &str, found: &Value) -> String {
    let found = found.as_str().map_or_else(|| found.to_string(), str::to_owned);
    format!("{name}: expected {expected}, found {}", quote(&found))
}
