//! A network that was found in a file, and the choice of one.

use super::names::{Form, SEPARATORS, Spelling, group};
use super::{Element, Fault, Recipe, Stated, count};
use crate::quote::{self, quote};
use crate::weights::infer::infer;
use crate::weights::{Table, TensorKind, TensorName};
use crate::{Config, Error, Float, Result};
use ndarray::{ArrayD, ArrayViewD, ArrayViewMutD};
use std::collections::{BTreeMap, BTreeSet};

/// Networks that an error lists.
const LISTED: usize = 8;

/// A tensor that is still elsewhere.
pub(crate) trait Tensor<T>: Sized {
    fn shape(&self) -> &[usize];

    /// The types of the numbers that the tensor is made from, where they are elsewhere.
    fn elements(&self) -> Vec<&Element>;

    /// Some numbers of a vector, as a tensor of this shape; none if they are not all there.
    fn cut(&self, start: usize, shape: &[usize]) -> Option<Self>;

    /// Writes the numbers into an array of the same shape.
    fn write(&self, into: ArrayViewMutD<'_, T>) -> Result<()>;

    /// A finite number that became an infinite one of these, if there is one.
    fn lost(&self, into: ArrayViewD<'_, T>) -> Result<Option<f64>>;
}

impl<T: Clone> Tensor<T> for ArrayD<T> {
    fn shape(&self) -> &[usize] {
        ArrayD::shape(self)
    }

    fn elements(&self) -> Vec<&Element> {
        Vec::new()
    }

    fn cut(&self, start: usize, shape: &[usize]) -> Option<ArrayD<T>> {
        let end = start.checked_add(count(shape)?)?;
        let numbers = self.as_slice()?.get(start..end)?;
        ArrayD::from_shape_vec(shape, numbers.to_vec()).ok()
    }

    fn write(&self, mut into: ArrayViewMutD<'_, T>) -> Result<()> {
        into.assign(self);
        Ok(())
    }

    fn lost(&self, _: ArrayViewD<'_, T>) -> Result<Option<f64>> {
        Ok(None)
    }
}

impl<T: Float> Tensor<T> for Recipe<'_> {
    fn shape(&self) -> &[usize] {
        Recipe::shape(self)
    }

    fn elements(&self) -> Vec<&Element> {
        Recipe::elements(self)
    }

    fn cut(&self, start: usize, shape: &[usize]) -> Option<Self> {
        self.slice(0, start..start.checked_add(count(shape)?)?)?.reshape(shape)
    }

    fn write(&self, into: ArrayViewMutD<'_, T>) -> Result<()> {
        Recipe::write(self, into)
    }

    fn lost(&self, into: ArrayViewD<'_, T>) -> Result<Option<f64>> {
        // f64 is the one type with larger numbers than f32.
        let is_f64 = |element: &Element| *element == Element::F64;
        if !self.elements().into_iter().any(is_f64) || !into.iter().any(|number| number.is_infinite()) {
            return Ok(None);
        }
        let exact = self.read::<f64>()?;
        let mut pairs = into.iter().zip(&exact);
        Ok(pairs.find(|(number, exact)| number.is_infinite() && exact.is_finite()).map(|(_, &exact)| exact))
    }
}

/// A network in a file.
#[derive(Clone, Debug)]
pub(crate) struct Found<R> {
    /// Its name: a module path, a node's, a layer's or a block's; empty at the root.
    pub name: String,
    pub spelling: Spelling,
    pub tensors: BTreeMap<TensorName, R>,
    pub stated: Stated,
}

/// The networks of arrays by their names, in PyTorch's or Gluon's schemes, and the names of other arrays.
pub(crate) fn by_names<R>(arrays: Vec<(String, R)>, stated: &Stated) -> Result<(Vec<Found<R>>, Vec<String>)> {
    let (groups, others) = group(arrays.iter().map(|(name, _)| name.as_str()))?;
    let others = others.into_iter().filter_map(|place| arrays.get(place)).map(|(name, _)| name.clone());
    let others = others.collect();
    let mut arrays: Vec<Option<R>> = arrays.into_iter().map(|(_, array)| Some(array)).collect();
    let networks = groups.into_iter().map(|(spelling, places)| {
        let tensors = places.into_iter().filter_map(|(name, place)| {
            // Each place is of one tensor of one network.
            Some((name, arrays.get_mut(place)?.take()?))
        });
        let (name, tensors) = (spelling.network().to_owned(), tensors.collect());
        Found { name, spelling, tensors, stated: stated.clone() }
    });
    Ok((networks.collect(), others))
}

impl<R> Found<R> {
    /// True if this network has weights by which it can be told, and not only a bias or a state; or if its
    /// file says why it is refused.
    fn has_weights(&self) -> bool {
        let is_weight = |name: &TensorName| matches!(name.kind, TensorKind::WeightIh | TensorKind::WeightHh);
        self.stated.fault.is_some() || self.tensors.keys().any(is_weight)
    }

