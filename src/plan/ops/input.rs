//! The input's product: W_ih x + b_ih of all gates for all time steps of a segment, a GEMM. On the way back,
//! the gradients by x, W_ih and b_ih.

use crate::Result;
use crate::network::SlotSpec;
use crate::plan::arrays::Arrays;
use crate::plan::buffers::BufferId;
use crate::plan::builder::Builder;
use crate::plan::dispatch::Gives;
use crate::plan::gemm::{Gemm, Source, Target};
use crate::plan::gradient_arrays::GradientArrays;
use crate::plan::ops::outers;
use crate::plan::weights::{WeightPart, columns, input_depth, input_parts};

pub fn forward(
    builder: &mut Builder<'_>,
    arrays: &Arrays<'_>,
    layer: usize,
    group: Option<usize>,
    segment: usize,
) -> Result<()> {
    let slots = match group {
        Some(group) => arrays.groups[group].slots,
        None => builder.network.layer(layer),
    };
    let into = arrays.gates(builder, layer, slots[0].direction, segment);
    let keeps_gates = builder.workload.keeps_gates();
    let gemm = product(builder, arrays, slots, segment, into, keeps_gates)?;
    let dispatches = gemm.dispatches(builder.maker())?;
    builder.walk.once(format!("layer {layer} input"), dispatches);
    Ok(())
}

/// The product of some directions of a layer; with rows of four numbers per unit, if gates are kept so.
pub fn product(
    builder: &mut Builder<'_>,
    arrays: &Arrays<'_>,
    slots: &[SlotSpec],
    segment: usize,
    into: BufferId,
    keeps_gates: bool,
) -> Result<Gemm> {
    let (weight, bias) = input_parts(&slots[0].cell, keeps_gates);
    // A call that keeps states alone has all biases in the product that makes the gates again.
    let is_again = keeps_gates && !builder.workload.keeps_gates();
    let bias = bias.map(|part| if is_again { WeightPart::BothBiases } else { part });
    let weight = builder.weight(slots, weight)?;
    let bias = bias.map(|part| builder.weight(slots, part)).transpose()?;
    let time = builder.cut.segments[segment];
    let sources = arrays.sources(builder, slots[0].layer);
    Ok(Gemm {
        sources: sources
            .iter()
            .map(|one| Source::whole(one.segments[segment], one.offset, one.depth))
            .collect(),
        weight,
        depth: None,
        weight_offset: 0,
        adds: false,
        bias,
        into: Target::whole(into),
        rows: time.steps * builder.workload.batch as u64,
        columns: columns(&slots[0], keeps_gates),
        directions: slots.len() as u64,
        segment: Some(time),
    })
}

pub fn backward(
    builder: &mut Builder<'_>,
    arrays: &Arrays<'_>,
    gradients: &GradientArrays,
    layer: usize,
    group: Option<usize>,
    segment: usize,
) -> Result<()> {
    let network = builder.network;
    let slots = match group {
        Some(group) => arrays.groups[group].slots,
        None => network.layer(layer),
    };
    let time = builder.cut.segments[segment];
    let own = columns(&slots[0], true);
    let mut dispatches = Vec::new();
    // A direction's product is a sum of its own, so that no bit depends on segments.
    for slot in slots.iter().rev() {
        let gates = outers::gates_of(builder, arrays, slot, segment);
        let gemm = Gemm {
            sources: vec![Source::part(gates.buffer, gates.offset, gates.width, gates.stride)],
            weight: builder.weight(&network.layer(layer)[..1], WeightPart::TransposedInput)?,
            depth: Some(own * network.direction_count() as u64),
            weight_offset: own * slot.direction as u64,
            // To the residual connection's, or to the other direction's, which comes before on the way back.
            adds: (network.residual && layer > 0) || slot.direction + 1 < network.direction_count(),
            bias: None,
            into: Target::whole(gradients.by_input(layer)[segment]),
            rows: time.steps * builder.workload.batch as u64,
            columns: input_depth(network, layer),
            directions: 1,
            segment: None,
        };
        dispatches.extend(gemm.dispatches(builder.maker())?);
    }
    let label = format!("layer {layer} input back");
    match layer {
        0 => builder.walk.giving(label, dispatches, Gives::Input),
        // The gradient by the output of the layer below.
        _ => builder.walk.once(label, dispatches),
    }
    let mut dispatches = Vec::new();
    for slot in slots {
        dispatches.extend(outers::input(builder, arrays, gradients, slot, segment)?);
    }
    builder.walk.giving(format!("layer {layer} weight_ih"), dispatches, Gives::Weights(layer));
    Ok(())
}
