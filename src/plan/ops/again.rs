//! The pre-activations of a saved call that has kept states alone, made again on the way back: the input's
//! product, and, since h of every step is known, each recurrent product as one over all time steps.

use crate::Result;
use crate::kernel::{Kernel, Tile, WORKGROUP};
use crate::network::{Cell, Equation, Operand, Product};
use crate::plan::arrays::Arrays;
use crate::plan::builder::Builder;
use crate::plan::dims::{AgainDims, Dims};
use crate::plan::gemm::{Gemm, Source, Target};
use crate::plan::gradient_arrays::{GradientArrays, vectors};
use crate::plan::ops::{input, outers, recur};
use crate::plan::weights::{WeightPart, columns, depth};
use crate::plan::{FOUR, padded, product};

/// Records them for a group's steps in a segment; nothing where they are kept.
pub fn gates(
    builder: &mut Builder<'_>,
    arrays: &Arrays<'_>,
    gradients: &GradientArrays,
    group: usize,
    segment: usize,
) -> Result<()> {
    let Some(zeros) = arrays.zero_gates() else { return Ok(()) };
    let (index, group) = (group, &arrays.groups[group]);
    let (network, slot) = (builder.network, group.slot());
    let (layer, time) = (slot.layer, builder.cut.segments[segment]);
    let own = columns(slot, true);
    let into = arrays.gates_back(builder, layer, slot.direction, segment);
    let recurrent = arrays.recurrent_back(group, segment);
    let (slots, together) = match builder.cut.shares_gates {
        true => (network.layer(layer), network.direction_count() as u64),
        false => (group.slots, 1),
    };
    // The gates of all directions are made by the group that comes first on the way back.
    let is_first =
        !builder.cut.shares_gates || slot.direction + group.slots.len() == network.direction_count();
    let mut dispatches = Vec::new();
    let first = group.order(builder.cut.segments.len()).next_back();
    if first == Some(segment) {
        // No step comes before the first one on the way back.
        let mut zero = |buffer, width| -> Result<()> {
            let copy = [(zeros, 0), (buffer, time.steps)];
            dispatches.push(recur::carry_step(builder, copy, width, builder.workload.dtype)?);
            Ok(())
        };
        if is_first {
            zero(into, product(&[FOUR, together, own]))?;
        }
        if let Some(recurrent) = recurrent {
            zero(recurrent, FOUR * slot.hidden_size as u64)?;
        }
    }
    if is_first {
        let gemm = input::product(builder, arrays, slots, segment, into, true)?;
        dispatches.extend(gemm.dispatches(builder.maker())?);
    }
    let rows = time.steps * builder.workload.batch as u64;
    for (direction, slot) in (0..).zip(group.slots) {
        let place = if builder.cut.shares_gates { slot.direction as u64 * own } else { 0 };
        let states = outers::states_before(builder, group, slot, direction, segment);
        for of in Cell::equations(&slot.cell).into_iter().filter_map(Equation::product) {
            let source = match of {
                Product::Recurrent { first: 0, .. } => {
                    Source::whole(states.buffer, states.offset, states.width)
                }
                Product::Recurrent { .. } => {
                    let units = vectors(padded(slot.hidden_size));
                    let m = gradients.groups[index].operand(Operand::Candidate, segment);
                    let dims = Dims::Again(AgainDims {
                        rows: rows as u32,
                        units: slot.hidden_size as u32,
                        gates_stride: (together * own) as u32,
                        gates_offset: place as u32,
                        states_offset: (FOUR * states.offset) as u32,
                        stride: (FOUR * units) as u32,
                        m_offset: (direction * rows * FOUR * units) as u32,
                    });
                    let size = (product(&[rows, slot.hidden_size as u64]).div_ceil(u64::from(WORKGROUP)), 1);
                    let bindings =
                        [("gates", into.into()), ("states", states.buffer.into()), ("m", m.into())];
                    let kernel = Kernel::Again;
                    let mut dispatch =
                        builder.maker().dispatch(kernel, Tile::ALL[0], size, dims, &bindings)?;
                    dispatch.overrides = kernel.overrides(Tile::ALL[0], slot.cell.options());
                    dispatches.push(dispatch);
                    Source::whole(m, direction * rows * units, units)
                }
                Product::Projection => continue,
            };
            let slots = std::slice::from_ref(slot);
            let gemm = Gemm {
                sources: vec![source],
                weight: builder.weight(slots, WeightPart::Again(of))?,
                depth: Some(depth(of, slot)),
                weight_offset: 0,
                // To the input's product, but for a layer-normalised cell.
                adds: recurrent.is_none(),
                bias: None,
                into: match recurrent {
                    Some(recurrent) => Target::whole(recurrent),
                    None => Target { buffer: into, part: Some((place, together * own)) },
                },
                rows,
                columns: own,
                directions: 1,
                segment: None,
            };
            dispatches.extend(gemm.dispatches(builder.maker())?);
        }
    }
    builder.walk.once(format!("layer {layer} again"), dispatches);
    Ok(())
}