    /// Refuses a network of more numbers than these.
    pub fn limit<T>(&mut self, most: u64)
    where
        R: Tensor<T>,
    {
        let counts = self.tensors.values().map(|tensor| count(tensor.shape()).unwrap_or(usize::MAX) as u64);
        let found = counts.fold(0, u64::saturating_add);
        if found > most {
            let expected = format!("at most {most} numbers, about one for each byte of the file");
            let reason =
                format!("weights of network {}: expected {expected}, found {found}", quote(&self.name));
            self.stated.fault.get_or_insert((Fault::new("file"), reason));
        }
    }

    /// The network with its tensors apart, where the file has all of them in one vector: first the weights of
    /// all layers and directions, then the biases.
    pub fn apart<T>(mut self, table: &Table) -> Result<Found<R>>
    where
        R: Tensor<T>,
    {
        if self.spelling.form != Form::GluonFlat {
            return Ok(self);
        }
        let Some((name, vector)) = self.tensors.pop_first() else { return Ok(self) };
        let mut start = 0_usize;
        for is_bias in [false, true] {
            for entry in table.entries.iter().filter(|entry| entry.name.kind.is_bias() == is_bias) {
                if let Some(tensor) = vector.cut(start, &entry.shape) {
                    self.tensors.insert(entry.name, tensor);
                }
                start = start.saturating_add(entry.len());
            }
        }
        if vector.shape() == [start] {
            return Ok(self);
        }
        let (name, expected) = (self.spelling.of(name), format!("[{start}]"));
        Err(Error::Shape { name, expected, found: vector.shape().to_vec() })
    }

    /// Checks that the tensors are those of a table: every tensor, no other tensor, all in their shapes, of
    /// numbers that are read.
    pub fn check<T>(&self, table: &Table) -> Result<()>
    where
        R: Tensor<T>,
    {
        // Missing tensors are found first: a file's names alone may promise a huge network.
        if let Some(entry) = table.entries.iter().find(|entry| !self.tensors.contains_key(&entry.name)) {
            let (name, expected) = (self.spelling.of(entry.name), format!("{:?}", entry.shape));
            return Err(Error::MissingTensor { name, expected });
        }
        for entry in &table.entries {
            let found = self.tensors.get(&entry.name).map_or(&[][..], |tensor| tensor.shape());
            if found != entry.shape {
                let (name, expected) = (self.spelling.of(entry.name), format!("{:?}", entry.shape));
                return Err(Error::Shape { name, expected, found: found.to_vec() });
            }
        }
        if self.tensors.len() > table.entries.len() {
            let known: BTreeSet<TensorName> = table.entries.iter().map(|entry| entry.name).collect();
            let other = self.tensors.keys().find(|name| !known.contains(name));
            let name = other.map(|&name| self.spelling.of(name)).unwrap_or_default();
            return Err(Error::UnusedTensor { name });
        }
        for (&name, tensor) in &self.tensors {
            let other = |element: &&Element| matches!(element, Element::Other(_));
            if let Some(found) = tensor.elements().into_iter().find(other) {
                let what = format!("{}: type", quote(&self.spelling.of(name)));
                return Err(Fault::new("array").error(&what, "floats or integers", found.name()));
            }
        }
        Ok(())
    }

    /// Logs the types of numbers that are converted.
    pub fn log<T>(&self)
    where
        R: Tensor<T>,
    {
        let elements = self.tensors.values().flat_map(|tensor| tensor.elements());
        let names: BTreeSet<&str> =
            elements.filter(|element| **element != Element::F32).map(Element::name).collect();
        if !names.is_empty() {
            let names = names.into_iter().collect::<Vec<_>>().join(", ");
            log::info!("network {}: weights are converted from {names}", quote(&self.name));
        }
        for note in &self.stated.notes {
            log::info!("network {}: {note}", quote(&self.name));
        }
    }

