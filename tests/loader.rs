//! Datasets, the order of batches, and batches that are made ahead.

mod common;

use common::random;
use ndarray::{Array2, ArrayD, Axis, s};
use proptest::prelude::*;
use serde_json::json;
use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use wgpu_rnn::Error;
use wgpu_rnn::file::{Tensors, save_tensors};
use wgpu_rnn::train::{Batch, Dataset, Loader, Prefetch};

#[derive(Clone, Debug)]
struct Settings {
    lengths: Vec<usize>,
    batch_size: usize,
    world: usize,
    buckets: usize,
    seed: u64,
    shuffle: bool,
    drop_last: bool,
    epoch: u64,
}

impl Settings {
    fn loader(&self) -> Loader {
        let loader = Loader::new(&self.lengths, self.batch_size).seed(self.seed).shuffle(self.shuffle);
        loader.buckets(self.buckets).drop_last(self.drop_last).shard(0, self.world)
    }

    /// The batches of every rank.
    fn ranks(&self) -> Vec<Vec<Vec<usize>>> {
        let of = |rank| self.loader().shard(rank, self.world).epoch(self.epoch).unwrap();
        (0..self.world).map(of).collect()
    }
}

fn settings() -> impl Strategy<Value = Settings> {
    let lengths = prop::collection::vec(1..40_usize, 1..60);
    let sizes = (1..9_usize, 1..6_usize, 1..6_usize);
    let rest = (any::<u64>(), any::<bool>(), any::<bool>(), 0..4_u64);
    (lengths, sizes, rest).prop_map(|(lengths, (batch_size, world, buckets), rest)| {
        let (seed, shuffle, drop_last, epoch) = rest;
        let world = world.min(lengths.len());
        let drop_last = drop_last && batch_size * world <= lengths.len();
        Settings { lengths, batch_size, world, buckets, seed, shuffle, drop_last, epoch }
    })
}

fn run(cases: u32, test: impl Fn(Settings) -> Result<(), TestCaseError>) {
    random::runner(cases).run(&settings(), test).unwrap();
}

#[test]
fn every_sequence_comes_once_over_all_ranks() {
    run(2000, |settings| {
        let ranks = settings.ranks();
        let (count, size) = (settings.lengths.len(), settings.batch_size);
        let mut seen = vec![0; count];
        ranks.iter().flatten().flatten().for_each(|&index| seen[index] += 1);
        let missing = seen.iter().filter(|&&times| times == 0).count();
        prop_assert!(seen.iter().all(|&times| times <= 1));
        prop_assert!(ranks.iter().all(|batches| batches.len() == ranks[0].len()));
        prop_assert_eq!(settings.loader().batches().unwrap(), ranks[0].len());
        if settings.drop_last {
            prop_assert_eq!(missing, count % (size * settings.world));
            prop_assert!(ranks.iter().flatten().all(|batch| batch.len() == size));
        } else {
            prop_assert_eq!(missing, 0);
            prop_assert!(ranks.iter().flatten().all(|batch| (1..=size + 1).contains(&batch.len())));
            if settings.world == 1 {
                prop_assert!(ranks[0].iter().all(|batch| batch.len() <= size));
                prop_assert!(ranks[0].iter().filter(|batch| batch.len() < size).count() <= 1);
            }
        }
        for step in 0..ranks[0].len() {
            let sizes: BTreeSet<usize> = ranks.iter().map(|batches| batches[step].len()).collect();
            prop_assert!(sizes.last().unwrap() - sizes.first().unwrap() <= 1);
        }
        Ok(())
    });
}

#[test]
fn all_ranks_together_are_one_process_with_larger_batches() {
    run(500, |settings| {
        let whole = settings.batch_size * settings.world;
        let rest = settings.lengths.len() % whole;
        prop_assume!(rest == 0 || rest >= settings.world || settings.drop_last);
        let ranks = settings.ranks();
        let one = Settings { batch_size: whole, world: 1, ..settings.clone() };
        for (step, batch) in one.ranks()[0].iter().enumerate() {
            let together: BTreeSet<usize> =
                ranks.iter().flat_map(|batches| batches[step].iter().copied()).collect();
            prop_assert_eq!(together, batch.iter().copied().collect());
        }
        Ok(())
    });
}

