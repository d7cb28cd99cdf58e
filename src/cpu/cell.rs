//! The cells' equations for the rows of one step, a vector of units at a time.

mod gru;
mod lstm;
mod rnn;

use super::activation::{activate, clip, multiply_slope};
use super::packed_slot::{Norm, PackedSlot};
use crate::{Cell, CellClip};
use pulp::{Simd, WithSimd};

/// Added to a variance (PyTorch's LayerNorm).
const EPSILON: f32 = 1e-5;

/// Which of the updates of a step: a GRU with reset before has two, with a product between them.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Stage {
    /// All that there is.
    Whole,
    /// The gates r and z, and r ∘ h.
    Reset,
    /// The part after the candidate's product.
    Candidate,
}

/// The numbers of one batch row, padded with whatever there is to whole lines.
pub struct StepRow<'a> {
    /// W_ih x + b_ih by gate, `[G, Hp]`.
    pub input: &'a [f32],
    /// W_hh h + b_hh by gate, and then whatever comes of it, `[G, Hp]`.
    pub gates: &'a mut [f32],
    /// The candidate's product of a GRU with reset before, `[Hp]`.
    pub candidate: &'a mut [f32],
    /// h, unless it is projected.
    pub h: &'a mut [f32],
    pub c: &'a mut [f32],
    /// The operand of the next product: r ∘ h, or the output that is projected.
    pub m: &'a mut [f32],
}

/// One row's step.
pub struct Update<'a> {
    pub slot: &'a PackedSlot,
    pub row: StepRow<'a>,
    pub stage: Stage,
}

impl WithSimd for Update<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match self.slot.spec.cell.cell {
            Cell::Vanilla(_) => rnn::update(self, simd),
            Cell::Lstm => lstm::update(self, simd),
            Cell::Gru => gru::update(self, simd),
        }
    }
}

/// The numbers of one batch row of a step, for its gradient; see [`SavedSlot`](super::saved::SavedSlot).
pub struct GradientRow<'a> {
    /// The pre-activations; their gradients afterwards.
    pub a: &'a mut [f32],
    /// The recurrent product that is apart; its gradient afterwards.
    pub recurrent: &'a mut [f32],
    /// h_{t-1}
    pub h: &'a [f32],
    /// c_{t-1}
    pub c: &'a [f32],
    /// The gradient by h_t, or by the output that is projected; by h_{t-1}, as far as no product gives it,
    /// afterwards.
    pub dh: &'a mut [f32],
    /// The gradient by c_t; by c_{t-1} afterwards.
    pub dc: &'a mut [f32],
    /// The operand of a product that is no state: r ∘ h, or the output that is projected; it is written.
    pub m: &'a mut [f32],
    /// The gradient by r ∘ h, of a GRU with reset before.
    pub dm: &'a [f32],
    /// [`SCRATCH`] rows of units.
    pub scratch: &'a mut [f32],
    pub sums: &'a mut Sums,
}

/// Rows of units that a gradient works in.
pub const SCRATCH: usize = 16;

/// The gradients of weights that are sums over steps and rows, and no products.
#[derive(Debug, Default)]
pub struct Sums {
    /// `[3, Hp]`
    pub peepholes: Vec<f32>,
    /// Gain and bias, `[G, Hp]` each.
    pub norm_ih: [Vec<f32>; 2],
    pub norm_hh: [Vec<f32>; 2],
    /// Gain and bias, `[Hp]` each.
    pub norm_c: [Vec<f32>; 2],
}

impl Sums {
    /// All zero.
    pub fn new(slot: &PackedSlot) -> Sums {
        let (gates, units) = (slot.gate_columns(), slot.units());
        let zeros = |is_there: bool, len: usize| vec![0.0; if is_there { len } else { 0 }];
        let pair = |len: usize| [zeros(slot.norm.is_some(), len), zeros(slot.norm.is_some(), len)];
        Sums {
            peepholes: zeros(slot.peepholes.is_some(), 3 * units),
            norm_ih: pair(gates),
            norm_hh: pair(gates),
            norm_c: pair(units),
        }
    }
}

/// One row's step back.
pub struct Gradient<'a> {
    pub slot: &'a PackedSlot,
    pub row: GradientRow<'a>,
    pub stage: Stage,
}

impl WithSimd for Gradient<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, simd: S) {
        match self.slot.spec.cell.cell {
            Cell::Vanilla(_) => rnn::gradient(self, simd),
            Cell::Lstm => lstm::gradient(self, simd),
            Cell::Gru => gru::gradient(self, simd),
        }
    }
}

/// Multiplies gradients by the slope of an activation of the slot's, at pre-activations and their results.
#[inline(always)]
fn through<S: Simd>(
    simd: S,
    slot: &PackedSlot,
    activation: usize,
    a: &[f32],
    y: &[f32],
    gradient: &mut [f32],
) {
    let (a, y, gradient) = (read::<S>(a), read::<S>(y), write::<S>(gradient));
    multiply_slope(simd, slot.spec.cell.activations[activation], a, y, gradient);
    if let Some(bound) = slot.spec.cell.preactivation_clip {
        let (bound, zero) = (simd.splat_f32s(bound), simd.splat_f32s(0.0));
        for (gradient, a) in gradient.iter_mut().zip(a) {
            // A pre-activation that was clipped has no part in the result.
            let is_clipped = simd.greater_than_or_equal_f32s(simd.abs_f32s(*a), bound);
            *gradient = simd.select_f32s(is_clipped, zero, *gradient);
        }
    }
}

