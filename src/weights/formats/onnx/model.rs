//! Models of ONNX: graphs of nodes, with arrays among them.

use super::super::{Array, Budget, Cursor, Opening, Part, View};
use super::FAULT;
use super::wire::{Wire, fields, floats, numbers};
use crate::Result;
use std::collections::{HashMap, HashSet};
use std::rc::Rc;

/// The name of a value; values are named many times.
pub(super) type Name = Rc<str>;

/// A model: its graph, and the version of each set of operators.
pub(super) struct Model<'a> {
    pub graph: Graph<'a>,
    /// The functions of the model, by domain and name.
    pub functions: HashMap<Name, Function<'a>>,
    /// The version of ONNX's own operators.
    pub opset: Option<u64>,
}

#[derive(Default)]
pub(super) struct Graph<'a> {
    pub nodes: Vec<Node<'a>>,
    pub constants: Vec<(Name, View<'a>)>,
    pub outputs: Vec<Name>,
}

/// Nodes that a node of the function's name stands for.
#[derive(Default)]
pub(super) struct Function<'a> {
    pub inputs: Vec<Name>,
    pub body: Graph<'a>,
}

pub(super) struct Node<'a> {
    pub name: Name,
    /// The function that the node may call: of an operator that is not looked at, domain and name.
    pub function: Option<Name>,
    /// The operator; empty for one that is not looked at.
    pub operator: &'static str,
    pub inputs: Vec<Name>,
    pub outputs: Vec<Name>,
    pub attributes: Vec<(String, Attribute<'a>)>,
}

