//! The operations of a network, in the order of its forward. Each has a file of its own, which records its
//! forward and its backward; `recur_back` has the steps on the way back, `outers` the gradients by weights.

mod again;
mod drop;
mod input;
mod merge;
pub(super) mod outers;
mod recur;
mod recur_back;

use super::arrays::Arrays;
use super::builder::Builder;
use super::gradient_arrays::GradientArrays;
use crate::Result;

/// One operation on arrays of a plan.
pub(super) enum Op {
    /// The input's product of a layer: of all directions, or of a group's, and a segment of time.
    Input { layer: usize, group: Option<usize>, segment: usize },
    /// The time steps of a group in a segment.
    Recur { group: usize, segment: usize },
    /// The directions of a layer become one array, by number.
    Merge { layer: usize },
    /// A layer's input is added to its output.
    Residual { layer: usize },
    /// The final states of the last layer are its output; where directions are merged by number, in one array.
    Final,
    /// A layer's output is given back.
    Given { layer: usize },
    /// A layer's output is dropped, for the layer above.
    Drop { layer: usize },
}

/// The operations of a network.
pub(super) fn of(builder: &Builder<'_>, arrays: &Arrays<'_>) -> Vec<Op> {
    let network = builder.network;
    let segments = builder.cut.segments.len();
    let mut ops = Vec::new();
    for layer in 0..network.num_layers {
        if builder.cut.shares_gates {
            ops.push(Op::Input { layer, group: None, segment: 0 });
        }
        for (group, of) in arrays.of_layer(layer) {
            for segment in of.order(segments) {
                if !builder.cut.shares_gates {
                    ops.push(Op::Input { layer, group: Some(group), segment });
                }
                ops.push(Op::Recur { group, segment });
            }
        }
        let (_, first) = arrays.of_layer(layer).next().expect("a layer has a direction");
        if first.keeps_steps && network.merge.is_elementwise() {
            ops.push(Op::Merge { layer });
        }
        if first.keeps_steps && network.residual && layer > 0 {
            ops.push(Op::Residual { layer });
        }
        if builder.workload.outputs.every_layer && layer + 1 < network.num_layers {
            ops.push(Op::Given { layer });
        }
        if builder.workload.drops && layer + 1 < network.num_layers {
            ops.push(Op::Drop { layer });
        }
    }
    if builder.workload.outputs.last_only {
        ops.push(Op::Final);
    }
    ops
}

impl Op {
    /// Records the forward.
    pub fn forward(&self, builder: &mut Builder<'_>, arrays: &Arrays<'_>) -> Result<()> {
        match *self {
            Op::Input { layer, group, segment } => input::forward(builder, arrays, layer, group, segment),
            Op::Recur { group, segment } => recur::forward(builder, arrays, group, segment),
            Op::Merge { layer } => merge::forward(builder, arrays, layer),
            Op::Residual { layer } => merge::residual_forward(builder, arrays, layer),
            Op::Final => merge::final_forward(builder, arrays),
            Op::Given { .. } => Ok(()),
            Op::Drop { layer } => drop::forward(builder, arrays, layer),
        }
    }

    /// Records the backward, after the backward of all operations that follow.
    pub fn backward(
        &self,
        builder: &mut Builder<'_>,
        arrays: &Arrays<'_>,
        gradients: &GradientArrays,
    ) -> Result<()> {
        match *self {
            Op::Input { layer, group, segment } => {
                input::backward(builder, arrays, gradients, layer, group, segment)
            }
            Op::Recur { group, segment } => recur_back::backward(builder, arrays, gradients, group, segment),
            Op::Merge { layer } => merge::backward(builder, arrays, gradients, layer),
            Op::Residual { layer } => merge::residual_backward(builder, gradients, layer),
            Op::Final => merge::final_backward(builder, arrays, gradients),
            Op::Given { layer } => merge::given_backward(builder, gradients, layer),
            Op::Drop { layer } => drop::backward(builder, arrays, gradients, layer),
        }
    }
}
