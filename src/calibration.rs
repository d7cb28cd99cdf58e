//! A [`Machine`]'s constants, corrected by times that were measured on the adapter.

use crate::Machine;

/// The most correction, by this factor either way: more is noise.
const MOST: u32 = 16;

/// Samples below which nothing is fitted.
const LEAST_SAMPLES: usize = 4;

/// Rounds of a fit. Each weighs a sample by the last round's error.
const ROUNDS: usize = 40;

/// The error below which a sample weighs no more.
const LEAST_ERROR: f64 = 1e-5;

/// A plan that was run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub dispatches: u64,
    /// The estimated seconds, without the cost of the dispatches.
    pub estimated: f64,
    /// The measured seconds.
    pub measured: f64,
}

/// The measured cost of a dispatch, and of everything else in percent of the estimate.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Calibration {
    /// Nanoseconds.
    pub dispatch: u32,
    pub percent: u32,
}

impl Calibration {
    /// The fit of measured = a · dispatches + b · estimated with the least sum of absolute errors, each
    /// relative to the machine's own estimate. So a few samples that are far off change little.
    pub fn fit(machine: &Machine, samples: &[Sample]) -> Option<Calibration> {
        if samples.len() < LEAST_SAMPLES {
            return None;
        }
        let (own, most) = (1e-9 * f64::from(machine.dispatch), f64::from(MOST));
        let relative = samples.iter().map(|sample| {
            let dispatches = own * sample.dispatches as f64;
            let whole = dispatches + sample.estimated;
            (dispatches / whole, sample.estimated / whole, sample.measured / whole)
        });
        // Factors of both costs, by least squares with weights.
        let (mut a, mut b) = (1.0, 1.0);
        for round in 0..ROUNDS {
            let weight = |(d, r, m): (f64, f64, f64)| match round {
                0 => 1.0,
                _ => (a * d + b * r - m).abs().max(LEAST_ERROR).recip(),
            };
            let sum = |of: fn(f64, f64, f64) -> f64| {
                relative.clone().map(|one| weight(one) * of(one.0, one.1, one.2)).sum::<f64>()
            };
            let (dd, dr, rr) = (sum(|d, _, _| d * d), sum(|d, r, _| d * r), sum(|_, r, _| r * r));
            let (dm, rm) = (sum(|d, _, m| d * m), sum(|_, r, m| r * m));
            // Candidates that are alike do not tell a dispatch from its work: the dispatch keeps its cost.
            let determinant = dd * rr - dr * dr;
            let of_dispatch = (dm * rr - rm * dr) / determinant;
            let is_told = determinant > 1e-6 * dd * rr;
            a = if is_told { of_dispatch.clamp(1.0 / most, most) } else { 1.0 };
            b = ((rm - a * dr) / rr).clamp(1.0 / most, most);
        }
        let whole = |number: f64| number.is_finite().then_some(number.round() as u32);
        Some(Calibration { dispatch: whole(1e9 * own * a)?, percent: whole(100.0 * b)? })
    }

    /// The machine with these costs, which a file may have beyond the most correction.
    pub fn of(self, machine: Machine) -> Machine {
        let percent = f64::from(self.percent.clamp(100 / MOST, 100 * MOST));
        let dispatch = self.dispatch.clamp(machine.dispatch / MOST, machine.dispatch.saturating_mul(MOST));
        let slower = |time: u32| (f64::from(time) * percent / 100.0).round() as u32;
        let speed = |speed: u32| (f64::from(speed) * 100.0 / percent).round() as u32;
        Machine {
            multiply_adds: speed(machine.multiply_adds),
            activations: speed(machine.activations),
            loads: speed(machine.loads),
            cache: speed(machine.cache),
            memory: speed(machine.memory),
            round_trip: slower(machine.round_trip),
            barrier: slower(machine.barrier),
            dispatch,
            ..machine
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn samples(dispatch: f64, slowdown: f64) -> Vec<Sample> {
        let plans = [(1, 3e-4), (32, 2e-4), (64, 2e-4), (64, 9e-4), (2, 5e-5)];
        let sample = |(dispatches, estimated)| {
            let measured = dispatch * dispatches as f64 + slowdown * estimated;
            Sample { dispatches, estimated, measured }
        };
        plans.map(sample).to_vec()
    }

    #[test]
    fn a_fit_finds_both_costs() {
        let fitted = |dispatch, slowdown| Calibration::fit(&Machine::DISCRETE, &samples(dispatch, slowdown));
        assert_eq!(fitted(5e-6, 0.5), Some(Calibration { dispatch: 5_000, percent: 50 }));
        assert_eq!(fitted(1.5e-6, 2.0), Some(Calibration { dispatch: 1_500, percent: 200 }));
        // A dispatch that costs nothing is taken as the least.
        let free = fitted(0.0, 1.0).expect("a fit");
        assert_eq!(free.dispatch, 138);
        assert!((90..=100).contains(&free.percent), "{free:?}");
    }

    /// A time of nearly nothing, and times of a busy machine.
    #[test]
    fn samples_that_are_far_off_change_nothing() {
        for off in [0.0, 1e-6, 1e-2] {
            for stray in 0..5 {
                let mut many = samples(5e-6, 0.5).repeat(4);
                let sample = many[stray];
                many.push(Sample { measured: off, ..sample });
                let fitted = Calibration::fit(&Machine::DISCRETE, &many);
                assert_eq!(fitted, Some(Calibration { dispatch: 5_000, percent: 50 }), "{sample:?}: {off}");
            }
        }
    }

    #[test]
    fn a_file_corrects_no_more_than_a_fit_does() {
        let of = |dispatch, percent| Calibration { dispatch, percent }.of(Machine::DISCRETE);
        let (least, most) = (of(0, 0), of(u32::MAX, u32::MAX));
        assert_eq!((least.dispatch, least.barrier), (2_200 / 16, 3));
        assert_eq!((most.dispatch, most.barrier), (2_200 * 16, 50 * 16));
        assert!(most.memory > 0 && least.memory < u32::MAX);
    }

    #[test]
    fn plans_that_are_alike_leave_the_dispatch_as_it_was() {
        let alike = [Sample { dispatches: 10, estimated: 1e-4, measured: 3.2e-4 }; 5];
        let fitted = Calibration::fit(&Machine::DISCRETE, &alike);
        assert_eq!(fitted, Some(Calibration { dispatch: 2_200, percent: 298 }));
        assert_eq!(Calibration::fit(&Machine::DISCRETE, &alike[..3]), None);
    }

    #[test]
    fn a_machine_twice_as_slow_estimates_twice_the_time() {
        let machine = Calibration { dispatch: 4_400, percent: 200 }.of(Machine::DISCRETE);
        assert_eq!((machine.dispatch, machine.round_trip, machine.barrier), (4_400, 400, 100));
        assert_eq!((machine.multiply_adds, machine.cache), (4_000_000, 1_100_000));
        assert_eq!(machine.units, Machine::DISCRETE.units);
    }
}
