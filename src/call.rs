//! What goes into a call, and its checks.

use crate::options::Layout;
use crate::{Config, Error, Output, Result, State, memory};
use ndarray::{
    Array2, Array3, ArrayBase, ArrayRef, ArrayView2, ArrayView3, ArrayViewD, Axis, Dimension, Ix2, Ix3,
    RawData, s,
};
use num_traits::{PrimInt, Zero};

/// One call of a network: the input and, if wished, the state to start from and the sequences' lengths.
///
/// ```
/// use ndarray::Array3;
/// use wgpu_rnn::{Call, Config, Engine, Init, Rnn};
///
/// # fn main() -> wgpu_rnn::Result<()> {
/// let mut rnn = Rnn::lazy(&Engine::auto(), &Config::gru(13).bidirectional(), Init::pytorch())?;
/// let input = Array3::ones((5, 3, 7)); // T 5, N 3, I 7
/// let answer = rnn.call(&Call::new(&input).lengths(&[2, 5, 0]))?;
/// assert!(answer.output.slice(ndarray::s![2.., 0, ..]).iter().all(|&past_the_end| past_the_end == 0.0));
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Call<'a, T = f32> {
    pub(crate) input: ArrayViewD<'a, T>,
    pub(crate) state: Option<&'a State<T>>,
    pub(crate) lengths: Option<Vec<i64>>,
}

impl<'a, T> Call<'a, T> {
    /// `input` is `[T, N, I]` (`[N, T, I]` in layout NTC), or `[T, I]` for a single sequence, with any strides.
    pub fn new<D: Dimension>(input: &'a ArrayRef<T, D>) -> Call<'a, T> {
        Call { input: input.view().into_dyn(), state: None, lengths: None }
    }

    /// Starts from a state: h `[L*D, N, H]` (P with a projection), c `[L*D, N, H]`. Without one, from zero or what was
    /// learned.
    #[must_use]
    pub fn state(mut self, state: impl Into<Option<&'a State<T>>>) -> Call<'a, T> {
        self.state = state.into();
        self
    }

    /// The length of each sequence, from 0 to T, in any order. The reverse direction begins at a sequence's own end, the final
    /// states are those there, and output past it is zero. A sequence's result does not depend on what stands past its end.
    #[must_use]
    pub fn lengths<I: PrimInt>(mut self, lengths: &[I]) -> Call<'a, T> {
        // What does not fit is out of range all the same.
        self.lengths = Some(lengths.iter().map(|length| length.to_i64().unwrap_or(i64::MAX)).collect());
        self
    }
}

impl<'a> Call<'a> {
    /// The same call from another state, unless it has one of its own.
    pub(crate) fn from<'b>(&'b self, state: Option<&'b State>) -> Call<'b>
    where
        'a: 'b,
    {
        Call { input: self.input.view(), state: self.state.or(state), lengths: self.lengths.clone() }
    }
}

/// A call that has been checked, its input in the order T, N, I.
pub(crate) struct Checked<'a, T> {
    pub input: ArrayView3<'a, T>,
    pub state: Option<&'a State<T>>,
    pub lengths: Option<Vec<usize>>,
}

impl<T> Checked<'_, T> {
    /// T.
    pub fn steps(&self) -> usize {
        self.input.dim().0
    }

    /// N.
    pub fn batch(&self) -> usize {
        self.input.dim().1
    }

    /// The length of a sequence.
    pub fn length(&self, row: usize) -> usize {
        self.lengths.as_ref().map_or(self.steps(), |lengths| lengths[row])
    }

    /// The length of the longest sequence, past which nothing is computed.
    pub fn longest(&self) -> usize {
        (0..self.batch()).map(|row| self.length(row)).max().unwrap_or(0)
    }
}

/// # Checks of a call
impl Config {
    /// Whether a network of this configuration can be called so, without calling it.
    ///
    /// # Errors
    /// Those of [`Rnn::call`](crate::Rnn::call) about shapes and lengths.
    pub fn check_call<T>(&self, call: &Call<'_, T>) -> Result<()> {
        self.checked(call).map(|_| ())
    }