#[test]
fn the_same_settings_give_the_same_order() {
    run(500, |settings| {
        prop_assert_eq!(settings.ranks(), settings.ranks());
        Ok(())
    });
    let lengths = vec![5; 100];
    let loader = Loader::new(&lengths, 8).seed(3);
    let order = loader.epoch(0).unwrap();
    for other in [
        loader.epoch(1).unwrap(),
        loader.epoch(u64::from(u32::MAX) + 1).unwrap(),
        loader.clone().seed(4).epoch(0).unwrap(),
        loader.clone().seed(3 + (1 << 32)).epoch(0).unwrap(),
    ] {
        assert_ne!(order, other);
        // No batch is the same either.
        let sets = |batches: &[Vec<usize>]| -> BTreeSet<BTreeSet<usize>> {
            batches.iter().map(|batch| batch.iter().copied().collect()).collect()
        };
        assert!(sets(&order).is_disjoint(&sets(&other)));
    }
    let kept = loader.shuffle(false).epoch(7).unwrap();
    assert_eq!(kept.concat(), (0..100).collect::<Vec<_>>());
}

/// The orders of a version are those of every later one: a checkpoint outlives its library.
#[test]
fn orders_are_those_of_earlier_versions() {
    let lengths = [3, 9, 1, 7, 5, 8, 2, 6, 4, 10];
    let loader = Loader::new(&lengths, 3).seed(7);
    let orders = [
        loader.epoch(2).unwrap(),
        loader.clone().buckets(2).epoch(2).unwrap(),
        loader.buckets(2).shard(1, 2).epoch(2).unwrap(),
    ];
    let expected: [&[&[usize]]; 3] = [
        &[&[5, 8, 6], &[0, 7, 4], &[2, 1, 9], &[3]],
        &[&[9], &[2, 3, 1], &[4, 7, 5], &[6, 0, 8]],
        &[&[5, 9], &[6, 8, 7]],
    ];
    assert_eq!(orders.each_ref().map(Vec::as_slice), expected);
}

/// Every order of four is drawn about as often as the others.
#[test]
fn every_order_is_drawn() {
    let mut counts = std::collections::BTreeMap::new();
    let loader = Loader::new(&[1; 4], 4).seed(random::seed());
    for epoch in 0..4800 {
        *counts.entry(loader.epoch(epoch).unwrap().concat()).or_insert(0) += 1;
    }
    assert_eq!(counts.len(), 24);
    // Mean 200, deviation 14: five deviations.
    assert!(counts.values().all(|count| (130..270).contains(count)), "{counts:?}");
}

#[test]
fn buckets_have_like_lengths() {
    run(500, |settings| {
        let of = |batch: &Vec<usize>| {
            let lengths = batch.iter().map(|&index| settings.lengths[index]);
            (lengths.clone().min().unwrap(), lengths.max().unwrap())
        };
        // One pool of all batches: no two of them overlap.
        let all = Settings { buckets: 1000, world: 1, ..settings.clone() };
        let mut spans: Vec<_> = all.ranks()[0].iter().map(of).collect();
        spans.sort_unstable();
        prop_assert!(spans.windows(2).all(|pair| pair[0].1 <= pair[1].0), "{spans:?}");
        Ok(())
    });
    // 30 lengths, in pools of 8 batches: less than a third of the padding.
    let lengths: Vec<usize> = (0..960).map(|index| 1 + index * 7 % 30).collect();
    let padding = |buckets| -> usize {
        let batches = Loader::new(&lengths, 8).buckets(buckets).epoch(0).unwrap();
        let longest = |batch: &Vec<usize>| batch.iter().map(|&index| lengths[index]).max().unwrap();
        batches.iter().map(|batch| longest(batch) * batch.len()).sum::<usize>()
            - lengths.iter().sum::<usize>()
    };
    assert!(padding(8) * 3 < padding(1), "{} and {}", padding(8), padding(1));
    // Batches do not come in the order of their lengths.
    let batches = Loader::new(&lengths, 8).buckets(1000).epoch(0).unwrap();
    let firsts: Vec<usize> = batches.iter().map(|batch| lengths[batch[0]]).collect();
    assert!(!firsts.is_sorted());
    // The last batch, where it is dropped, is not of the longest sequences.
    let dropped = |epoch| {
        let loader = Loader::new(&lengths[..20], 8).buckets(1000).drop_last(true);
        let seen: BTreeSet<usize> = loader.epoch(epoch).unwrap().concat().into_iter().collect();
        (0..20).filter(|index| !seen.contains(index)).collect::<Vec<_>>()
    };
    let missing: BTreeSet<usize> = (0..20).flat_map(dropped).collect();
    assert!(missing.len() > 15, "{missing:?}");
}

