//! The numbers that the reference computes in.

use num_traits::{One, Zero};
use safetensors::Dtype;
use std::ops::{Add, Div, Mul, Neg, Sub};

/// `f32` or `f64`.
pub trait Float:
    num_traits::Float + num_traits::ToBytes<Bytes: AsRef<[u8]>> + std::fmt::Debug + Send + Sync + 'static
{
    /// The name of the type in safetensors files.
    #[doc(hidden)]
    const DTYPE: Dtype;

    /// The numbers of little-endian bytes.
    #[doc(hidden)]
    fn of_bytes(bytes: &[u8]) -> Vec<Self>;

    /// The bytes of numbers, in the host's order.
    #[doc(hidden)]
    fn bytes_mut(numbers: &mut [Self]) -> &mut [u8];
}

impl Float for f32 {
    const DTYPE: Dtype = Dtype::F32;

    fn of_bytes(bytes: &[u8]) -> Vec<f32> {
        bytes.as_chunks().0.iter().map(|&number| f32::from_le_bytes(number)).collect()
    }

    fn bytes_mut(numbers: &mut [f32]) -> &mut [u8] {
        bytemuck::cast_slice_mut(numbers)
    }
}

impl Float for f64 {
    const DTYPE: Dtype = Dtype::F64;

    fn of_bytes(bytes: &[u8]) -> Vec<f64> {
        bytes.as_chunks().0.iter().map(|&number| f64::from_le_bytes(number)).collect()
    }

    fn bytes_mut(numbers: &mut [f64]) -> &mut [u8] {
        bytemuck::cast_slice_mut(numbers)
    }
}

/// A number of the reference's loops: a [`Float`], or a number of a tape, which records its operations.
pub(crate) trait Scalar:
    Copy
    + PartialOrd
    + Zero
    + One
    + Neg<Output = Self>
    + Add<Output = Self>
    + Sub<Output = Self>
    + Mul<Output = Self>
    + Div<Output = Self>
{
    /// A constant.
    fn constant(number: f64) -> Self;
    fn exp(self) -> Self;
    /// exp(x) - 1
    fn exp_m1(self) -> Self;
    /// log(1 + x)
    fn ln_1p(self) -> Self;
    fn tanh(self) -> Self;
    fn sqrt(self) -> Self;
    fn is_nan(self) -> bool;
}

impl<T: Float> Scalar for T {
    fn constant(number: f64) -> T {
        T::from(number).expect("a float converts to a float")
    }

    fn exp(self) -> T {
        num_traits::Float::exp(self)
    }

    fn exp_m1(self) -> T {
        num_traits::Float::exp_m1(self)
    }

    fn ln_1p(self) -> T {
        num_traits::Float::ln_1p(self)
    }

    fn tanh(self) -> T {
        num_traits::Float::tanh(self)
    }

    fn sqrt(self) -> T {
        num_traits::Float::sqrt(self)
    }

    fn is_nan(self) -> bool {
        num_traits::Float::is_nan(self)
    }
}
