//! The GPU engine: a plan made real with wgpu.
//!
//! [`context`] owns the device, [`kernels`] its pipelines, [`pack`] the weights as kernels read them, [`run`] the objects of
//! one plan, [`encode`] the commands, [`transfer`] what crosses between host and GPU; [`tune`] measures what is fastest, and
//! [`kept`] keeps pipelines in a file.

mod context;
mod encode;
#[cfg(not(target_arch = "wasm32"))]
mod kept;
mod kernels;
mod pack;
mod run;
mod transfer;
#[cfg(not(target_arch = "wasm32"))]
mod tune;

#[cfg(not(target_arch = "wasm32"))]
pub(crate) use context::Keeps;
pub(crate) use context::{Gpu, Request};

use crate::call::Checked;
use crate::plan::{Content, Plan, Shape, Tuning};
use crate::{Output, Result, Weights};
use run::Run;
use std::{collections::HashMap, collections::VecDeque, sync::Arc};

/// A network on a GPU: its weights stay there, and so do the buffers of the shapes it was last called with.
#[derive(Debug)]
pub(crate) struct Network {
    gpu: Arc<Gpu>,
    weights: HashMap<Content, wgpu::Buffer>,
    /// The latest first.
    runs: VecDeque<Run>,
    tuning: Tuning,
}

/// Shapes whose buffers are kept.
const KEPT_RUNS: usize = 4;

/// How a call waits for the GPU.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wait {
    /// In this thread.
    #[cfg(not(target_arch = "wasm32"))]
    Here,
    /// Without holding up the thread that polls the future.
    Elsewhere,
}

/// How far a call goes.
#[derive(Debug)]
pub(crate) struct Longest<'a> {
    /// The steps of its longest sequence.
    pub steps: u64,
    /// Where its lengths are, if they are on the GPU already.
    pub lengths: Option<&'a wgpu::Buffer>,
}

impl Network {
    pub fn new(gpu: &Arc<Gpu>) -> Network {
        Network {
            gpu: gpu.clone(),
            weights: HashMap::new(),
            runs: VecDeque::new(),
            tuning: Tuning::default(),
        }
    }

    pub fn set_tuning(&mut self, tuning: Tuning) {
        self.tuning = tuning;
    }

    pub async fn forward(
        &mut self,
        weights: &Weights,
        call: &Checked<'_, f32>,
        lengths: Option<&wgpu::Buffer>,
        wait: Wait,
    ) -> Result<Output> {
        let config = weights.config();
        let has_lengths = call.lengths.is_some() || lengths.is_some();
        let (steps, batch, tuning) = (call.steps(), call.batch(), self.tuning);
        let shape = Shape { steps, batch, has_lengths, tuning };
        let longest = Longest { steps: call.longest() as u64, lengths };
        // Out of the cache while it is in use: a call that fails, or is given up half-way, leaves nothing half-done there.
        let run = match self.runs.iter().position(|run| run.shape == shape) {
            Some(index) => self.runs.remove(index).expect("the index was just found"),
            None => {
                let plan = Plan::of(config, &shape, &self.gpu.limits)?;
                #[cfg(not(target_arch = "wasm32"))]
                let plan = self.tuned(weights, &shape, plan, wait).await;
                upload_weights(&self.gpu, &mut self.weights, weights, &plan).await?;
                let run = Run::new(&self.gpu, &self.weights, plan, shape).await?;
                self.gpu.kernels.save();
                run
            }
        };
        // After the plan, which refuses what is too large.
        let initial = match call.state {
            Some(_) => None,
            None => Some(weights.initial_state(shape.batch)?),
        };
        // One of them is there.
        let state = call.state.or(initial.as_ref()).expect("given, or just made");
        run.write(&self.gpu, call, state, &longest, config)?;
        run.submit(&self.gpu, &longest).await?;
        run.wait(&self.gpu, wait).await?;
        let output = run.read(&self.gpu, config, &longest)?;
        self.runs.push_front(run);
        self.runs.truncate(KEPT_RUNS);
        Ok(output)
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
            let made = gpu.buffer_with(&buffer.name, &numbers).await?;
            uploaded.insert(buffer.content, made);
        }
    }
    Ok(())
}
