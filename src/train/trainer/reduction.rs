//! The reduction of gradients over ranks, between the backward passes of an update and the update.

use super::{Mean, Trainer};
use crate::{Error, Result};
use std::fmt;

/// Numbers behind the gradients: the divisor of the mean, the loss, right rows, and rows.
pub(super) const SUMS: usize = 4;

/// A fault of a reduction.
type Fault = Box<dyn std::error::Error + Send + Sync>;

/// A function that replaces an array by its sum over ranks.
type Sum = Box<dyn FnMut(&mut [f32]) -> Result<(), Fault> + Send>;

pub(super) struct Reduction(Sum);

impl fmt::Debug for Reduction {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a reduction")
    }
}

impl Reduction {
    /// Sums gradients over ranks, with [`SUMS`] numbers behind them, and makes them the gradients of the mean
    /// over the rows of all ranks. Loss and right rows become those of all ranks too. The answer is the mean
    /// of all.
    pub fn run(
        &mut self,
        step: u64,
        flat: &mut [f32],
        mean: Mean,
        [loss, right]: &mut [f64; 2],
    ) -> Result<Mean> {
        let (gradients, sums) = flat.split_at_mut(flat.len() - SUMS);
        // Sums over rows, whatever the units of this rank.
        scale(gradients, mean.unit());
        sums.copy_from_slice(
            &[mean.total(), *loss * mean.unit(), *right, mean.rows as f64].map(|sum| sum as f32),
        );
        (self.0)(flat).map_err(|source| Error::Reduction { step, source })?;
        let (gradients, sums) = flat.split_at_mut(flat.len() - SUMS);
        let [divisor, all_loss, all_right, rows] = std::array::from_fn(|place| f64::from(sums[place]));
        let mean = Mean::default().with(divisor, rows as usize);
        scale(gradients, mean.of_sum());
        (*loss, *right) = (all_loss * mean.of_sum(), all_right);
        Ok(mean)
    }
}

fn scale(numbers: &mut [f32], factor: f64) {
    if factor != 1.0 {
        let factor = factor as f32;
        numbers.iter_mut().for_each(|number| *number *= factor);
    }
}

/// # Many ranks
impl Trainer {
    /// Trains together with other ranks, each with batches of its own, as one trainer with all their batches.
    ///
    /// `sum` replaces every number of an array by its sum over all ranks, and gives the same bits to each. It
    /// is called once per update: after the last backward pass of an update, before clipping. The array has
    /// the gradients by the network's flat parameters and by the head's, times the divisor of their mean
    /// ([`LossValue::divisor`](crate::train::LossValue::divisor)), then this divisor, the loss times it,
    /// right rows, and rows. The trainer divides by the summed divisor, so that gradients, norm and
    /// [`Report`](crate::train::Report) are those of the mean over all rows of all ranks. Rows are exact up
    /// to 2^24.
    ///
    /// Ranks that begin with the same parameters and settings stay equal to the bit, if their engines are
    /// alike. Each rank takes as many batches. A rank without a row takes a batch whose lengths are 0, or
    /// whose targets are ignored.
    ///
    /// On a GPU, an update waits for the device, before and after which the gradients are the host's: they
    /// are read through one buffer, and written back.
    ///
    /// An error of `sum` is the step's [`Error::Reduction`]. The parameters then stay as they were, and the
    /// batches of the update are forgotten.
    ///
    /// ```
    /// use ndarray::Array3;
    /// use std::sync::mpsc::channel;
    /// use wgpu_rnn::train::{Head, Loss, Optimizer, Targets, Trainer};
    /// use wgpu_rnn::{Call, Config, Engine, Init, Rnn};
    ///
    /// # fn main() -> wgpu_rnn::Result<()> {
    /// let rnn = Rnn::lazy(&Engine::cpu(), &Config::gru(4).input_size(3), Init::pytorch())?;
    /// let (to_second, from_first) = channel::<Vec<f32>>();
    /// let (to_first, from_second) = channel::<Vec<f32>>();
    /// let mut trainers = Vec::new();
    /// for (sender, receiver) in [(to_second, from_second), (to_first, from_first)] {
    ///     let optimizer = Optimizer::adamw(0.02);
    ///     let trainer = Trainer::new(rnn.clone(), Head::last_states(2), Loss::cross_entropy(), optimizer)?;
    ///     trainers.push(trainer.reduce(move |numbers| {
    ///         sender.send(numbers.to_vec())?;
    ///         numbers.iter_mut().zip(receiver.recv()?).for_each(|(own, other)| *own += other);
    ///         Ok(())
    ///     }));
    /// }
    /// std::thread::scope(|scope| {
    ///     for (rank, trainer) in trainers.iter_mut().enumerate() {
    ///         let input = Array3::from_elem((5, 2, 3), rank as f32);
    ///         let targets = Targets::Classes(vec![rank as i32; 2]);
    ///         scope.spawn(move || trainer.step(&Call::new(&input), &targets).map(drop));
    ///     }
    /// });
    /// let weights: Vec<_> = trainers.iter_mut().map(|trainer| trainer.weights()).collect::<Result<_, _>>()?;
    /// assert_eq!(weights[0], weights[1]);
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn reduce(mut self, sum: impl FnMut(&mut [f32]) -> Result<(), Fault> + Send + 'static) -> Trainer {
        self.reduction = Some(Reduction(Box::new(sum)));
        self
    }
}
