//! ONNX: the layers among a graph's nodes, and the stacks that they make.
//!
//! A graph is gone through once, in the order of its nodes. What is known of each value before the graph runs
//! is kept ([`Value`]): numbers of the model, by whatever change of shape, and outputs of layers, by whatever
//! change of axes. A node RNN, LSTM or GRU takes its arrays from the former, and stands on the layer that the
//! latter name.

mod flow;
mod layer;
mod model;
mod output;
mod shapes;
mod stack;
mod tensor;
mod values;
mod wire;

pub(crate) use output::serialize;

use super::{Budget, Fault, Head, Opened, Opening};
use crate::{Error, Merge, Result};
use flow::Flow;
use layer::Layer;
use model::{Function, Graph, Model, Name, Node, Reader};
use std::collections::{BTreeSet, HashMap};
use values::{Scopes, Value};

const FAULT: Fault = Fault::new("ONNX");

/// The version of the format, and then a field of a model.
pub(super) fn is(head: &Head) -> bool {
    let [first, version, next, ..] = head;
    let is_field = matches!(next, 0x12 | 0x1A | 0x22 | 0x28 | 0x32 | 0x3A | 0x42);
    *first == 0x08 && (1..0x40).contains(version) && is_field
}

pub(super) fn open<'a>(opening: &Opening<'a, '_>) -> Result<Opened<'a>> {
    let mut reader = Reader::new(opening);
    let Model { graph, functions, opset } = reader.model()?;
    let (scopes, layers) = Default::default();
    let mut walk =
        Walk { opset, budget: opening.budget, functions: &functions, scopes, layers, graphs: 0, calls: 0 };
    walk.graph(&graph, "")?;
    let networks = stack::networks(walk.layers)?;
    Ok(Opened { dialect: "ONNX", arrays: reader.arrays, networks })
}

/// The name of a node; of one without, of its first output.
fn name_of<'n>(node: &'n Node<'_>) -> &'n str {
    let outputs = node.outputs.iter().find(|name| !name.is_empty());
    if node.name.is_empty() { outputs.map_or("", |name| name) } else { &node.name }
}

/// A layer of a model, and its place in it.
struct Place<'a> {
    name: String,
    /// The nodes around, whose graph the layer is in.
    path: String,
    /// The graph, by its number.
    graph: usize,
    layer: Result<Layer<'a>, String>,
    /// X has had its first axes changed.
    is_swapped: bool,
    /// The layer below, and the merge of its directions.
    below: Option<(usize, Merge)>,
    /// Layers that read this one.
    readers: usize,
    /// The merges of this layer's directions, where other nodes read them.
    merges: BTreeSet<&'static str>,
    /// The last of them.
    merge: Merge,
}

