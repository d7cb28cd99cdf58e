//! The vanilla RNN.

use super::{Gradient, Update, add, read, squash, through, write};
use pulp::Simd;

/// h_t = f(x + h)
#[inline(always)]
pub fn update<S: Simd>(update: Update<'_>, simd: S) {
    let units = update.slot.units();
    let (input, gates) = (read::<S>(&update.row.input[..units]), write::<S>(&mut update.row.gates[..units]));
    add(simd, gates, input);
    squash(simd, update.slot, 0, gates);
    write::<S>(update.row.h).copy_from_slice(gates);
}

/// da = dh f'(a)
#[inline(always)]
pub fn gradient<S: Simd>(gradient: Gradient<'_>, simd: S) {
    let (slot, row) = (gradient.slot, gradient.row);
    let y = &mut row.scratch[..row.a.len()];
    y.copy_from_slice(row.a);
    squash(simd, slot, 0, write::<S>(y));
    through(simd, slot, 0, row.a, y, row.dh);
    row.a.copy_from_slice(row.dh);
    row.dh.fill(0.0);
}
