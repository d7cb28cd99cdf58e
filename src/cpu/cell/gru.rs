//! The GRU, with reset after or before the recurrent product.

use super::{Gradient, Stage, Update, add, read, squash, through, write};
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

/// With h_t = (1 - z) n + z h_{t-1}: da_n = dh (1 - z) g'(a_n), da_z = dh (h_{t-1} - n) f'(a_z), and, of
/// reset after, a_n = x_n + r q, dq = da_n r, da_r = da_n q f'(a_r); of reset before, with dm the gradient by
/// m = r h_{t-1}, da_r = dm h_{t-1} f'(a_r), which is a stage of its own.
#[inline(always)]
pub fn gradient<S: Simd>(gradient: Gradient<'_>, simd: S) {
    let (slot, row, units) = (gradient.slot, gradient.row, gradient.slot.units());
    let (y, rest) = row.scratch.split_at_mut(3 * units);
    let (a_n, rest) = rest.split_at_mut(units);
    let (r, rest_of_y) = y.split_at_mut(units);
    let (z, n) = rest_of_y.split_at_mut(units);
    if gradient.stage == Stage::Reset {
        // r and a_r have stayed in their place: the candidate's stage gives da_n and da_z alone.
        let a_r = &mut row.a[..units];
        r.copy_from_slice(a_r);
        squash(simd, slot, 0, write::<S>(r));
        let da_r = &mut rest[..units];
        for ((da_r, dm), (h, (dh, r))) in
            da_r.iter_mut().zip(row.dm).zip(row.h.iter().zip(row.dh.iter_mut().zip(&*r)))
        {
            *da_r = dm * h;
            *dh += dm * r;
        }
        through(simd, slot, 0, a_r, r, da_r);
        a_r.copy_from_slice(da_r);
        return;
    }
    r.copy_from_slice(&row.a[..units]);
    z.copy_from_slice(&row.a[units..2 * units]);
    squash(simd, slot, 0, write::<S>(r));
    squash(simd, slot, 0, write::<S>(z));
    a_n.copy_from_slice(&row.a[2 * units..3 * units]);
    if gradient.stage == Stage::Whole {
        for ((a_n, r), q) in a_n.iter_mut().zip(&*r).zip(&*row.recurrent) {
            *a_n += r * q;
        }
    }
    n.copy_from_slice(a_n);
    squash(simd, slot, 1, write::<S>(n));
    let (a_rz, da_n) = row.a.split_at_mut(2 * units);
    let da_z = &mut rest[..units];
    for (((da_n, da_z), (dh, h)), (z, n)) in
        da_n.iter_mut().zip(&mut *da_z).zip(row.dh.iter_mut().zip(row.h)).zip(z.iter().zip(&*n))
    {
        *da_n = *dh * (1.0 - z);
        *da_z = *dh * (h - n);
        *dh *= z;
    }
    through(simd, slot, 1, a_n, n, da_n);
    let (a_r, a_z) = a_rz.split_at_mut(units);
    through(simd, slot, 0, a_z, z, da_z);
    a_z.copy_from_slice(da_z);
    if gradient.stage == Stage::Candidate {
        // The operand of the candidate's product, for the gradient of its weight.
        for ((m, r), h) in row.m.iter_mut().zip(&*r).zip(row.h) {
            *m = r * h;
        }
        return;
    }
    let da_r = &mut rest[..units];
    for ((da_r, q), (da_n, r)) in da_r.iter_mut().zip(&mut *row.recurrent).zip(da_n.iter().zip(&*r)) {
        *da_r = da_n * *q;
        *q = da_n * r;
    }
    through(simd, slot, 0, a_r, r, da_r);
    a_r.copy_from_slice(da_r);
}
