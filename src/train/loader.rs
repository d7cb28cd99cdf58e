//! The order in which sequences are learnt from.

use crate::quote::quote;
use crate::{Error, Result};
use rand::{Rng, SeedableRng, rngs::ChaCha8Rng};
use serde_json::{Value, json};
use std::ops::Range;

/// The batches of every epoch, as places of sequences in a dataset.
///
/// Batches are a function of the settings, the lengths and the epoch alone: the same on every platform, and
/// to go on, a program needs the epoch and the next batch, nothing else.
///
/// ```
/// use wgpu_rnn::train::Loader;
///
/// let loader = Loader::new(&[5, 3, 8, 4, 6], 2).seed(1);
/// let mut batches = loader.epoch(0)?;
/// assert_eq!(batches.iter().map(Vec::len).collect::<Vec<_>>(), [2, 2, 1]);
/// assert_eq!(loader.epoch(0)?, batches);
/// assert_ne!(loader.epoch(1)?, batches);
///
/// let state = loader.state(0, 2); // of a checkpoint, after two batches
/// let (epoch, next) = loader.restore(&state)?;
/// assert_eq!(loader.epoch(epoch)?[next..], batches[2..]);
/// # Ok::<(), wgpu_rnn::Error>(())
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct Loader {
    lengths: Vec<usize>,
    batch_size: usize,
    seed: u64,
    shuffle: bool,
    buckets: usize,
    rank: usize,
    world: usize,
    drop_last: bool,
}

impl Loader {
    /// Batches of `batch_size` sequences, which have these lengths.
    pub fn new(lengths: &[usize], batch_size: usize) -> Loader {
        let lengths = lengths.to_vec();
        let (seed, shuffle, buckets, rank, world, drop_last) = (0, true, 1, 0, 1, false);
        Loader { lengths, batch_size, seed, shuffle, buckets, rank, world, drop_last }
    }

    /// The seed of the orders (0 by default).
    pub fn seed(mut self, seed: u64) -> Loader {
        self.seed = seed;
        self
    }

    /// Draws another order for each epoch (the default), or keeps the order of the dataset.
    pub fn shuffle(mut self, shuffle: bool) -> Loader {
        self.shuffle = shuffle;
        self
    }

    /// Makes batches of like lengths, which have less padding: the sequences of so many batches of the drawn
    /// order are sorted by length, and cut into batches. The batches of an epoch then are shuffled. 1, the
    /// default, sorts nothing.
    pub fn buckets(mut self, buckets: usize) -> Loader {
        self.buckets = buckets;
        self
    }

    /// Gives the batches of one of `world` processes, which are numbered from 0. No two ranks have a sequence
    /// in common, and all have as many batches. At each step, all ranks together have the sequences that one
    /// process has with `batch_size * world`.
    ///
    /// The last step has the rest, shared out evenly. A rest of fewer sequences than ranks joins the step
    /// before: some ranks then have a sequence more than `batch_size`.
    pub fn shard(mut self, rank: usize, world: usize) -> Loader {
        (self.rank, self.world) = (rank, world);
        self
    }

    /// Leaves out the rest of an epoch that is no whole batch of every rank: the last sequences of the drawn
    /// order. Other epochs have them, if they are shuffled.
    pub fn drop_last(mut self, drop_last: bool) -> Loader {
        self.drop_last = drop_last;
        self
    }

    /// The number of batches of an epoch, on every rank.
    ///
    /// # Errors
    /// The errors of [`epoch`](Loader::epoch).
    pub fn batches(&self) -> Result<usize> {
        self.check()?;
        Ok(self.steps().len())
    }

    /// The batches of an epoch, in their order.
    ///
    /// # Errors
    /// [`Error::Setting`] for a `batch_size`, `buckets` or `world` of 0, a rank that is not less than
    /// `world`, or so few sequences that a rank would have no batch; [`Error::Argument`] for no lengths.
    pub fn epoch(&self, epoch: u64) -> Result<Vec<Vec<usize>>> {
        self.check()?;
        let mut random = random(self.seed, epoch);
        let mut order: Vec<usize> = (0..self.lengths.len()).collect();
        if self.shuffle {
            shuffle(&mut order, &mut random);
        }
        let mut steps = self.steps();
        if self.buckets > 1 {
            for pool in steps.chunks(self.buckets) {
                let all = pool[0].start..pool[pool.len() - 1].end;
                order[all].sort_by_key(|&index| self.lengths[index]);
            }
            if self.shuffle {
                shuffle(&mut steps, &mut random);
            }
        }
        let of_rank = |step: Range<usize>| {
            order[step].iter().copied().skip(self.rank).step_by(self.world).collect::<Vec<_>>()
        };
        Ok(steps.into_iter().map(of_rank).collect())
    }

