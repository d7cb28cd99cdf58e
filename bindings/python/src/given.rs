//! The arrays and options of a call.

use crate::arrays::{Number, from_py, option_from_py, owned};
use crate::error::{self, argument};
use crate::interrupt;
use ndarray::{Array3, ArrayViewD, Axis, CowArray, Ix2, Ix3, IxDyn};
use numpy::PyReadonlyArray;
use pyo3::prelude::*;
use std::borrow::Cow;
use wgpu_rnn::{Call, Dropout, Outputs, Packed, State};

/// The arguments of a call, as Python has them.
#[derive(FromPyObject)]
#[pyo3(from_item_all)]
pub struct Options {
    pub last_only: bool,
    pub cell_states: bool,
    pub every_layer: bool,
    pub dropout: Option<DropoutOptions>,
}

/// Probability, seed, call, and one mask for all steps.
pub type DropoutOptions = (f32, u64, u32, bool);

pub fn dropout((p, seed, call, variational): DropoutOptions) -> Dropout {
    let dropout = Dropout::new(p).seed(seed).call(call);
    if variational { dropout.variational() } else { dropout }
}

/// The input that Python keeps while a call reads it.
pub enum Lent<'py, T: Number> {
    Padded(PyReadonlyArray<'py, T, IxDyn>),
    Packed(Packed<T>),
}

impl<'py, T: Number> Lent<'py, T> {
    /// The input: padded sequences, or with `batch_sizes` packed ones.
    pub fn new(input: &Bound<'py, PyAny>, batch_sizes: Option<Vec<usize>>) -> PyResult<Lent<'py, T>> {
        match batch_sizes {
            None => Ok(Lent::Padded(from_py("input", input)?)),
            Some(batch_sizes) => {
                let data = owned("input", from_py::<T, Ix2>("input", input)?.as_array())?;
                Ok(Lent::Packed(Packed { data, batch_sizes }))
            }
        }
    }
}

/// All that a call is made of, beside its network.
pub struct Given<'a, T: Number> {
    input: Input<'a, T>,
    state: Option<State<T>>,
    lengths: Option<Vec<i64>>,
    outputs: Outputs,
    dropout: Option<Dropout>,
}

enum Input<'a, T: Number> {
    Padded(CowArray<'a, T, IxDyn>),
    Packed(Cow<'a, Packed<T>>),
}

impl<'a, T: Number> Given<'a, T> {
    pub fn new(
        lent: &'a Lent<'_, T>,
        [h_0, c_0]: [Option<&Bound<'_, PyAny>>; 2],
        lengths: Option<Vec<i64>>,
        options: Option<Options>,
    ) -> PyResult<Given<'a, T>> {
        let input = match lent {
            Lent::Padded(array) => Input::Padded(CowArray::from(array.as_array())),
            Lent::Packed(packed) => Input::Packed(Cow::Borrowed(packed)),
        };
        let is_one = matches!(&input, Input::Padded(array) if array.ndim() == 2);
        let h = state("h_0", h_0, is_one)?;
        let c = state("c_0", c_0, is_one)?;
        let state = match (h, c) {
            (Some(h), c) => Some(State { h, c }),
            (None, None) => None,
            (None, Some(_)) => return Err(argument("h_0", "one beside c_0", "none")),
        };
        let mut outputs = Outputs::default();
        let mut drops = None;
        if let Some(options) = options {
            outputs.last_only = options.last_only;
            outputs.cell_states = options.cell_states;
            outputs.every_layer = options.every_layer;
            drops = options.dropout.map(dropout);
        }
        Ok(Given { input, state, lengths, outputs, dropout: drops })
    }

    /// One sequence without an axis for the batch.
    pub fn is_one(&self) -> bool {
        matches!(&self.input, Input::Padded(array) if array.ndim() == 2)
    }

    pub fn is_packed(&self) -> bool {
        matches!(&self.input, Input::Packed(_))
    }

    /// The numbers of the input, and the axis of its time steps.
    pub fn view(&self) -> ArrayViewD<'_, T> {
        match &self.input {
            Input::Padded(array) => array.view(),
            Input::Packed(packed) => packed.data.view().into_dyn(),
        }
    }

    pub fn call(&self) -> Call<'_, T> {
        let call = match &self.input {
            Input::Padded(array) => Call::new(array),
            Input::Packed(packed) => Call::packed(packed),
        };
        let call = call.state(self.state.as_ref()).outputs(self.outputs);
        let call = match &self.lengths {
            Some(lengths) => call.lengths(lengths),
            None => call,
        };
        match self.dropout {
            Some(dropout) => call.dropout(dropout),
            None => call,
        }
    }

    /// The same with an input of its own.
    pub fn into_owned(self) -> PyResult<Given<'static, T>> {
        let input = match self.input {
            Input::Padded(array) => Input::Padded(CowArray::from(owned("input", array.view())?)),
            Input::Packed(packed) => Input::Packed(Cow::Owned(packed.into_owned())),
        };
        Ok(Given {
            input,
            state: self.state,
            lengths: self.lengths,
            outputs: self.outputs,
            dropout: self.dropout,
        })
    }

    /// Computes without the interpreter. A long call, which Ctrl-C ends, has a copy of its input: it may go
    /// on when Python no longer keeps the array.
    pub fn compute<R: Send + 'static>(
        self,
        py: Python<'_>,
        is_long: bool,
        work: impl FnOnce(&Call<'_, T>) -> wgpu_rnn::Result<R> + Send + 'static,
    ) -> PyResult<R> {
        let answer = match is_long {
            false => py.detach(|| work(&self.call())),
            true => {
                let given = self.into_owned()?;
                interrupt::run(py, move || work(&given.call()))?
            }
        };
        answer.map_err(error::of)
    }
}

/// A state, `[L*D, N, H]`, or `[L*D, H]` of a single sequence.
fn state<T: Number>(
    name: &str,
    value: Option<&Bound<'_, PyAny>>,
    is_one: bool,
) -> PyResult<Option<Array3<T>>> {
    if !is_one {
        let array = option_from_py::<T, Ix3>(name, value)?;
        return array.map(|array| owned(name, array.as_array())).transpose();
    }
    let array = option_from_py::<T, Ix2>(name, value)?;
    array.map(|array| owned(name, array.as_array().insert_axis(Axis(1)))).transpose()
}
