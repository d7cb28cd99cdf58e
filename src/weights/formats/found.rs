//! A network that was found in a file, and the choice of one.

use super::names::{SEPARATORS, Spelling, group};
use super::{Element, Fault, Recipe, Stated};
use crate::quote::quote;
use crate::weights::infer::infer;
use crate::weights::{TensorKind, TensorName};
use crate::{Config, Error, Float, Result};
use ndarray::{ArrayD, ArrayViewMutD};
use std::collections::BTreeMap;

/// Networks that an error lists.
const LISTED: usize = 8;

/// A tensor that is still elsewhere.
pub(crate) trait Tensor<T> {
    fn shape(&self) -> &[usize];

    /// Refuses numbers of a type that is not read, and logs those that are converted.
    fn check(&self, name: &str) -> Result<()>;

    /// Writes the numbers into an array of the same shape.
    fn write(&self, into: ArrayViewMutD<'_, T>) -> Result<()>;
}

impl<T: Clone> Tensor<T> for ArrayD<T> {
    fn shape(&self) -> &[usize] {
        ArrayD::shape(self)
    }

    fn check(&self, _: &str) -> Result<()> {
        Ok(())
    }

    fn write(&self, mut into: ArrayViewMutD<'_, T>) -> Result<()> {
        into.assign(self);
        Ok(())
    }
}

impl<T: Float> Tensor<T> for Recipe<'_> {
    fn shape(&self) -> &[usize] {
        Recipe::shape(self)
    }

    fn check(&self, name: &str) -> Result<()> {
        for element in self.elements() {
            match element {
                Element::F32 => {}
                Element::Other(found) => {
                    let what = format!("{}: type", quote(name));
                    return Err(Fault::new("array").error(&what, "floats or integers", found));
                }
                other => log::info!("{}: converted from {}", quote(name), other.name()),
            }
        }
        Ok(())
    }

    fn write(&self, into: ArrayViewMutD<'_, T>) -> Result<()> {
        Recipe::write(self, into)
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
    /// True if this network has weights by which it can be told, and not only a bias or a state.
    fn has_weights(&self) -> bool {
        let is_weight = |name: &TensorName| matches!(name.kind, TensorKind::WeightIh | TensorKind::WeightHh);
        self.tensors.keys().any(is_weight)
    }

    /// Cell, layers and sizes in a few words.
    fn describe<T>(&self) -> String
    where
        R: Tensor<T>,
    {
        let name = quote(&self.name);
        match self.config() {
            Ok(config) => {
                let layers = if config.num_layers == 1 { "layer" } else { "layers" };
                let cell = if config.stack.is_empty() { config.cell.name() } else { "stack" };
                let directions = if config.directions.count() == 2 { ", bidirectional" } else { "" };
                let (count, input, hidden) = (config.num_layers, config.input_size, config.hidden_size);
                format!("{name} ({cell}, {count} {layers}{directions}, input {input}, hidden {hidden})")
            }
            Err(_) => format!("{name} (not whole)"),
        }
    }

    /// The network that names, shapes and statements tell; a vanilla RNN's activation may be any.
    pub fn config<T>(&self) -> Result<Config>
    where
        R: Tensor<T>,
    {
        let shapes = self.tensors.iter().map(|(&name, tensor)| (name, tensor.shape().to_vec())).collect();
        infer(&shapes, &self.spelling, &self.stated, true).map(|(config, _)| config)
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
            let plain = name.strip_suffix(SEPARATORS).unwrap_or(name);
            let all = || networks.iter().enumerate();
            let exact: Vec<usize> =
                all().filter(|(_, found)| found.name == plain).map(|(at, _)| at).collect();
            let ending = || all().filter(|(_, found)| ends_with(found, plain)).map(|(at, _)| at).collect();
            if exact.is_empty() && !plain.is_empty() { ending() } else { exact }
        }
    };
    match (matching.as_slice(), name) {
        (&[one], _) => Ok(networks.swap_remove(one)),
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
