//! A [`Machine`]'s constants, corrected by times that were measured on the adapter.

use crate::Machine;

/// A correction by more than this factor either way is noise.
const MOST: f64 = 16.0;

/// Samples below which nothing is fitted.
const LEAST_SAMPLES: usize = 4;

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
    /// The fit of measured = a · dispatches + b · estimated with the least sum of squared relative errors.
    pub fn fit(machine: &Machine, samples: &[Sample]) -> Option<Calibration> {
        if samples.len() < LEAST_SAMPLES {
            return None;
        }
        let ratios = samples.iter().map(|s| (s.dispatches as f64 / s.measured, s.estimated / s.measured));
        let sum = |of: fn(f64, f64) -> f64| ratios.clone().map(|(d, r)| of(d, r)).sum::<f64>();
        let (dd, dr, rr) = (sum(|d, _| d * d), sum(|d, r| d * r), sum(|_, r| r * r));
        let (d, r) = (sum(|d, _| d), sum(|_, r| r));
        let own = 1e-9 * f64::from(machine.dispatch);
        // Candidates that are alike do not tell a dispatch from its work: the dispatch keeps its cost.
        let determinant = dd * rr - dr * dr;
        let a = if determinant > 1e-6 * dd * rr { (d * rr - r * dr) / determinant } else { own };
        let a = a.clamp(own / MOST, own * MOST);
        let b = ((r - a * dr) / rr).clamp(1.0 / MOST, MOST);
        let whole = |number: f64| number.is_finite().then_some(number.round() as u32);
        Some(Calibration { dispatch: whole(1e9 * a)?, percent: whole(100.0 * b)? })
    }

    /// The machine with these costs.
    pub fn of(self, machine: Machine) -> Machine {
        let percent = f64::from(self.percent.max(1));
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
            dispatch: self.dispatch,
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
