//! The CPU engine: f32, in vectors, on threads.
//!
//! [`packed_slot`] has the weights as they are read, [`packed_weight`] their product with [`rows`], [`cell`]
//! and [`activation`] the equations, [`sweep`] a direction's way through time. It shares no equation with the
//! reference, which judges it.

mod activation;
mod aligned;
mod arch;
mod back;
mod cell;
mod gradient;
mod layer;
mod outer;
mod packed_slot;
mod packed_weight;
mod parts;
mod rows;
mod saved;
mod sweep;
mod team;
mod track;

use crate::call::{Checked, ResultArray, Results, Source};
use crate::network::{Network, SlotSpec};
use crate::{Activation, Merge, Output, Result, Save, State, Weights, memory};
use aligned::Aligned;
use arch::Arch;
pub(crate) use gradient::CpuSaved;
use layer::Layer;
use ndarray::{ArrayView3, ArrayViewMut3, s};
use packed_slot::{PackedSlot, Share, Transposed};
use parts::Parts;
use rayon::prelude::*;
use rows::Rows;
use saved::SavedLayer;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use track::Scratch;

/// The CPU that networks run on.
#[derive(Debug)]
pub(crate) struct Cpu {
    arch: Arch,
    pub name: Arc<str>,
}

impl Cpu {
    /// The vectors that this machine has, and rayon's threads.
    pub fn new() -> Cpu {
        let arch = arch::arch();
        let counted =
            |count: usize, what: &str| format!("{count} {what}{}", if count == 1 { "" } else { "s" });
        let [lanes, threads] =
            [counted(packed_weight::lanes(arch), "lane"), counted(rayon::current_num_threads(), "thread")];
        Cpu { arch, name: format!("CPU ({lanes}, {threads})").into() }
    }
}

/// The activation of numbers in place, sixteen at a time; fewer at the end stay as they are.
pub(crate) fn activate(activation: Activation, numbers: &mut [f32]) {
    let whole = numbers.len() / 16 * 16;
    arch::arch().dispatch(activation::Activate(activation, &mut numbers[..whole]));
}

/// A network on the CPU: its weights as they are read, and the memory that calls work in.
#[derive(Debug)]
pub(crate) struct CpuRnn {
    cpu: Arc<Cpu>,
    slots: Packed<PackedSlot>,
    /// The shares of each layer, direction by direction, if some call has shared units out.
    shares: Packed<Vec<PackedSlot>>,
    /// The same for backward passes.
    transposed: Packed<Transposed>,
    /// One workspace for each call of the largest number that ran at once.
    workspaces: Mutex<Vec<Workspace>>,
    /// The memory of saved calls whose backward pass is done.
    spare: Mutex<Vec<Vec<SavedLayer>>>,
}

/// Numbers of threads that weights are kept for at once: pools whose calls take turns.
const MOST_PACKED: usize = 4;

/// The weights of all slots or layers in an order of their own, packed by the first call that needs them, for
/// a number of threads; the last used stand last.
#[derive(Debug)]
struct Packed<T>(Mutex<Vec<(usize, Arc<Vec<T>>)>>);

impl<T> Default for Packed<T> {
    fn default() -> Packed<T> {
        Packed(Mutex::default())
    }
}

impl<T> Packed<T> {
    fn of(&self, threads: usize, pack: impl FnOnce() -> Vec<T>) -> Arc<Vec<T>> {
        let known = Packed::known(&mut self.lock(), threads);
        if let Some(known) = known {
            return known;
        }
        // Not under the lock: a thread that waits for the others' part may begin a call of the same network.
        let weights = Arc::new(pack());
        let mut packed = self.lock();
        Packed::known(&mut packed, threads).unwrap_or_else(|| {
            if packed.len() == MOST_PACKED {
                packed.remove(0);
            }
            packed.push((threads, weights.clone()));
            weights
        })
    }

    /// The weights for a number of threads, which become the last used.
    fn known(packed: &mut [(usize, Arc<Vec<T>>)], threads: usize) -> Option<Arc<Vec<T>>> {
        let place = packed.iter().position(|&(packed_for, _)| packed_for == threads)?;
        packed[place..].rotate_left(1);
        packed.last().map(|(_, weights)| weights.clone())
    }

    fn free(&self) {
        self.lock().clear();
    }

    fn lock(&self) -> MutexGuard<'_, Vec<(usize, Arc<Vec<T>>)>> {
        // A panic while weights were packed leaves the others.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Memory that is kept from call to call.
#[derive(Debug, Default)]
struct Workspace {
    /// The packed weights, so that a call asks for no lock.
    slots: Option<Arc<Vec<PackedSlot>>>,
    /// The last T and N that there was memory for.
    fits: [usize; 2],
    /// The input, where its numbers do not lie in one piece.
    input: Aligned,
    /// The input of a layer, and its output.
    sequences: [Aligned; 2],
    /// A layer's directions, before they are merged or added to.
    directions_apart: Aligned,
    scratches: Vec<Scratch>,
}

impl CpuRnn {
    pub fn new(cpu: &Arc<Cpu>) -> CpuRnn {
        let (slots, shares, transposed) = (Packed::default(), Packed::default(), Packed::default());
        let (workspaces, spare) = (Mutex::default(), Mutex::default());
        CpuRnn { cpu: cpu.clone(), slots, shares, transposed, workspaces, spare }
    }

