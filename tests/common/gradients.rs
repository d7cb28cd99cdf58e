//! Gradients of a case: random ones by everything that a call gives, and those of an engine against those of
//! the reference's tape.

use super::judge::{Cache, key};
use super::{Case, Tolerance, difference, state_f64};
use ndarray::{Array3, ArrayViewD, s};
use std::sync::Arc;
use wgpu_rnn::{Call, CallGradients, Float, Naming, Output, OutputGradients, State, mxnet, reference};

/// Gradients by every array of an output; some of them may be left out.
#[derive(Clone, Debug)]
pub struct Given<T = f32> {
    output: Option<Array3<T>>,
    output_reverse: Option<Array3<T>>,
    cell_states: Option<Array3<T>>,
    lower: Vec<Array3<T>>,
    h_n: Option<Array3<T>>,
    c_n: Option<Array3<T>>,
}

impl Given {
    /// Draws them from U(-1, 1).
    pub fn drawn(output: &Output, seed: u32) -> Given {
        let random = mxnet::Random::new(seed);
        let like = |array: &Array3<f32>| random.uniform(-1.0, 1.0, array.dim());
        Given {
            output: Some(like(&output.output)),
            output_reverse: output.output_reverse.as_ref().map(like),
            cell_states: output.cell_states.as_ref().map(like),
            lower: output.lower.iter().map(like).collect(),
            h_n: Some(like(&output.h_n)),
            c_n: output.c_n.as_ref().map(like),
        }
    }

    /// Every array by the name of the result; a lower layer's as `lower 0`.
    pub fn arrays(&self) -> impl Iterator<Item = (String, &Array3<f32>)> {
        let named = [
            ("output", &self.output),
            ("output_reverse", &self.output_reverse),
            ("cell_states", &self.cell_states),
            ("h_n", &self.h_n),
            ("c_n", &self.c_n),
        ];
        let named = named.into_iter().filter_map(|(name, array)| Some((name.to_owned(), array.as_ref()?)));
        named.chain(self.lower.iter().enumerate().map(|(layer, array)| (format!("lower {layer}"), array)))
    }

    /// The gradients of some rows, within the first steps.
    pub fn part(&self, steps: usize, rows: std::ops::Range<usize>) -> Given {
        let over_time = |array: &Array3<f32>| array.slice(s![..steps, rows.clone(), ..]).to_owned();
        let state = |array: &Array3<f32>| array.slice(s![.., rows.clone(), ..]).to_owned();
        Given {
            output: self.output.as_ref().map(over_time),
            output_reverse: self.output_reverse.as_ref().map(over_time),
            cell_states: self.cell_states.as_ref().map(over_time),
            lower: self.lower.iter().map(over_time).collect(),
            h_n: self.h_n.as_ref().map(state),
            c_n: self.c_n.as_ref().map(state),
        }
    }

    /// The gradients by the final states of some rows.
    pub fn final_state(&self, rows: std::ops::Range<usize>) -> State {
        let Given { h_n, c_n, .. } = self.part(0, rows);
        State { h: h_n.unwrap(), c: c_n }
    }

    pub fn cast(&self) -> Given<f64> {
        let cast = |array: &Array3<f32>| array.mapv(f64::from);
        Given {
            output: self.output.as_ref().map(cast),
            output_reverse: self.output_reverse.as_ref().map(cast),
            cell_states: self.cell_states.as_ref().map(cast),
            lower: self.lower.iter().map(cast).collect(),
            h_n: self.h_n.as_ref().map(cast),
            c_n: self.c_n.as_ref().map(cast),
        }
    }
}

impl<T: Float> Given<T> {
    pub fn gradients(&self) -> OutputGradients<'_, T> {
        let mut given = OutputGradients::new();
        for (array, with) in [
            (&self.output, OutputGradients::output as fn(_, _) -> _),
            (&self.output_reverse, OutputGradients::output_reverse),
            (&self.cell_states, OutputGradients::cell_states),
            (&self.h_n, OutputGradients::h_n),
            (&self.c_n, OutputGradients::c_n),
        ] {
            if let Some(array) = array {
                given = with(given, array);
            }
        }
        for (layer, array) in self.lower.iter().enumerate() {
            given = given.lower(layer, array);
        }
        given
    }
}

