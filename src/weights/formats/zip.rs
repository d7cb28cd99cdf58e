//! Zip archives: the members of the central directory, stored or deflated.

use super::{Budget, Cursor, Fault, Head, Part};
use crate::Result;
use crate::quote::quote;
use std::io::Read;

/// The signatures of a member, of an entry of the central directory, and of the directory's end.
const MEMBER: u32 = 0x0403_4b50;
const ENTRY: u32 = 0x0201_4b50;
const END: u32 = 0x0605_4b50;
const END_64: u32 = 0x0606_4b50;
const LOCATOR_64: u32 = 0x0706_4b50;

/// Bytes of the directory's end, without its comment, and of the locator before it.
const END_LENGTH: u64 = 22;
const LOCATOR_LENGTH: u64 = 20;

/// The longest comment.
const MAX_COMMENT: u64 = 0xFFFF;

/// Bytes that are unpacked at a time.
const CHUNK: usize = 1 << 14;

const FAULT: Fault = Fault::new("zip");

pub(super) fn is(head: &Head) -> bool {
    head.starts_with(&MEMBER.to_le_bytes()) || head.starts_with(&END.to_le_bytes())
}

/// A file in an archive.
#[derive(Debug)]
pub(crate) struct Member {
    pub name: String,
    method: u16,
    checksum: u32,
    packed: u64,
    len: u64,
    /// The place of the member's own header.
    header: u64,
}

/// An archive whose directory was read.
pub(crate) struct Archive<'a> {
    part: Part<'a>,
    pub members: Vec<Member>,
}

impl<'a> Archive<'a> {
    pub fn open(part: Part<'a>, budget: &Budget) -> Result<Archive<'a>> {
        let (entries, start) = directory(&part, budget)?;
        let mut cursor = Cursor::new(part.clone(), FAULT);
        cursor.seek(start);
        let mut members = Vec::new();
        for _ in 0..entries {
            budget.tensor("zip")?;
            budget.bytes("zip", size_of::<Member>() as u64)?;
            members.push(entry(&mut cursor, budget)?);
        }
        Ok(Archive { part, members })
    }

    pub fn find(&self, name: &str) -> Option<&Member> {
        self.members.iter().find(|member| member.name == name)
    }

    /// The bytes of a member: where they lie in the file, or in memory if they are deflated.
    pub fn part(&self, member: &Member, budget: &Budget) -> Result<Part<'a>> {
        let name = quote(&member.name);
        let mut cursor = Cursor::new(self.part.clone(), FAULT);
        cursor.seek(member.header);
        let signature = cursor.u32("signature of a member")?;
        if signature != MEMBER {
            return Err(FAULT.at(member.header, &format!("signature of {name}"), MEMBER, signature));
        }
        cursor.skip("header of a member", 22)?;
        let (name_length, extra) = (cursor.u16("length of a name")?, cursor.u16("length of extras")?);
        cursor.skip("name and extras", u64::from(name_length).saturating_add(u64::from(extra)))?;
        let packed = cursor.skip(&format!("bytes of {name}"), member.packed)?;
        match member.method {
            0 if member.packed == member.len => Ok(packed),
            0 => Err(FAULT.error(&format!("length of {name}"), member.packed, member.len)),
            8 => self.inflate(member, &packed, budget),
            other => Err(FAULT.error(&format!("compression of {name}"), "0 (stored) or 8 (deflated)", other)),
        }
    }

