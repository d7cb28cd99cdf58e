//! The activations' equations, as ONNX's documentation has them.
//!
//! The gradient at a kink is that of the branch taken there, and the branches are those of PyTorch: the slope
//! of relu, leaky_relu, elu and thresholded_relu at the kink is the one below it, that of hard_sigmoid is 0.

use crate::Activation;
use crate::float::Scalar;

pub(crate) fn activate<T: Scalar>(activation: Activation, x: T) -> T {
    let number = |parameter: f32| T::constant(f64::from(parameter));
    let (zero, one) = (T::zero(), T::one());
    match activation {
        // A NaN stays one, as in PyTorch.
        Activation::Relu => {
            if x > zero || x.is_nan() {
                x
            } else {
                zero
            }
        }
        Activation::Tanh => x.tanh(),
        Activation::Sigmoid => sigmoid(x),
        Activation::Softsign => x / (one + if x < zero { -x } else { x }),
        // log(1 + exp(x)), without an exp that overflows
        Activation::Softplus => {
            if x > zero {
                x + (-x).exp().ln_1p()
            } else {
                x.exp().ln_1p()
            }
        }
        Activation::LeakyRelu { alpha } => {
            if x > zero {
                x
            } else {
                number(alpha) * x
            }
        }
        Activation::Elu { alpha } => {
            if x > zero {
                x
            } else {
                number(alpha) * x.exp_m1()
            }
        }
        Activation::ThresholdedRelu { alpha } => {
            if x > number(alpha) || x.is_nan() {
                x
            } else {
                zero
            }
        }
        Activation::Affine { alpha, beta } => number(alpha) * x + number(beta),
        Activation::HardSigmoid { alpha, beta } => {
            let y = number(alpha) * x + number(beta);
            if y <= zero {
                zero
            } else if y >= one {
                one
            } else {
                y
            }
        }
        Activation::ScaledTanh { alpha, beta } => number(alpha) * (number(beta) * x).tanh(),
    }
}

/// 1 / (1 + exp(-x)), without an exp that overflows, whose slope would be 0 · infinity
fn sigmoid<T: Scalar>(x: T) -> T {
    if x < T::zero() {
        let y = x.exp();
        y / (T::one() + y)
    } else {
        T::one() / (T::one() + (-x).exp())
    }
}
