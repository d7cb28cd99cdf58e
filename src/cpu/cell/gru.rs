//! The GRU, with reset after or before the recurrent product.

use super::{Stage, Update, add, read, squash, write};
use pulp::Simd;

#[inline(always)]
pub fn update<S: Simd>(update: Update<'_>, simd: S) {
    let (slot, row, units) = (update.slot, update.row, update.slot.units());
    let (input, h) = (row.input, write::<S>(row.h));
    let (r, rest) = row.gates.split_at_mut(units);
    let (z, rest) = rest.split_at_mut(units);
    let (r, z) = (write::<S>(r), write::<S>(z));
    if update.stage != Stage::Candidate {
        for (gate, values) in [&mut *r, &mut *z].into_iter().enumerate() {
            add(simd, values, read::<S>(&input[gate * units..][..units]));
            squash(simd, slot, 0, values);
        }
    }
    if update.stage == Stage::Reset {
        for ((m, r), h) in write::<S>(row.m).iter_mut().zip(&*r).zip(&*h) {
            *m = simd.mul_f32s(*r, *h);
        }
        return;
    }
    let x = read::<S>(&input[2 * units..][..units]);
    let n = if update.stage == Stage::Candidate {
        // n = g(x_n + W_hn (r ∘ h) + b_hn)
        let n = write::<S>(&mut row.candidate[..units]);
        add(simd, n, x);
        n
    } else {
        // n = g(x_n + r ∘ (W_hn h + b_hn))
        let n = write::<S>(&mut rest[..units]);
        for ((n, x), r) in n.iter_mut().zip(x).zip(&*r) {
            *n = simd.mul_add_e_f32s(*r, *n, *x);
        }
        n
    };
    squash(simd, slot, 1, n);
    // h_t = (1 - z) n + z h_{t-1}
    let one = simd.splat_f32s(1.0);
    for ((h, n), z) in h.iter_mut().zip(&*n).zip(&*z) {
        *h = simd.mul_add_e_f32s(simd.sub_f32s(one, *z), *n, simd.mul_f32s(*z, *h));
    }
}
