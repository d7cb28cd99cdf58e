//! An encoded call, whose arrays lie in buffers of the caller's.

use crate::call::{ResultArray, pieces};
use crate::network::{Dtype, Layout, Network, Outputs};
use crate::{Error, Result};
use std::fmt;

/// An array in a buffer of the caller's, with offset, strides and dtype.
///
/// An array without strides is contiguous, in the order of the network's layout. The numbers of a row lie
/// side by side.
#[derive(Clone, Debug, PartialEq)]
pub struct BufferArray<'a> {
    pub(crate) buffer: &'a wgpu::Buffer,
    pub(crate) offset: u64,
    pub(crate) strides: Option<[u64; 2]>,
    pub(crate) dtype: Dtype,
}

impl<'a> BufferArray<'a> {
    /// f32, from the beginning of the buffer on.
    pub fn new(buffer: &'a wgpu::Buffer) -> BufferArray<'a> {
        BufferArray { buffer, offset: 0, strides: None, dtype: Dtype::F32 }
    }

    /// Sets the first byte, a multiple of the number's size.
    #[must_use]
    pub fn offset(mut self, bytes: u64) -> BufferArray<'a> {
        self.offset = bytes;
        self
    }

    /// Sets the strides, in numbers: from one time step to the next (of a state, from one layer and direction
    /// to the next), and from one sequence of the batch to the next.
    #[must_use]
    pub fn strides(mut self, step: u64, sequence: u64) -> BufferArray<'a> {
        self.strides = Some([step, sequence]);
        self
    }

    /// Sets the type of the numbers; f16 needs a device with `SHADER_F16`.
    #[must_use]
    pub fn dtype(mut self, dtype: Dtype) -> BufferArray<'a> {
        self.dtype = dtype;
        self
    }
}

/// The buffers of one call, for [`Rnn::encode`](crate::Rnn::encode): the input, and every other array that
/// the caller wants.
///
/// | array | shape | needed |
/// |---|---|---|
/// | `input` | `[T, N, I]`, in layout NTC `[N, T, I]` | always |
/// | `output` | `[T, N, C]`, in layout NTC `[N, T, C]`; with last only T is 1 | |
/// | `output_reverse` | as `output`; with `Merge::Apart` alone | |
/// | `cell_states` | `[T, N, D*H]`, as `output`; of a last layer with a cell state | |
/// | `lower` | as `output`, of a layer below the last | |
/// | `h_0`, `h_n` | `[L*D, N, H]`, or P of a projection | |
/// | `c_0`, `c_n` | `[L*D, N, H]`, of an LSTM alone | |
/// | `lengths` | `[N]` of u32 | |
///
/// Each array needs usage `STORAGE` (`lengths` needs `COPY_SRC` instead), an offset in whole numbers, and a
/// buffer that holds the array's end rounded up to four bytes. All buffers are of the engine's device (a
/// buffer of another wgpu instance is not recognised as such). Arrays that are written must not overlap each
/// other. The last eight sets of buffers of each shape are kept for further calls, and so are not freed.
/// [`Rnn::buffer_needs`](crate::Rnn::buffer_needs) tells sizes. Without `h_0` and `c_0` a call starts from
/// zero, or from the learned state.
#[derive(Clone, Debug)]
pub struct Buffers<'a> {
    pub(crate) steps: usize,
    pub(crate) batch: usize,
    pub(crate) last_only: bool,
    pub(crate) arrays: Vec<(Role, BufferArray<'a>)>,
}

