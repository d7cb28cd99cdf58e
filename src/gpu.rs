//! The GPU engine: a plan made real with wgpu.
//!
//! [`device`] owns the device, [`pipelines`] its pipelines, [`weights`] the weights as kernels read them,
//! [`prepared`] the objects of one plan, [`encode`] the commands, [`staging`] the arrays that cross between
//! host and GPU, [`rows`] their numbers, [`gradient`] those of a backward pass, [`interop`] callers' own
//! buffers, [`resident`] states that stay on the GPU. [`tuner`] measures schedules and tiles, [`timing`]
//! the time of each pass. [`numbers`] converts f32 to and from f16. [`pipeline_cache`] keeps pipelines in a
//! file, and `cooperative` checks that cooperative matrices are right.

mod buffer;
#[cfg(feature = "cooperative-matrix")]
mod cooperative;
mod device;
mod encode;
mod gradient;
mod interop;
mod numbers;
#[cfg(not(target_arch = "wasm32"))]
mod pipeline_cache;
mod pipelines;
mod prepared;
mod resident;
mod rows;
mod staging;
mod timing;
mod train;
#[cfg(not(target_arch = "wasm32"))]
mod tuner;
mod weights;

#[cfg(not(target_arch = "wasm32"))]
pub(crate) use device::CacheFiles;
pub(crate) use device::{ADAPTER_NAME, Gpu, Request};
pub(crate) use gradient::GpuSaved;
pub(crate) use interop::GpuEncodedSaved;
pub(crate) use resident::Resident;
pub(crate) use train::{GpuReport, GpuTraining, HeadReads, TrainingBatch, TrainingSpec};

use crate::call::Checked;
use crate::network::{Dtype, Network, Save};
use crate::plan::{Buffer, Content, KernelWeight, Limits, Plan, SavedBytes, Tuning, Workload};
use crate::{Output, Result, State, Wanted, Weights, memory};
use prepared::{Prepared, Turn};
use std::collections::VecDeque;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use timing::Clock;
use weights::DeviceWeights;

/// A network on a GPU: its weights there, and the objects of its last calls, which threads take in turn.
#[derive(Debug)]
pub(crate) struct GpuRnn {
    gpu: Arc<Gpu>,
    weights: DeviceWeights,
    /// The latest first.
    prepared: Mutex<VecDeque<(Workload, Prepared)>>,
    encoded: Mutex<VecDeque<interop::Encoded>>,
    /// Buffers that lengths on the GPU are read back through.
    lengths: Mutex<VecDeque<buffer::Buffer>>,
}

/// Calls whose objects are kept.
const MAX_PREPARED: usize = 4;

/// The settings of an `Rnn` that a GPU asks for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Setup {
    pub dtype: Dtype,
    pub tuning: Tuning,
}

impl Default for Setup {
    fn default() -> Setup {
        Setup { dtype: Dtype::F32, tuning: Tuning::default() }
    }
}

/// Who waits for the GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// The calling thread blocks.
    #[cfg(not(target_arch = "wasm32"))]
    Here,
    /// Another thread, or the browser.
    Elsewhere,
}

/// The length of a call, and the arrays of it that are on the GPU already.
#[derive(Debug)]
pub(crate) struct Longest<'a> {
    /// The steps of the longest sequence.
    pub steps: u64,
    pub lengths: Option<&'a wgpu::Buffer>,
    pub resident: Option<&'a Resident>,
    /// The state to start from is zero, and so is not brought in.
    pub starts_from_zero: bool,
    /// The gradients of a backward pass; all, if none.
    pub wanted: Option<&'a Wanted>,
}

impl Longest<'_> {
    /// A call whose arrays are all the host's.
    pub fn of(steps: u64) -> Self {
        Longest { steps, lengths: None, resident: None, starts_from_zero: false, wanted: None }
    }
}