#[test]
fn a_state_goes_on_where_it_was_kept() {
    run(300, |settings| {
        let loader = settings.loader();
        let batches = loader.epoch(settings.epoch).unwrap();
        for next in 0..=batches.len() {
            let text = loader.state(settings.epoch, next).to_string();
            let again = settings.loader();
            let (epoch, found) = again.restore(&serde_json::from_str(&text).unwrap()).unwrap();
            prop_assert_eq!((epoch, found), (settings.epoch, next));
            prop_assert_eq!(&again.epoch(epoch).unwrap()[found..], &batches[next..]);
        }
        Ok(())
    });
    let lengths = [3, 4, 5, 6, 7, 8];
    let loader = || Loader::new(&lengths, 2).seed(u64::MAX);
    let state = loader().state(3, 1);
    // Every rank goes on from the file of one.
    let sharded = loader().shard(0, 2).state(3, 1);
    assert_eq!(loader().shard(1, 2).restore(&sharded).unwrap(), (3, 1));
    for (other, name) in [
        (Loader::new(&lengths, 3).seed(u64::MAX), "batch_size"),
        (Loader::new(&lengths, 2).seed(u64::MAX - 1), "seed"),
        (Loader::new(&lengths[1..], 2).seed(u64::MAX), "sequences"),
        (Loader::new(&[3, 4, 5, 6, 8, 7], 2).seed(u64::MAX), "lengths"),
        (loader().shuffle(false), "shuffle"),
        (loader().buckets(2), "buckets"),
        (loader().shard(0, 2), "world"),
        (loader().drop_last(true), "drop_last"),
    ] {
        match other.restore(&state) {
            Err(Error::Setting { name: found, .. }) => assert_eq!(found, name),
            result => panic!("{name}: {result:?}"),
        }
    }
    let error = Loader::new(&lengths, 3).seed(u64::MAX).restore(&state).unwrap_err().to_string();
    assert_eq!(error, "batch_size: expected 2, as in the state, found 3");
    for (part, value) in
        [("batch", json!(4)), ("batch", json!(-1)), ("epoch", json!("1")), ("settings", json!([1]))]
    {
        let mut broken = state.clone();
        broken[part] = value;
        assert!(matches!(loader().restore(&broken), Err(Error::Setting { .. })), "{broken}");
    }
    assert!(matches!(loader().restore(&json!(null)), Err(Error::Setting { .. })));
}

#[test]
fn settings_without_batches_are_refused() {
    let lengths = [3, 4, 5];
    let loader = |batch_size| Loader::new(&lengths, batch_size);
    for (loader, expected) in [
        (loader(0), "batch_size: expected at least 1, found 0"),
        (loader(2).buckets(0), "buckets: expected at least 1, found 0"),
        (loader(2).shard(0, 0), "world: expected at least 1, found 0"),
        (loader(2).shard(2, 2), "rank: expected less than 2, the ranks, found 2"),
        (loader(2).shard(0, 4), "world: expected at most 3, the sequences, found 4"),
        (Loader::new(&[], 2), "lengths: expected at least one, found none"),
        (
            loader(2).shard(0, 2).drop_last(true),
            "drop_last: expected 4 sequences at least, a batch of each rank, found 3",
        ),
    ] {
        assert_eq!(loader.epoch(0).unwrap_err().to_string(), expected);
        assert_eq!(loader.batches().unwrap_err().to_string(), expected);
        assert_eq!(loader.restore(&json!({})).unwrap_err().to_string(), expected);
    }
    assert_eq!(loader(usize::MAX).shard(1, 3).epoch(0).unwrap().concat().len(), 1);
    assert_eq!(loader(2).buckets(usize::MAX).epoch(0).unwrap().len(), 2);
}

