//! The stored configuration of a model: its layers by their names.

use super::super::Budget;
use super::FAULT;
use crate::Result;
use crate::quote::message;
use serde_json::{Map, Value};
use std::collections::BTreeMap;

/// Bytes of memory for a value of JSON, and for an object.
const VALUE: u64 = 64;
const OBJECT: u64 = 640;

/// The layers of a model.
#[derive(Default)]
pub(super) struct Model {
    /// Every layer that is, or holds, a recurrent network, by its name behind the names of the models around
    /// it.
    pub layers: BTreeMap<String, Layer>,
    /// The layer's name by its place in a file of Keras 3: the names of the models around it, and its class.
    pub places: BTreeMap<String, String>,
    pub is_of_keras_2: bool,
}

/// A layer as it is stored.
pub(super) struct Layer {
    pub class: String,
    pub config: Map<String, Value>,
}

impl Layer {
    pub fn of(value: &Value) -> Option<Layer> {
        let class = value.get("class_name")?.as_str()?.to_owned();
        Some(Layer { class, config: value.get("config")?.as_object()?.clone() })
    }
}

/// Values of JSON, whose memory the budget has.
pub(super) fn json(what: &str, text: &str, budget: &Budget) -> Result<Value> {
    let count = |letters: &[u8]| text.bytes().filter(|letter| letters.contains(letter)).count() as u64;
    let (objects, values) = (count(b"{").saturating_mul(OBJECT), count(b"[,:").saturating_mul(VALUE));
    budget.bytes(what, objects.saturating_add(values).saturating_add(text.len() as u64))?;
    serde_json::from_str(text).map_err(|error| FAULT.says(format!("{what}: {}", message(&error.to_string()))))
}

impl Model {
    pub fn read(text: &str, version: &str, budget: &Budget) -> Result<Model> {
        let value = json("configuration", text, budget)?;
        let mut model = Model { is_of_keras_2: version.starts_with("2."), ..Model::default() };
        model.collect(&value, "", budget)?;
        Ok(model)
    }

    /// The layers within a model or a wrapper, whose name is `path`. JSON is at most 128 values deep.
    fn collect(&mut self, value: &Value, path: &str, budget: &Budget) -> Result<()> {
        let config = value.get("config").unwrap_or(value);
        // A model of Keras 2.1 is its list of layers.
        let layers = config.get("layers").unwrap_or(config).as_array();
        let mut used = BTreeMap::<String, usize>::new();
        for value in layers.into_iter().flatten().chain(config.get("layer")) {
            let Some(class) = value.get("class_name").and_then(Value::as_str) else { continue };
            let name =
                value.get("config").and_then(|config| config.get("name")).or_else(|| value.get("name"));
            let Some(name) = name.and_then(Value::as_str) else { continue };
            let within =
                |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
            let plain = snake(class);
            let count = used.entry(plain.clone()).or_default();
            let place = if *count == 0 { plain } else { format!("{plain}_{count}") };
            *count = count.saturating_add(1);
            let names =
                [path, &place, name, path, name].map(str::len).into_iter().fold(0, usize::saturating_add);
            budget.bytes("configuration", names as u64)?;
            self.places.insert(within(&place), name.to_owned());
            let name = within(name);
            if is_recurrent(class) {
                self.layers.extend(Layer::of(value).map(|layer| (name, layer)));
            } else {
                self.collect(value, &name, budget)?;
            }
        }
        Ok(())
    }
}

/// True for a layer that is a network of its own, or is refused as one.
fn is_recurrent(class: &str) -> bool {
    ["LSTM", "GRU", "RNN"].iter().any(|end| class.ends_with(end)) || class == "Bidirectional"
}

/// A class's name as Keras writes it in files: `SimpleRNN` is `simple_rnn`.
fn snake(class: &str) -> String {
    let letters: Vec<char> = class.chars().collect();
    let mut made = String::new();
    for (place, letter) in letters.iter().enumerate() {
        let before = place.checked_sub(1).and_then(|place| letters.get(place));
        let behind = letters.get(place.saturating_add(1));
        let begins = letter.is_uppercase()
            && before.is_some_and(|before| {
                !before.is_uppercase() || behind.is_some_and(|behind| behind.is_lowercase())
            });
        if begins {
            made.push('_');
        }
        made.extend(letter.to_lowercase());
    }
    made
}

#[cfg(test)]
mod tests {
    #[test]
    fn names_of_classes() {
        for (class, name) in [
            ("LSTM", "lstm"),
            ("GRU", "gru"),
            ("SimpleRNN", "simple_rnn"),
            ("Bidirectional", "bidirectional"),
            ("TimeDistributed", "time_distributed"),
            ("RNN", "rnn"),
            ("LSTMCell", "lstm_cell"),
        ] {
            assert_eq!(super::snake(class), name);
        }
    }
}
