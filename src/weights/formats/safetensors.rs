//! Safetensors: a header in JSON, then the numbers of all tensors, little-endian and without gaps.

mod header;

use super::{Budget, Cursor, Element, Fault, Head, Limits, Opened, Opening, Part, of_arrays};
use crate::quote::{message, quote};
use crate::weights::metadata;
use crate::{Error, Float, Result};
use ::safetensors::tensor::TensorView;
use ::safetensors::{SafeTensorError, SafeTensors};
use header::{Header, Info};
use ndarray::{ArrayD, ArrayViewD};
use std::collections::BTreeMap;
use std::fmt;

/// The name that the header keeps for its metadata.
const METADATA: &str = "__metadata__";

/// The bytes of the header's length.
const LENGTH: usize = size_of::<u64>();

/// The longest header that the format allows.
const MAX_HEADER: u64 = 100_000_000;

const FAULT: Fault = Fault::new("safetensors");

/// True for a header's length before an object.
pub(super) fn is(head: &Head) -> bool {
    let [length @ .., _, _, _, _, _, _, _, _] = *head;
    u64::from_le_bytes(length) <= MAX_HEADER && head.get(LENGTH) == Some(&b'{')
}

/// Reads the header.
pub(super) fn open<'a>(opening: &Opening<'a, '_>) -> Result<Opened<'a>> {
    let budget = opening.budget;
    let (bytes, data) = cut(&opening.part, budget)?;
    let header = Header::parse(&bytes, data.len(), budget)?;
    let stated = metadata::stated(&header.metadata())?;
    let arrays = header.infos.into_iter().map(|info| info.array(&data));
    of_arrays("safetensors", arrays.collect::<Result<_>>()?, &stated)
}

/// The header's text, and the part behind it.
fn cut<'a>(part: &Part<'a>, budget: &Budget) -> Result<(Vec<u8>, Part<'a>)> {
    let mut cursor = Cursor::new(part.clone(), FAULT);
    let length = cursor.u64("length of the header")?;
    if length > MAX_HEADER {
        return Err(broken(&format!("length of the header: expected at most {MAX_HEADER}, found {length}")));
    }
    let text = cursor.bytes("header", length, budget)?;
    let data = cursor.skip("numbers", cursor.left())?;
    Ok((text, data))
}

fn element_of(dtype: &str) -> Element {
    match dtype {
        "F64" => Element::F64,
        "F32" => Element::F32,
        "F16" => Element::F16,
        "BF16" => Element::BF16,
        "I64" => Element::I64,
        "I32" => Element::I32,
        "I16" => Element::I16,
        "I8" => Element::I8,
        "U64" => Element::U64,
        "U32" => Element::U32,
        "U16" => Element::U16,
        "U8" => Element::U8,
        "BOOL" => Element::Bool,
        other => Element::Other(message(other).into()),
    }
}

/// A file of arrays in memory, whose header is whole and right.
pub(crate) struct Safetensors<B> {
    bytes: B,
    infos: Vec<Info>,
    metadata: Vec<(String, String)>,
    /// The place in `bytes` where the numbers begin.
    data: usize,
}

impl<B> fmt::Debug for Safetensors<B> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.infos.iter().map(|info| &info.name)).finish()
    }
}

impl<B: AsRef<[u8]>> Safetensors<B> {
    pub fn parse(bytes: B) -> Result<Safetensors<B>> {
        let budget = Budget::new(Limits::default(), bytes.as_ref().len() as u64);
        let (text, numbers) = {
            let (text, numbers) = cut(&Part::whole(bytes.as_ref()), &budget)?;
            (text, numbers.len())
        };
        let Header { infos, metadata } = Header::parse(&text, numbers, &budget)?;
        let data = LENGTH.saturating_add(text.len());
        Ok(Safetensors { bytes, infos, metadata, data })
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.infos.iter().map(|info| info.name.as_str())
    }

    /// The header, and its length before it.
    pub fn header(&self) -> &[u8] {
        self.bytes.as_ref().get(..self.data).unwrap_or_default()
    }

    /// The bytes of a tensor's numbers.
    pub fn numbers(&self, name: &str) -> Option<&[u8]> {
        self.tensor(name).map(|(_, numbers)| numbers)
    }

    pub fn metadata(&self) -> BTreeMap<&str, &str> {
        self.metadata.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect()
    }

    pub fn all_f32(&self) -> Result<BTreeMap<String, ArrayD<f32>>> {
        let tensors = self.names().map(|name| Ok((name.to_owned(), self.floats(name)?)));
        tensors.filter_map(|named| named.map(|(name, tensor)| Some((name, tensor?))).transpose()).collect()
    }

    pub fn floats<T: Float>(&self, name: &str) -> Result<Option<ArrayD<T>>> {
        let Some((info, data)) = self.tensor(name) else { return Ok(None) };
        if *info.dtype != *format!("{:?}", T::DTYPE) {
            return Err(expected(&format!("{:?}", T::DTYPE), info));
        }
        shaped(info, T::of_bytes(data)).map(Some)
    }

