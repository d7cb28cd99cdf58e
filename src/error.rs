//! The one error type of the library.

use crate::quote;
use std::path::PathBuf;

/// A failure in one line: the thing, the expectation, the finding.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting of a [`Config`](crate::Config) or of an initialiser that no network can have.
    #[error("{name}: expected {expected}, found {found}")]
    Setting {
        /// The setting's name, as its builder method is called.
        name: &'static str,
        /// The values that the setting may have.
        expected: String,
        /// The value that it had.
        found: String,
    },

    /// An argument of a call that does not fit the network, or another argument.
    #[error("{name}: expected {expected}, found {found}")]
    Argument {
        /// The argument's name, as the method of [`Call`](crate::Call) or [`Buffers`](crate::Buffers) is
        /// called.
        name: &'static str,
        /// The values that it may have.
        expected: String,
        /// The value that it had.
        found: String,
    },

    /// A setting or an argument that this engine or adapter cannot honour; another one may.
    #[error("{name}: expected {expected}, found {found}")]
    Unsupported {
        /// The setting.
        name: &'static str,
        /// The engine, adapter or network that could, or the values that this one can.
        expected: String,
        /// The value that was asked for, or the engine.
        found: String,
    },

    /// A text that names no value of its kind.
    #[error("{name}: expected {expected}, found {found:?}")]
    Text {
        /// The kind: `activation`, `schedule`, `tile`.
        name: &'static str,
        /// The texts that name one.
        expected: String,
        /// The text.
        found: String,
    },

    /// An array in a caller's buffer that cannot be used for a call.
    #[error("{array}: expected {expected}, found {found}")]
    Buffer {
        /// The array, as the method of [`Buffers`](crate::Buffers) is called.
        array: &'static str,
        /// The usage, size, offset or strides that it has to have.
        expected: String,
        /// The one that it has.
        found: String,
    },

    /// A finite number of magnitude 65,520 or more, which f16 would round to infinity.
    #[error("{name}: expected numbers between -65520 and 65520, which f16 can hold, found {found}")]
    OutOfRange {
        /// The array's name: `input`, `h_0`, or the name of a weight tensor.
        name: String,
        /// The number.
        found: f32,
    },

    /// All places of [`Streams`](crate::Streams) are taken.
    #[error("join: expected at most {capacity} streams at once, found one more")]
    StreamsFull {
        /// The number of places.
        capacity: usize,
    },

    /// A stream that is not in this [`Streams`](crate::Streams), or not any more.
    #[error("stream: expected one that has joined, found one that has left")]
    StreamLeft,

    /// A stream that brings steps twice in one call.
    #[error("stream: expected each one once in a call, found one twice")]
    StreamTwice,

    /// A saved call whose gradients were computed before.
    #[error("saved: expected a saved call that is new, found one that was used")]
    SavedUsed,

    /// A saved call of another network, or of the same weights on another engine or with another dtype.
    #[error("saved: expected a saved call of this network, found one of another")]
    SavedElsewhere,

    /// An input size that is still open, where no input tells it.
    #[error("input_size: expected at least 1, or a first call with an input, found 0")]
    InputSizeOpen,

    /// An array of the wrong rank or size: the input, a state, or a weight tensor.
    #[error("{name}: expected shape {expected}, found {}", quote::shape(found))]
    Shape {
        /// The array's name (`input`, `h_0`, `c_0`, or the tensor's own).
        name: String,
        /// The shape it has to have; a letter stands for an axis of any length from 1 on.
        expected: String,
        /// The array's shape.
        found: Vec<usize>,
    },

    /// A cell state for a cell that has none, or none for one that has.
    #[error("c_0: expected {expected}, found {found}")]
    CellState {
        /// The state that the cell needs.
        expected: &'static str,
        /// The state that was given.
        found: &'static str,
    },

    /// A weight tensor that the others make necessary is not there.
    #[error("weight tensor {name} is missing (expected with shape {expected})")]
    MissingTensor {
        /// The name in the scheme that the other tensors use.
        name: String,
        /// The shape, where the other tensors tell it.
        expected: String,
    },

    /// A tensor that belongs to no recurrent layer.
    #[error(
        "tensor {} is not a weight of an RNN, LSTM or GRU \
         (expected names like weight_ih_l0_reverse or r0_i2h_weight)",
        quote::quote(name)
    )]
    UnknownTensor {
        /// The name that was found.
        name: String,
    },

    /// A tensor that a network of the others' kind does not have.
    #[error("tensor {name}: the network that the others make has no such one")]
    UnusedTensor {
        /// The name that was found.
        name: String,
    },

    /// Two tensors of one name.
    #[error("tensor {}: expected once, found twice", quote::quote(name))]
    DuplicateTensor {
        /// The name of both.
        name: String,
    },

    /// An entry of a file's metadata that is not known, or that does not fit the tensors.
    #[error("metadata {}: expected {expected}, found {found}", quote::quote(key))]
    Metadata {
        /// The entry's key.
        key: String,
        /// The value that it has to have.
        expected: String,
        /// The value, or the tensors' shape.
        found: String,
    },

    /// The same set of weights uses PyTorch's names and Gluon's.
    #[error("tensor names: expected one scheme, found PyTorch's ({pytorch}) and Gluon's ({gluon})")]
    MixedNames {
        /// A name in PyTorch's scheme.
        pytorch: String,
        /// A name in Gluon's scheme.
        gluon: String,
    },

    /// Vanilla RNN weights do not tell their activation, and neither did the caller.
    #[error(
        "activation: expected relu, tanh or another one for a vanilla RNN (given by the caller or as \
         \"activation\" in the file's metadata), found {found}"
    )]
    Activation {
        /// The text that was given instead.
        found: String,
    },

    /// A file that cannot be read or written, or that does not hold what it should.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The fault.
        reason: String,
    },

    /// Bytes that are not a safetensors file, or a tensor in it that is not of 32-bit floats.
    #[error("safetensors: {0}")]
    Safetensors(String),

    /// No GPU adapter that can be used.
    #[error(
        "no GPU adapter: {0} (on Debian and Ubuntu, \
         `apt-get install mesa-vulkan-drivers libvulkan1` gives a software one)"
    )]
    NoAdapter(String),

    /// No GPU adapter of the name that was asked for.
    #[error("no GPU adapter named {name:?}: found {found}")]
    NamedAdapter {
        /// The text that the name had to contain.
        name: String,
        /// The names of those that are there.
        found: String,
    },

    /// Something is larger than the adapter, or memory, can hold.
    #[error("{what}: needs {needed} {unit}, and {holder} can hold at most {limit}")]
    TooLarge {
        /// The thing that is too large.
        what: String,
        /// How much it needs.
        needed: u64,
        /// How much there is.
        limit: u64,
        /// The unit of both numbers.
        unit: &'static str,
        /// Whose limit it is.
        holder: &'static str,
    },

    /// The host has not so much memory left.
    #[error("{what}: needs {needed} bytes of memory, which could not be had")]
    Memory {
        /// The thing that is too large.
        what: String,
        /// How much it needs.
        needed: u64,
    },

    /// The allocation of GPU memory failed.
    #[error("out of GPU memory: {0}")]
    OutOfMemory(String),

    /// The GPU device is gone (driver reset, unplugged, destroyed); make a new engine.
    #[error("the GPU device is lost: {0}")]
    DeviceLost(String),

    /// A report of wgpu's; a defect of this library or of the driver.
    #[error("wgpu: {0}")]
    Gpu(String),
}

/// The library's result type.
pub type Result<T, E = Error> = std::result::Result<T, E>;
