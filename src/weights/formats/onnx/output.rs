//! A network as a model of ONNX: a node for each layer, and what lies between.

use super::{FAULT, layer};
use crate::weights::{Params, TensorKind};
use crate::{Cell, Config, Directions, Layout, Merge, Reset, Result};
use ndarray::{ArrayViewD, Axis, Slice};

/// The operators' version: the first that has batches first.
const OPSET: u64 = 14;

/// The format's version, as of the operators'.
const IR: u64 = 7;

/// Bytes that a message may have.
const MAX: usize = i32::MAX as usize;

/// A message that is written.
#[derive(Default)]
struct Message(Vec<u8>);

impl Message {
    fn varint(&mut self, mut number: u64) {
        while number >= 0x80 {
            self.0.push(number.to_le_bytes()[0] | 0x80);
            number >>= 7;
        }
        self.0.push(number.to_le_bytes()[0]);
    }

    fn number(mut self, field: u64, number: u64) -> Message {
        self.varint(field << 3);
        self.varint(number);
        self
    }

    /// The head of a field of bytes, which follow.
    fn head(mut self, field: u64, len: usize) -> Message {
        self.varint(field << 3 | 2);
        self.varint(len as u64);
        self
    }

    fn bytes(self, field: u64, bytes: &[u8]) -> Message {
        let mut message = self.head(field, bytes.len());
        message.0.extend_from_slice(bytes);
        message
    }

    fn text(self, field: u64, text: &str) -> Message {
        self.bytes(field, text.as_bytes())
    }

    fn message(self, field: u64, message: Message) -> Message {
        self.bytes(field, &message.0)
    }

    fn float(mut self, field: u64, number: f32) -> Message {
        self.varint(field << 3 | 5);
        self.0.extend(number.to_le_bytes());
        self
    }
}

/// Attributes: a name, a value, and the type of the value.
fn int(name: &str, number: u64) -> Message {
    Message::default().text(1, name).number(3, number).number(20, 2)
}

fn ints(name: &str, numbers: &[u64]) -> Message {
    let message = Message::default().text(1, name);
    numbers.iter().fold(message, |message, &number| message.number(8, number)).number(20, 7)
}

fn float(name: &str, number: f32) -> Message {
    Message::default().text(1, name).float(2, number).number(20, 1)
}

fn floats(name: &str, numbers: &[f32]) -> Message {
    let message = Message::default().text(1, name);
    numbers.iter().fold(message, |message, &number| message.float(7, number)).number(20, 6)
}

fn text(name: &str, text: &str) -> Message {
    Message::default().text(1, name).text(4, text).number(20, 3)
}

fn texts(name: &str, all: &[String]) -> Message {
    let message = Message::default().text(1, name);
    all.iter().fold(message, |message, one| message.text(9, one)).number(20, 8)
}

/// An array of the model: its message without the numbers, and the numbers.
struct Constant<'w> {
    head: Message,
    floats: Vec<ArrayViewD<'w, f32>>,
}

impl Constant<'_> {
    /// Bytes of the numbers.
    fn len(&self) -> usize {
        let numbers = self.floats.iter().fold(0_usize, |all, part| all.saturating_add(part.len()));
        numbers.saturating_mul(size_of::<f32>())
    }
}

/// A graph that is written.
struct Writer<'w> {
    config: &'w Config,
    params: &'w Params<f32>,
    nodes: Message,
    outputs: Message,
    constants: Vec<Constant<'w>>,
}