    pub fn integers(&self, name: &str) -> Result<Option<ArrayD<i64>>> {
        let Some((info, data)) = self.tensor(name) else { return Ok(None) };
        let numbers = integers_of(&info.element, data).ok_or_else(|| expected("integers", info))?;
        shaped(info, numbers).map(Some)
    }

    fn tensor(&self, name: &str) -> Option<(&Info, &[u8])> {
        let place = self.infos.binary_search_by(|info| info.name.as_str().cmp(name)).ok()?;
        let info = self.infos.get(place)?;
        let at = |offset: u64| usize::try_from(offset).ok()?.checked_add(self.data);
        // The header has been held against the length of the file.
        Some((info, self.bytes.as_ref().get(at(info.start)?..at(info.end)?)?))
    }
}

fn expected(what: &str, info: &Info) -> Error {
    FAULT.error(&format!("tensor {}", quote(&info.name)), what, &info.dtype)
}

fn broken(reason: &str) -> Error {
    FAULT.says(format!("not a whole safetensors file: {}", message(reason)))
}

fn shaped<T>(info: &Info, numbers: Vec<T>) -> Result<ArrayD<T>> {
    ArrayD::from_shape_vec(info.shape.as_slice(), numbers)
        .map_err(|error| FAULT.says(format!("tensor {}: {error}", quote(&info.name))))
}

/// None if the type is not one of integers.
fn integers_of(element: &Element, data: &[u8]) -> Option<Vec<i64>> {
    fn numbers<const N: usize, I: num_traits::PrimInt>(
        data: &[u8],
        read: fn([u8; N]) -> I,
    ) -> Option<Vec<i64>> {
        let (numbers, _) = data.as_chunks::<N>();
        Some(numbers.iter().map(|&bytes| read(bytes).to_i64().unwrap_or(i64::MAX)).collect())
    }
    match element {
        Element::I8 => numbers(data, i8::from_le_bytes),
        Element::U8 => numbers(data, u8::from_le_bytes),
        Element::I16 => numbers(data, i16::from_le_bytes),
        Element::U16 => numbers(data, u16::from_le_bytes),
        Element::I32 => numbers(data, i32::from_le_bytes),
        Element::U32 => numbers(data, u32::from_le_bytes),
        Element::I64 => numbers(data, i64::from_le_bytes),
        Element::U64 => numbers(data, u64::from_le_bytes),
        _ => None,
    }
}
/// The bytes of a file.
pub(crate) fn serialize<'a, T: Float>(
    tensors: impl IntoIterator<Item = (String, ArrayViewD<'a, T>)>,
    metadata: &BTreeMap<&str, String>,
) -> Result<Vec<u8>> {
    let mut stored = BTreeMap::new();
    for (name, array) in tensors {
        if name == METADATA {
            let error = format!("tensor {}: expected another name, found the metadata's", quote(&name));
            return Err(FAULT.says(error));
        }
        let mut bytes = Vec::with_capacity(size_of::<T>().saturating_mul(array.len()));
        array.iter().for_each(|number| bytes.extend_from_slice(number.to_le_bytes().as_ref()));
        if stored.contains_key(&name) {
            return Err(Error::DuplicateTensor { name });
        }
        stored.insert(name, (array.shape().to_vec(), bytes));
    }
    let failed =
        |error: SafeTensorError| FAULT.says(format!("cannot be made: {}", message(&error.to_string())));
    let views = stored.iter().map(|(name, (shape, bytes))| {
        TensorView::new(T::DTYPE, shape.clone(), bytes).map(|view| (name.as_str(), view))
    });
    let views: Vec<_> = views.collect::<Result<_, _>>().map_err(failed)?;
    let bytes = safetensors::serialize(views, None).map_err(failed)?;
    if metadata.is_empty() { Ok(bytes) } else { with_metadata(bytes, metadata) }
}

/// Puts metadata into a header that has none, in the order of their keys: the crate writes them in one that
/// changes from run to run.
fn with_metadata(mut bytes: Vec<u8>, metadata: &BTreeMap<&str, String>) -> Result<Vec<u8>> {
    let (length, _) = SafeTensors::read_metadata(&bytes).map_err(|error| broken(&error.to_string()))?;
    let entries = serde_json::to_string(metadata).map_err(|error| broken(&error.to_string()))?;
    let numbers = LENGTH.saturating_add(length);
    // Behind the object's first bracket.
    let old = bytes.get(LENGTH.saturating_add(1)..numbers).unwrap_or_default().trim_ascii_end();
    let comma = if old == b"}" { "" } else { "," };
    let mut header = format!("{{\"{METADATA}\":{entries}{comma}").into_bytes();
    header.extend_from_slice(old);
    // Numbers begin at a multiple of eight bytes.
    header.resize(header.len().next_multiple_of(LENGTH), b' ');
    let new_length = (header.len() as u64).to_le_bytes();
    bytes.splice(..numbers, new_length.into_iter().chain(header));
    Ok(bytes)
}
