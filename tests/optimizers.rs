//! Optimisers, clipping, schedules and scales of the loss against PyTorch's
//! (`golden/make_pytorch_optimizers.py`), and what must hold of them without PyTorch.

mod common;

use common::{F64, Tolerance, difference, golden};
use ndarray::{Array1, ArrayD};
use proptest::prelude::*;
use serde_json::Value;
use std::collections::BTreeMap;
use wgpu_rnn::train::{
    Clip, LossScale, LossScaleState, NORM_BLOCK, Optimizer, Plateau, Rule, Schedule, ScheduleState, norm,
    square_sums,
};
use wgpu_rnn::{Error, Float};

/// Numbers, steps and learning rates of the script.
const COUNT: usize = 37;
const STEPS: [u64; 4] = [1, 2, 20, 200];
const RATE: f64 = 0.01;
const FIRST_RATE: f64 = 0.05;

/// 200 steps in f32: each rounds the parameter, by 6e-8 of itself at most, and errors of one sign would add
/// up to 1.2e-5. Errors of both signs stay below 1e-5.
const AFTER_200: Tolerance = Tolerance { atol: 0.0, rtol: 1e-5 };

struct Case {
    name: String,
    settings: Value,
    tensors: BTreeMap<String, ArrayD<f64>>,
}

impl Case {
    fn numbers(&self, key: &str) -> Vec<f64> {
        self.tensors.get(key).unwrap_or_else(|| panic!("{}: no {key}", self.name)).iter().copied().collect()
    }

    fn number(&self, key: &str) -> f64 {
        self.settings[key].as_f64().unwrap_or_else(|| panic!("{}: no {key}", self.name))
    }

    fn text(&self, key: &str) -> &str {
        self.settings[key].as_str().unwrap()
    }
}

/// The cases of a kind: as many as the script has.
fn cases(count: usize, is_of_kind: impl Fn(&str) -> bool) -> Vec<Case> {
    let (metadata, tensors) = golden("pytorch_optimizers.safetensors");
    let cases = metadata.into_iter().filter(|(_, settings)| settings.starts_with('{'));
    let cases = cases.map(|(name, settings)| {
        let prefix = format!("{name}/");
        let own = tensors.iter().filter_map(|(key, tensor)| Some((key.strip_prefix(&prefix)?, tensor)));
        let tensors = own.map(|(key, tensor)| (key.to_owned(), tensor.clone())).collect();
        Case { name, settings: serde_json::from_str(&settings).unwrap(), tensors }
    });
    let found: Vec<Case> = cases.filter(|case| is_of_kind(case.text("kind"))).collect();
    assert_eq!(found.len(), count);
    found
}

fn optimizer_cases() -> Vec<Case> {
    cases(23, |kind| ["sgd", "adam", "adamw", "rmsprop"].contains(&kind))
}

/// A number in [-1, 1), of 24 bits, as in the script.
fn uniform(index: u32) -> f64 {
    let x = index.wrapping_mul(2_654_435_761);
    let x = (x ^ x >> 16).wrapping_mul(0x45D_9F3B);
    f64::from((x ^ x >> 16) >> 8) / f64::from(1 << 23) - 1.0
}

fn first_parameters<T: Float>() -> Vec<T> {
    let of = |i| if i == 0 { 0.0 } else { 0.5_f64.copysign(uniform(i)) + 0.5 * uniform(i) };
    (0..COUNT as u32).map(|i| T::from(of(i)).unwrap()).collect()
}

fn gradients<T: Float>(step: u64) -> Vec<T> {
    let of = |i: u32| match i {
        0 => 0.0,
        1 => 0.25,
        2 if !step.is_multiple_of(10) => 0.0,
        _ => uniform(1000 + step as u32 * COUNT as u32 + i) * 0.5_f64.powi((i % 5) as i32),
    };
    (0..COUNT as u32).map(|i| T::from(of(i)).unwrap()).collect()
}

