//! Training on every engine: the same losses, norms and weights step by step; a run that was stopped goes on
//! with the same bits; a steady step makes no object.

#![allow(clippy::single_range_in_vec_init, reason = "an array of one range of sequences")]

use ndarray::{Array2, Array3, s};
use std::ops::Range;
use wgpu_rnn::inspect::objects_made;
use wgpu_rnn::train::{
    Checkpoint, Clip, Head, HeadWeights, Loss, LossScale, Optimizer, Reads, Report, Schedule, Targets,
    Trainer,
};
use wgpu_rnn::{Call, Config, Dropout, Dtype, Engine, Error, Init, Layout, Machine, Merge, Naming, Rnn};

const T: usize = 7;
const N: usize = 6;
const I: usize = 5;
const LENGTHS: [usize; N] = [7, 3, 5, 1, 7, 6];

/// Two engines compute in f32, in orders of their own, and an optimiser divides by small numbers.
const TOLERANCE: f64 = 2e-4;

fn input() -> Array3<f32> {
    Array3::from_shape_fn((T, N, I), |(t, n, i)| ((t * 7 + n * 3 + i * 5) % 11) as f32 / 5.0 - 1.0)
}

fn config() -> Config {
    Config::lstm(11).bidirectional().num_layers(2).input_size(I)
}

fn trainer(engine: &Engine, config: &Config, head: Head, loss: Loss, optimizer: Optimizer) -> Trainer {
    let rnn = Rnn::lazy(engine, config, Init::pytorch()).unwrap();
    Trainer::new(rnn, head, loss, optimizer).unwrap()
}

fn classes() -> Targets {
    Targets::Classes(vec![0, 3, 1, 2, 3, 3])
}

/// The adapter as it is, within WebGPU's limits, and as if it were a discrete GPU.
fn adapters() -> Vec<Engine> {
    let builder = Engine::builder;
    let builders = [builder(), builder().webgpu_defaults(), builder().machine(Machine::DISCRETE)];
    builders.into_iter().map(|builder| builder.build().expect("tests have an adapter")).collect()
}

/// Losses, norms and right rows of each step, then the sum of each tensor's magnitudes.
fn run(trainer: &mut Trainer, targets: &Targets, steps: usize) -> Vec<f64> {
    let input = input();
    let call = Call::new(&input).lengths(&LENGTHS);
    let mut reports: Vec<Report> = Vec::new();
    for _ in 0..steps {
        reports.extend(trainer.step(&call, targets).unwrap());
    }
    reports.extend(trainer.finish().unwrap());
    let (weights, head) = trainer.weights().unwrap();
    let sum = |numbers: ndarray::ArrayViewD<'_, f32>| numbers.iter().map(|x| f64::from(x.abs())).sum::<f64>();
    let sums = weights.tensors(Naming::PyTorch).map(|(_, tensor)| sum(tensor));
    let sums: Vec<f64> = sums.chain(head.params().tensors().map(|(_, tensor)| sum(tensor))).collect();
    let value = trainer.evaluate(&call, targets).unwrap();
    let numbers = reports.iter().flat_map(|report| [report.loss, report.norm, report.right as f64]);
    numbers.chain(sums).chain([f64::from(value.loss)]).collect()
}

fn assert_alike(what: &str, ours: &[f64], expected: &[f64]) {
    assert_eq!(ours.len(), expected.len(), "{what}");
    for (place, (a, b)) in ours.iter().zip(expected).enumerate() {
        let differs = (a - b).abs() > TOLERANCE * (1.0 + b.abs());
        assert!(a.is_finite() && !differs, "{what}: number {place} is {a}, expected {b}");
    }
}

/// Makes a trainer on an engine.
type Make = Box<dyn Fn(&Engine) -> Trainer>;

/// A trainer on every engine beside one on the reference.
fn on_every_engine(what: &str, targets: &Targets, make: Make) {
    let expected = run(&mut make(&Engine::reference()), targets, 6);
    for engine in [Engine::cpu()].into_iter().chain(adapters()) {
        assert_alike(
            &format!("{what} on {}", engine.name()),
            &run(&mut make(&engine), targets, 6),
            &expected,
        );
    }
}

