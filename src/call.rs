//! One call: its input, the checks of that input, and its output.

mod dropout;
mod gradients;
mod outputs;
mod packed;
mod state;
mod wanted;

pub use dropout::Dropout;
pub use gradients::OutputGradients;
pub(crate) use gradients::add_last;
pub use outputs::{Piece, ResultArray, Source};
pub(crate) use outputs::{Results, pieces};
pub use packed::Packed;
pub use state::{Output, PassTime, State};
pub use wanted::Wanted;

use crate::network::{Config, Layout, Network, Outputs};
use crate::{Error, Result};
use ndarray::{ArrayBase, ArrayRef, ArrayViewD, Axis, CowArray, Dimension, Ix2, Ix3, RawData};
use num_traits::{PrimInt, Zero};

/// One call of a network: the input, and everything that may differ from call to call.
///
/// ```
/// use ndarray::Array3;
/// use wgpu_rnn::{Call, Config, Engine, Init, Rnn};
///
/// # fn main() -> wgpu_rnn::Result<()> {
/// let rnn = Rnn::lazy(&Engine::auto(), &Config::gru(13).bidirectional(), Init::pytorch())?;
/// let input = Array3::ones((5, 3, 7)); // T 5, N 3, I 7
/// let answer = rnn.call(&Call::new(&input).lengths(&[2, 5, 0]))?;
/// assert!(answer.output.slice(ndarray::s![2.., 0, ..]).iter().all(|&past_the_end| past_the_end == 0.0));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Call<'a, T = f32> {
    input: Input<'a, T>,
    state: Option<&'a State<T>>,
    lengths: Option<Vec<i64>>,
    lengths_on_gpu: Option<&'a wgpu::Buffer>,
    outputs: Outputs,
    is_timed: bool,
    dropout: Option<Dropout>,
}

#[derive(Clone, Debug)]
enum Input<'a, T> {
    Padded(ArrayViewD<'a, T>),
    Packed(&'a Packed<T>),
}

impl<'a, T> Call<'a, T> {
    /// `input` is `[T, N, I]` (`[N, T, I]` in layout NTC), or `[T, I]` for a single sequence, with any
    /// strides.
    pub fn new<D: Dimension>(input: &'a ArrayRef<T, D>) -> Call<'a, T> {
        Call::of(Input::Padded(input.view().into_dyn()))
    }

    /// Packed sequences. The output is packed too, as [`Output::packed`], beside the padded output.
    /// [`Output::output_reverse`], [`Output::cell_states`] and [`Output::lower`] are padded alone.
    pub fn packed(packed: &'a Packed<T>) -> Call<'a, T> {
        Call::of(Input::Packed(packed))
    }

    fn of(input: Input<'a, T>) -> Call<'a, T> {
        let outputs = Outputs::default();
        Call {
            input,
            state: None,
            lengths: None,
            lengths_on_gpu: None,
            outputs,
            is_timed: false,
            dropout: None,
        }
    }

    /// Starts from a state: h `[L*D, N, H]` (P with a projection), c `[L*D, N, H]`. Without a state, a call
    /// starts from zero or from the learned state.
    #[must_use]
    pub fn state(mut self, state: impl Into<Option<&'a State<T>>>) -> Call<'a, T> {
        self.state = state.into();
        self
    }

    /// The length of each sequence, from 0 to T, in any order. The reverse direction begins at a sequence's
    /// own end, the final states are the states at that end, and output past it is zero. A sequence's result
    /// does not depend on the numbers past its end.
    #[must_use]
    pub fn lengths<I: PrimInt>(mut self, lengths: &[I]) -> Call<'a, T> {
        // A length that does not fit is out of range all the same.
        self.lengths = Some(lengths.iter().map(|length| length.to_i64().unwrap_or(i64::MAX)).collect());
        self
    }

    /// The same as [`lengths`](Call::lengths), with lengths that are on the GPU already: N u32 or
    /// non-negative i32, from the start of a buffer with usage `COPY_SRC`, on the device of the engine. A
    /// length over T counts as T.
    #[must_use]
    pub fn lengths_on_gpu(mut self, lengths: &'a wgpu::Buffer) -> Call<'a, T> {
        self.lengths_on_gpu = Some(lengths);
        self
    }

    /// Gives back only the last output of each direction: output is `[1, N, C]` (Keras
    /// `return_sequences=False`).
    #[must_use]
    pub fn last_only(mut self) -> Call<'a, T> {
        self.outputs.last_only = true;
        self
    }

    /// Gives back the last layer's cell state at every step too, as [`Output::cell_states`].
    #[must_use]
    pub fn cell_states(mut self) -> Call<'a, T> {
        self.outputs.cell_states = true;
        self
    }

    /// Gives back the output of the layers below the last too, as [`Output::lower`]. No effect on a single
    /// layer.
    #[must_use]
    pub fn every_layer(mut self) -> Call<'a, T> {
        self.outputs.every_layer = true;
        self
    }

    /// Sets all outputs beside the final states at once.
    #[must_use]
    pub fn outputs(mut self, outputs: Outputs) -> Call<'a, T> {
        self.outputs = outputs;
        self
    }

    /// Measures each pass by the GPU's own clock, as [`Output::times`]. A timed call waits longer: measure
    /// with it, and leave it off otherwise. The engine must be a GPU with `TIMESTAMP_QUERY`.
    #[must_use]
    pub fn timed(mut self) -> Call<'a, T> {
        self.is_timed = true;
        self
    }

    /// Drops outputs between layers, at random. A call drops only where it is asked to: whether it is
    /// [saved](crate::Rnn::forward_saved) for a backward pass is another question.
    #[must_use]
    pub fn dropout(mut self, dropout: Dropout) -> Call<'a, T> {
        self.dropout = Some(dropout);
        self
    }

    /// The same call from another state, unless the call has its own state.
    pub(crate) fn or_state<'b>(&self, state: Option<&'b State<T>>) -> Call<'b, T>
    where
        'a: 'b,
    {
        let input = match &self.input {
            Input::Padded(input) => Input::Padded(input.clone()),
            Input::Packed(packed) => Input::Packed(packed),
        };
        Call {
            input,
            state: self.state.or(state),
            lengths: self.lengths.clone(),
            lengths_on_gpu: self.lengths_on_gpu,
            outputs: self.outputs,
            is_timed: self.is_timed,
            dropout: self.dropout,
        }
    }
}