/// The bytes of a model.
pub(crate) fn serialize(config: &Config, params: &Params<f32>) -> Result<Vec<u8>> {
    let (nodes, outputs, constants) = Default::default();
    let mut writer = Writer { config, params, nodes, outputs, constants };
    writer.graph();
    let Writer { nodes, outputs, constants, .. } = writer;
    let Message(behind) = Message::default().text(2, "network");
    let axes = if config.layout == Layout::Tnc { ["T", "N"] } else { ["N", "T"] };
    let Message(inputs) = value(Message::default(), 11, "input", &axes, config.input_size);
    let Message(outputs) = outputs;
    let mut len = nodes.0.len().saturating_add(behind.len()).saturating_add(inputs.len());
    len = len.saturating_add(outputs.len());
    for constant in &constants {
        let own = constant.head.0.len().saturating_add(constant.len());
        let head = Message::default().head(5, own);
        len = len.saturating_add(head.0.len()).saturating_add(own);
    }
    if len > MAX {
        return Err(FAULT.error("model", format!("at most {MAX} bytes"), len));
    }
    let model = Message::default().number(1, IR).text(2, "wgpu-rnn").head(7, len);
    let mut bytes = Vec::new();
    bytes.reserve_exact(model.0.len().saturating_add(len).saturating_add(16));
    bytes.extend(model.0);
    bytes.extend(nodes.0);
    bytes.extend(behind);
    for constant in constants {
        let own = constant.head.0.len().saturating_add(constant.len());
        bytes.extend(Message::default().head(5, own).0);
        bytes.extend_from_slice(&constant.head.0);
        for part in &constant.floats {
            match part.as_slice() {
                Some(numbers) if cfg!(target_endian = "little") => {
                    bytes.extend_from_slice(bytemuck::cast_slice(numbers));
                }
                _ => part.iter().for_each(|number| bytes.extend(number.to_le_bytes())),
            }
        }
    }
    bytes.extend(inputs);
    bytes.extend(outputs);
    let operators = Message::default().text(1, "").number(2, OPSET);
    bytes.extend(Message::default().message(8, operators).0);
    Ok(bytes)
}

/// An input or output of f32, with two axes of any length.
fn value(message: Message, field: u64, name: &str, axes: &[&str; 2], last: usize) -> Message {
    let names = axes.iter().map(|axis| Message::default().text(2, axis));
    let dims = names.chain([Message::default().number(1, last as u64)]);
    let shape = dims.fold(Message::default(), |shape, dim| shape.message(1, dim));
    let tensor = Message::default().number(1, 1).message(2, shape);
    let kind = Message::default().message(1, tensor);
    message.message(field, Message::default().text(1, name).message(2, kind))
}

impl<'w> Writer<'w> {
    fn node(&mut self, operator: &str, inputs: &[&str], outputs: &[&str], attributes: Vec<Message>) {
        let mut node = Message::default();
        node = inputs.iter().fold(node, |node, input| node.text(1, input));
        node = outputs.iter().fold(node, |node, output| node.text(2, output));
        let name = outputs.first().map(|name| format!("{}_{name}", operator.to_lowercase()));
        node = node.text(3, &name.unwrap_or_default()).text(4, operator);
        node = attributes.into_iter().fold(node, |node, attribute| node.message(5, attribute));
        self.nodes = std::mem::take(&mut self.nodes).message(1, node);
    }

    /// Integers as an array of the model.
    fn integers(&mut self, name: &str, numbers: &[i64]) {
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        let message = Message::default().number(1, numbers.len() as u64).number(2, 7);
        let head = message.text(8, name).bytes(9, &bytes);
        self.constants.push(Constant { head, floats: Vec::new() });
    }

    /// The tensors of a layer's directions as one array; in parts, of which each is one direction's.
    fn array(&mut self, name: &str, shape: &[usize], floats: Vec<ArrayViewD<'w, f32>>) {
        let mut message = Message::default();
        message = shape.iter().fold(message, |message, &len| message.number(1, len as u64));
        let mut constant = Constant { head: message.number(2, 1).text(8, name), floats };
        constant.head = std::mem::take(&mut constant.head).head(9, constant.len());
        self.constants.push(constant);
    }

    fn graph(&mut self) {
        let config = self.config;
        let is_batch_first = config.layout == Layout::Ntc;
        let mut input = "input".to_owned();
        if is_batch_first {
            self.node("Transpose", &["input"], &["input_by_time"], vec![ints("perm", &[1, 0, 2])]);
            input = "input_by_time".into();
        }
        if config.learned_state {
            self.node("Shape", &[&input], &["input_shape"], vec![]);
            self.integers("one", &[1]);
            self.integers("two", &[2]);
            self.node("Slice", &["input_shape", "one", "two"], &["batch"], vec![]);
        }
        for layer in 0..config.num_layers {
            let is_last = layer.saturating_add(1) == config.num_layers;
            let output = match (is_last, is_batch_first) {
                (true, false) => "output".to_owned(),
                (true, true) => "output_by_time".to_owned(),
                _ => format!("output_l{layer}"),
            };
            self.layer(layer, &input, &output);
            input = output;
        }
        if is_batch_first {
            self.node("Transpose", &[&input], &["output"], vec![ints("perm", &[1, 0, 2])]);
        }
        let axes = if is_batch_first { ["N", "T"] } else { ["T", "N"] };
        let states = std::mem::take(&mut self.outputs);
        let Message(first) = value(Message::default(), 12, "output", &axes, config.output_size());
        self.outputs = Message([first, states.0].concat());
    }

