//! Arrays of `.npy` files.

use ndarray::{ArrayD, ArrayViewD};
use ndarray_npy::ViewNpyExt;

/// The largest header that NumPy reads.
const MAX_HEADER: usize = 10_000;

/// Brackets within brackets in a header; a right one has two: a tuple in a dictionary.
const MAX_DEPTH: usize = 4;

/// The array of f32 in a file's bytes.
pub fn read(bytes: &[u8]) -> Result<ArrayD<f32>, String> {
    let expected = |found: &dyn std::fmt::Display| format!("expected a .npy array of f32: {found}");
    check_header(bytes).map_err(|error| expected(&error))?;
    // A view of the bytes: a header that lies about the size makes no array of it.
    let view = ArrayViewD::<f32>::view_npy(bytes).map_err(|error| expected(&error))?;
    Ok(view.to_owned())
}

/// Refuses a header that `ndarray_npy` panics at: one whose shape overflows, or that nests too deep for its
/// parser.
fn check_header(bytes: &[u8]) -> Result<(), String> {
    let number = |range: std::ops::Range<usize>| {
        bytes
            .get(range)
            .map(|bytes| bytes.iter().rev().fold(0, |number, &byte| number << 8 | usize::from(byte)))
    };
    // Six bytes that are the same in all files, the version, and the header's length: two bytes, or four from
    // version 2 on.
    let (length, start) = if bytes.get(6) == Some(&1) { (number(8..10), 10) } else { (number(8..12), 12) };
    let length = length.unwrap_or(0);
    if length > MAX_HEADER {
        return Err(format!("a header of at most {MAX_HEADER} bytes, found {length}"));
    }
    let Some(header) = bytes.get(start..start + length) else {
        return Err("the header is cut off".into());
    };
    let header = String::from_utf8_lossy(header);
    let depth = header.chars().scan(0_usize, |depth, c| {
        *depth = match c {
            '(' | '[' | '{' => *depth + 1,
            ')' | ']' | '}' => depth.saturating_sub(1),
            _ => *depth,
        };
        Some(*depth)
    });
    if depth.max() > Some(MAX_DEPTH) {
        return Err("the header has too many brackets".into());
    }
    // Numbers are nowhere but in the shape; those that are too large for a u64 are too large for an axis as
    // well.
    let numbers = header.split(|c: char| !c.is_ascii_digit()).filter(|digits| !digits.is_empty());
    let axes = numbers.map(|digits| digits.parse::<usize>().unwrap_or(usize::MAX)).filter(|&axis| axis > 0);
    let elements = axes.fold(1_usize, usize::saturating_mul);
    if elements > isize::MAX as usize / size_of::<f64>() {
        return Err("the shape has more elements than memory can have".into());
    }
    Ok(())
}