/// Sequence `index` has numbers from `100 * index + 1` on, none of which is zero.
fn dataset(lengths: &[usize], features: usize) -> Dataset<usize> {
    let sequence = |(index, &length): (usize, &usize)| {
        Array2::from_shape_fn((length, features), |(step, feature)| {
            (1000 * index + features * step + feature + 1) as f32
        })
    };
    Dataset::new(lengths.iter().enumerate().map(sequence).collect(), (0..lengths.len()).collect()).unwrap()
}

fn check_batch(dataset: &Dataset<usize>, batch: &Batch<usize>, steps: usize) {
    assert_eq!(batch.input.dim(), (steps, batch.indices.len(), dataset.features()));
    assert_eq!(batch.labels, batch.indices);
    for (row, &index) in batch.indices.iter().enumerate() {
        let of = batch.input.index_axis(Axis(1), row);
        assert_eq!(batch.lengths[row], dataset.lengths()[index]);
        assert_eq!(of.slice(s![..batch.lengths[row], ..]), dataset.sequences()[index]);
        // Zero itself, not -0.
        assert!(of.slice(s![batch.lengths[row].., ..]).iter().all(|number| number.to_bits() == 0));
    }
}

#[test]
fn batches_are_padded_with_zeros() {
    run(300, |settings| {
        let dataset = dataset(&settings.lengths, 3);
        assert_eq!(dataset.lengths(), settings.lengths);
        for indices in settings.ranks().concat() {
            let longest = indices.iter().map(|&index| settings.lengths[index]).max().unwrap();
            let batch = dataset.batch(&indices).unwrap();
            assert_eq!(batch.indices, indices);
            check_batch(&dataset, &batch, longest);
            let wide = dataset.clone().step_multiple(8).batch(&indices).unwrap();
            check_batch(&dataset, &wide, longest.div_ceil(8) * 8);
        }
        Ok(())
    });
}

#[test]
fn batches_that_cannot_be_are_refused() {
    let dataset = dataset(&[1, 2], 3);
    let says = |result: wgpu_rnn::Result<Batch<usize>>, expected: &str| {
        assert_eq!(result.unwrap_err().to_string(), expected);
    };
    says(dataset.batch(&[0, 2]), "indices: expected less than 2, found 2");
    says(dataset.batch(&[]), "indices: expected at least one, found none");
    says(dataset.clone().step_multiple(0).batch(&[0]), "step_multiple: expected at least 1, found 0");
    let huge = dataset.clone().step_multiple(usize::MAX).batch(&[0]).unwrap_err();
    assert!(matches!(huge, Error::TooLarge { .. }), "{huge}");
    let new = |sequences: Vec<Array2<f32>>, labels: &[i32]| {
        Dataset::new(sequences, labels.to_vec()).unwrap_err().to_string()
    };
    let zeros = Array2::<f32>::zeros;
    assert_eq!(new(vec![], &[]), "sequences: expected at least one, found none");
    assert_eq!(new(vec![zeros((2, 3))], &[]), "labels: expected 1, one of each sequence, found 0");
    assert_eq!(
        new(vec![zeros((2, 3)), zeros((2, 4))], &[0, 0]),
        "sequence 1: expected shape [T, 3], found [2, 4]"
    );
    assert_eq!(
        new(vec![zeros((2, 3)), zeros((0, 3))], &[0, 0]),
        "sequence 1: expected shape [T, 3], found [0, 3]"
    );
    assert_eq!(new(vec![zeros((2, 0))], &[0]), "sequence 0: expected shape [T, I], found [2, 0]");
}

