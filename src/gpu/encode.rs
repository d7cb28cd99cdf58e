//! A plan's commands. Makes no pipeline, buffer or bind group.

use super::run::{Prepared, Run};
use super::{Gpu, run::StepTable};
use crate::Result;
use crate::plan::{Copy, Dispatch};

impl Run {
    /// Records and submits the whole plan; what was written to the upload buffer is its input.
    pub async fn submit(&self, gpu: &Gpu) -> Result<()> {
        gpu.scoped(|| {
            self.upload.unmap();
            let mut prepared = self.dispatches.iter();
            let last = self.plan.submits.len() - 1;
            for (index, passes) in self.plan.submits.iter().enumerate() {
                let mut encoder = gpu.device.create_command_encoder(&Default::default());
                if index == 0 {
                    self.copy(&mut encoder, &self.plan.uploads);
                }
                for planned in passes {
                    let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor {
                        label: Some(&planned.label),
                        timestamp_writes: None,
                    });
                    for (dispatch, prepared) in planned.dispatches.iter().zip(&mut prepared) {
                        record(&mut pass, dispatch, prepared, self.step_table.as_ref());
                    }
                }
                if index == last {
                    self.copy(&mut encoder, &self.plan.downloads);
                }
                gpu.queue.submit([encoder.finish()]);
            }
        })
        .await
    }

    fn copy(&self, encoder: &mut wgpu::CommandEncoder, copies: &[Copy]) {
        for copy in copies {
            let (from, to) = (&self.buffers[copy.from.0], &self.buffers[copy.to.0]);
            let (from_bytes, to_bytes) = (4 * copy.from_offset, 4 * copy.to_offset);
            encoder.copy_buffer_to_buffer(from, from_bytes, to, to_bytes, 4 * copy.len);
        }
    }
}

fn record(
    pass: &mut wgpu::ComputePass<'_>,
    dispatch: &Dispatch,
    prepared: &Prepared,
    step_table: Option<&StepTable>,
) {
    let [x, y, z] = dispatch.workgroups;
    pass.set_pipeline(&prepared.pipeline.pipeline);
    let Some(times) = dispatch.times else {
        pass.set_bind_group(0, &prepared.groups[0], &[]);
        pass.dispatch_workgroups(x, y, z);
        return;
    };
    for (t, taken) in times.iter() {
        pass.set_bind_group(0, &prepared.groups[taken as usize % prepared.groups.len()], &[]);
        match step_table {
            Some(table) => pass.set_bind_group(1, &table.group, &[t * table.stride]),
            None => pass.set_immediates(0, bytemuck::bytes_of(&t)),
        }
        pass.dispatch_workgroups(x, y, z);
    }
}