    /// The node of a layer, and the way from its output to the axes of a sequence.
    fn layer(&mut self, layer: usize, input: &str, output: &str) {
        let config = self.config;
        let (cell, hidden) = config.cell_of(layer);
        let both = config.directions.count();
        let operator = match cell {
            Cell::Vanilla(_) => "RNN",
            Cell::Lstm => "LSTM",
            Cell::Gru => "GRU",
        };
        let name = |letter: &str| format!("{letter}_l{layer}");
        let (rows, columns) = (hidden.saturating_mul(cell.gates()), self.columns(layer));
        let (w, r) = (name("W"), name("R"));
        self.weights(&w, layer, &[TensorKind::WeightIh], &[both, rows, columns]);
        self.weights(&r, layer, &[TensorKind::WeightHh], &[both, rows, hidden]);
        let mut inputs = vec![input.to_owned(), w, r];
        inputs.resize(8, String::new());
        if config.bias {
            let biases = [TensorKind::BiasIh, TensorKind::BiasHh];
            self.weights(&name("B"), layer, &biases, &[both, rows.saturating_mul(2)]);
            inputs[3] = name("B");
        }
        if config.learned_state {
            inputs[5] = self.state("initial_h", layer, TensorKind::InitialH, hidden);
            if cell.has_cell_state() {
                inputs[6] = self.state("initial_c", layer, TensorKind::InitialC, hidden);
            }
        }
        if config.peepholes {
            self.weights(&name("P"), layer, &[TensorKind::Peephole], &[both, hidden.saturating_mul(3)]);
            inputs[7] = name("P");
        }
        while inputs.pop_if(|input| input.is_empty()).is_some() {}
        let mut outputs = vec![name("Y"), name("h_n")];
        if cell.has_cell_state() {
            outputs.push(name("c_n"));
        }
        for state in outputs.iter().skip(1) {
            let direction = if both == 2 { "2" } else { "1" };
            let axes = [direction, "N"];
            self.outputs = value(std::mem::take(&mut self.outputs), 12, state, &axes, hidden);
        }
        let inputs: Vec<&str> = inputs.iter().map(String::as_str).collect();
        let outputs: Vec<&str> = outputs.iter().map(String::as_str).collect();
        let attributes = self.attributes(cell, hidden);
        self.node(operator, &inputs, &outputs, attributes);
        self.between(&name("Y"), output, layer);
    }

    /// The length of a layer's input.
    fn columns(&self, layer: usize) -> usize {
        let slot = layer.saturating_mul(self.config.directions.count());
        let entry = self.params.table.entry(slot, TensorKind::WeightIh);
        entry.and_then(|entry| entry.shape.get(1).copied()).unwrap_or(0)
    }

    /// Tensors of all directions, with their row blocks in ONNX's order.
    fn weights(&mut self, name: &str, layer: usize, kinds: &[TensorKind], shape: &[usize]) {
        let (cell, hidden) = self.config.cell_of(layer);
        let order = layer::order(cell);
        let mut parts = Vec::new();
        for direction in 0..self.config.directions.count() {
            let slot = layer.saturating_mul(self.config.directions.count()).saturating_add(direction);
            for &kind in kinds {
                let Some(tensor) = self.params.tensor(slot, kind) else { continue };
                if matches!(kind, TensorKind::Peephole | TensorKind::InitialH | TensorKind::InitialC) {
                    parts.push(tensor);
                    continue;
                }
                for block in 0..order.len() {
                    // The row block of ours that stands there in ONNX.
                    let own = order.iter().position(|&theirs| theirs == block).unwrap_or(block);
                    let start = own.saturating_mul(hidden);
                    let mut rows = tensor.clone();
                    rows.slice_axis_inplace(Axis(0), Slice::from(start..start.saturating_add(hidden)));
                    parts.push(rows);
                }
            }
        }
        self.array(name, shape, parts);
    }