#[test]
fn a_part_is_held_back() {
    let lengths: Vec<usize> = (1..=40).collect();
    let (rest, held) = dataset(&lengths, 2).step_multiple(4).hold_back(0.25, 3).unwrap();
    assert_eq!((rest.len(), held.len()), (30, 10));
    let mut both = [rest.labels(), held.labels()].concat();
    assert!(rest.labels().is_sorted() && held.labels().is_sorted());
    both.sort_unstable();
    assert_eq!(both, (0..40).collect::<Vec<_>>());
    for part in [&rest, &held] {
        assert!(part.labels().iter().zip(part.lengths()).all(|(&label, length)| length == lengths[label]));
        assert_eq!(part.batch(&[0]).unwrap().input.dim().0 % 4, 0);
    }
    let again = dataset(&lengths, 2).step_multiple(4).hold_back(0.25, 3).unwrap();
    assert_eq!((rest, held.clone()), again);
    assert_ne!(dataset(&lengths, 2).hold_back(0.25, 4).unwrap().1.labels(), held.labels());
    for part in [0.0, 1.0, -1.0, 0.01, 0.99, f64::NAN, f64::INFINITY] {
        let error = dataset(&lengths, 2).hold_back(part, 0).unwrap_err();
        assert!(matches!(error, Error::Argument { name: "part", .. }), "{part}: {error}");
    }
}

#[test]
fn batches_made_ahead_are_the_same() {
    run(100, |settings| {
        let dataset = Arc::new(dataset(&settings.lengths, 2));
        let batches = settings.loader().epoch(settings.epoch).unwrap();
        let ahead = Prefetch::new(&dataset, batches.clone());
        assert_eq!(ahead.len(), batches.len());
        let ahead: Vec<_> = ahead.map(Result::unwrap).collect();
        let each: Vec<_> = batches.iter().map(|indices| dataset.batch(indices).unwrap()).collect();
        prop_assert_eq!(ahead, each);
        Ok(())
    });
}

/// A label that counts its clones, on the thread that makes them, and may fail.
#[derive(Debug)]
struct Counted(Arc<AtomicUsize>, Arc<AtomicBool>);

impl Clone for Counted {
    fn clone(&self) -> Counted {
        assert!(!self.1.load(Ordering::SeqCst), "a label that cannot be cloned");
        self.0.fetch_add(1, Ordering::SeqCst);
        Counted(self.0.clone(), self.1.clone())
    }
}

fn counted(count: usize) -> (Arc<Dataset<Counted>>, Arc<AtomicUsize>, Arc<AtomicBool>) {
    let (clones, fails) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
    let labels = (0..count).map(|_| Counted(clones.clone(), fails.clone())).collect();
    let dataset = Dataset::new(vec![Array2::zeros((2, 2)); count], labels).unwrap();
    (Arc::new(dataset), clones, fails)
}

/// Waits for a number of clones; no more may come.
fn settles_at(clones: &AtomicUsize, count: usize) {
    let began = Instant::now();
    while clones.load(Ordering::SeqCst) < count {
        assert!(began.elapsed() < Duration::from_secs(20), "{clones:?} of {count}");
        std::thread::sleep(Duration::from_millis(1));
    }
    std::thread::sleep(Duration::from_millis(30));
    assert_eq!(clones.load(Ordering::SeqCst), count);
}

#[test]
fn two_batches_are_made_ahead_and_no_more() {
    let (dataset, clones, _) = counted(10);
    let mut batches = Prefetch::new(&dataset, (0..10).map(|index| vec![index]).collect());
    // One waits, one is made.
    settles_at(&clones, 2);
    batches.next().unwrap().unwrap();
    settles_at(&clones, 3);
    // A drop ends the thread, and with it its share of the dataset.
    drop(batches);
    assert_eq!(Arc::strong_count(&dataset), 1);
    assert!(clones.load(Ordering::SeqCst) <= 4, "{clones:?}");
    let batches = Prefetch::new(&dataset, Vec::new());
    assert_eq!(batches.count(), 0);
    assert_eq!(Arc::strong_count(&dataset), 1);
}