/// A call that has been checked, its input in the order T, N, I.
#[derive(Clone, Debug)]
pub(crate) struct Checked<'a, T> {
    pub input: CowArray<'a, T, Ix3>,
    pub state: Option<&'a State<T>>,
    pub lengths: Option<Vec<usize>>,
    pub lengths_on_gpu: Option<&'a wgpu::Buffer>,
    pub outputs: Outputs,
    pub is_timed: bool,
    pub dropout: Option<Dropout>,
    /// The batch sizes of packed input, by which the output is packed.
    pub batch_sizes: Option<&'a [usize]>,
}

impl<T> Checked<'_, T> {
    /// Refuses a call that only a GPU can have.
    pub fn refuse_gpu_only(&self, engine: &str) -> Result<()> {
        for (name, is_asked) in [("lengths_on_gpu", self.lengths_on_gpu.is_some()), ("timed", self.is_timed)]
        {
            if is_asked {
                let (expected, found) = ("an engine on a GPU".into(), engine.into());
                return Err(Error::Unsupported { name, expected, found });
            }
        }
        Ok(())
    }

    /// T.
    pub fn steps(&self) -> usize {
        self.input.dim().0
    }

    /// N.
    pub fn batch(&self) -> usize {
        self.input.dim().1
    }

    /// The length of a batch row's sequence.
    pub fn length(&self, row: usize) -> usize {
        self.lengths.as_ref().map_or(self.steps(), |lengths| lengths[row])
    }

    /// The length of the longest sequence.
    pub fn longest(&self) -> usize {
        (0..self.batch()).map(|row| self.length(row)).max().unwrap_or(0)
    }
}

impl Config {
    /// Checks a call without an engine, as every engine does first.
    ///
    /// # Errors
    /// [`Error::Shape`], [`Error::CellState`] and [`Error::Argument`] for a call that does not fit the
    /// network.
    pub fn check_call<T: Clone + Zero>(&self, call: &Call<'_, T>) -> Result<()> {
        self.check()?.checked(call).map(|_| ())
    }
}

