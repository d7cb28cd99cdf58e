//! The gradients of a loss by the weights, the input and the initial states of a call.

use super::{Naming, Params, Table, TensorKind};
use crate::State;
use ndarray::{Array3, ArrayViewD};

/// The gradients of a loss by the input, the initial states and the weights of a call.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct CallGradients<T = f32> {
    /// By the input, in the shape that the call sees: `[T, N, I]`, or `[N, T, I]` in layout NTC. Zero past
    /// the ends of sequences.
    pub input: Array3<T>,
    /// By the initial states: h `[L*D, N, H]` (P with a projection), and c `[L*D, N, H]` of an LSTM; also
    /// where the call was given no state.
    pub state: State<T>,
    /// By every weight, summed over time steps and batch.
    pub weights: Gradients<T>,
}

/// The gradients of a loss by the weights of a network, flat: in one array, as the weights are.
#[derive(Clone, Debug, PartialEq)]
pub struct Gradients<T = f32> {
    params: Params<T>,
}

impl<T> Gradients<T> {
    pub(crate) fn new(params: Params<T>) -> Gradients<T> {
        Gradients { params }
    }

    /// Sets the gradients by tensors of these kinds to zero.
    pub(crate) fn clear(&mut self, kinds: &[TensorKind])
    where
        T: num_traits::Zero + Clone,
    {
        let table = self.params.table.clone();
        for entry in table.entries.iter().filter(|entry| kinds.contains(&entry.name.kind)) {
            self.params.numbers[entry.range()].fill(T::zero());
        }
    }

    /// Sets the gradients by the weights of some layers to zero.
    pub(crate) fn clear_layers(&mut self, is_cleared: impl Fn(usize) -> bool)
    where
        T: num_traits::Zero + Clone,
    {
        let table = self.params.table.clone();
        for entry in table.entries.iter().filter(|entry| is_cleared(entry.name.layer)) {
            self.params.numbers[entry.range()].fill(T::zero());
        }
    }

    /// Adds the gradients of another call, number by number.
    ///
    /// # Errors
    /// [`Error::Argument`](crate::Error::Argument) for gradients by other weights; nothing is added then.
    pub fn add(&mut self, other: &Gradients<T>) -> crate::Result<()>
    where
        T: Copy + std::ops::AddAssign,
    {
        other.check_table(&self.params.table)?;
        let pairs = self.params.numbers.iter_mut().zip(&other.params.numbers);
        pairs.for_each(|(sum, number)| *sum += *number);
        Ok(())
    }

    /// Refuses gradients by other weights than those of a table.
    pub(super) fn check_table(&self, table: &Table) -> crate::Result<()> {
        if *self.params.table == *table {
            return Ok(());
        }
        Err(crate::Error::Argument {
            name: "gradients",
            expected: "those by weights of the same names and shapes".into(),
            found: "others".into(),
        })
    }

    /// Every gradient under the name of its weight, in PyTorch's order.
    pub fn tensors(&self, naming: Naming) -> impl Iterator<Item = (String, ArrayViewD<'_, T>)> {
        self.params.tensors(naming)
    }

    /// The gradient by one weight, by its name in either scheme.
    pub fn tensor(&self, name: &str) -> Option<ArrayViewD<'_, T>> {
        self.params.by_name(name)
    }

    /// All numbers, in PyTorch's order of the weights; each weight begins at a multiple of 64 numbers, and
    /// the numbers between are zero.
    pub fn as_slice(&self) -> &[T] {
        &self.params.numbers
    }
}