#[test]
fn every_loss_on_every_engine() {
    let numbers = Array3::from_shape_fn((T, N, 3), |(t, n, c)| ((t + n + c) % 2) as f32);
    let some = Array2::from_shape_fn((T, N), |(t, n)| if t == 2 { -100 } else { ((t + n) % 4) as i32 });
    let labels = vec![vec![1, 1, 2], vec![3], vec![], vec![2], vec![3, 2, 1, 2], vec![1, 2]];
    let weights = vec![1.0, 0.5, 2.0, 1.5];
    let cases = [
        (
            "cross-entropy of last states",
            Head::last_states(4),
            classes(),
            Loss::cross_entropy().label_smoothing(0.1).class_weights(weights),
        ),
        ("cross-entropy of steps", Head::every_step(4), Targets::StepClasses(some), Loss::cross_entropy()),
        (
            "binary",
            Head::every_step(3),
            Targets::StepNumbers(numbers.clone()),
            Loss::binary_cross_entropy().positive_weights(vec![1.0, 2.0, 0.5]),
        ),
        ("squared", Head::every_step(3), Targets::StepNumbers(numbers.clone()), Loss::mean_squared()),
        ("Huber", Head::every_step(3), Targets::StepNumbers(numbers), Loss::huber(0.3)),
        ("ctc", Head::every_step(4), Targets::Labels(labels), Loss::ctc(0)),
    ];
    for (what, head, targets, loss) in cases {
        let make = move |engine: &Engine| {
            let trainer = trainer(engine, &config(), head, loss.clone(), Optimizer::adamw(0.01));
            trainer.clip(Clip::norm(1.0)).unwrap()
        };
        on_every_engine(what, &targets, Box::new(make));
    }
}

#[test]
fn every_optimizer_on_every_engine() {
    let optimizers = [
        Optimizer::sgd(0.1),
        Optimizer::sgd(0.1).momentum(0.9).nesterov().weight_decay(0.01),
        Optimizer::sgd(0.1).momentum(0.9).dampening(0.3),
        Optimizer::adam(0.01).weight_decay(0.1),
        Optimizer::adam(0.01).amsgrad(),
        Optimizer::adamw(0.01).weight_decay(0.1),
        Optimizer::rmsprop(0.01),
        Optimizer::rmsprop(0.01).momentum(0.5),
        Optimizer::rmsprop(0.01).centered(),
        Optimizer::rmsprop(0.01).centered().momentum(0.5),
    ];
    for optimizer in optimizers {
        let config = Config::gru(9).input_size(I);
        let make = move |engine: &Engine| {
            let trainer = trainer(engine, &config, Head::last_states(4), Loss::cross_entropy(), optimizer);
            trainer.clip(Clip::value(0.05)).unwrap().schedule(Schedule::cosine(6, 0.001).warm_up(2)).unwrap()
        };
        on_every_engine(&format!("{optimizer:?}"), &classes(), Box::new(make));
    }
}

/// Projections, layers of other sizes, sizes that are no multiples of four, layouts, f16, accumulation,
/// dropout.
#[test]
fn networks_and_settings_on_every_engine() {
    let configs = [
        Config::lstm(10).proj_size(3).bidirectional().num_layers(2),
        Config::gru(7).bidirectional(),
        Config::rnn_tanh(5).num_layers(3),
    ];
    for config in configs {
        for head in [Head::last_states(3), Head::every_step(3), Head::mean(3), Head::max(3)] {
            let targets = match head.reads() {
                Reads::EveryStep => {
                    Targets::StepClasses(Array2::from_shape_fn((T, N), |(t, n)| ((t * n) % 3) as i32))
                }
                _ => Targets::Classes(vec![0, 1, 2, 2, 1, 0]),
            };
            let (config, what) = (config.clone().input_size(I), format!("{config:?}, {head:?}"));
            let make = move |engine: &Engine| {
                let trainer = trainer(engine, &config, head, Loss::cross_entropy(), Optimizer::sgd(0.2));
                let trainer = trainer.accumulate(2).unwrap();
                match config.num_layers {
                    1 => trainer,
                    _ => trainer.dropout(Dropout::new(0.4).seed(3)).unwrap(),
                }
            };
            on_every_engine(&what, &targets, Box::new(make));
        }
    }
}

/// The sequences from one place to another.
fn part(targets: &Targets, rows: Range<usize>) -> Targets {
    match targets {
        Targets::Classes(all) => Targets::Classes(all[rows].to_vec()),
        Targets::StepClasses(all) => Targets::StepClasses(all.slice(s![.., rows]).to_owned()),
        Targets::StepNumbers(all) => Targets::StepNumbers(all.slice(s![.., rows, ..]).to_owned()),
        Targets::Labels(all) => Targets::Labels(all[rows].to_vec()),
        other => panic!("{other:?}"),
    }
}

