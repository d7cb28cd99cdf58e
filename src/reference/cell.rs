//! The cells' equations, a batch row and step at a time.

use super::activation::activate;
use crate::float::Scalar;
use crate::network::{CellSpec, SlotSpec};
use crate::weights::TensorKind;
use crate::{Cell, CellClip, Reset, SlotWeights};
use ndarray::{ArrayView1, ArrayView2};
use std::marker::PhantomData;

/// Added to a variance (PyTorch's LayerNorm).
const EPSILON: f64 = 1e-5;

/// The equations of one layer and direction.
pub(super) struct Equations<'a, T> {
    slot: &'a SlotSpec,
    cell: &'a CellSpec,
    float: PhantomData<T>,
}

impl<'a, T: Scalar> Equations<'a, T> {
    pub fn new(slot: &'a SlotSpec) -> Equations<'a, T> {
        Equations { slot, cell: &slot.cell, float: PhantomData }
    }

    /// x_t, h_{t-1} and c_{t-1} to h_t and c_t.
    pub fn step(&self, w: &SlotWeights<'_, T>, x: ArrayView1<'_, T>, h: &[T], c: &[T]) -> (Vec<T>, Vec<T>) {
        let units = 0..self.slot.hidden_size;
        match self.cell.cell {
            Cell::Vanilla(_) => {
                let (x, h) = (self.input(w, x), self.recurrent(w, h));
                // h_t = f(x + h)
                (units.map(|j| self.f(x[0][j] + h[0][j])).collect(), Vec::new())
            }
            Cell::Gru => {
                let (x, from_h) = (self.input(w, x), self.recurrent(w, h));
                let gate = |g: usize, j: usize| self.f(x[g][j] + from_h[g][j]);
                let (r, z): (Vec<T>, Vec<T>) = units.clone().map(|j| (gate(0, j), gate(1, j))).unzip();
                let n: Vec<T> = match self.cell.gru_reset {
                    // n = g(x_n + r ∘ (W_hn h + b_hn))
                    Reset::After => units.clone().map(|j| self.g(x[2][j] + r[j] * from_h[2][j])).collect(),
                    // n = g(x_n + W_hn (r ∘ h) + b_hn)
                    Reset::Before => {
                        let reset: Vec<T> = units.clone().map(|j| r[j] * h[j]).collect();
                        let from_reset = self.recurrent(w, &reset);
                        units.clone().map(|j| self.g(x[2][j] + from_reset[2][j])).collect()
                    }
                };
                // h_t = (1 - z) n + z h_{t-1}
                (units.map(|j| (T::one() - z[j]) * n[j] + z[j] * h[j]).collect(), Vec::new())
            }
            Cell::Lstm => self.lstm(w, x, h, c),
        }
    }

    fn lstm(&self, w: &SlotWeights<'_, T>, x: ArrayView1<'_, T>, h: &[T], c: &[T]) -> (Vec<T>, Vec<T>) {
        let size = self.slot.hidden_size;
        let (x, h) = (self.input(w, x), self.recurrent(w, h));
        let peepholes = w.vector(TensorKind::Peephole);
        // The peepholes of gates i, o, f, in this order.
        let peephole = |index: usize, j: usize| peepholes.map_or(T::zero(), |p| p[index * size + j]);
        let mut next_c = Vec::new();
        for j in 0..size {
            let [i, f, g] = [0, 1, 2].map(|gate| x[gate][j] + h[gate][j]);
            let i = self.f(i + peephole(0, j) * c[j]);
            let f =
                if self.cell.coupled_input_forget { T::one() - i } else { self.f(f + peephole(2, j) * c[j]) };
            // c_t = f c_{t-1} + i g
            next_c.push(self.clip_cell(f * c[j] + i * self.g(g)));
        }
        // h_t = o h(c_t), or o h(LN(c_t))
        let seen = match (w.vector(TensorKind::NormCWeight), w.vector(TensorKind::NormCBias)) {
            (Some(gain), Some(bias)) => normalised(&next_c, gain, bias),
            _ => next_c.clone(),
        };
        let mut m = Vec::new();
        for j in 0..size {
            let o = self.f(x[3][j] + h[3][j] + peephole(1, j) * next_c[j]);
            m.push(o * activate(self.cell.activations[2], seen[j]));
        }
        match w.matrix(TensorKind::WeightHr) {
            // r_t = W_hr m_t
            Some(projection) => (product(projection, &m), next_c),
            None => (m, next_c),
        }
    }

    /// W_ih x + b_ih by gate; LN(W_ih x) + b_ih with layer normalisation.
    fn input(&self, w: &SlotWeights<'_, T>, x: ArrayView1<'_, T>) -> Vec<Vec<T>> {
        let sums = product(w.weight_ih(), &x.to_vec());
        let norm = w.vector(TensorKind::NormIhWeight).zip(w.vector(TensorKind::NormIhBias));
        self.by_gate(sums, norm, w.bias_ih())
    }

    /// W_hh h + b_hh by gate; LN(W_hh h) + b_hh with layer normalisation.
    fn recurrent(&self, w: &SlotWeights<'_, T>, h: &[T]) -> Vec<Vec<T>> {
        let norm = w.vector(TensorKind::NormHhWeight).zip(w.vector(TensorKind::NormHhBias));
        self.by_gate(product(w.weight_hh(), h), norm, w.bias_hh())
    }

    fn by_gate(
        &self,
        sums: Vec<T>,
        norm: Option<(ArrayView1<'_, T>, ArrayView1<'_, T>)>,
        bias: Option<ArrayView1<'_, T>>,
    ) -> Vec<Vec<T>> {
        let sums = match norm {
            Some((gain, bias)) => normalised(&sums, gain, bias),
            None => sums,
        };
        let with_bias = |(row, &sum): (usize, &T)| bias.map_or(sum, |bias| sum + bias[row]);
        let sums: Vec<T> = sums.iter().enumerate().map(with_bias).collect();
        sums.chunks(self.slot.hidden_size).map(<[T]>::to_vec).collect()
    }

    fn f(&self, x: T) -> T {
        activate(self.cell.activations[0], self.clip_preactivation(x))
    }

    fn g(&self, x: T) -> T {
        activate(self.cell.activations[1], self.clip_preactivation(x))
    }

    fn clip_preactivation(&self, x: T) -> T {
        match self.cell.preactivation_clip {
            Some(bound) => clip(x, number(-bound), number(bound)),
            None => x,
        }
    }

    fn clip_cell(&self, c: T) -> T {
        match self.cell.cell_clip {
            Some(CellClip { min, nan: true, .. }) if c.is_nan() => number(min),
            Some(CellClip { min, max, .. }) => clip(c, number(min), number(max)),
            None => c,
        }
    }
}

/// W x
fn product<T: Scalar>(weight: ArrayView2<'_, T>, x: &[T]) -> Vec<T> {
    let row = |row: ArrayView1<'_, T>| {
        row.into_iter().zip(x).map(|(&w, &x)| w * x).fold(T::zero(), |sum, product| sum + product)
    };
    weight.rows().into_iter().map(row).collect()
}

/// LN(x; gain, bias) = gain (x - mean) / sqrt(variance + epsilon) + bias
fn normalised<T: Scalar>(x: &[T], gain: ArrayView1<'_, T>, bias: ArrayView1<'_, T>) -> Vec<T> {
    let count: T = number(x.len() as f32);
    let mean = x.iter().fold(T::zero(), |sum, &x| sum + x) / count;
    let variance = x.iter().fold(T::zero(), |sum, &x| sum + (x - mean) * (x - mean)) / count;
    let deviation = (variance + T::constant(EPSILON)).sqrt();
    x.iter().zip(gain).zip(bias).map(|((&x, &gain), &bias)| gain * (x - mean) / deviation + bias).collect()
}

/// A NaN stays one. The gradient at a bound is 0, as that of PyTorch's clamp by two bounds.
fn clip<T: Scalar>(x: T, min: T, max: T) -> T {
    if x <= min {
        min
    } else if x >= max {
        max
    } else {
        x
    }
}

fn number<T: Scalar>(number: f32) -> T {
    T::constant(f64::from(number))
}
