//! Clipping of gradients by their global norm or by value, and the norm.

use super::settings::{ABOVE_ZERO, expect, from_json, is_above_zero, to_json};
use crate::{Float, Result};
use serde::{Deserialize, Serialize};

/// Numbers of a block of the [`norm`].
pub const NORM_BLOCK: usize = 4096;

/// Sums that a block is first added up in.
const SUMS: usize = 1024;

/// Sums of a block that remain when each four are one.
const LANES: usize = SUMS / 4;

/// Clipping of gradients, as `torch.nn.utils` has it: none, by their global norm, or by value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Clip(By);

#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum By {
    #[default]
    None,
    Norm(f64),
    Value(f64),
}

impl Clip {
    /// No clipping.
    pub fn none() -> Clip {
        Clip(By::None)
    }

    /// A factor for all gradients that brings their norm down to a maximum.
    pub fn norm(max: f64) -> Clip {
        Clip(By::Norm(max))
    }

    /// A maximum for the magnitude of each gradient.
    pub fn value(max: f64) -> Clip {
        Clip(By::Value(max))
    }

    /// The maximum of the norm.
    pub fn max_norm(&self) -> Option<f64> {
        if let By::Norm(max) = self.0 { Some(max) } else { None }
    }

    /// The maximum of a gradient's magnitude.
    pub fn max_value(&self) -> Option<f64> {
        if let By::Value(max) = self.0 { Some(max) } else { None }
    }

    /// The factor of gradients with this norm: min(1, max / (norm + 1e-6)), or 1 without clipping by norm. It
    /// is NaN for a norm that is NaN, and 0 for an infinite norm.
    pub fn factor(&self, norm: f64) -> f64 {
        let Some(max) = self.max_norm() else { return 1.0 };
        let factor = max / (norm + 1e-6);
        if factor > 1.0 { 1.0 } else { factor }
    }

    /// The one check of the settings.
    ///
    /// # Errors
    /// [`Error::Setting`](crate::Error::Setting) for a maximum that is not above 0, or not finite.
    pub fn check(&self) -> Result<()> {
        match self.0 {
            By::None => Ok(()),
            By::Norm(max) => expect(is_above_zero(max), "clip norm", ABOVE_ZERO, max),
            By::Value(max) => expect(is_above_zero(max), "clip value", ABOVE_ZERO, max),
        }
    }

    /// The settings as a JSON value.
    pub fn to_json(&self) -> serde_json::Value {
        to_json(self)
    }

    /// The settings of a JSON value that [`to_json`](Clip::to_json) made, checked.
    ///
    /// # Errors
    /// [`Error::Metadata`](crate::Error::Metadata) for another value, and the errors of
    /// [`check`](Clip::check).
    pub fn from_json(value: &serde_json::Value) -> Result<Clip> {
        let clip: Clip = from_json("clip", "the settings of clipping", value)?;
        clip.check()?;
        Ok(clip)
    }
}

/// The Euclidean norm of all gradients of a flat array: the root of the [`square_sums`], added in order in
/// f64.
///
/// It is not finite where a gradient is not finite, or where a sum of squares exceeds the gradients' type.
pub fn norm<T: Float>(gradients: &[T]) -> f64 {
    square_sums(gradients).map(|sum| sum.to_f64().unwrap_or(f64::NAN)).sum::<f64>().sqrt()
}

/// The sums of squares of each [`NORM_BLOCK`] gradients, in an order that a kernel can repeat.
///
/// Sum j of 1024 adds the squares of a block's numbers j, j + 1024, j + 2048 and j + 3072, in this order.
/// Numbers past the end count as zeros. Sums 4i to 4i + 3 become lane i, as (a + b) + (c + d). Then lanes i
/// below 128 add lane i + 128, lanes below 64 add lane i + 64, and so on to lane 0.
pub fn square_sums<T: Float>(gradients: &[T]) -> impl Iterator<Item = T> {
    gradients.chunks(NORM_BLOCK).map(square_sum)
}

fn square_sum<T: Float>(block: &[T]) -> T {
    let mut sums = [T::zero(); SUMS];
    for part in block.chunks(SUMS) {
        sums.iter_mut().zip(part).for_each(|(sum, &number)| *sum = *sum + number * number);
    }
    let mut lanes = [T::zero(); LANES];
    let fours = sums.as_chunks().0;
    lanes.iter_mut().zip(fours).for_each(|(lane, &[a, b, c, d])| *lane = (a + b) + (c + d));
    let mut half = LANES / 2;
    while half > 0 {
        let (low, high) = lanes.split_at_mut(half);
        low.iter_mut().zip(high).for_each(|(lane, other)| *lane = *lane + *other);
        half /= 2;
    }
    lanes[0]
}
