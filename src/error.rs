//! The one error type of the library.

use crate::quote;
use std::path::PathBuf;

const ADVICE: &str = match cfg!(target_arch = "wasm32") {
    true => "",
    false => " (on Debian and Ubuntu, `apt-get install mesa-vulkan-drivers libvulkan1` gives a software one)",
};

/// A failure in one line: the thing, the expectation, the finding.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// A setting of a [`Config`](crate::Config), of an initialiser, of a [`Reader`](crate::Reader) or of
    /// [`train`](crate::train) that makes no sense, or that the network or the data at hand cannot have.
    #[error("{name}: expected {expected}, found {found}")]
    Setting {
        /// The setting's name: that of its builder method (`proj_size`, `gru_reset before`), of an
        /// initialiser (`init`, `scale`, `seed`, `forget_bias`), of a loss (`class_weights`, `delta`,
        /// `blank`, `ctc`), of an optimiser (`learning_rate`, `betas`), `outputs` of a head, of a loader
        /// (`batch_size`, `world`; `state` for its epoch and batch), `sizes` for all sizes together, or
        /// `settings` for those of [`Weights::configure`](crate::Weights::configure).
        name: &'static str,
        /// The values that the setting may have.
        expected: String,
        /// The value that it had.
        found: String,
    },

    /// An argument of a call that does not fit the network or another argument.
    #[error("{name}: expected {expected}, found {found}")]
    Argument {
        /// The argument's name: a method of [`Call`](crate::Call) or [`Buffers`](crate::Buffers) (`lengths`,
        /// `c_0`), `packed input`, a field of [`Packed`](crate::Packed) (`batch_sizes`), `gradients`,
        /// `targets`, `blank`, `output_reverse`, `capacity`, `input_size`, the word of a dataset
        /// (`sequences`, `labels`, `indices`, `part`), a size by its letter (`T`, `N`), or of an update
        /// `step`, `learning_rate`, `state`, `norm`.
        name: &'static str,
        /// The values that it may have.
        expected: String,
        /// The value that it had.
        found: String,
    },

    /// A setting or an argument that this engine, adapter or network cannot honour; another may.
    #[error("{name}: expected {expected}, found {found}")]
    Unsupported {
        /// The name: of a method (`timed`, `encode`), `dtype`, `tuning`, `schedule`, or a tile's (`step
        /// tile`).
        name: &'static str,
        /// The engine, adapter or network that can honour the setting, or the values that this one can
        /// honour.
        expected: String,
        /// The value that was asked for, or the engine that was asked.
        found: String,
    },

    /// A text that is not the name of a value.
    #[error("{name}: expected {expected}, found {found:?}")]
    Text {
        /// The kind of value: `activation`, `cell`, `schedule`, `tile`, or `WGPU_ADAPTER_NAME`.
        name: &'static str,
        /// The texts that name a value of this kind.
        expected: String,
        /// The text.
        found: String,
    },

    /// An array in a caller's buffer that cannot be used for a call.
    #[error("{array}: expected {expected}, found {found}")]
    Buffer {
        /// The array's name: a method of [`Buffers`](crate::Buffers) (`input`, `h_0`, `lower`), or
        /// `lengths_on_gpu` of [`Call`](crate::Call).
        array: &'static str,
        /// The type, usage, size, offset, strides or place that the array has to have.
        expected: String,
        /// The type, usage, size, offset, strides or place that the array has.
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
    #[error("join: expected at most {capacity} live streams, found one more")]
    StreamsFull {
        /// The number of places.
        capacity: usize,
    },

    /// A stream that has left this [`Streams`](crate::Streams), or that belongs to another.
    #[error("stream: expected a stream that has joined, found a stream that has left")]
    StreamLeft,

    /// A stream that is named twice in one call.
    #[error("stream: expected each stream once per call, found a stream twice")]
    StreamTwice,

    /// A saved call whose gradients were computed before.
    #[error("saved: expected a saved call that is new, found a saved call that was used")]
    SavedUsed,

    /// A saved call of another network, or of the same weights on another engine or with another dtype.
    #[error("saved: expected a saved call of this network, found a saved call of another")]
    SavedElsewhere,

    /// A saved call whose network has had other weights since.
    #[error("saved: expected the weights of the saved call, found weights that were set after it")]
    WeightsChanged,

    /// A loss or a norm of gradients that is no finite number: the training has diverged. The parameters are
    /// those of the step before.
    #[error(
        "{what} of step {step}: expected a finite number, found loss {loss} and norm {norm}{}",
        last(checkpoint)
    )]
    NotFinite {
        /// `loss` or `norm of gradients`.
        what: &'static str,
        /// The update.
        step: u64,
        /// The loss.
        loss: f64,
        /// The norm of all gradients.
        norm: f64,
        /// The last checkpoint that the trainer has saved or restored.
        checkpoint: Option<PathBuf>,
    },

    /// A reduction of gradients over ranks that has failed. The parameters are those of the step before.
    #[error("reduction of step {step}: expected sums over all ranks, found: {source}")]
    Reduction {
        /// The update.
        step: u64,
        /// The error of the function that was given to [`Trainer::reduce`](crate::train::Trainer::reduce).
        source: Box<dyn std::error::Error + Send + Sync>,
    },

    /// An input size that is still open, where no input tells it.
    #[error("input_size: expected at least 1, or a first call with an input, found 0")]
    InputSizeOpen,

    /// An array of the wrong rank or size: the input, a state, or a weight tensor.
    #[error("{}: expected shape {expected}, found {}", quote::message(name), quote::shape(found))]
    Shape {
        /// The array's name: `input`, `h_0`, `c_0`, the tensor's own name, `features`, `steps of a stream`,
        /// an array of [`Output`](crate::Output), or `gradient by` and an array.
        name: String,
        /// The shape it has to have; a letter stands for an axis of any length from 1 on.
        expected: String,
        /// The array's shape.
        found: Vec<usize>,
    },

    /// A cell state for a network without cell states, or no cell state for a network with cell states.
    #[error("c_0: expected {expected}, found {found}")]
    CellState {
        /// The state that the cell needs.
        expected: &'static str,
        /// The state that was given.
        found: &'static str,
    },

    /// A missing weight tensor, which the network of the other tensors has.
    #[error("weight tensor {}: expected shape {expected}, found no such tensor", quote::message(name))]
    MissingTensor {
        /// The name in the scheme that the other tensors use.
        name: String,
        /// The tensor's shape, with letters for sizes that the other tensors do not tell.
        expected: String,
    },

    /// A tensor whose name is not a weight's of a recurrent layer, in either scheme.
    #[error(
        "tensor {} is not a weight of an RNN, LSTM or GRU \
         (expected names like weight_ih_l0_reverse or r0_i2h_weight)",
        quote::quote(name)
    )]
    UnknownTensor {
        /// The name that was found.
        name: String,
    },

    /// A tensor that the network of the other tensors does not have.
    #[error("tensor {}: the network of the other tensors has no tensor of this name", quote::message(name))]
    UnusedTensor {
        /// The name that was found.
        name: String,
    },

    /// Two tensors of the same name.
    #[error("tensor {}: expected once, found twice", quote::quote(name))]
    DuplicateTensor {
        /// The name of both.
        name: String,
    },

    /// An entry of a file's metadata with an unknown value, or with a value that does not fit the tensors.
    #[error("metadata {}: expected {expected}, found {found}", quote::quote(key))]
    Metadata {
        /// The entry's key.
        key: String,
        /// The value that it has to have.
        expected: String,
        /// The value that was found, or the tensors' shape.
        found: String,
    },

    /// Weights under PyTorch's names and Gluon's at once.
    #[error(
        "tensor names: expected one scheme, found PyTorch's ({}) and Gluon's ({})",
        quote::message(pytorch),
        quote::message(gluon)
    )]
    MixedNames {
        /// A name in PyTorch's scheme.
        pytorch: String,
        /// A name in Gluon's scheme.
        gluon: String,
    },

    /// A vanilla RNN whose activation neither its weights' metadata nor the caller tells.
    #[error(
        "activation: expected relu, tanh or another one for a vanilla RNN (given by the caller or as \
         \"activation\" in the file's metadata), found {found}"
    )]
    Activation {
        /// The text that was given instead.
        found: String,
    },

    /// A file that cannot be read or written, or whose contents are refused.
    #[error("{}: {reason}", path.display())]
    File {
        /// The file.
        path: PathBuf,
        /// The fault.
        reason: String,
    },

    /// A checkpoint that was cut or changed after it had been written.
    #[error("{}: damaged: {part}: expected {expected}, found {found}", path.display())]
    Damaged {
        /// The file.
        path: PathBuf,
        /// The part that is not as it was written: `header`, a metadata entry, a tensor, or `file`.
        part: String,
        /// The part's length or checksum.
        expected: String,
        /// The length or checksum that was found.
        found: String,
    },

    /// A file that is not a checkpoint.
    #[error("{}: expected a checkpoint, found {found}", path.display())]
    NotCheckpoint {
        /// The file.
        path: PathBuf,
        /// The file's kind.
        found: &'static str,
    },

    /// A checkpoint of a newer version of the library.
    #[error("{}: version: expected at most {expected}, found {found} (of a newer library)", path.display())]
    NewerCheckpoint {
        /// The file.
        path: PathBuf,
        /// The newest version of the format that this library reads.
        expected: u64,
        /// The file's version.
        found: u64,
    },

    /// A checkpoint of another network.
    #[error("{name} of the checkpoint's network: expected {expected}, found {found}")]
    OtherNetwork {
        /// The setting that differs: a field of [`Config`](crate::Config), `cells` or `hidden_sizes`.
        name: String,
        /// The setting of the network at hand.
        expected: String,
        /// The setting of the checkpoint's network.
        found: String,
    },

    /// Bytes that are not a whole file of their format, or an array in it of a type that is not read.
    #[error("{format}: {reason}")]
    Format {
        /// The format (`safetensors`), or `file` where it is not known.
        format: &'static str,
        /// The part, what was expected there and what was found.
        reason: String,
    },

    /// A pickle that needs a class or a function which may run code.
    #[error(
        "pickle: expected tensors, dictionaries, lists, numbers and texts, found the global {} \
         (save a state_dict)",
        quote::quote(name)
    )]
    Global {
        /// The module and the name.
        name: String,
    },

    /// A setting of the caller that the file states otherwise.
    #[error("{name}: expected {expected}, as {word} of the file states, found {found}")]
    Contradiction {
        /// The setting: a field of [`Config`](crate::Config), or `cells`.
        name: &'static str,
        /// The file's value.
        expected: String,
        /// The file's word for the setting: an attribute, or an entry of its metadata or configuration.
        word: String,
        /// The caller's value.
        found: String,
    },

    /// A file without a recurrent network, or without one of the name that was asked for.
    #[error("prefix: expected {expected}, found {found}")]
    NoNetwork {
        /// The network that was looked for.
        expected: String,
        /// The networks of the file.
        found: String,
    },

    /// A file with several recurrent networks, of which the caller has to pick one.
    #[error("prefix: expected one that picks a network, found {found}")]
    SeveralNetworks {
        /// The networks: name, cell, layers, sizes.
        found: String,
    },

    /// No GPU adapter that can be used.
    #[error("no GPU adapter: {0}{ADVICE}")]
    NoAdapter(String),

    /// No GPU adapter whose name contains the text that was asked for.
    #[error("no GPU adapter named {name:?}: found {found}")]
    NamedAdapter {
        /// The text that the name had to contain.
        name: String,
        /// The names of the adapters that there are.
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
        /// The holder of the limit.
        holder: &'static str,
    },

    /// Memory of the host that could not be had.
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

    /// An error that wgpu reports: a defect of this library or of the driver.
    #[error("wgpu: {0}")]
    Gpu(String),
}

/// The library's result type.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// The words about the last checkpoint.
fn last(checkpoint: &Option<PathBuf>) -> String {
    match checkpoint {
        Some(path) => format!("; the last good checkpoint is {}", path.display()),
        None => String::new(),
    }
}