impl Network {
    /// The one check of a call.
    pub fn checked<'a, T: Clone + Zero>(&self, call: &Call<'a, T>) -> Result<Checked<'a, T>> {
        let argument = |name, expected: &str, found: &str| {
            Err(Error::Argument { name, expected: expected.into(), found: found.into() })
        };
        let (mut lengths, mut batch_sizes) = (None, None);
        let input = match &call.input {
            Input::Padded(input) => CowArray::from(self.time_first(input)?),
            Input::Packed(packed) => {
                if call.lengths.is_some() || call.lengths_on_gpu.is_some() {
                    return argument("lengths", "none beside packed input, which has its own", "some");
                }
                if call.outputs.last_only {
                    return argument("packed input", "a call that gives back all steps", "the last only");
                }
                let (input, own) = packed.unpack()?;
                self.check_features(packed.data.shape(), "sum of batch_sizes")?;
                (lengths, batch_sizes) = (Some(own), Some(packed.batch_sizes.as_slice()));
                CowArray::from(input)
            }
        };
        let (steps, batch, _) = input.dim();
        if let Some(state) = call.state {
            self.check_state(state, batch)?;
        }
        if let Some(given) = &call.lengths {
            if call.lengths_on_gpu.is_some() {
                return argument("lengths", "lengths on the host or on the GPU", "both");
            }
            lengths = Some(checked_lengths(given, steps, batch)?);
        }
        self.check_outputs(call.outputs)?;
        if let Some(dropout) = &call.dropout {
            dropout.check(self)?;
        }
        Ok(Checked {
            input,
            state: call.state,
            lengths,
            lengths_on_gpu: call.lengths_on_gpu,
            outputs: call.outputs,
            is_timed: call.is_timed,
            dropout: call.dropout,
            batch_sizes,
        })
    }

    /// Checks the features of an input again, once an input size that was open is known.
    pub fn check_input<T>(&self, input: &CowArray<'_, T, Ix3>) -> Result<()> {
        self.check_features(input.shape(), "T, N")
    }

    /// Refuses outputs that the network does not have.
    pub fn check_outputs(&self, outputs: Outputs) -> Result<()> {
        let top = self.top()[0].cell.cell;
        if outputs.cell_states && !top.has_cell_state() {
            let (expected, found) = ("a last layer with a cell state (an LSTM)".into(), top.name().into());
            return Err(Error::Argument { name: "cell_states", expected, found });
        }
        if outputs.last_only && self.residual && self.num_layers > 1 {
            let (expected, found) = ("no residual connections".into(), "some".into());
            return Err(Error::Argument { name: "last_only", expected, found });
        }
        Ok(())
    }

    fn time_first<'a, T>(&self, input: &ArrayViewD<'a, T>) -> Result<ndarray::ArrayView3<'a, T>> {
        let shape = input.shape();
        let letters = match self.layout {
            Layout::Tnc => "T, N",
            Layout::Ntc => "N, T",
        };
        let view = match shape.len() {
            // One sequence without a batch axis is the same in every layout.
            2 => input.clone().into_dimensionality::<Ix2>().ok().map(|view| view.insert_axis(Axis(1))),
            _ => input.clone().into_dimensionality::<Ix3>().ok().map(|view| self.layout.swap(view)),
        };
        self.check_features(shape, letters)?;
        view.filter(|view| !view.is_empty()).ok_or_else(|| self.wrong_input(shape, letters))
    }

    fn check_features(&self, shape: &[usize], letters: &str) -> Result<()> {
        let features = shape.last().copied().unwrap_or(0);
        let fits = if self.input_size == 0 { features > 0 } else { features == self.input_size };
        if fits { Ok(()) } else { Err(self.wrong_input(shape, letters)) }
    }

    fn wrong_input(&self, shape: &[usize], letters: &str) -> Error {
        let features = if self.input_size == 0 { "I".into() } else { self.input_size.to_string() };
        Error::Shape {
            name: "input".into(),
            expected: format!("[{letters}, {features}] or [T, {features}], with T and N at least 1"),
            found: shape.to_vec(),
        }
    }

    pub fn check_state<T>(&self, state: &State<T>, batch: usize) -> Result<()> {
        let check = |name: &str, found: &[usize], size: usize, letter: &str| {
            let expected = [self.slots.len(), batch, size];
            if found == expected {
                return Ok(());
            }
            Err(Error::Shape {
                name: name.into(),
                expected: format!("{expected:?} = [L*D, N, {letter}]"),
                found: found.to_vec(),
            })
        };
        let letter = if self.slots[0].cell.has_projection { "P" } else { "H" };
        check("h_0", state.h.shape(), self.state_size(), letter)?;
        match (&state.c, self.cell_state_size()) {
            (Some(c), Some(size)) => check("c_0", c.shape(), size, "H"),
            (None, None) => Ok(()),
            (Some(_), None) => {
                Err(Error::CellState { expected: "none, for cells without a cell state", found: "one" })
            }
            (None, Some(_)) => Err(Error::CellState { expected: "one beside h_0", found: "none" }),
        }
    }
}

fn checked_lengths(lengths: &[i64], steps: usize, batch: usize) -> Result<Vec<usize>> {
    let refuse = |expected: String, found: String| Err(Error::Argument { name: "lengths", expected, found });
    if lengths.len() != batch {
        return refuse(format!("{batch}, one for each sequence"), lengths.len().to_string());
    }
    let in_range = |&length: &i64| usize::try_from(length).ok().filter(|&length| length <= steps);
    match lengths.iter().position(|length| in_range(length).is_none()) {
        Some(row) => refuse(format!("0 to {steps} (T) for sequence {row}"), lengths[row].to_string()),
        None => Ok(lengths.iter().filter_map(in_range).collect()),
    }
}

impl Layout {
    /// From this layout's axes to T, N, C, or back; only ever a swap.
    pub(crate) fn swap<S: RawData>(self, array: ArrayBase<S, Ix3>) -> ArrayBase<S, Ix3> {
        match self {
            Layout::Tnc => array,
            Layout::Ntc => array.permuted_axes([1, 0, 2]),
        }
    }

    /// The shape that an array of T, N and C has.
    pub(crate) fn shape(self, steps: usize, batch: usize, width: usize) -> [usize; 3] {
        match self {
            Layout::Tnc => [steps, batch, width],
            Layout::Ntc => [batch, steps, width],
        }
    }

    /// A T, N, C array of zeros that is in standard order once it is swapped.
    pub(crate) fn zeros<T: Clone + Zero>(
        self,
        steps: usize,
        batch: usize,
        width: usize,
    ) -> ndarray::Array3<T> {
        match self {
            Layout::Tnc => ndarray::Array3::zeros((steps, batch, width)),
            Layout::Ntc => self.swap(ndarray::Array3::zeros((batch, steps, width))),
        }
    }
}
