//! Shared by the tests: comparisons, and the committed goldens.
#![allow(dead_code, reason = "each test binary uses its part of it")]

pub mod gradients;
mod judge;
pub mod options;
pub mod random;

#[allow(unused_imports, reason = "each test binary uses its part of it")]
pub use judge::{Judgement, judgement, reference, rounded_to_half, shaken};
use ndarray::{Array3, ArrayD, ArrayRef, Dimension};
use std::collections::BTreeMap;
use wgpu_rnn::{Call, Config, Float, Init, Output, Outputs, State, Weights, mxnet};

/// How far two results may lie apart: |ours - theirs| <= atol + rtol |theirs|.
#[derive(Clone, Copy, Debug)]
pub struct Tolerance {
    pub atol: f64,
    pub rtol: f64,
}

/// f32 against f64. A gate's sum of K products of size 1 errs by about sqrt(K) · 6e-8, which the gates damp
/// and T steps may add up; for the sizes here (K up to some hundred, T up to some tens) a few times 1e-6
/// holds with room to spare. The relative part is for the relu RNN, whose values grow.
pub const F32: Tolerance = Tolerance { atol: 5e-6, rtol: 1e-5 };

/// Layer normalisation in f32: [`F32`] widened, since a deviation may be several times less than one and
/// divides, at every step.
pub const NORM: Tolerance = Tolerance { atol: 3e-5, rtol: 1e-5 };

/// Stored as f16, against f64: each number that is stored errs by up to 2^-11 of itself (4.9e-4), at every
/// step; gates damp it.
pub const HALF: Tolerance = Tolerance { atol: 2e-3, rtol: 2e-3 };

/// f64 against f64 in another order of summation.
pub const F64: Tolerance = Tolerance { atol: 1e-12, rtol: 1e-12 };

/// f32 against what MXNet computed in f32: the notebook's bound (values up to 0.3, an ulp of 3e-8).
pub const MXNET: Tolerance = Tolerance { atol: 5e-8, rtol: 0.0 };

/// Says where two arrays differ, if they do: length first, then every number, so that a NaN fails.
pub fn difference<A: Float, B: Float, D: Dimension>(
    name: &str,
    ours: &ArrayRef<A, D>,
    theirs: &ArrayRef<B, D>,
    tolerance: Tolerance,
) -> Result<(), String> {
    if ours.shape() != theirs.shape() {
        return Err(format!("{name}: shape {:?}, expected {:?}", ours.shape(), theirs.shape()));
    }
    let [a, b] = [ours.view().into_dyn().mapv(to_f64), theirs.view().into_dyn().mapv(to_f64)];
    let mut wrong = 0;
    let mut worst = (0.0, String::new());
    for ((index, &a), &b) in a.indexed_iter().zip(&b) {
        // Infinities must be the same ones; NaN equals nothing.
        if a == b || ((a - b).abs() <= tolerance.atol + tolerance.rtol * b.abs() && b.is_finite()) {
            continue;
        }
        wrong += 1;
        let distance = if (a - b).is_nan() { f64::INFINITY } else { (a - b).abs() };
        if distance > worst.0 {
            worst = (distance, format!("at {:?} ours {a:e}, theirs {b:e}", index.slice()));
        }
    }
    if wrong == 0 {
        return Ok(());
    }
    Err(format!("{name}: {wrong} of {} numbers differ, most {}", a.len(), worst.1))
}

/// All arrays of two answers.
pub fn difference_of_outputs<A: Float, B: Float>(
    ours: &Output<A>,
    theirs: &Output<B>,
    tolerance: Tolerance,
) -> Result<(), String> {
    let both = |name: &str, ours: Option<&Array3<A>>, theirs: Option<&Array3<B>>| match (ours, theirs) {
        (Some(ours), Some(theirs)) => difference(name, ours, theirs, tolerance),
        (None, None) => Ok(()),
        _ => Err(format!("{name}: one has it, the other has not")),
    };
    both("output", Some(&ours.output), Some(&theirs.output))?;
    both("output_reverse", ours.output_reverse.as_ref(), theirs.output_reverse.as_ref())?;
    both("cell_states", ours.cell_states.as_ref(), theirs.cell_states.as_ref())?;
    for layer in 0..ours.lower.len().max(theirs.lower.len()) {
        both(&format!("lower {layer}"), ours.lower.get(layer), theirs.lower.get(layer))?;
    }
    both("h_n", Some(&ours.h_n), Some(&theirs.h_n))?;
    both("c_n", ours.c_n.as_ref(), theirs.c_n.as_ref())
}

impl Tolerance {
    /// For numbers larger than one, as a rectifier's are: a sum errs by its largest terms, though they
    /// cancel.
    pub fn scaled_to(self, theirs: &Output<f64>) -> Tolerance {
        let largest = theirs.output.iter().chain(&theirs.h_n).map(|number| number.abs());
        Tolerance { atol: self.atol * largest.fold(1.0, f64::max), ..self }
    }
}