impl GpuRnn {
    pub fn new(gpu: &Arc<Gpu>) -> GpuRnn {
        GpuRnn {
            gpu: gpu.clone(),
            weights: DeviceWeights::default(),
            prepared: Mutex::default(),
            encoded: Mutex::default(),
            lengths: Mutex::default(),
        }
    }

    pub fn limits(&self) -> &Limits {
        &self.gpu.limits
    }

    /// The weights as kernels read them; none before the first call.
    pub fn packed_weights(&self) -> Vec<(KernelWeight, wgpu::Buffer)> {
        let known = self.weights.known();
        let weight = |(content, made): (&Content, &buffer::Buffer)| match *content {
            Content::Weight(weight) => Some((weight, (**made).clone())),
            _ => None,
        };
        known.iter().flat_map(|known| known.iter()).filter_map(weight).collect()
    }

    /// The packed weights are no longer the network's.
    pub fn weights_changed(&mut self) {
        self.weights.changed();
        // They hold the learned state.
        if let Ok(encoded) = self.encoded.get_mut() {
            encoded.retain(|encoded| !encoded.has_learned_state());
        }
    }

    /// Frees the buffers of earlier calls.
    pub fn free_buffers(&self) {
        locked(&self.prepared).clear();
        locked(&self.encoded).clear();
    }

    /// Computes a call.
    pub async fn forward(
        &self,
        weights: &Weights,
        call: &Checked<'_, f32>,
        setup: &Setup,
        resident: Option<&Resident>,
        wait: Wait,
    ) -> Result<Output> {
        let (output, used) = self.compute(weights, call, setup, resident, None, wait).await?;
        put(&self.prepared, used, MAX_PREPARED);
        Ok(output)
    }

    /// Computes a call, and gives out the objects that it has used, with all that a saved call keeps.
    async fn compute(
        &self,
        weights: &Weights,
        call: &Checked<'_, f32>,
        setup: &Setup,
        resident: Option<&Resident>,
        saves: Option<Save>,
        wait: Wait,
    ) -> Result<(Output, (Workload, Prepared))> {
        let network = weights.network();
        let lengths = call.lengths_on_gpu;
        if let Some(lengths) = lengths {
            staging::check_lengths(lengths, call.batch())?;
        }
        let workload = Workload {
            has_lengths: call.lengths.is_some() || lengths.is_some(),
            saves,
            drops: call.dropout.is_some(),
            outputs: call.outputs,
            dtype: setup.dtype,
            tuning: setup.tuning,
            ..Workload::new(call.steps(), call.batch())
        };
        // A saved call keeps a state in every step.
        let steps = if saves.is_some() { call.steps() } else { call.longest() };
        // Objects in use are out of the pool: a call that fails, or is dropped half-way, leaves nothing
        // half-done in the pool.
        let known = take(&self.prepared, |(known, _)| *known == workload);
        let prepared = match known {
            Some((_, prepared)) => {
                self.weights.refresh(&self.gpu, weights, setup.dtype, saves.is_some()).await?;
                prepared
            }
            None => {
                let plan = Plan::of_network(network, &workload, &self.gpu.limits)?;
                check_memory(&plan, self.gpu.is_software)?;
                #[cfg(not(target_arch = "wasm32"))]
                let plan =
                    if saves.is_some() { plan } else { self.tuned(weights, &workload, plan, wait).await };
                let on_gpu = self.weights.of(&self.gpu, weights, setup.dtype, saves.is_some()).await?;
                let prepared = Prepared::new(&self.gpu, &on_gpu, plan, true).await?;
                self.gpu.pipelines.save();
                prepared
            }
        };
        // After the plan, which refuses a call that is too large.
        let initial = match call.state {
            None if resident.is_none() && network.slots[0].cell.has_learned_state => {
                Some(weights.initial_state(call.batch())?)
            }
            _ => None,
        };
        let state = call.state.or(initial.as_ref());
        let starts_from_zero = state.is_none() && resident.is_none();
        let longest = Longest { lengths, resident, starts_from_zero, ..Longest::of(steps as u64) };
        if let Err(refused) = prepared.write(&self.gpu, call, state, &longest, network) {
            // Nothing was submitted.
            put(&self.prepared, (workload, prepared), MAX_PREPARED);
            return Err(refused);
        }
        let clock = if call.is_timed { Some(Clock::new(&self.gpu, &prepared).await?) } else { None };
        prepared.submit(&self.gpu, Turn::Forward, &longest, clock.as_ref()).await?;
        prepared.wait(&self.gpu, Turn::Forward, wait).await?;
        let mut output = prepared.read(&self.gpu, call, network, &longest)?;
        if let Some(clock) = clock {
            output.times = clock.read(&self.gpu, &prepared, &longest).await?;
        }
        Ok((output, (workload, prepared)))
    }

