//! The properties of the fuzz targets, on stable: files that the targets have found, and mutants of their
//! corpus and of small goldens. `WGPU_RNN_CASES` sets how many mutants, `WGPU_RNN_SEED` draws others.

use crate::containers::{packed, unpacked};
use crate::memory::SMALL;
use crate::{properties, random};
use allocation_counter::measure;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::{Path, PathBuf};
use wgpu_rnn::{Weights, file};

/// Mutants that are tried.
const MUTANTS: u32 = 18_000;

/// The largest file that mutants are made of.
const LARGEST: usize = 8_000;

/// Numbers that lengths, counts and places are compared with.
const NUMBERS: [u64; 12] =
    [0, 1, 2, 7, 0x7F, 0x80, 0xFF, 0xFFFF, 0x7FFF_FFFF, 0xFFFF_FFFF, i64::MAX as u64, u64::MAX];

/// The files of a folder, and of those within.
fn list(folder: &Path) -> Vec<PathBuf> {
    let mut paths: Vec<PathBuf> =
        std::fs::read_dir(folder).into_iter().flatten().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().flat_map(|path| if path.is_dir() { list(&path) } else { vec![path] }).collect()
}

/// A folder of the repository.
fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(name)
}

/// Random numbers, by a generator with a seed.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) as usize % end.max(1)
    }

    /// Some bytes, of which there are at most so many.
    fn range(&mut self, bytes: &[u8], most: usize) -> std::ops::Range<usize> {
        let start = self.below(bytes.len());
        start..(start + 1 + self.below(most)).min(bytes.len())
    }

    /// A few changes; `other` is another file, of which parts are taken.
    fn change(&mut self, bytes: &mut Vec<u8>, other: &[u8]) {
        for _ in 0..=self.below(3) {
            let place = self.below(bytes.len());
            match self.below(8) {
                0 => bytes.iter_mut().skip(place).take(1).for_each(|byte| *byte ^= 1 << self.below(8)),
                1 => bytes.iter_mut().skip(place).take(1).for_each(|byte| *byte = self.below(256) as u8),
                2 => bytes.truncate(place),
                3 => drop(bytes.drain(self.range(bytes, 32))),
                4 => {
                    let again = bytes[self.range(bytes, 64)].to_vec();
                    drop(bytes.splice(place..place, again));
                }
                5 => {
                    let part = &other[self.range(other, 256)];
                    let end = (place + self.below(part.len() + 1)).min(bytes.len());
                    drop(bytes.splice(place..end, part.iter().copied()));
                }
                _ => {
                    let number = NUMBERS[self.below(NUMBERS.len())].wrapping_sub(self.below(2) as u64);
                    let len = 1 << self.below(4);
                    let into = bytes.iter_mut().skip(place).take(len);
                    into.zip(number.to_le_bytes()).for_each(|(into, byte)| *into = byte);
                }
            }
        }
    }

    /// The file changed; of an archive, one member may be changed within.
    fn mutant(&mut self, bytes: &[u8], other: &[u8]) -> Vec<u8> {
        let members = if self.below(4) > 0 { unpacked(bytes) } else { None };
        if let Some(mut members) = members.filter(|members| !members.is_empty()) {
            let place = self.below(members.len());
            self.change(&mut members[place].1, other);
            return packed(&members).unwrap();
        }
        let mut bytes = bytes.to_vec();
        self.change(&mut bytes, other);
        bytes
    }
}

/// Checks memory and the properties; a file that has not one of them is kept.
#[track_caller]
fn check(name: &str, bytes: &[u8]) {
    let memory = measure(|| drop(Weights::reader().from_bytes(bytes))).bytes_max;
    let missing = properties::ALL.into_iter().filter(|(_, holds)| {
        let result = catch_unwind(AssertUnwindSafe(|| holds(bytes)));
        result.is_err()
    });
    let mut missing: Vec<&str> = missing.map(|(property, _)| property).collect();
    if memory >= 4 * bytes.len() as u64 + SMALL {
        missing.push("memory");
    }
    if !missing.is_empty() {
        let path = std::env::temp_dir().join("wgpu_rnn_mutant");
        std::fs::write(&path, bytes).unwrap();
        panic!("{name}: not {}; the file is {}", missing.join(", "), path.display());
    }
}

#[test]
fn regressions_stay_mended() {
    let paths = list(&folder("fuzz/regressions"));
    assert!(!paths.is_empty());
    for path in paths {
        check(&path.display().to_string(), &file::read(&path).unwrap());
    }
}

#[test]
fn mutants_hold_the_properties() {
    let folders = ["fuzz/corpus", "fuzz/regressions", "tests/formats/data"];
    let paths = folders.iter().flat_map(|name| list(&folder(name)));
    let files = paths.map(|path| (path.display().to_string(), file::read(path).unwrap()));
    let files: Vec<(String, Vec<u8>)> =
        files.filter(|(_, bytes)| !bytes.is_empty() && bytes.len() < LARGEST).collect();
    let mut random = Random(random::seed());
    for case in 0..random::cases(MUTANTS) {
        let ((name, bytes), (_, other)) =
            (&files[random.below(files.len())], &files[random.below(files.len())]);
        let mutant = random.mutant(bytes, other);
        check(&format!("mutant {case}, of {name}"), &mutant);
    }
}
