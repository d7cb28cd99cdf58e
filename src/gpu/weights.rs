//! The weights of a network on the device, as kernels read them.

use super::buffer::Buffer;
use super::numbers;
use super::prepared::{Prepared, Turn};
use super::{Gpu, Longest, check_memory};
use crate::network::{Dtype, Save};
use crate::plan::{Content, Packing, Plan};
use crate::weights::TensorKind;
use crate::{Naming, Result, Weights};
use futures_intrusive::sync::Mutex as AsyncMutex;
use std::collections::HashMap;
use std::sync::Arc;

/// Buffers that were made before a plan was, by their content.
pub(super) type KnownBuffers = HashMap<Content, Buffer>;

/// The weights of a network: one set, packed at once, whatever plans use them; and one with those of
/// gradients too.
#[derive(Debug)]
pub(super) struct DeviceWeights {
    /// The number of times that the weights have changed.
    changes: u64,
    sets: AsyncMutex<Sets>,
}

#[derive(Debug, Default)]
struct Sets {
    /// The flat parameters, while sets are packed; from the first change on, for good.
    parameters: KnownBuffers,
    /// The change that the parameters hold.
    parameters_of: Option<u64>,
    /// The packed weights of calls, and of saved calls.
    sets: [Option<Packed>; 2],
}

/// Weights as kernels read them.
#[derive(Debug)]
struct Packed {
    known: Arc<KnownBuffers>,
    /// The change that they hold.
    of: u64,
    /// The plan that packs them, of weights that have changed once.
    packing: Option<Prepared>,
    /// Training steps have changed the parameters since, and packed only the weights that they read.
    is_behind: bool,
}

/// The weights that are packed.
#[derive(Clone, Copy)]
struct Of<'a> {
    gpu: &'a Gpu,
    weights: &'a Weights,
    dtype: Dtype,
    changes: u64,
}

/// The two sets of weights.
#[derive(Clone, Copy, PartialEq)]
enum Set {
    Calls,
    SavedCalls,
}

impl Default for DeviceWeights {
    fn default() -> DeviceWeights {
        DeviceWeights { changes: 0, sets: AsyncMutex::new(Sets::default(), true) }
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
        let mut sets = self.sets.lock().await;
        let of = Of { gpu, weights, dtype, changes: self.changes };
        if !saves {
            sets.catch_up(of, Set::Calls).await?;
        }
        let mut all = sets.packed(of, Set::Calls).await?;
        if saves {
            all = sets.packed(of, Set::SavedCalls).await?;
        }
        if self.changes == 0 {
            sets.parameters.clear();
        }
        Ok(all)
    }

    /// Packs the weights again, for objects that are bound to them, if the weights have changed.
    pub async fn refresh(&self, gpu: &Gpu, weights: &Weights, dtype: Dtype, saves: bool) -> Result<()> {
        if self.changes > 0 {
            self.of(gpu, weights, dtype, saves).await?;
        }
        Ok(())
    }

    /// The weights, if they are packed: with those of gradients, if those are.
    pub fn known(&self) -> Option<Arc<KnownBuffers>> {
        let sets = self.sets.try_lock()?;
        let [calls, saved_calls] = &sets.sets;
        saved_calls.as_ref().or(calls.as_ref()).map(|packed| packed.known.clone())
    }

    /// The flat parameters on the device, in order; of weights that have changed once.
    pub fn parameters(&self) -> Vec<Buffer> {
        let Some(sets) = self.sets.try_lock() else { return Vec::new() };
        let first = |content: &Content| match *content {
            Content::Parameters { first } => first,
            _ => usize::MAX,
        };
        let mut all: Vec<_> =
            sets.parameters.iter().map(|(content, buffer)| (first(content), buffer)).collect();
        all.sort_by_key(|(first, _)| *first);
        all.into_iter().map(|(_, buffer)| buffer.clone()).collect()
    }

    /// The packing of the weights that training steps read, from the parameters that are on the device; of
    /// weights that have changed once.
    pub async fn training(&self, gpu: &Gpu, weights: &Weights, dtype: Dtype, save: Save) -> Result<Prepared> {
        let mut sets = self.sets.lock().await;
        let of = Of { gpu, weights, dtype, changes: self.changes };
        let mut known = None;
        for set in [Set::Calls, Set::SavedCalls] {
            sets.catch_up(of, set).await?;
            known = Some(sets.packed(of, set).await?);
        }
        let plan = Plan::packing_of(weights.network(), dtype, &gpu.limits, Packing::Training(save))?;
        let buffers = sets.buffers(gpu, &plan, known.as_deref()).await?;
        Prepared::new(gpu, &buffers, plan, false).await
    }

    /// Parameters were changed on the device, and the weights packed that training steps read. Others wait
    /// for the call that reads them.
    pub async fn trained(&self) {
        let mut sets = self.sets.lock().await;
        sets.sets.iter_mut().flatten().for_each(|packed| packed.is_behind = true);
    }

    /// The packed weights are no longer the network's: the next call packs them again, into the same buffers.
    pub fn changed(&mut self) {
        self.changes += 1;
    }
}

