//! Boxes of the ISO base media file format (ISO/IEC 14496-12), which MP4 and QuickTime files are made of.

use std::{
    fs::File,
    io::{Read, Seek, SeekFrom},
    ops::Range,
};

use anyhow::{Context, Result, ensure};

pub type Kind = [u8; 4];

/// A box in memory.
#[derive(Clone, Copy)]
pub struct Box<'a> {
    pub kind: Kind,
    pub body: &'a [u8],
    /// With its header.
    pub whole: &'a [u8],
}

/// Kind and place of the body of each box of a file.
pub fn top(file: &mut File) -> Result<Vec<(Kind, Range<u64>)>> {
    let end = file.seek(SeekFrom::End(0))?;
    let mut found = Vec::new();
    let mut at = 0;
    while at + 8 <= end {
        file.seek(SeekFrom::Start(at))?;
        let mut head = [0; 16];
        let got = file.take(16).read(&mut head)?;
        let kind = head[4..8].try_into()?;
        let (header, size) = match number(&head, 0, 4)? {
            0 => (8, end - at),
            1 if got == 16 => (16, number(&head, 8, 8)?),
            size => (8, size),
        };
        let next = at.checked_add(size).filter(|next| size >= header && *next <= end);
        let next = next.context("a box is longer than the file")?;
        found.push((kind, at + header..next));
        at = next;
    }
    Ok(found)
}

/// The body of the one box of a kind.
pub fn load(file: &mut File, boxes: &[(Kind, Range<u64>)], kind: &Kind) -> Result<Option<Vec<u8>>> {
    let Some((_, place)) = boxes.iter().find(|(other, _)| other == kind) else { return Ok(None) };
    let mut body = vec![0; usize::try_from(place.end - place.start)?];
    file.seek(SeekFrom::Start(place.start))?;
    file.read_exact(&mut body)?;
    Ok(Some(body))
}

/// The boxes in the body of another. QuickTime may end a list with four zero bytes.
pub fn children(body: &[u8]) -> Result<Vec<Box<'_>>> {
    let mut found = Vec::new();
    let mut rest = body;
    while rest.len() >= 8 {
        let (header, size) = match number(rest, 0, 4)? {
            0 => (8, rest.len()),
            1 => (16, usize::try_from(number(rest, 8, 8)?)?),
            size => (8, size as usize),
        };
        ensure!(size >= header && size <= rest.len(), "a box is longer than the one around it");
        let (whole, after) = rest.split_at(size);
        found.push(Box { kind: whole[4..8].try_into()?, body: &whole[header..], whole });
        rest = after;
    }
    Ok(found)
}

pub fn child<'a>(body: &'a [u8], kind: &Kind) -> Result<Option<Box<'a>>> {
    Ok(children(body)?.into_iter().find(|found| found.kind == *kind))
}

/// The box at the end of a path of kinds.
pub fn find<'a>(body: &'a [u8], path: &[&Kind]) -> Result<Option<Box<'a>>> {
    let (last, first) = path.split_last().context("an empty path")?;
    let mut body = body;
    for kind in first {
        match child(body, kind)? {
            Some(found) => body = found.body,
            None => return Ok(None),
        }
    }
    child(body, last)
}

pub fn boxed(kind: &Kind, body: &[u8]) -> Result<Vec<u8>> {
    let size = u32::try_from(body.len() + 8).context("a box of 4 GiB")?;
    Ok([&size.to_be_bytes()[..], kind, body].concat())
}

/// A body in which `change` has replaced boxes, header included; `None` leaves one as it is.
pub fn map(body: &[u8], mut change: impl FnMut(&Box) -> Result<Option<Vec<u8>>>) -> Result<Vec<u8>> {
    let mut out = Vec::with_capacity(body.len());
    for found in children(body)? {
        match change(&found)? {
            Some(bytes) => out.extend(bytes),
            None => out.extend(found.whole),
        }
    }
    Ok(out)
}

/// Big-endian.
pub fn number(bytes: &[u8], at: usize, length: usize) -> Result<u64> {
    let field = bytes.get(at..at + length).context("a box is too short")?;
    Ok(field.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
}

pub fn put(bytes: &mut [u8], at: usize, length: usize, value: u64) -> Result<()> {
    let field = bytes.get_mut(at..at + length).context("a box is too short")?;
    ensure!(length == 8 || value < 1 << (8 * length), "{value} does not fit its field");
    field.copy_from_slice(&value.to_be_bytes()[8 - length..]);
    Ok(())
}

/// Numbers of a full box's table, that follow their count at `at`.
pub fn table(body: &[u8], at: usize, width: usize) -> Result<impl Iterator<Item = u64>> {
    let count = usize::try_from(number(body, at, 4)?)?;
    let bytes = count.checked_mul(width).and_then(|length| body.get(at + 4..at + 4 + length));
    let bytes = bytes.context("a table is longer than its box")?;
    Ok(bytes.chunks_exact(width).map(|field| field.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte))))
}
