//! The tape: numbers that record their operations, so that the reference's loops have a gradient that nobody
//! writes.
//!
//! A thread has one tape. Its numbers are indices into it, beside their values; [`Tape::record`] begins it
//! anew.

use crate::float::Scalar;
use num_traits::{One, Zero};
use std::cell::RefCell;
use std::ops::{Add, Div, Mul, Neg, Sub};

/// The index of a constant, which no gradient is asked of.
const CONSTANT: u32 = u32::MAX;

/// An operation: the numbers that it was made of, and the slopes of its result by them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Operation {
    of: [u32; 2],
    slopes: [f64; 2],
}

thread_local! {
    static OPERATIONS: RefCell<Vec<Operation>> = const { RefCell::new(Vec::new()) };
}

/// A number on the tape of its thread.
#[derive(Clone, Copy, Debug)]
pub(super) struct Recorded {
    value: f64,
    index: u32,
}

/// The tape of this thread, empty when it is made and when it is dropped.
#[derive(Debug)]
pub(super) struct Tape(());

impl Tape {
    /// The most operations that a tape holds.
    pub const MOST: usize = CONSTANT as usize;

    /// Bytes of an operation, and of its derivative.
    pub const OPERATION_BYTES: usize = size_of::<Operation>() + size_of::<f64>();

    /// Begins the tape of this thread anew.
    pub fn record() -> Tape {
        OPERATIONS.with_borrow_mut(Vec::clear);
        Tape(())
    }

    /// The derivatives of a sum of numbers, each times a factor, by every number on the tape.
    pub fn derivatives(&self, sum: impl IntoIterator<Item = (Recorded, f64)>) -> Derivatives {
        OPERATIONS.with_borrow(|operations| {
            let mut by = vec![0.0; operations.len()];
            for (number, factor) in sum {
                if number.index != CONSTANT {
                    by[number.index as usize] += factor;
                }
            }
            for (index, Operation { of, slopes }) in operations.iter().enumerate().rev() {
                // A number that the sum does not depend on passes nothing on, not 0 · NaN.
                if by[index] == 0.0 {
                    continue;
                }
                for (of, slope) in of.iter().zip(slopes).filter(|(of, _)| **of != CONSTANT) {
                    by[*of as usize] += by[index] * slope;
                }
            }
            Derivatives(by)
        })
    }
}

impl Drop for Tape {
    fn drop(&mut self) {
        OPERATIONS.set(Vec::new());
    }
}

/// The derivatives by every number on a tape.
#[derive(Debug)]
pub(super) struct Derivatives(Vec<f64>);

impl Derivatives {
    /// By one number; 0 by a constant.
    pub fn by(&self, number: Recorded) -> f64 {
        self.0.get(number.index as usize).copied().unwrap_or(0.0)
    }
}

impl Recorded {
    /// A number whose derivative will be asked for, and which passes its derivative on to the number that it
    /// is made of.
    pub fn new(number: Recorded) -> Recorded {
        Recorded::make(number.value, [(number, 1.0), (Recorded::constant(0.0), 0.0)], true)
    }

    pub fn value(self) -> f64 {
        self.value
    }

    fn of_two(value: f64, of: [(Recorded, f64); 2]) -> Recorded {
        Recorded::make(value, of, false)
    }

    fn of_one(self, value: f64, slope: f64) -> Recorded {
        Recorded::of_two(value, [(self, slope), (Recorded::constant(0.0), 0.0)])
    }

    fn make(value: f64, of: [(Recorded, f64); 2], is_asked_for: bool) -> Recorded {
        if !is_asked_for && of.iter().all(|(number, _)| number.index == CONSTANT) {
            return Recorded::constant(value);
        }
        let operation =
            Operation { of: of.map(|(number, _)| number.index), slopes: of.map(|(_, slope)| slope) };
        let index = OPERATIONS.with_borrow_mut(|operations| {
            operations.push(operation);
            operations.len() - 1
        });
        // The length was checked before the loops began.
        Recorded { value, index: u32::try_from(index).expect("a tape of at most 2^32 operations") }
    }
}

impl Scalar for Recorded {
    fn constant(number: f64) -> Recorded {
        Recorded { value: number, index: CONSTANT }
    }

    fn exp(self) -> Recorded {
        let y = self.value.exp();
        self.of_one(y, y)
    }

    fn exp_m1(self) -> Recorded {
        let y = self.value.exp_m1();
        self.of_one(y, y + 1.0)
    }

    fn ln_1p(self) -> Recorded {
        self.of_one(self.value.ln_1p(), 1.0 / (1.0 + self.value))
    }

    fn tanh(self) -> Recorded {
        let y = self.value.tanh();
        self.of_one(y, 1.0 - y * y)
    }

    fn sqrt(self) -> Recorded {
        let y = self.value.sqrt();
        self.of_one(y, 0.5 / y)
    }

    fn is_nan(self) -> bool {
        self.value.is_nan()
    }
}

impl Add for Recorded {
    type Output = Recorded;

    fn add(self, other: Recorded) -> Recorded {
        Recorded::of_two(self.value + other.value, [(self, 1.0), (other, 1.0)])
    }
}

impl Sub for Recorded {
    type Output = Recorded;

    fn sub(self, other: Recorded) -> Recorded {
        Recorded::of_two(self.value - other.value, [(self, 1.0), (other, -1.0)])
    }
}

impl Mul for Recorded {
    type Output = Recorded;

    fn mul(self, other: Recorded) -> Recorded {
        Recorded::of_two(self.value * other.value, [(self, other.value), (other, self.value)])
    }
}

impl Div for Recorded {
    type Output = Recorded;

    fn div(self, other: Recorded) -> Recorded {
        let y = self.value / other.value;
        Recorded::of_two(y, [(self, 1.0 / other.value), (other, -y / other.value)])
    }
}

impl Neg for Recorded {
    type Output = Recorded;

    fn neg(self) -> Recorded {
        self.of_one(-self.value, -1.0)
    }
}

impl Zero for Recorded {
    fn zero() -> Recorded {
        Recorded::constant(0.0)
    }

    fn is_zero(&self) -> bool {
        self.value == 0.0
    }
}

impl One for Recorded {
    fn one() -> Recorded {
        Recorded::constant(1.0)
    }
}

impl PartialEq for Recorded {
    fn eq(&self, other: &Recorded) -> bool {
        self.value == other.value
    }
}

impl PartialOrd for Recorded {
    fn partial_cmp(&self, other: &Recorded) -> Option<std::cmp::Ordering> {
        self.value.partial_cmp(&other.value)
    }
}
