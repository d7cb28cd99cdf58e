//! A training whose arrays are on the host: on the CPU engine, and by the reference.

use super::reduction::{Reduction, SUMS};
use super::{Batch, Mean, other_batch};
use crate::gpu::Wait;
use crate::train::{Coefficients, HeadWeights, Loss, Optimizer, Targets, norm};
use crate::{Call, Result, Rnn, Save, State, Wanted, Weights};

/// Gradients and the optimiser's states, of the network's flat parameters and of the head's.
#[derive(Debug)]
pub(super) struct HostTraining {
    /// One after the other, with the sums of a reduction behind them.
    gradients: Vec<f32>,
    /// Numbers of the network's.
    len: usize,
    /// Two arrays each.
    pub states: Vec<[Vec<f32>; 2]>,
    /// Losses, in units of the first one's mean, and right rows of the batches since the last update.
    sums: [f64; 2],
    reports: Vec<(f64, f64, f64)>,
    /// The states that the next batch begins from.
    pub carried: Option<State>,
}

impl HostTraining {
    pub fn new(weights: &Weights, head: &HeadWeights, optimizer: &Optimizer) -> HostTraining {
        let lens = [weights.params().numbers.len(), head.params().as_slice().len()];
        let zeros = || lens.map(|len| vec![0.0; len]);
        let gradients = vec![0.0; lens[0] + lens[1] + SUMS];
        let states = optimizer.state_arrays().iter().map(|_| zeros()).collect();
        let (len, sums, reports) = (lens[0], [0.0; 2], Vec::new());
        HostTraining { gradients, len, states, sums, reports, carried: None }
    }

    /// One batch; the mean with it.
    #[allow(clippy::too_many_arguments, reason = "the parts of a trainer")]
    pub async fn step(
        &mut self,
        rnn: &mut Rnn,
        head: &mut HeadWeights,
        loss: &Loss,
        call: &Call<'_>,
        targets: &Targets,
        batch: &Batch,
        (save, carries): (Save, bool),
        reduction: Option<&mut Reduction>,
    ) -> Result<Mean> {
        let lengths = rnn.network().checked(call)?.lengths;
        let lengths = lengths.as_deref();
        let batch_size = rnn.network().checked(call)?.batch();
        if let Some(carried) = self.carried.as_ref().map(|state| state.h.dim().1)
            && carries
            && carried != batch_size
        {
            return Err(other_batch(carried, batch_size));
        }
        let carried = self.carried.clone().filter(|_| carries);
        let call = call.or_state(carried.as_ref());
        let (output, mut saved) = rnn.run_saved(&call, save, Wait::Elsewhere).await?;
        let features = head.features(&output, lengths)?;
        let predictions = head.predict(&features)?;
        let mut value = loss.evaluate(&predictions, targets, lengths)?;
        self.carried = carries.then(|| output.state());
        let mut mean = batch.mean.with(value.divisor, value.rows);
        let share = mean.of_mean(value.divisor);
        let factor = (batch.gradient_factor * share) as f32;
        if factor != 1.0 {
            value.gradient.mapv_inplace(|gradient| gradient * factor);
        }
        let by_head = head.backward(&features, &value.gradient)?;
        let read = head.read_gradients(&output, lengths, &by_head.features)?;
        let wanted = Wanted::all().without_input();
        let given = read.gradients();
        let by_call = rnn.run_backward(&mut saved, &given, &wanted, Wait::Elsewhere).await?;
        let both = [by_call.weights.as_slice(), by_head.params.as_slice()];
        for (own, new) in self.flats().into_iter().zip(both) {
            match batch.adds {
                true => own.iter_mut().zip(new).for_each(|(own, new)| *own += new),
                false => own.copy_from_slice(new),
            }
        }
        if !batch.adds {
            self.sums = [0.0; 2];
        }
        self.sums[0] += f64::from(value.loss) * share;
        self.sums[1] += value.right as f64;
        if batch.updates {
            if let Some(reduction) = reduction {
                mean = reduction.run(batch.step, &mut self.gradients, mean, &mut self.sums)?;
            }
            self.update(rnn, head, &batch.coefficients.scaled(mean.share()))?;
        }
        Ok(mean)
    }

    /// The gradients by the network's parameters, and by the head's.
    fn flats(&mut self) -> [&mut [f32]; 2] {
        let (network, rest) = self.gradients.split_at_mut(self.len);
        let end = rest.len() - SUMS;
        [network, &mut rest[..end]]
    }

    fn update(
        &mut self,
        rnn: &mut Rnn,
        head: &mut HeadWeights,
        coefficients: &Coefficients<f64>,
    ) -> Result<()> {
        let [network, own] = self.flats().map(|flat| norm(flat));
        let whole = network.hypot(own);
        let [loss, right] = self.sums;
        self.reports.push((loss, right, whole * coefficients.scale));
        if !(whole.is_finite() && loss.is_finite()) {
            // The parameters stay as they are.
            return Ok(());
        }
        let coefficients = coefficients.with_norm(whole).cast::<f32>();
        let mut weights = rnn.known_weights()?.clone();
        let (by_network, rest) = self.gradients.split_at(self.len);
        let flats = [
            (weights.as_mut_slice(), by_network),
            (head.params_mut().as_mut_slice(), &rest[..rest.len() - SUMS]),
        ];
        for (flat, (numbers, gradients)) in flats.into_iter().enumerate() {
            let mut states: Vec<&mut [f32]> =
                self.states.iter_mut().map(|state| &mut state[flat][..]).collect();
            coefficients.update(numbers, gradients, &mut states)?;
        }
        rnn.set_weights(weights)
    }

    /// The reports since the last call: loss, right rows and norm.
    pub fn reports(&mut self) -> Vec<(f64, f64, f64)> {
        std::mem::take(&mut self.reports)
    }
}