/// Batches of other numbers of rows, of class weights that differ, and of no row at all, are as one batch of
/// all.
#[test]
fn accumulated_batches_are_as_one_of_all_rows() {
    let some = Array2::from_shape_fn((T, N), |(t, n)| if n == 0 { -100 } else { ((t + n) % 4) as i32 });
    let numbers = Array3::from_shape_fn((T, N, 4), |(t, n, c)| ((t + n + c) % 2) as f32);
    let labels = vec![vec![1, 1, 2], vec![3], vec![], vec![2], vec![3, 2, 1, 2], vec![1, 2]];
    let weighted = Loss::cross_entropy().class_weights(vec![1.0, 0.5, 2.0, 0.0]).label_smoothing(0.1);
    let cases = [
        (Head::last_states(4), classes(), weighted.clone()),
        (Head::every_step(4), Targets::StepClasses(some), weighted),
        (Head::every_step(4), Targets::StepNumbers(numbers), Loss::mean_squared()),
        (Head::every_step(4), Targets::Labels(labels), Loss::ctc(0)),
    ];
    for (head, targets, loss) in cases {
        for engine in [Engine::reference(), Engine::cpu()].into_iter().chain(adapters()) {
            let learn = |batches: &[Range<usize>]| {
                let trainer = trainer(&engine, &config(), head, loss.clone(), Optimizer::adamw(0.01));
                let trainer = trainer.clip(Clip::norm(0.1)).unwrap().accumulate(batches.len()).unwrap();
                let mut trainer = trainer.loss_scale(LossScale::fixed(8.0)).unwrap();
                let mut reports = Vec::new();
                for rows in batches.iter().cycle().take(3 * batches.len()) {
                    let input = input().slice(s![.., rows.clone(), ..]).to_owned();
                    let call = Call::new(&input).lengths(&LENGTHS[rows.clone()]);
                    reports.extend(trainer.step(&call, &part(&targets, rows.clone())).unwrap());
                }
                reports.extend(trainer.finish().unwrap());
                (trainer, reports)
            };
            let what = format!("{} of {head:?} on {}", loss.name(), engine.name());
            let (mut whole, expected) = learn(&[0..N]);
            let (mut parts, reports) = learn(&[0..1, 1..3, 3..N]);
            let numbers = |of: &[Report]| -> Vec<f64> {
                let each = of.iter().map(|of| [of.loss, of.norm, of.rows as f64, of.right as f64]);
                each.flatten().collect()
            };
            assert_alike(&what, &numbers(&reports), &numbers(&expected));
            assert_alike(&what, &all_weights(&mut parts), &all_weights(&mut whole));
        }
    }
}

/// Every parameter of the network and of the head.
fn all_weights(trainer: &mut Trainer) -> Vec<f64> {
    let (weights, head) = trainer.weights().unwrap();
    let network = weights.tensors(Naming::PyTorch).flat_map(|(_, tensor)| tensor.to_owned().into_iter());
    network.chain(head.params().as_slice().iter().copied()).map(f64::from).collect()
}

#[test]
fn batch_first_is_the_same() {
    let targets = classes();
    let of = |layout: Layout| {
        let config = config().layout(layout);
        let mut trainer = trainer(
            &Engine::gpu().unwrap(),
            &config,
            Head::last_states(4),
            Loss::cross_entropy(),
            Optimizer::adam(0.01),
        );
        let input = match layout {
            Layout::Tnc => input(),
            Layout::Ntc => input().permuted_axes([1, 0, 2]).as_standard_layout().into_owned(),
        };
        trainer.step(&Call::new(&input).lengths(&LENGTHS), &targets).unwrap();
        trainer.finish().unwrap();
        trainer.weights().unwrap().0.tensor("weight_hh_l1_reverse").unwrap().to_owned()
    };
    assert_eq!(of(Layout::Tnc), of(Layout::Ntc));
}

/// Sequences that go on from batch to batch.
#[test]
fn states_are_carried_on_every_engine() {
    for head in [Head::last_states(4), Head::mean(4)] {
        for config in [Config::lstm(9).num_layers(2).input_size(I), Config::gru(6).input_size(I)] {
            let what = format!("{config:?}, {head:?}");
            let make = move |engine: &Engine| {
                trainer(engine, &config, head, Loss::cross_entropy(), Optimizer::sgd(0.1)).carry_states()
            };
            on_every_engine(&what, &classes(), Box::new(make));
        }
    }
}

