//! The LSTM, with all of its options.

use super::{
    Gradient, Update, add, add_product, clip_cell, normalise, normalise_back, read, squash, through, write,
};
use crate::CellClip;
use crate::cpu::activation::{activate, multiply_slope};
use pulp::Simd;

#[inline(always)]
pub fn update<S: Simd>(update: Update<'_>, simd: S) {
    let (slot, row, units) = (update.slot, update.row, update.slot.units());
    if let Some(norm) = &slot.norm {
        normalise(row.gates, norm.gates, slot.spec.hidden_size, &norm.hh);
    }
    let (i, rest) = row.gates.split_at_mut(units);
    let (f, rest) = rest.split_at_mut(units);
    let (g, rest) = rest.split_at_mut(units);
    let [i, f, g, o] = [i, f, g, &mut rest[..units]].map(|gate| write::<S>(gate));
    let input = |gate: usize| read::<S>(&row.input[gate * units..][..units]);
    let peephole = |index: usize| Some(read::<S>(&slot.peepholes.as_ref()?[index * units..][..units]));
    let c = write::<S>(row.c);
    let one = simd.splat_f32s(1.0);

    add(simd, i, input(0));
    add_product(simd, i, peephole(0), c);
    squash(simd, slot, 0, i);
    if slot.spec.cell.coupled_input_forget {
        for (f, i) in f.iter_mut().zip(&*i) {
            *f = simd.sub_f32s(one, *i);
        }
    } else {
        add(simd, f, input(1));
        add_product(simd, f, peephole(2), c);
        squash(simd, slot, 0, f);
    }
    add(simd, g, input(2));
    squash(simd, slot, 1, g);
    // c_t = f c_{t-1} + i g
    for (((c, f), i), g) in c.iter_mut().zip(&*f).zip(&*i).zip(&*g) {
        *c = simd.mul_add_e_f32s(*f, *c, simd.mul_f32s(*i, *g));
    }
    clip_cell(simd, slot.spec.cell.cell_clip, c);
    add(simd, o, input(3));
    add_product(simd, o, peephole(1), c);
    squash(simd, slot, 0, o);
    // h_t = o h(c_t), or o h(LN(c_t)); i has done its part
    i.copy_from_slice(c);
    if let Some(norm) = &slot.norm {
        normalise(bytemuck::cast_slice_mut(i), 1, slot.spec.hidden_size, &norm.c);
    }
    activate(simd, slot.spec.cell.activations[2], i);
    let out = if slot.projection.is_some() { row.m } else { row.h };
    for ((out, o), seen) in write::<S>(out).iter_mut().zip(&*o).zip(&*i) {
        *out = simd.mul_f32s(*o, *seen);
    }
}

