//! The gradients of a loss by the arrays that a call gives.

use super::Checked;
use super::outputs::{ResultArray, Source, pieces};
use crate::network::{Merge, Network, Outputs};
use crate::{Error, Result, State};
use ndarray::{Array3, ArrayRef3, ArrayView3, Axis, s};
use num_traits::Zero;

/// The gradients of a loss by the arrays that a call gives. Each gradient is optional, and a missing gradient
/// is zero.
///
/// ```
/// use ndarray::Array3;
/// use wgpu_rnn::{Call, Config, Init, OutputGradients, Weights, reference};
///
/// # fn main() -> wgpu_rnn::Result<()> {
/// let weights = Weights::init(&Config::lstm(6).input_size(3), &Init::pytorch())?;
/// let input = Array3::ones((4, 5, 3)); // T 4, N 5, I 3
/// let by_output = Array3::ones((4, 5, 6)); // of a loss that is the sum of the output
/// let grads = OutputGradients::new().output(&by_output);
/// let (_, gradients) = reference::backward(&weights, &Call::new(&input), &grads)?;
/// assert_eq!(gradients.input.dim(), (4, 5, 3));
/// assert_eq!(gradients.weights.tensor("weight_ih_l0").unwrap().shape(), [24, 3]);
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct OutputGradients<'a, T = f32> {
    arrays: Vec<(ResultArray, ArrayView3<'a, T>)>,
    h_n: Option<ArrayView3<'a, T>>,
    c_n: Option<ArrayView3<'a, T>>,
}

impl<T> Default for OutputGradients<'_, T> {
    fn default() -> Self {
        OutputGradients { arrays: Vec::new(), h_n: None, c_n: None }
    }
}

impl<'a, T> OutputGradients<'a, T> {
    /// All zero.
    pub fn new() -> OutputGradients<'a, T> {
        OutputGradients::default()
    }

    /// By [`Output::output`](crate::Output::output), in the shape of that array. Of packed sequences,
    /// [`Packed::unpack`](crate::Packed::unpack) makes the array, time first; [`Packed::pack`](crate::Packed::pack)
    /// packs the gradient by the input.
    #[must_use]
    pub fn output(self, gradient: &'a ArrayRef3<T>) -> Self {
        self.with(ResultArray::Output, gradient)
    }

    /// By [`Output::output_reverse`](crate::Output::output_reverse), in the shape of that array.
    #[must_use]
    pub fn output_reverse(self, gradient: &'a ArrayRef3<T>) -> Self {
        self.with(ResultArray::OutputReverse, gradient)
    }

    /// By [`Output::cell_states`](crate::Output::cell_states), in the shape of that array.
    #[must_use]
    pub fn cell_states(self, gradient: &'a ArrayRef3<T>) -> Self {
        self.with(ResultArray::CellStates, gradient)
    }

    /// By an array of [`Output::lower`](crate::Output::lower), in the shape of that array; `layer` 0 is the
    /// lowest.
    #[must_use]
    pub fn lower(self, layer: usize, gradient: &'a ArrayRef3<T>) -> Self {
        self.with(ResultArray::Lower(layer), gradient)
    }

    /// By [`Output::h_n`](crate::Output::h_n), `[L*D, N, H]` (P with a projection).
    #[must_use]
    pub fn h_n(self, gradient: &'a ArrayRef3<T>) -> Self {
        OutputGradients { h_n: Some(gradient.view()), ..self }
    }

    /// By [`Output::c_n`](crate::Output::c_n), `[L*D, N, H]`.
    #[must_use]
    pub fn c_n(self, gradient: &'a ArrayRef3<T>) -> Self {
        OutputGradients { c_n: Some(gradient.view()), ..self }
    }

    /// A second gradient by the same array takes the place of the first.
    fn with(mut self, array: ResultArray, gradient: &'a ArrayRef3<T>) -> Self {
        self.arrays.retain(|(other, _)| *other != array);
        self.arrays.push((array, gradient.view()));
        self
    }

    /// The gradient by an array that is not a final state.
    pub(crate) fn of(&self, array: ResultArray) -> Option<ArrayView3<'_, T>> {
        self.arrays.iter().find(|(own, _)| *own == array).map(|(_, gradient)| gradient.view())
    }

    /// The gradients by h_n and c_n.
    pub(crate) fn of_final(&self) -> [Option<ArrayView3<'_, T>>; 2] {
        [&self.h_n, &self.c_n].map(|gradient| gradient.as_ref().map(|gradient| gradient.view()))
    }
}

