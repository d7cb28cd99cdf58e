//! The arrays of an encoded call, and their shapes.

use crate::call::{ResultArray, pieces};
use crate::network::{Network, Outputs};
use crate::weights::Table;

/// The part that an array has in a call, or in its backward pass.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Role {
    Input,
    Result(ResultArray),
    H0,
    C0,
    Hn,
    Cn,
    Lengths,
    /// The gradient by a result, by `h_n` and by `c_n`.
    ByResult(ResultArray),
    ByHn,
    ByCn,
    /// The gradient by the input, by `h_0`, by `c_0` and by all weights.
    ByInput,
    ByH0,
    ByC0,
    ByWeights,
}

impl Role {
    pub const fn name(self) -> &'static str {
        match self {
            Role::Input => "input",
            Role::Result(ResultArray::Output) => "output",
            Role::Result(ResultArray::OutputReverse) => "output_reverse",
            Role::Result(ResultArray::CellStates) => "cell_states",
            Role::Result(ResultArray::Lower(_)) => "lower",
            Role::H0 => "h_0",
            Role::C0 => "c_0",
            Role::Hn => "h_n",
            Role::Cn => "c_n",
            Role::Lengths => "lengths",
            Role::ByResult(ResultArray::Output) => "by_output",
            Role::ByResult(ResultArray::OutputReverse) => "by_output_reverse",
            Role::ByResult(ResultArray::CellStates) => "by_cell_states",
            Role::ByResult(ResultArray::Lower(_)) => "by_lower",
            Role::ByHn => "by_h_n",
            Role::ByCn => "by_c_n",
            Role::ByInput => "by_input",
            Role::ByH0 => "by_h_0",
            Role::ByC0 => "by_c_0",
            Role::ByWeights => "by_weights",
        }
    }

    pub const fn usage(self) -> wgpu::BufferUsages {
        match self {
            Role::Lengths => wgpu::BufferUsages::COPY_SRC,
            _ => wgpu::BufferUsages::STORAGE,
        }
    }

    /// The axes as time or slot, sequence, and number; none where the network has no such array.
    pub fn shape(
        self,
        network: &Network,
        outputs: Outputs,
        [steps, batch]: [usize; 2],
    ) -> Option<[usize; 3]> {
        let slots = network.slots.len();
        match self {
            Role::Result(array) | Role::ByResult(array) => {
                let mut pieces = pieces(network, outputs).filter(|piece| piece.array == array).peekable();
                let is_top = matches!(array, ResultArray::Output | ResultArray::OutputReverse);
                let width = pieces.peek().is_some().then(|| pieces.map(|piece| piece.width).sum());
                width.map(|width| [if outputs.last_only && is_top { 1 } else { steps }, batch, width])
            }
            Role::Input | Role::ByInput => Some([steps, batch, network.input_size]),
            Role::H0 | Role::Hn | Role::ByHn | Role::ByH0 => Some([slots, batch, network.state_size()]),
            Role::C0 | Role::Cn | Role::ByCn | Role::ByC0 => {
                network.cell_state_size().map(|size| [slots, batch, size])
            }
            Role::Lengths => Some([1, 1, batch]),
            Role::ByWeights => Some([1, 1, Table::of(network).len]),
        }
    }

    /// True if the first two axes are those of the network's layout.
    pub const fn has_layout(self) -> bool {
        matches!(self, Role::Input | Role::ByInput | Role::Result(_) | Role::ByResult(_))
    }

    /// True for an array of one axis.
    pub const fn is_flat(self) -> bool {
        matches!(self, Role::Lengths | Role::ByWeights)
    }

    pub const fn is_read(self) -> bool {
        matches!(
            self,
            Role::Input | Role::H0 | Role::C0 | Role::Lengths | Role::ByResult(_) | Role::ByHn | Role::ByCn
        )
    }
}
