//! A training whose arrays stay on a GPU.

use super::reduction::{Reduction, SUMS};
use super::{Batch, Mean, other_batch};
use crate::gpu::{GpuTraining, HeadReads, TrainingBatch, TrainingSpec, Wait};
use crate::network::Merge;
use crate::plan::{LinearHead, NUMBERS_LEN, PlannedLoss, padded};
use crate::train::loss::Kind;
use crate::train::{HeadWeights, Loss, Optimizer, Reads, Rule, Targets};
use crate::{Call, Error, Result, Rnn, Save, State};

/// The arrays of a training, once the first batch has come.
#[derive(Debug)]
pub(super) struct DeviceTraining {
    training: Option<GpuTraining>,
    linear: LinearHead,
    reads: HeadReads,
    /// The states that the arrays begin with; zeros, if none.
    pub states: Option<Vec<[Vec<f32>; 2]>>,
    /// The states that the first batch begins from, if states are carried.
    pub carried: Option<State>,
    is_reset: bool,
    /// Arrays of the optimiser.
    count: usize,
    /// The host's weights are older than the device's.
    is_newer: bool,
    /// The gradients of a reduction, and its sums.
    reduced: Vec<f32>,
}

/// The parts of a trainer that a step needs.
pub(super) struct Of<'a> {
    pub rnn: &'a Rnn,
    pub head: &'a HeadWeights,
    pub loss: &'a Loss,
    pub optimizer: &'a Optimizer,
    pub save: Save,
    pub carries: bool,
}

impl DeviceTraining {
    pub fn new(rnn: &Rnn, head: &HeadWeights, optimizer: &Optimizer) -> Result<DeviceTraining> {
        let network = rnn.network();
        let unsupported = |name, expected: &str, found: &str| {
            Err(Error::Unsupported { name, expected: format!("{expected}, on a GPU"), found: found.into() })
        };
        if network.slots[0].cell.has_learned_state {
            return unsupported(
                "learned_state",
                "a network that starts from zero",
                "one that learns its state",
            );
        }
        let outputs = head.head().outputs();
        let top = network.top();
        let (reads, linear) = match head.head().reads() {
            Reads::LastStates => {
                let part_row = padded(network.state_size());
                let (part, parts) = (top[0].state_size, top.len());
                (HeadReads::LastStates, LinearHead { outputs, part, parts, part_row })
            }
            reads if network.merge != Merge::Apart => {
                let part = network.width(network.num_layers - 1);
                let linear = LinearHead { outputs, part, parts: 1, part_row: padded(part) };
                let reads = match reads {
                    Reads::Mean => HeadReads::Mean,
                    Reads::Max => HeadReads::Max,
                    _ => HeadReads::EveryStep,
                };
                (reads, linear)
            }
            _ => return unsupported("merge", "directions in one array", "apart"),
        };
        Ok(DeviceTraining {
            training: None,
            linear,
            reads,
            states: None,
            carried: None,
            is_reset: false,
            count: optimizer.state_arrays().len(),
            is_newer: false,
            reduced: Vec::new(),
        })
    }

