//! Losses and heads: against PyTorch (`golden/README.md`), CTC against all paths of small sizes, and heads on
//! whole networks against central differences.

#[path = "losses/cases.rs"]
mod cases;
mod common;

use cases::{LossCase, rough};
use common::{F32, Tolerance, difference, golden};
use ndarray::{Array1, Array2, Array3, ArrayD, Axis, array, s};
use wgpu_rnn::train::{Head, HeadWeights, Loss, LossValue, Reads, Targets, argmax, greedy_decode};
use wgpu_rnn::{Call, Config, Float, Init, Layout, Merge, Weights, reference};

/// f64 against f64: another order of at most 200 additions, of numbers that may cancel, each off by 1.1e-16
/// of itself.
const F64: Tolerance = Tolerance { atol: 1e-14, rtol: 1e-12 };

/// f32 of the same numbers, computed in f64 and rounded once: 2^-24 of a number beside the tolerance of f64.
const ROUNDED: Tolerance = Tolerance { atol: 1e-14, rtol: 6e-8 };

/// Losses of which PyTorch's mean divides 0 by 0.
const EMPTY: [&str; 2] = ["ce all ignored", "ce weights of 0"];

/// The loss whose gradient is NaN.
const INFINITE: &str = "ctc too short";

fn check_loss<T: Float>(case: &LossCase, tolerance: Tolerance) -> Result<(), String> {
    let predictions = case.predictions.mapv(|number| T::from(number).unwrap());
    let lengths = case.lengths.as_deref();
    let found =
        case.loss.evaluate(&predictions, &case.targets, lengths).map_err(|error| error.to_string())?;
    let LossValue { loss, gradient, rows, right, .. } = found;
    if [rows, right] != case.counts {
        return Err(format!("{}: counts {:?}, expected {:?}", case.name, [rows, right], case.counts));
    }
    if EMPTY.contains(&case.name.as_str()) {
        assert!(case.value.is_nan(), "{}", case.name);
        let is_zero = loss.is_zero() && gradient.iter().all(|by| by.is_zero());
        return if is_zero { Ok(()) } else { Err(format!("{}: not zero", case.name)) };
    }
    // A NaN of both is the same; a NaN of one alone differs from all numbers of these files.
    let marked = |array: &ArrayD<f64>| array.mapv(|number| if number.is_nan() { 1e9 } else { number });
    let has_nan = case.gradient.iter().any(|by| by.is_nan());
    assert_eq!(has_nan, case.name == INFINITE, "{}", case.name);
    let gradient = gradient.mapv(|by| by.to_f64().unwrap()).into_dyn();
    let loss = array![loss.to_f64().unwrap()].into_dyn();
    difference("loss", &loss, &array![case.value].into_dyn(), tolerance)
        .and_then(|()| difference("gradient", &marked(&gradient), &marked(&case.gradient), tolerance))
        .map_err(|error| format!("{}: {error}", case.name))
}

