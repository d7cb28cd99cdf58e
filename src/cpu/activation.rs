//! The activations, a vector at a time. `sigmoid` and `tanh` are right to 2e-7 of themselves (the test
//! below).

use crate::Activation;
use pulp::{Simd, WithSimd};

/// The activation of numbers in place, whole vectors of them.
pub struct Activate<'a>(pub Activation, pub &'a mut [f32]);

impl WithSimd for Activate<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        activate(simd, self.0, S::as_mut_simd_f32s(self.1).0);
    }
}

/// The activation of every number, in place.
#[inline(always)]
pub fn activate<S: Simd>(simd: S, activation: Activation, values: &mut [S::f32s]) {
    let number = |parameter: f32| simd.splat_f32s(parameter);
    let (zero, one) = (number(0.0), number(1.0));
    match activation {
        Activation::Tanh => {
            for x in values {
                *x = tanh(simd, *x);
            }
        }
        Activation::Sigmoid => {
            for x in values {
                *x = sigmoid(simd, *x);
            }
        }
        // A NaN is not below, and stays one.
        Activation::Relu => {
            for x in values {
                *x = simd.select_f32s(simd.less_than_f32s(*x, zero), zero, *x);
            }
        }
        Activation::Softsign => {
            for x in values {
                *x = simd.div_f32s(*x, simd.add_f32s(one, simd.abs_f32s(*x)));
            }
        }
        Activation::Softplus => {
            // The activation without an approximation of its own.
            for x in bytemuck::cast_slice_mut::<S::f32s, f32>(values) {
                *x = x.max(0.0) + (-x.abs()).exp().ln_1p();
            }
        }
        Activation::LeakyRelu { alpha } => {
            for x in values {
                let scaled = simd.mul_f32s(number(alpha), *x);
                *x = simd.select_f32s(simd.less_than_f32s(*x, zero), scaled, *x);
            }
        }
        Activation::Elu { alpha } => {
            for x in values {
                let below = simd.mul_f32s(number(alpha), exp_m1(simd, *x));
                *x = simd.select_f32s(simd.less_than_f32s(*x, zero), below, *x);
            }
        }
        Activation::ThresholdedRelu { alpha } => {
            for x in values {
                *x = simd.select_f32s(simd.less_than_or_equal_f32s(*x, number(alpha)), zero, *x);
            }
        }
        Activation::Affine { alpha, beta } => {
            for x in values {
                *x = simd.mul_add_e_f32s(number(alpha), *x, number(beta));
            }
        }
        Activation::HardSigmoid { alpha, beta } => {
            for x in values {
                *x = clip(simd, simd.mul_add_e_f32s(number(alpha), *x, number(beta)), zero, one);
            }
        }
        Activation::ScaledTanh { alpha, beta } => {
            for x in values {
                *x = simd.mul_f32s(number(alpha), tanh(simd, simd.mul_f32s(number(beta), *x)));
            }
        }
    }
}