    /// One batch; the mean with it.
    pub async fn step(
        &mut self,
        of: &Of<'_>,
        call: &Call<'_>,
        targets: &Targets,
        batch: &Batch,
        reduction: Option<&mut Reduction>,
        wait: Wait,
    ) -> Result<Mean> {
        let checked = of.rnn.network().checked(call)?;
        if checked.state.is_some() || checked.lengths_on_gpu.is_some() {
            let (expected, found) = ("an input, lengths and targets, on a GPU".into(), "more".into());
            return Err(Error::Unsupported { name: "call", expected, found });
        }
        let (steps, batch_size) = (checked.steps(), checked.batch());
        let predicted = if self.reads.is_of_sequence() { 1 } else { steps };
        let lengths = checked.lengths.as_deref();
        let told = of.loss.device_targets(targets, [predicted, batch_size, self.linear.outputs], lengths)?;
        let gpu = of.rnn.gpu("train")?;
        let weights = of.rnn.known_weights()?;
        if self.training.is_none() {
            let spec = TrainingSpec {
                head: self.linear,
                reads: self.reads,
                rule: match batch.coefficients.rule {
                    Rule::Sgd => 0,
                    Rule::Adam => 1,
                    Rule::Rmsprop => 2,
                },
                states: of.optimizer.state_arrays().len(),
                class_weights: of.loss.device_weights(self.linear.outputs),
            };
            let head = of.head.params().as_slice();
            let training = gpu.training(weights, head, spec, of.rnn.setup()).await?;
            if let Some(states) = self.states.take() {
                gpu.set_states(&training, &states);
            }
            let mut training = training;
            if let Some(state) = self.carried.take() {
                gpu.set_carried(of.rnn.network(), &mut training, &state).await?;
            }
            self.training = Some(training);
        }
        let training = self.training.as_mut().expect("it was just made");
        if std::mem::take(&mut self.is_reset) {
            gpu.reset_carried(training);
        }
        if let Some(carried) = gpu.carried_batch(training).filter(|&carried| carried != batch_size) {
            return Err(other_batch(carried, batch_size));
        }
        let layout = of.rnn.network().layout;
        let input = layout.swap(checked.input.view());
        let input = input.as_standard_layout();
        let lengths: Option<Vec<u32>> =
            lengths.map(|lengths| lengths.iter().map(|&length| length as u32).collect());
        let mut numbers = [0; NUMBERS_LEN as usize];
        let mean = batch.mean.with(told.divisor, told.rows);
        // Only an update reduces, whose gradients then are those of the mean.
        let reduction = reduction.filter(|_| batch.updates);
        let share = if reduction.is_some() { 1.0 } else { mean.share() };
        let coefficients = batch.coefficients.scaled(share).cast::<f32>();
        numbers[..16].copy_from_slice(&coefficients.words());
        // Rows of no weight are left out, with the smoothing of their labels.
        let factor = if told.divisor > 0.0 { mean.of_sum() } else { 0.0 };
        let factors = [factor, factor * batch.gradient_factor];
        numbers[16..18].copy_from_slice(&factors.map(|factor| (factor as f32).to_bits()));
        let step = batch.step;
        let batch = TrainingBatch {
            steps,
            batch: batch_size,
            input: input.as_slice().expect("it is in standard layout"),
            lengths: lengths.as_deref(),
            targets: &told.words,
            loss: told.loss,
            numbers,
            dropout: batch.dropout,
            save: of.save,
            carries: of.carries,
            adds: batch.adds,
            updates: batch.updates && reduction.is_none(),
        };
        gpu.train(weights, training, &batch, of.rnn.setup(), wait).await?;
        self.is_newer = true;
        let Some(reduction) = reduction else { return Ok(mean) };
        let len = training.gradients_len();
        self.reduced.resize(len + SUMS, 0.0);
        let mut sums = gpu.read_gradients(training, &mut self.reduced[..len], wait).await?;
        let mean = reduction.run(step, &mut self.reduced, mean, &mut sums)?;
        gpu.update_by(training, &self.reduced[..len], sums).await?;
        Ok(mean)
    }

    /// The reports that are there: loss, right rows and norm.
    pub async fn reports(&mut self, rnn: &Rnn, waits: Option<Wait>) -> Result<Vec<(f64, f64, f64)>> {
        let Some(training) = &mut self.training else { return Ok(Vec::new()) };
        let reports = rnn.gpu("train")?.reports(training, waits).await?;
        let numbers = |report: crate::gpu::GpuReport| [report.loss, report.right, report.norm].map(f64::from);
        Ok(reports.into_iter().map(numbers).map(|[loss, right, norm]| (loss, right, norm)).collect())
    }

    /// Brings the head's weights back.
    pub async fn read_head(&mut self, rnn: &Rnn, head: &mut HeadWeights) -> Result<()> {
        let Some(training) = self.training.as_ref().filter(|_| self.is_newer) else { return Ok(()) };
        let flats = rnn.gpu("train")?.head(training).await?;
        let own = head.params_mut().as_mut_slice();
        let len = own.len();
        own.copy_from_slice(&flats[..len]);
        Ok(())
    }

    /// Brings all weights back.
    pub async fn read_weights(&mut self, rnn: &mut Rnn, head: &mut HeadWeights) -> Result<()> {
        if self.is_newer {
            self.read_all(rnn, head).await?;
        }
        Ok(())
    }

    /// Begins the next batch from zero.
    pub fn reset_states(&mut self) {
        (self.carried, self.is_reset) = (None, true);
    }

    /// The states that the next batch begins from.
    pub async fn carried(&self, rnn: &Rnn) -> Result<Option<State>> {
        match &self.training {
            Some(_) if self.is_reset => Ok(None),
            Some(training) => rnn.gpu("train")?.carried(rnn.known_weights()?.network(), training).await,
            None => Ok(self.carried.clone()),
        }
    }

    /// Begins with other weights, and these states of the optimiser.
    pub fn restart(&mut self, states: Vec<[Vec<f32>; 2]>, carried: Option<State>) {
        (self.training, self.states, self.is_newer) = (None, Some(states), false);
        (self.carried, self.is_reset) = (carried, false);
    }