    pub(crate) fn checked<'a, T>(&self, call: &Call<'a, T>) -> Result<Checked<'a, T>> {
        self.check()?;
        let input = self.time_first(&call.input)?;
        let (steps, batch, _) = input.dim();
        if let Some(state) = call.state {
            self.check_state(state, batch)?;
        }
        let lengths = match &call.lengths {
            Some(lengths) => Some(checked_lengths(lengths, steps, batch)?),
            None => None,
        };
        Ok(Checked { input, state: call.state, lengths })
    }

    /// The input with its axes in the order T, N, I.
    fn time_first<'a, T>(&self, input: &ArrayViewD<'a, T>) -> Result<ArrayView3<'a, T>> {
        let shape = input.shape();
        let features = shape.last().copied().unwrap_or(0);
        let fits = if self.input_size == 0 { features > 0 } else { features == self.input_size };
        let view = match shape.len() {
            // One sequence without a batch axis is the same in every layout.
            2 => input.clone().into_dimensionality::<Ix2>().ok().map(|view| view.insert_axis(Axis(1))),
            _ => input.clone().into_dimensionality::<Ix3>().ok().map(|view| self.layout.swap(view)),
        };
        match view {
            Some(view) if fits && !view.is_empty() => Ok(view),
            _ => {
                let letters = match self.layout {
                    Layout::Tnc => "T, N",
                    Layout::Ntc => "N, T",
                };
                let features = if self.input_size == 0 { "I".into() } else { self.input_size.to_string() };
                Err(Error::Shape {
                    name: "input".into(),
                    expected: format!("[{letters}, {features}] or [T, {features}], with T and N at least 1"),
                    found: shape.to_vec(),
                })
            }
        }
    }

    pub(crate) fn check_state<T>(&self, state: &State<T>, batch: usize) -> Result<()> {
        let check = |name: &str, found: &[usize], size: usize, letter: &str| {
            let expected = [self.slots(), batch, size];
            if found == expected {
                return Ok(());
            }
            Err(Error::Shape {
                name: name.into(),
                expected: format!("{expected:?} = [L*D, N, {letter}]"),
                found: found.to_vec(),
            })
        };
        let letter = if self.proj_size > 0 { "P" } else { "H" };
        check("h_0", state.h.shape(), self.state_size(), letter)?;
        match (&state.c, self.cell_state_size()) {
            (Some(c), Some(size)) => check("c_0", c.shape(), size, "H"),
            (None, None) => Ok(()),
            (Some(_), None) => {
                Err(Error::CellState { expected: "none (only an LSTM has one)", found: "one" })
            }
            (None, Some(_)) => Err(Error::CellState { expected: "one beside h_0", found: "none" }),
        }
    }

    /// A state of zeros for a batch of N.
    pub(crate) fn zero_state<T: Clone + Zero>(&self, batch: usize) -> Result<State<T>> {
        let zeros = |size| {
            let shape = [self.slots(), batch, size];
            memory::check::<T>(|| format!("initial state {shape:?}"), &shape)?;
            Ok(Array3::zeros(shape))
        };
        let h = zeros(self.state_size())?;
        let c = self.cell_state_size().map(zeros).transpose()?;
        Ok(State { h, c })
    }
}

fn checked_lengths(lengths: &[i64], steps: usize, batch: usize) -> Result<Vec<usize>> {
    let refuse = |expected: String, found: String| Err(Error::Setting { name: "lengths", expected, found });
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

    /// A T, N, C array of zeros that is in standard order once it is swapped.
    pub(crate) fn zeros<T: Clone + Zero>(self, steps: usize, batch: usize, width: usize) -> Array3<T> {
        match self {
            Layout::Tnc => Array3::zeros((steps, batch, width)),
            Layout::Ntc => self.swap(Array3::zeros((batch, steps, width))),
        }
    }

    /// A T, N, C array as the caller sees it, in standard order.
    pub(crate) fn restore<T: Clone>(self, array: Array3<T>) -> Array3<T> {
        let array = self.swap(array);
        if array.is_standard_layout() { array } else { array.as_standard_layout().into_owned() }
    }
}

/// Sequences of different lengths without padding, longest first: the first steps of all, then the second steps of those that
/// have one, and so on (PyTorch's `PackedSequence`, whose `data` and `batch_sizes` these are).
///
/// ```
/// use ndarray::arr2;
/// use wgpu_rnn::Packed;
///
/// // Two sequences, of 2 steps and of 1, with one feature.
/// let packed = Packed { data: arr2(&[[1.0], [10.0], [2.0]]), batch_sizes: vec![2, 1] };
/// let (padded, lengths) = packed.unpack()?;
/// assert_eq!(padded.into_raw_vec_and_offset().0, [1.0, 10.0, 2.0, 0.0]); // [T, N, I]
/// assert_eq!(lengths, [2, 1]);
/// # Ok::<(), wgpu_rnn::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
pub struct Packed<T = f32> {
    /// `[sum of batch_sizes, C]`.
    pub data: Array2<T>,
    /// For each time step, how many sequences have it; never more than the step before.
    pub batch_sizes: Vec<usize>,
}