impl Network {
    /// Checks the gradients by the arrays that a call of T steps for a batch of N gives.
    pub fn check_gradients<T: Clone + Zero>(
        &self,
        gradients: &OutputGradients<'_, T>,
        outputs: Outputs,
        [steps, batch]: [usize; 2],
    ) -> Result<()> {
        for (array, gradient) in &gradients.arrays {
            let own = || pieces(self, outputs).filter(|piece| piece.array == *array);
            let Some(first) = own().next() else {
                return Err(Error::Argument {
                    name: "gradients",
                    expected: "those by arrays that the call gives".into(),
                    found: format!("one by {}", array.name()),
                });
            };
            let steps = if first.source == Source::Final { 1 } else { steps };
            let expected = self.layout.shape(steps, batch, own().map(|piece| piece.width).sum());
            check_shape(&array.name(), gradient.shape(), &expected)?;
        }
        let [h_n, c_n] = gradients.of_final();
        if let Some(h_n) = h_n {
            check_shape("h_n", h_n.shape(), &[self.slots.len(), batch, self.state_size()])?;
        }
        match (c_n, self.cell_state_size()) {
            (Some(c_n), Some(size)) => check_shape("c_n", c_n.shape(), &[self.slots.len(), batch, size]),
            (Some(_), None) => Err(Error::Argument {
                name: "gradients",
                expected: "none by c_n, for cells without a cell state".into(),
                found: "one".into(),
            }),
            (None, _) => Ok(()),
        }
    }
}

impl Network {
    /// The gradients by the final states.
    pub fn final_gradients(&self, given: &OutputGradients<'_>, batch: usize) -> Result<State> {
        let mut state = self.zero_state(batch)?;
        for (own, given) in [Some(&mut state.h), state.c.as_mut()].into_iter().zip(given.of_final()) {
            if let (Some(own), Some(given)) = (own, given) {
                own.assign(&given);
            }
        }
        Ok(state)
    }
}

/// Adds the gradient by the last output to that by the final hidden states that the output is made of.
pub(crate) fn add_last(
    network: &Network,
    given: &OutputGradients<'_>,
    h_n: &Array3<f32>,
    state: &mut Array3<f32>,
) {
    let top = network.top();
    let (first, size) = (top[0].index, top[0].state_size);
    for (direction, spec) in top.iter().enumerate() {
        let is_apart = network.merge == Merge::Apart && direction == 1;
        let array = if is_apart { ResultArray::OutputReverse } else { ResultArray::Output };
        let Some(by_last) = given.of(array) else { continue };
        let by_last = network.layout.swap(by_last);
        let by_last = by_last.index_axis(Axis(0), 0);
        let mut own = state.slice_mut(s![spec.index, .., ..size]);
        let side_by_side = s![.., direction * size..(direction + 1) * size];
        match network.merge {
            Merge::Concatenate => own += &by_last.slice(side_by_side),
            Merge::Apart | Merge::Sum => own += &by_last,
            Merge::Average => own.scaled_add(0.5, &by_last),
            Merge::Multiply => own += &(&by_last * &h_n.slice(s![first + 1 - direction, .., ..size])),
        }
    }
}

fn check_shape(of: &str, found: &[usize], expected: &[usize]) -> Result<()> {
    if found == expected {
        return Ok(());
    }
    let (name, expected, found) = (format!("gradient by {of}"), format!("{expected:?}"), found.to_vec());
    Err(Error::Shape { name, expected, found })
}

impl<T> Checked<'_, T> {
    /// T and N.
    pub fn size(&self) -> [usize; 2] {
        [self.steps(), self.batch()]
    }
}