#[test]
fn a_fault_ends_no_more_than_it_has_to() {
    let (dataset, _, fails) = counted(10);
    // A batch that is refused is one error, and the others come.
    let batches = Prefetch::new(&dataset, vec![vec![0], vec![10], vec![1]]);
    let results: Vec<bool> = batches.map(|batch| batch.is_ok()).collect();
    assert_eq!(results, [true, false, true]);
    // A panic is the caller's, and nothing comes after it.
    fails.store(true, Ordering::SeqCst);
    let mut batches = Prefetch::new(&dataset, vec![vec![0]; 3]);
    let next = std::panic::AssertUnwindSafe(|| batches.next().is_some());
    let panic = std::panic::catch_unwind(next).unwrap_err();
    assert_eq!(panic.downcast_ref::<&str>(), Some(&"a label that cannot be cloned"));
    assert!(batches.next().is_none());
    drop(batches);
    // A drop of a thread that has failed is no failure.
    drop(Prefetch::new(&dataset, vec![vec![0]; 3]));
    assert_eq!(Arc::strong_count(&dataset), 1);
}

fn shipped(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("examples/data/japanese_vowels").join(name)
}

#[test]
fn the_data_of_the_example_is_read() {
    let counts = [
        ("train.safetensors", 270, 26, 4274, [30; 9]),
        ("test.safetensors", 370, 29, 5687, [31, 35, 88, 44, 29, 24, 40, 50, 29]),
    ];
    for (name, count, longest, steps, speakers) in counts {
        let dataset = Dataset::open(shipped(name)).unwrap();
        assert_eq!((dataset.len(), dataset.features(), dataset.classes()), (count, 12, 9));
        let lengths = dataset.lengths();
        assert_eq!((lengths.iter().min(), lengths.iter().max()), (Some(&7), Some(&longest)));
        assert_eq!(lengths.iter().sum::<usize>(), steps);
        let of = |speaker| dataset.labels().iter().filter(|&&label| label == speaker).count();
        assert_eq!((0..9).map(of).collect::<Vec<_>>(), speakers);
        // All of it, padded, is the file's array.
        let x = Tensors::load(shipped(name)).unwrap().f32("x").unwrap().unwrap();
        let all = dataset.batch(&(0..count).collect::<Vec<_>>()).unwrap();
        assert_eq!(all.input.permuted_axes([1, 0, 2]).into_dyn(), x);
    }
}

/// A tensor of a file: its name, its dtype, its shape, its numbers.
type Stored<'a> = (&'a str, &'a str, &'a [usize], &'a [i32]);

/// A safetensors file of f32 and integers.
fn store(path: &Path, tensors: &[Stored]) {
    let (mut header, mut numbers) = (serde_json::Map::new(), Vec::new());
    for (name, dtype, shape, values) in tensors {
        let begin = numbers.len();
        for &value in *values {
            match *dtype {
                "F32" => numbers.extend((value as f32).to_le_bytes()),
                "I64" => numbers.extend(i64::from(value).to_le_bytes()),
                "U8" => numbers.extend((value as u8).to_le_bytes()),
                _ => numbers.extend(value.to_le_bytes()),
            }
        }
        let info = json!({ "dtype": dtype, "shape": shape, "data_offsets": [begin, numbers.len()] });
        header.insert((*name).to_owned(), info);
    }
    let header = serde_json::Value::Object(header).to_string();
    let bytes = [&(header.len() as u64).to_le_bytes(), header.as_bytes(), &numbers].concat();
    std::fs::write(path, bytes).unwrap();
}

#[test]
fn files_are_padded_or_one_after_the_other() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.safetensors");
    let expected = Dataset::new(
        vec![ndarray::arr2(&[[1.0, 2.0]]), ndarray::arr2(&[[3.0, 4.0], [5.0, 6.0]])],
        vec![4, 0],
    );
    let expected = expected.unwrap();
    assert_eq!(expected.classes(), 5);
    for (length, label) in [("I32", "I32"), ("I64", "U8")] {
        let rest: [Stored; 2] = [("length", length, &[2], &[1, 2]), ("label", label, &[2], &[4, 0])];
        // Padding may be anything.
        let padded: Stored = ("x", "F32", &[2, 2, 2], &[1, 2, 77, 78, 3, 4, 5, 6]);
        store(&path, &[padded, rest[0], rest[1]]);
        assert_eq!(Dataset::open(&path).unwrap(), expected);
        let other: Stored = ("x", "F32", &[3, 2], &[1, 2, 3, 4, 5, 6]);
        store(&path, &[other, rest[0], rest[1]]);
        assert_eq!(Dataset::open(&path).unwrap(), expected);
        assert_eq!(Dataset::from_bytes(std::fs::read(&path).unwrap()).unwrap(), expected);
    }
}

