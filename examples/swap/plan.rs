//! Where a video is cut into segments, each of which can be done by itself.

use std::ops::Range;

use serde::{Deserialize, Serialize};

use crate::movie::Packet;

/// Frames that are swapped ahead of a segment and thrown away, so that tracking, smoothing and light have settled
/// where it begins.
const LEAD: u64 = 1_000_000_000;

/// A part of the video between two key frames, in nanoseconds of the stream.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Segment {
    pub start: u64,
    /// Exclusive.
    pub end: u64,
    /// Frames from here on are swapped.
    pub lead: u64,
    /// Packets to decode, in the order of the file.
    pub packets: Range<usize>,
    pub frames: usize,
}

/// Cuts `range` at the first key frame after every `length`. The frames must all have a time.
pub fn segments(packets: &[Packet], range: &Range<u64>, length: u64) -> Vec<Segment> {
    let mut cuts = vec![range.start];
    for key in packets.iter().filter(|packet| packet.key).filter_map(|packet| packet.time) {
        if key >= cuts[cuts.len() - 1].saturating_add(length) && key < range.end {
            cuts.push(key);
        }
    }
    cuts.push(range.end);
    cuts.windows(2).map(|cut| segment(packets, cut[0], cut[1])).filter(|s| s.frames > 0).collect()
}

fn segment(packets: &[Packet], start: u64, end: u64) -> Segment {
    let lead = start.saturating_sub(LEAD);
    let begins = |p: &Packet| p.key && p.time.is_some_and(|time| time <= lead);
    let first = packets.iter().rposition(begins).unwrap_or(0);
    let last = packets.iter().rposition(|p| p.time.is_some_and(|time| time < end)).map_or(0, |at| at + 1);
    let shown = |p: &&Packet| p.time.is_some_and(|time| (start..end).contains(&time));
    Segment { start, end, lead, packets: first..last, frames: packets.iter().filter(shown).count() }
}

/// The whole of a video whose frames have no times of their own.
pub fn whole(packets: &[Packet]) -> Segment {
    Segment { start: 0, end: u64::MAX, lead: 0, packets: 0..packets.len(), frames: packets.len() }
}