impl<'a> Buffers<'a> {
    /// A call of T steps for a batch of N.
    pub fn new(steps: usize, batch: usize, input: BufferArray<'a>) -> Buffers<'a> {
        Buffers { steps, batch, last_only: false, arrays: vec![(Role::Input, input)] }
    }

    fn with(mut self, role: Role, array: BufferArray<'a>) -> Buffers<'a> {
        self.arrays.retain(|(other, _)| *other != role);
        self.arrays.push((role, array));
        self
    }

    /// The array for the output.
    #[must_use]
    pub fn output(self, array: BufferArray<'a>) -> Buffers<'a> {
        self.with(Role::Output, array)
    }

    /// The array for the reverse direction's output, of two directions that are apart.
    #[must_use]
    pub fn output_reverse(self, array: BufferArray<'a>) -> Buffers<'a> {
        self.with(Role::OutputReverse, array)
    }

    /// The array for the last layer's cell states of every step.
    #[must_use]
    pub fn cell_states(self, array: BufferArray<'a>) -> Buffers<'a> {
        self.with(Role::CellStates, array)
    }

    /// The array for the output of a layer below the last: 0 is the lowest.
    #[must_use]
    pub fn lower(self, layer: usize, array: BufferArray<'a>) -> Buffers<'a> {
        self.with(Role::Lower(layer), array)
    }

    /// Only the last output of each direction goes to `output`, whose T is then 1.
    #[must_use]
    pub fn last_only(mut self) -> Buffers<'a> {
        self.last_only = true;
        self
    }

    /// The hidden state to start from.
    #[must_use]
    pub fn h_0(self, array: BufferArray<'a>) -> Buffers<'a> {
        self.with(Role::H0, array)
    }

    /// The cell state to start from.
    #[must_use]
    pub fn c_0(self, array: BufferArray<'a>) -> Buffers<'a> {
        self.with(Role::C0, array)
    }

    /// The array for the final hidden state, `[L*D, N, H]`; it may be the array of `h_0`.
    #[must_use]
    pub fn h_n(self, array: BufferArray<'a>) -> Buffers<'a> {
        self.with(Role::Hn, array)
    }

    /// The array for the final cell state, `[L*D, N, H]`; it may be the array of `c_0`.
    #[must_use]
    pub fn c_n(self, array: BufferArray<'a>) -> Buffers<'a> {
        self.with(Role::Cn, array)
    }

    /// The length of each sequence: N u32.
    #[must_use]
    pub fn lengths(self, buffer: &'a wgpu::Buffer, offset: u64) -> Buffers<'a> {
        self.with(Role::Lengths, BufferArray::new(buffer).offset(offset))
    }

    /// The outputs that the call has to compute.
    pub(crate) fn outputs(&self) -> Outputs {
        Outputs {
            last_only: self.last_only,
            cell_states: self.get(Role::CellStates).is_some(),
            every_layer: self.arrays.iter().any(|(role, _)| matches!(role, Role::Lower(_))),
        }
    }

    pub(crate) fn get(&self, role: Role) -> Option<&BufferArray<'a>> {
        self.arrays.iter().find(|(other, _)| *other == role).map(|(_, array)| array)
    }
}

/// The part that an array has in a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Role {
    Input,
    Output,
    OutputReverse,
    CellStates,
    Lower(usize),
    H0,
    C0,
    Hn,
    Cn,
    Lengths,
}

impl Role {
    pub const fn name(self) -> &'static str {
        match self {
            Role::Input => "input",
            Role::Output => "output",
            Role::OutputReverse => "output_reverse",
            Role::CellStates => "cell_states",
            Role::Lower(_) => "lower",
            Role::H0 => "h_0",
            Role::C0 => "c_0",
            Role::Hn => "h_n",
            Role::Cn => "c_n",
            Role::Lengths => "lengths",
        }
    }

    const fn usage(self) -> wgpu::BufferUsages {
        match self {
            Role::Lengths => wgpu::BufferUsages::COPY_SRC,
            _ => wgpu::BufferUsages::STORAGE,
        }
    }

    /// The axes as time or slot, sequence, and number; none where the network has no such array.
    fn shape(self, network: &Network, outputs: Outputs, steps: usize, batch: usize) -> Option<[usize; 3]> {
        if let Some(array) = self.result() {
            let mut pieces = pieces(network, outputs).filter(|piece| piece.array == array).peekable();
            let is_last = outputs.last_only && matches!(self, Role::Output | Role::OutputReverse);
            let width = pieces.peek().is_some().then(|| pieces.map(|piece| piece.width).sum());
            return width.map(|width| [if is_last { 1 } else { steps }, batch, width]);
        }
        let slots = network.slots.len();
        match self {
            Role::Input => Some([steps, batch, network.input_size]),
            Role::H0 | Role::Hn => Some([slots, batch, network.state_size()]),
            Role::C0 | Role::Cn => network.cell_state_size().map(|size| [slots, batch, size]),
            _ => Some([1, 1, batch]),
        }
    }

    /// The array of the output map, for a role that is a result.
    pub const fn result(self) -> Option<ResultArray> {
        match self {
            Role::Output => Some(ResultArray::Output),
            Role::OutputReverse => Some(ResultArray::OutputReverse),
            Role::CellStates => Some(ResultArray::CellStates),
            Role::Lower(layer) => Some(ResultArray::Lower(layer)),
            Role::Input | Role::H0 | Role::C0 | Role::Hn | Role::Cn | Role::Lengths => None,
        }
    }

    /// True if the first two axes are those of the network's layout.
    const fn has_layout(self) -> bool {
        matches!(self, Role::Input) || self.result().is_some()
    }

    pub fn is_read(self) -> bool {
        matches!(self, Role::Input | Role::H0 | Role::C0 | Role::Lengths)
    }
}

/// The requirements of a call for one buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BufferNeed {
    /// The array, as the methods of [`Buffers`] are called.
    pub name: &'static str,
    /// The shape, in the order of the network's layout.
    pub shape: Vec<usize>,
    /// The bytes of a contiguous array of f32 (or u32), from the offset on.
    pub bytes: u64,
    /// The usage that the buffer must have.
    pub usage: wgpu::BufferUsages,
    /// The alignment of the offset of an f32 array, in bytes; an f16 array needs half the alignment.
    pub alignment: u64,
}

impl fmt::Display for BufferNeed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let BufferNeed { name, shape, bytes, usage, alignment } = self;
        write!(
            f,
            "{name:<14} {:<16} {bytes:>12} bytes, {usage:?}, offset in {alignment}s",
            format!("{shape:?}")
        )
    }
}

/// The arrays that a call of T steps for a batch of N may have.
pub(crate) fn needs(network: &Network, steps: usize, batch: usize) -> Vec<BufferNeed> {
    let has_cells = network.top()[0].cell.cell.has_cell_state();
    let outputs = Outputs { last_only: false, cell_states: has_cells, every_layer: true };
    let need = |role: Role| {
        let shape = role.shape(network, outputs, steps, batch)?;
        let bytes = shape.iter().fold(4, |bytes: u64, &size| bytes.saturating_mul(size as u64));
        let [a, b, c] = shape;
        let shape = match network.layout {
            _ if role == Role::Lengths => vec![c],
            Layout::Ntc if role.has_layout() => vec![b, a, c],
            _ => vec![a, b, c],
        };
        Some(BufferNeed { name: role.name(), shape, bytes, usage: role.usage(), alignment: 4 })
    };
    let first = [Role::Input, Role::Output, Role::OutputReverse, Role::CellStates];
    let lower = (0..network.num_layers - 1).map(Role::Lower);
    let rest = [Role::H0, Role::C0, Role::Hn, Role::Cn, Role::Lengths];
    first.into_iter().chain(lower).chain(rest).filter_map(need).collect()
}

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
    let argument =
        |name, expected: String, found: &str| Error::Argument { name, expected, found: found.into() };
    for (name, size) in [("T", buffers.steps), ("N", buffers.batch)] {
        if size == 0 {
            return Err(argument(name, "at least 1".into(), "0"));
        }
    }
    let outputs = buffers.outputs();
    network.check_outputs(outputs)?;
    let pairs = [(Role::H0, Role::C0), (Role::C0, Role::H0)];
    for (one, other) in pairs {
        let is_alone = buffers.get(one).is_some() && buffers.get(other).is_none();
        if network.cell_state_size().is_some() && is_alone {
            return Err(argument(other.name(), format!("an array beside {}", one.name()), "none"));
        }
    }
    let check = |(role, array): &(Role, BufferArray<'_>)| {
        let array_name = role.name();
        let refuse = |expected: String, found: String| Error::Buffer { array: array_name, expected, found };
        let Some(shape) = role.shape(network, outputs, buffers.steps, buffers.batch) else {
            return Err(argument(array_name, "none, for this network".into(), "an array"));
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
    let placed: Vec<_> = buffers.arrays.iter().map(check).collect::<Result<_>>()?;
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
