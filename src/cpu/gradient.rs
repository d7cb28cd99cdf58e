//! The backward pass of a call on the CPU engine: the layers from the last to the first.

use super::CpuRnn;
use super::aligned::padded;
use super::back::{Back, SlotGradients};
use super::outer::OuterSum;
use super::parts::Parts;
use super::saved::{SavedLayer, SavedSlot};
use crate::call::{Checked, Dropout, OutputGradients, ResultArray, Source, add_last, pieces};
use crate::network::{Merge, Network, Outputs, SlotSpec};
use crate::weights::{CallGradients, Gradients, Params, TensorKind};
use crate::{Output, Result, Save, Wanted, Weights, memory};
use ndarray::{Array3, Axis, CowArray, Ix3, s};
use rayon::prelude::*;

/// Saved calls whose memory is kept for further ones.
const MOST_SPARE: usize = 4;

/// All that a call has kept for its backward pass.
#[derive(Debug)]
pub(crate) struct CpuSaved {
    layers: Vec<SavedLayer>,
    lengths: Option<Vec<usize>>,
    dropout: Option<Dropout>,
    outputs: Outputs,
    /// T and N.
    size: [usize; 2],
    starts_from_learned: bool,
    /// The final hidden states, where their merge multiplies them.
    h_n: Array3<f32>,
}

impl CpuSaved {
    pub fn outputs(&self) -> Outputs {
        self.outputs
    }

    /// T and N.
    pub fn size(&self) -> [usize; 2] {
        self.size
    }
}

impl CpuRnn {
    /// Computes a call, and keeps the numbers that its backward pass needs.
    pub fn call_saved(
        &self,
        weights: &Weights,
        call: &Checked<'_, f32>,
        save: Save,
    ) -> Result<(Output, CpuSaved)> {
        // An allocation that fails would end the process.
        let slots = self.slots(weights);
        let widths = |save| slots.iter().map(|slot| SavedSlot::width(slot, save)).sum::<usize>();
        let inputs = weights.network().slots.iter().map(|slot| slot.input_size).sum::<usize>();
        let shape = |save| [call.steps(), call.batch(), widths(save).saturating_add(inputs)];
        let [gates, states] = Save::ALL.map(|save| memory::bytes::<f32>(&shape(save)));
        // With the bytes of the other saving.
        let what = || format!("the numbers of a saved call (gates: {gates} bytes, states: {states})");
        memory::check_bytes(what, memory::bytes::<f32>(&shape(save)))?;
        self.check_backward(weights, call.size())?;
        let mut layers = self.spare().pop().unwrap_or_default();
        let output = self.call(weights, call, Some((&mut layers, save)))?;
        let saved = CpuSaved {
            layers,
            lengths: call.lengths.clone(),
            dropout: call.dropout,
            outputs: call.outputs,
            size: call.size(),
            starts_from_learned: call.state.is_none(),
            h_n: output.h_n.clone(),
        };
        Ok((output, saved))
    }

    /// Asks for the memory that the backward pass of a call of T steps for a batch of N works in.
    pub fn check_backward(&self, weights: &Weights, [steps, batch]: [usize; 2]) -> Result<()> {
        let network = weights.network();
        let of_layer = |slots: &[SlotSpec]| {
            // By the input, of each direction and of both; by the output; and the operands of products.
            let input = (slots.len() + 1) * padded(slots[0].input_size);
            let output = 2 * network.width(slots[0].layer);
            input + output + slots.len() * (padded(slots[0].hidden_size) + padded(slots[0].state_size))
        };
        let widest = network.layers().map(of_layer).max().unwrap_or(0);
        memory::check::<f32>(|| "the numbers of a backward pass".into(), &[steps, batch, widest])?;
        memory::check::<f32>(|| "the gradients by weights".into(), &[2, weights.params().numbers.len()])
    }

