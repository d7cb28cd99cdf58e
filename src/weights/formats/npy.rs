//! NumPy's arrays: a header that is a dictionary of Python, then the numbers; and zip archives of them
//! (`.npz`), as NumPy and MXNet 2 write them.

use super::{
    Array, Budget, Cursor, Element, Fault, Head, Opened, Opening, Part, Stated, View, count, of_arrays, zip,
};
use crate::Result;
use crate::quote::message;

/// The first bytes.
const MAGIC: &[u8] = b"\x93NUMPY";

/// The largest header that NumPy reads.
const MAX_HEADER: u64 = 10_000;

/// Numbers begin at a multiple of as many bytes.
const ALIGNMENT: usize = 64;

const FAULT: Fault = Fault::new(".npy");

pub(super) fn is(head: &Head) -> bool {
    head.starts_with(MAGIC)
}

/// A file of one array, whose name is empty.
pub(super) fn open<'a>(opening: &Opening<'a, '_>) -> Result<Opened<'a>> {
    let view = array(opening.part.clone(), opening.budget)?;
    of_arrays(".npy", vec![Array { name: String::new(), view }], &Stated::default())
}

/// The arrays of an archive.
pub(super) fn open_archive<'a>(archive: &zip::Archive<'a>, budget: &Budget) -> Result<Opened<'a>> {
    let mut arrays = Vec::new();
    for member in &archive.members {
        budget.bytes(".npz", size_of::<Array<'_>>() as u64)?;
        let name = member.name.strip_suffix(".npy").unwrap_or(&member.name).to_owned();
        arrays.push(Array { name, view: array(archive.part(member, budget)?, budget)? });
    }
    of_arrays(".npz", arrays, &Stated::default())
}

/// The array of a whole file.
pub(crate) fn array<'a>(part: Part<'a>, budget: &Budget) -> Result<View<'a>> {
    let mut cursor = Cursor::new(part, FAULT);
    let magic = cursor.array::<6>("magic")?;
    if magic != *MAGIC {
        return Err(FAULT.error("magic", r"\x93NUMPY", String::from_utf8_lossy(&magic).escape_debug()));
    }
    let (version, _minor) = (cursor.u8("version")?, cursor.u8("version")?);
    let length = match version {
        1 => u64::from(cursor.u16("length of the header")?),
        2 | 3 => u64::from(cursor.u32("length of the header")?),
        other => return Err(cursor.error("version", "1 to 3", other)),
    };
    if length > MAX_HEADER {
        return Err(cursor.error("header", format!("at most {MAX_HEADER} bytes"), length));
    }
    let text = cursor.text("header", length, budget)?;
    let Some(Header { descr, is_fortran, shape }) = Header::parse(&text) else {
        return Err(FAULT.error("header", "a dictionary of descr, fortran_order and shape", message(&text)));
    };
    let element = element_of(&descr);
    let data = cursor.skip("numbers", cursor.left())?;
    let (left, shown) = (data.len(), crate::quote::shape(&shape));
    let view = view(element, &shape, is_fortran, data);
    let expected =
        count(&shape).map_or("numbers that can be counted".into(), |count| format!("{count} of {descr}"));
    view.ok_or_else(|| FAULT.error(&format!("numbers of shape {shown}"), expected, format!("{left} bytes")))
}

/// The view of an array whose numbers lie in rows, or in columns (Fortran's order).
pub(super) fn view<'a>(
    element: Element,
    shape: &[usize],
    is_fortran: bool,
    data: Part<'a>,
) -> Option<View<'a>> {
    if !is_fortran {
        return View::new(element, shape.to_vec(), data);
    }
    let (reversed, axes) =
        (shape.iter().rev().copied().collect(), (0..shape.len()).rev().collect::<Vec<_>>());
    View::new(element, reversed, data)?.permute(&axes)
}

