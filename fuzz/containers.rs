//! Containers that changed bytes would not get past: checksums, and the lengths and places of a zip archive.

use std::io::{Cursor, Read, Write};
use wgpu_rnn::Weights;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

/// Checksums that are set right.
const CHECKSUMS: usize = 16;

/// The largest member that is unpacked.
const LARGEST: u64 = 1 << 20;

/// The bytes with the checksums that their reader asks for; none if it asks for none.
pub fn with_checksums(bytes: &[u8]) -> Option<Vec<u8>> {
    let mut changed = None;
    for _ in 0..CHECKSUMS {
        let bytes: &mut Vec<u8> = match &mut changed {
            Some(changed) => changed,
            None => {
                let (found, right) = checksums(bytes)?;
                changed = replaced(bytes, found, right);
                changed.as_mut()?
            }
        };
        let Some((found, right)) = checksums(bytes) else { break };
        match replaced(bytes, found, right) {
            Some(next) => *bytes = next,
            None => break,
        }
    }
    changed
}

/// The checksum that a reader has found in the bytes, and that of the bytes as they are: its error has both.
fn checksums(bytes: &[u8]) -> Option<(u32, u32)> {
    let error = Weights::reader().from_bytes(bytes).err()?.to_string();
    let (_, numbers) = error.split_once("checksum")?;
    let (found, computed) = numbers.split_once("expected ")?.1.split_once(", ")?;
    let computed = computed.trim_start_matches("computed ").trim_start_matches("found ");
    let number = |text: &str| u32::from_str_radix(text.trim_start_matches("0x").get(..8)?, 16).ok();
    Some((number(found)?, number(computed)?))
}

/// The bytes with another number in the places where one stands.
fn replaced(bytes: &[u8], number: u32, by: u32) -> Option<Vec<u8>> {
    let (number, by) = (number.to_le_bytes(), by.to_le_bytes());
    let places = bytes.windows(4).enumerate().filter(|(_, window)| *window == number);
    let places: Vec<usize> = places.map(|(place, _)| place).collect();
    let mut bytes = bytes.to_vec();
    places.iter().for_each(|&place| bytes[place..place + 4].copy_from_slice(&by));
    (!places.is_empty()).then_some(bytes)
}

/// The members of a zip archive.
pub fn unpacked(bytes: &[u8]) -> Option<Vec<(String, Vec<u8>)>> {
    let mut archive = ZipArchive::new(Cursor::new(bytes)).ok()?;
    let mut members = Vec::new();
    for index in 0..archive.len() {
        let member = archive.by_index(index).ok()?;
        let (name, mut contents) = (member.name().to_owned(), Vec::new());
        member.take(LARGEST).read_to_end(&mut contents).ok()?;
        members.push((name, contents));
    }
    Some(members)
}

/// An archive of members that are stored as they are.
pub fn packed(members: &[(String, Vec<u8>)]) -> Option<Vec<u8>> {
    let mut archive = ZipWriter::new(Cursor::new(Vec::new()));
    let stored = SimpleFileOptions::default().compression_method(CompressionMethod::Stored);
    for (name, contents) in members {
        archive.start_file(name.as_str(), stored).ok()?;
        archive.write_all(contents).ok()?;
    }
    Some(archive.finish().ok()?.into_inner())
}
