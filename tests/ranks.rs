//! Trainers that sum their gradients, and the rest of what a trainer is told between batches.

#![allow(clippy::single_range_in_vec_init, reason = "an array of one range of sequences")]

use ndarray::{Array3, s};
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use wgpu_rnn::inspect::objects_made;
use wgpu_rnn::train::{Checkpoint, Clip, Head, Loss, LossScale, Optimizer, Report, Targets, Trainer};
use wgpu_rnn::{Call, Config, Dropout, Dtype, Engine, Error, Init, Machine, Naming, Rnn, Save};

const T: usize = 5;
const N: usize = 7;
const I: usize = 3;
const LENGTHS: [usize; N] = [5, 3, 4, 1, 5, 2, 5];
const CLASSES: [i32; N] = [0, 2, 1, 2, -100, 0, 1];

/// Sums in other orders, of f32, and an optimiser that divides by small numbers.
const TOLERANCE: f64 = 2e-4;

fn engines() -> Vec<Engine> {
    let mut engines = vec![Engine::reference(), Engine::cpu()];
    let builders = [Engine::builder(), Engine::builder().machine(Machine::DISCRETE)];
    engines.extend(builders.into_iter().map(|builder| builder.build().expect("tests have an adapter")));
    engines
}

fn input() -> Array3<f32> {
    Array3::from_shape_fn((T, N, I), |(t, n, i)| ((t * 7 + n * 3 + i * 5) % 11) as f32 / 5.0 - 1.0)
}

fn trainer(engine: &Engine) -> Trainer {
    let config = Config::lstm(7).bidirectional().input_size(I);
    let rnn = Rnn::lazy(engine, &config, Init::pytorch()).unwrap();
    let loss = Loss::cross_entropy().class_weights(vec![1.0, 0.25, 2.0]);
    Trainer::new(rnn, Head::last_states(3), loss, Optimizer::adamw(0.01)).unwrap()
}

/// One batch of some sequences; of one without a step, for an empty range.
fn step(trainer: &mut Trainer, rows: &Range<usize>) -> wgpu_rnn::Result<Vec<Report>> {
    if rows.is_empty() {
        let input = Array3::zeros((1, 1, I));
        return trainer.step(&Call::new(&input).lengths(&[0]), &Targets::Classes(vec![0]));
    }
    let input = input().slice(s![.., rows.clone(), ..]).to_owned();
    let targets = Targets::Classes(CLASSES[rows.clone()].to_vec());
    trainer.step(&Call::new(&input).lengths(&LENGTHS[rows.clone()]), &targets)
}

fn learn(trainer: &mut Trainer, batches: &[Range<usize>], updates: usize) -> Vec<Report> {
    let batches = batches.iter().cycle().take(batches.len() * updates);
    let mut reports: Vec<Report> = batches.flat_map(|rows| step(trainer, rows).unwrap()).collect();
    reports.extend(trainer.finish().unwrap());
    reports
}

fn weights(trainer: &mut Trainer) -> Vec<f32> {
    let (weights, head) = trainer.weights().unwrap();
    let network = weights.tensors(Naming::PyTorch).flat_map(|(_, tensor)| tensor.to_owned().into_iter());
    network.chain(head.params().as_slice().iter().copied()).collect()
}

