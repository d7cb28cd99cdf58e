//! The output map: the arrays of an answer, and the numbers of the network that each is made of.
//!
//! One place for merge, last only, apart, cell states and every layer; all engines and encoded calls go by
//! the map.

use super::{Checked, Output, Packed, State};
use crate::float::Scalar;
use crate::network::{Layout, Merge, Network, Outputs};
use crate::{Result, memory};
use ndarray::{Array3, ArrayViewMut3, s};
use std::sync::Arc;

/// An array of an answer that is not a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum ResultArray {
    /// The last layer's output, or its last step.
    Output,
    /// The reverse direction's, of two that are apart.
    OutputReverse,
    /// The last layer's cell states.
    CellStates,
    /// The output of a layer below the last.
    Lower(usize),
}

impl ResultArray {
    /// The name, as `infer` writes it.
    pub fn name(self) -> String {
        match self {
            ResultArray::Output => "output".into(),
            ResultArray::OutputReverse => "output_reverse".into(),
            ResultArray::CellStates => "cell_states".into(),
            ResultArray::Lower(layer) => format!("output_l{layer}"),
        }
    }
}

/// The numbers of a slot.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Source {
    /// h of every step; of both directions, where they are merged by number.
    Steps,
    /// The final h; of both directions, where they are merged by number.
    Final,
    /// c of every step.
    Cells,
}

/// Some columns of an array, and where their numbers come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Piece {
    /// The array.
    pub array: ResultArray,
    /// The numbers.
    pub source: Source,
    /// The slot; the forward slot, where directions are merged by number.
    pub slot: usize,
    /// The first column of the array, and the number of columns.
    pub first_column: usize,
    /// Columns.
    pub width: usize,
}

/// The pieces of the arrays that a call gives back, states apart.
pub(crate) fn pieces(network: &Network, outputs: Outputs) -> impl Iterator<Item = Piece> {
    let merge = network.merge;
    let layers =
        network.layers().enumerate().map(move |(layer, slots)| (layer + 1 == network.num_layers, slots));
    let wanted = layers.filter(move |(is_top, _)| *is_top || outputs.every_layer);
    wanted.flat_map(move |(is_top, slots)| {
        let source = if is_top && outputs.last_only { Source::Final } else { Source::Steps };
        let hidden = slots[..network.merged_directions()].iter().map(move |slot| {
            let side_by_side = slot.direction * slot.state_size;
            let (array, first_column) = match (is_top, merge, slot.direction) {
                (false, ..) => (ResultArray::Lower(slot.layer), side_by_side),
                (true, Merge::Apart, 1) => (ResultArray::OutputReverse, 0),
                (true, ..) => (ResultArray::Output, side_by_side),
            };
            Piece { array, source, slot: slot.index, first_column, width: slot.state_size }
        });
        let cells = slots.iter().filter(move |_| is_top && outputs.cell_states).map(|slot| Piece {
            array: ResultArray::CellStates,
            source: Source::Cells,
            slot: slot.index,
            first_column: slot.direction * slot.hidden_size,
            width: slot.hidden_size,
        });
        hidden.chain(cells)
    })
}

/// The answer while its arrays are filled, `[T, N, C]` whatever the layout. An answer takes no memory beside
/// its arrays.
#[derive(Debug)]
pub(crate) struct Results<'a, T> {
    network: &'a Network,
    outputs: Outputs,
    answer: Output<T>,
}