/// The optimiser of a case, by the methods of its settings.
fn optimizer(case: &Case) -> Optimizer {
    let mut optimizer = match case.text("kind") {
        "sgd" => Optimizer::sgd(RATE),
        "adam" => Optimizer::adam(RATE),
        "adamw" => Optimizer::adamw(RATE),
        _ => Optimizer::rmsprop(RATE),
    };
    assert_eq!(optimizer.name(), case.text("kind"));
    for (name, value) in case.settings.as_object().unwrap() {
        let number = value.as_f64().unwrap_or(f64::NAN);
        optimizer = match name.as_str() {
            "momentum" => optimizer.momentum(number),
            "dampening" => optimizer.dampening(number),
            "weight_decay" => optimizer.weight_decay(number),
            "epsilon" => optimizer.epsilon(number),
            "alpha" => optimizer.alpha(number),
            "betas" => optimizer.betas(value[0].as_f64().unwrap(), value[1].as_f64().unwrap()),
            "nesterov" => optimizer.nesterov(),
            "amsgrad" => optimizer.amsgrad(),
            "centered" => optimizer.centered(),
            "kind" | "is_scheduled" | "clip" => optimizer,
            other => panic!("{}: a setting {other} that this test does not know", case.name),
        };
    }
    optimizer.check().unwrap();
    optimizer
}

fn clip(settings: &Value) -> Clip {
    match (settings["norm"].as_f64(), settings["value"].as_f64()) {
        (Some(max), _) => Clip::norm(max),
        (_, Some(max)) => Clip::value(max),
        _ => Clip::none(),
    }
}

/// The parameters after each of so many steps, updated in parts that end at the cuts.
fn run<T: Float>(case: &Case, steps: u64, scale: f64, cuts: &[usize]) -> Vec<Vec<T>> {
    let optimizer = optimizer(case);
    let schedule = if case.settings["is_scheduled"] == true {
        Schedule::cosine(150, 0.001)
    } else {
        Schedule::constant()
    };
    let mut parameters = first_parameters::<T>();
    let mut state = vec![vec![T::zero(); COUNT]; optimizer.state_arrays().len()];
    let mut found = Vec::new();
    for step in 1..=steps {
        let gradients: Vec<T> = gradients(step);
        let gradients: Vec<T> = gradients.into_iter().map(|g| g * T::from(scale).unwrap()).collect();
        let rate = schedule.learning_rate(RATE, step - 1, &ScheduleState::default());
        let coefficients = optimizer.coefficients(step, rate).unwrap().scaled(1.0 / scale);
        let coefficients = coefficients.clip(&clip(&case.settings["clip"])).with_norm(norm(&gradients));
        let ends = cuts.iter().copied().chain([COUNT]);
        let mut begin = 0;
        for end in ends {
            let mut part: Vec<&mut [T]> = state.iter_mut().map(|array| &mut array[begin..end]).collect();
            coefficients
                .cast()
                .update(&mut parameters[begin..end], &gradients[begin..end], &mut part)
                .unwrap();
            begin = end;
        }
        found.push(parameters.clone());
    }
    found
}

fn compare<T: Float>(name: &str, ours: &[T], theirs: &[f64], tolerance: Tolerance) {
    let (ours, theirs) = (Array1::from(ours.to_vec()), Array1::from(theirs.to_vec()));
    difference(name, &ours, &theirs, tolerance).unwrap();
}

#[test]
fn optimizers_give_the_parameters_of_pytorch() {
    for case in optimizer_cases() {
        let (double, single) = (run::<f64>(&case, 200, 1.0, &[]), run::<f32>(&case, 200, 1.0, &[]));
        for (row, step) in STEPS.into_iter().enumerate() {
            let theirs = &case.numbers("f64")[row * COUNT..][..COUNT];
            compare(&format!("{} f64 step {step}", case.name), &double[step as usize - 1], theirs, F64);
        }
        compare(&format!("{} f32", case.name), &single[199], &case.numbers("f32"), AFTER_200);
        assert!(single.iter().all(|numbers| numbers[0].to_bits() == 0), "{}: zero moved", case.name);
    }
}

#[test]
fn cuts_give_the_same_bits() {
    for case in optimizer_cases() {
        let whole = run::<f32>(&case, 20, 1.0, &[]);
        for cuts in [&[1, 2, 3][..], &[16], &[5, 5, 36], &[0, 29]] {
            assert_eq!(run::<f32>(&case, 20, 1.0, cuts), whole, "{} cut at {cuts:?}", case.name);
        }
    }
}

/// A scale of the loss by a power of two is no difference at all.
#[test]
fn scaled_gradients_give_the_same_bits() {
    for case in optimizer_cases() {
        let plain = run::<f32>(&case, 20, 1.0, &[]);
        assert_eq!(run::<f32>(&case, 20, 65536.0, &[]), plain, "{}", case.name);
    }
}

