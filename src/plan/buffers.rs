//! The buffers of a plan.

use super::weights::KernelWeight;
use super::{FOUR, Limits};
use crate::network::Dtype;
use crate::{Error, Result};
use std::collections::HashMap;

/// An index into [`Plan::buffers`](super::Plan::buffers).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct BufferId(pub usize);

/// A buffer of numbers of one type; of 32-bit numbers, in a staging buffer or for lengths.
#[derive(Clone, Debug, PartialEq)]
pub struct Buffer {
    /// The name, which is also the label on the GPU.
    pub name: String,
    /// The content.
    pub content: Content,
    /// The length in numbers.
    pub len: u64,
    /// The type of the numbers.
    pub dtype: Dtype,
}

impl Buffer {
    /// The size, in whole fours of bytes, as copies are.
    pub fn bytes(&self) -> u64 {
        (self.len * self.dtype.bytes()).next_multiple_of(4)
    }
}

/// The content of a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Content {
    /// Numbers that the host writes.
    Upload,
    /// Numbers that the host reads.
    Download,
    /// Numbers that kernels read and write.
    Work,
    /// Numbers that a saved call keeps for its backward pass.
    Saved,
    /// A weight as kernels read it.
    Weight(KernelWeight),
    /// The flat parameters, from a number of their table on.
    Parameters {
        /// The place in the table of the first number.
        first: usize,
    },
    /// An array of a training step that several plans share.
    Given(Given),
}

/// An array of a training step that several plans share. Flat arrays are numbered; the last is the head's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Given {
    /// The results that the head reads: rows of features.
    Features,
    /// The gradients by them.
    ByFeatures,
    /// The lengths of sequences, for a head that pools steps.
    Lengths,
    /// The targets, as the loss reads them.
    Targets,
    /// The weights of classes.
    ClassWeights,
    /// The numbers that a step is told.
    Numbers,
    /// The numbers that a step tells.
    Report,
    /// The head's weight as products read it.
    HeadWeight,
    /// The same of the way back.
    HeadWeightBack,
    /// The head's bias as products read it.
    HeadBias,
    /// The gradients by the head's parameters.
    HeadGradients,
    /// Flat parameters.
    Parameters(usize),
    /// The gradients by them.
    Gradients(usize),
    /// An optimiser's array beside them.
    State(usize, usize),
}

/// A buffer as a kernel sees it: all of it, or a part.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Binding {
    /// The buffer.
    pub buffer: BufferId,
    /// The first byte, and the number of bytes; all of it, if none.
    pub range: Option<(u64, u64)>,
}

impl From<BufferId> for Binding {
    fn from(buffer: BufferId) -> Binding {
        Binding { buffer, range: None }
    }
}

/// The buffers while a plan is made: each is asked whether the adapter can hold it.
pub(super) struct PlanBuffers<'a> {
    title: &'a str,
    limits: &'a Limits,
    all: Vec<Buffer>,
    weights: HashMap<KernelWeight, BufferId>,
}

impl<'a> PlanBuffers<'a> {
    pub fn new(title: &'a str, limits: &'a Limits) -> PlanBuffers<'a> {
        PlanBuffers { title, limits, all: Vec::new(), weights: HashMap::new() }
    }

    pub fn title(&self) -> &'a str {
        self.title
    }

    pub fn limits(&self) -> &'a Limits {
        self.limits
    }

    pub fn finish(self) -> Vec<Buffer> {
        self.all
    }

    pub fn get(&self, BufferId(id): BufferId) -> &Buffer {
        &self.all[id]
    }

    /// A buffer that kernels read and write as a whole; in whole vectors, past whose end a kernel sees
    /// nothing.
    pub fn work(&mut self, name: &str, len: u64, dtype: Dtype) -> Result<BufferId> {
        let len = len.div_ceil(FOUR).saturating_mul(FOUR);
        self.add(name, Content::Work, len, dtype, binding_bytes(self.limits, dtype))
    }

    /// The same, of numbers that a saved call keeps for its backward pass.
    pub fn saved(&mut self, name: &str, len: u64, dtype: Dtype) -> Result<BufferId> {
        let len = len.div_ceil(FOUR).saturating_mul(FOUR);
        self.add(name, Content::Saved, len, dtype, binding_bytes(self.limits, dtype))
    }

    /// A buffer of the gradients by flat parameters. Kernels may bind parts of the buffer.
    pub fn flat_gradients(&mut self, name: &str, len: u64) -> Result<BufferId> {
        self.add(name, Content::Work, len, Dtype::F32, self.limits.max_buffer_bytes)
    }

    /// A buffer for the host.
    pub fn staging(&mut self, name: &str, content: Content, len: u64) -> Result<BufferId> {
        self.add(name, content, len, Dtype::F32, self.limits.max_buffer_bytes)
    }

    /// A buffer of flat parameters, from number `first` on; in whole vectors. Kernels may bind parts of the
    /// buffer.
    pub fn parameters(&mut self, name: &str, first: usize, len: u64) -> Result<BufferId> {
        let len = len.next_multiple_of(FOUR);
        self.add(name, Content::Parameters { first }, len, Dtype::F32, self.limits.max_buffer_bytes)
    }

    /// An array that several plans share. Kernels may bind parts of the buffer.
    pub fn given(&mut self, given: Given, len: u64) -> Result<BufferId> {
        let name = format!("{given:?}");
        self.add(&name, Content::Given(given), len, Dtype::F32, self.limits.max_buffer_bytes)
    }

    /// A weight, of which there is one buffer. Kernels may see parts of it.
    pub fn weight(&mut self, name: &str, weight: KernelWeight, len: u64, dtype: Dtype) -> Result<BufferId> {
        if let Some(&known) = self.weights.get(&weight) {
            return Ok(known);
        }
        let id = self.add(name, Content::Weight(weight), len, dtype, self.limits.max_buffer_bytes)?;
        self.weights.insert(weight, id);
        Ok(id)
    }

    fn add(&mut self, name: &str, content: Content, len: u64, dtype: Dtype, limit: u64) -> Result<BufferId> {
        let needed = len.saturating_mul(dtype.bytes());
        if needed > limit {
            let what = format!("buffer \"{name}\" of {}", self.title);
            let (unit, holder) = ("bytes", "the adapter");
            return Err(Error::TooLarge { what, needed, limit, unit, holder });
        }
        let id = BufferId(self.all.len());
        self.all.push(Buffer { name: name.into(), content, len, dtype });
        Ok(id)
    }
}

/// The largest array that a kernel can see as a whole.
pub(super) fn binding_bytes(limits: &Limits, dtype: Dtype) -> u64 {
    // Kernels index with 32 bits.
    let indexed = dtype.bytes() * u64::from(u32::MAX);
    limits.max_binding_bytes.min(limits.max_buffer_bytes).min(indexed)
}
