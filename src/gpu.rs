//! The GPU engine: a plan made real with wgpu.
//!
//! [`device`] owns the device, [`pipelines`] its pipelines, [`pack`] the weights as kernels read them, [`prepared`] the objects of
//! one plan, [`encode`] the commands, [`staging`] what crosses between host and GPU, [`bound`] callers' own buffers,
//! [`resident`] states that stay; [`tuner`] measures what is fastest, [`timing`] what takes how long, [`pipeline_cache`] keeps
//! pipelines in a file, and `cooperative` finds out whether cooperative matrices can be trusted.

#[cfg(feature = "cooperative-matrix")]
mod cooperative;
mod device;
mod encode;
mod interop;
mod pack;
#[cfg(not(target_arch = "wasm32"))]
mod pipeline_cache;
mod pipelines;
mod prepared;
mod resident;
mod staging;
mod timing;
#[cfg(not(target_arch = "wasm32"))]
mod tuner;

#[cfg(not(target_arch = "wasm32"))]
pub(crate) use device::CacheFiles;
pub(crate) use device::{Gpu, Request};
pub(crate) use resident::Resident;

use crate::call::Checked;
use crate::plan::{Content, PassTime, Plan, Shape, Tuning};
use crate::{Config, Output, Result, State, Weights};
use prepared::Prepared;
use std::{collections::HashMap, collections::VecDeque, sync::Arc};
use timing::Clock;

/// A network on a GPU: its weights stay there, and so do the buffers of the shapes it was last called with.
#[derive(Debug)]
pub(crate) struct GpuRnn {
    gpu: Arc<Gpu>,
    weights: HashMap<Content, wgpu::Buffer>,
    /// The latest first.
    runs: VecDeque<Prepared>,
    tuning: Tuning,
    /// Shapes that calls on callers' buffers had, the latest first.
    encoded: VecDeque<interop::Encoded>,
}

/// Shapes whose buffers are kept.
const MAX_PREPARED: usize = 4;

/// What a call on the GPU may have beside what any call has.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Options<'a> {
    /// Lengths that are there already.
    pub lengths: Option<&'a wgpu::Buffer>,
    /// States that stay there.
    pub resident: Option<&'a Resident>,
    /// Whether the passes are timed.
    pub is_timed: bool,
    pub wait: Wait,
}

impl Options<'_> {
    /// None of them, waiting in this thread or not.
    pub const fn new(here: bool) -> Self {
        Options { lengths: None, resident: None, is_timed: false, wait: Wait::here(here) }
    }
}

/// How a call waits for the GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// In this thread.
    #[cfg(not(target_arch = "wasm32"))]
    Here,
    /// Without holding up the thread that polls the future.
    Elsewhere,
}

impl Wait {
    /// In this thread, or not; a browser's thread never waits.
    pub const fn here(here: bool) -> Wait {
        #[cfg(not(target_arch = "wasm32"))]
        if here {
            return Wait::Here;
        }
        let _ = here;
        Wait::Elsewhere
    }
}

/// How far a call goes.
#[derive(Debug)]
pub(crate) struct Longest<'a> {
    /// The steps of its longest sequence.
    pub steps: u64,
    /// Where its lengths are, if they are on the GPU already.
    pub lengths: Option<&'a wgpu::Buffer>,
    /// Where its states are, if they stay on the GPU.
    pub resident: Option<&'a Resident>,
}

impl GpuRnn {
    pub fn new(gpu: &Arc<Gpu>) -> GpuRnn {
        GpuRnn {
            gpu: gpu.clone(),
            weights: HashMap::new(),
            runs: VecDeque::new(),
            tuning: Tuning::default(),
            encoded: VecDeque::new(),
        }
    }

    pub fn set_tuning(&mut self, tuning: Tuning) {
        self.tuning = tuning;
    }

    pub fn gpu(&self) -> &Gpu {
        &self.gpu
    }

    pub async fn forward(
        &mut self,
        weights: &Weights,
        call: &Checked<'_, f32>,
        options: &Options<'_>,
    ) -> Result<(Output, Vec<PassTime>)> {
        let Options { lengths, resident, .. } = *options;
        let config = weights.config();
        let has_lengths = call.lengths.is_some() || lengths.is_some();
        let (steps, batch, tuning) = (call.steps(), call.batch(), self.tuning);
        let shape = Shape { steps, batch, has_lengths, tuning };
        let longest = Longest { steps: call.longest() as u64, lengths, resident };
        // Out of the cache while it is in use: a call that fails, or is given up half-way, leaves nothing half-done there.
        let run = match self.runs.iter().position(|run| run.shape == shape) {
            Some(index) => self.runs.remove(index).expect("the index was just found"),
            None => {
                let plan = Plan::of(config, &shape, &self.gpu.limits)?;
                #[cfg(not(target_arch = "wasm32"))]
                let plan = self.tuned(weights, &shape, plan, options.wait).await;
                upload_weights(&self.gpu, &mut self.weights, weights, &plan).await?;
                let run = Prepared::new(&self.gpu, &self.weights, plan, shape, true).await?;
                self.gpu.pipelines.save();
                run
            }
        };
        // After the plan, which refuses what is too large.
        let initial = match call.state {
            None if resident.is_none() => Some(weights.initial_state(shape.batch)?),
            _ => None,
        };
        let state = call.state.or(initial.as_ref());
        run.write(&self.gpu, call, state, &longest, config)?;
        let clock = if options.is_timed { Some(Clock::new(&self.gpu, &run).await?) } else { None };
        run.submit(&self.gpu, &longest, clock.as_ref()).await?;
        run.wait(&self.gpu, options.wait).await?;
        let output = run.read(&self.gpu, config, &longest)?;
        let times = match clock {
            Some(clock) => clock.read(&self.gpu, &run, &longest).await?,
            None => Vec::new(),
        };
        self.runs.push_front(run);
        self.runs.truncate(MAX_PREPARED);
        Ok((output, times))
    }

    /// States that stay here, for a batch, each what a call without one starts from.
    pub async fn resident(&self, weights: &Weights, batch: usize) -> Result<Resident> {
        let shape = Shape { steps: 1, batch, has_lengths: true, tuning: self.tuning };
        let plan = Plan::of(weights.config(), &shape, &self.gpu.limits)?;
        Resident::new(&self.gpu, weights, &plan, batch).await
    }

    /// Reads a sequence's state back.
    pub async fn resident_state(&self, config: &Config, resident: &Resident, row: usize) -> Result<State> {
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
        resident.state_from(config, &bytes)
    }
}

/// What a plan needs and is not there yet.
async fn upload_weights(
    gpu: &Gpu,
    uploaded: &mut HashMap<Content, wgpu::Buffer>,
    weights: &Weights,
    plan: &Plan,
) -> Result<()> {
    for buffer in &plan.buffers {
        if uploaded.contains_key(&buffer.content) {
            continue;
        }
        if let Some(numbers) = pack::pack(weights, buffer.content, buffer.len) {
            let mut bytes = vec![0; buffer.bytes() as usize];
            pack::store(&numbers, buffer.dtype, &mut bytes);
            let made = gpu.storage(&buffer.name, &bytes, wgpu::BufferUsages::STORAGE).await?;
            uploaded.insert(buffer.content, made);
        }
    }
    Ok(())
}