/// Trainers whose gradients are summed in the order of ranks, by one message from each rank to each.
fn together(trainers: Vec<Trainer>, calls: &Arc<AtomicUsize>) -> Vec<Trainer> {
    let (senders, receivers): (Vec<_>, Vec<_>) = trainers.iter().map(|_| channel()).unzip();
    let mut ranks = Vec::new();
    for (rank, (trainer, receiver)) in trainers.into_iter().zip(receivers).enumerate() {
        let (senders, calls) = (senders.clone(), calls.clone());
        // Messages of the next sum may come before all of this one.
        let early: Mutex<Vec<(usize, usize, Vec<f32>)>> = Mutex::default();
        let mut sum = 0;
        ranks.push(trainer.reduce(move |numbers| {
            calls.fetch_add(1, Ordering::Relaxed);
            for sender in &senders {
                sender.send((sum, rank, numbers.to_vec()))?;
            }
            let mut early = early.lock().unwrap();
            while early.iter().filter(|message| message.0 == sum).count() < senders.len() {
                early.push(receiver.recv_timeout(Duration::from_secs(60))?);
            }
            early.sort_by_key(|&(sum, rank, _)| (sum, rank));
            numbers.fill(0.0);
            for (_, _, other) in early.drain(..senders.len()) {
                numbers.iter_mut().zip(other).for_each(|(own, other)| *own += other);
            }
            sum += 1;
            Ok(())
        }));
    }
    ranks
}

fn assert_alike(what: &str, ours: &[f64], expected: &[f64]) {
    assert_eq!(ours.len(), expected.len(), "{what}");
    for (place, (a, b)) in ours.iter().zip(expected).enumerate() {
        let is_near = (a - b).abs() <= TOLERANCE * (1.0 + b.abs());
        assert!(is_near, "{what}: number {place} is {a}, expected {b}");
    }
}

fn numbers(reports: &[Report]) -> Vec<f64> {
    let of =
        |of: &Report| [of.step as f64, of.loss, of.norm, of.rows as f64, of.right as f64, of.learning_rate];
    reports.iter().flat_map(of).collect()
}

/// Ranks with parts of a batch, one of them with none, are as one trainer with the whole, and equal to the
/// bit.
#[test]
fn ranks_are_as_one_trainer_of_all_rows() {
    const UPDATES: usize = 4;
    // Each rank's batches of an update.
    let cases: [[Vec<Range<usize>>; 2]; 4] = [
        [vec![0..2], vec![2..N]],
        [vec![0..5], vec![5..N]],
        [vec![0..N], vec![0..0]],
        // The first batch of the second rank has no row that counts.
        [vec![0..1, 1..3], vec![4..5, 3..N]],
    ];
    for engine in engines() {
        let set = |accumulate| {
            let trainer = trainer(&engine).clip(Clip::norm(0.1)).unwrap().accumulate(accumulate).unwrap();
            trainer.loss_scale(LossScale::fixed(16.0)).unwrap()
        };
        let mut whole = set(1);
        let expected = learn(&mut whole, &[0..N], UPDATES);
        for batches in &cases {
            let what = format!("{batches:?} on {}", engine.name());
            let calls = Arc::new(AtomicUsize::new(0));
            let mut ranks = together(vec![set(batches[0].len()), set(batches[0].len())], &calls);
            let reports: Vec<Vec<Report>> = std::thread::scope(|scope| {
                let both = ranks.iter_mut().zip(batches);
                let run = both.map(|(rank, batches)| scope.spawn(|| learn(rank, batches, UPDATES)));
                let threads: Vec<_> = run.collect();
                threads.into_iter().map(|thread| thread.join().unwrap()).collect()
            });
            assert_eq!(calls.load(Ordering::Relaxed), 2 * UPDATES, "{what}: once an update of each rank");
            assert_eq!(reports[0], reports[1], "{what}");
            assert_alike(&what, &numbers(&reports[0]), &numbers(&expected));
            let [first, second] = [0, 1].map(|rank| weights(&mut ranks[rank]));
            assert!(first == second, "{what}: ranks differ");
            let wide = |numbers: Vec<f32>| -> Vec<f64> { numbers.into_iter().map(f64::from).collect() };
            assert_alike(&what, &wide(first), &wide(weights(&mut whole)));
        }
    }
}