    /// The gradients of a loss by everything that a call is made of.
    pub fn backward(
        &self,
        weights: &Weights,
        mut saved: CpuSaved,
        given: &OutputGradients<'_>,
        wanted: &Wanted,
    ) -> Result<CallGradients> {
        let network = weights.network();
        let slots = self.slots(weights);
        let transposed = self.transposed(weights);
        let [steps, batch] = saved.size;
        let mut state = network.final_gradients(given, saved.h_n.dim().1)?;
        if saved.outputs.last_only {
            add_last(network, given, &saved.h_n, &mut state.h);
        }
        let mut params = Params::zeros(network)?;
        let cells = given.of(ResultArray::CellStates).map(|cells| network.layout.swap(cells));
        let mut above: Option<Array3<f32>> = None;
        for (layer, kept) in saved.layers.iter_mut().enumerate().rev() {
            let specs = network.layer(layer);
            let (first, spec) = (specs[0].index, &specs[0]);
            if let (Some(dropout), Some(above)) = (saved.dropout, &mut above) {
                dropout.apply(layer, above.view_mut());
            }
            let by_output = by_output(network, given, saved.outputs, layer, saved.size, above.take());
            let by_direction =
                by_direction(network, layer, by_output.as_ref(), kept.directions_apart.as_ref());
            let own = &slots[first..first + specs.len()];
            let Parts { count, threads, .. } = Parts::of(specs, steps, batch, false);
            let below = kept.below.view().into_shape_with_order((steps * batch, spec.input_size));
            let below = below.expect("a layer's input in one piece");
            let mut states = state.h.slice_mut(s![first..first + specs.len(), .., ..]);
            let mut cell_states =
                state.c.as_mut().map(|c| c.slice_mut(s![first..first + specs.len(), .., ..]));
            let mut cell_rows = cell_states.as_mut().map(|c| c.outer_iter_mut());
            for (slot, kept) in own.iter().zip(&mut kept.slots) {
                let lengths = saved.lengths.as_deref();
                let is_active = |row: usize| lengths.is_none_or(|lengths| row / batch < lengths[row % batch]);
                let rows = below.as_slice().expect("a layer's input in one piece");
                kept.make_again(slot, rows, &is_active, count * threads);
            }
            let mut backs = Vec::new();
            for (direction, (h, kept)) in states.outer_iter_mut().zip(&mut kept.slots).enumerate() {
                let c = cell_rows.as_mut().and_then(Iterator::next);
                let cells = cells.as_ref().filter(|_| layer + 1 == network.num_layers);
                let columns = direction * spec.hidden_size..(direction + 1) * spec.hidden_size;
                backs.push(Back {
                    slot: &own[direction],
                    transposed: &transposed[first + direction],
                    saved: kept,
                    steps,
                    lengths: saved.lengths.as_deref(),
                    below,
                    output: by_direction[direction].as_ref().map(|by| by.view()),
                    cell_states: cells.map(|cells| cells.slice(s![.., .., columns])),
                    h: h.split_at(Axis(1), spec.state_size).0,
                    c: c.map(|c| c.split_at(Axis(1), spec.cell_state_size()).0),
                    threads,
                    wants: [layer > 0 || wanted.has_input(), wanted.has_weights(layer)],
                });
            }
            let gradients: Vec<SlotGradients> = if count * threads > 1 {
                backs.into_par_iter().map(Back::run).collect()
            } else {
                backs.into_iter().map(Back::run).collect()
            };
            let mut by_input = Array3::zeros((steps, batch, spec.input_size));
            let is_shared = count * threads > 1;
            for (spec, gradients) in specs.iter().zip(gradients) {
                let rows = by_input.as_slice_mut().expect("new arrays lie in one piece");
                let (products, stride) = (&gradients.input, gradients.input_stride);
                if !products.is_empty() {
                    each_row(rows, spec.input_size, is_shared, |row, sums| {
                        sums.iter_mut().zip(&products[row * stride..]).for_each(|(sum, x)| *sum += x);
                    });
                }
                put_matrices(&mut params, spec, gradients.matrices, is_shared);
                put_vectors(&mut params, spec, gradients.vectors);
            }
            if let Some(by_output) = by_output.filter(|_| network.residual && layer > 0) {
                by_input += &by_output;
            }
            above = Some(by_input);
        }
        for spec in &network.slots {
            state.h.slice_mut(s![spec.index, .., spec.state_size..]).fill(0.0);
            if let Some(c) = &mut state.c {
                c.slice_mut(s![spec.index, .., spec.cell_state_size()..]).fill(0.0);
            }
            let is_wanted = saved.starts_from_learned && wanted.has_weights(spec.layer);
            if is_wanted && spec.cell.has_learned_state {
                let sums = |array: &Array3<f32>, size: usize| {
                    array.index_axis(Axis(0), spec.index).sum_axis(Axis(0)).to_vec()[..size].to_vec()
                };
                let mut learned = vec![(TensorKind::InitialH, sums(&state.h, spec.state_size))];
                learned.extend(
                    state
                        .c
                        .as_ref()
                        .filter(|_| spec.cell_state_size() > 0)
                        .map(|c| (TensorKind::InitialC, sums(c, spec.cell_state_size()))),
                );
                put_vectors(&mut params, spec, learned);
            }
        }
        let mut spare = self.spare();
        spare.push(saved.layers);
        spare.truncate(MOST_SPARE);
        drop(spare);
        let input = above.filter(|_| wanted.has_input()).unwrap_or_else(|| Array3::zeros((0, 0, 0)));
        Ok(CallGradients { input: network.layout.swap(input), state, weights: Gradients::new(params) })
    }
}

/// Rows of an array that are worth a thread.
const ROWS_OF_A_THREAD: usize = 128;