#[test]
fn clipped_gradients_are_those_of_pytorch() {
    for case in cases(7, |kind| kind == "clip") {
        let (clip, gradients) = (clip(&case.settings), case.numbers("gradients"));
        let mut moved = vec![0.0; gradients.len()];
        let found = norm(&gradients);
        if clip.max_norm().is_some() {
            let theirs = case.numbers("norm")[0];
            assert!(
                found == theirs
                    || (found.is_nan() && theirs.is_nan())
                    || (found - theirs).abs() <= 1e-14 * theirs
            );
        }
        // A step of plain gradient descent at rate 1 from zero is minus the gradient.
        let step = Optimizer::sgd(1.0).coefficients(1, 1.0).unwrap().clip(&clip).with_norm(found);
        step.cast().update(&mut moved, &gradients, &mut []).unwrap();
        for (index, (ours, theirs)) in moved.iter().zip(case.numbers("clipped")).enumerate() {
            let (name, ours) = (&case.name, -ours);
            let is_same = if theirs.is_nan() { ours.is_nan() } else { (ours - theirs).abs() <= 1e-12 };
            assert!(is_same || ours == theirs, "{name} at {index}: ours {ours}, theirs {theirs}");
        }
    }
}

/// The order that is documented, written down once more, in f32.
#[test]
fn sums_of_squares_have_their_order() {
    for count in [0, 1, 63, 1024, 4096, 4097, 3 * NORM_BLOCK + 1234] {
        let numbers: Vec<f32> =
            (0..count as u32).map(|i| (uniform(i) * f64::from(1 + i % 3)) as f32).collect();
        let square = |block: &[f32], j: usize| block.get(j).map_or(0.0, |number| number * number);
        let expected: Vec<f32> = numbers
            .chunks(4096)
            .map(|block| {
                let sum = |j| {
                    ((square(block, j) + square(block, j + 1024)) + square(block, j + 2048))
                        + square(block, j + 3072)
                };
                let mut lanes: Vec<f32> = (0..256)
                    .map(|i| (sum(4 * i) + sum(4 * i + 1)) + (sum(4 * i + 2) + sum(4 * i + 3)))
                    .collect();
                for half in [128, 64, 32, 16, 8, 4, 2, 1] {
                    for i in 0..half {
                        lanes[i] += lanes[i + half];
                    }
                }
                lanes[0]
            })
            .collect();
        let found: Vec<f32> = square_sums(&numbers).collect();
        assert_eq!(found, expected, "{count}");
        let whole: f64 = expected.iter().map(|&sum| f64::from(sum)).sum();
        assert_eq!(norm(&numbers), whole.sqrt());
        let exact: f64 = numbers.iter().map(|&number| f64::from(number).powi(2)).sum();
        assert!((norm(&numbers) - exact.sqrt()).abs() <= 1e-6 * exact.sqrt());
    }
}

#[test]
fn a_norm_tells_what_is_not_finite() {
    for (bad, place) in [(f32::NAN, 5), (f32::INFINITY, 4500), (f32::NEG_INFINITY, 9000)] {
        let mut numbers = vec![0.5; 9001];
        assert!(norm(&numbers).is_finite());
        numbers[place] = bad;
        assert!(!norm(&numbers).is_finite(), "{bad} at {place}");
        assert_eq!(norm(&numbers).is_nan(), bad.is_nan());
    }
    assert_eq!(norm::<f32>(&[]), 0.0);
    assert_eq!(norm(&[1e25_f32]), f64::INFINITY);
}

fn schedule(case: &Case) -> Schedule {
    let count = |name| case.settings[name].as_u64().unwrap();
    let schedule = match case.text("shape") {
        "constant" => Schedule::constant(),
        "step" => Schedule::step(count("every"), case.number("factor")),
        "cosine" => Schedule::cosine(count("steps"), case.number("minimum")),
        _ => {
            let mut plateau = Plateau::new();
            for (name, value) in case.settings.as_object().unwrap() {
                let number = value.as_f64().unwrap_or(f64::NAN);
                plateau = match name.as_str() {
                    "patience" => plateau.patience(count("patience")),
                    "cooldown" => plateau.cooldown(count("cooldown")),
                    "factor" => plateau.factor(number),
                    "threshold" => plateau.threshold(number),
                    "minimum" => plateau.minimum(number),
                    "maximize" if *value == true => plateau.maximize(),
                    "maximize" | "kind" | "shape" => plateau,
                    other => panic!("{}: a setting {other} that this test does not know", case.name),
                };
            }
            return Schedule::plateau(plateau);
        }
    };
    schedule.warm_up(count("warm_up"))
}