#[test]
fn files_that_are_no_dataset_are_refused() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("x.safetensors");
    let x: Stored = ("x", "F32", &[2, 2, 1], &[1, 2, 3, 4]);
    let flat: Stored = ("x", "F32", &[3, 1], &[1, 2, 3]);
    let length: Stored = ("length", "I32", &[2], &[1, 2]);
    let label: Stored = ("label", "I32", &[2], &[0, 1]);
    let lengths = |numbers: &'static [i32]| -> Stored { ("length", "I32", &[2], numbers) };
    let cases: [(&[Stored], &str); 17] = [
        (&[length, label], "safetensors: tensor x: expected shape [N, T, I], found no such tensor"),
        (&[x, label], "safetensors: tensor length: expected shape [N], found no such tensor"),
        (&[x, length], "safetensors: tensor label: expected shape [N], found no such tensor"),
        (&[("x", "I32", x.2, x.3), length, label], "safetensors: tensor \"x\": expected F32, found I32"),
        (
            &[x, ("length", "F32", &[2], &[1, 2]), label],
            "safetensors: tensor \"length\": expected integers, found F32",
        ),
        (
            &[x, length, ("label", "F32", &[2], &[1, 2])],
            "safetensors: tensor \"label\": expected integers, found F32",
        ),
        (
            &[("x", "F32", &[4], x.3), length, label],
            "tensor x: expected shape [N, T, I] or [sum of length, I], found [4]",
        ),
        (&[x, ("length", "I32", &[1, 2], &[1, 2]), label], "tensor length: expected shape [N], found [1, 2]"),
        (&[x, ("length", "I32", &[3], &[1, 2, 1]), label], "tensor length: expected shape [2], found [3]"),
        (&[x, length, ("label", "I32", &[1], &[1])], "tensor label: expected shape [2], found [1]"),
        (&[flat, length, ("label", "I32", &[1], &[1])], "tensor label: expected shape [2], found [1]"),
        (&[x, lengths(&[0, 1]), label], "length: expected 1 to 2 of sequence 0, found 0"),
        (&[x, lengths(&[1, 3]), label], "length: expected 1 to 2 of sequence 1, found 3"),
        (&[flat, lengths(&[1, -1]), label], "length: expected 1 to 3 of sequence 1, found -1"),
        (&[flat, lengths(&[1, 1]), label], "length: expected a sum of 3, the rows of x, found 2"),
        (&[flat, lengths(&[3, 3]), label], "length: expected a sum of 3, the rows of x, found 6"),
        (
            &[x, length, ("label", "I32", &[2], &[0, -1])],
            "label: expected 0 to 2147483647 of sequence 1, found -1",
        ),
    ];
    for (tensors, expected) in cases {
        store(&path, tensors);
        let error = Dataset::open(&path).unwrap_err();
        assert!(matches!(error, Error::File { .. }));
        assert_eq!(error.to_string(), format!("{}: {expected}", path.display()));
        let error = Dataset::from_bytes(std::fs::read(&path).unwrap()).unwrap_err();
        assert_eq!(error.to_string(), expected);
    }
    let none: [Stored; 3] =
        [("x", "F32", &[0, 2, 1], &[]), ("length", "I32", &[0], &[]), ("label", "I32", &[0], &[])];
    store(&path, &none);
    Dataset::open(&path).unwrap_err();
    store(&path, &[("x", "F32", &[2, 2, 0], &[]), length, label]);
    Dataset::open(&path).unwrap_err();
    save_tensors(&path, [("x".to_owned(), ArrayD::<f64>::zeros(&[1, 1, 1][..]).view())]).unwrap();
    Dataset::open(&path).unwrap_err();
    Dataset::open(folder.path().join("lost")).unwrap_err();
}