#[test]
fn carried_states_are_those_of_one_batch_size_until_they_are_reset() {
    for engine in [Engine::cpu(), Engine::gpu().unwrap()] {
        let make = || {
            let optimizer = Optimizer::sgd(0.1);
            trainer(&engine, &config(), Head::last_states(4), Loss::cross_entropy(), optimizer).carry_states()
        };
        let (input, mut trainer, mut other) = (input(), make(), make());
        let few = input.slice(ndarray::s![.., ..2, ..]).to_owned();
        let of_few = Targets::Classes(vec![1, 2]);
        trainer.step(&Call::new(&input), &classes()).unwrap();
        let refused = trainer.step(&Call::new(&few), &of_few).unwrap_err();
        assert!(matches!(refused, Error::Argument { name: "carry_states", .. }), "{refused}");
        // A checkpoint has the states.
        let checkpoint = trainer.checkpoint(serde_json::Value::Null).unwrap();
        assert_eq!(checkpoint.tensors["carried.h"].shape(), [4, N, 11]);
        other.restore(&checkpoint).unwrap();
        for trainer in [&mut trainer, &mut other] {
            trainer.step(&Call::new(&input), &classes()).unwrap();
        }
        trainer.reset_states();
        other.reset_states();
        for trainer in [&mut trainer, &mut other] {
            trainer.step(&Call::new(&few), &of_few).unwrap();
            trainer.finish().unwrap();
        }
        let ours = trainer.weights().unwrap().0.clone();
        assert_eq!(ours, *other.weights().unwrap().0, "{}", engine.name());
    }
}

#[test]
fn callbacks_are_told_of_every_update_in_order() {
    let (sender, receiver) = std::sync::mpsc::channel();
    let engine = Engine::gpu().unwrap();
    let mut trainer =
        trainer(&engine, &config(), Head::last_states(4), Loss::cross_entropy(), Optimizer::sgd(0.1))
            .on_report(move |report: &Report| sender.send(report.step).unwrap());
    let input = input();
    (0..4).for_each(|_| drop(trainer.step(&Call::new(&input), &classes()).unwrap()));
    trainer.finish().unwrap();
    assert_eq!(receiver.try_iter().collect::<Vec<_>>(), [1, 2, 3, 4]);
}

/// A run that is stopped after each step goes on with the same bits, on every engine.
#[test]
fn restored_runs_have_the_same_bits() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run.safetensors");
    for engine in [Engine::cpu(), Engine::gpu().unwrap()] {
        let make = || {
            let trainer = trainer(
                &engine,
                &config(),
                Head::last_states(4),
                Loss::cross_entropy(),
                Optimizer::adamw(0.01),
            );
            let trainer = trainer.dropout(Dropout::new(0.3).seed(9)).unwrap().clip(Clip::norm(0.5)).unwrap();
            trainer.schedule(Schedule::step(2, 0.5)).unwrap()
        };
        let input = input();
        let call = Call::new(&input).lengths(&LENGTHS);
        let mut whole = make();
        (0..5).for_each(|_| drop(whole.step(&call, &classes()).unwrap()));
        whole.finish().unwrap();
        for _ in 0..5 {
            let mut part = make();
            if path.exists() {
                let beside = part.restore(&Checkpoint::open(&path).unwrap()).unwrap();
                assert_eq!(beside, serde_json::json!({ "own": part.steps() }));
            }
            part.step(&call, &classes()).unwrap();
            let beside = serde_json::json!({ "own": part.steps() });
            part.checkpoint(beside).unwrap().save(&path).unwrap();
        }
        let mut last = make();
        last.restore(&Checkpoint::open(&path).unwrap()).unwrap();
        let (weights, head) = last.weights().unwrap();
        let (expected, expected_head) = whole.weights().unwrap();
        assert_eq!((weights, head), (expected, expected_head), "{}", engine.name());
        assert_eq!(last.steps(), 5);
        std::fs::remove_file(&path).unwrap();
    }
}

