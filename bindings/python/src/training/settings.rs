//! Heads, losses, optimisers, clips and schedules, as Python's values.

use crate::error::argument;
use pyo3::prelude::*;
use wgpu_rnn::train::{self, Plateau};

/// The layer that makes predictions from the network's outputs.
#[pyclass(frozen, from_py_object, module = "wgpu_rnn._wgpu_rnn")]
#[derive(Clone)]
pub struct Head(pub train::Head);

#[pymethods]
impl Head {
    #[new]
    fn new(reads: &str, outputs: usize, seed: u64) -> PyResult<Head> {
        let head = match reads {
            "last_states" => train::Head::last_states(outputs),
            "mean" => train::Head::mean(outputs),
            "max" => train::Head::max(outputs),
            "every_step" => train::Head::every_step(outputs),
            _ => {
                return Err(argument("reads", "last_states, mean, max or every_step", format!("{reads:?}")));
            }
        };
        Ok(Head(head.seed(seed)))
    }
}

/// A loss.
#[pyclass(frozen, from_py_object, module = "wgpu_rnn._wgpu_rnn")]
#[derive(Clone)]
pub struct Loss(pub train::Loss);

#[pymethods]
impl Loss {
    #[staticmethod]
    #[pyo3(signature = (class_weights, ignored, label_smoothing))]
    fn cross_entropy(class_weights: Option<Vec<f32>>, ignored: Option<i32>, label_smoothing: f32) -> Loss {
        let loss = set(train::Loss::cross_entropy(), class_weights, train::Loss::class_weights);
        let loss = set(loss, ignored, train::Loss::ignored);
        let smoothing = (label_smoothing != 0.0).then_some(label_smoothing);
        Loss(set(loss, smoothing, train::Loss::label_smoothing))
    }

    #[staticmethod]
    #[pyo3(signature = (positive_weights))]
    fn binary_cross_entropy(positive_weights: Option<Vec<f32>>) -> Loss {
        Loss(set(train::Loss::binary_cross_entropy(), positive_weights, train::Loss::positive_weights))
    }

    #[staticmethod]
    fn mean_squared() -> Loss {
        Loss(train::Loss::mean_squared())
    }

    #[staticmethod]
    fn huber(delta: f32) -> Loss {
        Loss(train::Loss::huber(delta))
    }

    #[staticmethod]
    fn ctc(blank: usize, zero_infinity: bool) -> Loss {
        let loss = train::Loss::ctc(blank);
        Loss(if zero_infinity { loss.zero_infinity() } else { loss })
    }
}

/// A rule of `torch.optim`.
#[pyclass(frozen, from_py_object, module = "wgpu_rnn._wgpu_rnn")]
#[derive(Clone)]
pub struct Optimizer(pub train::Optimizer);

#[pymethods]
impl Optimizer {
    #[staticmethod]
    fn sgd(lr: f64, momentum: f64, dampening: f64, weight_decay: f64, nesterov: bool) -> Optimizer {
        let optimizer = decayed(train::Optimizer::sgd(lr), weight_decay);
        let optimizer = set(optimizer, (momentum != 0.0).then_some(momentum), train::Optimizer::momentum);
        let optimizer = set(optimizer, (dampening != 0.0).then_some(dampening), train::Optimizer::dampening);
        Optimizer(if nesterov { optimizer.nesterov() } else { optimizer })
    }

    #[staticmethod]
    fn adam(lr: f64, betas: (f64, f64), eps: f64, weight_decay: f64, amsgrad: bool) -> Optimizer {
        moments(decayed(train::Optimizer::adam(lr), weight_decay), betas, eps, amsgrad)
    }

    #[staticmethod]
    fn adamw(lr: f64, betas: (f64, f64), eps: f64, weight_decay: f64, amsgrad: bool) -> Optimizer {
        moments(train::Optimizer::adamw(lr).weight_decay(weight_decay), betas, eps, amsgrad)
    }

    #[staticmethod]
    fn rmsprop(lr: f64, alpha: f64, eps: f64, weight_decay: f64, momentum: f64, centered: bool) -> Optimizer {
        let optimizer = decayed(train::Optimizer::rmsprop(lr), weight_decay).alpha(alpha).epsilon(eps);
        let optimizer = set(optimizer, (momentum != 0.0).then_some(momentum), train::Optimizer::momentum);
        Optimizer(if centered { optimizer.centered() } else { optimizer })
    }
}

fn decayed(optimizer: train::Optimizer, weight_decay: f64) -> train::Optimizer {
    set(optimizer, (weight_decay != 0.0).then_some(weight_decay), train::Optimizer::weight_decay)
}

fn moments(optimizer: train::Optimizer, betas: (f64, f64), eps: f64, amsgrad: bool) -> Optimizer {
    let optimizer = optimizer.betas(betas.0, betas.1).epsilon(eps);
    Optimizer(if amsgrad { optimizer.amsgrad() } else { optimizer })
}

/// A bound of gradients.
#[pyclass(frozen, from_py_object, module = "wgpu_rnn._wgpu_rnn")]
#[derive(Clone)]
pub struct Clip(pub train::Clip);

#[pymethods]
impl Clip {
    #[staticmethod]
    fn norm(max: f64) -> Clip {
        Clip(train::Clip::norm(max))
    }

    #[staticmethod]
    fn value(max: f64) -> Clip {
        Clip(train::Clip::value(max))
    }
}

/// The learning rate over steps.
#[pyclass(frozen, from_py_object, module = "wgpu_rnn._wgpu_rnn")]
#[derive(Clone)]
pub struct Schedule(pub train::Schedule);

#[pymethods]
impl Schedule {
    #[staticmethod]
    fn constant(warm_up: u64) -> Schedule {
        Schedule(train::Schedule::constant().warm_up(warm_up))
    }

    #[staticmethod]
    fn step(every: u64, factor: f64, warm_up: u64) -> Schedule {
        Schedule(train::Schedule::step(every, factor).warm_up(warm_up))
    }

    #[staticmethod]
    fn cosine(steps: u64, minimum: f64, warm_up: u64) -> Schedule {
        Schedule(train::Schedule::cosine(steps, minimum).warm_up(warm_up))
    }

    #[staticmethod]
    fn plateau(
        patience: u64,
        factor: f64,
        threshold: f64,
        cooldown: u64,
        minimum: f64,
        maximize: bool,
        warm_up: u64,
    ) -> Schedule {
        let plateau = Plateau::new().patience(patience).factor(factor).threshold(threshold);
        let plateau = plateau.cooldown(cooldown).minimum(minimum);
        let plateau = if maximize { plateau.maximize() } else { plateau };
        Schedule(train::Schedule::plateau(plateau).warm_up(warm_up))
    }
}

/// A builder with a setting that may be left out.
fn set<B, T>(builder: B, setting: Option<T>, with: impl FnOnce(B, T) -> B) -> B {
    match setting {
        Some(setting) => with(builder, setting),
        None => builder,
    }
}
