//! The input's product: W_ih x + b_ih of all gates for all time steps of a segment, a GEMM.

use crate::Result;
use crate::plan::arrays::Arrays;
use crate::plan::builder::Builder;
use crate::plan::gemm::Gemm;
use crate::plan::weights::{WeightPart, columns, parts};

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
    let weight = builder.weight(slots, WeightPart::InputWeight)?;
    let bias = match parts(&slots[0].cell).contains(&WeightPart::InputBias) {
        true => Some(builder.weight(slots, WeightPart::InputBias)?),
        false => None,
    };
    let time = builder.cut.segments[segment];
    let sources = arrays.sources(builder, layer);
    let gemm = Gemm {
        sources: sources.iter().map(|one| (one.segments[segment], one.offset, one.depth)).collect(),
        weight,
        bias,
        into: arrays.input_gates,
        rows: time.steps * builder.workload.batch as u64,
        columns: columns(&slots[0]),
        directions: slots.len() as u64,
        segment: Some(time),
    };
    let dispatches = gemm.dispatches(builder)?;
    builder.walk.once(format!("layer {layer} input"), dispatches);
    Ok(())
}