#[test]
fn schedules_give_the_rates_of_pytorch() {
    for case in cases(14, |kind| kind == "schedule") {
        let (schedule, mut state) = (schedule(&case), ScheduleState::default());
        schedule.check(FIRST_RATE).unwrap();
        let theirs = case.numbers("rates");
        let metrics = case.tensors.contains_key("metrics").then(|| case.numbers("metrics"));
        let mut ours = Vec::new();
        for step in 0..theirs.len() {
            ours.push(schedule.learning_rate(FIRST_RATE, step as u64, &state));
            let before = state;
            schedule.observe(FIRST_RATE, metrics.as_ref().map_or(1.0, |metrics| metrics[step]), &mut state);
            assert!(metrics.is_some() || state == before, "{}: a state", case.name);
            // A run that stopped here goes on from its file.
            state = ScheduleState::from_json(&through_text(&state.to_json())).unwrap();
        }
        compare(&case.name, &ours, &theirs, F64);
    }
}

#[test]
fn a_warm_up_of_a_plateau_is_a_part_of_its_rate() {
    let schedule = Schedule::plateau(Plateau::new().patience(0).factor(0.5)).warm_up(4);
    let mut state = ScheduleState::default();
    let rates = |state: &ScheduleState| [0, 1, 3, 4, 9].map(|step| schedule.learning_rate(1.0, step, state));
    assert_eq!(rates(&state), [0.25, 0.5, 1.0, 1.0, 1.0]);
    schedule.observe(1.0, 3.0, &mut state);
    schedule.observe(1.0, 3.0, &mut state);
    assert_eq!(rates(&state), [0.125, 0.25, 0.5, 0.5, 0.5]);
}

/// A metric that is not finite is no better than any other, be it the first.
#[test]
fn a_metric_that_is_not_finite_is_no_best() {
    for bad in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let schedule = Schedule::plateau(Plateau::new().patience(1));
        let mut state = ScheduleState::default();
        for metric in [bad, 3.0, 2.0, bad, 1.0, bad, 0.5] {
            schedule.observe(1.0, metric, &mut state);
        }
        assert_eq!(schedule.learning_rate(1.0, 7, &state), 1.0, "{bad}");
        [bad, bad].into_iter().for_each(|metric| schedule.observe(1.0, metric, &mut state));
        assert_eq!(schedule.learning_rate(1.0, 9, &state), 0.1, "{bad}");
    }
}

#[test]
fn scales_of_the_loss_are_those_of_pytorch() {
    for case in cases(3, |kind| kind == "loss_scale") {
        let loss_scale = LossScale::adaptive()
            .initial(case.number("initial") as f32)
            .growth(case.number("growth"))
            .backoff(case.number("backoff"))
            .interval(case.settings["interval"].as_u64().unwrap() as u32);
        loss_scale.check().unwrap();
        let mut state = loss_scale.start();
        let mut ours = Vec::new();
        for is_finite in case.numbers("finite") {
            loss_scale.observe(is_finite == 1.0, &mut state);
            ours.push(f64::from(state.scale()));
            state = LossScaleState::from_json(&through_text(&state.to_json())).unwrap();
        }
        assert_eq!(ours, case.numbers("scales"), "{}", case.name);
    }
}

#[test]
fn scales_of_the_loss_keep_their_bounds() {
    let loss_scale = LossScale::adaptive();
    let mut state = loss_scale.start();
    assert_eq!(state.scale(), 65536.0);
    (0..1999).for_each(|_| loss_scale.observe(true, &mut state));
    assert_eq!(state.scale(), 65536.0);
    loss_scale.observe(true, &mut state);
    assert_eq!(state.scale(), 131_072.0);
    (0..1000).for_each(|_| loss_scale.observe(false, &mut state));
    assert_eq!(state.scale(), f32::MIN_POSITIVE);
    let fixed = LossScale::fixed(128.0);
    let mut state = fixed.start();
    [true, false].into_iter().for_each(|is_finite| fixed.observe(is_finite, &mut state));
    assert_eq!(state, fixed.start());
    assert_eq!(LossScale::none().start().scale(), 1.0);
}

