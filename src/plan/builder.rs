//! Makes a plan: the buffers, then the operations in order, then the transfers; and for a saved call the
//! operations' backward in the opposite order.

use super::arrays::Arrays;
use super::buffers::{BufferId, PlanBuffers};
use super::cut::Cut;
use super::gates;
use super::gradient_arrays::GradientArrays;
use super::maker::Maker;
use super::ops::{self, Op};
use super::schedule::{self, Choice};
use super::walk::Walk;
use super::weights::{self, Weight, WeightPart};
use super::{Limits, Plan, SavedBytes, Way, Workload, product, show, transfers};
use crate::network::{Dtype, Network, Save, SlotSpec};
use crate::{Error, Result};

/// The most time steps of one call, up to which plans are small.
const MAX_STEPS: u64 = 1 << 24;

/// A plan while it is made.
pub(super) struct Builder<'a> {
    pub network: &'a Network,
    pub workload: &'a Workload,
    pub limits: &'a Limits,
    pub cut: Cut,
    pub choice: Choice,
    pub buffers: PlanBuffers<'a>,
    pub walk: Walk,
}

/// Plans a workload of a network.
pub(super) fn build(network: &Network, workload: &Workload, limits: &Limits) -> Result<Plan> {
    check(network, workload.dtype, limits)?;
    for (name, size) in [("T", workload.steps), ("N", workload.batch)] {
        at_least_one(name, size)?;
    }
    network.check_outputs(workload.outputs)?;
    let title = show::title(network, workload);
    let steps = workload.steps as u64;
    if steps > MAX_STEPS {
        let (needed, limit, unit, holder) = (steps, MAX_STEPS, "time steps", "a call");
        return Err(Error::TooLarge { what: title, needed, limit, unit, holder });
    }
    let cut = Cut::new(network, workload, limits, &title)?;
    let choice = schedule::choose(network, workload, limits, &cut)?;
    let buffers = PlanBuffers::new(&title, limits);
    let mut builder = Builder { network, workload, limits, cut, choice, buffers, walk: Walk::new() };
    let arrays = Arrays::new(&mut builder)?;
    let ops = ops::of(&builder, &arrays);
    for op in &ops {
        op.forward(&mut builder, &arrays)?;
    }
    let (uploads, downloads) = transfers::forward(&mut builder, &arrays)?;
    let submits = std::mem::replace(&mut builder.walk, Walk::new()).submits;
    let forward = Way { uploads, submits, downloads };
    let backward = if workload.is_saved() { Some(backward(&mut builder, &arrays, &ops)?) } else { None };
    let schedule = builder.choice.schedule;
    let gates = gates::bytes(&builder);
    let buffers = builder.buffers.finish();
    let mut plan = Plan { title, schedule, steps, buffers, forward, backward, saved: None, limits: *limits };
    let kept = plan.kept_bytes();
    plan.saved = workload.saves.map(|save| match save {
        Save::Gates => SavedBytes { gates: kept, states: kept.saturating_sub(gates) },
        Save::States => SavedBytes { gates: kept.saturating_add(gates), states: kept },
    });
    Ok(plan)
}

fn backward<'a>(builder: &mut Builder<'a>, arrays: &Arrays<'a>, ops: &[Op]) -> Result<Way> {
    let gradients = GradientArrays::new(builder, arrays)?;
    for op in ops.iter().rev() {
        op.backward(builder, arrays, &gradients)?;
    }
    let (uploads, downloads) = transfers::backward(builder, arrays, &gradients)?;
    let submits = std::mem::replace(&mut builder.walk, Walk::new()).submits;
    Ok(Way { uploads, submits, downloads })
}

/// Refuses a network or a dtype that no plan can have.
pub(super) fn check(network: &Network, dtype: Dtype, limits: &Limits) -> Result<()> {
    if network.input_size == 0 {
        return Err(Error::InputSizeOpen);
    }
    if dtype == Dtype::F16 && !limits.f16 {
        let expected = "f32 on this adapter, which has no SHADER_F16".into();
        return Err(Error::Unsupported { name: "dtype", expected, found: "f16".into() });
    }
    Ok(())
}

fn at_least_one(name: &'static str, size: usize) -> Result<()> {
    if size == 0 {
        return Err(Error::Argument { name, expected: "at least 1".into(), found: "0".into() });
    }
    Ok(())
}

impl<'a> Builder<'a> {
    /// An array over time: one buffer per segment, of `step` numbers per step.
    pub fn over_time(&mut self, name: &str, step: u64, dtype: Dtype) -> Result<Vec<BufferId>> {
        self.by_segment(name, |buffers, name, steps| buffers.work(name, product(&[steps, step]), dtype))
    }

    /// A buffer per segment, of a length that follows from its steps.
    pub fn by_segment(
        &mut self,
        name: &str,
        make: impl Fn(&mut PlanBuffers<'a>, &str, u64) -> Result<BufferId>,
    ) -> Result<Vec<BufferId>> {
        let mut made = Vec::new();
        for (index, segment) in self.cut.segments.iter().enumerate() {
            let name = if self.cut.is_whole() { name.to_owned() } else { format!("{name} {index}") };
            made.push(make(&mut self.buffers, &name, segment.steps)?);
        }
        Ok(made)
    }

    /// A weight of some directions of a layer.
    pub fn weight(&mut self, slots: &[SlotSpec], part: WeightPart) -> Result<Weight> {
        weights::weight(&mut self.buffers, self.network, self.limits, slots, part, self.workload.dtype)
    }

    /// The maker of the plan's dispatches.
    pub fn maker(&self) -> Maker<'_> {
        let Workload { dtype, tuning, .. } = *self.workload;
        Maker { buffers: &self.buffers, dtype, tuning }
    }
}
