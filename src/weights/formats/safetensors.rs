//! Safetensors: a header in JSON, then the numbers of all tensors, little-endian and without gaps.

use crate::quote::{message, quote};
use crate::{Error, Float, Result};
use ndarray::{ArrayD, ArrayViewD};
use num_traits::PrimInt;
use safetensors::tensor::{Metadata, TensorInfo, TensorView};
use safetensors::{Dtype, SafeTensorError, SafeTensors};
use serde::de::{Deserialize, Deserializer, IgnoredAny, MapAccess, Visitor};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::marker::PhantomData;

/// The name that the header keeps for its metadata.
const METADATA: &str = "__metadata__";

/// The bytes of the header's length.
const LENGTH: usize = size_of::<u64>();

/// A file whose header is whole and right.
#[derive(Debug)]
pub(crate) struct Safetensors<B> {
    bytes: B,
    header: Metadata,
    names: Vec<String>,
    /// The place in `bytes` where the numbers begin.
    data: usize,
}

impl<B: AsRef<[u8]>> Safetensors<B> {
    pub fn parse(bytes: B) -> Result<Safetensors<B>> {
        let (length, header) = SafeTensors::read_metadata(bytes.as_ref()).map_err(broken)?;
        let data = LENGTH + length;
        check_duplicates(&bytes.as_ref()[LENGTH..data])?;
        let mut names = header.offset_keys();
        names.sort_unstable();
        Ok(Safetensors { bytes, header, names, data })
    }

    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.names.iter().map(String::as_str)
    }

    /// The header, and its length before it.
    pub fn header(&self) -> &[u8] {
        &self.bytes.as_ref()[..self.data]
    }

    /// The bytes of a tensor's numbers.
    pub fn numbers(&self, name: &str) -> Option<&[u8]> {
        self.tensor(name).map(|(_, numbers)| numbers)
    }

    pub fn metadata(&self) -> BTreeMap<&str, &str> {
        let all = self.header.metadata().iter().flatten();
        all.map(|(key, value)| (key.as_str(), value.as_str())).collect()
    }

    pub fn all_f32(&self) -> Result<BTreeMap<String, ArrayD<f32>>> {
        let tensors = self.names().map(|name| Ok((name.to_owned(), self.floats(name)?)));
        tensors.filter_map(|named| named.map(|(name, tensor)| Some((name, tensor?))).transpose()).collect()
    }

    pub fn floats<T: Float>(&self, name: &str) -> Result<Option<ArrayD<T>>> {
        let Some((info, data)) = self.tensor(name) else { return Ok(None) };
        if info.dtype != T::DTYPE {
            return Err(expected(&format!("{:?}", T::DTYPE), name, info));
        }
        shaped(name, info, T::of_bytes(data)).map(Some)
    }

    pub fn integers(&self, name: &str) -> Result<Option<ArrayD<i64>>> {
        let Some((info, data)) = self.tensor(name) else { return Ok(None) };
        let numbers = integers_of(info.dtype, data).ok_or_else(|| expected("integers", name, info))?;
        shaped(name, info, numbers).map(Some)
    }

    fn tensor(&self, name: &str) -> Option<(&TensorInfo, &[u8])> {
        let info = self.header.info(name)?;
        let (start, end) = info.data_offsets;
        // The header has been held against the length of the file.
        Some((info, &self.bytes.as_ref()[self.data + start..self.data + end]))
    }
}

fn expected(what: &str, name: &str, info: &TensorInfo) -> Error {
    Error::Safetensors(format!("tensor {}: expected {what}, found {:?}", quote(name), info.dtype))
}

fn broken(error: SafeTensorError) -> Error {
    Error::Safetensors(format!("not a whole safetensors file: {}", message(&error.to_string())))
}

fn shaped<T>(name: &str, info: &TensorInfo, numbers: Vec<T>) -> Result<ArrayD<T>> {
    ArrayD::from_shape_vec(info.shape.as_slice(), numbers)
        .map_err(|error| Error::Safetensors(format!("tensor {}: {error}", quote(name))))
}

