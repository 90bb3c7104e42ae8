//! Puts a new video track into an MP4 or QuickTime file in place of its own, and leaves every other track as it is:
//! samples, edit lists, languages, chapters, also of kinds that GStreamer does not know.
//!
//! GStreamer's demuxer applies edit lists, so that the packets they hide, such as the priming of AAC, never come out
//! of it; copied through a pipeline they would be lost.

use std::{
    fs::File,
    io::{BufWriter, Read, Seek, SeekFrom, Write},
    path::Path,
};

use anyhow::{Context, Result, ensure};

use crate::boxes::{Box, Kind, boxed, child, children, find, load, map, number, put, table, top};

/// Units of time a second.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timescales {
    pub movie: u32,
    pub video: u32,
}

/// A file's own; `None` where it is no such file.
pub fn timescales(path: &Path) -> Option<Timescales> {
    let mut file = File::open(path).ok()?;
    let boxes = top(&mut file).ok()?;
    let moov = load(&mut file, &boxes, b"moov").ok()??;
    let video = children(&moov).ok()?.into_iter().find(|found| is_video(found))?;
    let scale = |header: Box| {
        let at = if header.body.first() == Some(&1) { 20 } else { 12 };
        number(header.body, at, 4).ok().map(|scale| scale as u32).filter(|scale| *scale > 0)
    };
    Some(Timescales {
        movie: scale(child(&moov, b"mvhd").ok()??)?,
        video: scale(find(video.body, &[b"mdia", b"mdhd"]).ok()??)?,
    })
}

fn handler(trak: &Box) -> Option<Kind> {
    let hdlr = find(trak.body, &[b"mdia", b"hdlr"]).ok()??;
    hdlr.body.get(8..12)?.try_into().ok()
}

fn is_video(found: &Box) -> bool {
    found.kind == *b"trak" && handler(found) == Some(*b"vide")
}

/// Whether the target's other tracks can be taken as they are: a whole, unprotected file with one video track.
pub fn can_graft(target: &Path) -> bool {
    let whole = || -> Result<bool> {
        let mut file = File::open(target)?;
        let boxes = top(&mut file)?;
        let Some(moov) = load(&mut file, &boxes, b"moov")? else { return Ok(false) };
        let mut videos = 0;
        for trak in children(&moov)?.into_iter().filter(|found| found.kind == *b"trak") {
            videos += usize::from(is_video(&trak));
            let stbl = find(trak.body, &[b"mdia", b"minf", b"stbl"])?.context("a track without samples")?;
            let has = |kind| child(stbl.body, kind).is_ok_and(|found| found.is_some());
            if !has(b"stsz") || !has(b"stsc") || has(b"saio") || !(has(b"stco") || has(b"co64")) {
                return Ok(false);
            }
        }
        Ok(videos == 1 && child(&moov, b"mvex")?.is_none())
    };
    whole().unwrap_or(false)
}

/// A run of samples that lie together.
struct Chunk {
    seconds: f64,
    offset: u64,
    bytes: u64,
    /// Of the new video's file, not the target's.
    new: bool,
    track: usize,
}

/// Writes `target` with the video of `video`, an MP4 with that track alone, to `out`.
///
/// # Errors
/// Files that are damaged or not of this form; what reading and writing say.
pub fn graft(target: &Path, video: &Path, out: &Path) -> Result<()> {
    let mut old = File::open(target).with_context(|| target.display().to_string())?;
    let mut new = File::open(video).with_context(|| video.display().to_string())?;
    let (old_boxes, new_boxes) = (top(&mut old)?, top(&mut new)?);
    let old_moov = load(&mut old, &old_boxes, b"moov")?.context("the target has no moov box")?;
    let new_moov = load(&mut new, &new_boxes, b"moov")?.context("the new video has no moov box")?;
    let ftyp = load(&mut new, &new_boxes, b"ftyp")?.context("the new video has no ftyp box")?;
    let ftyp = boxed(b"ftyp", &ftyp)?;
    let moov = exchange(&old_moov, &new_moov)?;

    let mut chunks = Vec::new();
    for (track, trak) in traks(&moov)?.iter().enumerate() {
        chunks.extend(read_chunks(trak, track, is_video(trak))?);
    }
    chunks.sort_by(|a, b| a.seconds.total_cmp(&b.seconds));
    let bytes: u64 = chunks.iter().map(|chunk| chunk.bytes).sum();
    let wide = ftyp.len() as u64 + moov.len() as u64 * 2 + bytes > u64::from(u32::MAX);
    // Only the offsets' values change when they are known, not the box's size.
    let sized = place(&moov, &chunks, 0, wide)?;
    let start = (ftyp.len() + 8 + sized.len() + 16) as u64;
    let moov = place(&moov, &chunks, start, wide)?;

    let mut file = BufWriter::new(File::create(out).with_context(|| out.display().to_string())?);
    file.write_all(&ftyp)?;
    file.write_all(&boxed(b"moov", &moov)?)?;
    file.write_all(&[&1u32.to_be_bytes()[..], b"mdat", &(bytes + 16).to_be_bytes()].concat())?;
    for chunk in &chunks {
        let from = if chunk.new { &mut new } else { &mut old };
        from.seek(SeekFrom::Start(chunk.offset))?;
        let copied = std::io::copy(&mut from.take(chunk.bytes), &mut file)?;
        ensure!(copied == chunk.bytes, "{} ends before its last sample", target.display());
    }
    for (kind, place) in &old_boxes {
        if !matches!(kind, b"ftyp" | b"moov" | b"mdat" | b"free" | b"skip" | b"wide") {
            let body = load(&mut old, &[(*kind, place.clone())], kind)?.unwrap_or_default();
            file.write_all(&boxed(kind, &body)?)?;
        }
    }
    file.flush()?;
    file.get_ref().sync_all()?;
    Ok(())
}