/// The way back through a normalisation: the gradient by its result becomes that by its argument, and those
/// by gain and bias are added up.
#[inline(always)]
fn normalise_back(
    values: &[f32],
    gates: usize,
    units: usize,
    gain: &[f32],
    gradient: &mut [f32],
    [gain_sum, bias_sum]: &mut [Vec<f32>; 2],
) {
    let stride = super::aligned::padded(units);
    let count = (gates * units) as f32;
    let own = |values: &[f32], less: f32, of: fn(f32) -> f32| -> f32 {
        values.chunks(stride).take(gates).map(|gate| total(&gate[..units], less, of)).sum()
    };
    let mean = own(values, 0.0, |x| x) / count;
    let deviation = (own(values, mean, |x| x * x) / count + EPSILON).sqrt();
    // Sums of dx̂ and of dx̂ x̂, where x̂ = (x - mean) / deviation and dx̂ = gain dy.
    let (mut sum, mut product) = (0.0, 0.0);
    let lines = gradient.iter_mut().zip(values).zip(gain).zip(gain_sum.iter_mut().zip(bias_sum.iter_mut()));
    for (index, (((gradient, value), gain), (gain_sum, bias_sum))) in lines.enumerate() {
        if index % stride < units {
            let normal = (value - mean) / deviation;
            *gain_sum += *gradient * normal;
            *bias_sum += *gradient;
            *gradient *= gain;
            sum += *gradient;
            product += *gradient * normal;
        }
    }
    let (sum, product) = (sum / count, product / count);
    for (index, (gradient, value)) in gradient.iter_mut().zip(values).enumerate() {
        let normal = (value - mean) / deviation;
        *gradient =
            if index % stride < units { (*gradient - sum - normal * product) / deviation } else { 0.0 };
    }
}

/// Vectors of a slice of whole lines.
#[inline(always)]
fn read<S: Simd>(numbers: &[f32]) -> &[S::f32s] {
    S::as_simd_f32s(numbers).0
}

#[inline(always)]
fn write<S: Simd>(numbers: &mut [f32]) -> &mut [S::f32s] {
    S::as_mut_simd_f32s(numbers).0
}

#[inline(always)]
fn add<S: Simd>(simd: S, values: &mut [S::f32s], more: &[S::f32s]) {
    for (value, more) in values.iter_mut().zip(more) {
        *value = simd.add_f32s(*value, *more);
    }
}

#[inline(always)]
fn add_product<S: Simd>(simd: S, values: &mut [S::f32s], weights: Option<&[S::f32s]>, c: &[S::f32s]) {
    for ((value, weight), c) in values.iter_mut().zip(weights.unwrap_or_default()).zip(c) {
        *value = simd.mul_add_e_f32s(*weight, *c, *value);
    }
}

/// An activation of the slot's, of what goes into it.
#[inline(always)]
fn squash<S: Simd>(simd: S, slot: &PackedSlot, activation: usize, values: &mut [S::f32s]) {
    if let Some(bound) = slot.spec.cell.preactivation_clip {
        let (min, max) = (simd.splat_f32s(-bound), simd.splat_f32s(bound));
        for value in &mut *values {
            *value = clip(simd, *value, min, max);
        }
    }
    activate(simd, slot.spec.cell.activations[activation], values);
}

#[inline(always)]
fn clip_cell<S: Simd>(simd: S, bounds: Option<CellClip>, c: &mut [S::f32s]) {
    let Some(CellClip { min, max, nan }) = bounds else { return };
    let (min, max) = (simd.splat_f32s(min), simd.splat_f32s(max));
    for c in c {
        // A NaN does not equal itself.
        let known = if nan { simd.select_f32s(simd.equal_f32s(*c, *c), *c, min) } else { *c };
        *c = clip(simd, known, min, max);
    }
}

/// Over the units of all gates, which are padded to whole lines: gain (x - mean) / sqrt(variance + epsilon) +
/// bias.
#[inline(always)]
fn normalise(values: &mut [f32], gates: usize, units: usize, [gain, bias]: &[super::aligned::Aligned; 2]) {
    let stride = super::aligned::padded(units);
    let count = (gates * units) as f32;
    let mut sum = 0.0;
    for gate in values.chunks(stride).take(gates) {
        sum += total(&gate[..units], 0.0, |x| x);
    }
    let mean = sum / count;
    let mut squares = 0.0;
    for gate in values.chunks(stride).take(gates) {
        squares += total(&gate[..units], mean, |x| x * x);
    }
    let deviation = (squares / count + EPSILON).sqrt();
    for ((value, gain), bias) in values.iter_mut().zip(&**gain).zip(&**bias) {
        *value = gain * (*value - mean) / deviation + bias;
    }
}

/// The sum of a function of each number less another, in lanes, so that it is exact to few digits less and
/// can be vectors.
#[inline(always)]
fn total(values: &[f32], less: f32, of: impl Fn(f32) -> f32) -> f32 {
    let (lines, rest) = values.as_chunks::<{ super::aligned::LINE }>();
    let mut sums = [0.0; super::aligned::LINE];
    for line in lines {
        for (sum, &value) in sums.iter_mut().zip(line) {
            *sum += of(value - less);
        }
    }
    for (sum, &value) in sums.iter_mut().zip(rest) {
        *sum += of(value - less);
    }
    sums.iter().sum()
}

/// The normalisation of the input's products.
pub struct Normalise<'a> {
    pub norm: &'a Norm,
    pub units: usize,
    /// `[rows, columns]`
    pub rows: &'a mut [f32],
    pub columns: usize,
}

impl WithSimd for Normalise<'_> {
    type Output = ();

    #[inline(always)]
    fn with_simd<S: Simd>(self, _: S) {
        for row in self.rows.chunks_exact_mut(self.columns) {
            normalise(row, self.norm.gates, self.units, &self.norm.ih);
        }
    }
}
