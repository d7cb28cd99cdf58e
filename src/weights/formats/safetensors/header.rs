//! The header of a safetensors file: JSON, read in one pass.

use super::super::{Array, Budget, Element, Part, View, count};
use super::{METADATA, broken, element_of};
use crate::quote::quote;
use crate::{Error, Result};
use serde::Deserialize;
use serde::de::{DeserializeSeed, Deserializer, MapAccess, Visitor};
use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

/// The header of a whole file.
pub(super) struct Header {
    pub infos: Vec<Info>,
    pub metadata: Vec<(String, String)>,
}

/// An entry of the header.
pub(super) struct Info {
    pub name: String,
    pub element: Element,
    /// The type under the format's own name.
    pub dtype: Box<str>,
    pub shape: Vec<usize>,
    pub start: u64,
    pub end: u64,
}

impl Info {
    /// The array, of a header that was held against the data.
    pub fn array<'a>(self, data: &Part<'a>) -> Result<Array<'a>> {
        let Info { name, element, shape, start, end, .. } = self;
        let part = data.part(start, end.saturating_sub(start));
        match part.and_then(|part| View::new(element, shape, part)) {
            Some(view) => Ok(Array { name, view }),
            None => Err(broken(&format!("offsets of tensor {}", quote(&name)))),
        }
    }
}

impl Header {
    /// Reads a header and holds it against the bytes behind it: every tensor is as long as its shape, and one
    /// follows the other without a gap.
    pub fn parse(text: &[u8], data: u64, budget: &Budget) -> Result<Header> {
        let mut reader = serde_json::Deserializer::from_slice(text);
        let mut error = Kept::default();
        let seed = HeaderSeed { budget, error: &mut error };
        let read = seed.deserialize(&mut reader).and_then(|header| reader.end().map(|()| header));
        if let Some(error) = error.0 {
            return Err(error);
        }
        let mut header = read.map_err(|error| broken(&error.to_string()))?;
        header.infos.sort_by(|a, b| (a.start, a.end, &a.name).cmp(&(b.start, b.end, &b.name)));
        let mut end = 0;
        for info in &header.infos {
            if info.start != end || info.end < info.start {
                let found = format!("{} to {}", info.start, info.end);
                let name = quote(&info.name);
                return Err(broken(&format!(
                    "offsets of tensor {name}: expected a start at {end}, found {found}"
                )));
            }
            let bytes = info.element.size().and_then(|size| count(&info.shape)?.checked_mul(size));
            let found = info.end.saturating_sub(info.start);
            let is_as_long =
                bytes.map_or(matches!(info.element, Element::Other(_)), |bytes| bytes as u64 == found);
            if !is_as_long {
                let (name, shape) = (quote(&info.name), crate::quote::shape(&info.shape));
                let expected = format!("as many bytes as {} of shape {shape} have", info.dtype);
                return Err(broken(&format!("offsets of tensor {name}: expected {expected}, found {found}")));
            }
            end = info.end;
        }
        if end != data {
            return Err(broken(&format!("numbers of all tensors: expected {end} bytes, found {data}")));
        }
        header.infos.sort_by(|a, b| a.name.cmp(&b.name));
        Ok(header)
    }

    pub fn metadata(&self) -> BTreeMap<&str, &str> {
        self.metadata.iter().map(|(key, value)| (key.as_str(), value.as_str())).collect()
    }
}

/// Reads a header's object in one pass, and refuses names that are there twice.
struct HeaderSeed<'b> {
    budget: &'b Budget,
    error: &'b mut Kept,
}

/// An error that is not JSON's.
#[derive(Default)]
struct Kept(Option<Error>);

impl Kept {
    /// Stops the reader of JSON at an error.
    fn keep<E: serde::de::Error>(&mut self, result: Result<()>) -> Result<(), E> {
        result.map_err(|error| {
            self.0 = Some(error);
            E::custom("an error that is kept")
        })
    }
}

impl<'de> DeserializeSeed<'de> for HeaderSeed<'_> {
    type Value = Header;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Header, D::Error> {
        deserializer.deserialize_map(self)
    }
}

/// An entry of the header as JSON has it.
#[derive(Deserialize)]
struct Entry {
    dtype: Box<str>,
    shape: Vec<usize>,
    data_offsets: (u64, u64),
}

impl<'de> Visitor<'de> for HeaderSeed<'_> {
    type Value = Header;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
        let mut header = Header { infos: Vec::new(), metadata: Vec::new() };
        let mut has_metadata = false;
        while let Some(name) = map.next_key::<String>()? {
            self.error.keep(self.budget.tensor("safetensors"))?;
            if name == METADATA && !has_metadata {
                has_metadata = true;
                header.metadata = map.next_value_seed(Entries { budget: self.budget, error: self.error })?;
                continue;
            }
            let Entry { dtype, shape, data_offsets: (start, end) } = map.next_value()?;
            let memory = size_of::<Info>().saturating_add(size_of_val(shape.as_slice()));
            self.error.keep(self.budget.bytes("header", memory.saturating_add(name.len()) as u64))?;
            header.infos.push(Info { name, element: element_of(&dtype), dtype, shape, start, end });
        }
        let names: BTreeSet<&str> = header.infos.iter().map(|info| info.name.as_str()).collect();
        if names.len() < header.infos.len() || names.contains(METADATA) {
            let mut seen = BTreeSet::new();
            let name = header.infos.iter().find(|info| !seen.insert(&info.name) || info.name == METADATA);
            let name = name.map(|info| info.name.clone()).unwrap_or_default();
            self.error.0 = Some(Error::DuplicateTensor { name });
        }
        let mut keys = BTreeSet::new();
        if let Some((key, _)) = header.metadata.iter().find(|(key, _)| !keys.insert(key)) {
            let (expected, found) = ("one entry".into(), "two".into());
            self.error.0 = Some(Error::Metadata { key: key.clone(), expected, found });
        }
        Ok(header)
    }
}

/// Reads a JSON object of texts with every entry that it has, also those of one key.
struct Entries<'b> {
    budget: &'b Budget,
    error: &'b mut Kept,
}

impl<'de> DeserializeSeed<'de> for Entries<'_> {
    type Value = Vec<(String, String)>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Entries<'_> {
    type Value = Vec<(String, String)>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object of texts")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut entries = Vec::new();
        while let Some((key, value)) = map.next_entry::<String, String>()? {
            let texts = key.len().saturating_add(value.len());
            let memory = size_of::<(String, String)>().saturating_add(texts);
            self.error.keep(self.budget.bytes("metadata", memory as u64))?;
            entries.push((key, value));
        }
        Ok(entries)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(Vec::new())
    }
}
