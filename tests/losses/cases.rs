//! The cases of `golden/pytorch_losses.safetensors` that are losses. `golden/make_pytorch_losses.py` tells
//! the format.

use crate::common::{golden, rank3};
use ndarray::{Array3, ArrayD};
use rand::{RngExt, SeedableRng, rngs::ChaCha8Rng};
use wgpu_rnn::Float;
use wgpu_rnn::train::{Loss, Targets};

pub struct LossCase {
    pub name: String,
    pub loss: Loss,
    pub predictions: Array3<f64>,
    pub targets: Targets,
    pub lengths: Option<Vec<usize>>,
    pub value: f64,
    pub gradient: ArrayD<f64>,
    pub counts: [usize; 2],
}

impl LossCase {
    pub fn all() -> Vec<LossCase> {
        let (metadata, tensors) = golden("pytorch_losses.safetensors");
        let mut cases = Vec::new();
        for (name, settings) in &metadata {
            let Ok(settings) = serde_json::from_str::<serde_json::Value>(settings) else { continue };
            if settings["loss"].is_null() {
                continue;
            }
            let get = |key: &str| tensors.get(&format!("{name}/{key}")).cloned();
            let value = get("value").unwrap();
            let lengths = |lengths: ArrayD<f64>| lengths.iter().map(|&length| length as usize).collect();
            cases.push(LossCase {
                name: name.clone(),
                loss: loss(&settings),
                predictions: rank3(get("predictions").unwrap()),
                targets: targets(&get),
                lengths: get("lengths").map(lengths),
                value: value[[0]],
                gradient: get("gradient").unwrap(),
                counts: [value[[1]] as usize, value[[2]] as usize],
            });
        }
        cases
    }
}

fn loss(settings: &serde_json::Value) -> Loss {
    let number = |value: &serde_json::Value| value.as_f64().unwrap() as f32;
    let numbers =
        |value: &serde_json::Value| value.as_array().unwrap().iter().map(number).collect::<Vec<_>>();
    let mut loss = match settings["loss"].as_str().unwrap() {
        "cross_entropy" => Loss::cross_entropy(),
        "binary_cross_entropy" => Loss::binary_cross_entropy(),
        "mean_squared" => Loss::mean_squared(),
        "huber" => Loss::huber(number(&settings["delta"])),
        "ctc" => Loss::ctc(settings["blank"].as_u64().unwrap() as usize),
        other => panic!("{other}"),
    };
    for (name, value) in settings.as_object().unwrap() {
        loss = match name.as_str() {
            "class_weights" => loss.class_weights(numbers(value)),
            "ignored" => loss.ignored(value.as_i64().unwrap() as i32),
            "label_smoothing" => loss.label_smoothing(number(value)),
            "positive_weights" => loss.positive_weights(numbers(value)),
            "zero_infinity" => loss.zero_infinity(),
            "loss" | "delta" | "blank" => loss,
            other => panic!("{other}"),
        };
    }
    loss
}

fn targets(get: &dyn Fn(&str) -> Option<ArrayD<f64>>) -> Targets {
    if let Some(classes) = get("classes") {
        let classes = classes.mapv(|class| class as i32);
        return match classes.ndim() {
            1 => Targets::Classes(classes.iter().copied().collect()),
            _ => Targets::StepClasses(classes.into_dimensionality().unwrap()),
        };
    }
    if let Some(numbers) = get("numbers") {
        let numbers = numbers.mapv(|number| number as f32);
        return match numbers.ndim() {
            2 => Targets::Numbers(numbers.into_dimensionality().unwrap()),
            _ => Targets::StepNumbers(numbers.into_dimensionality().unwrap()),
        };
    }
    let labels = get("labels").unwrap();
    let mut all = labels.iter().map(|&label| label as i32);
    let lengths = get("label_lengths").unwrap();
    Targets::Labels(lengths.iter().map(|&length| all.by_ref().take(length as usize).collect()).collect())
}

/// Random numbers from -scale to scale.
pub fn rough<T: Float>(shape: [usize; 3], scale: f64, seed: u64) -> Array3<T> {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    Array3::from_shape_simple_fn(shape, || T::from(scale * (2.0 * rng.random::<f64>() - 1.0)).unwrap())
}