fn traks(moov: &[u8]) -> Result<Vec<Box<'_>>> {
    Ok(children(moov)?.into_iter().filter(|found| found.kind == *b"trak").collect())
}

/// The old `moov` with the new one's video, offsets as they were.
fn exchange(old: &[u8], new: &[u8]) -> Result<Vec<u8>> {
    let video = traks(new)?.into_iter().find(is_video).context("the new video has no video track")?;
    let moov = map(old, |found| match &found.kind {
        b"trak" if is_video(found) => Ok(Some(boxed(b"trak", &track(found.body, video.body)?)?)),
        _ => Ok(None),
    })?;
    let mut longest = 0;
    for trak in traks(&moov)? {
        longest =
            longest.max(duration(&child(trak.body, b"tkhd")?.context("a track without a header")?, 20)?);
    }
    map(&moov, |found| match &found.kind {
        b"mvhd" => with_duration(found, 16, longest).map(Some),
        _ => Ok(None),
    })
}

/// The old track's identity and place in the picture, the new one's samples and times.
fn track(old: &[u8], new: &[u8]) -> Result<Vec<u8>> {
    let header = child(new, b"tkhd")?.context("the new track has no header")?;
    let edits = child(new, b"edts")?.map_or(&[][..], |edits| edits.whole);
    let mut track = map(old, |found| match &found.kind {
        b"tkhd" => Ok(Some([with_duration(found, 20, duration(&header, 20)?)?, edits.to_vec()].concat())),
        b"edts" | b"udta" => Ok(Some(Vec::new())),
        b"mdia" => Ok(Some(boxed(b"mdia", &media(found.body, new)?)?)),
        _ => Ok(None),
    })?;
    let body =
        |track, kind| Ok::<_, anyhow::Error>(child(track, kind)?.map_or(&[][..], |found: Box| found.body));
    track.extend(boxed(b"udta", &user_data(body(old, b"udta")?, body(new, b"udta")?)?)?);
    Ok(track)
}

/// Both tracks' user data; the new one's says that the video is synthetic.
fn user_data(old: &[u8], new: &[u8]) -> Result<Vec<u8>> {
    let items = find_items(new)?.unwrap_or_default();
    if find_items(old)?.is_none() {
        return Ok([old, new].concat());
    }
    map(old, |meta| match &meta.kind {
        b"meta" => {
            let body = map(meta.body.get(4..).unwrap_or_default(), |list| match &list.kind {
                b"ilst" => boxed(b"ilst", &[items, list.body].concat()).map(Some),
                _ => Ok(None),
            })?;
            boxed(b"meta", &[&[0; 4][..], &body].concat()).map(Some)
        }
        _ => Ok(None),
    })
}

/// The tags in a `udta`, one box each.
fn find_items(udta: &[u8]) -> Result<Option<&[u8]>> {
    let Some(meta) = child(udta, b"meta")? else { return Ok(None) };
    Ok(child(meta.body.get(4..).unwrap_or_default(), b"ilst")?.map(|list| list.body))
}

fn media(old: &[u8], new: &[u8]) -> Result<Vec<u8>> {
    let header = find(new, &[b"mdia", b"mdhd"])?.context("the new track has no media header")?;
    let info = find(new, &[b"mdia", b"minf"])?.context("the new track has no media information")?;
    map(old, |found| match &found.kind {
        b"mdhd" => {
            let mut bytes = header.whole.to_vec();
            let language = |header: &Box| if header.body.first() == Some(&1) { 32 } else { 20 };
            let at = bytes.len() - header.body.len() + language(&header);
            put(&mut bytes, at, 2, number(found.body, language(found), 2)?)?;
            Ok(Some(bytes))
        }
        b"minf" => Ok(Some(info.whole.to_vec())),
        _ => Ok(None),
    })
}

/// Duration of a header box; `at`: its place in version 0.
fn duration(header: &Box, at: usize) -> Result<u64> {
    match header.body.first() {
        Some(1) => number(header.body, at + 8, 8),
        _ => number(header.body, at, 4),
    }
}

