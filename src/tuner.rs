//! The fastest schedules and tiles, by adapter, network and size; `gpu/tuner.rs` measures them.

use crate::cache::{self, CacheFile};
use crate::kernel::{Read, Tile};
use crate::network::{Layout, Network};
use crate::plan::{Limits, Workload};
use crate::{Plan, Result, Schedule, Tuning};
use std::{
    collections::BTreeMap,
    path::PathBuf,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

/// The first line of a file of tunings.
const HEADER: &str = "wgpu-rnn tunings 1";

/// To be counted up whenever kernels or candidates change in such a way that old measurements mean nothing.
const CANDIDATES: u32 = 2;

/// More steps than these tell nothing new about a time step.
const MOST_STEPS: usize = 32;

/// Nor more than these about the input's product.
const MOST_GEMM_STEPS: usize = 256;

/// The word for a choice that is left to the plan.
const LEFT: &str = "-";

/// The choices of one engine, and of its file.
#[derive(Debug)]
pub(crate) struct Tunings {
    file: Option<CacheFile>,
    known: Mutex<KnownTunings>,
    measured: AtomicU64,
}

type KnownTunings = BTreeMap<String, Tuning>;

impl Tunings {
    /// In memory alone, if there is no path.
    pub fn open(path: Option<PathBuf>) -> Tunings {
        let file = path.map(|path| CacheFile::new(path, HEADER));
        let known = file.as_ref().and_then(CacheFile::read).map(|body| parse(&body)).unwrap_or_default();
        Tunings { file, known: Mutex::new(known), measured: AtomicU64::new(0) }
    }

    /// The tuning of a class, as this engine or another engine with the same file has measured it.
    pub fn get(&self, class: &Class) -> Option<Tuning> {
        if let Some(&tuning) = self.known().get(&class.key) {
            return Some(tuning);
        }
        let others = parse(&self.file.as_ref()?.read()?);
        let mut known = self.known();
        for (key, tuning) in others {
            known.entry(key).or_insert(tuning);
        }
        known.get(&class.key).copied()
    }

    /// Keeps a tuning that was measured.
    pub fn put(&self, class: &Class, tuning: Tuning) {
        self.measured.fetch_add(1, Ordering::Relaxed);
        self.known().insert(class.key.clone(), tuning);
        let Some(file) = &self.file else { return };
        file.update(|old| {
            let mut all = old.map(parse).unwrap_or_default();
            all.insert(class.key.clone(), tuning);
            show(&all).into_bytes()
        });
    }

    /// Classes that were measured, instead of known.
    pub fn measured(&self) -> u64 {
        self.measured.load(Ordering::Relaxed)
    }

    /// The measured tunings. A poisoned table is whole: only an insert is done under its lock.
    fn known(&self) -> MutexGuard<'_, KnownTunings> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Calls that one measurement serves.
#[derive(Debug)]
pub(crate) struct Class {
    key: String,
    /// The workload on which the input's products are measured.
    pub gemm: Workload,
    /// The workload on which the time steps are measured.
    pub steps: Workload,
}

impl Class {
    /// N is not rounded, since a batch of 17 is two tiles of 16; T is rounded up to a power of two, and
    /// beyond [`MOST_GEMM_STEPS`] it counts no more. Lengths do not count: what they spare, every candidate
    /// is spared.
    pub fn of(network: &Network, workload: &Workload, limits: &Limits, engine: &str) -> Result<Class> {
        let steps = |most: usize| {
            let steps = workload.steps.min(most).next_power_of_two();
            Workload { steps, has_lengths: false, ..*workload }
        };
        let (gemm, steps) = (steps(MOST_GEMM_STEPS), steps(MOST_STEPS));
        // A longer call may be possible with fewer of them.
        let possible: Vec<_> = Schedule::ALL
            .into_iter()
            .filter(|&schedule| {
                let tuning = Tuning { schedule: Some(schedule), ..Tuning::default() };
                Plan::of_network(network, &Workload { tuning, ..*workload }, limits).is_ok()
            })
            .collect();
        // Without the settings that no kernel knows.
        let mut plain = Network { layout: Layout::Tnc, ..network.clone() };
        plain.slots.iter_mut().for_each(|slot| slot.cell.has_learned_state = false);
        let asked = (workload.outputs, workload.dtype, workload.tuning);
        let rest = format!("{plain:?} {limits:?} {possible:?} {asked:?}");
        let title = Plan::of_network(network, &gemm, limits)?.title;
        let rest = cache::checksum(rest.as_bytes());
        let version = env!("CARGO_PKG_VERSION");
        let key = format!("{engine}; wgpu-rnn {version}.{CANDIDATES}; {title}; {rest:016x}");
        Ok(Class { key: cache::one_line(&key), gemm, steps })
    }
}

/// Tiles that may be the fastest for a product of `rows` rows; the plan's own choice comes first.
pub(crate) fn tiles(rows: usize, limits: &Limits) -> impl Iterator<Item = Option<Tile>> {
    let is_software = limits.machine.is_software;
    let cooperates = limits.cooperative;
    let is_missing = move |tile: &Tile| !cooperates && tile.read == Read::Cooperative;
    let rows = rows as u64;
    // A smaller one of the kind has room enough.
    let is_wasteful = move |tile: &Tile| {
        let mut smaller = Tile::ALL.into_iter().filter(|one| one.read == tile.read && one.rows < tile.rows);
        smaller.any(|one| u64::from(one.rows) >= rows)
    };
    let sensible = Tile::ALL
        .into_iter()
        .filter(move |tile| tile.suits(is_software) && !is_missing(tile) && !is_wasteful(tile));
    [None].into_iter().chain(sensible.map(Some))
}

/// The whole lines that say something.
fn parse(body: &[u8]) -> KnownTunings {
    let lines = body.split_inclusive(|&byte| byte == b'\n').map(|line| {
        let line = std::str::from_utf8(line.strip_suffix(b"\n")?).ok()?;
        let mut columns = line.rsplitn(4, '\t');
        let step = named(columns.next()?)?;
        let gemm = named(columns.next()?)?;
        let schedule = named(columns.next()?)?;
        Some((columns.next()?.to_owned(), Tuning { schedule, gemm, step }))
    });
    let (good, bad): (Vec<_>, Vec<_>) = lines.partition(Option::is_some);
    if !bad.is_empty() {
        log::warn!("{} lines of the file of tunings are ignored", bad.len());
    }
    good.into_iter().flatten().collect()
}

/// The value that a column names; none for a name that is unknown.
fn named<T: std::str::FromStr>(name: &str) -> Option<Option<T>> {
    if name == LEFT { Some(None) } else { name.parse().ok().map(Some) }
}

fn show(known: &KnownTunings) -> String {
    let mut lines = String::new();
    for (key, tuning) in known {
        lines += &format!("{key}\t{}\n", columns(tuning));
    }
    lines
}

/// Schedule, gemm tile and step tile.
pub(crate) fn columns(tuning: &Tuning) -> String {
    let tile = |tile: Option<Tile>| tile.map_or(LEFT.to_owned(), |tile| tile.to_string());
    let schedule = tuning.schedule.map_or(LEFT, Schedule::name);
    [schedule, &tile(tuning.gemm), &tile(tuning.step)].join("\t")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tile_that_the_adapter_lacks_is_no_candidate() {
        for (cooperative, expected) in [(false, 0), (true, 1)] {
            let limits = Limits { cooperative, ..Limits::default() };
            let found = tiles(64, &limits).flatten().filter(|tile| tile.read == Read::Cooperative);
            assert_eq!(found.count(), expected);
        }
    }
}
