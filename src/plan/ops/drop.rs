//! Dropout between layers, `drop.wgsl`: after merge and residual connection, on a copy of the output. On the
//! way back, the same mask of the gradient.

use crate::Result;
use crate::kernel::{Kernel, Tile, WORKGROUP};
use crate::plan::arrays::Arrays;
use crate::plan::buffers::BufferId;
use crate::plan::builder::Builder;
use crate::plan::dims::{Dims, DropDims};
use crate::plan::gradient_arrays::{GradientArrays, row, vectors};
use crate::plan::ops::merge;
use crate::plan::{padded, product};

pub fn forward(builder: &mut Builder<'_>, arrays: &Arrays<'_>, layer: usize) -> Result<()> {
    let dropped = arrays.sources(builder, layer + 1);
    merge::copy(builder, &format!("layer {layer} copy"), &arrays.outputs(builder, layer), &dropped)?;
    let places: Vec<Place> = dropped
        .iter()
        .map(|one| Place { segments: one.segments.clone(), offset: one.offset, stride: one.depth })
        .collect();
    drop(builder, arrays, layer, &format!("layer {layer} dropout"), &places)
}

pub fn backward(
    builder: &mut Builder<'_>,
    arrays: &Arrays<'_>,
    gradients: &GradientArrays,
    layer: usize,
) -> Result<()> {
    let Some(by) = gradients.by_output(layer) else { return Ok(()) };
    let stride = vectors(row(builder.network, layer + 1));
    let depth = vectors(padded(builder.network.layer(layer)[0].state_size));
    let place = |index| Place { segments: by.to_vec(), offset: index * depth, stride };
    let places: Vec<Place> = (0..builder.network.merged_directions() as u64).map(place).collect();
    drop(builder, arrays, layer, &format!("layer {layer} dropout back"), &places)
}

/// Rows of a direction, or of both merged.
struct Place {
    segments: Vec<BufferId>,
    /// Lengths in vectors of four.
    offset: u64,
    stride: u64,
}

fn drop(
    builder: &mut Builder<'_>,
    arrays: &Arrays<'_>,
    layer: usize,
    label: &str,
    places: &[Place],
) -> Result<()> {
    let Some(dropout) = arrays.dropout else { return Ok(()) };
    let (batch, size) = (builder.workload.batch as u64, builder.network.layer(layer)[0].state_size);
    let depth = vectors(padded(size));
    for (index, segment) in builder.cut.segments.clone().into_iter().enumerate() {
        let mut dispatches = Vec::new();
        for (direction, place) in places.iter().enumerate() {
            let len = product(&[segment.steps, batch, depth]);
            let dims = Dims::Drop(DropDims {
                len: len as u32,
                depth: depth as u32,
                stride: place.stride as u32,
                offset: place.offset as u32,
                batch: batch as u32,
                first_row: (segment.first * batch) as u32,
                layer: layer as u32,
                first_column: (direction * size) as u32,
            });
            let groups = len.div_ceil(u64::from(WORKGROUP));
            let bindings = [("dropout", dropout.into()), ("into", place.segments[index].into())];
            let (into, tile, size) = (place.segments[index], Tile::ALL[0], (groups, 1));
            let mut dispatch =
                builder.maker().dispatch_as(into, Kernel::Drop, tile, size, dims, &bindings)?;
            dispatch.segment = Some(segment);
            dispatches.push(dispatch);
        }
        builder.walk.once(label.to_owned(), dispatches);
    }
    Ok(())
}