/// Multiplies gradients by the slopes of an activation at x, where it is y. At a kink the slope is that of
/// PyTorch, as in `reference/activation.rs`.
#[inline(always)]
pub fn multiply_slope<S: Simd>(
    simd: S,
    activation: Activation,
    x: &[S::f32s],
    y: &[S::f32s],
    gradient: &mut [S::f32s],
) {
    let number = |parameter: f32| simd.splat_f32s(parameter);
    let (zero, one) = (number(0.0), number(1.0));
    // The activation is chosen once for all numbers.
    macro_rules! slope {
        (|$x:pat_param, $y:pat_param| $slope:expr) => {
            for ((gradient, &$x), &$y) in gradient.iter_mut().zip(x).zip(y) {
                *gradient = simd.mul_f32s(*gradient, $slope);
            }
        };
    }
    match activation {
        Activation::Tanh => slope!(|_, y| simd.sub_f32s(one, simd.mul_f32s(y, y))),
        Activation::Sigmoid => slope!(|_, y| simd.mul_f32s(y, simd.sub_f32s(one, y))),
        Activation::Relu => slope!(|x, _| simd.select_f32s(simd.greater_than_f32s(x, zero), one, zero)),
        Activation::Softsign => slope!(|x, _| {
            let part = simd.div_f32s(one, simd.add_f32s(one, simd.abs_f32s(x)));
            simd.mul_f32s(part, part)
        }),
        // The sigmoid of x.
        Activation::Softplus => slope!(|_, y| simd.neg_f32s(exp_m1(simd, simd.neg_f32s(y)))),
        Activation::LeakyRelu { alpha } => {
            slope!(|x, _| simd.select_f32s(simd.greater_than_f32s(x, zero), one, number(alpha)));
        }
        Activation::Elu { alpha } => slope!(|x, y| {
            let below = simd.add_f32s(y, number(alpha));
            simd.select_f32s(simd.greater_than_f32s(x, zero), one, below)
        }),
        Activation::ThresholdedRelu { alpha } => {
            slope!(|x, _| simd.select_f32s(simd.greater_than_f32s(x, number(alpha)), one, zero));
        }
        Activation::Affine { alpha, .. } => slope!(|_, _| number(alpha)),
        Activation::HardSigmoid { alpha, .. } => slope!(|_, y| {
            let above = simd.select_f32s(simd.greater_than_f32s(y, zero), number(alpha), zero);
            simd.select_f32s(simd.less_than_f32s(y, one), above, zero)
        }),
        // The slope of alpha tanh(beta x), whose tanh is y / alpha.
        Activation::ScaledTanh { alpha, beta } => {
            let (least, beta) = if alpha == 0.0 { (1.0, 0.0) } else { (alpha, beta) };
            slope!(|_, y| {
                let tanh = simd.div_f32s(y, number(least));
                simd.mul_f32s(number(beta), simd.sub_f32s(number(alpha), simd.mul_f32s(y, tanh)))
            });
        }
    }
}

/// Between two bounds; a NaN stays one.
#[inline(always)]
pub fn clip<S: Simd>(simd: S, x: S::f32s, min: S::f32s, max: S::f32s) -> S::f32s {
    let x = simd.select_f32s(simd.less_than_f32s(x, min), min, x);
    simd.select_f32s(simd.greater_than_f32s(x, max), max, x)
}

/// 1 / (1 + exp(-x))
#[inline(always)]
pub fn sigmoid<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let one = simd.splat_f32s(1.0);
    let (scale, less_one) = exp_parts(simd, simd.neg_f32s(x));
    simd.div_f32s(one, simd.add_f32s(one, simd.mul_add_e_f32s(scale, less_one, scale)))
}

/// (exp(2x) - 1) / (exp(2x) + 1), without the loss of digits near 0.
#[inline(always)]
pub fn tanh<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    // Past 10 it is 1 to the last bit.
    let x = clip(simd, x, simd.splat_f32s(-10.0), simd.splat_f32s(10.0));
    let (scale, less_one) = exp_parts_unclipped(simd, simd.add_f32s(x, x));
    let numerator = simd.mul_add_e_f32s(scale, less_one, simd.sub_f32s(scale, simd.splat_f32s(1.0)));
    simd.div_f32s(numerator, simd.add_f32s(numerator, simd.splat_f32s(2.0)))
}

/// exp(x) - 1, without the loss of digits near 0.
#[inline(always)]
fn exp_m1<S: Simd>(simd: S, x: S::f32s) -> S::f32s {
    let (scale, less_one) = exp_parts(simd, x);
    simd.mul_add_e_f32s(scale, less_one, simd.sub_f32s(scale, simd.splat_f32s(1.0)))
}

/// The same as [`exp_parts_unclipped`], of any number.
#[inline(always)]
fn exp_parts<S: Simd>(simd: S, x: S::f32s) -> (S::f32s, S::f32s) {
    exp_parts_unclipped(simd, clip(simd, x, simd.splat_f32s(-87.0), simd.splat_f32s(88.0)))
}

