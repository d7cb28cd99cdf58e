//! rlx on wgpu: one operation for the whole network, batch first, its weights in one row and its biases added
//! up.

use crate::case::Case;
use crate::peer::{Failure, Prepared, timed};
use ndarray::Array3;
use rlx_ir::{DType, Graph, Op, Shape};
use rlx_runtime::{CompiledGraph, Device, Session};
use std::time::Duration;
use wgpu_rnn::{Cell, Directions};

struct Rlx {
    graph: CompiledGraph,
    /// Name and numbers of everything that goes in but the input.
    weights: Vec<(&'static str, Vec<f32>)>,
    input: Array3<f32>,
    width: usize,
}

pub fn prepare(case: &Case) -> Result<Box<dyn Prepared>, Failure> {
    let configuration = case.configuration;
    if case.lengths.is_some() {
        return Err("takes no lengths".into());
    }
    if configuration.is_streamed {
        return Err("carries a state on the host alone".into());
    }
    let (steps, batch, features) = case.input.dim();
    let width = configuration.directions.count() * configuration.size;
    let all = |kind: &str| -> Vec<f32> {
        case.slots().flat_map(|(layer, direction)| case.tensor(kind, layer, direction).into_iter()).collect()
    };
    let mut weights = vec![("w_ih", all("weight_ih")), ("w_hh", all("weight_hh"))];
    let (hidden_size, num_layers) = (configuration.size, configuration.num_layers);
    let bidirectional = configuration.directions == Directions::Both;
    let op = match configuration.cell {
        Cell::Lstm => {
            let sum = all("bias_ih").into_iter().zip(all("bias_hh")).map(|(a, b)| a + b);
            weights.push(("bias", sum.collect()));
            Op::Lstm { hidden_size, num_layers, bidirectional, carry: false }
        }
        _ => {
            weights.extend([("b_ih", all("bias_ih")), ("b_hh", all("bias_hh"))]);
            Op::Gru { hidden_size, num_layers, bidirectional, carry: false }
        }
    };
    let mut graph = Graph::new("network");
    let mut inputs = vec![graph.input("x", Shape::new(&[batch, steps, features], DType::F32))];
    for (name, numbers) in &weights {
        inputs.push(graph.input(*name, Shape::new(&[numbers.len()], DType::F32)));
    }
    let output = graph.add_node(op, inputs, Shape::new(&[batch, steps, width], DType::F32));
    graph.set_outputs(vec![output]);
    let graph = Session::new(Device::Gpu).compile(graph);
    Ok(Box::new(Rlx { graph, weights, input: case.input.clone(), width }))
}

impl Prepared for Rlx {
    fn run(&mut self, count: usize) -> Result<(Array3<f32>, Vec<Duration>), Failure> {
        let (steps, batch, _) = self.input.dim();
        // Its order of axes is its own affair, and not timed.
        let input: Vec<f32> = self.input.view().permuted_axes([1, 0, 2]).iter().copied().collect();
        let mut output = Vec::new();
        let (_, times) = timed(count, || {
            let mut feed: Vec<(&str, &[f32])> = vec![("x", &input)];
            feed.extend(self.weights.iter().map(|(name, numbers)| (*name, numbers.as_slice())));
            output = self.graph.run(&feed).remove(0);
            Ok(Array3::zeros((0, 0, 0)))
        })?;
        let output = Array3::from_shape_vec((batch, steps, self.width), output)?;
        Ok((output.permuted_axes([1, 0, 2]).as_standard_layout().into_owned(), times))
    }
}
