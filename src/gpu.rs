//! The GPU engine: a plan made real with wgpu.
//!
//! [`context`] owns the device, [`kernels`] its pipelines, [`pack`] the weights as kernels read them, [`run`] the objects of
//! one plan, [`encode`] the commands, [`transfer`] what crosses between host and GPU.

mod context;
mod encode;
mod kernels;
mod pack;
mod run;
mod transfer;

pub(crate) use context::{Gpu, Request};

use crate::plan::{Content, Plan};
use crate::{Output, Result, State, Weights};
use ndarray::ArrayView3;
use run::Run;
use std::{collections::HashMap, collections::VecDeque, sync::Arc};

/// A network on a GPU: its weights stay there, and so do the buffers of the shapes it was last called with.
#[derive(Debug)]
pub(crate) struct Network {
    gpu: Arc<Gpu>,
    weights: HashMap<Content, wgpu::Buffer>,
    /// The latest first.
    runs: VecDeque<Run>,
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

impl Network {
    pub fn new(gpu: &Arc<Gpu>) -> Network {
        Network { gpu: gpu.clone(), weights: HashMap::new(), runs: VecDeque::new() }
    }

    /// `input` is `[T, N, I]`; it and the state have been checked.
    pub async fn forward(
        &mut self,
        weights: &Weights,
        input: ArrayView3<'_, f32>,
        state: Option<&State>,
        wait: Wait,
    ) -> Result<Output> {
        let (steps, batch, _) = input.dim();
        // Out of the cache while it is in use: a call that fails, or is given up half-way, leaves nothing half-done there.
        let run = match self.runs.iter().position(|run| run.shape == (steps, batch)) {
            Some(index) => self.runs.remove(index).expect("the index was just found"),
            None => {
                let plan = Plan::new(weights.config(), steps, batch, &self.gpu.limits)?;
                self.upload_weights(weights, &plan).await?;
                Run::new(&self.gpu, &self.weights, plan, (steps, batch)).await?
            }
        };
        // After the plan, which refuses what is too large.
        let state = weights.config().initial_state(state, batch)?;
        run.write(&self.gpu, input, &state)?;
        run.submit(&self.gpu).await?;
        run.wait(&self.gpu, wait).await?;
        let output = run.read(&self.gpu, weights.config())?;
        self.runs.push_front(run);
        self.runs.truncate(KEPT_RUNS);
        Ok(output)
    }

    async fn upload_weights(&mut self, weights: &Weights, plan: &Plan) -> Result<()> {
        for buffer in &plan.buffers {
            if self.weights.contains_key(&buffer.content) {
                continue;
            }
            if let Some(numbers) = pack::pack(weights, buffer.content, buffer.len) {
                let made = self.gpu.buffer_with(&buffer.name, &numbers).await?;
                self.weights.insert(buffer.content, made);
            }
        }
        Ok(())
    }
}