/// Finite everywhere.
pub fn all_finite(output: &Output) -> bool {
    let c_n = output.c_n.iter().flatten();
    output.output.iter().chain(&output.h_n).chain(c_n).all(|number| number.is_finite())
}

fn to_f64<T: Float>(number: T) -> f64 {
    number.to_f64().expect("f32 and f64 convert")
}

/// A network with everything that one call of it needs.
#[derive(Clone, Debug)]
pub struct Case {
    pub weights: Weights,
    pub input: Array3<f32>,
    /// None for what was learned.
    pub state: Option<State>,
    pub lengths: Option<Vec<usize>>,
    pub outputs: Outputs,
}

impl Case {
    pub fn call(&self) -> Call<'_> {
        let call = Call::new(&self.input).state(self.state.as_ref()).outputs(self.outputs);
        match &self.lengths {
            Some(lengths) => call.lengths(lengths),
            None => call,
        }
    }
}

/// Draws a case: weights at twice PyTorch's scale, input and states from U(-1, 1).
pub fn case(config: &Config, steps: usize, batch: usize, seed: u32) -> Case {
    let random = mxnet::Random::new(seed);
    let drawn = Weights::init(config, &Init::pytorch().seed(seed.into())).unwrap();
    let tensors = drawn.tensors(wgpu_rnn::Naming::PyTorch).map(|(name, tensor)| {
        let mut tensor = tensor.mapv(|w| 2.0 * w);
        if name.contains("norm") || name.contains("initial") {
            // These are ones and zeros when they are new.
            let more = random.uniform(-0.5, 0.5, tensor.len()).into_dyn();
            tensor = 0.5 * tensor + more;
        }
        (name, tensor)
    });
    let weights = Weights::reader().config(config).from_tensors(tensors).unwrap();
    let input = random.uniform(-1.0, 1.0, shape_of(config, steps, batch));
    let draw = |size| random.uniform(-1.0, 1.0, (config.slots(), batch, size));
    let h = draw(config.state_size());
    let state = Some(State { h, c: config.cell_state_size().map(draw) });
    Case { weights, input, state, lengths: None, outputs: Outputs::default() }
}

fn shape_of(config: &Config, steps: usize, batch: usize) -> (usize, usize, usize) {
    match config.layout {
        wgpu_rnn::Layout::Tnc => (steps, batch, config.input_size),
        wgpu_rnn::Layout::Ntc => (batch, steps, config.input_size),
    }
}

/// The same state in double precision.
pub fn state_f64(state: &State) -> State<f64> {
    State { h: state.h.mapv(f64::from), c: state.c.as_ref().map(|c| c.mapv(f64::from)) }
}

/// A golden file: its metadata, and its tensors in double precision, which holds f32 and small integers
/// exactly.
pub fn golden(path: &str) -> (BTreeMap<String, String>, BTreeMap<String, ArrayD<f64>>) {
    #[cfg(target_arch = "wasm32")]
    let bytes = libtest_mimic::bytes_of(&format!("/golden/{path}"));
    #[cfg(not(target_arch = "wasm32"))]
    let bytes = {
        let path = format!("{}/tests/golden/{path}", env!("CARGO_MANIFEST_DIR"));
        std::fs::read(&path).unwrap_or_else(|error| panic!("{path}: {error}"))
    };
    let (_, header) = safetensors::SafeTensors::read_metadata(&bytes).unwrap();
    let tensors = safetensors::SafeTensors::deserialize(&bytes).unwrap();
    let read = |view: safetensors::tensor::TensorView<'_>| {
        let numbers: Vec<f64> = match view.dtype() {
            safetensors::Dtype::F64 => {
                view.data().chunks(8).map(|bytes| f64::from_le_bytes(bytes.try_into().unwrap())).collect()
            }
            safetensors::Dtype::I64 => view
                .data()
                .chunks(8)
                .map(|bytes| i64::from_le_bytes(bytes.try_into().unwrap()) as f64)
                .collect(),
            safetensors::Dtype::F32 => view
                .data()
                .chunks(4)
                .map(|bytes| f32::from_le_bytes(bytes.try_into().unwrap()).into())
                .collect(),
            other => panic!("{path}: {other:?}"),
        };
        ArrayD::from_shape_vec(view.shape(), numbers).unwrap()
    };
    let metadata = header.metadata().clone().unwrap_or_default().into_iter().collect();
    (metadata, tensors.iter().map(|(name, view)| (name.to_owned(), read(view))).collect())
}

/// Three axes, of a tensor that has them.
pub fn rank3<T>(tensor: ArrayD<T>) -> Array3<T> {
    tensor.into_dimensionality().expect("three axes")
}