    fn inflate(&self, member: &Member, packed: &Part<'a>, budget: &Budget) -> Result<Part<'a>> {
        let name = quote(&member.name);
        let mut reader = flate2::read::DeflateDecoder::new(Reader { part: packed, position: 0 });
        let mut bytes = Vec::new();
        // Memory is asked for as bytes come, since a length may lie.
        loop {
            let len =
                usize::try_from(member.len).unwrap_or(usize::MAX).saturating_sub(bytes.len()).min(CHUNK);
            let start = bytes.len();
            budget.bytes(&name, len as u64)?;
            bytes.resize(start.saturating_add(len), 0);
            let into = bytes.get_mut(start..).unwrap_or_default();
            let found = reader.read(into).map_err(|error| FAULT.says(format!("{name}: {error}")))?;
            bytes.truncate(start.saturating_add(found));
            if found == 0 {
                break;
            }
            // What was not used is there for the next turn.
            budget.give_back(len.saturating_sub(found) as u64);
        }
        bytes.shrink_to_fit();
        let (found, checksum) = (bytes.len() as u64, crc32fast::hash(&bytes));
        if found != member.len {
            return Err(FAULT.error(&format!("length of {name}"), member.len, found));
        }
        if checksum != member.checksum {
            let expected = format!("{:08x}", member.checksum);
            return Err(FAULT.error(&format!("checksum of {name}"), expected, format!("{checksum:08x}")));
        }
        budget.add_source(found);
        Ok(Part::whole(bytes))
    }
}

/// A part as a stream.
struct Reader<'a, 'b> {
    part: &'b Part<'a>,
    position: u64,
}

impl Read for Reader<'_, '_> {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        let left = self.part.len().saturating_sub(self.position);
        let len = usize::try_from(left).unwrap_or(usize::MAX).min(into.len());
        let into = into.get_mut(..len).unwrap_or_default();
        self.part.read_at(self.position, into).map_err(std::io::Error::other)?;
        self.position = self.position.saturating_add(len as u64);
        Ok(len)
    }
}

/// The count of entries, and the place of the first one.
fn directory(part: &Part<'_>, budget: &Budget) -> Result<(u64, u64)> {
    let len = part.len();
    let behind = len.min(END_LENGTH.saturating_add(MAX_COMMENT));
    let start = len.saturating_sub(behind);
    let mut cursor = Cursor::new(part.clone(), FAULT);
    cursor.seek(start);
    let tail = cursor.bytes("end of the directory", behind, budget)?;
    let signature = END.to_le_bytes();
    let Some(place) = tail.windows(signature.len()).rposition(|window| window == signature) else {
        return Err(FAULT.error("end of the directory", "its signature", "the end of the file"));
    };
    let end = start.saturating_add(place as u64);
    cursor.seek(end.saturating_add(8));
    let (_on_this_disk, entries) = (cursor.u16("entries")?, cursor.u16("entries")?);
    let (_bytes, first) = (cursor.u32("length of the directory")?, cursor.u32("start of the directory")?);
    let comment = u64::from(cursor.u16("length of the comment")?);
    if comment != cursor.left() {
        return Err(cursor.error("comment", format!("{comment} bytes"), cursor.left()));
    }
    if entries != u16::MAX && first != u32::MAX {
        return Ok((u64::from(entries), u64::from(first)));
    }
    // A longer archive has longer numbers, before the locator.
    let Some(locator) = end.checked_sub(LOCATOR_LENGTH) else {
        return Ok((u64::from(entries), u64::from(first)));
    };
    cursor.seek(locator);
    if cursor.u32("locator")? != LOCATOR_64 {
        return Ok((u64::from(entries), u64::from(first)));
    }
    cursor.skip("disk", 4)?;
    let place = cursor.u64("place of the end of the directory")?;
    cursor.seek(place);
    let signature = cursor.u32("end of the directory")?;
    if signature != END_64 {
        return Err(FAULT.at(place, "end of the directory", END_64, signature));
    }
    cursor.skip("versions and disks", 28)?;
    let entries = cursor.u64("entries")?;
    cursor.skip("length of the directory", 8)?;
    Ok((entries, cursor.u64("start of the directory")?))
}