fn with_duration(header: &Box, at: usize, duration: u64) -> Result<Vec<u8>> {
    let mut bytes = header.whole.to_vec();
    let body = bytes.len() - header.body.len();
    match header.body.first() {
        Some(1) => put(&mut bytes, body + at + 8, 8, duration)?,
        _ => put(&mut bytes, body + at, 4, duration)?,
    }
    Ok(bytes)
}

fn read_chunks(trak: &Box, track: usize, new: bool) -> Result<Vec<Chunk>> {
    let stbl = find(trak.body, &[b"mdia", b"minf", b"stbl"])?.context("a track without samples")?;
    let part = |kind: &Kind| child(stbl.body, kind)?.with_context(|| format!("no {}", kind.escape_ascii()));
    let header = find(trak.body, &[b"mdia", b"mdhd"])?.context("a track without a media header")?;
    let scale = number(header.body, if header.body.first() == Some(&1) { 20 } else { 12 }, 4)?.max(1) as f64;

    let stsz = part(b"stsz")?;
    let (size, count) = (number(stsz.body, 4, 4)?, number(stsz.body, 8, 4)?);
    let mut sizes: std::boxed::Box<dyn Iterator<Item = u64>> = match size {
        0 => std::boxed::Box::new(table(stsz.body, 8, 4)?),
        size => std::boxed::Box::new((0..count).map(move |_| size)),
    };
    let stts = part(b"stts")?;
    let mut steps = table(stts.body, 4, 8)?.flat_map(|run| (0..run >> 32).map(move |_| run & 0xffff_ffff));
    let offsets = offsets(stbl.body)?;
    let stsc = part(b"stsc")?;
    let runs: Vec<(u64, u64)> = stsc
        .body
        .get(8..)
        .unwrap_or_default()
        .chunks_exact(12)
        .map(|run| Ok((number(run, 0, 4)?, number(run, 4, 4)?)))
        .collect::<Result<_>>()?;

    let (mut chunks, mut time, mut run) = (Vec::with_capacity(offsets.len()), 0, 0);
    for (index, offset) in offsets.into_iter().enumerate() {
        while runs.get(run + 1).is_some_and(|next| next.0 <= index as u64 + 1) {
            run += 1;
        }
        let samples = runs.get(run).map_or(0, |run| run.1) as usize;
        let bytes = sizes.by_ref().take(samples).sum();
        chunks.push(Chunk { seconds: time as f64 / scale, offset, bytes, new, track });
        time += steps.by_ref().take(samples).sum::<u64>();
    }
    ensure!(sizes.next().is_none(), "a track has more samples than its chunks hold");
    Ok(chunks)
}

fn offsets(stbl: &[u8]) -> Result<Vec<u64>> {
    if let Some(stco) = child(stbl, b"stco")? {
        return Ok(table(stco.body, 4, 4)?.collect());
    }
    let co64 = child(stbl, b"co64")?.context("a track without chunk offsets")?;
    Ok(table(co64.body, 4, 8)?.collect())
}

/// A `moov` in which the chunks lie one after the other from `start` on.
fn place(moov: &[u8], chunks: &[Chunk], start: u64, wide: bool) -> Result<Vec<u8>> {
    let mut at = start;
    let mut places = vec![Vec::new(); traks(moov)?.len()];
    for chunk in chunks {
        places[chunk.track].push(at);
        at += chunk.bytes;
    }
    let mut places = places.into_iter();
    map(moov, |found| match &found.kind {
        b"trak" => {
            let offsets = places.next().context("a track too many")?;
            Ok(Some(inside(found, &[b"mdia", b"minf", b"stbl"], &mut |stbl| {
                map(stbl, |found| match &found.kind {
                    b"stco" | b"co64" => offset_box(&offsets, wide).map(Some),
                    _ => Ok(None),
                })
            })?))
        }
        _ => Ok(None),
    })
}

/// A box in which the body at the end of a path is changed.
pub fn inside(
    outer: &Box,
    path: &[&Kind],
    change: &mut dyn FnMut(&[u8]) -> Result<Vec<u8>>,
) -> Result<Vec<u8>> {
    let body = match path.split_first() {
        None => change(outer.body)?,
        Some((first, rest)) => map(outer.body, |found| match found.kind == **first {
            true => inside(found, rest, change).map(Some),
            false => Ok(None),
        })?,
    };
    boxed(&outer.kind, &body)
}

fn offset_box(offsets: &[u64], wide: bool) -> Result<Vec<u8>> {
    let mut body = [0u32.to_be_bytes(), u32::try_from(offsets.len())?.to_be_bytes()].concat();
    for offset in offsets {
        match wide {
            true => body.extend(offset.to_be_bytes()),
            false => body.extend(u32::try_from(*offset)?.to_be_bytes()),
        }
    }
    boxed(if wide { b"co64" } else { b"stco" }, &body)
}
