//! The check of a call's arrays, and the places that the check finds.

use super::{BufferArray, Buffers, Role};
use crate::network::{Dtype, Layout, Network, Outputs};
use crate::{Error, Result};

/// An array that has been checked: where its numbers are.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Placed {
    pub buffer: wgpu::Buffer,
    /// In numbers.
    pub offset: u64,
    /// The strides of time or slot, and of the sequence.
    pub strides: [u64; 2],
    pub shape: [usize; 3],
    pub dtype: Dtype,
}

impl Placed {
    /// The bytes from its first number to its last.
    fn bytes(&self) -> std::ops::Range<u64> {
        self.offset * self.dtype.bytes()..self.end() * self.dtype.bytes()
    }

    /// The place after the last number; sizes that cannot be counted become larger than any buffer.
    pub fn end(&self) -> u64 {
        let [a, b, c] = self.shape.map(|size| size as u64);
        let steps = (a - 1).saturating_mul(self.strides[0]);
        let rows = (b - 1).saturating_mul(self.strides[1]);
        self.offset.saturating_add(steps).saturating_add(rows).saturating_add(c)
    }
}

/// Checks all arrays of a call, before anything is recorded.
pub(crate) fn check(network: &Network, buffers: &Buffers<'_>, has_f16: bool) -> Result<Vec<(Role, Placed)>> {
    for (name, size) in [("T", buffers.steps), ("N", buffers.batch)] {
        if size == 0 {
            return Err(argument(name, "at least 1".into(), "0"));
        }
    }
    let outputs = buffers.outputs();
    network.check_outputs(outputs)?;
    if let Some(dropout) = &buffers.dropout {
        dropout.check(network)?;
    }
    let pairs = [(Role::H0, Role::C0), (Role::C0, Role::H0)];
    for (one, other) in pairs {
        let is_alone = buffers.get(one).is_some() && buffers.get(other).is_none();
        if network.cell_state_size().is_some() && is_alone {
            return Err(argument(other.name(), format!("an array beside {}", one.name()), "none"));
        }
    }
    placed(network, &buffers.arrays, outputs, [buffers.steps, buffers.batch], has_f16)
}

fn argument(name: &'static str, expected: String, found: &str) -> Error {
    Error::Argument { name, expected, found: found.into() }
}

/// Checks the arrays of a call of T steps for a batch of N, or of its backward pass.
pub(super) fn placed(
    network: &Network,
    arrays: &[(Role, BufferArray<'_>)],
    outputs: Outputs,
    size: [usize; 2],
    has_f16: bool,
) -> Result<Vec<(Role, Placed)>> {
    let check = |(role, array): &(Role, BufferArray<'_>)| {
        let array_name = role.name();
        let refuse = |expected: String, found: String| Error::Buffer { array: array_name, expected, found };
        let Some(shape) = role.shape(network, outputs, size) else {
            let expected = match role {
                Role::ByResult(_) => "none, since the saved call gives no such result",
                _ => "none, for this network",
            };
            return Err(argument(array_name, expected.into(), "an array"));
        };
        if array.dtype == Dtype::F16 && !has_f16 {
            return Err(refuse("f32, on a device without SHADER_F16".into(), "f16".into()));
        }
        if !array.buffer.usage().contains(role.usage()) {
            return Err(refuse(format!("usage {:?}", role.usage()), format!("{:?}", array.buffer.usage())));
        }
        let number = if *role == Role::Lengths { 4 } else { array.dtype.bytes() };
        if !array.offset.is_multiple_of(number) {
            return Err(refuse(format!("an offset in {number}s of bytes"), array.offset.to_string()));
        }
        let [a, b, c] = shape.map(|size| size as u64);
        let is_ntc = network.layout == Layout::Ntc && role.has_layout();
        let contiguous = if is_ntc { [c, a.saturating_mul(c)] } else { [b.saturating_mul(c), c] };
        let strides = array.strides.unwrap_or(contiguous);
        if strides.iter().zip([a, b]).any(|(&stride, size)| size > 1 && stride < c) {
            return Err(refuse(format!("strides of at least {c}"), format!("{strides:?}")));
        }
        // One axis lies within a step of the other.
        let within = |inner: usize, outer: usize| {
            let [sizes, last] = [[a, b], [a - 1, b - 1]];
            sizes[outer] == 1
                || strides[outer] >= last[inner].saturating_mul(strides[inner]).saturating_add(c)
        };
        if !role.is_read() && !within(0, 1) && !within(1, 0) {
            return Err(refuse("strides that keep its rows apart".into(), format!("{strides:?}")));
        }
        let offset = array.offset / number;
        let placed = Placed { buffer: array.buffer.clone(), offset, strides, shape, dtype: array.dtype };
        // Kernels see whole fours of bytes.
        let needed = placed.end().saturating_mul(number).div_ceil(4).saturating_mul(4);
        if needed > array.buffer.size() {
            let expected = format!("a buffer of at least {needed} bytes");
            return Err(refuse(expected, array.buffer.size().to_string()));
        }
        Ok((*role, placed))
    };
    let placed: Vec<_> = arrays.iter().map(check).collect::<Result<_>>()?;
    let written = || placed.iter().filter(|(role, _)| !role.is_read());
    for (role, one) in written() {
        let overlaps = |(other, two): &&(Role, Placed)| {
            let [one, two] = [one, two].map(|array| (array.buffer.clone(), array.bytes()));
            other != role && one.0 == two.0 && one.1.start < two.1.end && two.1.start < one.1.end
        };
        if let Some((other, _)) = written().find(overlaps) {
            let (expected, found) = (format!("a place apart from {}", other.name()), "the same one".into());
            return Err(Error::Buffer { array: role.name(), expected, found });
        }
    }
    Ok(placed)
}