#[test]
fn losses_equal_pytorch() {
    let cases = LossCase::all();
    assert_eq!(cases.len(), 40);
    let check = |case| [check_loss::<f64>(case, F64), check_loss::<f32>(case, ROUNDED)];
    let failures: Vec<String> = cases.iter().flat_map(check).filter_map(Result::err).collect();
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

fn check_head<T: Float>(
    name: &str,
    settings: &str,
    tensors: &dyn Fn(&str) -> Option<ArrayD<f64>>,
    tolerance: Tolerance,
) -> Result<(), String> {
    let settings: serde_json::Value = serde_json::from_str(settings).unwrap();
    let of = |name: &str| Some(tensors(name)?.mapv(|number| T::from(number).unwrap()));
    let rank3 = |name: &str| of(name).map(common::rank3).unwrap();
    let lengths: Option<Vec<usize>> =
        tensors("lengths").map(|lengths| lengths.iter().map(|&length| length as usize).collect());
    let lengths = lengths.as_deref();
    let (weight, bias) = (of("weight").unwrap(), of("bias").unwrap());
    let (weight, bias): (Array2<T>, Array1<T>) =
        (weight.into_dimensionality().unwrap(), bias.into_dimensionality().unwrap());
    let reads = match settings["reads"].as_str().unwrap() {
        "last_states" => Reads::LastStates,
        "mean" => Reads::Mean,
        "max" => Reads::Max,
        "every_step" => Reads::EveryStep,
        other => panic!("{other}"),
    };

    let config = Config::lstm(3).num_layers(2).bidirectional().input_size(2);
    let network = Weights::init(&config, &Init::pytorch()).unwrap().cast::<T>();
    let mut output = reference::forward(&network, &Array3::zeros((4, 3, 2)), None).unwrap();
    match reads {
        Reads::LastStates => output.h_n = rank3("h_n"),
        _ => output.output = rank3("output"),
    }

    let head = Head::new(reads, weight.nrows());
    let head = HeadWeights::new(&head, &config, weight.view(), bias.view()).unwrap();
    let features = head.features(&output, lengths).unwrap();
    let predictions = head.predict(&features).unwrap();
    let by_head = head.backward(&features, &rank3("grad_predictions")).unwrap();
    let by_output = head.read_gradients(&output, lengths, &by_head.features).unwrap();
    let mut compared = 0;
    let mut check = |name: &str, ours: Option<ArrayD<T>>| match (tensors(name), ours) {
        (Some(theirs), Some(ours)) => {
            compared += 1;
            difference(name, &ours, &theirs, tolerance)
        }
        (None, None) => Ok(()),
        (theirs, _) => Err(format!("{name}: PyTorch has it: {}", theirs.is_some())),
    };
    let all = [
        check("predictions", Some(predictions.into_dyn())),
        check("grad_weight", Some(by_head.params.weight().to_owned().into_dyn())),
        check("grad_bias", Some(by_head.params.bias().to_owned().into_dyn())),
        check("grad_output", by_output.output.map(Array3::into_dyn)),
        check("grad_h_n", by_output.h_n.map(Array3::into_dyn)),
    ];
    assert_eq!(compared, 4, "{name}");
    all.into_iter().collect::<Result<Vec<()>, String>>().map_err(|error| format!("{name}: {error}"))?;
    Ok(())
}

#[test]
fn heads_equal_pytorch() {
    let (metadata, tensors) = golden("pytorch_losses.safetensors");
    let cases: Vec<_> = metadata.iter().filter(|(name, _)| name.starts_with("head")).collect();
    assert_eq!(cases.len(), 7);
    for (name, settings) in cases {
        let of = |key: &str| tensors.get(&format!("{name}/{key}")).cloned();
        check_head::<f64>(name, settings, &of, F64).unwrap();
        check_head::<f32>(name, settings, &of, F32).unwrap();
    }
}

/// All paths of T steps over C classes, by which class they have in each step.
fn paths(steps: usize, classes: usize) -> impl Iterator<Item = Vec<usize>> {
    (0..classes.pow(steps as u32)).map(move |mut number| {
        let class = |_| {
            let class = number % classes;
            number /= classes;
            class
        };
        (0..steps).map(class).collect()
    })
}

/// The label of a path, a class after another.
fn label_of(path: &[usize], blank: usize) -> Vec<i32> {
    let mut label = Vec::new();
    for (t, &class) in path.iter().enumerate() {
        if class != blank && (t == 0 || path[t - 1] != class) {
            label.push(class as i32);
        }
    }
    label
}

/// Every label that a path of these steps has, and some that none has.
#[test]
fn ctc_equals_the_sum_over_all_paths() {
    let mut compared = [0, 0];
    for (steps, classes, is_masked) in
        [(1, 2, false), (2, 3, false), (4, 3, true), (5, 3, false), (4, 4, true)]
    {
        for blank in [0, classes - 1] {
            let mut x = rough::<f64>([steps, 1, classes], 3.0, 7 + steps as u64);
            if is_masked {
                x[[1, 0, 1]] = f64::NEG_INFINITY;
            }
            let mut p = x.mapv(f64::exp).index_axis_move(Axis(1), 0);
            p.rows_mut().into_iter().for_each(|mut row| row /= row.sum());
            let probability =
                |path: &[usize]| -> f64 { path.iter().enumerate().map(|(t, &k)| p[[t, k]]).product() };
            for length in 0..=steps.min(3) {
                let all = paths(length, classes).filter(|label| !label.contains(&blank));
                for label in all.map(|label| label.into_iter().map(|class| class as i32).collect::<Vec<_>>())
                {
                    let (mut sum, mut shares) = (0.0, Array2::<f64>::zeros((steps, classes)));
                    for path in paths(steps, classes).filter(|path| label_of(path, blank) == label) {
                        sum += probability(&path);
                        path.iter().enumerate().for_each(|(t, &k)| shares[[t, k]] += probability(&path));
                    }
                    let divisor = label.len().max(1) as f64;
                    let targets = Targets::Labels(vec![label]);
                    let ours = Loss::ctc(blank).evaluate(&x, &targets, None).unwrap();
                    let by = ours.gradient.index_axis(Axis(1), 0);
                    compared[usize::from(sum == 0.0)] += 1;
                    if sum == 0.0 {
                        assert_eq!(ours.loss, f64::INFINITY, "{targets:?}");
                        assert!(by.iter().all(|by| by.is_nan()), "{targets:?}");
                        let zeroed = Loss::ctc(blank).zero_infinity().evaluate(&x, &targets, None).unwrap();
                        assert_eq!((zeroed.loss, zeroed.gradient), (0.0, Array3::zeros(x.dim())));
                        continue;
                    }
                    let loss = (array![ours.loss], array![-sum.ln() / divisor]);
                    difference("loss", &loss.0, &loss.1, F64).unwrap();
                    difference("gradient", &by.to_owned(), &((&p - &(shares / sum)) / divisor), F64).unwrap();
                }
            }
        }
    }
    assert!(compared[0] > 100 && compared[1] > 10, "{compared:?}");
}

#[test]
fn greedy_decoding_collapses_repeats_and_drops_blanks() {
    let best = array![[1, 0], [1, 2], [0, 2], [1, 1], [2, 2], [2, 0]];
    let predictions =
        Array3::from_shape_fn((6, 2, 3), |(t, n, c)| if best[[t, n]] == c { 2.5_f32 } else { -0.5 });
    assert_eq!(argmax(&predictions), best);
    let decode = |blank, lengths| greedy_decode(&predictions, blank, lengths).unwrap();
    assert_eq!(decode(0, None), [vec![1, 1, 2], vec![2, 1, 2]]);
    assert_eq!(decode(2, None), [vec![1, 0, 1], vec![0, 1, 0]]);
    assert_eq!(decode(0, Some(&[4, 0])), [vec![1, 1], vec![]]);
    for path in paths(5, 3) {
        let predictions = Array3::from_shape_fn((5, 1, 3), |(t, _, c)| f64::from(u8::from(path[t] == c)));
        assert_eq!(greedy_decode(&predictions, 0, None).unwrap(), [label_of(&path, 0)]);
    }
    let error = greedy_decode(&predictions, 3, None).unwrap_err();
    assert_eq!(error.to_string(), "blank: expected a class below 3, found 3");
}

/// Losses of predictions `[5, 3, 4]`, with targets and lengths.
fn every_loss() -> Vec<(Loss, Targets)> {
    let classes = Targets::StepClasses(Array2::from_shape_fn((5, 3), |(t, n)| ((t + n) % 4) as i32));
    let numbers =
        Targets::StepNumbers(Array3::from_shape_fn((5, 3, 4), |(t, n, c)| ((t + n + c) % 2) as f32));
    vec![
        (Loss::cross_entropy().class_weights([1.0, 0.5, 2.0, 1.0]).label_smoothing(0.1), classes),
        (Loss::binary_cross_entropy(), numbers.clone()),
        (Loss::mean_squared(), numbers.clone()),
        (Loss::huber(0.5), numbers),
        (Loss::ctc(0), Targets::Labels(vec![vec![1, 2], vec![3], vec![2, 2]])),
    ]
}

#[test]
fn nan_reaches_its_own_row_alone() {
    let clean = rough::<f64>([5, 3, 4], 2.0, 5);
    let mut broken = clean.clone();
    broken[[2, 1, 3]] = f64::NAN;
    for (loss, targets) in every_loss() {
        let name = loss.name();
        let [theirs, ours] = [&clean, &broken].map(|x| loss.evaluate(x, &targets, None).unwrap());
        assert!(ours.loss.is_nan() && theirs.loss.is_finite(), "{name}");
        for ((t, n, c), &by) in ours.gradient.indexed_iter() {
            let is_own = match name {
                "ctc" => n == 1,
                "cross_entropy" => (t, n) == (2, 1),
                _ => (t, n, c) == (2, 1, 3),
            };
            let expected = theirs.gradient[[t, n, c]];
            assert!(if is_own { by.is_nan() } else { by == expected }, "{name} at {:?}: {by}", (t, n, c));
        }
    }
}

#[test]
fn nothing_past_the_end_is_read() {
    let lengths = [4, 0, 3];
    let clean = rough::<f64>([5, 3, 4], 2.0, 6);
    let past = |t: usize, n: usize| t >= lengths[n];
    let broken =
        Array3::from_shape_fn(clean.dim(), |(t, n, c)| if past(t, n) { f64::NAN } else { clean[[t, n, c]] });
    for (loss, targets) in every_loss() {
        // No step would be too short for CTC.
        let targets = match targets {
            Targets::Labels(labels) => Targets::Labels(vec![labels[0].clone(), vec![], labels[2].clone()]),
            other => other,
        };
        let [theirs, ours] = [&clean, &broken].map(|x| loss.evaluate(x, &targets, Some(&lengths)).unwrap());
        assert!(theirs.loss.is_finite());
        assert_eq!(ours, theirs);
        assert_eq!(ours.rows, if loss.name() == "ctc" { 2 } else { 7 });
        // The padding's sequence changes nothing.
        let shorter = targets_of(&targets, &[0, 2]);
        let x = clean.select(Axis(1), &[0, 2]);
        let alone = loss.evaluate(&x, &shorter, Some(&[4, 3])).unwrap();
        assert_eq!((alone.loss, alone.rows), (ours.loss, ours.rows), "{}", loss.name());
        assert_eq!(alone.gradient, ours.gradient.select(Axis(1), &[0, 2]));
    }
}

fn targets_of(targets: &Targets, rows: &[usize]) -> Targets {
    match targets {
        Targets::StepClasses(classes) => Targets::StepClasses(classes.select(Axis(1), rows)),
        Targets::StepNumbers(numbers) => Targets::StepNumbers(numbers.select(Axis(1), rows)),
        Targets::Labels(labels) => Targets::Labels(rows.iter().map(|&row| labels[row].clone()).collect()),
        other => panic!("{other:?}"),
    }
}

#[test]
fn infinite_predictions_of_no_weight_cost_nothing() {
    let x = array![[[f64::INFINITY, f64::NEG_INFINITY, 0.0]]];
    let targets = Targets::Numbers(array![[1.0, 0.0, 0.0]]);
    let value = Loss::binary_cross_entropy().evaluate(&x, &targets, None).unwrap();
    assert_eq!(value.loss, 2.0_f64.ln() / 3.0);
    assert_eq!(value.gradient, array![[[0.0, 0.0, 0.5 / 3.0]]]);
    let x = array![[[f64::NEG_INFINITY, 0.0, 0.0]]];
    let loss = Loss::cross_entropy().label_smoothing(0.5).class_weights([0.0, 1.0, 1.0]);
    let value = loss.evaluate(&x, &Targets::Classes(vec![1]), None).unwrap();
    assert!((value.loss - 2.0_f64.ln() * (0.5 + 0.5 * 2.0 / 3.0)).abs() < 1e-15, "{}", value.loss);
}

/// A head on a network, as a function of all numbers, against central differences.
#[test]
fn heads_and_networks_have_one_gradient() {
    let configs = [
        Config::gru(3).num_layers(2).bidirectional(),
        Config::lstm(3).bidirectional().layout(Layout::Ntc),
        Config::gru(3).bidirectional().merge(Merge::Sum),
        Config::lstm(3).bidirectional().merge(Merge::Apart).layout(Layout::Ntc),
        Config::lstm(5).proj_size(2).bidirectional(),
    ];
    for (index, config) in configs.into_iter().enumerate() {
        let config = config.input_size(2);
        for reads in [Reads::LastStates, Reads::Mean, Reads::Max, Reads::EveryStep] {
            let name = format!("{reads:?} of network {index}");
            check_chain(&config, reads).unwrap_or_else(|error| panic!("{name}: {error}"));
        }
    }
}

fn check_chain(config: &Config, reads: Reads) -> Result<(), String> {
    const STEP: f64 = 1e-5;
    let (steps, batch, lengths) = (5, 3, [5, 2, 4]);
    let network = Weights::init(config, &Init::uniform(0.8).seed(3)).unwrap().cast::<f64>();
    let head = Head::new(reads, 4).seed(2);
    let head = HeadWeights::init(&head, config).unwrap().cast::<f64>();
    let shape = if config.layout == Layout::Ntc { [batch, steps, 2] } else { [steps, batch, 2] };
    let input = rough::<f64>(shape, 1.0, 8);
    let targets = match reads {
        Reads::EveryStep => {
            Targets::StepClasses(Array2::from_shape_fn((5, 3), |(t, n)| ((t * n) % 4) as i32))
        }
        _ => Targets::Classes(vec![3, 0, 1]),
    };
    let value = |input: &Array3<f64>, head: &HeadWeights<f64>| {
        let output = reference::call(&network, &Call::new(input).lengths(&lengths)).unwrap();
        let features = head.features(&output, Some(&lengths)).unwrap();
        let predictions = head.predict(&features).unwrap();
        let value = Loss::cross_entropy().evaluate(&predictions, &targets, Some(&lengths)).unwrap();
        (output, features, value)
    };
    let (output, features, own) = value(&input, &head);
    let by_head = head.backward(&features, &own.gradient).unwrap();
    let by_output = head.read_gradients(&output, Some(&lengths), &by_head.features).unwrap();
    let call = Call::new(&input).lengths(&lengths);
    let (_, gradients) = reference::backward(&network, &call, &by_output.gradients()).unwrap();

    let central = |at: &dyn Fn(f64) -> f64| (at(STEP) - at(-STEP)) / (2.0 * STEP);
    let by_input = Array3::from_shape_fn(input.dim(), |index| {
        central(&|step| {
            let mut input = input.clone();
            input[index] += step;
            value(&input, &head).2.loss
        })
    });
    let by_params: Array1<f64> = (0..head.params().as_slice().len())
        .map(|index| {
            central(&|step| {
                let mut head = head.clone();
                head.params_mut().as_mut_slice()[index] += step;
                value(&input, &head).2.loss
            })
        })
        .collect();
    // The third derivative times STEP² / 6, and 1e-16 / STEP.
    let tolerance = Tolerance { atol: 1e-9, rtol: 0.0 };
    assert!(by_input.iter().any(|by| by.abs() > 1e-3) && by_params.iter().any(|by| by.abs() > 1e-3));
    difference("input", &gradients.input, &by_input, tolerance)?;
    difference("head", &Array1::from(by_head.params.as_slice().to_vec()), &by_params, tolerance)
}

#[test]
fn heads_are_drawn_as_pytorch_draws_them() {
    let config = Config::gru(32).bidirectional().input_size(3);
    let head = Head::last_states(101);
    assert_eq!(head.features(&config).unwrap(), 64);
    let weights = HeadWeights::init(&head.seed(4), &config).unwrap();
    let params = weights.params();
    let bound = 1.0 / 8.0;
    assert!(params.as_slice().iter().all(|number| number.abs() <= bound));
    // The mean of n numbers of variance b²/3 is within five deviations of 0, their mean square near b²/3.
    for numbers in [params.weight().iter().copied().collect::<Vec<_>>(), params.bias().to_vec()] {
        let count = numbers.len() as f32;
        let mean = numbers.iter().sum::<f32>() / count;
        let square = numbers.iter().map(|number| number * number).sum::<f32>() / count;
        assert!(mean.abs() < 5.0 * bound / (3.0 * count).sqrt(), "{mean}");
        assert!((square / (bound * bound / 3.0) - 1.0).abs() < 5.0 / count.sqrt(), "{square}");
    }
    assert_eq!(weights, HeadWeights::init(&head.seed(4), &config).unwrap());
    assert_ne!(params, HeadWeights::init(&head.seed(5), &config).unwrap().params());
    assert_ne!(params.weight().row(0).slice(s![..50]), params.bias().slice(s![..50]));
    // The bias begins at a multiple of 64, and nothing but zeros lies between.
    let own = HeadWeights::init(&Head::mean(3).seed(4), &Config::gru(7).input_size(3)).unwrap();
    let flat = own.params().as_slice();
    assert_eq!(flat.len(), 128);
    assert_eq!(flat[64..67], own.params().bias().to_vec());
    assert!(flat[21..64].iter().chain(&flat[67..]).all(|&number| number == 0.0));
    assert_eq!(
        own.params().tensors().map(|(name, _)| name).collect::<Vec<_>>(),
        ["head.weight", "head.bias"]
    );
}

#[test]
fn settings_and_targets_that_do_not_fit_are_refused() {
    let classes = |classes: &[i32]| Targets::Classes(classes.to_vec());
    let labels = |label: &[i32]| Targets::Labels(vec![label.to_vec(), vec![]]);
    let numbers = |number: f32| Targets::Numbers(array![[0.0, 0.0, 0.0], [0.0, number, 0.0]]);
    let step_classes = |class: i32| Targets::StepClasses(array![[0, 1], [2, class]]);
    let (ce, bce, mse) = (Loss::cross_entropy(), Loss::binary_cross_entropy(), Loss::mean_squared());
    let cases: [(usize, Loss, Targets, &str); 22] = [
        (
            1,
            ce.clone(),
            classes(&[0, 3]),
            "targets: expected a class from 0 to 2 or -100 (ignored) at sequence 1, found 3",
        ),
        (
            1,
            ce.clone(),
            classes(&[-1, 0]),
            "targets: expected a class from 0 to 2 or -100 (ignored) at sequence 0, found -1",
        ),
        (
            2,
            ce.clone(),
            step_classes(7),
            "targets: expected a class from 0 to 2 or -100 (ignored) at step 1 of sequence 1, found 7",
        ),
        (
            1,
            ce.clone(),
            classes(&[0]),
            "targets: expected classes per sequence [2], found classes per sequence [1]",
        ),
        (
            2,
            ce.clone(),
            classes(&[0, 1]),
            "targets: expected classes per step [2, 2], found classes per sequence [2]",
        ),
        (
            1,
            ce.clone(),
            step_classes(0),
            "targets: expected classes per sequence [2], found classes per step [2, 2]",
        ),
        (
            1,
            ce.clone(),
            numbers(0.0),
            "targets: expected classes per sequence [2], found numbers per sequence [2, 3]",
        ),
        (
            1,
            mse.clone(),
            classes(&[0, 1]),
            "targets: expected numbers per sequence [2, 3], found classes per sequence [2]",
        ),
        (
            2,
            mse.clone(),
            numbers(0.0),
            "targets: expected numbers per step [2, 2, 3], found numbers per sequence [2, 3]",
        ),
        (
            1,
            bce.clone(),
            numbers(1.5),
            "targets: expected a number from 0 to 1 for output 1 at sequence 1, found 1.5",
        ),
        (
            1,
            mse.clone(),
            numbers(f32::NAN),
            "targets: expected a finite number for output 1 at sequence 1, found NaN",
        ),
        (
            2,
            Loss::ctc(0),
            labels(&[1, 0]),
            "targets: expected a class from 0 to 2 but 0 (blank) at 1 of sequence 0, found 0",
        ),
        (
            2,
            Loss::ctc(0),
            labels(&[3]),
            "targets: expected a class from 0 to 2 but 0 (blank) at 0 of sequence 0, found 3",
        ),
        (
            2,
            Loss::ctc(0),
            step_classes(1),
            "targets: expected labels of 2 sequences, found classes per step [2, 2]",
        ),
        (2, Loss::ctc(3), labels(&[1]), "blank: expected a class from 0 to 2, found 3"),
        (
            1,
            ce.clone().class_weights([1.0]),
            classes(&[0, 1]),
            "class_weights: expected 3, one for each output, found 1",
        ),
        (
            1,
            ce.clone().class_weights([1.0, -1.0, 1.0]),
            classes(&[0, 1]),
            "class_weights: expected a number from 0 on at 1, found -1",
        ),
        (
            1,
            ce.clone().label_smoothing(1.5),
            classes(&[0, 1]),
            "label_smoothing: expected a number from 0 to 1, found 1.5",
        ),
        (
            1,
            bce.positive_weights([1.0, 1.0, f32::NAN]),
            numbers(0.0),
            "positive_weights: expected a number from 0 on at 2, found NaN",
        ),
        (1, Loss::huber(0.0), numbers(0.0), "delta: expected a number over 0, found 0"),
        (
            1,
            mse.zero_infinity(),
            numbers(0.0),
            "zero_infinity: expected a loss that has this setting, found mean_squared",
        ),
        (
            1,
            Loss::ctc(0).ignored(1),
            classes(&[0, 1]),
            "ignored: expected a loss that has this setting, found ctc",
        ),
    ];
    for (steps, loss, targets, expected) in cases {
        let predictions = Array3::<f32>::zeros((steps, 2, 3));
        let error = loss.evaluate(&predictions, &targets, None).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
    let refused = |lengths: &[usize]| {
        let predictions = Array3::<f32>::zeros((2, 2, 3));
        ce.evaluate(&predictions, &step_classes(1), Some(lengths)).unwrap_err().to_string()
    };
    assert_eq!(refused(&[1]), "lengths: expected 2, one for each sequence, found 1");
    assert_eq!(refused(&[1, 3]), "lengths: expected 0 to 2 (T) for sequence 1, found 3");
    // Targets past the end may be anything.
    let predictions = Array3::<f32>::zeros((2, 2, 3));
    assert_eq!(ce.evaluate(&predictions, &step_classes(-7), Some(&[2, 1])).unwrap().rows, 3);
    // Lengths of the call, beside one prediction per sequence.
    let predictions = Array3::<f32>::zeros((1, 2, 3));
    assert_eq!(ce.evaluate(&predictions, &classes(&[0, -5]), Some(&[9, 0])).unwrap().rows, 1);
    assert!(ce.check(&Head::last_states(3)).is_ok());
    let error = Loss::ctc(0).check(&Head::mean(3)).unwrap_err();
    assert_eq!(error.to_string(), "ctc: expected a head that reads every step, found Mean");
}

#[test]
fn heads_refuse_arrays_that_do_not_fit() {
    let config = Config::gru(3).bidirectional().input_size(2);
    let weights = Weights::init(&config, &Init::pytorch()).unwrap();
    let input = Array3::ones((5, 4, 2));
    let output = reference::forward(&weights, &input, None).unwrap();
    let error = HeadWeights::init(&Head::mean(0), &config).unwrap_err();
    assert_eq!(error.to_string(), "outputs: expected at least 1, found 0");
    let head = HeadWeights::init(&Head::mean(2), &config).unwrap();
    let refused = |lengths: &[usize]| head.features(&output, Some(lengths)).unwrap_err().to_string();
    assert_eq!(refused(&[1, 2, 3]), "lengths: expected 4, one for each sequence, found 3");
    assert_eq!(refused(&[1, 2, 6, 3]), "lengths: expected 0 to 5 (T) for sequence 2, found 6");
    let error = head.predict(&Array3::zeros((1, 4, 5))).unwrap_err();
    assert_eq!(error.to_string(), "features: expected shape [1, 4, 6], found [1, 4, 5]");
    let error = head.backward(&Array3::zeros((1, 4, 6)), &Array3::zeros((1, 4, 3))).unwrap_err();
    assert_eq!(error.to_string(), "gradient by predictions: expected shape [1, 4, 2], found [1, 4, 3]");
    let error = head.read_gradients(&output, None, &Array3::zeros((5, 4, 6))).unwrap_err();
    assert_eq!(error.to_string(), "gradient by features: expected shape [1, 4, 6], found [5, 4, 6]");
    let (weight, bias) = (Array2::<f32>::zeros((2, 5)), Array1::zeros(2));
    let error = HeadWeights::new(&Head::mean(2), &config, weight.view(), bias.view()).unwrap_err();
    assert_eq!(error.to_string(), "head.weight: expected shape [2, 6], found [2, 5]");
    let other = Config::gru(4).bidirectional().input_size(2);
    let other = HeadWeights::init(&Head::mean(2), &other).unwrap();
    let error = other.features(&output, None).unwrap_err();
    assert_eq!(error.to_string(), "h_n: expected shape [2, 4, 4], found [2, 4, 3]");
    let apart = config.merge(Merge::Apart);
    let error = HeadWeights::init(&Head::max(2), &apart).unwrap().features(&output, None).unwrap_err();
    assert_eq!(error.to_string(), "output_reverse: expected one in the shape of output, found none");
}

/// A sequence of length 0 has features of 0, and gives no gradient by output; NaN of a step is a maximum.
#[test]
fn features_of_no_step_are_zero() {
    let config = Config::gru(3).input_size(2);
    let weights = Weights::init(&config, &Init::pytorch()).unwrap().cast::<f64>();
    let mut output = reference::forward(&weights, &rough::<f64>([4, 3, 2], 1.0, 9), None).unwrap();
    output.output[[1, 2, 0]] = f64::NAN;
    output.output[[3, 0, 0]] = f64::NAN;
    let lengths = [3, 0, 4];
    for head in [Head::mean(2), Head::max(2), Head::every_step(2)] {
        let name = format!("{head:?}");
        let head = HeadWeights::init(&head, &config).unwrap().cast::<f64>();
        let features = head.features(&output, Some(&lengths)).unwrap();
        assert!(features.slice(s![.., 1, ..]).iter().all(|&feature| feature == 0.0), "{name}");
        // The first sequence ends before its NaN, and the last one's reaches one feature.
        assert!(features.slice(s![.., 0, ..]).iter().all(|feature| feature.is_finite()), "{name}");
        let last = features.slice(s![.., 2, ..]);
        assert_eq!(last.iter().filter(|feature| feature.is_nan()).count(), 1, "{name}");
        let by = head.read_gradients(&output, Some(&lengths), &Array3::ones(features.dim())).unwrap();
        let by = by.output.unwrap();
        assert!(by.slice(s![.., 1, ..]).iter().all(|&by| by == 0.0), "{name}");
        assert!(by.slice(s![3.., 0, ..]).iter().all(|&by| by == 0.0), "{name}");
        if head.head().reads() == Reads::Max {
            assert_eq!(by.slice(s![.., 2, 0]), array![0.0, 1.0, 0.0, 0.0]);
        }
    }
}
