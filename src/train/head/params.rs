//! The numbers of a head's tensors, or the gradients by them, flat.

use crate::{Float, Result, memory};
use ndarray::{ArrayView1, ArrayView2, ArrayViewD};

/// Numbers that a tensor begins at a multiple of, as in the weights of networks.
const ALIGNMENT: usize = 64;

/// The numbers of `head.weight` `[C, F]` and `head.bias` `[C]`, or the gradients by them, in one array.
#[derive(Clone, Debug, PartialEq)]
pub struct HeadParams<T = f32> {
    outputs: usize,
    features: usize,
    numbers: Vec<T>,
}

impl<T: Float> HeadParams<T> {
    pub(super) fn zeros(outputs: usize, features: usize) -> Result<HeadParams<T>> {
        let what = || format!("head.weight of {outputs} outputs and {features} features");
        // The weight, and then the bias with two gaps of less than 64 numbers.
        memory::check::<T>(what, &[outputs, features.saturating_add(1 + 2 * ALIGNMENT)])?;
        let len = bias_offset(outputs, features) + outputs.next_multiple_of(ALIGNMENT);
        Ok(HeadParams { outputs, features, numbers: vec![T::zero(); len] })
    }

    /// F.
    pub(super) fn features(&self) -> usize {
        self.features
    }

    /// `head.weight`, `[C, F]`.
    pub fn weight(&self) -> ArrayView2<'_, T> {
        let numbers = &self.numbers[..self.outputs * self.features];
        ArrayView2::from_shape((self.outputs, self.features), numbers).expect("C times F numbers")
    }

    /// `head.bias`, `[C]`.
    pub fn bias(&self) -> ArrayView1<'_, T> {
        ArrayView1::from(&self.numbers[bias_offset(self.outputs, self.features)..][..self.outputs])
    }

    /// Both tensors with their names.
    pub fn tensors(&self) -> impl Iterator<Item = (&'static str, ArrayViewD<'_, T>)> {
        [("head.weight", self.weight().into_dyn()), ("head.bias", self.bias().into_dyn())].into_iter()
    }

    /// The name, the first number and the shape of each tensor.
    pub(in crate::train) fn places(&self) -> [(&'static str, usize, Vec<usize>); 2] {
        let weight = ("head.weight", 0, vec![self.outputs, self.features]);
        [weight, ("head.bias", bias_offset(self.outputs, self.features), vec![self.outputs])]
    }

    /// All numbers: the weight, and then the bias. Each begins at a multiple of 64 numbers, and the numbers
    /// between are zero.
    pub fn as_slice(&self) -> &[T] {
        &self.numbers
    }

    /// All numbers, as [`as_slice`](HeadParams::as_slice), to write.
    pub fn as_mut_slice(&mut self) -> &mut [T] {
        &mut self.numbers
    }

    /// The numbers of weight and bias, to write.
    pub(super) fn split_mut(&mut self) -> (&mut [T], &mut [T]) {
        let (weight, bias) = self.numbers.split_at_mut(bias_offset(self.outputs, self.features));
        (&mut weight[..self.outputs * self.features], &mut bias[..self.outputs])
    }

    pub(super) fn cast<U: Float>(&self) -> HeadParams<U> {
        // Float to float always converts, to infinity at worst.
        let cast = |&number: &T| <U as num_traits::NumCast>::from(number).expect("a float converts");
        let numbers = self.numbers.iter().map(cast).collect();
        HeadParams { outputs: self.outputs, features: self.features, numbers }
    }
}

fn bias_offset(outputs: usize, features: usize) -> usize {
    (outputs * features).next_multiple_of(ALIGNMENT)
}
