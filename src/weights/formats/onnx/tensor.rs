//! Arrays of ONNX: a shape, a type, and numbers in one of several fields, or in a file beside.

use super::super::{Cursor, Element, Part, View, count};
use super::FAULT;
use super::model::Reader;
use super::shapes::MAX_AXES;
use super::wire::{Wire, fields, number};
use crate::Result;
use crate::quote::{quote, shape};
use std::ops::Range;

/// Numbers that are not in the field of raw bytes, but in a field of their type.
#[derive(Default)]
struct Typed {
    /// Packed numbers, by the places of their bytes.
    packed: Vec<Range<u64>>,
    /// Numbers one a field.
    single: Vec<Wire>,
}

/// The place of numbers in a file beside.
#[derive(Default)]
struct External {
    location: String,
    offset: u64,
    length: Option<u64>,
}

/// The fields of a tensor.
const DIMS: u64 = 1;
const DATA_TYPE: u64 = 2;
const SEGMENT: u64 = 3;
const FLOAT_DATA: u64 = 4;
const INT32_DATA: u64 = 5;
const INT64_DATA: u64 = 7;
const NAME: u64 = 8;
const RAW_DATA: u64 = 9;
const DOUBLE_DATA: u64 = 10;
const UINT64_DATA: u64 = 11;
const EXTERNAL_DATA: u64 = 13;
const DATA_LOCATION: u64 = 14;

