//! The choices that a [`Config`](crate::Config) or a [`Call`](crate::Call) is made of.

use crate::float::Scalar;

/// The directions in which a network reads its sequence.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Directions {
    /// From the first step to the last: D = 1.
    Forward,
    /// From the last step to the first: D = 1 (ONNX `reverse`, WebNN `backward`). The output stays in natural
    /// order.
    Reverse,
    /// Both ways, forward first: D = 2.
    Both,
}

impl Directions {
    /// D.
    pub const fn count(self) -> usize {
        match self {
            Directions::Forward | Directions::Reverse => 1,
            Directions::Both => 2,
        }
    }

    /// True if direction 0 or 1 goes from the last step to the first.
    pub(crate) const fn is_reverse(self, direction: usize) -> bool {
        direction == 1 || matches!(self, Directions::Reverse)
    }
}

/// The order of the axes of input and output. States are always `[L*D, N, H]`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Layout {
    /// `[T, N, C]`: time, batch, channels (the default).
    Tnc,
    /// `[N, T, C]`: PyTorch's `batch_first`.
    Ntc,
}

/// The merge of a layer's two directions (Keras `Bidirectional(merge_mode=...)`); the layer above reads the
/// merged output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Merge {
    /// Side by side on the last axis, forward first (the default; `concat`).
    Concatenate,
    /// forward + reverse (`sum`).
    Sum,
    /// (forward + reverse) / 2 (`ave`).
    Average,
    /// forward · reverse (`mul`).
    Multiply,
    /// Two arrays, of which the reverse one is [`Output::output_reverse`](crate::Output); a layer above reads
    /// them side by side (Keras's `None`).
    Apart,
}

impl Merge {
    /// True if two directions become one of the same width.
    pub(crate) const fn is_elementwise(self) -> bool {
        matches!(self, Merge::Sum | Merge::Average | Merge::Multiply)
    }

    /// Two numbers merged; the first one where directions stay side by side or apart.
    pub(crate) fn apply<T: Scalar>(self, forward: T, reverse: T) -> T {
        match self {
            Merge::Concatenate | Merge::Apart => forward,
            Merge::Sum => forward + reverse,
            Merge::Average => (forward + reverse) / (T::one() + T::one()),
            Merge::Multiply => forward * reverse,
        }
    }
}

/// The number format that a GPU stores weight matrices, input, hidden states and outputs in. Kernels compute
/// in f32. Biases and the cell state that is carried from step to step are always f32. The CPU engine stores
/// f32 alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Dtype {
    /// f32 (the default).
    F32,
    /// f16, which halves memory and traffic, on adapters with `SHADER_F16`. A stored number has a relative
    /// error of up to 2^-11 from 6.1e-5 to 65,504.
    ///
    /// The largest f16 is 65,504; numbers from there up to 65,520 round to 65,504. A finite number of a
    /// weight matrix, `bias_ih`, the input within its sequences or an initial hidden state of magnitude
    /// 65,520 or more is refused with [`Error::OutOfRange`](crate::Error::OutOfRange). Computed numbers are
    /// not checked, and become infinite from 65,520 on: the input's gates W_ih x + b_ih, the returned array
    /// [`cell_states`](crate::Output::cell_states) of all steps, and hidden states and outputs that the
    /// network does not bound (relu, a projection, residual connections). The input of an encoded call is not
    /// checked either.
    F16,
}

impl Dtype {
    /// Bytes of a number.
    pub const fn bytes(self) -> u64 {
        match self {
            Dtype::F32 => 4,
            Dtype::F16 => 2,
        }
    }

    /// The name.
    pub const fn name(self) -> &'static str {
        match self {
            Dtype::F32 => "f32",
            Dtype::F16 => "f16",
        }
    }
}

/// The place where a GRU's reset gate acts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Reset {
    /// On the recurrent product: n = tanh(x_n + r ∘ (W_hn h + b_hn)). PyTorch, MXNet, cuDNN, Keras
    /// `reset_after=True`, ONNX `linear_before_reset=1` (the default).
    After,
    /// On the state, before the product: n = tanh(x_n + W_hn (r ∘ h) + b_hn). Cho et al. 2014, ONNX
    /// `linear_before_reset=0`, Keras `reset_after=False`.
    Before,
}

/// The bounds of an LSTM's cell state (MXNet `state_clip_min`, `state_clip_max`, `state_clip_nan`; cuDNN
/// `cudnnRNNClip`).
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct CellClip {
    /// The least value.
    pub min: f32,
    /// The greatest value.
    pub max: f32,
    /// A NaN becomes `min`, instead of staying a NaN (`CUDNN_NOT_PROPAGATE_NAN`).
    pub nan: bool,
}

/// The outputs of a call beside the final states. An output that is not asked for is neither kept nor read
/// back.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub struct Outputs {
    /// Only the last output of each direction: `[1, N, C]` (Keras `return_sequences=False`).
    pub last_only: bool,
    /// The last layer's cell state at every step: [`Output::cell_states`](crate::Output).
    pub cell_states: bool,
    /// The output of each layer below the last: [`Output::lower`](crate::Output). No effect on a single
    /// layer.
    pub every_layer: bool,
}

/// The numbers that a saved call keeps for its backward pass, beside h of every step; counts are per unit,
/// time step and row of the batch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub enum Save {
    /// The pre-activations of all gates too: 5 numbers with c of an LSTM (9 if it is layer-normalised), 4 of
    /// a GRU, 1 of a vanilla RNN.
    #[default]
    Gates,
    /// States alone: c of an LSTM, and nothing else. The backward pass computes the pre-activations again, as
    /// products over all time steps at once.
    States,
}

impl Save {
    /// Both.
    pub const ALL: [Save; 2] = [Save::Gates, Save::States];

    /// The name.
    pub const fn name(self) -> &'static str {
        match self {
            Save::Gates => "gates",
            Save::States => "states",
        }
    }
}
