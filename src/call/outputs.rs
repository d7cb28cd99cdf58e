//! The output map: the arrays of an answer, and the numbers of the network that each is made of.
//!
//! One place for merge, last only, apart, cell states and every layer; all engines and encoded calls go by
//! it.

use super::{Checked, Output, Packed, State};
use crate::network::{Merge, Network, Outputs};
use crate::{Float, Result, memory};
use ndarray::{Array3, ArrayViewMut3, s};

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
    /// The slot; the forward one, where directions are merged by number.
    pub slot: usize,
    /// The first column of the array, and the number of columns.
    pub first_column: usize,
    /// Columns.
    pub width: usize,
}

/// The pieces of the arrays that a call gives back, states apart.
pub(crate) fn pieces(network: &Network, outputs: Outputs) -> Vec<Piece> {
    let mut pieces = Vec::new();
    for (layer, slots) in network.layers().enumerate() {
        let is_top = layer + 1 == network.num_layers;
        if !is_top && !outputs.every_layer {
            continue;
        }
        let source = if is_top && outputs.last_only { Source::Final } else { Source::Steps };
        for slot in &slots[..network.merged_directions()] {
            let side_by_side = slot.direction * slot.state_size;
            let (array, first_column) = match (is_top, network.merge, slot.direction) {
                (false, ..) => (ResultArray::Lower(layer), side_by_side),
                (true, Merge::Apart, 1) => (ResultArray::OutputReverse, 0),
                (true, ..) => (ResultArray::Output, side_by_side),
            };
            pieces.push(Piece { array, source, slot: slot.index, first_column, width: slot.state_size });
        }
        if is_top && outputs.cell_states {
            pieces.extend(slots.iter().map(|slot| Piece {
                array: ResultArray::CellStates,
                source: Source::Cells,
                slot: slot.index,
                first_column: slot.direction * slot.hidden_size,
                width: slot.hidden_size,
            }));
        }
    }
    pieces
}

/// The arrays of an answer while they are filled, `[T, N, C]` whatever the layout.
#[derive(Debug)]
pub(crate) struct Results<'a, T> {
    network: &'a Network,
    pieces: Vec<Piece>,
    arrays: Vec<(ResultArray, Array3<T>)>,
}

impl<'a, T: Float> Results<'a, T> {
    /// All arrays that the call asks for, of zeros.
    pub fn new(network: &'a Network, call: &Checked<'_, T>) -> Result<Results<'a, T>> {
        let pieces = pieces(network, call.outputs);
        let mut arrays: Vec<(ResultArray, Array3<T>)> = Vec::new();
        for piece in &pieces {
            if arrays.iter().any(|(array, _)| *array == piece.array) {
                continue;
            }
            let same = pieces.iter().filter(|other| other.array == piece.array);
            let width = same.map(|other| other.width).sum();
            let steps = if piece.source == Source::Final { 1 } else { call.steps() };
            let shape = [steps, call.batch(), width];
            memory::check::<T>(|| format!("a result of {shape:?}"), &shape)?;
            arrays.push((piece.array, network.layout.zeros(steps, call.batch(), width)));
        }
        Ok(Results { network, pieces, arrays })
    }

    /// A whole array, if the call asks for it.
    pub fn array_mut(&mut self, array: ResultArray) -> Option<ArrayViewMut3<'_, T>> {
        self.arrays.iter_mut().find(|(found, _)| *found == array).map(|(_, array)| array.view_mut())
    }

    /// Two whole arrays at once, each if the call asks for it.
    pub fn two_arrays_mut(
        &mut self,
        one: ResultArray,
        other: ResultArray,
    ) -> [Option<ArrayViewMut3<'_, T>>; 2] {
        let mut found = [None, None];
        for (array, numbers) in &mut self.arrays {
            for (place, wanted) in found.iter_mut().zip([one, other]) {
                if *array == wanted {
                    *place = Some(numbers.view_mut());
                    break;
                }
            }
        }
        found
    }

    /// The columns of a piece.
    pub fn piece_mut(&mut self, piece: &Piece) -> Option<ArrayViewMut3<'_, T>> {
        let columns = piece.first_column..piece.first_column + piece.width;
        self.array_mut(piece.array).map(|array| array.slice_move(s![.., .., columns]))
    }

    /// The pieces, for a caller that fills them one by one.
    pub fn pieces(&self) -> Vec<Piece> {
        self.pieces.clone()
    }

    /// Fills the pieces that are final states, from the final states.
    pub fn fill_final(&mut self, h_n: &Array3<T>) {
        let merge = self.network.merge;
        for piece in self.pieces().into_iter().filter(|piece| piece.source == Source::Final) {
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
    pub fn finish(self, call: &Checked<'_, T>, state: State<T>, engine: &str) -> Result<Output<T>> {
        let Results { network, arrays, .. } = self;
        let mut answer = Output {
            output: Array3::zeros((0, 0, 0)),
            output_reverse: None,
            packed: None,
            cell_states: None,
            lower: Vec::new(),
            h_n: state.h,
            c_n: state.c,
            times: Vec::new(),
            engine: engine.into(),
        };
        for (array, numbers) in arrays {
            if let (ResultArray::Output, Some(batch_sizes)) = (array, call.batch_sizes) {
                answer.packed = Some(Packed::pack(numbers.view(), batch_sizes)?);
            }
            let numbers = network.layout.swap(numbers);
            match array {
                ResultArray::Output => answer.output = numbers,
                ResultArray::OutputReverse => answer.output_reverse = Some(numbers),
                ResultArray::CellStates => answer.cell_states = Some(numbers),
                ResultArray::Lower(_) => answer.lower.push(numbers),
            }
        }
        Ok(answer)
    }
}