impl<'a> Reader<'a, '_> {
    /// A tensor with its name, from the message that ends at `end`.
    pub fn tensor(&mut self, cursor: &mut Cursor<'a>, end: u64) -> Result<(String, View<'a>)> {
        let budget = self.budget;
        budget.tensor("ONNX tensors")?;
        let start = cursor.position();
        let (mut dims, mut kind, mut name, mut raw) = (Vec::new(), 0, String::new(), None);
        let (mut typed, mut external, mut is_external) = (Typed::default(), External::default(), false);
        fields(cursor, end, |cursor, field, wire| {
            match field {
                DIMS => super::wire::numbers(cursor, wire, "dims", budget, &mut dims)?,
                DATA_TYPE => kind = wire.number(cursor, "data_type")?,
                SEGMENT => return Err(cursor.error("tensor", "one that is whole", "a segment of one")),
                NAME => name = wire.text(cursor, "name", budget)?,
                RAW_DATA => {
                    let end = wire.end(cursor, "raw_data")?;
                    raw = Some(cursor.skip("raw_data", end.saturating_sub(cursor.position()))?);
                }
                FLOAT_DATA | INT32_DATA | INT64_DATA | DOUBLE_DATA | UINT64_DATA => {
                    budget.bytes("ONNX numbers", size_of::<Wire>() as u64)?;
                    match wire {
                        Wire::Bytes(end) => typed.packed.push(cursor.position()..end),
                        single => typed.single.push(single),
                    }
                }
                EXTERNAL_DATA => {
                    let end = wire.end(cursor, "external_data")?;
                    self.external(cursor, end, &mut external)?;
                }
                DATA_LOCATION => is_external = wire.number(cursor, "data_location")? == 1,
                _ => {}
            }
            Ok(())
        })?;
        let element = element(kind);
        let what = || format!("tensor {}", quote(&name));
        let dims: Option<Vec<usize>> = dims.iter().map(|&dim| usize::try_from(dim).ok()).collect();
        let dims = dims.filter(|dims| dims.len() <= MAX_AXES).ok_or_else(|| {
            FAULT.at(start, &what(), format!("at most {MAX_AXES} axes of at least 0"), "others")
        })?;
        let part = match (raw, element.size()) {
            _ if is_external => self.beside(external, &dims, &element, &what())?,
            // Passed over.
            (_, None) => Part::whole(&[][..]),
            (Some(raw), _) => raw,
            (None, Some(size)) => self.typed(cursor, typed, &element, size, &dims)?,
        };
        let len = part.len();
        let view = View::new(element.clone(), dims.clone(), part).ok_or_else(|| {
            let numbers = count(&dims).map_or("numbers that can be counted".to_owned(), |n| n.to_string());
            let expected = format!("{numbers} of {}", element.name());
            FAULT.at(
                start,
                &format!("{} of shape {}", what(), shape(&dims)),
                expected,
                format!("{len} bytes"),
            )
        })?;
        Ok((name, view))
    }

    /// Numbers from the field of their type.
    fn typed(
        &self,
        cursor: &mut Cursor<'a>,
        typed: Typed,
        element: &Element,
        size: usize,
        dims: &[usize],
    ) -> Result<Part<'a>> {
        let is_float = matches!(element, Element::F32 | Element::F64);
        if let ([packed], [], true) = (typed.packed.as_slice(), typed.single.as_slice(), is_float) {
            let end = cursor.position();
            cursor.seek(packed.start);
            let part = cursor.skip("numbers", packed.end.saturating_sub(packed.start))?;
            cursor.seek(end);
            return Ok(part);
        }
        // No more than the shape promises: a number of one byte may become one of eight.
        let len = count(dims).and_then(|count| count.checked_mul(size)).unwrap_or(0);
        let mut bytes = Vec::new();
        let mut add = |cursor: &Cursor<'a>, wire: Wire| {
            if bytes.len().saturating_add(size) > len {
                return Err(cursor.error("numbers", format!("as many as {} has", shape(dims)), "more"));
            }
            self.budget.bytes("ONNX numbers", size as u64)?;
            let whole = match wire {
                Wire::Eight(bytes) => bytes,
                Wire::Four([a, b, c, d]) => [a, b, c, d, 0, 0, 0, 0],
                // Integers of fewer bytes are the lowest ones, f16 and bf16 too.
                wire => wire.number(cursor, "numbers")?.to_le_bytes(),
            };
            bytes.extend_from_slice(whole.get(..size).unwrap_or_default());
            Ok(())
        };
        for wire in typed.single {
            add(cursor, wire)?;
        }
        let end = cursor.position();
        for packed in typed.packed {
            cursor.seek(packed.start);
            while cursor.position() < packed.end {
                let wire = match element {
                    Element::F32 => Wire::Four(cursor.array("numbers")?),
                    Element::F64 => Wire::Eight(cursor.array("numbers")?),
                    _ => Wire::Number(number(cursor, "numbers")?),
                };
                add(cursor, wire)?;
            }
        }
        cursor.seek(end);
        self.budget.add_source(bytes.len() as u64);
        Ok(Part::whole(bytes))
    }

    /// Adds an entry of external data: a key and a value.
    fn external(&self, cursor: &mut Cursor<'a>, end: u64, into: &mut External) -> Result<()> {
        let (mut key, mut value) = (String::new(), String::new());
        fields(cursor, end, |cursor, field, wire| {
            match field {
                1 => key = wire.text(cursor, "key of external_data", self.budget)?,
                2 => value = wire.text(cursor, "value of external_data", self.budget)?,
                _ => {}
            }
            Ok(())
        })?;
        let number = || {
            let refuse = || FAULT.error(&format!("external_data {key}"), "a number", quote(&value));
            value.parse().map_err(|_| refuse())
        };
        match key.as_str() {
            "offset" => into.offset = number()?,
            "length" => into.length = Some(number()?),
            "location" => into.location = value,
            // A checksum.
            _ => {}
        }
        Ok(())
    }

    /// Numbers in a file beside the model.
    fn beside(
        &mut self,
        external: External,
        dims: &[usize],
        element: &Element,
        what: &str,
    ) -> Result<Part<'a>> {
        let External { location, offset, length } = external;
        let file = match self.files.get(&location) {
            Some(file) => file.clone(),
            None => {
                let file = self.opening.beside(FAULT, &location)?;
                self.files.insert(location.clone(), file.clone());
                file
            }
        };
        // Without a length, as many bytes as the shape has.
        let own = || count(dims)?.checked_mul(element.size()?).map(|len| len as u64);
        let len = length.or_else(own).unwrap_or(0);
        let refuse = || {
            let expected = format!("{len} bytes from byte {offset} of {}", quote(&location));
            FAULT.error(what, expected, format!("a file of {}", file.len()))
        };
        file.part(offset, len).ok_or_else(refuse)
    }
}

/// A type by its number.
pub(super) fn element(kind: u64) -> Element {
    match kind {
        1 => Element::F32,
        2 => Element::U8,
        3 => Element::I8,
        4 => Element::U16,
        5 => Element::I16,
        6 => Element::I32,
        7 => Element::I64,
        8 => Element::Other("string".into()),
        9 => Element::Bool,
        10 => Element::F16,
        11 => Element::F64,
        12 => Element::U32,
        13 => Element::U64,
        14 => Element::Other("complex64".into()),
        15 => Element::Other("complex128".into()),
        16 => Element::BF16,
        other => Element::Other(format!("type {other}").into()),
    }
}