pub(super) enum Attribute<'a> {
    Float(f32),
    Int(i64),
    Text(String),
    Tensor(View<'a>),
    Graph(Graph<'a>),
    Floats(Vec<f32>),
    Ints(Vec<i64>),
    Texts(Vec<String>),
    Other,
}

/// The operators that are looked at.
const OPERATORS: [&str; 29] = [
    "RNN",
    "LSTM",
    "GRU",
    "Constant",
    "ConstantOfShape",
    "Identity",
    "Dropout",
    "Cast",
    "Unsqueeze",
    "Squeeze",
    "Reshape",
    "Flatten",
    "Transpose",
    "Slice",
    "Split",
    "Gather",
    "Concat",
    "Expand",
    "Tile",
    "DequantizeLinear",
    "Add",
    "Sum",
    "Mul",
    "Div",
    "Mean",
    "ReduceSum",
    "ReduceMean",
    "Shape",
    "If",
];

/// The operators of onnxruntime that are looked at.
const MICROSOFT: [&str; 1] = ["DynamicQuantizeLSTM"];

/// The files and the budget that a model is read with.
pub(super) struct Reader<'a, 'b> {
    pub opening: &'b Opening<'a, 'b>,
    pub budget: &'b Budget,
    /// Files beside the model, each of which is opened once.
    pub files: HashMap<String, Part<'a>>,
    /// All arrays that have a name, for people to look at.
    pub arrays: Vec<Array<'a>>,
    names: HashSet<Name>,
}

impl<'a, 'b> Reader<'a, 'b> {
    pub fn new(opening: &'b Opening<'a, 'b>) -> Reader<'a, 'b> {
        let (files, arrays, names) = Default::default();
        Reader { opening, budget: opening.budget, files, arrays, names }
    }

    pub fn model(&mut self) -> Result<Model<'a>> {
        let mut cursor = Cursor::new(self.opening.part.clone(), FAULT);
        let (mut graph, mut has_opset, mut opset) = (None, false, None);
        let mut functions = HashMap::new();
        let end = cursor.left();
        fields(&mut cursor, end, |cursor, field, wire| {
            match field {
                7 => {
                    let end = wire.end(cursor, "graph")?;
                    graph = Some(self.graph(cursor, end, 1)?);
                }
                8 => {
                    let end = wire.end(cursor, "opset_import")?;
                    let (domain, version) = self.operators(cursor, end)?;
                    has_opset = true;
                    if matches!(domain.as_str(), "" | "ai.onnx") {
                        opset = Some(version);
                    }
                }
                25 => {
                    let end = wire.end(cursor, "function")?;
                    self.budget.bytes("ONNX functions", size_of::<(Name, Function<'_>)>() as u64)?;
                    let (name, function) = self.function(cursor, end)?;
                    functions.insert(name, function);
                }
                _ => {}
            }
            Ok(())
        })?;
        let graph = graph.ok_or_else(|| FAULT.error("model", "a graph", "none"))?;
        if !has_opset {
            return Err(FAULT.error("model", "an opset_import", "none"));
        }
        Ok(Model { graph, functions, opset })
    }

    fn function(&mut self, cursor: &mut Cursor<'a>, end: u64) -> Result<(Name, Function<'a>)> {
        let (mut name, mut domain) = (String::new(), String::new());
        let mut function = Function::default();
        fields(cursor, end, |cursor, field, wire| {
            match field {
                1 => name = wire.text(cursor, "name", self.budget)?,
                4 => function.inputs.push(self.text(cursor, wire, "input")?),
                5 => function.body.outputs.push(self.text(cursor, wire, "output")?),
                7 => {
                    let end = wire.end(cursor, "node")?;
                    function.body.nodes.push(self.node(cursor, end, 1)?);
                }
                10 => domain = wire.text(cursor, "domain", self.budget)?,
                _ => {}
            }
            Ok(())
        })?;
        Ok((self.intern(format!("{domain}:{name}"))?, function))
    }

    /// A set of operators: its domain and version.
    fn operators(&mut self, cursor: &mut Cursor<'a>, end: u64) -> Result<(String, u64)> {
        let (mut domain, mut version) = (String::new(), 0);
        fields(cursor, end, |cursor, field, wire| {
            match field {
                1 => domain = wire.text(cursor, "domain", self.budget)?,
                2 => version = wire.number(cursor, "version")?,
                _ => {}
            }
            Ok(())
        })?;
        Ok((domain, version))
    }

    fn graph(&mut self, cursor: &mut Cursor<'a>, end: u64, depth: u64) -> Result<Graph<'a>> {
        self.budget.depth("ONNX graphs", depth)?;
        let mut graph = Graph::default();
        fields(cursor, end, |cursor, field, wire| {
            match field {
                1 => {
                    let end = wire.end(cursor, "node")?;
                    graph.nodes.push(self.node(cursor, end, depth)?);
                }
                5 => {
                    let end = wire.end(cursor, "initializer")?;
                    let (name, view) = self.tensor(cursor, end)?;
                    let name = self.array(name, &view)?;
                    graph.constants.push((name, view));
                }
                12 => {
                    let end = wire.end(cursor, "output")?;
                    let mut name = String::new();
                    fields(cursor, end, |cursor, field, wire| {
                        if field == 1 {
                            name = wire.text(cursor, "name", self.budget)?;
                        }
                        Ok(())
                    })?;
                    graph.outputs.push(self.intern(name)?);
                }
                _ => {}
            }
            Ok(())
        })?;
        Ok(graph)
    }

    fn node(&mut self, cursor: &mut Cursor<'a>, end: u64, depth: u64) -> Result<Node<'a>> {
        self.budget.tensor("ONNX nodes")?;
        self.budget.bytes("ONNX nodes", size_of::<Node<'_>>() as u64)?;
        let start = cursor.position();
        let (mut operator, mut domain, mut name) = (String::new(), String::new(), String::new());
        let (mut inputs, mut outputs) = (Vec::new(), Vec::new());
        // Attributes are read when the operator is known, which stands behind its inputs, in any order.
        let mut has_attributes = false;
        fields(cursor, end, |cursor, field, wire| {
            match field {
                1 => inputs.push(self.text(cursor, wire, "input")?),
                2 => outputs.push(self.text(cursor, wire, "output")?),
                3 => name = wire.text(cursor, "name", self.budget)?,
                4 => operator = wire.text(cursor, "op_type", self.budget)?,
                5 => has_attributes = true,
                7 => domain = wire.text(cursor, "domain", self.budget)?,
                _ => {}
            }
            Ok(())
        })?;
        let known: &[&'static str] = match domain.as_str() {
            "" | "ai.onnx" => &OPERATORS,
            "com.microsoft" => &MICROSOFT,
            _ => &[],
        };
        let looked_at = known.iter().copied().find(|known| *known == operator);
        let function = match looked_at {
            Some(_) => None,
            None => {
                self.budget.bytes("ONNX names", 1)?;
                Some(self.intern(format!("{domain}:{operator}"))?)
            }
        };
        let operator = looked_at.unwrap_or_default();
        let name = self.intern(name)?;
        let mut attributes = Vec::new();
        if has_attributes {
            cursor.seek(start);
            fields(cursor, end, |cursor, field, wire| {
                if field == 5 {
                    let end = wire.end(cursor, "attribute")?;
                    let attribute = self.attribute(cursor, end, operator.is_empty(), depth)?;
                    self.budget.bytes("ONNX attributes", size_of::<(String, Attribute<'_>)>() as u64)?;
                    attributes.push(attribute);
                }
                Ok(())
            })?;
        }
        if let [output] = outputs.as_slice()
            && operator == "Constant"
        {
            for (_, attribute) in &attributes {
                if let Attribute::Tensor(view) = attribute {
                    self.budget.bytes("ONNX arrays", size_of::<Array<'_>>() as u64)?;
                    self.arrays.push(Array { name: output.to_string(), view: view.clone() });
                }
            }
        }
        Ok(Node { name, function, operator, inputs, outputs, attributes })
    }

    /// An attribute; of an operator that is not looked at, the graphs within alone.
    fn attribute(
        &mut self,
        cursor: &mut Cursor<'a>,
        end: u64,
        is_passed_over: bool,
        depth: u64,
    ) -> Result<(String, Attribute<'a>)> {
        let budget = self.budget;
        let (mut name, mut kind, mut found) = (String::new(), 0, None);
        let (mut many_floats, mut many_ints, mut texts) = (Vec::new(), Vec::new(), Vec::new());
        fields(cursor, end, |cursor, field, wire| {
            match field {
                1 => name = wire.text(cursor, "name", budget)?,
                6 => {
                    let end = wire.end(cursor, "graph")?;
                    found = Some(Attribute::Graph(self.graph(cursor, end, depth.saturating_add(1))?));
                }
                _ if is_passed_over => {}
                2 => found = Some(Attribute::Float(wire.float(cursor, "f")?)),
                3 => found = Some(Attribute::Int(wire.signed(cursor, "i")?)),
                4 => found = Some(Attribute::Text(wire.text(cursor, "s", budget)?)),
                5 => {
                    let end = wire.end(cursor, "t")?;
                    found = Some(Attribute::Tensor(self.tensor(cursor, end)?.1));
                }
                7 => floats(cursor, wire, "floats", budget, &mut many_floats)?,
                8 => numbers(cursor, wire, "ints", budget, &mut many_ints)?,
                9 => {
                    budget.bytes("ONNX attributes", size_of::<String>() as u64)?;
                    texts.push(wire.text(cursor, "strings", budget)?);
                }
                20 => kind = wire.number(cursor, "type")?,
                _ => {}
            }
            Ok(())
        })?;
        let attribute = match (found, kind) {
            _ if !many_floats.is_empty() => Attribute::Floats(many_floats),
            _ if !many_ints.is_empty() => Attribute::Ints(many_ints),
            _ if !texts.is_empty() => Attribute::Texts(texts),
            (Some(found), _) => found,
            // A zero may be left out, and so may empty lists.
            (None, 1) => Attribute::Float(0.0),
            (None, 2) => Attribute::Int(0),
            (None, 3) => Attribute::Text(String::new()),
            (None, 6) => Attribute::Floats(many_floats),
            (None, 7) => Attribute::Ints(many_ints),
            (None, 8) => Attribute::Texts(texts),
            (None, _) => Attribute::Other,
        };
        Ok((name, attribute))
    }

    fn text(&mut self, cursor: &mut Cursor<'a>, wire: Wire, what: &str) -> Result<Name> {
        self.budget.bytes(what, size_of::<Name>() as u64)?;
        let text = wire.text(cursor, what, self.budget)?;
        self.intern(text)
    }

    /// The one copy of a name.
    fn intern(&mut self, name: String) -> Result<Name> {
        // Its bytes were asked for when it was read.
        if let Some(known) = self.names.get(name.as_str()) {
            self.budget.give_back(name.len() as u64);
            return Ok(known.clone());
        }
        self.budget.bytes("ONNX names", size_of::<[Name; 4]>() as u64)?;
        let name = Name::from(name);
        self.names.insert(name.clone());
        Ok(name)
    }

    /// Notes an array, for people to look at.
    fn array(&mut self, name: String, view: &View<'a>) -> Result<Name> {
        self.budget.bytes("ONNX arrays", size_of::<Array<'_>>() as u64)?;
        self.arrays.push(Array { name: name.clone(), view: view.clone() });
        self.intern(name)
    }
}

impl<'a> Node<'a> {
    pub fn attribute(&self, name: &str) -> Option<&Attribute<'a>> {
        self.attributes.iter().find(|(found, _)| found == name).map(|(_, attribute)| attribute)
    }

    /// A whole number; the default of one that is left out.
    pub fn int(&self, name: &str, default: i64) -> Option<i64> {
        match self.attribute(name) {
            Some(Attribute::Int(number)) => Some(*number),
            None => Some(default),
            Some(_) => None,
        }
    }

    pub fn ints(&self, name: &str) -> Option<&[i64]> {
        match self.attribute(name) {
            Some(Attribute::Ints(numbers)) => Some(numbers),
            _ => None,
        }
    }

    /// The graphs of an If, a Loop or a Scan.
    pub fn graphs(&self) -> impl Iterator<Item = (&str, &Graph<'a>)> {
        self.attributes.iter().filter_map(|(name, attribute)| match attribute {
            Attribute::Graph(graph) => Some((name.as_str(), graph)),
            _ => None,
        })
    }

    /// An input that is not left out.
    pub fn input(&self, place: usize) -> Option<&Name> {
        self.inputs.get(place).filter(|name| !name.is_empty())
    }
}