/// 2^n and exp(r) - 1, where x = n ln 2 + r and |r| is at most half of ln 2; x lies between -87 and 88.
#[inline(always)]
fn exp_parts_unclipped<S: Simd>(simd: S, x: S::f32s) -> (S::f32s, S::f32s) {
    let number = |parameter: f32| simd.splat_f32s(parameter);
    // Adding it rounds to whole numbers, which then stand, 127 larger, in the lowest bits: the exponent of
    // 2^n.
    let rounds = number(12_582_912.0 + 127.0);
    let rounded = simd.mul_add_e_f32s(x, number(std::f32::consts::LOG2_E), rounds);
    let bits = simd.transmute_u32s_f32s(rounded);
    let scale = simd.transmute_f32s_u32s(simd.wrapping_dyn_shl_u32s(bits, simd.splat_u32s(23)));
    let n = simd.sub_f32s(rounded, rounds);
    // ln 2 in two parts, of which the first has few enough digits that n times it is exact.
    let r = simd.mul_add_e_f32s(n, number(-0.693_359_4), x);
    let r = simd.mul_add_e_f32s(n, number(2.121_944_4e-4), r);
    // Taylor's series, whose remainder is less than 2e-8 of the sum.
    let mut series = number(1.0 / 5040.0);
    for coefficient in [1.0 / 720.0, 1.0 / 120.0, 1.0 / 24.0, 1.0 / 6.0, 0.5] {
        series = simd.mul_add_e_f32s(series, r, number(coefficient));
    }
    (scale, simd.mul_add_e_f32s(simd.mul_f32s(r, r), series, r))
}

#[cfg(test)]
mod tests {
    use super::*;
    use pulp::Arch;

    /// The largest distance from `truth` in f64, in units of it, over numbers of every size to both
    /// directions_apart.
    fn worst(arch: Arch, activation: Activation, truth: impl Fn(f64) -> f64) -> f64 {
        // Every 997th float from 1e-30 to 80 and their negatives, in whole vectors.
        let bits = (1e-30_f32.to_bits()..80_f32.to_bits()).step_by(997);
        let mut inputs: Vec<f32> =
            bits.flat_map(|bits| [f32::from_bits(bits), -f32::from_bits(bits)]).collect();
        inputs.resize(inputs.len().next_multiple_of(16), 0.5);
        let mut outputs = inputs.clone();
        arch.dispatch(Activate(activation, &mut outputs));
        let errors = inputs.iter().zip(&outputs).map(|(&x, &y)| {
            let truth = truth(f64::from(x));
            // Past f32's normal numbers there are fewer digits.
            (f64::from(y) - truth).abs() / truth.abs().max(f64::from(f32::MIN_POSITIVE))
        });
        errors.fold(0.0, f64::max)
    }

    #[test]
    fn tanh_sigmoid_and_elu_are_right_to_their_digits() {
        for arch in [Arch::new(), Arch::Scalar] {
            let tanh = worst(arch, Activation::Tanh, f64::tanh);
            assert!(tanh < 2.5e-7, "tanh: {tanh:e}");
            let sigmoid = worst(arch, Activation::Sigmoid, |x| 1.0 / (1.0 + (-x).exp()));
            assert!(sigmoid < 2.5e-7, "sigmoid: {sigmoid:e}");
            let elu = worst(arch, Activation::Elu { alpha: 1.0 }, |x| if x < 0.0 { x.exp_m1() } else { x });
            assert!(elu < 2.5e-7, "elu: {elu:e}");
        }
    }

    #[test]
    fn what_is_no_number_stays_none() {
        for activation in Activation::ALL {
            let mut values = [f32::NAN; 16];
            Arch::new().dispatch(Activate(activation, &mut values));
            assert!(values.iter().all(|y| y.is_nan()), "{activation}");
            let mut values = [f32::INFINITY; 16];
            values[1] = f32::NEG_INFINITY;
            Arch::new().dispatch(Activate(activation, &mut values));
            let is_bounded = matches!(activation, Activation::Tanh | Activation::Sigmoid);
            assert!(!is_bounded || values.iter().all(|y| y.is_finite()), "{activation}");
        }
    }
}