/// The name of a refused setting.
fn refused<T: std::fmt::Debug>(result: wgpu_rnn::Result<T>) -> &'static str {
    match result.unwrap_err() {
        Error::Setting { name, .. } | Error::Argument { name, .. } => name,
        other => panic!("{other}"),
    }
}

#[test]
fn nonsense_is_refused_by_name() {
    let (sgd, adam, adamw, rmsprop) =
        (Optimizer::sgd(0.1), Optimizer::adam(0.1), Optimizer::adamw(0.1), Optimizer::rmsprop(0.1));
    let nan = f64::NAN;
    for (name, optimizer) in [
        ("learning_rate", Optimizer::sgd(-0.1)),
        ("learning_rate", Optimizer::adam(nan)),
        ("learning_rate", Optimizer::rmsprop(1e39)),
        ("weight_decay", adamw.weight_decay(-1e-9)),
        ("weight_decay", sgd.weight_decay(f64::INFINITY)),
        ("momentum", sgd.momentum(1.0)),
        ("momentum", sgd.momentum(-0.1)),
        ("momentum", rmsprop.momentum(nan)),
        ("momentum", adam.momentum(0.9)),
        ("dampening", sgd.momentum(0.9).dampening(1.0)),
        ("dampening", sgd.dampening(0.1)),
        ("dampening", rmsprop.dampening(0.0)),
        ("nesterov", sgd.nesterov()),
        ("nesterov", sgd.momentum(0.9).dampening(0.1).nesterov()),
        ("nesterov", adamw.nesterov()),
        ("betas", adam.betas(1.0, 0.9)),
        ("betas", adam.betas(0.9, -0.1)),
        ("betas", sgd.betas(0.9, 0.9)),
        ("betas", rmsprop.betas(0.9, 0.9)),
        ("epsilon", adam.epsilon(0.0)),
        ("epsilon", rmsprop.epsilon(1e-39)),
        ("epsilon", adamw.epsilon(nan)),
        ("epsilon", sgd.epsilon(1e-8)),
        ("amsgrad", sgd.amsgrad()),
        ("amsgrad", rmsprop.amsgrad()),
        ("alpha", rmsprop.alpha(1.0)),
        ("alpha", rmsprop.alpha(-0.5)),
        ("alpha", adam.alpha(0.9)),
        ("centered", adamw.centered()),
    ] {
        assert_eq!(refused(optimizer.check()), name, "{optimizer:?}");
        let json = Optimizer::from_json(&optimizer.to_json());
        assert!(json.is_err() || json.unwrap() != optimizer, "{optimizer:?}");
    }
    for (name, clip) in [
        ("clip norm", Clip::norm(0.0)),
        ("clip norm", Clip::norm(nan)),
        ("clip value", Clip::value(-1.0)),
        ("clip value", Clip::value(f64::INFINITY)),
    ] {
        assert_eq!(refused(clip.check()), name);
    }
    let plateau = Plateau::new();
    for (name, schedule) in [
        ("every", Schedule::step(0, 0.5)),
        ("factor", Schedule::step(1, 0.0)),
        ("factor", Schedule::step(1, nan)),
        ("steps", Schedule::cosine(0, 0.0)),
        ("minimum", Schedule::cosine(5, -0.1)),
        ("minimum", Schedule::cosine(5, 0.2)),
        ("factor", Schedule::plateau(plateau.factor(1.0))),
        ("factor", Schedule::plateau(plateau.factor(0.0))),
        ("threshold", Schedule::plateau(plateau.threshold(-0.1))),
        ("threshold", Schedule::plateau(plateau.threshold(nan))),
        ("minimum", Schedule::plateau(plateau.minimum(0.2))),
    ] {
        assert_eq!(refused(schedule.check(0.1)), name, "{schedule:?}");
    }
    let adaptive = LossScale::adaptive();
    for (name, loss_scale) in [
        ("loss scale", LossScale::fixed(0.0)),
        ("loss scale", adaptive.initial(f32::INFINITY)),
        ("growth", adaptive.growth(1.0)),
        ("backoff", adaptive.backoff(1.0)),
        ("backoff", adaptive.backoff(0.0)),
        ("interval", adaptive.interval(0)),
        ("interval", LossScale::fixed(8.0).interval(5)),
        ("growth", LossScale::none().growth(2.0)),
    ] {
        assert_eq!(refused(loss_scale.check()), name, "{loss_scale:?}");
    }
}

