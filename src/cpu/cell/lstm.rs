//! The LSTM, with all of its options.

use super::{Update, add, add_product, clip_cell, normalise, read, squash, write};
use crate::cpu::activation::activate;
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
