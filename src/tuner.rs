//! The fastest schedules and tiles, by adapter, network and size; `gpu/tuner.rs` measures them.

use crate::cache::{self, CacheFile};
use crate::calibration::{Calibration, Sample};
use crate::kernel::{Read, Tile};
use crate::network::{Layout, Network};
use crate::plan::{Limits, Workload};
use crate::{Machine, Plan, Result, Schedule, Tuning};
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

/// The word of a line with the constants of an adapter: nanoseconds of a dispatch, and the time of everything
/// else in percent of the estimate.
const CALIBRATION: &str = "calibration";

/// The word for a choice that is left to the plan.
const LEFT: &str = "-";

/// The choices of one engine, and of its file.
#[derive(Debug)]
pub(crate) struct Tunings {
    file: Option<CacheFile>,
    /// The machine that candidates are planned for: a calibration changes no choice that was measured.
    machine: Machine,
    known: Mutex<Known>,
    /// The candidates that this engine has run.
    samples: Mutex<Vec<Sample>>,
    measured: AtomicU64,
}

/// The lines of a file.
#[derive(Clone, Debug, Default)]
struct Known {
    /// By [`Class`].
    tunings: BTreeMap<String, Tuning>,
    /// By engine.
    calibrations: BTreeMap<String, Calibration>,
}

impl Tunings {
    /// In memory alone, if there is no path.
    pub fn open(path: Option<PathBuf>, machine: Machine) -> Tunings {
        let file = path.map(|path| CacheFile::new(path, HEADER));
        let known = file.as_ref().and_then(CacheFile::read).map(|body| parse(&body)).unwrap_or_default();
        let (known, samples) = (Mutex::new(known), Mutex::default());
        Tunings { file, machine, known, samples, measured: AtomicU64::new(0) }
    }

    /// The limits that candidates are planned for.
    pub fn limits(&self, limits: &Limits) -> Limits {
        Limits { machine: self.machine, ..*limits }
    }

    /// The machine with the constants that were measured on an engine; none if no measurement is known.
    pub fn calibrated(&self, engine: &str) -> Option<Machine> {
        let calibration = *self.known().calibrations.get(&calibration_key(engine))?;
        Some(calibration.of(self.machine))
    }

    /// The tuning of a class, as this engine or another engine with the same file has measured it.
    pub fn get(&self, class: &Class) -> Option<Tuning> {
        if let Some(&tuning) = self.known().tunings.get(&class.key) {
            return Some(tuning);
        }
        let others = parse(&self.file.as_ref()?.read()?);
        let mut known = self.known();
        for (key, tuning) in others.tunings {
            known.tunings.entry(key).or_insert(tuning);
        }
        known.tunings.get(&class.key).copied()
    }

    /// Keeps a tuning that was measured, and what all candidates so far say of the adapter.
    pub fn put(&self, engine: &str, class: &Class, tuning: Tuning, samples: &[Sample]) {
        self.measured.fetch_add(1, Ordering::Relaxed);
        let calibration = {
            let mut all = self.samples.lock().unwrap_or_else(PoisonError::into_inner);
            all.extend_from_slice(samples);
            Calibration::fit(&self.machine, &all)
        };
        let add = |known: &mut Known| {
            known.tunings.insert(class.key.clone(), tuning);
            if let Some(calibration) = calibration {
                known.calibrations.insert(calibration_key(engine), calibration);
            }
        };
        add(&mut self.known());
        let Some(file) = &self.file else { return };
        file.update(|old| {
            let mut all = old.map(parse).unwrap_or_default();
            add(&mut all);
            show(&all).into_bytes()
        });
    }

    /// Classes that were measured, instead of known.
    pub fn measured(&self) -> u64 {
        self.measured.load(Ordering::Relaxed)
    }

    /// The measured tunings. A poisoned table is whole: only an insert is done under its lock.
    fn known(&self) -> MutexGuard<'_, Known> {
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
fn parse(body: &[u8]) -> Known {
    let (mut known, mut ignored) = (Known::default(), 0);
    for line in body.split_inclusive(|&byte| byte == b'\n') {
        let text = line.strip_suffix(b"\n").and_then(|line| std::str::from_utf8(line).ok());
        if text.and_then(|line| known.add(line)).is_none() {
            ignored += 1;
        }
    }
    if ignored > 0 {
        log::warn!("{ignored} lines of the file of tunings are ignored");
    }
    known
}

impl Known {
    /// Takes in a line; none for a line that says nothing.
    fn add(&mut self, line: &str) -> Option<()> {
        let mut columns = line.rsplitn(4, '\t');
        let (last, third, second) = (columns.next()?, columns.next()?, columns.next()?);
        let key = columns.next()?.to_owned();
        if second == CALIBRATION {
            let calibration = Calibration { dispatch: third.parse().ok()?, percent: last.parse().ok()? };
            self.calibrations.insert(key, calibration);
        } else {
            let tuning = Tuning { schedule: named(second)?, gemm: named(third)?, step: named(last)? };
            self.tunings.insert(key, tuning);
        }
        Some(())
    }
}

fn calibration_key(engine: &str) -> String {
    cache::one_line(&format!("{engine}; wgpu-rnn {}.{CANDIDATES}", env!("CARGO_PKG_VERSION")))
}

/// The value that a column names; none for a name that is unknown.
fn named<T: std::str::FromStr>(name: &str) -> Option<Option<T>> {
    if name == LEFT { Some(None) } else { name.parse().ok().map(Some) }
}

fn show(known: &Known) -> String {
    let mut lines = String::new();
    for (key, Calibration { dispatch, percent }) in &known.calibrations {
        lines += &format!("{key}\t{CALIBRATION}\t{dispatch}\t{percent}\n");
    }
    for (key, tuning) in &known.tunings {
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