fn entry(cursor: &mut Cursor<'_>, budget: &Budget) -> Result<Member> {
    let signature = cursor.u32("entry of the directory")?;
    if signature != ENTRY {
        return Err(cursor.error("entry of the directory", ENTRY, signature));
    }
    cursor.skip("versions", 4)?;
    let (flags, method) = (cursor.u16("flags")?, cursor.u16("compression")?);
    if flags & 1 != 0 {
        return Err(cursor.error("member", "one that is not encrypted", "an encrypted one"));
    }
    cursor.skip("time", 4)?;
    let checksum = cursor.u32("checksum")?;
    let (packed, len) = (cursor.u32("packed length")?, cursor.u32("length")?);
    let lengths = [cursor.u16("length of a name")?, cursor.u16("length of extras")?, cursor.u16("comment")?];
    let [name, extra, comment] = lengths.map(u64::from);
    cursor.skip("attributes", 8)?;
    let header = cursor.u32("place of a member")?;
    let name = cursor.text("name of a member", name, budget)?;
    let behind = cursor.position().saturating_add(extra);
    // Numbers of 32 bits that are full stand in the extras with 64, in this order.
    let mut numbers = [(len, u64::from(len)), (packed, u64::from(packed)), (header, u64::from(header))];
    while cursor.position().saturating_add(4) <= behind {
        let (id, len) = (cursor.u16("extra")?, cursor.u16("length of an extra")?);
        let next = cursor.position().saturating_add(u64::from(len));
        if id == 1 {
            for (short, long) in &mut numbers {
                if *short == u32::MAX && cursor.position().saturating_add(8) <= next {
                    *long = cursor.u64("long number")?;
                }
            }
        }
        cursor.seek(next);
    }
    cursor.seek(behind.saturating_add(comment));
    let [(_, len), (_, packed), (_, header)] = numbers;
    Ok(Member { name, method, checksum, packed, len, header })
}

/// The bytes of an archive of members that are stored as they are.
pub(crate) fn serialize(members: &[(String, Vec<u8>)]) -> Vec<u8> {
    let (mut all, mut directory) = (Vec::new(), Vec::new());
    for (name, bytes) in members {
        let place = all.len() as u64;
        let (checksum, len) = (crc32fast::hash(bytes), bytes.len() as u64);
        // Version 4.5 knows long numbers; the day is the first that a zip can have.
        let mut common = Vec::new();
        [45_u16, 0, 0, 0, 0x21].iter().for_each(|number| common.extend(number.to_le_bytes()));
        [checksum, u32::MAX, u32::MAX].iter().for_each(|number| common.extend(number.to_le_bytes()));
        common.extend((name.len() as u16).to_le_bytes());
        let extra = |numbers: &[u64]| {
            let length = size_of_val(numbers) as u16;
            let head = [1_u16, length].map(u16::to_le_bytes).concat();
            [head, numbers.iter().flat_map(|number| number.to_le_bytes()).collect()].concat()
        };
        let (own, entry) = (extra(&[len, len]), extra(&[len, len, place]));
        all.extend(MEMBER.to_le_bytes());
        all.extend(&common);
        all.extend((own.len() as u16).to_le_bytes());
        all.extend(name.bytes());
        all.extend(own);
        all.extend(bytes);
        directory.extend(ENTRY.to_le_bytes());
        directory.extend(45_u16.to_le_bytes());
        directory.extend(&common);
        directory.extend((entry.len() as u16).to_le_bytes());
        // Comment, disk, attributes.
        directory.extend([0; 10]);
        directory.extend(u32::MAX.to_le_bytes());
        directory.extend(name.bytes());
        directory.extend(entry);
    }
    let (start, length, entries) = (all.len() as u64, directory.len() as u64, members.len() as u64);
    let end = start.saturating_add(length);
    all.extend(directory);
    all.extend(END_64.to_le_bytes());
    all.extend(44_u64.to_le_bytes());
    [45_u16, 45].iter().for_each(|number| all.extend(number.to_le_bytes()));
    all.extend([0; 8]);
    [entries, entries, length, start].iter().for_each(|number| all.extend(number.to_le_bytes()));
    all.extend(LOCATOR_64.to_le_bytes());
    all.extend([0; 4]);
    all.extend(end.to_le_bytes());
    all.extend(1_u32.to_le_bytes());
    all.extend(END.to_le_bytes());
    all.extend([0; 4]);
    [u16::MAX; 2].iter().for_each(|number| all.extend(number.to_le_bytes()));
    [u32::MAX; 2].iter().for_each(|number| all.extend(number.to_le_bytes()));
    all.extend([0; 2]);
    all
}
