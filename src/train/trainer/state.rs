//! The state of a training as a checkpoint.

use super::{On, Progress, Trainer};
use crate::train::{Checkpoint, HeadParams, LossScale, LossScaleState, ScheduleState};
use crate::weights::Table;
use crate::{Error, Naming, Result, State, Weights};
use ndarray::ArrayD;
use serde_json::{Value, json};
use std::path::Path;

/// The names of carried states.
const CARRIED: [&str; 2] = ["carried.h", "carried.c"];

/// # Going on later
impl Trainer {
    /// The whole state of the training: parameters, the optimiser's arrays, and counters. A trainer that is
    /// made alike and that [restores](Trainer::restore) the checkpoint goes on with the same bits. `beside`
    /// is the caller's own, such as [`Loader::state`](crate::train::Loader::state); [`Trainer::restore`]
    /// gives it back. Reports that are not there yet are no part of it:
    /// [`finish_async`](Trainer::finish_async) comes first where a run that goes on needs them, or where a
    /// step that is not finite must not be kept.
    ///
    /// # Errors
    /// [`Error::Argument`] between batches that are accumulated; the errors of
    /// [`finish_async`](Trainer::finish_async) about the device.
    pub async fn checkpoint_async(&mut self, beside: Value) -> Result<Checkpoint> {
        if self.progress.accumulated > 0 {
            let found = format!("{} of {}", self.progress.accumulated, self.settings.accumulate);
            let expected = "all batches of an update".into();
            return Err(Error::Argument { name: "checkpoint", expected, found });
        }
        let states = match &mut self.on {
            On::Host(training) => training.states.clone(),
            On::Device(training) => training.read_all(&mut self.rnn, &mut self.head).await?,
        };
        let weights = self.rnn.known_weights()?;
        let mut checkpoint = Checkpoint::new(weights, self.state(beside));
        let params = self.head.params();
        checkpoint.tensors.extend(params.tensors().map(|(name, tensor)| (name.into(), tensor.to_owned())));
        for (array, [network, head]) in self.optimizer.state_arrays().iter().zip(&states) {
            let name = |tensor: &str| format!("optimizer.{array}.{tensor}");
            for entry in &weights.params().table.entries {
                let numbers = network.get(entry.range()).map(<[f32]>::to_vec).unwrap_or_default();
                let tensor = ArrayD::from_shape_vec(entry.shape.clone(), numbers);
                let tensor = tensor.expect("an optimiser's array is as long as the parameters");
                checkpoint.tensors.insert(name(&entry.name.format(Naming::PyTorch)), tensor);
            }
            let mut own = params.clone();
            let len = own.as_slice().len();
            own.as_mut_slice().copy_from_slice(&head[..len]);
            checkpoint
                .tensors
                .extend(own.tensors().map(|(tensor, numbers)| (name(tensor), numbers.to_owned())));
        }
        let carried = match &self.on {
            On::Host(training) => training.carried.clone(),
            On::Device(training) => training.carried(&self.rnn).await?,
        };
        if let Some(State { h, c }) = carried {
            checkpoint.tensors.insert(CARRIED[0].into(), h.into_dyn());
            checkpoint.tensors.extend(c.map(|c| (CARRIED[1].to_owned(), c.into_dyn())));
        }
        Ok(checkpoint)
    }

    /// Saves a [`checkpoint_async`](Trainer::checkpoint_async), and names it if the run diverges later.
    ///
    /// # Errors
    /// The errors of [`checkpoint_async`](Trainer::checkpoint_async) and of [`Checkpoint::save`].
    pub async fn save_checkpoint_async(&mut self, path: impl AsRef<Path>, beside: Value) -> Result<()> {
        let path = path.as_ref();
        self.checkpoint_async(beside).await?.save(path)?;
        self.checkpoint = Some(path.to_owned());
        Ok(())
    }

    /// The same as [`save_checkpoint_async`](Trainer::save_checkpoint_async).
    ///
    /// # Errors
    /// The errors of [`save_checkpoint_async`](Trainer::save_checkpoint_async).
    #[cfg(not(target_arch = "wasm32"))]
    pub fn save_checkpoint(&mut self, path: impl AsRef<Path>, beside: Value) -> Result<()> {
        pollster::block_on(self.save_checkpoint_async(path, beside))
    }

    /// The same as [`checkpoint_async`](Trainer::checkpoint_async).
    ///
    /// # Errors
    /// The errors of [`checkpoint_async`](Trainer::checkpoint_async).
    #[cfg(not(target_arch = "wasm32"))]
    pub fn checkpoint(&mut self, beside: Value) -> Result<Checkpoint> {
        pollster::block_on(self.checkpoint_async(beside))
    }

    fn state(&self, beside: Value) -> Value {
        let Progress { steps, counted, calls, schedule, loss_scale, .. } = &self.progress;
        json!({
            "step": steps,
            "counted": counted,
            "calls": calls,
            "schedule_state": schedule.to_json(),
            "loss_scale_state": loss_scale.as_ref().map(LossScaleState::to_json),
            "settings": self.settings_as_json(),
            "beside": beside,
        })
    }

