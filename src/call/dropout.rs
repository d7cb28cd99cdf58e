//! Dropout between layers (Srivastava et al. 2014; Gal and Ghahramani 2016 for one mask of all steps).
//!
//! No mask is kept: it is drawn again wherever it is needed, from a generator that counts (Philox4x32-10,
//! Salmon et al. 2011), whose numbers are the same on every engine.

use crate::float::Scalar;
use crate::network::Network;
use crate::{Error, Result};
use ndarray::ArrayViewMut3;

/// Dropout of the layers' outputs, but the last one's: each number becomes 0 with probability p, and else
/// 1 / (1 - p) times itself.
///
/// ```
/// use ndarray::Array3;
/// use wgpu_rnn::{Call, Config, Dropout, Engine, Init, Rnn};
///
/// # fn main() -> wgpu_rnn::Result<()> {
/// let lstm = Rnn::lazy(&Engine::cpu(), &Config::lstm(13).num_layers(2), Init::pytorch())?;
/// let input = Array3::ones((5, 3, 7)); // T 5, N 3, I 7
/// let dropped = lstm.call(&Call::new(&input).dropout(Dropout::new(0.5).seed(1).call(0)))?;
/// let others = lstm.call(&Call::new(&input).dropout(Dropout::new(0.5).seed(1).call(1)))?;
/// assert_ne!(dropped.output, others.output);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Dropout {
    p: f32,
    seed: u64,
    rank: u32,
    call: u32,
    is_variational: bool,
}

impl Dropout {
    /// With a probability from 0 to 1, seed 0, rank 0 and call 0.
    pub fn new(p: f32) -> Dropout {
        Dropout { p, seed: 0, rank: 0, call: 0, is_variational: false }
    }

    /// The key of the masks.
    #[must_use]
    pub fn seed(self, seed: u64) -> Dropout {
        Dropout { seed, ..self }
    }

    /// The rank of a process among many: each has masks of its own by the same seed.
    #[must_use]
    pub fn rank(self, rank: u32) -> Dropout {
        Dropout { rank, ..self }
    }

    /// The number of the call: each has masks of its own. A training loop counts it up.
    #[must_use]
    pub fn call(self, call: u32) -> Dropout {
        Dropout { call, ..self }
    }

    /// One mask for all time steps of a sequence.
    #[must_use]
    pub fn variational(self) -> Dropout {
        Dropout { is_variational: true, ..self }
    }

    /// Refuses a probability that is none, and a network without an output to drop of.
    pub(crate) fn check(&self, network: &Network) -> Result<()> {
        let refuse = |expected: &str, found: String| {
            Err(Error::Argument { name: "dropout", expected: expected.into(), found })
        };
        if !(0.0..=1.0).contains(&self.p) {
            return refuse("a probability from 0 to 1", self.p.to_string());
        }
        if self.p > 0.0 && network.num_layers < 2 {
            return refuse("2 layers or more, between which it is applied", network.num_layers.to_string());
        }
        Ok(())
    }

    /// The words that `shaders/drop.wgsl` is told.
    pub(crate) fn words(&self) -> [u32; 6] {
        let (least, scale) = self.least_and_scale();
        // A word of 32 bits cannot say that none is kept.
        let drops_all = u32::try_from(least).is_err();
        let bits = u32::from(self.is_variational) | u32::from(drops_all) << 1;
        let (low, high) = (self.key() as u32, (self.key() >> 32) as u32);
        [low, high, self.call, u32::try_from(least).unwrap_or(u32::MAX), (scale as f32).to_bits(), bits]
    }

    /// The key of the generator. Seeds are small numbers as a rule, and so differ from ranks in the high
    /// half.
    fn key(&self) -> u64 {
        self.seed ^ u64::from(self.rank) << 32
    }

    /// The least random word that is kept, and the factor of kept numbers.
    fn least_and_scale(&self) -> (u64, f64) {
        let least = (f64::from(self.p) * 4_294_967_296.0).floor() as u64;
        (least, if self.p < 1.0 { 1.0 / (1.0 - f64::from(self.p)) } else { 0.0 })
    }

    /// Applies the mask of a layer to an output `[T, N, C]`, or to the gradient by it.
    pub(crate) fn apply<T: Scalar>(&self, layer: usize, mut output: ArrayViewMut3<'_, T>) {
        let batch = output.dim().1;
        let (least, scale) = self.least_and_scale();
        let scale = T::constant(scale);
        for (t, mut step) in output.outer_iter_mut().enumerate() {
            let t = if self.is_variational { 0 } else { t };
            for (n, mut row) in step.outer_iter_mut().enumerate() {
                let counter = |group: usize| [self.call, layer as u32, (t * batch + n) as u32, group as u32];
                let mut words = [0; 4];
                for (column, number) in row.iter_mut().enumerate() {
                    if column % 4 == 0 {
                        words = philox(self.key(), counter(column / 4));
                    }
                    let is_kept = u64::from(words[column % 4]) >= least;
                    // Selected, so that a NaN is dropped too.
                    *number = if is_kept { *number * scale } else { T::zero() };
                }
            }
        }
    }
}

/// Four random words of a counter.
fn philox(key: u64, mut counter: [u32; 4]) -> [u32; 4] {
    let mut key = [key as u32, (key >> 32) as u32];
    for _ in 0..10 {
        let [a, b] = [(0xD251_1F53, counter[0]), (0xCD9E_8D57, counter[2])]
            .map(|(factor, word): (u32, u32)| u64::from(factor) * u64::from(word));
        counter = [
            (b >> 32) as u32 ^ counter[1] ^ key[0],
            b as u32,
            (a >> 32) as u32 ^ counter[3] ^ key[1],
            a as u32,
        ];
        key = [key[0].wrapping_add(0x9E37_79B9), key[1].wrapping_add(0xBB67_AE85)];
    }
    counter
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The vectors of Random123 1.14 (kat_vectors, philox4x32 of 10 rounds).
    #[test]
    fn words_are_those_of_random123() {
        let all = u32::MAX;
        for (key, counter, expected) in [
            (0, [0; 4], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
            (u64::MAX, [all; 4], [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]),
            (
                0x299f_31d0_a409_3822,
                [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344],
                [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1],
            ),
        ] {
            assert_eq!(philox(key, counter), expected);
        }
    }
}