/// A sum that fails changes no parameter, and its batches have no part in the next update.
#[test]
fn a_reduction_that_fails_stops_the_step() {
    for engine in engines() {
        let what = engine.name();
        let mut fails = true;
        let mut ours = trainer(&engine).accumulate(2).unwrap().reduce(move |numbers| {
            if std::mem::take(&mut fails) {
                numbers.fill(1e9);
                return Err("rank 3 is gone".into());
            }
            Ok(())
        });
        let before = weights(&mut ours);
        step(&mut ours, &(0..2)).unwrap();
        let refused = step(&mut ours, &(2..4)).unwrap_err();
        let text = "reduction of step 1: expected sums over all ranks, found: rank 3 is gone";
        assert_eq!(refused.to_string(), text, "{what}");
        assert!(std::error::Error::source(&refused).is_some());
        assert_eq!((ours.steps(), weights(&mut ours) == before), (0, true), "{what}");
        let mut other = trainer(&engine).accumulate(2).unwrap();
        let [ours, expected] = [&mut ours, &mut other].map(|trainer| {
            let reports = learn(trainer, &[0..3, 3..N], 1);
            (numbers(&reports), weights(trainer))
        });
        assert_alike(what, &ours.0, &expected.0);
        let wide = |numbers: Vec<f32>| -> Vec<f64> { numbers.into_iter().map(f64::from).collect() };
        assert_alike(what, &wide(ours.1), &wide(expected.1));
    }
}

