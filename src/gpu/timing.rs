//! The time of each pass, by the GPU's own clock.

use super::prepared::Prepared;
use super::{Gpu, Longest, staging::read_whole};
use crate::{Error, PassTime, Result};
use std::time::Duration;

/// Passes that one set of queries holds, two queries per pass.
const MAX_PASSES: usize = wgpu::QUERY_SET_MAX_QUERIES as usize / 2;

/// The queries in which the passes of a plan note their begin and end.
#[derive(Debug)]
pub(super) struct Clock {
    queries: wgpu::QuerySet,
    passes: usize,
}

impl Clock {
    pub async fn new(gpu: &Gpu, run: &Prepared) -> Result<Clock> {
        let passes = run.plan.passes().count();
        if !gpu.device.features().contains(wgpu::Features::TIMESTAMP_QUERY) {
            let (expected, found) = ("an adapter with TIMESTAMP_QUERY".into(), gpu.name.to_string());
            return Err(Error::Unsupported { name: "timed", expected, found });
        }
        if passes > MAX_PASSES {
            let (what, unit, holder) = ("the profile of a call".into(), "passes", "a set of queries");
            return Err(Error::TooLarge {
                what,
                needed: passes as u64,
                limit: MAX_PASSES as u64,
                unit,
                holder,
            });
        }
        gpu.count();
        let descriptor = wgpu::QuerySetDescriptor {
            label: Some("times of passes"),
            ty: wgpu::QueryType::Timestamp,
            count: 2 * passes as u32,
        };
        let queries = gpu.scoped(|| gpu.device.create_query_set(&descriptor)).await?;
        Ok(Clock { queries, passes })
    }

    /// For the pass of this number.
    pub fn of_pass(&self, pass: usize) -> wgpu::ComputePassTimestampWrites<'_> {
        wgpu::ComputePassTimestampWrites {
            query_set: &self.queries,
            beginning_of_pass_write_index: Some(2 * pass as u32),
            end_of_pass_write_index: Some(2 * pass as u32 + 1),
        }
    }

    /// The times, once the call is done; steps past the longest sequence have no pass.
    pub async fn read(&self, gpu: &Gpu, run: &Prepared, longest: &Longest<'_>) -> Result<Vec<PassTime>> {
        use wgpu::BufferUsages as Usage;
        let size = 16 * self.passes as u64;
        let resolved = gpu.buffer("times", size, Usage::QUERY_RESOLVE | Usage::COPY_SRC).await?;
        let staging = gpu.buffer("times, read", size, Usage::MAP_READ | Usage::COPY_DST).await?;
        gpu.scoped(|| {
            let mut encoder = gpu.device.create_command_encoder(&Default::default());
            encoder.resolve_query_set(&self.queries, 0..2 * self.passes as u32, &resolved, 0);
            encoder.copy_buffer_to_buffer(&resolved, 0, &staging, 0, size);
            gpu.queue.submit([encoder.finish()]);
        })
        .await?;
        let bytes = read_whole(gpu, &staging).await?;
        let ticks: Vec<u64> = bytemuck::pod_collect_to_vec(&bytes);
        let period = f64::from(gpu.queue.get_timestamp_period());
        let times = run
            .plan
            .passes()
            .zip(ticks.chunks_exact(2))
            .filter(|(pass, _)| !super::encode::is_empty(pass, longest.steps));
        Ok(times
            .map(|(pass, ticks)| PassTime {
                label: pass.label.clone(),
                dispatches: pass.times.map_or(1, |times| times.iter(longest.steps).count() as u64)
                    * pass.dispatches.len() as u64,
                time: Duration::from_nanos((ticks[1].saturating_sub(ticks[0]) as f64 * period) as u64),
            })
            .collect())
    }
}
