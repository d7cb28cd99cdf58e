//! The mean over the rows of all batches of an update.

/// The divisors of batches whose gradients are summed.
///
/// Sums are kept in units of the first batch's mean, so that their magnitudes are those of a mean and a
/// single batch is its own mean to the bit.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Mean {
    /// The divisor of the first batch that has one; 0 before it.
    unit: f64,
    total: f64,
    /// Rows of all batches.
    pub rows: usize,
}

impl Mean {
    /// With one more batch, of a divisor ([`LossValue::divisor`](crate::train::LossValue::divisor)) and of
    /// rows.
    pub fn with(self, divisor: f64, rows: usize) -> Mean {
        let unit = if self.unit > 0.0 { self.unit } else { divisor };
        Mean { unit, total: self.total + divisor, rows: self.rows + rows }
    }

    /// The divisor of the units; 0 of no row.
    pub fn unit(&self) -> f64 {
        self.unit
    }

    /// The divisor of the mean.
    pub fn total(&self) -> f64 {
        self.total
    }

    /// The factor of a sum over rows.
    pub fn of_sum(&self) -> f64 {
        if self.unit > 0.0 { 1.0 / self.unit } else { 0.0 }
    }

    /// The factor of a batch's own mean.
    pub fn of_mean(&self, divisor: f64) -> f64 {
        if self.unit > 0.0 { divisor / self.unit } else { 0.0 }
    }

    /// The factor of the sums of all batches.
    pub fn share(&self) -> f64 {
        if self.total > 0.0 { self.unit / self.total } else { 1.0 }
    }
}
