//! The input's product: W_ih x + b_ih of all gates for all time steps of a segment, a GEMM. On the way back,
//! the gradients by x, W_ih and b_ih.

use crate::Result;
use crate::plan::arrays::Arrays;
use crate::plan::builder::Builder;
use crate::plan::gemm::{Gemm, Source};
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
    let saves = builder.workload.saves;
    let (weight, bias) = input_parts(&slots[0].cell, saves);
    let weight = builder.weight(slots, weight)?;
    let bias = bias.map(|part| builder.weight(slots, part)).transpose()?;
    let time = builder.cut.segments[segment];
    let sources = arrays.sources(builder, layer);
    let gemm = Gemm {
        sources: sources
            .iter()
            .map(|one| Source::whole(one.segments[segment], one.offset, one.depth))
            .collect(),
        weight,
        depth: None,
        weight_offset: 0,
        adds: false,
        bias,
        into: arrays.gates(builder, layer, slots[0].direction, segment),
        rows: time.steps * builder.workload.batch as u64,
        columns: columns(&slots[0], saves),
        directions: slots.len() as u64,
        segment: Some(time),
    };
    let dispatches = gemm.dispatches(builder)?;
    builder.walk.once(format!("layer {layer} input"), dispatches);
    Ok(())
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
    let first = &slots[0];
    let own = columns(first, true);
    let depth = own * slots.len() as u64;
    let time = builder.cut.segments[segment];
    let into = gradients.by_input(layer)[segment];
    let gemm = Gemm {
        sources: vec![Source::whole(arrays.gates(builder, layer, first.direction, segment), 0, depth)],
        weight: builder.weight(&network.layer(layer)[..1], WeightPart::TransposedInput)?,
        depth: Some(own * network.direction_count() as u64),
        weight_offset: own * first.direction as u64,
        // To the residual connection's, or to the other direction's, which comes before on the way back.
        adds: (network.residual && layer > 0) || first.direction + slots.len() < network.direction_count(),
        bias: None,
        into,
        rows: time.steps * builder.workload.batch as u64,
        columns: input_depth(network, layer),
        directions: 1,
        segment: None,
    };
    let dispatches = gemm.dispatches(builder)?;
    builder.walk.once(format!("layer {layer} input back"), dispatches);
    let mut dispatches = Vec::new();
    for slot in slots {
        dispatches.extend(outers::input(builder, arrays, gradients, slot, segment)?);
    }
    builder.walk.once(format!("layer {layer} weight_ih"), dispatches);
    Ok(())
}
