//! MXNet's lists of arrays (`.params`), as `mx.nd.save` and Gluon's `save_parameters` write them:
//! little-endian numbers of arrays one after the other, then their names (mxnet/src/ndarray/ndarray.cc).

use super::{Array, Cursor, Element, Fault, Head, Opened, Opening, Stated, View, count, of_arrays};
use crate::{Error, Result};

/// The first number of a list.
const LIST: u64 = 0x112;

/// The first number of an array in each version of the format; in the oldest, the count of axes stands there.
const V1: u32 = 0xF993_FAC8;
const V2: u32 = 0xF993_FAC9;
const V3: u32 = 0xF993_FACA;

/// The most axes of an array.
const MAX_AXES: u32 = 32;

const FAULT: Fault = Fault::new("MXNet .params");

pub(super) fn is(head: &Head) -> bool {
    head.starts_with(&LIST.to_le_bytes())
}

/// Reads the headers of all arrays, and the names behind them.
pub(super) fn open<'a>(opening: &Opening<'a, '_>) -> Result<Opened<'a>> {
    let budget = opening.budget;
    let mut cursor = Cursor::new(opening.part.clone(), FAULT);
    for (what, expected) in [("magic", LIST), ("reserved number", 0)] {
        let found = cursor.u64(what)?;
        if found != expected {
            return Err(cursor.error(what, expected, found));
        }
    }
    let len = cursor.u64("count of arrays")?;
    let mut views = Vec::new();
    for place in 0..len {
        budget.tensor("MXNet .params")?;
        budget.bytes("MXNet .params", size_of::<Array<'_>>() as u64)?;
        views.push(array(&mut cursor, place)?);
    }
    let names = cursor.u64("count of names")?;
    if names != 0 && names != len {
        return Err(cursor.error("count of names", format!("0 or {len}"), names));
    }
    let mut arrays = Vec::new();
    for (place, view) in views.into_iter().enumerate() {
        let name = if names == 0 {
            place.to_string()
        } else {
            let bytes = cursor.u64("length of a name")?;
            cursor.text("name", bytes, budget)?
        };
        arrays.push(Array { name, view });
    }
    if !cursor.is_at_end() {
        return Err(cursor.error("end of the file", "no more bytes", cursor.left()));
    }
    arrays.sort_by(|a, b| a.name.cmp(&b.name));
    if let Some(pair) = arrays.windows(2).find(|pair| matches!(pair, [a, b] if a.name == b.name)) {
        let name = pair.first().map(|array| array.name.clone()).unwrap_or_default();
        return Err(Error::DuplicateTensor { name });
    }
    of_arrays("MXNet .params", arrays, &Stated::default())
}

fn array<'a>(cursor: &mut Cursor<'a>, place: u64) -> Result<View<'a>> {
    let version = cursor.u32("version of an array")?;
    let kind = if matches!(version, V2 | V3) { cursor.i32("kind of storage")? } else { 0 };
    // Sparse arrays have indices beside their numbers.
    let indices = match kind {
        -1 | 0 => 0,
        1 => 1,
        2 => 2,
        other => {
            return Err(cursor.error(&format!("storage of array {place}"), "-1 to 2", other));
        }
    };
    let stored = if indices > 0 { Some(shape(cursor, version)?) } else { None };
    let shape_of = shape(cursor, version)?;
    let Some(shape_of) = shape_of else { return none(cursor) };
    let (_device, _number) = (cursor.i32("device")?, cursor.i32("number of the device")?);
    let (element, size) = element(cursor, "type of an array")?;
    let mut sparse = Vec::new();
    for _ in 0..indices {
        let (_, size) = self::element(cursor, "type of indices")?;
        sparse.push((shape(cursor, version)?, size));
    }
    let stored_shape = stored.flatten().unwrap_or_else(|| shape_of.clone());
    let bytes = bytes_of(cursor, &stored_shape, size)?;
    let data = cursor.skip(&format!("numbers of array {place}"), bytes)?;
    for (shape, size) in sparse {
        let bytes = bytes_of(cursor, &shape.unwrap_or_default(), size)?;
        cursor.skip(&format!("indices of array {place}"), bytes)?;
    }
    let element = match indices {
        0 => element,
        1 => Element::Other("a sparse array (row_sparse)".into()),
        _ => Element::Other("a sparse array (csr)".into()),
    };
    View::new(element, shape_of, data)
        .ok_or_else(|| cursor.error("shape", "one that can be counted", "another"))
}