/// The gradient by the output of a layer, directions side by side or merged; none where no gradient was
/// given.
fn by_output(
    network: &Network,
    given: &OutputGradients<'_>,
    outputs: Outputs,
    layer: usize,
    [steps, batch]: [usize; 2],
    above: Option<Array3<f32>>,
) -> Option<Array3<f32>> {
    let own = pieces(network, outputs).filter(|piece| piece.source == Source::Steps);
    let own = own.filter(|piece| network.slots[piece.slot].layer == layer);
    let mut sum = above;
    for (piece, by) in own.filter_map(|piece| Some((piece, given.of(piece.array)?))) {
        let sum = sum.get_or_insert_with(|| Array3::zeros((steps, batch, network.width(layer))));
        // Directions that are given back apart lie side by side within the network.
        let first = network.slots[piece.slot].direction * piece.width;
        let mut columns = sum.slice_mut(s![.., .., first..first + piece.width]);
        let own = piece.first_column..piece.first_column + piece.width;
        columns += &network.layout.swap(by).slice(s![.., .., own]);
    }
    sum
}

/// The gradients by the output of each direction.
fn by_direction<'a>(
    network: &Network,
    layer: usize,
    by_output: Option<&'a Array3<f32>>,
    directions_apart: Option<&Array3<f32>>,
) -> Vec<Option<CowArray<'a, f32, Ix3>>> {
    let (count, size) = (network.direction_count(), network.layer(layer)[0].state_size);
    let Some(by_output) = by_output else { return vec![None; count] };
    let side_by_side = |direction: usize| s![.., .., direction * size..(direction + 1) * size];
    let of = |direction: usize| match network.merge {
        Merge::Concatenate | Merge::Apart => CowArray::from(by_output.slice(side_by_side(direction))),
        Merge::Sum => CowArray::from(by_output.view()),
        Merge::Average => CowArray::from(by_output * 0.5),
        Merge::Multiply => {
            let apart = directions_apart.expect("kept where directions are multiplied");
            CowArray::from(by_output * &apart.slice(side_by_side(1 - direction)))
        }
    };
    (0..count).map(|direction| Some(of(direction))).collect()
}

/// Takes the gradients by a slot's vectors, whose gates are in whole lines, into the flat array.
fn put_vectors(params: &mut Params<f32>, spec: &SlotSpec, gradients: Vec<(TensorKind, Vec<f32>)>) {
    let table = params.table.clone();
    for (kind, numbers) in gradients {
        let entry = table.entry(spec.index, kind).expect("a gradient by a weight of the slot");
        let target = &mut params.numbers[entry.range()];
        if matches!(kind, TensorKind::InitialH | TensorKind::InitialC) {
            target.copy_from_slice(&numbers);
        } else {
            let lines = numbers.chunks_exact(padded(spec.hidden_size));
            for (block, line) in target.chunks_exact_mut(spec.hidden_size).zip(lines) {
                block.copy_from_slice(&line[..block.len()]);
            }
        }
    }
}

/// Takes the gradients by a slot's matrices, whose rows are in whole lines of gates, into the flat array.
fn put_matrices(
    params: &mut Params<f32>,
    spec: &SlotSpec,
    gradients: Vec<(TensorKind, Vec<OuterSum>)>,
    is_shared: bool,
) {
    let table = params.table.clone();
    for (kind, sums) in gradients {
        let entry = table.entry(spec.index, kind).expect("a gradient by a weight of the slot");
        let (rows, columns) = (entry.shape[0], entry.shape[1]);
        // A projection's rows are no gates.
        let height = if kind == TensorKind::WeightHr { rows } else { spec.hidden_size };
        let stride = if kind == TensorKind::WeightHr { rows } else { padded(spec.hidden_size) };
        let mut target = &mut params.numbers[entry.range()];
        for OuterSum { numbers, stride: width } in &sums {
            let gates = numbers.len() / width / stride;
            let (own, rest) = target.split_at_mut(gates * height * columns);
            each_row(own, columns, is_shared, |row, target| {
                let line = row / height * stride + row % height;
                target.copy_from_slice(&numbers[line * width..][..columns]);
            });
            target = rest;
        }
    }
}

/// Does something with every row of an array, on several threads if it is worth that.
fn each_row(numbers: &mut [f32], width: usize, is_shared: bool, of: impl Fn(usize, &mut [f32]) + Sync) {
    match is_shared {
        true => {
            let rows = numbers.par_chunks_exact_mut(width).enumerate();
            rows.with_min_len(ROWS_OF_A_THREAD).for_each(|(row, target)| of(row, target));
        }
        // No other thread is woken.
        false => numbers.chunks_exact_mut(width).enumerate().for_each(|(row, target)| of(row, target)),
    }
}