impl Given<f64> {
    /// The loss whose gradients these are, of an output.
    pub fn loss(&self, output: &Output<f64>) -> f64 {
        let dot = |given: Option<&Array3<f64>>, array: Option<&Array3<f64>>| -> f64 {
            given
                .into_iter()
                .flatten()
                .zip(array.into_iter().flatten())
                .map(|(given, array)| given * array)
                .sum()
        };
        let lower = self.lower.iter().zip(&output.lower).map(|(given, array)| dot(Some(given), Some(array)));
        dot(self.output.as_ref(), Some(&output.output))
            + dot(self.output_reverse.as_ref(), output.output_reverse.as_ref())
            + dot(self.cell_states.as_ref(), output.cell_states.as_ref())
            + dot(self.h_n.as_ref(), Some(&output.h_n))
            + dot(self.c_n.as_ref(), output.c_n.as_ref())
            + lower.sum::<f64>()
    }
}

/// The reference's gradients, in double precision: computed once a case, for all engines. The gradients that
/// are given follow from the seed and the shapes alone.
pub fn judge(case: &Case, given: &Given) -> Arc<CallGradients<f64>> {
    static ANSWERS: Cache<CallGradients<f64>> = Cache::new();
    let seeded = given.output.iter().flatten().chain(given.h_n.iter().flatten());
    let sum = seeded.fold(0_u64, |sum, number| sum.rotate_left(7) ^ u64::from(number.to_bits()));
    ANSWERS.get(key(case) ^ sum, || judge_of(case, given))
}

fn judge_of(case: &Case, given: &Given) -> CallGradients<f64> {
    let (input, state) = (case.input.mapv(f64::from), case.state.as_ref().map(state_f64));
    let call = Call::new(&input).state(state.as_ref()).outputs(case.outputs);
    let call = match &case.lengths {
        Some(lengths) => call.lengths(lengths),
        None => call,
    };
    let given = given.cast();
    reference::backward(&case.weights.cast::<f64>(), &call, &given.gradients()).unwrap().1
}

/// How far a gradient in f32 may lie from that in f64, as a part of the largest number of its array: sums of
/// K products err as those of the forward pass do, once more on the way back.
const PART: f64 = 3e-5;

/// The same of numbers that are stored as f16, whose 11 bits each stored gradient is rounded to.
const PART_OF_HALF: f64 = 1e-2;

/// Says where two gradients differ.
pub fn difference_of_gradients(ours: &CallGradients, theirs: &CallGradients<f64>) -> Result<(), String> {
    difference_near(ours, theirs, PART, 0.0)
}

/// The same, where stored numbers are f16.
pub fn difference_of_half(ours: &CallGradients, theirs: &CallGradients<f64>) -> Result<(), String> {
    difference_near(ours, theirs, PART_OF_HALF, 0.0)
}

/// Says where two gradients differ by more than a part of the largest number of an array, and by more than
/// `off`.
pub fn difference_near(
    ours: &CallGradients,
    theirs: &CallGradients<f64>,
    part: f64,
    off: f64,
) -> Result<(), String> {
    for (name, ours, theirs) in arrays(ours, theirs)? {
        let largest = theirs.iter().fold(1.0_f64, |most, number| most.max(number.abs()));
        let tolerance = Tolerance { atol: (part * largest).max(off), rtol: 0.0 };
        difference(&format!("gradient by {name}"), &ours, &theirs, tolerance)?;
    }
    Ok(())
}

/// The largest difference of two gradients.
pub fn worst<T: Float>(one: &CallGradients<T>, other: &CallGradients<f64>) -> f64 {
    let arrays = arrays(one, other).expect("gradients by the same arrays");
    let pairs = arrays.iter().flat_map(|(_, one, other)| one.iter().zip(other));
    pairs.map(|(one, other)| (one.to_f64().unwrap() - other).abs()).fold(0.0, f64::max)
}

/// An array of each of two gradients, and its name.
type Pair<'a, T> = (String, ArrayViewD<'a, T>, ArrayViewD<'a, f64>);

/// The arrays of two gradients, by name.
fn arrays<'a, T: Float>(
    ours: &'a CallGradients<T>,
    theirs: &'a CallGradients<f64>,
) -> Result<Vec<Pair<'a, T>>, String> {
    let mut pairs = vec![
        ("input".to_string(), ours.input.view().into_dyn(), theirs.input.view().into_dyn()),
        ("h_0".to_string(), ours.state.h.view().into_dyn(), theirs.state.h.view().into_dyn()),
    ];
    match (&ours.state.c, &theirs.state.c) {
        (Some(ours), Some(theirs)) => {
            pairs.push(("c_0".into(), ours.view().into_dyn(), theirs.view().into_dyn()))
        }
        (None, None) => {}
        _ => return Err("c_0: one has it, the other has not".into()),
    }
    let weights = ours.weights.tensors(Naming::PyTorch).zip(theirs.weights.tensors(Naming::PyTorch));
    pairs.extend(weights.map(|((name, ours), (_, theirs))| (name, ours, theirs)));
    Ok(pairs)
}