#[test]
fn arrays_that_do_not_fit_are_refused() {
    let step = |optimizer: Optimizer| optimizer.coefficients(1, 0.1).unwrap();
    let [mut a, mut b, mut p] = [[0.0_f32; 3]; 3];
    let adam = step(Optimizer::adam(0.1));
    assert_eq!(refused(Optimizer::adam(0.1).coefficients(0, 0.1)), "step");
    assert_eq!(refused(Optimizer::adam(0.1).coefficients(1, f64::NAN)), "learning_rate");
    assert_eq!(refused(adam.cast().update(&mut p, &[1.0; 2], &mut [&mut a, &mut b])), "gradients");
    assert_eq!(refused(adam.cast().update(&mut p, &[1.0; 3], &mut [&mut a])), "state");
    assert_eq!(refused(adam.cast().update(&mut p, &[1.0; 3], &mut [&mut a, &mut b[..2]])), "state");
    let waits = adam.clip(&Clip::norm(1.0));
    assert_eq!(refused(waits.cast().update(&mut p, &[1.0; 3], &mut [&mut a, &mut b])), "norm");
    assert_eq!(p, [0.0; 3]);
    // A centred RMSprop has two arrays that none but its names tell from those of momentum.
    let centered = Optimizer::rmsprop(0.1).centered();
    assert_eq!(centered.state_arrays(), ["square_avg", "grad_avg"]);
    assert_eq!(centered.momentum(0.5).state_arrays(), ["square_avg", "momentum_buffer", "grad_avg"]);
}

/// A gradient that never changes has a variance of 0, which rounding may take below.
#[test]
fn a_centered_variance_has_a_root() {
    let optimizer = Optimizer::rmsprop(1e-3).centered().alpha(0.5);
    let (mut p, mut v, mut m) = ([1.0_f32], [0.0], [0.0]);
    for step in 1..=300 {
        let step = optimizer.coefficients(step, 1e-9).unwrap();
        step.cast().update(&mut p, &[0.3], &mut [&mut v, &mut m]).unwrap();
        assert!(p[0].is_finite());
    }
    // A NaN is not hidden.
    let step = optimizer.coefficients(301, 1e-3).unwrap();
    step.cast().update(&mut p, &[f32::NAN], &mut [&mut v, &mut m]).unwrap();
    assert!(p[0].is_nan());
    let (mut p, step) = ([1.0], optimizer.coefficients(302, 1e-3).unwrap());
    step.cast().update(&mut p, &[0.3], &mut [&mut v, &mut m]).unwrap();
    assert!(p[0].is_nan());
}

/// Kernels read words; each is at the place that the documentation says.
#[test]
fn words_have_their_places() {
    let optimizer = Optimizer::adam(0.25).betas(0.5, 0.75).epsilon(0.125).weight_decay(3.0).amsgrad();
    let step = optimizer.coefficients(1, 0.25).unwrap().scaled(2.0).clip(&Clip::norm(7.0)).cast::<f32>();
    assert_eq!(step.rule, Rule::Adam);
    let float = |word: u32| f32::from_bits(word);
    let words = step.words();
    assert_eq!(words[..2], [1, 0b01_0100]);
    let numbers = [2.0, 7.0, 0.0, 0.5, 3.0, 1.0, 0.0, 1.0, 0.5, 0.75, 0.25, 0.5, 0.125, 0.0];
    assert_eq!(words[2..].iter().map(|&word| float(word)).collect::<Vec<_>>(), numbers);
    let sgd = Optimizer::sgd(0.5).momentum(0.25).nesterov().coefficients(2, 0.5).unwrap();
    let words = sgd.clip(&Clip::value(9.0)).cast::<f32>().words();
    assert_eq!((words[..2].to_vec(), float(words[3]), float(words[4])), (vec![0, 0b10_0011], 0.0, 9.0));
    assert_eq!(float(words[8]), 0.25);
    let words = Optimizer::rmsprop(0.5).centered().coefficients(1, 0.5).unwrap().cast::<f32>().words();
    assert_eq!(words[..2], [2, 0b1000]);
    let dampened = Optimizer::sgd(0.5).momentum(0.5).dampening(0.25);
    let rates = [1, 2].map(|step| dampened.coefficients(step, 0.5).unwrap().cast::<f32>().words()[9]);
    assert_eq!(rates.map(float), [1.0, 0.75]);
}

