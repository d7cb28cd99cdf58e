//! Arrays that are added, averaged or multiplied: merged directions and residual connections, `combine.wgsl`.

use crate::Result;
use crate::kernel::{Kernel, Tile, WORKGROUP};
use crate::network::Merge;
use crate::plan::arrays::{Arrays, SourceArray};
use crate::plan::buffers::BufferId;
use crate::plan::builder::Builder;
use crate::plan::dispatch::{Dims, Dispatch};
use crate::plan::walk::Segment;
use crate::plan::{FOUR, padded, product};

/// The operations of `combine.wgsl`, by which b becomes b and a, or a.
#[derive(Clone, Copy)]
enum Operation {
    Sum,
    Average,
    Multiply,
    Copy,
}

impl Operation {
    fn of(merge: Merge) -> Operation {
        match merge {
            Merge::Average => Operation::Average,
            Merge::Multiply => Operation::Multiply,
            Merge::Sum | Merge::Concatenate | Merge::Apart => Operation::Sum,
        }
    }
}

/// The reverse direction's output goes into the forward one's.
pub fn forward(builder: &mut Builder<'_>, arrays: &Arrays<'_>, layer: usize) -> Result<()> {
    let mut groups = arrays.of_layer(layer).map(|(_, group)| group);
    let (Some(forward), Some(reverse)) = (groups.next(), groups.next()) else { return Ok(()) };
    let row = padded(forward.slot().state_size) / FOUR;
    let operation = Operation::of(builder.network.merge);
    for (index, segment) in builder.cut.segments.clone().into_iter().enumerate() {
        let len = product(&[segment.steps, builder.workload.batch as u64, row]);
        let pair = [reverse.output[index], forward.output[index]];
        let dispatch = combine(builder, pair, len, operation, Some(segment))?;
        builder.walk.once(format!("layer {layer} merge"), vec![dispatch]);
    }
    Ok(())
}

/// A layer's input is added to its output.
pub fn residual_forward(builder: &mut Builder<'_>, arrays: &Arrays<'_>, layer: usize) -> Result<()> {
    let (below, above) = (arrays.sources(builder, layer), arrays.outputs(builder, layer));
    for (index, segment) in builder.cut.segments.clone().into_iter().enumerate() {
        let add = |(below, above): (&SourceArray, &SourceArray)| {
            let len = product(&[segment.steps, builder.workload.batch as u64, above.depth]);
            let pair = [below.segments[index], above.segments[index]];
            combine(builder, pair, len, Operation::Sum, Some(segment))
        };
        let dispatches = below.iter().zip(&above).map(add).collect::<Result<_>>()?;
        builder.walk.once(format!("layer {layer} residual"), dispatches);
    }
    Ok(())
}

/// The final states of both directions of the last layer go into an array of their own.
pub fn final_forward(builder: &mut Builder<'_>, arrays: &Arrays<'_>) -> Result<()> {
    let Some(into) = arrays.merged_final else { return Ok(()) };
    let layer = builder.network.num_layers - 1;
    let mut dispatches = Vec::new();
    for (index, (_, group)) in arrays.of_layer(layer).enumerate() {
        let operation = if index == 0 { Operation::Copy } else { Operation::of(builder.network.merge) };
        let len = product(&[builder.workload.batch as u64, padded(group.slot().state_size) / FOUR]);
        let [even, odd] = group.hidden.map(|hidden| combine(builder, [hidden, into], len, operation, None));
        let mut dispatch = even?;
        dispatch.odd = Some(odd?.bindings);
        dispatches.push(dispatch);
    }
    builder.walk.once(format!("layer {layer} merge"), dispatches);
    Ok(())
}

/// A dispatch over so many vectors of four.
fn combine(
    builder: &Builder<'_>,
    [a, b]: [BufferId; 2],
    len: u64,
    operation: Operation,
    segment: Option<Segment>,
) -> Result<Dispatch> {
    let (kernel, tile) = (Kernel::Combine, Tile::ALL[0]);
    let groups = len.div_ceil(u64::from(WORKGROUP));
    let arrays = [("a", a.into()), ("b", b.into())];
    let mut dispatch = builder.dispatch(kernel, tile, (groups, 1), Dims::Combine(len as u32), &arrays)?;
    dispatch.overrides = kernel.overrides(tile, vec![("OPERATION", f64::from(operation as u8))]);
    dispatch.segment = segment;
    dispatch.bytes = product(&[builder.workload.dtype.bytes(), FOUR, 3, len]);
    Ok(dispatch)
}
