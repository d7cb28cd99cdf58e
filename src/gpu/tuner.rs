//! Measures the schedules and tiles, to find the fastest. The results of all are right, and may differ by
//! rounding.

use super::{
    GpuRnn, Longest, Wait,
    prepared::{Prepared, Turn},
};
use crate::calibration::Sample;
use crate::kernel::Kernel;
use crate::plan::{Limits, Pass, Plan, Tuning, Workload};
use crate::{Error, Result, Schedule, Weights, tuner};
use std::time::{Duration, Instant};

/// Runs of a candidate, after one that does not count; the fastest counts.
const RUNS: usize = 3;

/// A candidate whose time exceeds the best time by this factor is not run again.
const HOPELESS: f64 = 1.5;

/// A candidate is preferred if its time is below this factor times the best time, lest noise decide.
const FASTER: f64 = 0.97;

impl GpuRnn {
    /// The plan that was measured as the fastest for a call, on an engine that is tuned; the first call of a
    /// class measures.
    pub(super) async fn tuned(&self, weights: &Weights, shape: &Workload, own: Plan, wait: Wait) -> Plan {
        let asked = shape.tuning;
        let is_open = asked.schedule.is_none() && asked.gemm.is_none() && asked.step.is_none();
        let Some(tunings) = self.gpu.tunings.as_ref().filter(|_| is_open) else { return own };
        let (network, limits) = (weights.network(), tunings.limits(&self.gpu.limits));
        let engine = self.gpu.tuner_key();
        let Ok(class) = tuner::Class::of(network, shape, &limits, &engine) else { return own };
        let planned = |tuning: Tuning| Plan::of_network(network, &Workload { tuning, ..*shape }, &limits);
        if let Some(tuning) = tunings.get(&class) {
            match planned(tuning) {
                Ok(plan) => return plan,
                Err(error) => log::warn!("a known tuning is ignored: {error}"),
            }
        }
        let start = Instant::now();
        let mut trials = Trials {
            network: self,
            weights,
            limits: &limits,
            wait,
            measured: Vec::new(),
            samples: Vec::new(),
            empty: Duration::ZERO,
            best: None,
        };
        trials.empty(&class.steps).await;
        trials.gemm(&class.gemm, &class.steps).await;
        trials.steps(&class.steps).await;
        let Some((tuning, _)) = trials.best else { return own };
        let (names, seconds) = (tuner::columns(&tuning).replace('\t', " "), start.elapsed().as_secs_f64());
        log::info!("{}: {names}, of {} in {seconds:.2} s", own.title, trials.measured.len());
        tunings.put(&engine, &class, tuning, &trials.samples);
        planned(tuning).unwrap_or(own)
    }
}

/// Candidates that compete.
struct Trials<'a> {
    network: &'a GpuRnn,
    weights: &'a Weights,
    limits: &'a Limits,
    /// The way to wait for the GPU: on this thread, or elsewhere.
    wait: Wait,
    /// The plans that were run, since different names may mean the same plan.
    measured: Vec<Plan>,
    samples: Vec<Sample>,
    /// The time of a submission without a dispatch, which no estimate has.
    empty: Duration,
    best: Option<(Tuning, Duration)>,
}

impl Trials<'_> {
    /// Measures a submission without a dispatch.
    async fn empty(&mut self, shape: &Workload) {
        let Ok(mut plan) = self.plan(shape) else { return };
        plan.forward.submits = vec![Vec::new()];
        self.empty = self.time(plan, shape).await.unwrap_or_default();
    }

    /// Measures the input's products, which do not depend on the schedule, and products of a time step that
    /// are the same kernel.
    async fn gemm(&mut self, long: &Workload, short: &Workload) {
        let is_gemm = |pass: &Pass| pass.dispatches.iter().any(|one| one.kernel == Kernel::Gemm);
        let in_steps =
            self.plan(short).is_ok_and(|plan| plan.passes().any(|p| p.times.is_some() && is_gemm(p)));
        let shape = if in_steps { short } else { long };
        for gemm in tuner::tiles(shape.steps.saturating_mul(shape.batch), self.limits) {
            self.try_one(shape, Tuning { gemm, ..shape.tuning }, &is_gemm).await;
        }
    }

    /// Measures the time steps, with the best product.
    async fn steps(&mut self, shape: &Workload) {
        let gemm = self.best.take().and_then(|(tuning, _)| tuning.gemm);
        let own = Tuning { gemm, ..shape.tuning };
        let schedules = [None].into_iter().chain(Schedule::ALL.into_iter().map(Some));
        for schedule in schedules {
            for step in tuner::tiles(shape.batch, self.limits) {
                let tuning = Tuning { schedule, step, ..own };
                self.try_one(shape, tuning, &|pass| pass.times.is_some()).await;
            }
        }
    }

    /// Measures the passes of a plan that `counts` selects. A tuning that cannot be planned or run is no
    /// candidate.
    async fn try_one(&mut self, shape: &Workload, tuning: Tuning, counts: &(dyn Fn(&Pass) -> bool + Sync)) {
        let Ok(mut plan) = self.plan(&Workload { tuning, ..*shape }) else { return };
        // By name, since a longer call might choose another one.
        let tuning = Tuning { schedule: Some(plan.schedule), ..tuning };
        plan.forward.submits = vec![plan.forward.submits.into_iter().flatten().filter(counts).collect()];
        if self.measured.contains(&plan) {
            return;
        }
        self.measured.push(plan.clone());
        let names = tuner::columns(&tuning).replace('\t', " ");
        let (dispatches, seconds) = (plan.dispatches(), plan.seconds());
        match self.time(plan, shape).await {
            Ok(time) => {
                log::debug!("{names}: {time:?}");
                let estimated = seconds - 1e-9 * dispatches as f64 * f64::from(self.limits.machine.dispatch);
                let measured = time.saturating_sub(self.empty).as_secs_f64();
                if measured > 0.0 {
                    self.samples.push(Sample { dispatches, estimated, measured });
                }
                if self.best.is_none_or(|(_, best)| time < best.mul_f64(FASTER)) {
                    self.best = Some((tuning, time));
                }
            }
            Err(error) => log::debug!("{names}: {error}"),
        }
    }

    fn plan(&self, shape: &Workload) -> Result<Plan, Error> {
        Plan::of_network(self.weights.network(), shape, self.limits)
    }

    /// The fastest time on an input of zeros, since new buffers hold zeros.
    async fn time(&mut self, plan: Plan, shape: &Workload) -> Result<Duration> {
        let gpu = &self.network.gpu;
        let on_gpu = self.network.weights.of(gpu, self.weights, shape.dtype, false).await?;
        let run = Prepared::new(gpu, &on_gpu, plan, true).await?;
        let longest = Longest::of(shape.steps as u64);
        let mut fastest = Duration::MAX;
        for index in 0..=RUNS {
            let start = Instant::now();
            run.submit(gpu, Turn::Forward, &longest, None).await?;
            run.wait(gpu, Turn::Forward, self.wait).await?;
            let time = start.elapsed();
            run.way(Turn::Forward).1.downloads.iter().for_each(|&id| run.buffer(id).unmap());
            if index > 0 {
                fastest = fastest.min(time);
                if self.best.is_some_and(|(_, best)| time > best.mul_f64(HOPELESS)) {
                    break;
                }
            }
        }
        Ok(fastest)
    }
}
