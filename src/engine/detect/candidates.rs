//! Candidates of one detector run: checked, mapped to the frame, capped, thinned out.

use std::{
    cmp::{Ordering, Reverse},
    collections::BinaryHeap,
};

use super::{Detection, place::ToFrame};
use crate::engine::geometry::{Point, Rect};

/// How many go into non-maximum suppression at most; the best ones.
const MOST: usize = 512;
/// A box this many times the input's long side is no face.
const LARGEST: f32 = 4.0;

#[derive(Debug)]
pub(super) struct Candidates {
    /// The weakest on top.
    heap: BinaryHeap<Reverse<Ranked>>,
    threshold: f32,
    to_frame: ToFrame,
    size: (f32, f32),
}

impl Candidates {
    pub fn new() -> Candidates {
        Candidates {
            heap: BinaryHeap::with_capacity(MOST),
            threshold: 1.0,
            to_frame: ToFrame { scale: 1.0, offset: (0.0, 0.0) },
            size: (0.0, 0.0),
        }
    }

    /// `size` is the input's width and height in pixels.
    pub fn start(&mut self, threshold: f32, to_frame: ToFrame, size: (usize, usize)) {
        self.heap.clear();
        self.threshold = threshold;
        self.to_frame = to_frame;
        self.size = (size.0 as f32, size.1 as f32);
    }

    /// Whether a score may count; `false` for NaN.
    pub fn wants(&self, score: f32) -> bool {
        score >= self.threshold
    }

    /// A box and points in input pixels. What is not finite, empty, absurdly large or outside the
    /// input is dropped.
    pub fn offer(&mut self, score: f32, rect: Rect, points: [Point; 5]) {
        let longest = LARGEST * self.size.0.max(self.size.1);
        let sane = |side: f32| side > 0.0 && side <= longest;
        let near = |p: &Point| p.x.abs() <= longest && p.y.abs() <= longest;
        let inside = Rect::new(0.0, 0.0, self.size.0, self.size.1).overlap(rect) > 0.0;
        let box_fits = sane(rect.width) && sane(rect.height) && inside;
        if !(self.wants(score) && score.is_finite() && box_fits && points.iter().all(near)) {
            return;
        }
        let ToFrame { scale, offset } = self.to_frame;
        let map = |p: Point| Point::new((p.x - offset.0) * scale, (p.y - offset.1) * scale);
        let corner = map(Point::new(rect.x, rect.y));
        let detection = Detection {
            rect: Rect::new(corner.x, corner.y, rect.width * scale, rect.height * scale),
            score: score.clamp(0.0, 1.0),
            points: points.map(map),
        };
        let whole = detection.rect.is_finite() && detection.rect.area() > 0.0;
        if !whole || !detection.points.iter().all(|p| p.x.is_finite() && p.y.is_finite()) {
            return;
        }
        if self.heap.len() < MOST {
            self.heap.push(Reverse(Ranked(detection)));
        } else if let Some(mut weakest) = self.heap.peek_mut()
            && Ranked(detection) > weakest.0
        {
            *weakest = Reverse(Ranked(detection));
        }
    }

    /// Moves what survives suppression into `out`, best first.
    pub fn finish(&mut self, nms: f32, out: &mut Vec<Detection>) {
        out.clear();
        out.extend(self.heap.drain().map(|Reverse(Ranked(detection))| detection));
        suppress(out, nms);
    }
}

/// Non-maximum suppression: sorts best first and removes every detection that overlaps a better
/// one by more than `overlap` (intersection over union, 0–1).
pub fn suppress(detections: &mut Vec<Detection>, overlap: f32) {
    detections.sort_unstable_by(|a, b| rank(b, a));
    let mut kept = 0;
    for i in 0..detections.len() {
        let candidate = detections[i];
        if detections[..kept].iter().all(|better| better.rect.iou(candidate.rect) <= overlap) {
            detections[kept] = candidate;
            kept += 1;
        }
    }
    detections.truncate(kept);
}

/// By score; equal scores by place, so that the order does not hang on the order of arrival.
fn rank(a: &Detection, b: &Detection) -> Ordering {
    let by = |f: fn(&Detection) -> f32| f(a).total_cmp(&f(b));
    by(|d| d.score)
        .then_with(|| by(|d| d.rect.x))
        .then_with(|| by(|d| d.rect.y))
        .then_with(|| by(|d| d.rect.width))
}

#[derive(Debug)]
struct Ranked(Detection);

impl PartialEq for Ranked {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Ranked {}

impl PartialOrd for Ranked {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Ranked {
    fn cmp(&self, other: &Self) -> Ordering {
        rank(&self.0, &other.0)
    }
}
