//! A plan's commands. Makes no pipeline, buffer or bind group.

use super::interop::Carry;
use super::prepared::{Prepared, PreparedDispatch, Turn};
use super::timing::Clock;
use super::{Gpu, Longest, prepared::StepTable};
use crate::plan::{Gives, Pass, Payload, Plan, Step, Way};
use crate::{Result, Wanted};
use std::sync::Arc;

impl Prepared {
    /// Records and submits the whole plan, up to the end of the longest sequence; what was written to the
    /// upload buffers is its input.
    pub async fn submit(
        &self,
        gpu: &Gpu,
        turn: Turn,
        longest: &Longest<'_>,
        clock: Option<&Clock>,
    ) -> Result<()> {
        let steps = longest.steps;
        let (way, prepared) = self.way(turn);
        gpu.scoped(|| {
            prepared.uploads.iter().for_each(|&id| self.buffer(id).unmap());
            let last = way.submits.len() - 1;
            for (index, passes) in way.submits.iter().enumerate() {
                if index > 0 && index < last && passes.iter().all(|pass| is_empty(pass, steps)) {
                    continue;
                }
                let mut encoder = gpu.device.create_command_encoder(&Default::default());
                if index == 0 {
                    self.bring_in(&mut encoder, way, longest);
                }
                gpu.count_dispatches(self.record_submit(&mut encoder, turn, index, longest, clock));
                if index == last {
                    self.bring_out(&mut encoder, way, longest);
                }
                gpu.queue.submit([encoder.finish()]);
            }
        })
        .await
    }

    /// Records the passes of one submit, and counts their dispatches.
    pub fn record_submit(
        &self,
        encoder: &mut wgpu::CommandEncoder,
        turn: Turn,
        index: usize,
        longest: &Longest<'_>,
        clock: Option<&Clock>,
    ) -> u64 {
        let mut recorded = 0;
        let steps = longest.steps;
        let (way, prepared) = self.way(turn);
        let first_pass = way.submits[..index].iter().map(Vec::len).sum();
        let count = |passes: &[Pass]| passes.iter().map(|pass| pass.dispatches.len()).sum::<usize>();
        let mut first = way.submits[..index].iter().map(|passes| count(passes)).sum::<usize>();
        for (number, planned) in (first_pass..).zip(&way.submits[index]) {
            let prepared = &prepared.dispatches[first..first + planned.dispatches.len()];
            first += prepared.len();
            if is_empty(planned, steps) || !is_wanted(planned, longest.wanted) {
                continue;
            }
            let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                label: Some(&planned.label),
                timestamp_writes: clock.map(|clock| clock.of_pass(number)),
            });
            recorded += record(&mut pass, &self.plan, planned, prepared, self.step_table.as_ref(), steps);
        }
        recorded
    }

    /// Records the last pass alone, of a plan without time steps.
    pub fn record_last_pass(&self, encoder: &mut wgpu::CommandEncoder) {
        let (way, prepared) = self.way(Turn::Forward);
        let Some(planned) = way.passes().last() else { return };
        let first = prepared.dispatches.len() - planned.dispatches.len();
        let mut pass = encoder.begin_compute_pass(&Default::default());
        record(&mut pass, &self.plan, planned, &prepared.dispatches[first..], None, 0);
    }

    fn bring_in(&self, encoder: &mut wgpu::CommandEncoder, way: &Way, longest: &Longest<'_>) {
        for transfer in &way.uploads {
            let (mut from, mut offset) = (self.buffer(transfer.staging), transfer.staging_offset);
            if let (Payload::Lengths, Some(lengths)) = (transfer.what, longest.lengths) {
                (from, offset) = (lengths, 0);
            }
            if let Some(state) = longest.resident.and_then(|resident| resident.place_of(transfer)) {
                (from, offset) = (state, 0);
            }
            let to = self.buffer(transfer.buffer[0]);
            let to_at = transfer.dtype.bytes() * transfer.buffer_offset;
            let bytes = transfer.bytes_within(longest.steps);
            let is_state = matches!(transfer.what, Payload::Hidden { .. } | Payload::Cell { .. });
            if bytes > 0 && (transfer.what == Payload::Zeros || (is_state && longest.starts_from_zero)) {
                encoder.clear_buffer(to, to_at, Some(bytes));
            } else if bytes > 0 {
                encoder.copy_buffer_to_buffer(from, offset, to, to_at, bytes);
            }
        }
    }

    fn bring_out(&self, encoder: &mut wgpu::CommandEncoder, way: &Way, longest: &Longest<'_>) {
        let steps = longest.steps;
        for transfer in &way.downloads {
            let from = self.buffer(transfer.after(steps));
            let (mut to, mut offset) = (self.buffer(transfer.staging), transfer.staging_offset);
            if let Some(state) = longest.resident.and_then(|resident| resident.place_of(transfer)) {
                (to, offset) = (state, 0);
            }
            let bytes = transfer.bytes_within(steps);
            if bytes > 0 {
                let from_at = transfer.dtype.bytes() * transfer.buffer_offset;
                encoder.copy_buffer_to_buffer(from, from_at, to, offset, bytes);
            }
        }
    }
}