impl Sets {
    /// A set with the weights of now.
    async fn packed(&mut self, of: Of<'_>, set: Set) -> Result<Arc<KnownBuffers>> {
        let known = self.sets[set as usize].as_ref().map(|packed| packed.known.clone());
        let is_current = |packed: &Packed| packed.of == of.changes;
        if let (Some(known), true) = (&known, self.sets[set as usize].as_ref().is_some_and(is_current)) {
            return Ok(known.clone());
        }
        check_numbers(of.weights, of.dtype)?;
        // The set stays as before where packing fails or its future is dropped: earlier calls are bound to
        // it.
        let prepared = match self.sets[set as usize].as_mut().and_then(|packed| packed.packing.take()) {
            Some(prepared) => prepared,
            None => self.packing(of, set, known.as_deref()).await?,
        };
        self.submit(of, &prepared).await?;
        let known = known.unwrap_or_else(|| {
            let mut known = prepared.weights();
            if let (Set::SavedCalls, Some(calls)) = (set, &self.sets[Set::Calls as usize]) {
                known.extend(calls.known.iter().map(|(content, buffer)| (*content, buffer.clone())));
            }
            Arc::new(known)
        });
        let packing = if of.changes > 0 { Some(prepared) } else { None };
        self.sets[set as usize] =
            Some(Packed { known: known.clone(), of: of.changes, packing, is_behind: false });
        Ok(known)
    }

    /// Packs a set again that training steps have left behind.
    async fn catch_up(&mut self, of: Of<'_>, set: Set) -> Result<()> {
        let Some(packed) = self.sets[set as usize].as_ref().filter(|packed| packed.is_behind) else {
            return Ok(());
        };
        if let Some(packing) = &packed.packing {
            packing.submit(of.gpu, Turn::Forward, &Longest::of(0), None).await?;
        }
        self.sets[set as usize].iter_mut().for_each(|packed| packed.is_behind = false);
        Ok(())
    }

    /// The objects that pack a set.
    async fn packing(&mut self, of: Of<'_>, set: Set, earlier: Option<&KnownBuffers>) -> Result<Prepared> {
        let Of { gpu, weights, dtype, .. } = of;
        let packing = match set {
            Set::Calls => Packing::Calls,
            Set::SavedCalls => Packing::SavedCalls,
        };
        let plan = Plan::packing_of(weights.network(), dtype, &gpu.limits, packing)?;
        check_memory(&plan, gpu.is_software)?;
        let buffers = self.buffers(gpu, &plan, earlier).await?;
        Prepared::new(gpu, &buffers, plan, false).await
    }

    /// Brings the flat parameters to the device, and packs them.
    async fn submit(&mut self, of: Of<'_>, prepared: &Prepared) -> Result<()> {
        self.upload(of).await?;
        prepared.submit(of.gpu, Turn::Forward, &Longest::of(0), None).await
    }

    /// The buffers of a packing: those that are there, and new ones.
    async fn buffers(
        &mut self,
        gpu: &Gpu,
        plan: &Plan,
        earlier: Option<&KnownBuffers>,
    ) -> Result<KnownBuffers> {
        use wgpu::BufferUsages as Usage;
        let mut known = KnownBuffers::new();
        for buffer in &plan.buffers {
            let content = buffer.content;
            let there = earlier.and_then(|earlier| earlier.get(&content));
            let made = match there.or(self.parameters.get(&content)) {
                Some(there) => there.clone(),
                None => {
                    // New buffers hold zeros, and padding stays so.
                    let usage = match content {
                        Content::Parameters { .. } => Usage::STORAGE | Usage::COPY_DST | Usage::COPY_SRC,
                        _ => Usage::STORAGE | Usage::COPY_SRC,
                    };
                    gpu.buffer(&buffer.name, buffer.bytes(), usage).await?
                }
            };
            if matches!(content, Content::Parameters { .. }) && !self.parameters.contains_key(&content) {
                self.parameters.insert(content, made.clone());
                self.parameters_of = None;
            }
            known.insert(content, made);
        }
        Ok(known)
    }

    /// Brings the flat parameters to the device, unless they are there.
    async fn upload(&mut self, Of { gpu, weights, changes, .. }: Of<'_>) -> Result<()> {
        if self.parameters_of == Some(changes) {
            return Ok(());
        }
        let numbers = &weights.params().numbers;
        gpu.scoped(|| {
            for (content, buffer) in &self.parameters {
                let Content::Parameters { first } = *content else { continue };
                let len = (buffer.size() / Dtype::F32.bytes()) as usize;
                let end = (first + len).min(numbers.len());
                gpu.queue.write_buffer(buffer, 0, bytemuck::cast_slice(&numbers[first..end]));
            }
        })
        .await?;
        self.parameters_of = Some(changes);
        Ok(())
    }
}

/// Refuses finite numbers that a type cannot hold.
fn check_numbers(weights: &Weights, dtype: Dtype) -> Result<()> {
    let params = weights.params();
    let layer_norm = weights.network().slots[0].cell.layer_norm;
    // Matrices are stored as the network's type, and so are the input's gates, which begin as their bias.
    let is_stored = |kind: TensorKind| kind.is_matrix() || (kind == TensorKind::BiasIh && !layer_norm);
    for entry in params.table.entries.iter().filter(|entry| is_stored(entry.name.kind)) {
        numbers::check(&params.numbers[entry.range()], dtype, || entry.name.format(Naming::PyTorch))?;
    }
    Ok(())
}