/// None if the dtype is one of floats.
fn integers_of(dtype: Dtype, data: &[u8]) -> Option<Vec<i64>> {
    fn numbers<const N: usize, I: PrimInt>(data: &[u8], read: fn([u8; N]) -> I) -> Option<Vec<i64>> {
        let (numbers, _) = data.as_chunks::<N>();
        Some(numbers.iter().map(|&bytes| read(bytes).to_i64().unwrap_or(i64::MAX)).collect())
    }
    match dtype {
        Dtype::I8 => numbers(data, i8::from_le_bytes),
        Dtype::U8 => numbers(data, u8::from_le_bytes),
        Dtype::I16 => numbers(data, i16::from_le_bytes),
        Dtype::U16 => numbers(data, u16::from_le_bytes),
        Dtype::I32 => numbers(data, i32::from_le_bytes),
        Dtype::U32 => numbers(data, u32::from_le_bytes),
        Dtype::I64 => numbers(data, i64::from_le_bytes),
        Dtype::U64 => numbers(data, u64::from_le_bytes),
        _ => None,
    }
}

/// A JSON object with every entry that it has, also those of one key.
struct Entries<V>(Vec<(String, V)>);

impl<'de, V: Deserialize<'de>> Deserialize<'de> for Entries<V> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntriesVisitor<V>(PhantomData<V>);
        impl<'de, V: Deserialize<'de>> Visitor<'de> for EntriesVisitor<V> {
            type Value = Entries<V>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<V>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }
        deserializer.deserialize_map(EntriesVisitor(PhantomData))
    }
}

/// Refuses a header with two entries of one key, of which the crate's reader keeps the last.
fn check_duplicates(header: &[u8]) -> Result<()> {
    let header: Entries<Entries<IgnoredAny>> =
        serde_json::from_slice(header).map_err(|error| broken(error.into()))?;
    if let Some(name) = twice(header.0.iter().map(|(name, _)| name)) {
        return Err(Error::DuplicateTensor { name: name.clone() });
    }
    let metadata = header.0.iter().filter(|(name, _)| name == METADATA);
    let mut keys = metadata.map(|(_, entries)| entries.0.iter().map(|(key, _)| key));
    match keys.find_map(twice) {
        Some(key) => {
            Err(Error::Metadata { key: key.clone(), expected: "one entry".into(), found: "two".into() })
        }
        None => Ok(()),
    }
}

/// The first name that has been seen before.
fn twice<'a>(mut names: impl Iterator<Item = &'a String>) -> Option<&'a String> {
    let mut seen = BTreeSet::new();
    names.find(|name| !seen.insert(*name))
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
            return Err(Error::Safetensors(error));
        }
        let mut bytes = Vec::with_capacity(array.len() * size_of::<T>());
        array.iter().for_each(|number| bytes.extend_from_slice(number.to_le_bytes().as_ref()));
        if stored.contains_key(&name) {
            return Err(Error::DuplicateTensor { name });
        }
        stored.insert(name, (array.shape().to_vec(), bytes));
    }
    let failed = |error: SafeTensorError| {
        Error::Safetensors(format!("cannot be made: {}", message(&error.to_string())))
    };
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
    let (length, _) = SafeTensors::read_metadata(&bytes).map_err(broken)?;
    let entries = serde_json::to_string(metadata).map_err(|error| broken(error.into()))?;
    let old = bytes[LENGTH + 1..LENGTH + length].trim_ascii_end();
    let comma = if old == b"}" { "" } else { "," };
    let mut header = format!("{{\"{METADATA}\":{entries}{comma}").into_bytes();
    header.extend_from_slice(old);
    // Numbers begin at a multiple of eight bytes.
    header.resize(header.len().next_multiple_of(LENGTH), b' ');
    let new_length = (header.len() as u64).to_le_bytes();
    bytes.splice(..LENGTH + length, new_length.into_iter().chain(header));
    Ok(bytes)
}
