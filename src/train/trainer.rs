//! The training loop: a network, its head, a loss and an optimiser, one batch after the other.

#[cfg(not(target_arch = "wasm32"))]
mod blocking;
mod callbacks;
mod device;
mod host;
mod mean;
mod reduction;
mod settings;
mod state;
mod using;

use super::head::check_shape;
use super::{
    Clip, Coefficients, Head, HeadWeights, Loss, LossScale, LossScaleState, Optimizer, Schedule,
    ScheduleState, Targets,
};
use crate::gpu::Wait;
use crate::network::Outputs;
use crate::{Call, Dropout, Error, Result, Rnn, Save};
use callbacks::Callbacks;
pub use callbacks::Report;
use device::DeviceTraining;
use host::HostTraining;
use mean::Mean;
use reduction::Reduction;
use std::collections::VecDeque;
use std::path::PathBuf;

/// Trains a network and its head: a batch at a time, on the engine of the network.
///
/// ```
/// use ndarray::Array3;
/// use wgpu_rnn::train::{Clip, Head, Loss, Optimizer, Targets, Trainer};
/// use wgpu_rnn::{Call, Config, Engine, Init, Rnn};
///
/// # fn main() -> wgpu_rnn::Result<()> {
/// let rnn = Rnn::lazy(&Engine::cpu(), &Config::gru(8).bidirectional().input_size(3), Init::pytorch())?;
/// let mut trainer = Trainer::new(rnn, Head::last_states(2), Loss::cross_entropy(), Optimizer::adamw(0.02))?
///     .clip(Clip::norm(1.0))?;
/// let input = Array3::from_shape_fn((5, 4, 3), |(t, n, _)| if n % 2 == 0 { 1.0 } else { -(t as f32) });
/// let targets = Targets::Classes(vec![0, 1, 0, 1]);
/// for _ in 0..20 {
///     trainer.step(&Call::new(&input), &targets)?;
/// }
/// trainer.finish()?;
/// let value = trainer.evaluate(&Call::new(&input), &targets)?;
/// assert_eq!(value.right, 4);
/// # Ok(())
/// # }
/// ```
///
/// [The module](super) shows the same steps by hand.
///
/// On a GPU all numbers stay there between steps. The host waits for no report, of 64 bytes a step. The
/// objects of the last four shapes (T and N) are kept: sequences of many lengths are best padded to few
/// ([`Dataset::step_multiple`](super::Dataset::step_multiple)).
#[derive(Debug)]
pub struct Trainer {
    rnn: Rnn,
    head: HeadWeights,
    loss: Loss,
    optimizer: Optimizer,
    settings: Settings,
    progress: Progress,
    on: On,
    /// Steps whose reports are not there yet.
    pending: VecDeque<Pending>,
    callbacks: Callbacks,
    reduction: Option<Reduction>,
    /// The file of the last checkpoint that was saved or restored.
    checkpoint: Option<PathBuf>,
}

/// The settings beside the optimiser.
#[derive(Clone, Debug)]
struct Settings {
    clip: Clip,
    schedule: Schedule,
    loss_scale: LossScale,
    accumulate: usize,
    dropout: Option<Dropout>,
    save: Save,
    carries: bool,
}

/// The state that a training goes on from.
#[derive(Clone, Debug, Default)]
struct Progress {
    /// Updates of the parameters.
    steps: u64,
    /// Updates that were not skipped.
    counted: u64,
    /// Batches.
    calls: u64,
    /// Batches since the last update.
    accumulated: usize,
    schedule: ScheduleState,
    loss_scale: Option<LossScaleState>,
    /// The sums of the batches since the last update.
    mean: Mean,
}

/// The arrays of a training.
#[derive(Debug)]
enum On {
    Host(Box<HostTraining>),
    Device(Box<DeviceTraining>),
}

/// A step that was submitted.
#[derive(Clone, Copy, Debug)]
struct Pending {
    step: u64,
    rows: usize,
    learning_rate: f64,
    scale: f64,
    /// The factor of the loss, a sum over batches.
    share: f64,
}

/// The numbers of a batch beside its arrays.
#[derive(Clone, Copy, Debug)]
struct Batch {
    /// The number of the update that the batch belongs to.
    step: u64,
    coefficients: Coefficients<f64>,
    /// The batch is the last of those that are accumulated.
    updates: bool,
    /// The factor of the gradient by predictions.
    gradient_factor: f64,
    adds: bool,
    /// The sums of the earlier batches of the update.
    mean: Mean,
    dropout: Option<Dropout>,
    learning_rate: f64,
}