    /// The places in the order that all ranks together have at each step.
    fn steps(&self) -> Vec<Range<usize>> {
        let (count, size) = (self.lengths.len(), self.batch_size.saturating_mul(self.world));
        let mut steps: Vec<_> = (0..count / size).map(|step| step * size..(step + 1) * size).collect();
        let rest = count % size;
        match steps.last_mut() {
            _ if rest == 0 || self.drop_last => {}
            Some(last) if rest < self.world => last.end = count,
            _ => steps.push(count - rest..count),
        }
        steps
    }

    fn check(&self) -> Result<()> {
        let refuse = |name, expected: String, found: String| Err(Error::Setting { name, expected, found });
        let sizes = [("batch_size", self.batch_size), ("buckets", self.buckets), ("world", self.world)];
        if let Some((name, _)) = sizes.into_iter().find(|&(_, size)| size == 0) {
            return refuse(name, "at least 1".into(), "0".into());
        }
        if self.rank >= self.world {
            return refuse("rank", format!("less than {}, the ranks", self.world), self.rank.to_string());
        }
        let count = self.lengths.len();
        if count == 0 {
            let (expected, found) = ("at least one".into(), "none".into());
            return Err(Error::Argument { name: "lengths", expected, found });
        }
        if count < self.world {
            let expected = format!("at most {count}, the sequences");
            return refuse("world", expected, self.world.to_string());
        }
        let size = self.batch_size.saturating_mul(self.world);
        if self.drop_last && count < size {
            let expected = format!("{size} sequences at least, a batch of each rank");
            return refuse("drop_last", expected, count.to_string());
        }
        Ok(())
    }

    /// The state of a checkpoint: the epoch, the batch that comes next, and all settings but the rank.
    pub fn state(&self, epoch: u64, batch: usize) -> Value {
        let settings = self.settings().map(|(name, value)| (name.to_owned(), value));
        json!({ "epoch": epoch, "batch": batch, "settings": Value::Object(settings.into_iter().collect()) })
    }

    /// The epoch of a state, and the batch that comes next.
    ///
    /// # Errors
    /// [`Error::Setting`] for the state of a loader with other settings or other sequences, or that is no
    /// loader's, and the errors of [`epoch`](Loader::epoch).
    pub fn restore(&self, state: &Value) -> Result<(u64, usize)> {
        let batches = self.batches()?;
        for (name, own) in self.settings() {
            let kept = &state["settings"][name];
            if *kept != own {
                let expected = format!("{}, as in the state", text(kept));
                return Err(Error::Setting { name, expected, found: text(&own) });
            }
        }
        let batch = state["batch"].as_u64().and_then(|batch| usize::try_from(batch).ok());
        match (state["epoch"].as_u64(), batch) {
            (Some(epoch), Some(batch)) if batch <= batches => Ok((epoch, batch)),
            _ => {
                let expected = format!("an epoch, and a batch from 0 to {batches}");
                let found = format!("{}, {}", text(&state["epoch"]), text(&state["batch"]));
                Err(Error::Setting { name: "state", expected, found })
            }
        }
    }

    /// All that batches depend on, but for the rank. The sequences come last, since another seed may have
    /// held others back, and an error should name the seed.
    fn settings(&self) -> [(&'static str, Value); 8] {
        let mut sum = crc32fast::Hasher::new();
        self.lengths.iter().for_each(|&length| sum.update(&(length as u64).to_le_bytes()));
        [
            ("batch_size", json!(self.batch_size)),
            ("seed", json!(self.seed)),
            ("shuffle", json!(self.shuffle)),
            ("buckets", json!(self.buckets)),
            ("world", json!(self.world)),
            ("drop_last", json!(self.drop_last)),
            ("sequences", json!(self.lengths.len())),
            ("lengths", json!(format!("{:08x}", sum.finalize()))),
        ]
    }
}

fn text(value: &Value) -> String {
    match value {
        Value::Null => "none".into(),
        Value::String(text) => quote(text),
        Value::Array(_) | Value::Object(_) => "other JSON".into(),
        Value::Bool(_) | Value::Number(_) => value.to_string(),
    }
}

/// A stream of random numbers: one of each epoch.
pub(super) fn random(seed: u64, stream: u64) -> ChaCha8Rng {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    random.set_stream(stream);
    random
}

/// Fisher and Yates's shuffle. Its draws are its own, so that no version of a crate changes an order.
pub(super) fn shuffle<T>(items: &mut [T], random: &mut ChaCha8Rng) {
    for last in (1..items.len()).rev() {
        let drawn = (u128::from(random.next_u64()) * (last as u128 + 1)) >> 64;
        items.swap(last, drawn as usize);
    }
}
