//! MXNet's own random numbers, bit for bit (MXNet 1.1 and later, on the CPU).

use ndarray::{Array, Dimension, ShapeBuilder};
use rand_mt::Mt;
use std::sync::{Arc, Mutex, PoisonError};

/// MXNet's generator of random numbers, as `mx.random.seed(seed)` leaves it.
///
/// The value is a handle: clones draw from the same generator, as all code of an MXNet process does. A Gluon
/// script is followed by drawing in its order: [`uniform`](Self::uniform) where it calls
/// `mx.nd.random.uniform`, [`Init::mxnet`](crate::Init::mxnet) where it calls `initialize()`.
///
/// ```
/// use wgpu_rnn::mxnet::Random;
///
/// let x = Random::new(0).uniform(0.0, 1.0, (4, 5, 3));
/// assert_eq!(x[[0, 0, 0]], 0.54881352);
/// ```
#[derive(Clone, Debug)]
pub struct Random(Arc<Mutex<Generator>>);

#[derive(Debug)]
struct Generator {
    seed: u32,
    /// Made when first drawn from, then kept from request to request.
    twisters: Vec<Option<Mt>>,
}

impl Random {
    /// MXNet's default seed is 0.
    pub fn new(seed: u32) -> Random {
        Random(Arc::new(Mutex::new(Generator { seed, twisters: vec![None; TWISTERS] })))
    }

    /// An array of numbers from `low` up to, and without, `high`: `mx.nd.random.uniform(low, high, shape)`.
    pub fn uniform<D: Dimension>(
        &self,
        low: f32,
        high: f32,
        shape: impl ShapeBuilder<Dim = D>,
    ) -> Array<f32, D> {
        let mut array = Array::zeros(shape);
        let count = array.len();
        // A panic between draws cannot leave a twister half-stepped, so a poisoned lock is still sound.
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let parts = count.div_ceil(MIN_DRAWS).min(TWISTERS);
        let step = count.div_ceil(parts.max(1));
        for (index, number) in array.iter_mut().enumerate() {
            let unit = (state.draw(index / step) as f32 / TWO_POW_32).min(BELOW_ONE);
            *number = low + (high - low) * unit;
        }
        array
    }
}

impl Generator {
    fn draw(&mut self, twister: usize) -> u32 {
        let seed = self.seed.wrapping_mul(127).wrapping_add(twister as u32);
        self.twisters[twister].get_or_insert_with(|| Mt::new(seed)).next_u32()
    }
}

/// Generators that a request is spread over.
const TWISTERS: usize = 1024;
/// The fewest numbers that one twister draws, in a request of at least as many.
const MIN_DRAWS: usize = 64;
const TWO_POW_32: f32 = 4_294_967_296.0;
const BELOW_ONE: f32 = 1.0 - f32::EPSILON / 2.0;