impl<T: Clone + Zero> Packed<T> {
    /// The sequences padded with zeros, `[T, N, C]`, and their lengths.
    ///
    /// # Errors
    /// [`Error::Setting`] if `batch_sizes` do not fall or do not add up to the rows of `data`.
    pub fn unpack(&self) -> Result<(Array3<T>, Vec<usize>)> {
        let sizes = &self.batch_sizes;
        let refuse =
            |expected: String, found: String| Err(Error::Setting { name: "batch_sizes", expected, found });
        let batch = sizes.first().copied().unwrap_or(0);
        if batch == 0 {
            return refuse(
                "a first one of at least 1".into(),
                sizes.first().map_or("none".into(), usize::to_string),
            );
        }
        for (step, pair) in sizes.windows(2).enumerate() {
            if !(1..=pair[0]).contains(&pair[1]) {
                return refuse(format!("1 to {} at time step {}", pair[0], step + 1), pair[1].to_string());
            }
        }
        let rows = sizes.iter().try_fold(0_usize, |sum, &size| sum.checked_add(size));
        if rows != Some(self.data.nrows()) {
            let found = rows.map_or("more than can be counted".into(), |rows| rows.to_string());
            return refuse(format!("a sum of {}, the rows of data", self.data.nrows()), found);
        }
        let shape = [sizes.len(), batch, self.data.ncols()];
        memory::check::<T>(|| format!("unpacked input {shape:?}"), &shape)?;
        let mut padded = Array3::zeros(shape);
        let mut first = 0;
        for (mut step, &size) in padded.outer_iter_mut().zip(sizes) {
            step.slice_mut(s![..size, ..]).assign(&self.data.slice(s![first..first + size, ..]));
            first += size;
        }
        let lengths = (0..batch).map(|row| sizes.partition_point(|&size| size > row)).collect();
        Ok((padded, lengths))
    }

    /// The steps within the sequences of a `[T, N, C]` array, of which the first `batch_sizes[t]` have a step t.
    ///
    /// # Errors
    /// [`Error::Setting`] if the array has not T time steps, or a step has more sequences than N.
    pub fn pack(padded: ArrayView3<'_, T>, batch_sizes: &[usize]) -> Result<Packed<T>> {
        let (steps, batch, _) = padded.dim();
        let most = batch_sizes.iter().copied().max().unwrap_or(0);
        if steps != batch_sizes.len() || most > batch {
            let expected = format!("{steps} of at most {batch}, as the array has time steps and sequences");
            let found = format!("{} of at most {most}", batch_sizes.len());
            return Err(Error::Setting { name: "batch_sizes", expected, found });
        }
        let steps = padded.outer_iter().zip(batch_sizes);
        let steps: Vec<ArrayView2<'_, T>> =
            steps.map(|(step, &size)| step.slice_move(s![..size, ..])).collect();
        // All of them have C columns; an array without steps has no rows.
        let none = Array2::zeros((0, padded.dim().2));
        let data =
            if steps.is_empty() { none } else { ndarray::concatenate(Axis(0), &steps).expect("one width") };
        Ok(Packed { data, batch_sizes: batch_sizes.to_vec() })
    }
}

/// Packed sequences on their way through a network.
pub(crate) struct Padded<'a, T> {
    /// In the network's layout.
    input: Array3<T>,
    lengths: Vec<usize>,
    batch_sizes: &'a [usize],
}

impl<T: Clone + Zero> Packed<T> {
    pub(crate) fn padded(&self, config: &Config) -> Result<Padded<'_, T>> {
        if config.outputs.last_only {
            let (expected, found) = ("a network that gives all steps".into(), "the last only".into());
            return Err(Error::Setting { name: "packed input", expected, found });
        }
        let (input, lengths) = self.unpack()?;
        Ok(Padded { input: config.layout.restore(input), lengths, batch_sizes: &self.batch_sizes })
    }
}

impl<T: Clone + Zero> Padded<'_, T> {
    pub fn call<'a>(&'a self, state: Option<&'a State<T>>) -> Call<'a, T> {
        Call::new(&self.input).state(state).lengths(&self.lengths)
    }

    /// The answer with its output packed beside it.
    pub fn pack(&self, config: &Config, answer: Output<T>) -> Result<(Packed<T>, Output<T>)> {
        let output = config.layout.swap(answer.output.view());
        Ok((Packed::pack(output, self.batch_sizes)?, answer))
    }
}