/// A JSON value, written as text and read again.
fn through_text(value: &Value) -> Value {
    serde_json::from_str(&serde_json::to_string(value).unwrap()).unwrap()
}

#[test]
fn settings_come_back_to_the_same_bits() {
    let any = || 0.0..1.0_f64;
    common::random::runner(200)
        .run(&(any(), any(), any(), 1e-6..1.0_f64, 1_u64..1000), |(a, b, c, d, n)| {
            for optimizer in [
                Optimizer::sgd(a).weight_decay(b),
                Optimizer::sgd(a).momentum(d).dampening(c).weight_decay(b),
                Optimizer::sgd(a).momentum(d).nesterov(),
                Optimizer::adam(a).betas(b, c).epsilon(d),
                Optimizer::adam(a).weight_decay(b).amsgrad(),
                Optimizer::adamw(a).weight_decay(b),
                Optimizer::rmsprop(a).alpha(b).momentum(c).epsilon(d).centered(),
            ] {
                prop_assert_eq!(
                    Optimizer::from_json(&through_text(&optimizer.to_json())).unwrap(),
                    optimizer
                );
            }
            let plateau = Plateau::new().factor(d * 0.9).threshold(b).minimum(c).patience(n).cooldown(n);
            for schedule in [
                Schedule::constant(),
                Schedule::step(n, d),
                Schedule::cosine(n, a).warm_up(n),
                Schedule::plateau(plateau).warm_up(n),
                Schedule::plateau(plateau.maximize()),
            ] {
                prop_assert_eq!(Schedule::from_json(&through_text(&schedule.to_json())).unwrap(), schedule);
            }
            for clip in [Clip::none(), Clip::norm(d), Clip::value(d)] {
                prop_assert_eq!(Clip::from_json(&through_text(&clip.to_json())).unwrap(), clip);
            }
            let scale = LossScale::adaptive().growth(1.0 + d).backoff(d * 0.9).interval(n as u32);
            for scale in [scale.initial(d as f32), LossScale::fixed(d as f32), LossScale::none()] {
                prop_assert_eq!(LossScale::from_json(&through_text(&scale.to_json())).unwrap(), scale);
                let state = scale.start();
                let read = LossScaleState::from_json(&through_text(&state.to_json())).unwrap();
                prop_assert_eq!(read.scale().to_bits(), state.scale().to_bits());
            }
            Ok(())
        })
        .unwrap();
}

#[test]
fn other_json_is_refused() {
    let good = Optimizer::sgd(0.1).momentum(0.5).to_json();
    for (place, bad) in [
        ("/learning_rate", "fast".into()),
        ("/rule", serde_json::json!({"lion": {}})),
        ("/rule/sgd/momentum", Value::Null),
        ("/rule/sgd", serde_json::json!({"momentum": 0.5, "dampening": 0.0})),
        ("/rule/sgd", serde_json::json!({"momentum": 0.5, "dampening": 0.0, "nesterov": false, "more": 1})),
    ] {
        let mut json = good.clone();
        *json.pointer_mut(place).unwrap() = bad;
        let error = Optimizer::from_json(&json).unwrap_err();
        assert!(matches!(&error, Error::Metadata { key, .. } if key == "optimizer"), "{place}: {error}");
    }
    let mut json = good;
    json["rule"]["sgd"]["momentum"] = 1.5.into();
    assert_eq!(refused(Optimizer::from_json(&json)), "momentum");
    let other = serde_json::json!({"scale": -1.0, "good_steps": 0});
    LossScaleState::from_json(&other).unwrap_err();
    let other = serde_json::json!({"reduced": -1.0, "best": null, "bad": 0, "cooldown": 0});
    ScheduleState::from_json(&other).unwrap_err();
    // The largest counts do not overflow.
    let last = serde_json::json!({"reduced": null, "best": 0.0, "bad": u64::MAX, "cooldown": 0});
    let mut state = ScheduleState::from_json(&last).unwrap();
    Schedule::plateau(Plateau::new()).observe(1.0, 1.0, &mut state);
    let last = serde_json::json!({"scale": 1.0, "good_steps": u32::MAX});
    LossScale::adaptive().observe(true, &mut LossScaleState::from_json(&last).unwrap());
}