/// An array that was never filled.
fn none<'a>(cursor: &mut Cursor<'a>) -> Result<View<'a>> {
    let data = cursor.skip("numbers", 0)?;
    let view = View::new(Element::Other("an array without numbers".into()), Vec::new(), data);
    view.ok_or_else(|| cursor.error("shape", "none", "another"))
}

/// A shape; none of an array that was never filled.
fn shape(cursor: &mut Cursor<'_>, version: u32) -> Result<Option<Vec<usize>>> {
    let is_oldest = !matches!(version, V1 | V2 | V3);
    let axes = if is_oldest { version } else { cursor.u32("count of axes")? };
    if version == V3 && axes == u32::MAX {
        return Ok(None);
    }
    if axes > MAX_AXES {
        return Err(cursor.error("count of axes", format!("at most {MAX_AXES}"), axes));
    }
    let mut shape = Vec::new();
    for _ in 0..axes {
        let axis = if is_oldest { i64::from(cursor.u32("axis")?) } else { cursor.i64("axis")? };
        if version == V3 && axis == -1 {
            return Ok(None);
        }
        let axis = usize::try_from(axis).map_err(|_| cursor.error("axis", "a length from 0 on", axis))?;
        shape.push(axis);
    }
    Ok((axes > 0 || version == V3).then_some(shape))
}

/// The bytes of numbers of a shape.
fn bytes_of(cursor: &Cursor<'_>, shape: &[usize], size: usize) -> Result<u64> {
    let bytes = count(shape).and_then(|count| count.checked_mul(size));
    let too_large = || cursor.error("shape", "one that can be counted", crate::quote::shape(shape));
    bytes.map(|bytes| bytes as u64).ok_or_else(too_large)
}

/// A type, and the bytes of a number (mshadow/base.h).
fn element(cursor: &mut Cursor<'_>, what: &str) -> Result<(Element, usize)> {
    let flag = cursor.i32(what)?;
    let element = match flag {
        0 => Element::F32,
        1 => Element::F64,
        2 => Element::F16,
        3 => Element::U8,
        4 => Element::I32,
        5 => Element::I8,
        6 => Element::I64,
        7 => Element::Bool,
        8 => Element::I16,
        9 => Element::U16,
        10 => Element::U32,
        11 => Element::U64,
        12 => Element::BF16,
        _ => return Err(cursor.error(what, "0 to 12", flag)),
    };
    let size = element.size().unwrap_or(1);
    Ok((element, size))
}

/// The bytes of a file of version V2, which every MXNet from 0.12 on reads.
pub(crate) fn serialize<'a>(
    tensors: impl Iterator<Item = (String, ndarray::ArrayViewD<'a, f32>)>,
) -> Vec<u8> {
    let mut arrays = Vec::new();
    let (mut names, mut len) = (Vec::new(), 0_u64);
    for (name, tensor) in tensors {
        len = len.saturating_add(1);
        arrays.extend(V2.to_le_bytes());
        arrays.extend(0_i32.to_le_bytes());
        arrays.extend((tensor.ndim() as u32).to_le_bytes());
        tensor.shape().iter().for_each(|&axis| arrays.extend((axis as i64).to_le_bytes()));
        // The first CPU, and f32.
        [1_i32, 0, 0].iter().for_each(|number| arrays.extend(number.to_le_bytes()));
        tensor.iter().for_each(|number| arrays.extend(number.to_le_bytes()));
        names.extend((name.len() as u64).to_le_bytes());
        names.extend(name.bytes());
    }
    let head = [LIST, 0, len].map(u64::to_le_bytes).concat();
    [&head[..], &arrays, &len.to_le_bytes(), &names].concat()
}