    /// Frees the memory of earlier calls, and the packed weights.
    pub fn free_buffers(&self) {
        self.workspaces().clear();
        self.spare().clear();
        self.slots.free();
        self.shares.free();
        self.transposed.free();
    }

    /// The packed weights are no longer the network's.
    pub fn weights_changed(&mut self) {
        self.workspaces().iter_mut().for_each(|workspace| workspace.slots = None);
        self.slots.free();
        self.shares.free();
        self.transposed.free();
    }

    fn spare(&self) -> MutexGuard<'_, Vec<Vec<SavedLayer>>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn workspaces(&self) -> MutexGuard<'_, Vec<Workspace>> {
        // A poisoned list is whole: only a push or a pop is done under its lock.
        self.workspaces.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Computes a call.
    ///
    /// # Errors
    /// [`Error::Unsupported`] for an argument that only a GPU can have, [`Error::Memory`] where an array
    /// cannot be had.
    pub fn call(
        &self,
        weights: &Weights,
        call: &Checked<'_, f32>,
        saved: Option<(&mut Vec<SavedLayer>, Save)>,
    ) -> Result<Output> {
        call.refuse_gpu_only(&self.cpu.name)?;
        // A workspace in use is out of the pool.
        let known = self.workspaces().pop();
        let mut workspace = known.unwrap_or_default();
        let answer = self.compute(weights, call, &mut workspace, saved);
        self.workspaces().push(workspace);
        answer
    }

    fn slots(&self, weights: &Weights) -> Arc<Vec<PackedSlot>> {
        let pack = |spec: &SlotSpec| PackedSlot::pack(self.cpu.arch, weights, spec, Share::whole(spec));
        self.slots.of(1, || each_slot(weights, pack))
    }

    /// The same as backward passes read them.
    fn transposed(&self, weights: &Weights) -> Arc<Vec<Transposed>> {
        let pack = |spec: &SlotSpec| Transposed::pack(self.cpu.arch, weights, spec);
        self.transposed.of(1, || each_slot(weights, pack))
    }

    /// The slots of each layer, shared out among `threads` threads a direction.
    fn shares(&self, weights: &Weights, threads: usize) -> Arc<Vec<Vec<PackedSlot>>> {
        let pack = |spec: &SlotSpec| -> Vec<PackedSlot> {
            let shares = Share::all(spec, threads);
            shares.map(|share| PackedSlot::pack(self.cpu.arch, weights, spec, share)).collect()
        };
        let layer = |specs: &[SlotSpec]| specs.iter().flat_map(pack).collect();
        self.shares.of(threads, || weights.network().layers().map(layer).collect())
    }

    fn compute(
        &self,
        weights: &Weights,
        call: &Checked<'_, f32>,
        workspace: &mut Workspace,
        saved: Option<(&mut Vec<SavedLayer>, Save)>,
    ) -> Result<Output> {
        let save = saved.as_ref().map_or(Save::Gates, |(_, save)| *save);
        let mut saved = saved.map(|(layers, _)| layers);
        let network = weights.network();
        let (steps, batch, directions) = (call.steps(), call.batch(), network.direction_count());
        workspace.check(network, call)?;
        let initial = match call.state {
            // In the standard order, whatever the caller's is.
            Some(state) => State {
                h: state.h.as_standard_layout().into_owned(),
                c: state.c.as_ref().map(|c| c.as_standard_layout().into_owned()),
            },
            None => weights.initial_state(batch)?,
        };
        let (mut h_n, mut c_n) = (initial.h, initial.c);
        let mut results = Results::new(network, call, &self.cpu.name)?;
        let Workspace { slots, input, sequences, directions_apart, scratches, .. } = workspace;
        let [mut source, mut target] = sequences.each_mut();
        let given = match Rows::of_sequence(call.input.view()) {
            Some(_) => call.input.view(),
            None => {
                shaped(input, call.input.dim()).assign(&call.input);
                view(input, call.input.dim())
            }
        };
        for specs in network.layers() {
            let own = &specs[0];
            let parts = Parts::of(specs, steps, batch, saved.is_none());
            let shared = (parts.shares > 1).then(|| self.shares(weights, parts::threads_of(specs)));
            let slots = match &shared {
                Some(shared) => &shared[own.layer],
                None => &slots.get_or_insert_with(|| self.slots(weights))[own.index..][..directions],
            };
            let is_top = own.layer + 1 == network.num_layers;
            // The sequence of the layer below lies in the workspace, also where it is given back.
            let below =
                if own.layer == 0 { given.view() } else { view(source, (steps, batch, own.input_size)) };
            let width = network.width(own.layer);
            let is_read = !(is_top && call.outputs.last_only);
            // The last layer writes its output where the caller gets it.
            let array = if is_top { ResultArray::Output } else { ResultArray::Lower(own.layer) };
            let is_direct = is_top && network.merge != Merge::Apart;
            let (output, cell_states) = results.top_mut();
            let gives = match is_direct {
                _ if !is_read => None,
                true => Some(output),
                false => Some(shaped(target, (steps, batch, width))),
            };
            let first = own.index;
            let states = s![first..first + directions, .., ..own.state_size];
            let cells = s![first..first + directions, .., ..own.cell_state_size()];
            // Past a layer's own size a state is zero, whatever the caller's was.
            h_n.slice_mut(s![first..first + directions, .., own.state_size..]).fill(0.0);
            if let Some(c_n) = &mut c_n {
                c_n.slice_mut(s![first..first + directions, .., own.cell_state_size()..]).fill(0.0);
            }
            Layer {
                slots,
                parts,
                lengths: call.lengths.as_deref(),
                merge: network.merge,
                adds_input: network.residual && own.layer > 0,
                below,
                gives,
                cell_states: cell_states.filter(|_| is_top),
                h: h_n.slice_mut(states),
                c: c_n.as_mut().filter(|_| own.cell.cell.has_cell_state()).map(|c| c.slice_mut(cells)),
                saved: saved.as_mut().and_then(|saved| {
                    if saved.len() == own.layer {
                        saved.push(SavedLayer::default());
                    }
                    saved.get_mut(own.layer)
                }),
                save,
            }
            .run(directions_apart, scratches);
            if is_read && !is_direct {
                let output = view(target, (steps, batch, width));
                for piece in results.pieces().filter(|piece| piece.source == Source::Steps) {
                    let is_own =
                        piece.array == array || (is_top && piece.array == ResultArray::OutputReverse);
                    let first = network.slots[piece.slot].direction * piece.width;
                    if let Some(mut columns) = results.piece_mut(&piece).filter(|_| is_own) {
                        columns.assign(&output.slice(s![.., .., first..first + piece.width]));
                    }
                }
            }
            if let Some(dropout) = call.dropout.filter(|_| !is_top) {
                dropout.apply(own.layer, shaped(target, (steps, batch, width)));
            }
            std::mem::swap(&mut source, &mut target);
        }
        results.fill_final(&h_n);
        results.finish(call, State { h: h_n, c: c_n })
    }
}

impl Workspace {
    /// Asks for the memory of a call, once for each size.
    fn check(&mut self, network: &Network, call: &Checked<'_, f32>) -> Result<()> {
        let (steps, batch, directions) = (call.steps(), call.batch(), network.direction_count());
        if self.fits == [steps, batch] {
            return Ok(());
        }
        let wide = network.state_size().max(network.cell_state_size().unwrap_or(0));
        // A direction works in its state, and in the gates of a step and of the input of some steps.
        let gates = network.slots.iter().map(|slot| 5 * aligned::padded(slot.gate_rows()));
        let scratch = [batch, directions, 2 * gates.max().unwrap_or(0)];
        for shape in [call.input.shape(), &[steps, batch, directions, aligned::padded(wide)], &scratch] {
            memory::check::<f32>(|| format!("an array of {shape:?}"), shape)?;
        }
        self.fits = [steps, batch];
        Ok(())
    }
}

/// Parameters that are worth packing on several threads.
const PARAMETERS_OF_THREADS: usize = 1 << 16;

/// The weights of each slot, packed.
fn each_slot<T: Send>(weights: &Weights, pack: impl Fn(&SlotSpec) -> T + Send + Sync) -> Vec<T> {
    let slots = &weights.network().slots;
    match weights.params().numbers.len() < PARAMETERS_OF_THREADS {
        true => slots.iter().map(pack).collect(),
        false => slots.par_iter().map(pack).collect(),
    }
}

/// Kept memory as an array of this shape.
fn shaped(lines: &mut Aligned, shape: (usize, usize, usize)) -> ArrayViewMut3<'_, f32> {
    lines.resize(shape.0 * shape.1 * shape.2);
    ArrayViewMut3::from_shape(shape, lines).expect("made as long")
}

/// The array that [`shaped`] has made.
fn view(lines: &Aligned, shape: (usize, usize, usize)) -> ArrayView3<'_, f32> {
    ArrayView3::from_shape(shape, lines).expect("made as long")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weights_are_packed_once_for_each_number_of_threads() {
        let packed = Packed::default();
        let mut count = 0;
        let mut packs = |threads: usize| {
            let before = count;
            let weights = packed.of(threads, || {
                count += 1;
                vec![threads]
            });
            assert_eq!(*weights, [threads]);
            count > before
        };
        assert_eq!([2, 3, 2, 3, 4, 5, 2].map(&mut packs), [true, true, false, false, true, true, false]);
        // The one that was used the longest ago gives way.
        assert_eq!([6, 2, 4, 5, 3].map(&mut packs), [true, false, false, false, true]);
    }
}