    /// A learned state, once for each row of the batch.
    fn state(&mut self, name: &str, layer: usize, kind: TensorKind, hidden: usize) -> String {
        let both = self.config.directions.count();
        let [own, lens, made] = ["learned", "shape", "rows"].map(|part| format!("{name}_{part}_l{layer}"));
        self.weights(&own, layer, &[kind], &[both, 1, hidden]);
        let [first, last] = ["directions", "units"].map(|part| format!("{name}_{part}_l{layer}"));
        // Both were sizes of arrays.
        self.integers(&first, &[i64::try_from(both).unwrap_or(i64::MAX)]);
        self.integers(&last, &[i64::try_from(hidden).unwrap_or(i64::MAX)]);
        self.node("Concat", &[&first, "batch", &last], &[&lens], vec![int("axis", 0)]);
        self.node("Expand", &[&own, &lens], &[&made], vec![]);
        made
    }

    fn attributes(&self, cell: Cell, hidden: usize) -> Vec<Message> {
        let config = self.config;
        let direction = match config.directions {
            Directions::Forward => "forward",
            Directions::Reverse => "reverse",
            Directions::Both => "bidirectional",
        };
        let mut all = vec![int("hidden_size", hidden as u64), text("direction", direction)];
        let own = if config.activations.is_empty() { cell.activations() } else { config.activations.clone() };
        if !config.activations.is_empty() || cell.activation().is_some() {
            let is_each = own.len() > cell.activations().len();
            let times = if is_each { 1 } else { config.directions.count() };
            let every = own.repeat(times);
            let name = |part: &str| {
                part.get(..1).unwrap_or_default().to_uppercase() + part.get(1..).unwrap_or_default()
            };
            let names = every.iter().map(|one| one.name().split('_').map(name).collect::<String>());
            all.push(texts("activations", &names.collect::<Vec<_>>()));
            for (attribute, place) in [("activation_alpha", 0), ("activation_beta", 1)] {
                let numbers = every.iter().filter_map(|one| one.parameters().get(place).copied());
                let numbers: Vec<f32> = numbers.collect();
                if !numbers.is_empty() {
                    all.push(floats(attribute, &numbers));
                }
            }
        }
        if let Some(clip) = config.preactivation_clip {
            all.push(float("clip", clip));
        }
        match cell {
            Cell::Gru => all.push(int("linear_before_reset", u64::from(config.gru_reset == Reset::After))),
            Cell::Lstm if config.coupled_input_forget => all.push(int("input_forget", 1)),
            _ => {}
        }
        all
    }

    /// From `[T, D, N, H]` to `[T, N, C]`.
    fn between(&mut self, from: &str, to: &str, layer: usize) {
        if layer == 0 {
            self.integers("axis_of_directions", &[1]);
            self.integers("side_by_side", &[0, 0, -1]);
        }
        let name = |part: &str| format!("{part}_l{layer}");
        if self.config.directions != Directions::Both {
            self.node("Squeeze", &[from, "axis_of_directions"], &[to], vec![]);
            return;
        }
        let merge = match self.config.merge {
            Merge::Sum => "Add",
            Merge::Average => "Mean",
            Merge::Multiply => "Mul",
            Merge::Concatenate | Merge::Apart => {
                let by_row = name("by_row");
                self.node("Transpose", &[from], &[&by_row], vec![ints("perm", &[0, 2, 1, 3])]);
                self.node("Reshape", &[&by_row, "side_by_side"], &[to], vec![]);
                return;
            }
        };
        let apart = ["forward", "reverse"].map(|part| name(&format!("{part}_apart")));
        let single = ["forward", "reverse"].map(name);
        self.node("Split", &[from], &[&apart[0], &apart[1]], vec![int("axis", 1)]);
        for (apart, single) in apart.iter().zip(&single) {
            self.node("Squeeze", &[apart, "axis_of_directions"], &[single], vec![]);
        }
        self.node(merge, &[&single[0], &single[1]], &[to], vec![]);
    }
}