/// The gradient, with all options. o saw the clipped c_t, so da_o comes first; then the clip of c_t; then i,
/// f and g.
#[inline(always)]
pub fn gradient<S: Simd>(gradient: Gradient<'_>, simd: S) {
    let (slot, mut row, units) = (gradient.slot, gradient.row, gradient.slot.units());
    let (spec, size) = (&slot.spec.cell, slot.spec.hidden_size);
    let (a, rest) = row.scratch.split_at_mut(4 * units);
    let (y, rest) = rest.split_at_mut(4 * units);
    let (da, rest) = rest.split_at_mut(4 * units);
    let (unclipped, rest) = rest.split_at_mut(units);
    let (c, rest) = rest.split_at_mut(units);
    let (seen, rest) = rest.split_at_mut(units);
    let squashed = &mut rest[..units];

    // Forward again, from the pre-activations: in their place, unless these are products to be normalised.
    let kept = std::mem::take(&mut row.a);
    let (a, products) = match slot.norm {
        None => (kept, Default::default()),
        Some(_) => {
            a.copy_from_slice(kept);
            (a, kept)
        }
    };
    if let Some(norm) = &slot.norm {
        normalise(a, norm.gates, size, &norm.ih);
        y.copy_from_slice(row.recurrent);
        normalise(y, norm.gates, size, &norm.hh);
        a.iter_mut().zip(&*y).for_each(|(a, y)| *a += y);
    }
    let [a_i, a_f, a_g, a_o] = gates_of(a, units);
    let [i, f, g, o] = gates_of(y, units);
    let peephole = |index: usize| Some(&slot.peepholes.as_ref()?[index * units..][..units]);
    let see = |a: &mut [f32], index: usize, c: &[f32]| {
        let weights = peephole(index).unwrap_or_default();
        a.iter_mut().zip(weights).zip(c).for_each(|((a, weight), c)| *a += weight * c);
    };
    see(a_i, 0, row.c);
    see(a_f, 2, row.c);
    for (y, a, activation) in [(&mut *i, &*a_i, 0), (&mut *f, &*a_f, 0), (&mut *g, &*a_g, 1)] {
        y.copy_from_slice(a);
        squash(simd, slot, activation, write::<S>(y));
    }
    if spec.coupled_input_forget {
        f.iter_mut().zip(&*i).for_each(|(f, i)| *f = 1.0 - i);
    }
    for (((c, i), g), (f, before)) in unclipped.iter_mut().zip(&*i).zip(&*g).zip(f.iter().zip(row.c)) {
        *c = f * before + i * g;
    }
    c.copy_from_slice(unclipped);
    clip_cell(simd, spec.cell_clip, write::<S>(c));
    see(a_o, 1, c);
    o.copy_from_slice(a_o);
    squash(simd, slot, 0, write::<S>(o));
    seen.copy_from_slice(c);
    if let Some(norm) = &slot.norm {
        normalise(seen, 1, size, &norm.c);
    }
    squashed.copy_from_slice(seen);
    activate(simd, spec.activations[2], write::<S>(squashed));

    // Back through m = o h(seen), where dh is the gradient by m at first, and then the one by seen.
    let [da_i, da_f, da_g, da_o] = gates_of(da, units);
    let dseen = &mut row.dh[..units];
    let results = row.m.iter_mut().zip(&mut *da_o).zip(&mut *dseen);
    for (((m, da_o), dm), (o, squashed)) in results.zip(o.iter().zip(&*squashed)) {
        *m = o * squashed;
        *da_o = *dm * squashed;
        *dm *= o;
    }
    multiply_slope(simd, spec.activations[2], read::<S>(seen), read::<S>(squashed), write::<S>(dseen));
    through(simd, slot, 0, a_o, o, da_o);
    if let Some(norm) = &slot.norm {
        normalise_back(c, 1, size, &norm.c[0], dseen, &mut row.sums.norm_c);
    }
    row.dc.iter_mut().zip(&*dseen).for_each(|(dc, dseen)| *dc += dseen);
    let sums = &mut row.sums.peepholes;
    let mut unsee = |dc: &mut [f32], index: usize, da: &[f32], c: &[f32]| {
        let Some(weights) = peephole(index) else { return };
        let sums = &mut sums[index * units..][..units];
        for (((dc, weight), sum), (da, c)) in dc.iter_mut().zip(weights).zip(sums).zip(da.iter().zip(c)) {
            *dc += weight * da;
            *sum += da * c;
        }
    };
    unsee(row.dc, 1, da_o, c);
    // Back through the clip, which tells by the number before it.
    if let Some(CellClip { min, max, nan }) = spec.cell_clip {
        for (dc, c) in row.dc.iter_mut().zip(&*unclipped) {
            if *c <= min || *c >= max || (nan && c.is_nan()) {
                *dc = 0.0;
            }
        }
    }
    // Back through c_t = f c_{t-1} + i g.
    let gradients = da_i.iter_mut().zip(&mut *da_f).zip(da_g.iter_mut().zip(&mut *row.dc));
    let gates = i.iter().zip(&*f).zip(&*g);
    for (((da_i, da_f), (da_g, dc)), (((i, f), g), before)) in gradients.zip(gates.zip(row.c)) {
        *da_i = *dc * g;
        *da_f = *dc * before;
        *da_g = *dc * i;
        *dc *= f;
    }
    if spec.coupled_input_forget {
        // f is 1 - i, and has no gradient of its own.
        for (da_i, da_f) in da_i.iter_mut().zip(&mut *da_f) {
            *da_i -= *da_f;
            *da_f = 0.0;
        }
    }
    through(simd, slot, 0, a_i, i, da_i);
    if !spec.coupled_input_forget {
        through(simd, slot, 0, a_f, f, da_f);
    }
    through(simd, slot, 1, a_g, g, da_g);
    unsee(row.dc, 0, da_i, row.c);
    unsee(row.dc, 2, da_f, row.c);
    row.dh.fill(0.0);
    a.copy_from_slice(da);
    let Some(norm) = &slot.norm else { return };
    normalise_back(products, norm.gates, size, &norm.ih[0], da, &mut row.sums.norm_ih);
    normalise_back(row.recurrent, norm.gates, size, &norm.hh[0], a, &mut row.sums.norm_hh);
    products.copy_from_slice(da);
    row.recurrent.copy_from_slice(a);
}

/// The lines of four gates.
#[inline(always)]
fn gates_of(numbers: &mut [f32], units: usize) -> [&mut [f32]; 4] {
    let (i, rest) = numbers.split_at_mut(units);
    let (f, rest) = rest.split_at_mut(units);
    let (g, o) = rest.split_at_mut(units);
    [i, f, g, o]
}
