//! Arrays that are added, averaged or multiplied: merged directions and residual connections, `combine.wgsl`.

use crate::Result;
use crate::kernel::{Kernel, Tile, WORKGROUP};
use crate::network::Merge;
use crate::plan::arrays::{Arrays, SourceArray};
use crate::plan::buffers::BufferId;
use crate::plan::builder::Builder;
use crate::plan::dims::{CombineDims, Dims};
use crate::plan::dispatch::Dispatch;
use crate::plan::gradient_arrays::{FinalGradients, GradientArrays, row, vectors};
use crate::plan::walk::Segment;
use crate::plan::{FOUR, padded, product};

/// The operations of `combine.wgsl`, by which b becomes b and a, or a.
#[derive(Clone, Copy)]
enum Operation {
    Sum,
    Average,
    Multiply,
    AddHalf,
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

/// A layer's directions become one array: the forward direction's, or, where a saved call keeps the output of
/// each direction, one beside.
pub fn forward(builder: &mut Builder<'_>, arrays: &Arrays<'_>, layer: usize) -> Result<()> {
    let directions = arrays.directions(builder, layer);
    let [forward, reverse] = directions.as_slice() else { return Ok(()) };
    let results = arrays.outputs(builder, layer);
    let mut pairs = vec![(reverse, &results[0], Operation::of(builder.network.merge))];
    if arrays.has_results(layer) {
        pairs.insert(0, (forward, &results[0], Operation::Copy));
    }
    over_time(builder, &format!("layer {layer} merge"), &pairs)
}

/// A layer's input is added to its output.
pub fn residual_forward(builder: &mut Builder<'_>, arrays: &Arrays<'_>, layer: usize) -> Result<()> {
    let (below, above) = (arrays.sources(builder, layer), arrays.outputs(builder, layer));
    let directions = arrays.directions(builder, layer);
    let mut pairs = Vec::new();
    if arrays.has_results(layer) && !builder.network.merge.is_elementwise() {
        pairs.extend(directions.iter().zip(&above).map(|(from, into)| (from, into, Operation::Copy)));
    }
    pairs.extend(below.iter().zip(&above).map(|(from, into)| (from, into, Operation::Sum)));
    over_time(builder, &format!("layer {layer} residual"), &pairs)
}

/// The gradients by directions whose product is the output: each is the one by the product times the other
/// direction.
pub fn backward(
    builder: &mut Builder<'_>,
    arrays: &Arrays<'_>,
    gradients: &GradientArrays,
    layer: usize,
) -> Result<()> {
    let (Some(factors), Some(by)) = (&gradients.factors[layer], gradients.by_output(layer)) else {
        return Ok(());
    };
    let directions = arrays.directions(builder, layer);
    let depth = directions[0].depth;
    let whole = |segments: &[BufferId]| SourceArray { segments: segments.to_vec(), offset: 0, depth };
    let (by, factors) = (whole(by), factors.each_ref().map(|segments| whole(segments)));
    let mut pairs = Vec::new();
    for (factor, other) in factors.iter().zip(directions.iter().rev()) {
        pairs.push((&by, factor, Operation::Copy));
        pairs.push((other, factor, Operation::Multiply));
    }
    over_time(builder, &format!("layer {layer} merge back"), &pairs)
}

/// The gradient by a layer's output is one by its input too; the input's product adds to it.
pub fn residual_backward(builder: &mut Builder<'_>, gradients: &GradientArrays, layer: usize) -> Result<()> {
    let Some(by) = gradients.by_output(layer) else { return Ok(()) };
    let depth = vectors(row(builder.network, layer + 1));
    let whole = |segments: &[BufferId]| SourceArray { segments: segments.to_vec(), offset: 0, depth };
    let pair = (&whole(by), &whole(gradients.by_input(layer)), Operation::Copy);
    over_time(builder, &format!("layer {layer} residual back"), &[pair])
}

/// The gradient by a lower layer's output that is given is added to the one of the layer above.
pub fn given_backward(builder: &mut Builder<'_>, gradients: &GradientArrays, layer: usize) -> Result<()> {
    let (Some(given), Some(by)) = (&gradients.given[layer], gradients.by_output(layer)) else {
        return Ok(());
    };
    let depth = vectors(row(builder.network, layer + 1));
    let whole = |segments: &[BufferId]| SourceArray { segments: segments.to_vec(), offset: 0, depth };
    let pair = (&whole(given), &whole(by), Operation::Sum);
    over_time(builder, &format!("layer {layer} given"), &[pair])
}

/// A layer's output is copied to where outputs are dropped.
pub fn copy(
    builder: &mut Builder<'_>,
    label: &str,
    from: &[SourceArray],
    into: &[SourceArray],
) -> Result<()> {
    let pairs: Vec<_> = from.iter().zip(into).map(|(from, into)| (from, into, Operation::Copy)).collect();
    over_time(builder, label, &pairs)
}

/// Arrays over time, segment by segment.
fn over_time(
    builder: &mut Builder<'_>,
    label: &str,
    pairs: &[(&SourceArray, &SourceArray, Operation)],
) -> Result<()> {
    for (index, segment) in builder.cut.segments.clone().into_iter().enumerate() {
        let combine = |&(from, into, operation): &(&SourceArray, &SourceArray, Operation)| {
            let len = product(&[segment.steps, builder.workload.batch as u64, into.depth]);
            let arrays = [(from.segments[index], from.offset), (into.segments[index], into.offset)];
            combine(builder, arrays, len, operation, Some(segment))
        };
        let dispatches = pairs.iter().map(combine).collect::<Result<_>>()?;
        builder.walk.once(label.to_owned(), dispatches);
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
        let [even, odd] =
            group.hidden.map(|hidden| combine(builder, [(hidden, 0), (into, 0)], len, operation, None));
        let mut dispatch = even?;
        dispatch.odd = Some(odd?.bindings);
        dispatches.push(dispatch);
    }
    builder.walk.once(format!("layer {layer} merge"), dispatches);
    Ok(())
}

/// The gradient by the last output becomes a part of that by the final states that the output is made of.
pub fn final_backward(
    builder: &mut Builder<'_>,
    arrays: &Arrays<'_>,
    gradients: &GradientArrays,
) -> Result<()> {
    let Some(FinalGradients { by, factors }) = gradients.by_final else { return Ok(()) };
    let network = builder.network;
    let layer = network.num_layers - 1;
    let len = product(&[builder.workload.batch as u64, vectors(padded(network.top()[0].state_size))]);
    let mut dispatches = Vec::new();
    for (index, group) in arrays.of_layer(layer) {
        let carry = gradients.groups[index].carry;
        for (place, slot) in (0..).zip(group.slots) {
            let (own, into) = (slot.direction as u64 * len, (carry, place * len));
            let mut add = |from, operation| -> Result<()> {
                dispatches.push(combine(builder, [from, into], len, operation, None)?);
                Ok(())
            };
            match (network.merge, factors) {
                (Merge::Concatenate | Merge::Apart, _) => add((by, own), Operation::Sum)?,
                (Merge::Average, _) => add((by, 0), Operation::AddHalf)?,
                (Merge::Multiply, Some(factors)) => {
                    // Directions that are multiplied have a group each.
                    let (_, other) =
                        arrays.of_layer(layer).nth(1 - slot.direction).expect("a layer has two directions");
                    dispatches.push(combine(builder, [(by, 0), (factors, own)], len, Operation::Copy, None)?);
                    let [even, odd] = other.hidden.map(|hidden| {
                        combine(builder, [(hidden, 0), (factors, own)], len, Operation::Multiply, None)
                    });
                    let mut dispatch = even?;
                    dispatch.odd = Some(odd?.bindings);
                    dispatches.push(dispatch);
                    dispatches.push(combine(builder, [(factors, own), into], len, Operation::Sum, None)?);
                }
                (Merge::Sum | Merge::Multiply, _) => add((by, 0), Operation::Sum)?,
            }
        }
    }
    builder.walk.once(format!("layer {layer} merge back"), dispatches);
    Ok(())
}

/// A dispatch over so many vectors of four, from a place in each array on.
fn combine(
    builder: &Builder<'_>,
    [(a, a_offset), (b, b_offset)]: [(BufferId, u64); 2],
    len: u64,
    operation: Operation,
    segment: Option<Segment>,
) -> Result<Dispatch> {
    let [from, into] = [a, b].map(|buffer| builder.buffers.get(buffer).dtype);
    let kernel = if from == into { Kernel::Combine } else { Kernel::CombineInF32 };
    let tile = Tile::ALL[0];
    let groups = len.div_ceil(u64::from(WORKGROUP));
    let arrays = [("a", a.into()), ("b", b.into())];
    let dims = CombineDims { len: len as u32, a_offset: a_offset as u32, b_offset: b_offset as u32 };
    let mut dispatch =
        builder.maker().dispatch_as(a, kernel, tile, (groups, 1), Dims::Combine(dims), &arrays)?;
    dispatch.overrides = kernel.overrides(tile, vec![("OPERATION", f64::from(operation as u8))]);
    dispatch.segment = segment;
    dispatch.bytes = product(&[from.bytes() + 2 * into.bytes(), FOUR, len]);
    Ok(dispatch)
}