/// Records the dispatches that carry arrays in or out, as one pass.
pub(super) fn record_carry(encoder: &mut wgpu::CommandEncoder, label: &str, carries: &[Carry]) {
    let mut pass = encoder
        .begin_compute_pass(&wgpu::ComputePassDescriptor { label: Some(label), timestamp_writes: None });
    for Carry { prepared, workgroups: [x, y, z] } in carries {
        pass.set_pipeline(&prepared.pipeline.pipeline);
        pass.set_bind_group(0, &prepared.groups[0], &[]);
        pass.dispatch_workgroups(*x, *y, *z);
    }
}

/// False for a pass whose gradients are not wanted.
fn is_wanted(pass: &Pass, wanted: Option<&Wanted>) -> bool {
    match (pass.gives, wanted) {
        (Some(Gives::Input), Some(wanted)) => wanted.has_input(),
        (Some(Gives::Weights(layer)), Some(wanted)) => wanted.has_weights(layer),
        _ => true,
    }
}

/// True for a pass that begins after the longest sequence has ended.
pub(super) fn is_empty(pass: &Pass, steps: u64) -> bool {
    pass.times.is_some_and(|times| times.iter(steps).next().is_none())
}

fn record(
    pass: &mut wgpu::ComputePass<'_>,
    plan: &Plan,
    planned: &Pass,
    prepared: &[Arc<PreparedDispatch>],
    step_table: Option<&StepTable>,
    steps: u64,
) -> u64 {
    let alone = prepared.len() == 1;
    let mut recorded = 0;
    let mut once = |step: Option<Step>, sets_pipeline: bool| {
        let taken = step.map_or(steps, |step| step.taken);
        for (dispatch, prepared) in planned.dispatches.iter().zip(prepared) {
            let [x, y, z] = plan.workgroups(dispatch, steps);
            // Rows past the end of the longest sequence; browsers call such a dispatch unusual, on the
            // console.
            if [x, y, z].contains(&0) {
                continue;
            }
            if sets_pipeline {
                pass.set_pipeline(&prepared.pipeline.pipeline);
            }
            let group = &prepared.groups[(taken % prepared.groups.len() as u64) as usize];
            pass.set_bind_group(0, group, &[]);
            if let Some(Step { t, t_of_reverse, count, .. }) =
                step.filter(|_| dispatch.kernel.has_step_index())
            {
                match step_table {
                    Some(StepTable { group, stride }) => {
                        pass.set_bind_group(1, group, &[t * stride, t_of_reverse * stride, count * stride]);
                    }
                    None => pass.set_immediates(0, bytemuck::bytes_of(&[t, t_of_reverse, count])),
                }
            }
            pass.dispatch_workgroups(x, y, z);
            recorded += 1;
        }
    };
    match planned.times {
        None => once(None, true),
        Some(times) => {
            for (index, step) in times.iter(steps).enumerate() {
                once(Some(step), index == 0 || !alone);
            }
        }
    }
    recorded
}