/// Bytes of a value that is kept.
const VALUE: usize = size_of::<(Name, Value<'_>)>();

/// The way through the graphs of a model.
struct Walk<'a, 'b> {
    opset: Option<u64>,
    budget: &'b Budget,
    functions: &'b HashMap<Name, Function<'a>>,
    scopes: Scopes<'a>,
    layers: Vec<Place<'a>>,
    graphs: usize,
    /// Functions that are being gone through, each called by the one before.
    calls: u64,
}

impl<'a> Walk<'a, '_> {
    fn graph(&mut self, graph: &Graph<'a>, path: &str) -> Result<()> {
        let number = self.graphs;
        self.graphs = self.graphs.saturating_add(1);
        self.scopes.frames.push(HashMap::new());
        for (name, view) in &graph.constants {
            self.keep(name, Value::Constant(view.clone().into()))?;
        }
        self.nodes(graph, path, number)?;
        for name in &graph.outputs {
            self.leave(self.flow(Some(name)));
        }
        self.scopes.frames.pop();
        Ok(())
    }

    fn nodes(&mut self, graph: &Graph<'a>, path: &str, number: usize) -> Result<()> {
        for node in &graph.nodes {
            let function = node.function.as_ref().and_then(|name| self.functions.get(name));
            match (function, layer::cell(node)) {
                (Some(function), _) => self.call(node, function, path)?,
                (None, Some(_)) => self.layer(node, path, number)?,
                (None, None) => self.node(node)?,
            }
            for (name, graph) in node.graphs() {
                let path = format!("{path}{}/{name}/", name_of(node));
                self.budget.bytes("ONNX names", path.len() as u64)?;
                self.graph(graph, &path)?;
            }
        }
        Ok(())
    }

    /// A node that calls a function of the model: the function sees its own values and no others.
    fn call(&mut self, node: &Node<'a>, function: &Function<'a>, path: &str) -> Result<()> {
        self.calls = self.calls.saturating_add(1);
        self.budget.depth("ONNX functions", self.calls)?;
        // Functions that call functions are many nodes of few bytes.
        for _ in &function.body.nodes {
            self.budget.tensor("ONNX nodes of functions")?;
        }
        let value = |name: Option<&Name>| self.scopes.get(name).cloned();
        let given: Vec<_> = (0..function.inputs.len()).map(|place| value(node.input(place))).collect();
        let around = std::mem::replace(&mut self.scopes.frames, vec![HashMap::new()]);
        for (name, value) in function.inputs.iter().zip(given) {
            value.map_or(Ok(()), |value| self.keep(name, value))?;
        }
        let number = self.graphs;
        self.graphs = self.graphs.saturating_add(1);
        let path = format!("{path}{}/", name_of(node));
        self.budget.bytes("ONNX names", path.len() as u64)?;
        self.nodes(&function.body, &path, number)?;
        self.budget.give_back(path.len() as u64);
        let made: Vec<_> =
            function.body.outputs.iter().map(|name| self.scopes.get(Some(name)).cloned()).collect();
        let within = std::mem::replace(&mut self.scopes.frames, around);
        within.iter().for_each(|frame| self.budget.give_back(frame.len().saturating_mul(VALUE) as u64));
        for (name, value) in node.outputs.iter().zip(made) {
            value.map_or(Ok(()), |value| self.keep(name, value))?;
        }
        self.calls = self.calls.saturating_sub(1);
        Ok(())
    }

    /// Keeps a value under its name, as long as its frame is there.
    fn keep(&mut self, name: &Name, value: Value<'a>) -> Result<()> {
        self.budget.bytes("ONNX values", VALUE as u64)?;
        self.scopes.set(name, value);
        Ok(())
    }

    fn flow(&self, name: Option<&Name>) -> Option<Flow> {
        match self.scopes.get(name) {
            Some(Value::Flow(flow)) => Some(flow.clone()),
            _ => None,
        }
    }

    /// A node that is no layer.
    fn node(&mut self, node: &Node<'a>) -> Result<()> {
        let flows: Vec<Flow> = node.inputs.iter().filter_map(|name| self.flow(Some(name))).collect();
        let values = match flows.first() {
            Some(flow) => {
                let made = flow::of_node(node, flow, &self.scopes)?;
                if made.is_empty() && node.operator != "Shape" {
                    flows.into_iter().for_each(|flow| self.leave(Some(flow)));
                }
                made
            }
            None => values::of_node(node, &self.scopes, self.budget)?,
        };
        for (name, value) in node.outputs.iter().zip(values) {
            self.keep(name, value)?;
        }
        Ok(())
    }

    /// Notes that a node other than a layer reads a layer's output.
    fn leave(&mut self, flow: Option<Flow>) {
        let Some(flow) = flow else { return };
        if let Some(place) = self.layers.get_mut(flow.layer) {
            place.merge = flow.merge;
            place.merges.insert(stack::merge_name(flow.merge));
        }
    }

    /// A node that is a layer.
    fn layer(&mut self, node: &Node<'a>, path: &str, graph: usize) -> Result<()> {
        let Some(cell) = layer::cell(node) else { return Ok(()) };
        let names = path.len().saturating_add(name_of(node).len());
        self.budget.bytes("ONNX layers", size_of::<Place<'_>>().saturating_add(names) as u64)?;
        let layer = match layer::read(node, cell, &self.scopes, self.opset, self.budget) {
            Ok(layer) => Ok(layer),
            // The fault of one network, where others may be read.
            Err(Error::Format { reason, .. }) => Err(reason),
            Err(error) => return Err(error),
        };
        let is_batch_first = layer.as_ref().is_ok_and(|layer| layer.is_batch_first);
        let is_swapped = matches!(self.scopes.get(node.input(0)), Some(Value::Swapped));
        let below = self.below(self.flow(node.input(0)), graph, is_batch_first);
        // A layer that reads another as a state or as lengths.
        for name in node.inputs.iter().skip(1) {
            self.leave(self.flow(Some(name)));
        }
        let number = self.layers.len();
        if let (Some(output), Ok(layer)) = (node.outputs.first(), &layer) {
            let flow = Flow::of_layer(number, layer.hidden, layer.directions.count(), is_batch_first);
            self.keep(output, Value::Flow(flow))?;
        }
        let (name, path) = (name_of(node).to_owned(), path.to_owned());
        let (readers, merges, merge) = (0, BTreeSet::new(), Merge::Concatenate);
        self.layers.push(Place { name, path, graph, layer, is_swapped, below, readers, merges, merge });
        Ok(())
    }

    /// The layer that an input comes from whole.
    fn below(&mut self, flow: Option<Flow>, graph: usize, is_batch_first: bool) -> Option<(usize, Merge)> {
        let flow = flow?;
        let place = self.layers.get_mut(flow.layer)?;
        let count = place.layer.as_ref().map_or(0, |layer| layer.directions.count());
        if place.graph != graph || !flow.is_whole(count, is_batch_first) {
            self.leave(Some(flow));
            return None;
        }
        place.readers = place.readers.saturating_add(1);
        Some((flow.layer, flow.merge))
    }
}