/// The refusal of a batch whose sequences cannot go on from the states of others.
fn other_batch(carried: usize, found: usize) -> Error {
    let expected =
        format!("batches of N {carried}, whose states are carried, or reset_states before another N");
    Error::Argument { name: "carry_states", expected, found: format!("N {found}") }
}

/// # Making a trainer
impl Trainer {
    /// A trainer of a network, with a head whose weights are drawn anew. The trainer has a network of its
    /// own: a clone of `rnn` keeps its weights.
    ///
    /// # Errors
    /// [`Error::InputSizeOpen`] for a network that has no weights yet; [`Error::Setting`] for a head, a loss
    /// or an optimiser that exclude each other or the network; [`Error::Unsupported`] for a network that the
    /// engine cannot train; the errors of [`Rnn::call`] about memory and the device.
    pub fn new(rnn: Rnn, head: Head, loss: Loss, optimizer: Optimizer) -> Result<Trainer> {
        let head = HeadWeights::init(&head, rnn.known_weights()?.config())?;
        Trainer::with_head(rnn, head, loss, optimizer)
    }

    /// The same, with a head of these weights.
    ///
    /// # Errors
    /// The errors of [`new`](Trainer::new).
    pub fn with_head(rnn: Rnn, head: HeadWeights, loss: Loss, optimizer: Optimizer) -> Result<Trainer> {
        let weights = rnn.known_weights()?;
        loss.check(head.head())?;
        optimizer.check()?;
        let shape = [head.head().outputs(), head.head().features(weights.config())?];
        check_shape("head.weight", head.params().weight().shape(), &shape)?;
        let rnn = rnn.apart()?;
        let on = match rnn.on_gpu() {
            Some(_) => On::Device(Box::new(DeviceTraining::new(&rnn, &head, &optimizer)?)),
            None => On::Host(Box::new(HostTraining::new(weights, &head, &optimizer))),
        };
        let settings = Settings {
            clip: Clip::none(),
            schedule: Schedule::constant(),
            loss_scale: LossScale::none(),
            accumulate: 1,
            dropout: None,
            save: Save::Gates,
            carries: false,
        };
        let (progress, pending, callbacks) = (Progress::default(), VecDeque::new(), Callbacks::default());
        Ok(Trainer {
            rnn,
            head,
            loss,
            optimizer,
            settings,
            progress,
            on,
            pending,
            callbacks,
            reduction: None,
            checkpoint: None,
        })
    }
}

/// # Training
impl Trainer {
    /// Trains by one batch: a call, whose outputs are the trainer's, and targets. The answer is the
    /// reports of updates that are done since the last call; on a GPU they come some steps later.
    ///
    /// # Errors
    /// The errors of [`Rnn::call`] and of [`Loss::evaluate`]; those of [`reduce`](Trainer::reduce);
    /// [`Error::NotFinite`] for a loss or a norm of gradients that is no finite number. Such a step changes
    /// no parameter; states that are carried are to be [reset](Trainer::reset_states).
    pub async fn step_async(&mut self, call: &Call<'_>, targets: &Targets) -> Result<Vec<Report>> {
        self.run_step(call, targets, Wait::Elsewhere).await
    }

    pub(crate) async fn run_step(
        &mut self,
        call: &Call<'_>,
        targets: &Targets,
        wait: Wait,
    ) -> Result<Vec<Report>> {
        let mut call = self.own_call(call)?;
        let batch = self.batch()?;
        if let Some(dropout) = batch.dropout {
            call = call.dropout(dropout);
        }
        let mean = match &mut self.on {
            On::Host(training) => {
                training
                    .step(
                        &mut self.rnn,
                        &mut self.head,
                        &self.loss,
                        &call,
                        targets,
                        &batch,
                        (self.settings.save, self.settings.carries),
                        self.reduction.as_mut(),
                    )
                    .await
            }
            On::Device(training) => {
                let of = device::Of {
                    rnn: &self.rnn,
                    head: &self.head,
                    loss: &self.loss,
                    optimizer: &self.optimizer,
                    save: self.settings.save,
                    carries: self.settings.carries,
                };
                let reduction = self.reduction.as_mut();
                training.step(&of, &call, targets, &batch, reduction, wait).await
            }
        };
        if let Err(Error::Reduction { .. }) = mean {
            // The sums of its batches are no longer there.
            (self.progress.accumulated, self.progress.mean) = (0, Mean::default());
        }
        let mean = mean?;
        self.progress.calls += 1;
        self.progress.accumulated += 1;
        self.progress.mean = mean;
        if batch.updates {
            (self.progress.accumulated, self.progress.mean) = (0, Mean::default());
            self.progress.steps += 1;
            self.progress.counted += 1;
            self.pending.push_back(Pending {
                step: batch.step,
                rows: mean.rows,
                learning_rate: batch.learning_rate,
                scale: batch.gradient_factor,
                share: mean.share(),
            });
        }
        // The scale of the next step follows from the gradients of this one.
        let waits = self.settings.loss_scale.adapts();
        self.reports(waits.then_some(wait)).await
    }