    /// Brings all weights back, and the optimiser's states.
    pub async fn read_all(&mut self, rnn: &mut Rnn, head: &mut HeadWeights) -> Result<Vec<[Vec<f32>; 2]>> {
        let len = rnn.known_weights()?.params().numbers.len();
        let Some(training) = self.training.as_ref() else {
            let zeros = [vec![0.0; len], vec![0.0; self.linear.len()]];
            return Ok(self.states.clone().unwrap_or_else(|| vec![zeros; self.count]));
        };
        let mut flats = rnn.gpu("train")?.flats(training).await?;
        let mut weights = rnn.known_weights()?.clone();
        let own = [weights.as_mut_slice(), head.params_mut().as_mut_slice()];
        for (own, read) in own.into_iter().zip(&flats[0]) {
            let len = own.len().min(read.len());
            own[..len].copy_from_slice(&read[..len]);
        }
        rnn.replace_weights(weights);
        self.is_newer = false;
        let mut states = flats.split_off(1);
        // The device's array may lack the padding behind the last tensor.
        states.iter_mut().for_each(|[network, _]| network.resize(len, 0.0));
        Ok(states)
    }
}

/// The targets of a batch as kernels read them.
pub(super) struct Told {
    loss: PlannedLoss,
    words: Vec<u32>,
    /// The divisor of the mean.
    divisor: f64,
    rows: usize,
}

impl Loss {
    /// The weights of outputs, all 1 where a loss has none.
    fn device_weights(&self, outputs: usize) -> Vec<f32> {
        match self.kind() {
            Kind::CrossEntropy { class_weights: Some(weights), .. } => weights.clone(),
            Kind::BinaryCrossEntropy { positive_weights: Some(weights) } => weights.clone(),
            _ => vec![1.0; outputs],
        }
    }

    /// The targets of predictions `[T, N, C]`, checked.
    fn device_targets(
        &self,
        targets: &Targets,
        [steps, batch, outputs]: [usize; 3],
        lengths: Option<&[usize]>,
    ) -> Result<Told> {
        self.check_targets(targets, [steps, batch, outputs], lengths)?;
        let is_valid = |t: usize, n: usize| {
            lengths.is_none_or(|lengths| if steps == 1 { lengths[n] > 0 } else { t < lengths[n] })
        };
        let rows = || (0..steps).flat_map(|t| (0..batch).map(move |n| (t, n)));
        let weights = self.device_weights(outputs);
        Ok(match self.kind() {
            Kind::CrossEntropy { ignored, label_smoothing, .. } => {
                let class = |(t, n): (usize, usize)| {
                    targets.class(t, n).filter(|class| is_valid(t, n) && class != ignored)
                };
                let counted = || rows().filter_map(class);
                let weight: f64 = counted().map(|class| f64::from(weights[class as usize])).sum();
                let mean_weight = weights.iter().sum::<f32>() / outputs as f32;
                Told {
                    loss: PlannedLoss::CrossEntropy { mean_weight, smoothing: *label_smoothing },
                    words: rows().map(|row| class(row).unwrap_or(-1) as u32).collect(),
                    divisor: weight,
                    rows: counted().count(),
                }
            }
            Kind::Ctc { blank, zero_infinity } => {
                let Targets::Labels(labels) = targets else { unreachable!("the check has found labels") };
                let steps_of = (0..batch).map(|n| lengths.map_or(steps, |lengths| lengths[n]) as u32);
                let longest = labels.iter().map(Vec::len).max().unwrap_or(0);
                let mut words: Vec<u32> = steps_of.collect();
                words.extend(labels.iter().map(|label| label.len() as u32));
                for label in labels {
                    words.extend(label.iter().map(|&class| class as u32));
                    words.resize(words.len() + longest - label.len(), 0);
                }
                let is_counted = |n: &usize| words[*n] > 0 || !labels[*n].is_empty();
                let rows = (0..batch).filter(is_counted).count();
                let loss =
                    PlannedLoss::Ctc { blank: *blank as u32, labels: longest, zero_infinity: *zero_infinity };
                Told { loss, words, divisor: rows as f64, rows }
            }
            kind => {
                let counted = rows().filter(|&(t, n)| is_valid(t, n)).count();
                let mut words: Vec<u32> = rows().map(|(t, n)| u32::from(is_valid(t, n))).collect();
                for (t, n) in rows() {
                    let numbers = targets.numbers(t, n).expect("the check has found numbers");
                    words.extend(numbers.iter().map(|number| number.to_bits()));
                }
                let loss = match kind {
                    Kind::BinaryCrossEntropy { .. } => PlannedLoss::Binary,
                    Kind::Huber { delta } => PlannedLoss::Huber { delta: *delta },
                    _ => PlannedLoss::Squared,
                };
                Told { loss, words, divisor: (counted * outputs) as f64, rows: counted }
            }
        })
    }
}