/// Gradients of one rank that are not finite are skipped by all, whose scales stay equal; also of awaited
/// steps.
#[test]
fn a_loss_scale_adapts_on_all_ranks() {
    let engine = Engine::gpu().unwrap();
    let make = || {
        let config = Config::gru(5).input_size(I);
        let rnn = Rnn::lazy(&engine, &config, Init::pytorch()).unwrap().with_dtype(Dtype::F16).unwrap();
        let trainer = Trainer::new(rnn, Head::last_states(3), Loss::cross_entropy(), Optimizer::adam(0.01));
        trainer.unwrap().loss_scale(LossScale::adaptive().initial(1e9)).unwrap()
    };
    let mut ranks = together(vec![make(), make()], &Arc::default());
    let run = |rank: &mut Trainer, rows: Range<usize>| {
        let input = input().slice(s![.., rows.clone(), ..]).to_owned();
        let targets = Targets::Classes(CLASSES[rows.clone()].to_vec());
        let mut reports = Vec::new();
        for _ in 0..25 {
            let call = Call::new(&input);
            reports.extend(pollster::block_on(rank.step_async(&call, &targets)).unwrap());
        }
        reports
    };
    let reports: Vec<Vec<Report>> = std::thread::scope(|scope| {
        let threads = ranks.iter_mut().zip([0..2, 2..N]).map(|(rank, rows)| scope.spawn(|| run(rank, rows)));
        threads.collect::<Vec<_>>().into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert_eq!(reports[0].len(), 25);
    // A loss that is infinite is not equal to itself, if it is NaN.
    let told = |of: &Report| (of.step, of.is_skipped, of.loss_scale, of.norm.to_bits());
    let [first, second] = [0, 1].map(|rank| reports[rank].iter().map(told).collect::<Vec<_>>());
    assert_eq!(first, second);
    assert!(first[0].1 && !first[24].1, "{first:?}");
    let [first, second] = [0, 1].map(|rank| weights(&mut ranks[rank]));
    assert!(first == second);
}

/// After the first steps, a step makes no buffer, bind group or pipeline.
#[test]
fn a_steady_step_makes_no_object() {
    let engine = Engine::gpu().unwrap();
    let mut ours = trainer(&engine).reduce(|_| Ok(()));
    let mut steps = || (0..6).for_each(|_| drop(step(&mut ours, &(0..N)).unwrap()));
    steps();
    let before = objects_made(&engine);
    steps();
    assert_eq!(objects_made(&engine) - before, 0);
}

/// Settings between batches hold from the next batch on, on every engine.
#[test]
fn settings_hold_after_the_first_batch() {
    let run = |engine: &Engine| {
        let config = Config::lstm(7).num_layers(2).input_size(I);
        let rnn = Rnn::lazy(engine, &config, Init::pytorch()).unwrap();
        let head = Head::last_states(3);
        let mut ours = Trainer::new(rnn, head, Loss::cross_entropy(), Optimizer::sgd(0.1)).unwrap();
        let mut losses = learn(&mut ours, &[0..N], 2);
        ours = ours.carry_states();
        losses.extend(learn(&mut ours, &[0..N], 3));
        let before = objects_made(engine);
        losses.extend(learn(&mut ours, &[0..N], 1));
        let steady = objects_made(engine) - before;
        ours = ours.saving(Save::States);
        losses.extend(learn(&mut ours, &[0..N], 1));
        let changed = objects_made(engine) - before - steady;
        ours = ours.accumulate(3).unwrap();
        step(&mut ours, &(0..N)).unwrap();
        step(&mut ours, &(0..N)).unwrap();
        // Fewer than are there already.
        ours = ours.accumulate(2).unwrap();
        losses.extend(learn(&mut ours, &[0..N], 1));
        (losses, [steady, changed])
    };
    let (expected, _) = run(&Engine::reference());
    assert_eq!(expected.len(), 8);
    for engine in engines() {
        let (losses, [steady, changed]) = run(&engine);
        assert_alike(engine.name(), &numbers(&losses), &numbers(&expected));
        assert!(engine.device().is_none() || (steady <= 1 && changed > 1), "{steady} then {changed} objects");
    }
}

/// A run that goes on and diverges names the checkpoint that it went on from.
#[test]
fn a_run_that_diverges_names_the_checkpoint_that_was_restored() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run");
    for engine in engines() {
        trainer(&engine).save_checkpoint(&path, serde_json::Value::Null).unwrap();
        let mut ours = trainer(&engine);
        ours.restore(&Checkpoint::open(&path).unwrap()).unwrap();
        let input = Array3::from_elem((T, N, I), f32::NAN);
        let stepped = ours.step(&Call::new(&input), &Targets::Classes(CLASSES.to_vec()));
        let refused = stepped.and_then(|_| ours.finish()).unwrap_err();
        let Error::NotFinite { checkpoint, .. } = refused else { panic!("{refused}") };
        assert_eq!(checkpoint.as_deref(), Some(&*path), "{}", engine.name());
    }
}

/// Ranks drop numbers of their own, the same on every engine, and go on from one checkpoint.
#[test]
fn ranks_drop_numbers_of_their_own() {
    let config = Config::lstm(9).num_layers(2).input_size(I);
    let output = |engine: &Engine, rank| {
        let rnn = Rnn::lazy(engine, &config, Init::pytorch()).unwrap();
        let call = Dropout::new(0.5).seed(3).rank(rank).call(2);
        let output = rnn.call(&Call::new(&input()).dropout(call)).unwrap().output;
        output.iter().map(|&number| f64::from(number)).collect::<Vec<_>>()
    };
    let expected = [0, 1].map(|rank| output(&Engine::reference(), rank));
    assert_ne!(expected[0], expected[1]);
    for engine in engines() {
        for rank in [0, 1] {
            assert_alike(engine.name(), &output(&engine, rank), &expected[rank as usize]);
        }
    }
    let [mut first, mut second, mut other] = [(3, 0), (3, 1), (4, 1)].map(|(seed, rank)| {
        let rnn = Rnn::lazy(&Engine::cpu(), &config, Init::pytorch()).unwrap();
        let head = Head::last_states(3);
        let trainer = Trainer::new(rnn, head, Loss::cross_entropy(), Optimizer::sgd(0.1)).unwrap();
        trainer.dropout(Dropout::new(0.5).seed(seed).rank(rank)).unwrap()
    });
    let checkpoint = first.checkpoint(serde_json::Value::Null).unwrap();
    second.restore(&checkpoint).unwrap();
    assert!(matches!(other.restore(&checkpoint), Err(Error::OtherNetwork { .. })));
}
