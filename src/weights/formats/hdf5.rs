//! HDF5 files, by the crate `hdf5-pure`: texts of attributes, and arrays, whose numbers stay where they are.
//!
//! The crate checks each length against the source before it asks for memory (`benches/record/decisions.md`
//! has the trials). The walk over groups, which may hold each other, and the memory of arrays that are packed
//! are spent from the [`Budget`].

use super::{Array, Budget, Element, Fault, Head, Part, View, count};
use crate::Result;
use crate::quote::{message, quote};
use hdf5_pure::{
    AttrValue, Dataset, Datatype, DatatypeByteOrder, File, FloatingPointLayout, FormatError, Group, Layout,
};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

const FAULT: Fault = Fault::new("HDF5");

/// The first bytes.
const MAGIC: &[u8] = b"\x89HDF\r\n\x1a\n";

/// Bytes of memory for a group or an array, beside its name and texts.
const NODE: u64 = 512;

/// Bytes of a file for a group or an array, at least: its link and its header.
const WRITTEN: u64 = 64;

/// How often the bytes of a file may be read for the texts of one group, and of all groups: many texts may
/// lie in one place.
const ONE: u64 = 2;
const ALL: u64 = 16;

/// Bytes that may be read for texts of any file.
const SMALL: u64 = 1 << 18;

/// The layout of f16, beside those that the crate names.
const BINARY16: FloatingPointLayout = FloatingPointLayout {
    bit_offset: 0,
    bit_precision: 16,
    exponent_location: 10,
    exponent_size: 5,
    mantissa_location: 0,
    mantissa_size: 10,
    exponent_bias: 15,
};

/// The layout of bf16.
const BRAIN16: FloatingPointLayout = FloatingPointLayout {
    bit_offset: 0,
    bit_precision: 16,
    exponent_location: 7,
    exponent_size: 8,
    mantissa_location: 0,
    mantissa_size: 7,
    exponent_bias: 127,
};

pub(super) fn is(head: &Head) -> bool {
    head.starts_with(MAGIC)
}

/// The contents of a file.
pub(super) struct Tree<'a> {
    /// Every array, by its path without a first `/`.
    pub arrays: Vec<Array<'a>>,
    /// The attributes of groups that are texts or lists of texts; the root's path is empty.
    pub texts: BTreeMap<String, BTreeMap<String, Vec<String>>>,
    /// Groups and arrays that may still come. Groups that hold each other have no end.
    left: u64,
    /// Bytes that may still be read for texts.
    texts_left: u64,
    /// Bytes that the crate may read now.
    reads: Arc<AtomicU64>,
}

impl<'a> Tree<'a> {
    pub fn open(part: Part<'a>, budget: &Budget) -> Result<Tree<'a>> {
        let reads = Arc::new(AtomicU64::new(u64::MAX));
        let bytes = Bytes { part: part.lasting("HDF5", budget)?, reads: reads.clone() };
        let file = File::from_source(bytes).map_err(refuse)?;
        // A file that was cut says so before any of its arrays does.
        let end = file.superblock().eof_address;
        if end > part.len() {
            return Err(FAULT.error("length", format!("{end} bytes"), part.len()));
        }
        let (arrays, texts, left) = (Vec::new(), BTreeMap::new(), part.len().div_ceil(WRITTEN));
        let texts_left = part.len().saturating_mul(ALL).saturating_add(SMALL);
        let mut tree = Tree { arrays, texts, left, texts_left, reads };
        tree.walk(&part, &file.root(), String::new(), 1, budget)?;
        Ok(tree)
    }

    /// The first text of an attribute.
    pub fn text(&self, group: &str, attribute: &str) -> Option<&str> {
        self.texts.get(group)?.get(attribute)?.first().map(String::as_str)
    }

    fn walk(
        &mut self,
        part: &Part<'a>,
        group: &Group,
        path: String,
        depth: u64,
        budget: &Budget,
    ) -> Result<()> {
        budget.depth("HDF5", depth)?;
        self.spend(&path, budget)?;
        let mut texts = BTreeMap::new();
        for (name, value) in self.attributes(part, group)? {
            let found: Vec<String> = match (value.as_strings(), value.as_str()) {
                (Some(several), _) => several.to_vec(),
                (None, Some(one)) => vec![one.to_owned()],
                (None, None) => continue,
            };
            let len = found.iter().map(String::len).fold(name.len(), usize::saturating_add);
            budget.bytes("HDF5", (len as u64).saturating_add(NODE))?;
            texts.insert(name, found);
        }
        let within = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}/{name}") };
        for (name, dataset) in group.iter_datasets().map_err(refuse)? {
            let name = within(&name);
            self.spend(&name, budget)?;
            let view = view(part, &name, &dataset, budget)?;
            self.arrays.push(Array { name, view });
        }
        for (name, inner) in group.iter_groups().map_err(refuse)? {
            self.walk(part, &inner, within(&name), depth.saturating_add(1), budget)?;
        }
        self.texts.insert(path, texts);
        Ok(())
    }

    /// The attributes of a group, but for texts that are longer than the file.
    fn attributes(&mut self, part: &Part<'a>, group: &Group) -> Result<HashMap<String, AttrValue>> {
        let most = part.len().saturating_mul(ONE).saturating_add(SMALL).min(self.texts_left);
        self.reads.store(most, Ordering::Relaxed);
        let attributes = group.attrs().map_err(refuse);
        let left = self.reads.swap(u64::MAX, Ordering::Relaxed);
        self.texts_left = self.texts_left.saturating_sub(most.saturating_sub(left));
        attributes
    }