/// A type by its name: order, kind, bytes.
pub(super) fn element_of(descr: &str) -> Element {
    match descr {
        "<f8" => Element::F64,
        "<f4" => Element::F32,
        "<f2" => Element::F16,
        "<i8" => Element::I64,
        "<i4" => Element::I32,
        "<i2" => Element::I16,
        "|i1" => Element::I8,
        "<u8" => Element::U64,
        "<u4" => Element::U32,
        "<u2" => Element::U16,
        "|u1" => Element::U8,
        "|b1" => Element::Bool,
        other => Element::Other(message(other).into()),
    }
}

struct Header {
    descr: String,
    is_fortran: bool,
    shape: Vec<usize>,
}

impl Header {
    /// `{'descr': '<f4', 'fortran_order': False, 'shape': (3, 4), }`
    fn parse(text: &str) -> Option<Header> {
        let mut text = text.trim().strip_prefix('{')?.strip_suffix('}')?.trim();
        let (mut descr, mut is_fortran, mut shape) = (None, None, None);
        while !text.is_empty() {
            let (key, rest) = quoted(text)?;
            let rest = rest.trim_start().strip_prefix(':')?.trim_start();
            let rest = match key {
                "descr" if rest.starts_with('[') => {
                    // Numbers of several parts: the type is shown, and not read.
                    let end = rest.rfind(']')?.checked_add(1)?;
                    let (list, rest) = rest.split_at_checked(end)?;
                    descr = Some(list.to_owned());
                    rest
                }
                "descr" => {
                    let (found, rest) = quoted(rest)?;
                    descr = Some(found.to_owned());
                    rest
                }
                "fortran_order" => {
                    let (value, rest) = rest.split_at_checked(rest.find([',', '}']).unwrap_or(rest.len()))?;
                    is_fortran = Some(match value.trim() {
                        "True" => true,
                        "False" => false,
                        _ => return None,
                    });
                    rest
                }
                "shape" => {
                    let (axes, rest) = rest.strip_prefix('(')?.split_once(')')?;
                    let axes = axes.split(',').map(str::trim).filter(|axis| !axis.is_empty());
                    shape = Some(
                        axes.map(|axis| axis.trim_end_matches('L').parse().ok()).collect::<Option<_>>()?,
                    );
                    rest
                }
                _ => return None,
            };
            let rest = rest.trim_start();
            text = rest.strip_prefix(',').unwrap_or(rest).trim_start();
        }
        Some(Header { descr: descr?, is_fortran: is_fortran?, shape: shape? })
    }
}

/// A text in quotes, and what is behind it.
fn quoted(text: &str) -> Option<(&str, &str)> {
    let quote = text.chars().next().filter(|quote| matches!(quote, '\'' | '"'))?;
    text.strip_prefix(quote)?.split_once(quote)
}

/// The bytes of an archive of f32.
pub(crate) fn serialize<'a>(
    tensors: impl Iterator<Item = (String, ndarray::ArrayViewD<'a, f32>)>,
) -> Vec<u8> {
    let member = |(name, tensor): (String, ndarray::ArrayViewD<'_, f32>)| {
        let axes: Vec<String> = tensor.shape().iter().map(|axis| format!("{axis},")).collect();
        let header = format!("{{'descr': '<f4', 'fortran_order': False, 'shape': ({}), }}", axes.join(" "));
        // Magic, version and length, the header, and a line's end.
        let len = header.len().saturating_add(11).next_multiple_of(ALIGNMENT).saturating_sub(10);
        let width = len.saturating_sub(1);
        let mut bytes = [MAGIC, &[1, 0], &(len as u16).to_le_bytes()].concat();
        bytes.extend(format!("{header:<width$}\n").bytes());
        tensor.iter().for_each(|number| bytes.extend(number.to_le_bytes()));
        (format!("{name}.npy"), bytes)
    };
    zip::serialize(&tensors.map(member).collect::<Vec<_>>())
}