impl<'a, T: Scalar> Results<'a, T> {
    /// All arrays that the call asks for, of zeros.
    pub fn new(network: &'a Network, call: &Checked<'_, T>, engine: &Arc<str>) -> Result<Results<'a, T>> {
        let answer = Output {
            output: Array3::zeros((0, 0, 0)),
            output_reverse: None,
            packed: None,
            cell_states: None,
            lower: Vec::new(),
            h_n: Array3::zeros((0, 0, 0)),
            c_n: None,
            times: Vec::new(),
            engine: engine.clone(),
        };
        let mut results = Results { network, outputs: call.outputs, answer };
        let mut pieces = results.pieces().peekable();
        while let Some(Piece { array, source, mut width, .. }) = pieces.next() {
            // The pieces of an array follow each other.
            while let Some(other) = pieces.next_if(|other| other.array == array) {
                width += other.width;
            }
            let steps = if source == Source::Final { 1 } else { call.steps() };
            let shape = [steps, call.batch(), width];
            memory::check::<T>(|| format!("a result of {shape:?}"), &shape)?;
            let zeros = network.layout.zeros(steps, call.batch(), width);
            let answer = &mut results.answer;
            match array {
                ResultArray::Output => answer.output = zeros,
                ResultArray::OutputReverse => answer.output_reverse = Some(zeros),
                ResultArray::CellStates => answer.cell_states = Some(zeros),
                ResultArray::Lower(_) => answer.lower.push(zeros),
            }
        }
        Ok(results)
    }

    /// A whole array, if the call asks for it.
    pub fn array_mut(&mut self, array: ResultArray) -> Option<ArrayViewMut3<'_, T>> {
        let answer = &mut self.answer;
        let array = match array {
            ResultArray::Output => Some(&mut answer.output),
            ResultArray::OutputReverse => answer.output_reverse.as_mut(),
            ResultArray::CellStates => answer.cell_states.as_mut(),
            ResultArray::Lower(layer) => answer.lower.get_mut(layer),
        };
        array.map(|array| array.view_mut())
    }

    /// The output and the cell states at once; cell states are none if the call does not ask for them.
    pub fn top_mut(&mut self) -> (ArrayViewMut3<'_, T>, Option<ArrayViewMut3<'_, T>>) {
        let Output { output, cell_states, .. } = &mut self.answer;
        (output.view_mut(), cell_states.as_mut().map(|cells| cells.view_mut()))
    }

    /// The columns of a piece.
    pub fn piece_mut(&mut self, piece: &Piece) -> Option<ArrayViewMut3<'_, T>> {
        let columns = piece.first_column..piece.first_column + piece.width;
        self.array_mut(piece.array).map(|array| array.slice_move(s![.., .., columns]))
    }

    /// The pieces, for a caller that fills them one by one.
    pub fn pieces(&self) -> impl Iterator<Item = Piece> + use<'a, T> {
        pieces(self.network, self.outputs)
    }

    /// Fills the pieces that are final states, from the final states.
    pub fn fill_final(&mut self, h_n: &Array3<T>) {
        let merge = self.network.merge;
        for piece in self.pieces().filter(|piece| piece.source == Source::Final) {
            let state = |slot: usize| h_n.slice(s![slot..=slot, .., ..piece.width]);
            let Some(mut columns) = self.piece_mut(&piece) else { continue };
            columns.assign(&state(piece.slot));
            if merge.is_elementwise() {
                columns.zip_mut_with(&state(piece.slot + 1), |forward, &reverse| {
                    *forward = merge.apply(*forward, reverse);
                });
            }
        }
    }

    /// The answer, its arrays in the network's layout.
    pub fn finish(self, call: &Checked<'_, T>, state: State<T>) -> Result<Output<T>> {
        let Results { network, mut answer, .. } = self;
        if let Some(batch_sizes) = call.batch_sizes {
            answer.packed = Some(Packed::pack(answer.output.view(), batch_sizes)?);
        }
        let Output { output, output_reverse, cell_states, lower, .. } = &mut answer;
        let arrays = [Some(output), output_reverse.as_mut(), cell_states.as_mut()];
        if network.layout == Layout::Ntc {
            arrays.into_iter().flatten().chain(lower).for_each(|array| array.swap_axes(0, 1));
        }
        (answer.h_n, answer.c_n) = (state.h, state.c);
        Ok(answer)
    }
}
