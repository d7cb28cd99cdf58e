//! A mutator that also changes a member within its archive.

use crate::containers::{packed, unpacked};
use libfuzzer_sys::{fuzz_mutator, fuzzer_mutate};

/// Bytes that a member may become longer by.
const LONGER: usize = 256;

fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let changed = if seed % 4 > 0 { member(&data[..size], seed as usize / 4) } else { None };
    match changed {
        Some(changed) if changed.len() <= max_size => {
            data[..changed.len()].copy_from_slice(&changed);
            changed.len()
        }
        _ => fuzzer_mutate(data, size, max_size),
    }
});

/// The archive with one member changed.
fn member(bytes: &[u8], place: usize) -> Option<Vec<u8>> {
    let mut members = unpacked(bytes)?;
    let place = place.checked_rem(members.len())?;
    let (_, contents) = members.get_mut(place)?;
    let len = contents.len();
    contents.resize(len + LONGER, 0);
    let changed = fuzzer_mutate(contents, len, len + LONGER);
    contents.truncate(changed);
    packed(&members)
}