    /// Counts a group or an array.
    fn spend(&mut self, path: &str, budget: &Budget) -> Result<()> {
        let left = self.left.checked_sub(1);
        let found = "groups that hold each other";
        self.left =
            left.ok_or_else(|| FAULT.error("groups", format!("one in {WRITTEN} bytes at most"), found))?;
        budget.tensor("HDF5")?;
        budget.bytes("HDF5", NODE.saturating_add(path.len() as u64))
    }
}

fn refuse(error: impl std::fmt::Display) -> crate::Error {
    FAULT.says(message(&error.to_string()))
}

/// An array: where its numbers lie in the file, or unpacked.
fn view<'a>(part: &Part<'a>, name: &str, dataset: &Dataset, budget: &Budget) -> Result<View<'a>> {
    let axes = dataset.shape().map_err(refuse)?;
    let shape: Option<Vec<usize>> = axes.iter().map(|&axis| usize::try_from(axis).ok()).collect();
    let shape = shape.filter(|shape| count(shape).is_some());
    let shape = shape.ok_or_else(|| FAULT.error(&quote(name), "numbers that can be counted", "more"))?;
    let element = element(&dataset.datatype().map_err(refuse)?);
    let other = |word: String| {
        let element = Element::Other(message(&word).into());
        View::new(element, shape.clone(), Part::whole(Vec::new()))
            .ok_or_else(|| FAULT.error(&quote(name), "an array", &word))
    };
    let Some(size) = element.size() else { return other(element.name().to_owned()) };
    let len = count(&shape).and_then(|count| count.checked_mul(size)).unwrap_or(usize::MAX) as u64;
    let layout = match dataset.layout() {
        Ok(layout) => layout,
        // HDF5 2 has another layout of chunks, which it writes where a program asks for the latest format.
        Err(error) => return other(format!("an array that is not read: {error}")),
    };
    let data = match layout {
        Layout::Contiguous { address: Some(address), size } => part.part(address, size).ok_or_else(|| {
            let (what, end) = (format!("numbers of {}", quote(name)), part.len());
            FAULT.at(address, &what, format!("{size} bytes"), format!("a file of {end}"))
        })?,
        Layout::Contiguous { address: None, .. } => return other("an array without numbers".into()),
        Layout::Virtual => return other("an array of parts of other files".into()),
        packed => {
            let chunk = match packed {
                Layout::Chunked { chunk_shape, .. } => {
                    chunk_shape.iter().copied().fold(size as u64, u64::saturating_mul)
                }
                _ => 0,
            };
            budget.bytes(name, len)?;
            // A chunk is unpacked on its own.
            budget.bytes(name, chunk)?;
            budget.give_back(chunk);
            budget.add_source(len);
            match dataset.read_raw() {
                Ok(bytes) => Part::whole(bytes),
                Err(error) => return other(format!("an array that is not unpacked: {error}")),
            }
        }
    };
    let found = data.len();
    View::new(element, shape, data).ok_or_else(|| FAULT.error(&quote(name), format!("{len} bytes"), found))
}

/// A type of numbers, in the order of bytes that most machines have.
fn element(datatype: &Datatype) -> Element {
    let is_little = |order: &DatatypeByteOrder| *order == DatatypeByteOrder::LittleEndian;
    match datatype {
        Datatype::FloatingPoint { size, byte_order, layout } if is_little(byte_order) => match (size, layout)
        {
            (8, &FloatingPointLayout::IEEE754_BINARY64) => Element::F64,
            (4, &FloatingPointLayout::IEEE754_BINARY32) => Element::F32,
            (2, &BINARY16) => Element::F16,
            (2, &BRAIN16) => Element::BF16,
            _ => Element::Other(format!("a float of {size} bytes").into()),
        },
        Datatype::FixedPoint { size, byte_order, layout }
            if (is_little(byte_order) || *size == 1)
                && layout.bit_offset == 0
                && u32::from(layout.bit_precision) == size.saturating_mul(8) =>
        {
            match (size, layout.signed) {
                (8, true) => Element::I64,
                (4, true) => Element::I32,
                (2, true) => Element::I16,
                (1, true) => Element::I8,
                (8, false) => Element::U64,
                (4, false) => Element::U32,
                (2, false) => Element::U16,
                (1, false) => Element::U8,
                _ => Element::Other(format!("an integer of {size} bytes").into()),
            }
        }
        Datatype::FloatingPoint { .. } | Datatype::FixedPoint { .. } => {
            Element::Other("numbers in another order of bytes or bits".into())
        }
        Datatype::Time { .. } => Element::Other("a time".into()),
        Datatype::String { .. } => Element::Other("a text".into()),
        Datatype::BitField { .. } => Element::Other("a field of bits".into()),
        Datatype::Opaque { .. } => Element::Other("opaque bytes".into()),
        Datatype::Compound { .. } => Element::Other("a compound".into()),
        Datatype::Reference { .. } => Element::Other("a reference".into()),
        Datatype::Enumeration { .. } => Element::Other("an enumeration".into()),
        Datatype::VariableLength { .. } => Element::Other("lists of any length".into()),
        Datatype::Array { .. } => Element::Other("an array of arrays".into()),
        _ => Element::Other("numbers of another kind".into()),
    }
}

/// The bytes of a file, as the crate asks for them.
struct Bytes {
    part: Part<'static>,
    /// Bytes that may still be read.
    reads: Arc<AtomicU64>,
}

impl hdf5_pure::Source for Bytes {
    fn len(&self) -> u64 {
        self.part.len()
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> std::result::Result<(), FormatError> {
        let take = |left: u64| left.checked_sub(into.len() as u64);
        let refuse = |_| FormatError::Source("texts are longer than the file".into());
        self.reads.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take).map_err(refuse)?;
        self.part.read_at(offset, into).map_err(|error| FormatError::Source(error.to_string()))
    }
}
