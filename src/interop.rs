//! An encoded call, whose arrays lie in buffers of the caller's.

mod check;
mod gradient_buffers;
mod role;

pub(crate) use check::{Placed, check};
pub use gradient_buffers::GradientBuffers;
pub(crate) use role::Role;

use crate::Dropout;
use crate::call::ResultArray;
use crate::network::{Dtype, Layout, Network, Outputs};
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
/// buffer that holds the array's end rounded up to four bytes. All buffers, and the encoder, are of the engine's
/// device: a buffer of another device is an [`Error::Gpu`](crate::Error::Gpu), an encoder of another device is
/// refused by wgpu when it is finished, and objects of another wgpu instance make wgpu panic. Arrays that are
/// written must not overlap each other. The last eight sets of buffers of each shape are kept for further calls,
/// and so are not freed.
/// [`Rnn::buffer_needs`](crate::Rnn::buffer_needs) tells sizes. Without `h_0` and `c_0` a call starts from
/// zero, or from the learned state.
#[derive(Clone, Debug)]
pub struct Buffers<'a> {
    pub(crate) steps: usize,
    pub(crate) batch: usize,
    pub(crate) last_only: bool,
    pub(crate) dropout: Option<Dropout>,
    pub(crate) arrays: Vec<(Role, BufferArray<'a>)>,
}

impl<'a> Buffers<'a> {
    /// A call of T steps for a batch of N.
    pub fn new(steps: usize, batch: usize, input: BufferArray<'a>) -> Buffers<'a> {
        Buffers { steps, batch, last_only: false, dropout: None, arrays: vec![(Role::Input, input)] }
    }

    fn with(mut self, role: Role, array: BufferArray<'a>) -> Buffers<'a> {
        self.arrays.retain(|(other, _)| *other != role);
        self.arrays.push((role, array));
        self
    }

    /// The array for the output.
    #[must_use]
    pub fn output(self, array: BufferArray<'a>) -> Buffers<'a> {
        self.with(Role::Result(ResultArray::Output), array)
    }

    /// The array for the reverse direction's output, of two directions that are apart.
    #[must_use]
    pub fn output_reverse(self, array: BufferArray<'a>) -> Buffers<'a> {
        self.with(Role::Result(ResultArray::OutputReverse), array)
    }

    /// The array for the last layer's cell states of every step.
    #[must_use]
    pub fn cell_states(self, array: BufferArray<'a>) -> Buffers<'a> {
        self.with(Role::Result(ResultArray::CellStates), array)
    }

    /// The array for the output of a layer below the last: 0 is the lowest.
    #[must_use]
    pub fn lower(self, layer: usize, array: BufferArray<'a>) -> Buffers<'a> {
        self.with(Role::Result(ResultArray::Lower(layer)), array)
    }

    /// Only the last output of each direction goes to `output`, whose T is then 1.
    #[must_use]
    pub fn last_only(mut self) -> Buffers<'a> {
        self.last_only = true;
        self
    }

    /// Drops numbers between layers, as [`Call::dropout`](crate::Call::dropout) does. Such a call makes a buffer
    /// of 24 bytes.
    #[must_use]
    pub fn dropout(mut self, dropout: Dropout) -> Buffers<'a> {
        self.dropout = Some(dropout);
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
            cell_states: self.get(Role::Result(ResultArray::CellStates)).is_some(),
            every_layer: self
                .arrays
                .iter()
                .any(|(role, _)| matches!(role, Role::Result(ResultArray::Lower(_)))),
        }
    }

    pub(crate) fn get(&self, role: Role) -> Option<&BufferArray<'a>> {
        self.arrays.iter().find(|(other, _)| *other == role).map(|(_, array)| array)
    }
}

/// The requirements of a call for one buffer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct BufferNeed {
    /// The array, as the methods of [`Buffers`] and [`GradientBuffers`] are called.
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
            "{name:<18} {:<16} {bytes:>12} bytes, {usage:?}, offset in {alignment}s",
            format!("{shape:?}")
        )
    }
}

/// The arrays that a call of T steps for a batch of N may have, and then those of its backward pass.
pub(crate) fn needs(network: &Network, steps: usize, batch: usize) -> [Vec<BufferNeed>; 2] {
    let has_cells = network.top()[0].cell.cell.has_cell_state();
    let outputs = Outputs { last_only: false, cell_states: has_cells, every_layer: true };
    let need = |role: Role| {
        let shape = role.shape(network, outputs, [steps, batch])?;
        let bytes = shape.iter().fold(4, |bytes: u64, &size| bytes.saturating_mul(size as u64));
        let [a, b, c] = shape;
        let shape = match network.layout {
            _ if role.is_flat() => vec![c],
            Layout::Ntc if role.has_layout() => vec![b, a, c],
            _ => vec![a, b, c],
        };
        Some(BufferNeed { name: role.name(), shape, bytes, usage: role.usage(), alignment: 4 })
    };
    let results = [ResultArray::Output, ResultArray::OutputReverse, ResultArray::CellStates];
    let lower = (0..network.num_layers - 1).map(ResultArray::Lower);
    let results: Vec<ResultArray> = results.into_iter().chain(lower).collect();
    let of = |role: fn(ResultArray) -> Role| results.iter().copied().map(role);
    let states = [Role::H0, Role::C0, Role::Hn, Role::Cn, Role::Lengths];
    let call = [Role::Input].into_iter().chain(of(Role::Result)).chain(states);
    let rest = [Role::ByHn, Role::ByCn, Role::ByInput, Role::ByH0, Role::ByC0, Role::ByWeights];
    let backward = of(Role::ByResult).chain(rest);
    [call.filter_map(need).collect(), backward.filter_map(need).collect()]
}
