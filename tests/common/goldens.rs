//! The cases of `golden/*.safetensors` and what they must give. See `golden/golden.py` for the format.
#![allow(dead_code, reason = "each test binary uses its part of it")]

use crate::common::{F32, F64, Tolerance, difference, golden, rank3};
use ndarray::{Array3, ArrayD, ArrayViewD, Axis, Ix2};
use std::collections::BTreeMap;
use wgpu_rnn::{
    Call, CallGradients, Cell, Config, Directions, Dropout, Float, Layout, Merge, Naming, Output,
    OutputGradients, Packed, Reset, Result, State, Weights,
};

/// One call of a framework's network.
pub struct Golden {
    pub name: String,
    settings: serde_json::Value,
    tensors: BTreeMap<String, ArrayD<f64>>,
}

/// The files.
pub const ALL: [&str; 6] =
    ["pytorch_options", "pytorch_gradients", "onnx", "keras", "mxnet", "mxnet_gradients"];

/// The files that have gradients.
pub fn of_gradients() -> impl Iterator<Item = &'static str> {
    ALL.into_iter().filter(|file| file.ends_with("_gradients"))
}

/// The error that the precision of a file's numbers allows: PyTorch computed in double precision, the others
/// in single.
pub fn tolerance_of(file: &str) -> Tolerance {
    if file.starts_with("pytorch") { F64 } else { F32 }
}

/// The gradient of an engine or of the reference, as a function.
pub type Differentiate<'a, T> =
    &'a mut dyn FnMut(&Weights<T>, &Call<'_, T>, &OutputGradients<'_, T>) -> Result<CallGradients<T>>;

