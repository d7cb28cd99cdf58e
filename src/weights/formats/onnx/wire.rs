//! Protocol buffers: the fields of messages, by which ONNX is written.

use super::super::{Budget, Cursor};
use crate::Result;

/// The value of a field.
#[derive(Clone, Copy, Debug)]
pub(super) enum Wire {
    Number(u64),
    Eight([u8; 8]),
    Four([u8; 4]),
    /// Bytes from the cursor's place to this one.
    Bytes(u64),
}

/// Reads the fields of the message that ends at `end`. Bytes of a field that `each` leaves unread are passed
/// over.
pub(super) fn fields<'a>(
    cursor: &mut Cursor<'a>,
    end: u64,
    mut each: impl FnMut(&mut Cursor<'a>, u64, Wire) -> Result<()>,
) -> Result<()> {
    while cursor.position() < end {
        let tag = number(cursor, "field")?;
        let wire = match tag & 7 {
            0 => Wire::Number(number(cursor, "number")?),
            1 => Wire::Eight(cursor.array("number")?),
            2 => {
                let len = number(cursor, "length")?;
                let left = end.saturating_sub(cursor.position());
                if len > left {
                    return Err(cursor.error("length", format!("at most {left}"), len));
                }
                Wire::Bytes(cursor.position().saturating_add(len))
            }
            5 => Wire::Four(cursor.array("number")?),
            other => return Err(cursor.error("field", "a kind among 0, 1, 2 and 5", other)),
        };
        each(cursor, tag >> 3, wire)?;
        if let Wire::Bytes(stop) = wire {
            cursor.seek(stop);
        }
    }
    if cursor.position() > end {
        return Err(cursor.error("message", format!("its end at byte {end}"), "a field across it"));
    }
    Ok(())
}

/// A number of seven bits a byte, the lowest first.
pub(super) fn number(cursor: &mut Cursor<'_>, what: &str) -> Result<u64> {
    let mut number = 0_u64;
    for place in 0..10_u32 {
        let byte = cursor.u8(what)?;
        // The tenth byte has one bit of 64.
        if place == 9 && byte > 1 {
            break;
        }
        number |= u64::from(byte & 0x7F) << place.saturating_mul(7);
        if byte < 0x80 {
            return Ok(number);
        }
    }
    Err(cursor.error(what, "a number of 64 bits", "a longer one"))
}

impl Wire {
    pub fn number(self, cursor: &Cursor<'_>, what: &str) -> Result<u64> {
        match self {
            Wire::Number(number) => Ok(number),
            _ => Err(cursor.error(what, "a number", "a field of another kind")),
        }
    }

    /// A number whose bits are those of a signed one.
    pub fn signed(self, cursor: &Cursor<'_>, what: &str) -> Result<i64> {
        self.number(cursor, what).map(u64::cast_signed)
    }

    pub fn float(self, cursor: &Cursor<'_>, what: &str) -> Result<f32> {
        match self {
            Wire::Four(bytes) => Ok(f32::from_le_bytes(bytes)),
            _ => Err(cursor.error(what, "a float", "a field of another kind")),
        }
    }

    /// The end of bytes, of a message or of packed numbers.
    pub fn end(self, cursor: &Cursor<'_>, what: &str) -> Result<u64> {
        match self {
            Wire::Bytes(end) => Ok(end),
            _ => Err(cursor.error(what, "bytes", "a field of another kind")),
        }
    }

    pub fn text(self, cursor: &mut Cursor<'_>, what: &str, budget: &Budget) -> Result<String> {
        let end = self.end(cursor, what)?;
        cursor.text(what, end.saturating_sub(cursor.position()), budget)
    }
}

/// Adds one number, or packed ones.
pub(super) fn numbers(
    cursor: &mut Cursor<'_>,
    wire: Wire,
    what: &str,
    budget: &Budget,
    into: &mut Vec<i64>,
) -> Result<()> {
    if let Wire::Number(_) = wire {
        budget.bytes(what, size_of::<i64>() as u64)?;
        into.push(wire.signed(cursor, what)?);
        return Ok(());
    }
    let end = wire.end(cursor, what)?;
    while cursor.position() < end {
        budget.bytes(what, size_of::<i64>() as u64)?;
        into.push(number(cursor, what)?.cast_signed());
    }
    Ok(())
}

/// Adds one float, or packed ones.
pub(super) fn floats(
    cursor: &mut Cursor<'_>,
    wire: Wire,
    what: &str,
    budget: &Budget,
    into: &mut Vec<f32>,
) -> Result<()> {
    if let Wire::Four(_) = wire {
        budget.bytes(what, size_of::<f32>() as u64)?;
        into.push(wire.float(cursor, what)?);
        return Ok(());
    }
    let end = wire.end(cursor, what)?;
    while cursor.position() < end {
        budget.bytes(what, size_of::<f32>() as u64)?;
        into.push(f32::from_le_bytes(cursor.array(what)?));
    }
    Ok(())
}
