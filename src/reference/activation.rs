//! The activations' equations, as ONNX's documentation has them.

use crate::{Activation, Float};

pub(super) fn activate<T: Float>(activation: Activation, x: T) -> T {
    let number = |parameter: f32| T::from(parameter).expect("a float converts to a float");
    let (zero, one) = (T::zero(), T::one());
    match activation {
        // A NaN stays one, as in PyTorch.
        Activation::Relu => {
            if x < zero {
                zero
            } else {
                x
            }
        }
        Activation::Tanh => x.tanh(),
        Activation::Sigmoid => one / (one + (-x).exp()),
        Activation::Softsign => x / (one + x.abs()),
        // log(1 + exp(x)), without an exp that overflows
        Activation::Softplus => (if x < zero { zero } else { x }) + (-x.abs()).exp().ln_1p(),
        Activation::LeakyRelu { alpha } => {
            if x < zero {
                number(alpha) * x
            } else {
                x
            }
        }
        Activation::Elu { alpha } => {
            if x < zero {
                number(alpha) * x.exp_m1()
            } else {
                x
            }
        }
        Activation::ThresholdedRelu { alpha } => {
            if x < number(alpha) {
                zero
            } else {
                x
            }
        }
        Activation::Affine { alpha, beta } => number(alpha) * x + number(beta),
        Activation::HardSigmoid { alpha, beta } => {
            let y = number(alpha) * x + number(beta);
            if y < zero {
                zero
            } else if y > one {
                one
            } else {
                y
            }
        }
        Activation::ScaledTanh { alpha, beta } => number(alpha) * (number(beta) * x).tanh(),
    }
}
