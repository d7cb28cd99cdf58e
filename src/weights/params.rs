//! The flat parameters: every tensor of a network in one array, in PyTorch's order.

use super::{Naming, TensorKind, TensorName};
use crate::network::Network;
use crate::{Result, memory};
use ndarray::{ArrayView1, ArrayView2, ArrayViewD, ArrayViewMutD, Ix1, Ix2};
use std::{ops::Range, sync::Arc};

/// Numbers that a tensor begins at a multiple of: 256 bytes of f32, the largest alignment that WebGPU asks
/// for.
const ALIGNMENT: usize = 64;

/// The place of one tensor.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Entry {
    pub name: TensorName,
    pub shape: Vec<usize>,
    /// The first number.
    pub offset: usize,
}

impl Entry {
    pub fn len(&self) -> usize {
        self.shape.iter().product()
    }

    pub fn range(&self) -> Range<usize> {
        self.offset..self.offset + self.len()
    }
}

/// The places of all tensors of a network.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Table {
    pub entries: Vec<Entry>,
    /// The entries of each slot.
    slots: Vec<Range<usize>>,
    /// Numbers of all, gaps included.
    pub len: usize,
}

impl Table {
    /// The table of a network whose input size is known.
    pub fn of(network: &Network) -> Table {
        let mut table = Table { entries: Vec::new(), slots: Vec::new(), len: 0 };
        for slot in &network.slots {
            let first = table.entries.len();
            for kind in TensorKind::of(slot) {
                let name = TensorName { layer: slot.layer, direction: slot.direction, kind };
                let entry = Entry { name, shape: kind.shape(slot), offset: table.len };
                // A network was found to have numbers that can be counted.
                table.len = (table.len + entry.len()).next_multiple_of(ALIGNMENT);
                table.entries.push(entry);
            }
            table.slots.push(first..table.entries.len());
        }
        table
    }

    /// The tensors of a slot.
    pub fn slot(&self, slot: usize) -> &[Entry] {
        &self.entries[self.slots[slot].clone()]
    }

    /// The tensor of a slot, if the slot has one of this kind.
    pub fn entry(&self, slot: usize, kind: TensorKind) -> Option<&Entry> {
        self.slot(slot).iter().find(|entry| entry.name.kind == kind)
    }
}

/// The numbers of all tensors of a network; the gaps between tensors are zero.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Params<T> {
    pub table: Arc<Table>,
    pub numbers: Vec<T>,
}

impl<T: Clone + num_traits::Zero> Params<T> {
    /// All zero.
    pub fn zeros(network: &Network) -> Result<Params<T>> {
        let table = Table::of(network);
        memory::check::<T>(|| "the weights of the network".into(), &[table.len])?;
        let numbers = vec![T::zero(); table.len];
        Ok(Params { table: Arc::new(table), numbers })
    }
}

impl<T> Params<T> {
    /// Every tensor with its name, in PyTorch's order.
    pub fn tensors(&self, naming: Naming) -> impl Iterator<Item = (String, ArrayViewD<'_, T>)> {
        self.table.entries.iter().map(move |entry| (entry.name.format(naming), self.view(entry)))
    }

    /// One tensor by its name in either scheme.
    pub fn by_name(&self, name: &str) -> Option<ArrayViewD<'_, T>> {
        let (naming, _) = TensorName::parse(name)?;
        self.tensors(naming).find(|(found, _)| found == name).map(|(_, tensor)| tensor)
    }

    /// The same places with other numbers.
    pub fn map<U>(&self, map: impl FnMut(&T) -> U) -> Params<U> {
        Params { table: self.table.clone(), numbers: self.numbers.iter().map(map).collect() }
    }

    pub fn tensor(&self, slot: usize, kind: TensorKind) -> Option<ArrayViewD<'_, T>> {
        self.table.entry(slot, kind).map(|entry| self.view(entry))
    }

    pub fn view(&self, entry: &Entry) -> ArrayViewD<'_, T> {
        let numbers = &self.numbers[entry.range()];
        ArrayViewD::from_shape(entry.shape.as_slice(), numbers).expect("an entry is as long as its shape")
    }

    pub fn view_mut<'a>(numbers: &'a mut [T], entry: &Entry) -> ArrayViewMutD<'a, T> {
        let numbers = &mut numbers[entry.range()];
        ArrayViewMutD::from_shape(entry.shape.as_slice(), numbers).expect("an entry is as long as its shape")
    }
}

/// The weights of one layer and direction.
#[derive(Clone, Copy, Debug)]
pub struct SlotWeights<'a, T = f32> {
    params: &'a Params<T>,
    slot: usize,
}

impl<'a, T> SlotWeights<'a, T> {
    pub(super) fn new(params: &'a Params<T>, slot: usize) -> SlotWeights<'a, T> {
        SlotWeights { params, slot }
    }

    /// `[G*H, I]` (`[G*H, D*H]` above the first layer), a row block a gate.
    pub fn weight_ih(&self) -> ArrayView2<'a, T> {
        // Every slot has both.
        self.matrix(TensorKind::WeightIh).expect("every slot has weight_ih")
    }

    /// `[G*H, H]`; `[G*H, P]` with a projection.
    pub fn weight_hh(&self) -> ArrayView2<'a, T> {
        self.matrix(TensorKind::WeightHh).expect("every slot has weight_hh")
    }

    /// `[G*H]`, unless the network has no biases.
    pub fn bias_ih(&self) -> Option<ArrayView1<'a, T>> {
        self.vector(TensorKind::BiasIh)
    }

    /// `[G*H]`, unless the network has no biases.
    pub fn bias_hh(&self) -> Option<ArrayView1<'a, T>> {
        self.vector(TensorKind::BiasHh)
    }

    pub(crate) fn matrix(&self, kind: TensorKind) -> Option<ArrayView2<'a, T>> {
        let view = self.params.tensor(self.slot, kind)?;
        Some(view.into_dimensionality::<Ix2>().expect("this kind is a matrix"))
    }

    pub(crate) fn vector(&self, kind: TensorKind) -> Option<ArrayView1<'a, T>> {
        let view = self.params.tensor(self.slot, kind)?;
        Some(view.into_dimensionality::<Ix1>().expect("this kind is a vector"))
    }
}
