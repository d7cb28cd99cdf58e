//! The reference's answers in double precision: computed once a case, for all engines.

use super::{Case, F32, HALF, NORM, Tolerance, state_f64};
use std::collections::HashMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use wgpu_rnn::{Call, Dtype, Naming, Output, Weights, mxnet};

/// The right answer, and how far from it another one may lie.
#[derive(Debug)]
pub struct Judgement {
    pub theirs: Output<f64>,
    pub tolerance: Tolerance,
}

/// A value that one caller makes while the others wait.
type Place<T> = Arc<OnceLock<Arc<T>>>;

/// One value a key, made by the first caller who asks.
pub struct Cache<T>(OnceLock<Mutex<HashMap<u64, Place<T>>>>);

impl<T> Cache<T> {
    pub const fn new() -> Cache<T> {
        Cache(OnceLock::new())
    }

    pub fn get(&self, key: u64, make: impl FnOnce() -> T) -> Arc<T> {
        let mut all = self.0.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner);
        let place = all.entry(key).or_default().clone();
        drop(all);
        place.get_or_init(|| Arc::new(make())).clone()
    }
}

/// A number that tells a case: from every bit of its weights, input and state, and from its settings.
pub fn key(case: &Case) -> u64 {
    let mut hasher = DefaultHasher::new();
    let mut array = |numbers: ndarray::ArrayViewD<'_, f32>| {
        numbers.shape().hash(&mut hasher);
        match numbers.as_slice() {
            Some(slice) => hasher.write(bytemuck::cast_slice(slice)),
            None => numbers.iter().for_each(|number| number.to_bits().hash(&mut hasher)),
        }
    };
    case.weights.tensors(Naming::PyTorch).for_each(|(_, tensor)| array(tensor));
    array(case.input.view().into_dyn());
    if let Some(state) = &case.state {
        array(state.h.view().into_dyn());
        state.c.iter().for_each(|c| array(c.view().into_dyn()));
    }
    format!("{:?} {:?} {:?}", case.weights.config(), case.lengths, case.outputs).hash(&mut hasher);
    hasher.finish()
}

/// The reference's answer to a case, in double precision.
pub fn reference(case: &Case) -> Arc<Output<f64>> {
    static ANSWERS: Cache<Output<f64>> = Cache::new();
    ANSWERS.get(key(case), || {
        let (input, state) = (case.input.mapv(f64::from), case.state.as_ref().map(state_f64));
        let call = Call::new(&input).state(state.as_ref()).outputs(case.outputs);
        let call = match &case.lengths {
            Some(lengths) => call.lengths(lengths),
            None => call,
        };
        wgpu_rnn::reference::call(&case.weights.cast::<f64>(), &call).unwrap()
    })
}

/// The reference's answer, and a tolerance for it.
///
/// How badly a network magnifies rounding differs from case to case: the reference with as coarse numbers
/// tells.
pub fn judgement(case: &Case, dtype: Dtype) -> Arc<Judgement> {
    static JUDGEMENTS: Cache<Judgement> = Cache::new();
    let mut hasher = DefaultHasher::new();
    (key(case), dtype).hash(&mut hasher);
    JUDGEMENTS.get(hasher.finish(), || {
        let theirs = Output::clone(&reference(case));
        let (base, times, off) = match dtype {
            Dtype::F16 => (HALF, 8.0, distance(&*reference(&rounded_to_half(case)), &theirs)),
            Dtype::F32 => {
                let (base, times) = if case.weights.config().layer_norm { (NORM, 10.0) } else { (F32, 4.0) };
                let single = wgpu_rnn::reference::call(&case.weights, &case.call()).unwrap();
                (base, times, distance(&single, &theirs))
            }
        };
        let mut tolerance = base.scaled_to(&theirs);
        tolerance.atol = tolerance.atol.max(times * off);
        Judgement { theirs, tolerance }
    })
}

/// The largest difference of two outputs, and of their states.
fn distance<A: Copy + Into<f64>>(one: &Output<A>, other: &Output<f64>) -> f64 {
    let c = one.c_n.iter().flatten().zip(other.c_n.iter().flatten());
    let h = one.h_n.iter().zip(&other.h_n);
    let pairs = one.output.iter().zip(&other.output).chain(h).chain(c);
    pairs.map(|(&a, b)| (a.into() - b).abs()).fold(0.0, f64::max)
}

/// The same case as half numbers hold it.
pub fn rounded_to_half(case: &Case) -> Case {
    mapped(case, |number| half::f16::from_f32(number).to_f32())
}

/// The same case with each number changed by up to a part of it, at random.
pub fn shaken(case: &Case, part: f32, seed: u32) -> Case {
    let random = mxnet::Random::new(seed);
    mapped(case, |number| number * (1.0 + random.uniform(-part, part, 1)[0]))
}

/// The same case with other numbers in weights and input.
fn mapped(case: &Case, mut map: impl FnMut(f32) -> f32) -> Case {
    let config = case.weights.config().clone();
    let tensors = case.weights.tensors(Naming::PyTorch);
    let tensors: Vec<_> = tensors.map(|(name, tensor)| (name, tensor.mapv(&mut map))).collect();
    let weights = Weights::reader().config(&config).from_tensors(tensors).unwrap();
    Case { weights, input: case.input.mapv(map), ..case.clone() }
}