/// An engine or the reference, as a function from weights and call to answer.
pub type Compute<'a, T> = &'a mut dyn FnMut(&Weights<T>, &Call<'_, T>) -> Result<Output<T>>;

impl Golden {
    pub fn all(file: &str) -> Vec<Golden> {
        let (metadata, tensors) = golden(&format!("{file}.safetensors"));
        let cases = metadata.into_iter().filter(|(_, settings)| settings.starts_with('{'));
        let cases = cases.map(|(name, settings)| {
            let prefix = format!("{name}/");
            let own = tensors
                .iter()
                .filter_map(|(key, tensor)| Some((key.strip_prefix(&prefix)?.to_owned(), tensor.clone())));
            let settings = serde_json::from_str(&settings).unwrap();
            Golden { name: format!("{file}: {name}"), settings, tensors: own.collect() }
        });
        cases.collect()
    }

    /// The cells of its network.
    pub fn cells(&self) -> Vec<Cell> {
        let config = self.weights::<f64>().config().clone();
        let stack = config.stack.iter().map(|&(cell, _)| cell);
        stack.chain([config.cell]).collect()
    }

    fn get<T: Float>(&self, name: &str) -> Option<ArrayD<T>> {
        Some(self.tensors.get(name)?.mapv(|number| T::from(number).unwrap()))
    }

    fn integers(&self, name: &str) -> Option<Vec<usize>> {
        Some(self.tensors.get(name)?.iter().map(|&number| number as usize).collect())
    }

    fn weights<T: Float>(&self) -> Weights<T> {
        let activation = self.settings["nonlinearity"].as_str().map(|name| name.parse().unwrap());
        let is_weight = |name: &String| {
            !name.starts_with("grad") && ["_l0", "_l1", "_l2"].iter().any(|layer| name.contains(layer))
        };
        let names = self.tensors.keys().filter(|name| is_weight(name));
        let tensors = names.map(|name| (name.clone(), self.get(name).unwrap()));
        Weights::reader()
            .activation(activation)
            .settings(|config| self.apply(config))
            .from_tensors(tensors)
            .unwrap()
    }

    /// The settings that no tensor tells.
    fn apply(&self, mut config: Config) -> Config {
        let settings = self.settings.as_object().unwrap();
        for (name, value) in settings {
            let text = value.as_str().unwrap_or_default();
            let number = |value: &serde_json::Value| value.as_f64().unwrap() as f32;
            match name.as_str() {
                "nonlinearity" => {}
                "layout" => config.layout = if text == "ntc" { Layout::Ntc } else { Layout::Tnc },
                "directions" => {
                    config.directions = match text {
                        "forward" => Directions::Forward,
                        "backward" => Directions::Reverse,
                        "both" => Directions::Both,
                        other => panic!("{other}"),
                    }
                }
                "merge" => {
                    config.merge = match text {
                        "concatenate" => Merge::Concatenate,
                        "sum" => Merge::Sum,
                        "average" => Merge::Average,
                        "multiply" => Merge::Multiply,
                        "apart" => Merge::Apart,
                        other => panic!("{other}"),
                    }
                }
                "gru_reset" => {
                    assert_eq!(text, "before");
                    config.gru_reset = Reset::Before;
                }
                "coupled_input_forget" => config.coupled_input_forget = true,
                "residual" => config.residual = true,
                // Settings of the call.
                "last_only" | "cell_states" | "dropout" => {}
                "cell_clip" => config = config.cell_clip(number(&value[0]), number(&value[1])),
                "preactivation_clip" => config.preactivation_clip = Some(number(value)),
                "activations" => {
                    let list = value.as_array().unwrap().iter();
                    config.activations = list.map(|text| text.as_str().unwrap().parse().unwrap()).collect();
                }
                other => panic!("{}: a setting {other} that this test does not know", self.name),
            }
        }
        config
    }

    fn state<T: Float>(&self) -> Option<State<T>> {
        // An unbatched state has no axis for the batch.
        let state_of = |name: &str| {
            let array = self.get::<T>(name)?;
            Some(rank3(if array.ndim() == 2 { array.insert_axis(Axis(1)) } else { array }))
        };
        state_of("h0").map(|h| State { h, c: state_of("c0") })
    }

    fn outputs<'a, T: Float>(&self, call: Call<'a, T>) -> Call<'a, T> {
        let call = if self.settings["last_only"].is_null() { call } else { call.last_only() };
        let call = if self.settings["cell_states"].is_null() { call } else { call.cell_states() };
        let Some(dropout) = self.settings["dropout"].as_array() else { return call };
        let number = |index: usize| dropout[index].as_u64().unwrap();
        let own = Dropout::new(dropout[0].as_f64().unwrap() as f32).seed(number(1)).call(number(2) as u32);
        call.dropout(if dropout[3] == true { own.variational() } else { own })
    }

    /// Compares the gradients of `differentiate` with the framework's.
    pub fn check_gradients<T: Float>(
        &self,
        tolerance: Tolerance,
        differentiate: Differentiate<'_, T>,
    ) -> std::result::Result<(), String> {
        let (weights, state) = (self.weights::<T>(), self.state::<T>());
        let (input, lengths) = (self.get::<T>("input").unwrap(), self.integers("lengths"));
        let call = self.outputs(Call::new(&input).state(state.as_ref()));
        let call = if let Some(lengths) = &lengths { call.lengths(lengths) } else { call };
        let by = |name: &str| self.get::<T>(&format!("grad_{name}")).map(rank3);
        let (output, reverse, cells) = (by("output"), by("output_reverse"), by("cell_states"));
        let (h_n, c_n) = (by("h_n"), by("c_n"));
        let mut given = OutputGradients::new();
        for (gradient, with) in [
            (&output, OutputGradients::output as fn(_, _) -> _),
            (&reverse, OutputGradients::output_reverse),
            (&cells, OutputGradients::cell_states),
            (&h_n, OutputGradients::h_n),
            (&c_n, OutputGradients::c_n),
        ] {
            if let Some(gradient) = gradient {
                given = with(given, gradient);
            }
        }
        let ours =
            differentiate(&weights, &call, &given).map_err(|error| format!("{}: {error}", self.name))?;
        let mut compared = 0;
        let mut check = |name: &str, ours: ArrayViewD<'_, T>| {
            let Some(theirs) = self.tensors.get(name) else { return Ok(()) };
            compared += 1;
            difference(name, &ours, theirs, tolerance).map_err(|error| format!("{}: {error}", self.name))
        };
        check("grad_input", ours.input.view().into_dyn())?;
        check("grad_h0", ours.state.h.view().into_dyn())?;
        if let Some(c) = &ours.state.c {
            check("grad_c0", c.view().into_dyn())?;
        }
        for (name, gradient) in ours.weights.tensors(Naming::PyTorch) {
            check(&format!("grad.{name}"), gradient)?;
        }
        let is_result = |name: &&String| {
            name.starts_with("grad.") || ["grad_input", "grad_h0", "grad_c0"].contains(&name.as_str())
        };
        let expected = self.tensors.keys().filter(is_result).count();
        if compared == expected {
            Ok(())
        } else {
            Err(format!("{}: {compared} gradients, expected {expected}", self.name))
        }
    }

    /// Compares `compute` with the framework's answers.
    pub fn check<T: Float>(
        &self,
        tolerance: Tolerance,
        compute: Compute<'_, T>,
    ) -> std::result::Result<(), String> {
        let weights = self.weights::<T>();
        let state = self.state::<T>();
        let packed = self.get::<T>("data").map(|data| Packed {
            data: data.into_dimensionality::<Ix2>().unwrap(),
            batch_sizes: self.integers("batch_sizes").unwrap(),
        });
        let (padded, packed_lengths) = packed.as_ref().map(|packed| packed.unpack().unwrap()).unzip();
        let input = padded.map_or_else(|| self.get::<T>("input").unwrap(), Array3::into_dyn);
        let lengths = self.integers("lengths").or(packed_lengths);
        let call = self.outputs(Call::new(&input).state(state.as_ref()));
        let call = if let Some(lengths) = &lengths { call.lengths(lengths) } else { call };
        let answer = compute(&weights, &call).map_err(|error| format!("{}: {error}", self.name))?;

        let mut compared = 0;
        let mut check = |key: &str, ours: Option<&Array3<T>>| {
            let Some(theirs) = self.tensors.get(key) else { return Ok(()) };
            let ours = ours.ok_or(format!("{}: no {key}", self.name))?;
            let ours = match (&packed, theirs.ndim()) {
                (Some(packed), 2) if key == "output" => repacked(ours, &packed.batch_sizes),
                (None, 2) => ours.index_axis(Axis(1), 0).to_owned().into_dyn(),
                _ => ours.clone().into_dyn(),
            };
            compared += 1;
            difference(key, &ours, theirs, tolerance).map_err(|error| format!("{}: {error}", self.name))
        };
        check("output", Some(&answer.output))?;
        check("output_reverse", answer.output_reverse.as_ref())?;
        check("cell_states", answer.cell_states.as_ref())?;
        check("h_n", Some(&answer.h_n))?;
        check("c_n", answer.c_n.as_ref())?;
        assert!(compared > 0);
        Ok(())
    }
}

/// The steps within the sequences, one time step after another.
fn repacked<T: Float>(output: &Array3<T>, batch_sizes: &[usize]) -> ArrayD<T> {
    let steps = output.outer_iter().zip(batch_sizes);
    let steps: Vec<_> = steps.map(|(step, &size)| step.slice_move(ndarray::s![..size, ..])).collect();
    ndarray::concatenate(Axis(0), &steps).unwrap().into_dyn()
}