    /// The settings that a run that goes on has to share, and all of its ranks.
    pub(super) fn settings_as_json(&self) -> Value {
        json!({
            "optimizer": self.optimizer.to_json(),
            "clip": self.settings.clip.to_json(),
            "schedule": self.settings.schedule.to_json(),
            "loss_scale": self.settings.loss_scale.to_json(),
            "accumulate": self.settings.accumulate,
            "carry_states": self.settings.carries,
            "dropout": self.settings.dropout.map(|dropout| format!("{:?}", dropout.rank(0))),
            "head": format!("{:?} of {}", self.head.head().reads(), self.head.head().outputs()),
            "loss": format!("{:?}", self.loss),
        })
    }

    /// Goes on from a checkpoint, of a network and settings that are this trainer's. The answer is what the
    /// checkpoint has beside. A checkpoint that was read from a file is named if the run diverges later.
    ///
    /// # Errors
    /// [`Error::OtherNetwork`] for a checkpoint of another network or other settings, and the errors of
    /// [`Checkpoint::weights`]. The trainer then stays as it was.
    pub fn restore(&mut self, checkpoint: &Checkpoint) -> Result<Value> {
        let weights = checkpoint.weights(self.rnn.known_weights()?.config())?;
        let state = &checkpoint.state;
        let own = self.settings_as_json();
        for (name, expected) in own.as_object().into_iter().flatten() {
            let found = &state["settings"][name];
            if found != expected {
                let [expected, found] = [expected, found].map(Value::to_string);
                return Err(Error::OtherNetwork { name: name.clone(), expected, found });
            }
        }
        let count = |name: &str| {
            let refuse = || other(name, "a count", &state[name].to_string());
            state[name].as_u64().ok_or_else(refuse)
        };
        let loss_scale = match &state["loss_scale_state"] {
            Value::Null => None,
            value => Some(LossScaleState::from_json(value)?),
        };
        let progress = Progress {
            steps: count("step")?,
            counted: count("counted")?,
            calls: count("calls")?,
            schedule: ScheduleState::from_json(&state["schedule_state"])?,
            loss_scale: loss_scale.filter(|_| self.settings.loss_scale != LossScale::none()),
            ..Progress::default()
        };
        let mut head = self.head.clone();
        fill_head(checkpoint, "", head.params_mut())?;
        let mut states = Vec::new();
        for array in self.optimizer.state_arrays() {
            let prefix = format!("optimizer.{array}.");
            let mut own = self.head.params().clone();
            fill_head(checkpoint, &prefix, &mut own)?;
            states.push([network_array(checkpoint, &prefix, &weights)?, own.as_slice().to_vec()]);
        }
        let carried = carried(checkpoint)?.filter(|_| self.settings.carries);
        if let Some(state) = &carried {
            self.rnn.network().check_state(state, state.h.dim().1)?;
        }
        self.rnn.set_weights(weights)?;
        (self.head, self.progress) = (head, progress);
        self.pending.clear();
        if checkpoint.path.is_some() {
            self.checkpoint.clone_from(&checkpoint.path);
        }
        match &mut self.on {
            On::Host(training) => (training.states, training.carried) = (states, carried),
            On::Device(training) => training.restart(states, carried),
        }
        Ok(state["beside"].clone())
    }
}

/// Reads the tensors of a head, whose names begin with a prefix.
fn fill_head(checkpoint: &Checkpoint, prefix: &str, into: &mut HeadParams) -> Result<()> {
    for (name, first, shape) in into.places() {
        let numbers = tensor(checkpoint, &format!("{prefix}{name}"), &shape)?;
        into.as_mut_slice()[first..first + numbers.len()].copy_from_slice(&numbers);
    }
    Ok(())
}

/// An optimiser's array beside the flat parameters.
fn network_array(checkpoint: &Checkpoint, prefix: &str, weights: &Weights) -> Result<Vec<f32>> {
    let table: &Table = &weights.params().table;
    let mut numbers = vec![0.0; table.len];
    for entry in &table.entries {
        let name = format!("{prefix}{}", entry.name.format(Naming::PyTorch));
        numbers[entry.range()].copy_from_slice(&tensor(checkpoint, &name, &entry.shape)?);
    }
    Ok(numbers)
}

/// The states that a batch begins from, if the checkpoint has some.
fn carried(checkpoint: &Checkpoint) -> Result<Option<State>> {
    let array = |name: &str| {
        let found = checkpoint.tensors.get(name)?;
        let refuse = |_| other(name, "[L*D, N, H]", &format!("{:?}", found.shape()));
        Some(found.clone().into_dimensionality().map_err(refuse))
    };
    let [h, c] = CARRIED.map(array);
    h.transpose()?.map(|h| Ok(State { h, c: c.transpose()? })).transpose()
}

/// The numbers of a tensor that has to be there.
fn tensor(checkpoint: &Checkpoint, name: &str, shape: &[usize]) -> Result<Vec<f32>> {
    let found = checkpoint.tensors.get(name);
    match found.filter(|tensor| tensor.shape() == shape) {
        Some(tensor) => Ok(tensor.iter().copied().collect()),
        None => {
            let found = found.map_or("none".into(), |tensor| format!("{:?}", tensor.shape()));
            Err(other(name, &format!("{shape:?}"), &found))
        }
    }
}

fn other(name: &str, expected: &str, found: &str) -> Error {
    Error::OtherNetwork { name: name.into(), expected: expected.into(), found: found.into() }
}
