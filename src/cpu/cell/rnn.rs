//! The vanilla RNN.

use super::{Update, add, read, squash, write};
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