#[test]
fn checkpoints_of_others_are_refused() {
    let engine = Engine::cpu();
    let make =
        |config: &Config, head, optimizer| trainer(&engine, config, head, Loss::cross_entropy(), optimizer);
    let adam = Optimizer::adam(0.01);
    let mut one = make(&config(), Head::last_states(4), adam);
    let checkpoint = one.checkpoint(serde_json::Value::Null).unwrap();
    let others = [
        make(&Config::lstm(12).bidirectional().num_layers(2).input_size(I), Head::last_states(4), adam),
        make(&config(), Head::last_states(5), adam),
        make(&config(), Head::every_step(4), adam),
        make(&config(), Head::last_states(4), Optimizer::sgd(0.1)),
    ];
    for mut other in others {
        let refused = other.restore(&checkpoint).unwrap_err();
        assert!(matches!(refused, Error::OtherNetwork { .. }), "{refused}");
    }
}

/// After the first steps, a step makes no buffer, bind group or pipeline.
#[test]
fn a_steady_step_makes_no_object() {
    let engine = Engine::gpu().unwrap();
    let mut trainer =
        trainer(&engine, &config(), Head::every_step(3), Loss::mean_squared(), Optimizer::adamw(0.01));
    let input = input();
    let targets = Targets::StepNumbers(Array3::zeros((T, N, 3)));
    let mut step = || drop(trainer.step(&Call::new(&input).lengths(&LENGTHS), &targets).unwrap());
    (0..6).for_each(|_| step());
    let before = objects_made(&engine);
    (0..6).for_each(|_| step());
    // A report's buffer is used again once it was read; a slow device may have one more on its way.
    assert!(objects_made(&engine) - before <= 1, "{} objects", objects_made(&engine) - before);
}

#[test]
fn numbers_that_are_not_finite_stop_the_run() {
    for engine in [Engine::cpu(), Engine::gpu().unwrap()] {
        let mut trainer =
            trainer(&engine, &config(), Head::last_states(4), Loss::cross_entropy(), Optimizer::sgd(0.1));
        let (good, mut bad) = (input(), input());
        bad[[0, 0, 0]] = f32::NAN;
        trainer.step(&Call::new(&good), &classes()).unwrap();
        trainer.finish().unwrap();
        let folder = tempfile::tempdir().unwrap();
        trainer.save_checkpoint(folder.path().join("good"), serde_json::Value::Null).unwrap();
        let before = trainer.weights().unwrap().0.clone();
        let stepped = trainer.step(&Call::new(&bad), &classes());
        let refused = stepped.and_then(|_| trainer.finish()).unwrap_err();
        assert!(matches!(refused, Error::NotFinite { step: 2, checkpoint: Some(_), .. }), "{refused}");
        assert_eq!(*trainer.weights().unwrap().0, before, "{}", engine.name());
    }
}

/// A scale that is too large is halved, and the step is skipped, until the gradients are finite.
#[test]
fn a_loss_scale_adapts_in_f16() {
    let engine = Engine::gpu().unwrap();
    if !engine.limits().unwrap().f16 {
        panic!("the tests' adapter has SHADER_F16");
    }
    let rnn = Rnn::lazy(&engine, &config(), Init::pytorch()).unwrap().with_dtype(Dtype::F16).unwrap();
    let trainer =
        Trainer::new(rnn, Head::last_states(4), Loss::cross_entropy(), Optimizer::adam(0.01)).unwrap();
    let mut trainer = trainer.loss_scale(LossScale::adaptive().initial(1e9)).unwrap();
    let input = input();
    let mut reports = Vec::new();
    for _ in 0..30 {
        reports.extend(trainer.step(&Call::new(&input).lengths(&LENGTHS), &classes()).unwrap());
    }
    assert_eq!(reports.len(), 30);
    assert!(reports[0].is_skipped && !reports[29].is_skipped);
    let [first, last] = [reports[0], reports[29]];
    assert!(last.loss < 0.75 * first.loss, "{first:?}, {last:?}");
}

#[test]
fn dropout_of_a_call_is_refused_and_its_outputs_are_the_trainers() {
    for engine in [Engine::cpu(), Engine::gpu().unwrap()] {
        let mut trainer =
            trainer(&engine, &config(), Head::every_step(3), Loss::mean_squared(), Optimizer::sgd(0.1));
        let (input, targets) = (input(), Targets::StepNumbers(Array3::zeros((T, N, 3))));
        let call = Call::new(&input);
        let refused = trainer.step(&call.clone().dropout(Dropout::new(0.5)), &targets).unwrap_err();
        assert!(matches!(refused, Error::Argument { name: "dropout", .. }), "{refused}");
        trainer.step(&call.last_only(), &targets).unwrap();
        trainer.finish().unwrap();
        assert_eq!(trainer.steps(), 1);
    }
}

