//! The weights of a network on the device, as kernels read them.

use super::numbers;
use super::prepared::{Prepared, Turn};
use super::{Gpu, Longest, check_memory};
use crate::network::Dtype;
use crate::plan::{Content, Plan};
use crate::weights::TensorKind;
use crate::{Naming, Result, Weights};
use futures_intrusive::sync::Mutex as AsyncMutex;
use std::collections::HashMap;
use std::sync::Arc;

/// Buffers that were made before a plan was, by their content.
pub(super) type KnownBuffers = HashMap<Content, wgpu::Buffer>;

/// The weights of a network: one set, packed at once, whatever plans use them; and one with those of
/// gradients too.
#[derive(Debug)]
pub(super) struct DeviceWeights {
    of_calls: AsyncMutex<Option<Arc<KnownBuffers>>>,
    of_saved_calls: AsyncMutex<Option<Arc<KnownBuffers>>>,
}

impl Default for DeviceWeights {
    fn default() -> DeviceWeights {
        let (of_calls, of_saved_calls) = (AsyncMutex::new(None, true), AsyncMutex::new(None, true));
        DeviceWeights { of_calls, of_saved_calls }
    }
}

impl DeviceWeights {
    /// All that a call needs, or a saved call and its backward pass; packed now if they were not before. A
    /// network has them as one type.
    pub async fn of(
        &self,
        gpu: &Gpu,
        weights: &Weights,
        dtype: Dtype,
        saves: bool,
    ) -> Result<Arc<KnownBuffers>> {
        let known = self.of_calls(gpu, weights, dtype).await?;
        if !saves {
            return Ok(known);
        }
        let mut packed = self.of_saved_calls.lock().await;
        if let Some(packed) = &*packed {
            return Ok(packed.clone());
        }
        let plan = Plan::packing_for_gradients_of(weights.network(), dtype, &gpu.limits)?;
        let mut all = pack(gpu, weights, dtype, plan).await?;
        all.extend(known.iter().map(|(content, buffer)| (*content, buffer.clone())));
        let all = Arc::new(all);
        *packed = Some(all.clone());
        Ok(all)
    }

    async fn of_calls(&self, gpu: &Gpu, weights: &Weights, dtype: Dtype) -> Result<Arc<KnownBuffers>> {
        let mut packed = self.of_calls.lock().await;
        if let Some(packed) = &*packed {
            return Ok(packed.clone());
        }
        let plan = Plan::packing_of(weights.network(), dtype, &gpu.limits)?;
        let known = Arc::new(pack(gpu, weights, dtype, plan).await?);
        *packed = Some(known.clone());
        Ok(known)
    }

    /// The weights, if they are packed: with those of gradients, if those are.
    pub fn known(&self) -> Option<Arc<KnownBuffers>> {
        let known = |set: &AsyncMutex<Option<Arc<KnownBuffers>>>| set.try_lock().and_then(|set| set.clone());
        known(&self.of_saved_calls).or_else(|| known(&self.of_calls))
    }
}

/// Brings the flat parameters to the device, packs them there, and gives them up.
async fn pack(gpu: &Gpu, weights: &Weights, dtype: Dtype, plan: Plan) -> Result<KnownBuffers> {
    let params = weights.params();
    let layer_norm = weights.network().slots[0].cell.layer_norm;
    // Matrices are stored as the network's type, and so are the input's gates, which begin as their bias.
    let is_stored = |kind: TensorKind| kind.is_matrix() || (kind == TensorKind::BiasIh && !layer_norm);
    for entry in params.table.entries.iter().filter(|entry| is_stored(entry.name.kind)) {
        numbers::check(&params.numbers[entry.range()], dtype, || entry.name.format(Naming::PyTorch))?;
    }
    check_memory(&plan, &gpu.limits)?;
    let mut known = KnownBuffers::new();
    for buffer in &plan.buffers {
        use wgpu::BufferUsages as Usage;
        let made = match buffer.content {
            Content::Parameters { first } => {
                let numbers = &params.numbers[first..first + buffer.len as usize];
                gpu.filled(&buffer.name, bytemuck::cast_slice(numbers), Usage::STORAGE).await?
            }
            // New buffers hold zeros, and padding stays so.
            _ => gpu.buffer(&buffer.name, buffer.bytes(), Usage::STORAGE | Usage::COPY_SRC).await?,
        };
        known.insert(buffer.content, made);
    }
    let prepared = Prepared::new(gpu, &known, plan, false).await?;
    let longest = Longest { steps: 0, lengths: None, resident: None, wanted: None };
    prepared.submit(gpu, Turn::Forward, &longest, None).await?;
    known.retain(|content, _| matches!(content, Content::Weight(_)));
    Ok(known)
}