    /// States that stay on the GPU, one per batch row: each the learned state or zeros.
    pub async fn resident(&self, weights: &Weights, batch: usize, setup: &Setup) -> Result<Resident> {
        let Setup { dtype, tuning } = *setup;
        let workload = Workload { has_lengths: true, dtype, tuning, ..Workload::new(1, batch) };
        let plan = Plan::of_network(weights.network(), &workload, &self.gpu.limits)?;
        Resident::new(&self.gpu, weights, &plan, batch).await
    }

    /// A row of states that stay on the GPU.
    pub async fn resident_state(&self, network: &Network, resident: &Resident, row: usize) -> Result<State> {
        let usage = wgpu::BufferUsages::MAP_READ | wgpu::BufferUsages::COPY_DST;
        let staging = self.gpu.buffer("saved state", resident.row_bytes(), usage).await?;
        self.gpu
            .scoped(|| {
                let mut encoder = self.gpu.device.create_command_encoder(&Default::default());
                resident.copy_row(&mut encoder, row, &staging);
                self.gpu.queue.submit([encoder.finish()]);
            })
            .await?;
        let bytes = staging::read_whole(&self.gpu, &staging).await?;
        resident.state_from(network, &bytes)
    }

    /// Sets a row of states that stay on the GPU.
    pub async fn set_resident_state(
        &self,
        network: &Network,
        resident: &Resident,
        row: usize,
        state: &State,
    ) -> Result<()> {
        resident.set(&self.gpu, network, row, state).await
    }
}

/// Asks for the memory of a plan that lies on the host: its staging buffers, and all of it on a software
/// adapter.
fn check_memory(plan: &Plan, is_software: bool) -> Result<()> {
    let on_host =
        |buffer: &&Buffer| is_software || matches!(buffer.content, Content::Upload | Content::Download);
    let bytes = plan.buffers.iter().filter(on_host).map(Buffer::bytes).fold(0, u64::saturating_add);
    // With the bytes of the other saving.
    let what = || match plan.saved {
        Some(SavedBytes { gates, states }) => {
            format!("{}, saved (gates: {gates} bytes, states: {states})", plan.title)
        }
        None => plan.title.clone(),
    };
    memory::check_bytes(what, bytes)
}

/// A pool's queue. Every change of the queue is whole, so a poisoned lock does not matter.
fn locked<T>(pool: &Mutex<VecDeque<T>>) -> MutexGuard<'_, VecDeque<T>> {
    pool.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Takes the first entry that fits out of a pool.
fn take<T>(pool: &Mutex<VecDeque<T>>, fits: impl Fn(&T) -> bool) -> Option<T> {
    let mut pool = locked(pool);
    let index = pool.iter().position(fits)?;
    pool.remove(index)
}

/// Puts an entry into a pool, which keeps the latest `most` entries.
fn put<T>(pool: &Mutex<VecDeque<T>>, one: T, most: usize) {
    let mut pool = locked(pool);
    pool.push_front(one);
    pool.truncate(most);
}