#[test]
fn directions_apart_are_refused_on_a_gpu() {
    let engine = Engine::gpu().unwrap();
    let rnn = Rnn::lazy(&engine, &config().merge(Merge::Apart), Init::pytorch()).unwrap();
    let refused = Trainer::new(rnn, Head::mean(4), Loss::cross_entropy(), Optimizer::adam(0.01)).unwrap_err();
    assert!(matches!(refused, Error::Unsupported { name: "merge", .. }), "{refused}");
}

/// A batch that is not finite leaves nothing behind, whatever pads a row of 11 units.
#[test]
fn a_batch_after_one_that_is_not_finite_is_as_before() {
    for engine in [Engine::cpu(), Engine::reference()].into_iter().chain(adapters()) {
        for config in [config(), Config::gru(11).input_size(I)] {
            let run = |bad: &[f32]| {
                let mut trainer = trainer(
                    &engine,
                    &config,
                    Head::last_states(4),
                    Loss::cross_entropy(),
                    Optimizer::sgd(1e-30),
                );
                for &number in bad {
                    let mut input = input();
                    input[[1, 2, 0]] = number;
                    let call = Call::new(&input).lengths(&LENGTHS);
                    let steps = trainer.step(&call, &classes()).and_then(|_| trainer.finish());
                    assert!(matches!(steps, Err(Error::NotFinite { .. })), "{}: {steps:?}", engine.name());
                }
                run(&mut trainer, &classes(), 1)
            };
            assert_eq!(run(&[f32::NAN, f32::NAN]), run(&[]), "{}", engine.name());
        }
    }
}

#[test]
fn a_loss_that_is_not_finite_changes_no_parameter() {
    let mut lengths = LENGTHS;
    lengths[0] = 0;
    let labels: Vec<Vec<i32>> = (0..N).map(|_| vec![1]).collect();
    for engine in [Engine::cpu(), Engine::reference()].into_iter().chain(adapters()) {
        for scale in [LossScale::none(), LossScale::fixed(2.0), LossScale::adaptive()] {
            let trainer = trainer(&engine, &config(), Head::every_step(4), Loss::ctc(0), Optimizer::sgd(0.1));
            let mut trainer = trainer.loss_scale(scale).unwrap();
            let before = all_weights(&mut trainer);
            let input = input();
            let targets = Targets::Labels(labels.clone());
            // The first sequence has no step for its label: its loss is infinite, and its gradient none.
            let step = trainer.step(&Call::new(&input).lengths(&lengths), &targets);
            let step = step.and_then(|_| trainer.finish());
            let what = engine.name();
            assert!(matches!(step, Err(Error::NotFinite { what: "loss", .. })), "{what}: {step:?}");
            assert_eq!(all_weights(&mut trainer), before, "{what}");
        }
    }
}

#[test]
fn a_head_of_another_network_is_refused() {
    let head = HeadWeights::init(&Head::last_states(4), &Config::gru(3).input_size(I)).unwrap();
    for engine in [Engine::cpu(), Engine::gpu().unwrap()] {
        let rnn = Rnn::lazy(&engine, &config(), Init::pytorch()).unwrap();
        let made = Trainer::with_head(rnn, head.clone(), Loss::cross_entropy(), Optimizer::sgd(0.1));
        assert!(matches!(made, Err(Error::Shape { .. })), "{}: {made:?}", engine.name());
    }
}

#[test]
fn a_scale_that_is_set_later_holds_and_predictions_have_the_trainers_outputs() {
    let mut trainer =
        trainer(&Engine::cpu(), &config(), Head::every_step(4), Loss::cross_entropy(), Optimizer::sgd(0.1));
    let (input, targets) = (input(), Targets::StepClasses(Array2::from_elem((T, N), 1)));
    trainer = trainer.loss_scale(LossScale::adaptive()).unwrap();
    trainer.step(&Call::new(&input), &targets).unwrap();
    trainer = trainer.loss_scale(LossScale::fixed(8.0)).unwrap();
    let reports = trainer.step(&Call::new(&input), &targets).unwrap();
    assert_eq!(reports[0].loss_scale, 8.0);
    let last_only = Call::new(&input).last_only();
    let all = trainer.predict(&Call::new(&input)).unwrap();
    assert_eq!(trainer.predict(&last_only).unwrap(), all);
}