    /// A call whose outputs are the trainer's. Its dropout is the trainer's too.
    fn own_call<'a>(&self, call: &Call<'a>) -> Result<Call<'a>> {
        if self.rnn.network().checked(call)?.dropout.is_some() {
            let (expected, found) = ("none, since Trainer::dropout counts its calls".into(), "one".into());
            return Err(Error::Argument { name: "dropout", expected, found });
        }
        Ok(call.clone().outputs(Outputs::default()))
    }

    /// The reports of all updates that were not given back yet, once they are done.
    ///
    /// # Errors
    /// The errors of [`step_async`](Trainer::step_async) about numbers and the device.
    pub async fn finish_async(&mut self) -> Result<Vec<Report>> {
        self.run_finish(Wait::Elsewhere).await
    }

    pub(crate) async fn run_finish(&mut self, wait: Wait) -> Result<Vec<Report>> {
        self.reports(Some(wait)).await
    }

    /// The numbers of the next batch.
    fn batch(&mut self) -> Result<Batch> {
        let Settings { clip, schedule, loss_scale, accumulate, dropout, .. } = &self.settings;
        let progress = &mut self.progress;
        let scale = match loss_scale {
            scale if *scale == LossScale::none() => 1.0,
            scale => f64::from(progress.loss_scale.get_or_insert_with(|| scale.start()).scale()),
        };
        let step = progress.steps + 1;
        let base = self.optimizer.learning_rate();
        let learning_rate = schedule.learning_rate(base, progress.steps, &progress.schedule);
        let coefficients = self.optimizer.coefficients(progress.counted + 1, learning_rate)?;
        let coefficients = coefficients.scaled(1.0 / scale).clip(clip);
        Ok(Batch {
            step,
            coefficients,
            updates: progress.accumulated + 1 >= *accumulate,
            gradient_factor: scale,
            adds: progress.accumulated > 0,
            mean: progress.mean,
            // A call is a number of 32 bits.
            dropout: dropout.map(|dropout| dropout.call(progress.calls as u32)),
            learning_rate,
        })
    }

    async fn reports(&mut self, waits: Option<Wait>) -> Result<Vec<Report>> {
        let done = match &mut self.on {
            On::Host(training) => training.reports(),
            On::Device(training) => training.reports(&self.rnn, waits).await?,
        };
        let (mut reports, mut refused) = (Vec::new(), None);
        for (loss, right, norm) in done {
            let Some(of) = self.pending.pop_front() else { break };
            let loss = loss * of.share;
            let is_finite = loss.is_finite() && norm.is_finite();
            let mut is_skipped = false;
            if let Some(state) = self.progress.loss_scale.as_mut().filter(|_| loss.is_finite()) {
                self.settings.loss_scale.observe(norm.is_finite(), state);
                is_skipped = !norm.is_finite() && self.settings.loss_scale.adapts();
                if is_skipped {
                    self.progress.counted -= 1;
                }
            }
            if !is_finite && !is_skipped {
                let (step, what) = (of.step, if loss.is_finite() { "norm of gradients" } else { "loss" });
                let checkpoint = self.checkpoint.clone();
                refused.get_or_insert(Error::NotFinite { what, step, loss, norm, checkpoint });
                // Each report that was read belongs to a step, also behind the first that is refused.
                continue;
            }
            let report = Report {
                step: of.step,
                loss,
                rows: of.rows,
                right: right as usize,
                norm,
                learning_rate: of.learning_rate,
                loss_scale: of.scale,
                is_skipped,
            };
            self.callbacks.0.iter_mut().for_each(|callback| callback(&report));
            reports.push(report);
        }
        refused.map_or(Ok(reports), Err)
    }

    /// Tells the schedule a metric, such as the loss of held-back data, for a learning rate that is reduced
    /// on a plateau.
    pub fn observe(&mut self, metric: f64) {
        let base = self.optimizer.learning_rate();
        self.settings.schedule.observe(base, metric, &mut self.progress.schedule);
    }
}