    /// Cell, layers and sizes in a few words.
    fn describe<T>(&self) -> String
    where
        R: Tensor<T>,
    {
        let name = quote(&self.name);
        if self.spelling.form == Form::GluonFlat {
            return format!("{name} (all weights in one vector)");
        }
        match self.config(false) {
            Ok((config, is_known)) => {
                let layers = if config.num_layers == 1 { "layer" } else { "layers" };
                let cell = match () {
                    () if !config.stack.is_empty() => "stack",
                    () if !is_known => "rnn",
                    () => config.cell.name(),
                };
                let directions = if config.directions.count() == 2 { ", bidirectional" } else { "" };
                let (count, input, hidden) = (config.num_layers, config.input_size, config.hidden_size);
                format!("{name} ({cell}, {count} {layers}{directions}, input {input}, hidden {hidden})")
            }
            Err(_) if self.stated.fault.is_some() => format!("{name} (refused)"),
            Err(_) => format!("{name} (not whole)"),
        }
    }

    /// The network that names, shapes and statements tell, and whether its activations are known.
    pub fn config<T>(&self, activation_is_given: bool) -> Result<(Config, bool)>
    where
        R: Tensor<T>,
    {
        self.stated.check_fault()?;
        if self.spelling.form == Form::GluonFlat {
            let numbers =
                self.tensors.values().map(|tensor| quote::shape(tensor.shape())).collect::<String>();
            let expected = "cell, sizes, layers and directions beside one vector of all weights".into();
            return Err(Error::Setting {
                name: "config",
                expected,
                found: format!("the vector alone, {numbers}"),
            });
        }
        let shapes = self.tensors.iter().map(|(&name, tensor)| (name, tensor.shape().to_vec())).collect();
        infer(&shapes, &self.spelling, &self.stated, activation_is_given)
    }
}

/// The network that is meant: the only one, or the one of this name. An exact name comes first, then a unique
/// ending of whole segments.
pub(crate) fn pick<T, R: Tensor<T>>(mut networks: Vec<Found<R>>, name: Option<&str>) -> Result<Found<R>> {
    if networks.iter().any(Found::has_weights) {
        networks.retain(Found::has_weights);
    }
    let list = |networks: &[Found<R>]| {
        let listed = networks.iter().take(LISTED).map(Found::describe).collect::<Vec<_>>().join(", ");
        let more = networks.len().saturating_sub(LISTED);
        if more > 0 { format!("{listed} and {more} more") } else { listed }
    };
    let matching: Vec<usize> = match name {
        None => (0..networks.len()).collect(),
        Some(name) => {
            let all = || networks.iter().enumerate();
            let named = |name: &str| -> Vec<usize> {
                all().filter(|(_, found)| found.name == name).map(|(at, _)| at).collect()
            };
            let mut plain = name;
            let mut exact = named(plain);
            if exact.is_empty() {
                // The separator of a prefix may be there or not.
                plain = name.strip_suffix(SEPARATORS).unwrap_or(name);
                exact = named(plain);
            }
            let ending = || all().filter(|(_, found)| ends_with(found, plain)).map(|(at, _)| at).collect();
            if exact.is_empty() && !plain.is_empty() { ending() } else { exact }
        }
    };
    match (matching.as_slice(), name) {
        (&[one], _) => {
            let found = networks.swap_remove(one);
            found.stated.check_fault()?;
            Ok(found)
        }
        ([], Some(name)) if !networks.is_empty() => {
            Err(Error::NoNetwork { expected: format!("the network {}", quote(name)), found: list(&networks) })
        }
        ([], _) => Err(Error::NoNetwork { expected: "a recurrent network".into(), found: "none".into() }),
        (several, _) => {
            let mut at = 0_usize;
            networks.retain(|_| {
                let is_one = several.contains(&at);
                at = at.saturating_add(1);
                is_one
            });
            Err(Error::SeveralNetworks { found: list(&networks) })
        }
    }
}

/// True for a name that ends with these segments.
fn ends_with<R>(found: &Found<R>, ending: &str) -> bool {
    let Some(before) = found.name.strip_suffix(ending) else { return false };
    // The segments of a Gluon block's prefix are parted by underscores.
    let separators: &[char] =
        if found.spelling.prefix.ends_with('_') { &SEPARATORS } else { &['.', '/', ':'] };
    before.ends_with(separators)
}
