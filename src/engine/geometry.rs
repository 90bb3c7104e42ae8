//! Points, boxes and similarity transforms in pixel coordinates: (0, 0) is the top left corner of
//! the top left pixel, whose centre is (0.5, 0.5).

/// 0 up to `low`, 1 from `high` on, in between a cubic without a kink; falling where `low > high`.
pub(crate) fn smoothstep(low: f32, high: f32, v: f32) -> f32 {
    let x = ((v - low) / (high - low)).clamp(0.0, 1.0);
    x * x * (3.0 - 2.0 * x)
}

/// A point in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Point {
    pub x: f32,
    pub y: f32,
}

impl Point {
    pub const fn new(x: f32, y: f32) -> Self {
        Point { x, y }
    }

    pub fn distance(self, other: Point) -> f32 {
        (self.x - other.x).hypot(self.y - other.y)
    }

    pub fn midpoint(self, other: Point) -> Point {
        Point::new(0.5 * (self.x + other.x), 0.5 * (self.y + other.y))
    }
}

/// An axis-aligned box in pixels.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Rect {
    pub x: f32,
    pub y: f32,
    pub width: f32,
    pub height: f32,
}

impl Rect {
    pub const fn new(x: f32, y: f32, width: f32, height: f32) -> Self {
        Rect { x, y, width, height }
    }

    /// The smallest box around `points`; empty at the origin when there are none.
    pub fn around(points: impl IntoIterator<Item = Point>) -> Rect {
        let mut points = points.into_iter();
        let Some(first) = points.next() else {
            return Rect::default();
        };
        let (mut low, mut high) = (first, first);
        for p in points {
            low = Point::new(low.x.min(p.x), low.y.min(p.y));
            high = Point::new(high.x.max(p.x), high.y.max(p.y));
        }
        Rect::new(low.x, low.y, high.x - low.x, high.y - low.y)
    }

    pub fn centre(self) -> Point {
        Point::new(self.x + 0.5 * self.width, self.y + 0.5 * self.height)
    }

    pub fn area(self) -> f32 {
        self.width.max(0.0) * self.height.max(0.0)
    }

    /// Intersection over union, 0–1.
    pub fn iou(self, other: Rect) -> f32 {
        let overlap = self.overlap(other);
        let union = self.area() + other.area() - overlap;
        if union > 0.0 { overlap / union } else { 0.0 }
    }

    /// Area of the intersection.
    pub fn overlap(self, other: Rect) -> f32 {
        let w = (self.x + self.width).min(other.x + other.width) - self.x.max(other.x);
        let h = (self.y + self.height).min(other.y + other.height) - self.y.max(other.y);
        w.max(0.0) * h.max(0.0)
    }

    /// The smallest that holds both.
    pub fn union(self, other: Rect) -> Rect {
        let (x, y) = (self.x.min(other.x), self.y.min(other.y));
        let right = (self.x + self.width).max(other.x + other.width);
        let bottom = (self.y + self.height).max(other.y + other.height);
        Rect::new(x, y, right - x, bottom - y)
    }

    /// The same centre, sides multiplied by `factor`.
    pub fn scaled(self, factor: f32) -> Rect {
        let (w, h) = (self.width * factor, self.height * factor);
        let c = self.centre();
        Rect::new(c.x - 0.5 * w, c.y - 0.5 * h, w, h)
    }

    pub fn moved(self, dx: f32, dy: f32) -> Rect {
        Rect { x: self.x + dx, y: self.y + dy, ..self }
    }

    pub fn is_finite(self) -> bool {
        [self.x, self.y, self.width, self.height].iter().all(|v| v.is_finite())
    }
}

/// Rotation, uniform scale and translation: `(x, y) ↦ (a·x − b·y + tx, b·x + a·y + ty)`.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Similarity {
    pub a: f32,
    pub b: f32,
    pub tx: f32,
    pub ty: f32,
}

impl Similarity {
    pub const IDENTITY: Similarity = Similarity { a: 1.0, b: 0.0, tx: 0.0, ty: 0.0 };

    /// Maps the square `[0, size]²` onto the square of side `side` centred at `centre`, turned by
    /// `angle` radians (positive turns x towards y, clockwise on screen).
    pub fn crop(centre: Point, side: f32, angle: f32, size: f32) -> Self {
        let scale = side / size;
        let (sin, cos) = angle.sin_cos();
        let (a, b) = (scale * cos, scale * sin);
        let half = 0.5 * size;
        Similarity { a, b, tx: centre.x - a * half + b * half, ty: centre.y - b * half - a * half }
    }

    pub fn apply(self, p: Point) -> Point {
        Point::new(self.a * p.x - self.b * p.y + self.tx, self.b * p.x + self.a * p.y + self.ty)
    }

    pub fn scale(self) -> f32 {
        self.a.hypot(self.b)
    }

    /// `first`, then this.
    pub(crate) fn after(self, first: Similarity) -> Self {
        let p = self.apply(Point::new(first.tx, first.ty));
        let (a, b) = (self.a * first.a - self.b * first.b, self.b * first.a + self.a * first.b);
        Similarity { a, b, tx: p.x, ty: p.y }
    }

    /// The way back; `None` where everything falls on a point.
    pub(crate) fn inverse(self) -> Option<Self> {
        let square = self.a * self.a + self.b * self.b;
        if !(square.is_finite() && square > f32::MIN_POSITIVE) {
            return None;
        }
        let (a, b) = (self.a / square, -self.b / square);
        Some(Similarity { a, b, tx: -a * self.tx + b * self.ty, ty: -b * self.tx - a * self.ty })
    }

    /// Least-squares fit of `to ≈ S(from)` with 4 degrees of freedom (Umeyama 1991 without
    /// reflection). `None` for fewer than two distinct points.
    pub fn fit(pairs: impl Iterator<Item = (Point, Point)> + Clone) -> Option<Self> {
        let (mut n, mut from, mut to) = (0.0f64, [0.0f64; 2], [0.0f64; 2]);
        for (p, q) in pairs.clone() {
            n += 1.0;
            from[0] += f64::from(p.x);
            from[1] += f64::from(p.y);
            to[0] += f64::from(q.x);
            to[1] += f64::from(q.y);
        }
        if n < 2.0 {
            return None;
        }
        let (from, to) = (from.map(|v| v / n), to.map(|v| v / n));
        let (mut dot, mut cross, mut norm) = (0.0, 0.0, 0.0);
        for (p, q) in pairs {
            let (px, py) = (f64::from(p.x) - from[0], f64::from(p.y) - from[1]);
            let (qx, qy) = (f64::from(q.x) - to[0], f64::from(q.y) - to[1]);
            dot += px * qx + py * qy;
            cross += px * qy - py * qx;
            norm += px * px + py * py;
        }
        if norm <= f64::EPSILON {
            return None;
        }
        let (a, b) = (dot / norm, cross / norm);
        Some(Similarity {
            a: a as f32,
            b: b as f32,
            tx: (to[0] - a * from[0] + b * from[1]) as f32,
            ty: (to[1] - b * from[0] - a * from[1]) as f32,
        })
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn similarity() -> impl Strategy<Value = Similarity> {
        (0.1f32..4.0, -3.1f32..3.1, -500.0f32..500.0, -500.0f32..500.0).prop_map(|(scale, angle, tx, ty)| {
            Similarity { a: scale * angle.cos(), b: scale * angle.sin(), tx, ty }
        })
    }

    proptest! {
        #[test]
        fn there_and_back_is_where_it_was(s in similarity(), x in -900.0f32..900.0, y in -900.0f32..900.0) {
            let (p, back) = (Point::new(x, y), s.inverse().unwrap());
            prop_assert!(back.apply(s.apply(p)).distance(p) < 0.02);
            prop_assert!(back.after(s).apply(p).distance(p) < 0.02);
        }

        #[test]
        fn one_after_the_other_is_one(
            first in similarity(), then in similarity(), x in -900.0f32..900.0, y in -900.0f32..900.0,
        ) {
            let p = Point::new(x, y);
            prop_assert!(then.after(first).apply(p).distance(then.apply(first.apply(p))) < 0.05);
        }
    }

    #[test]
    fn what_falls_on_a_point_has_no_way_back() {
        assert!(Similarity { a: 0.0, b: 0.0, tx: 3.0, ty: 4.0 }.inverse().is_none());
        assert!(Similarity { a: f32::NAN, ..Similarity::IDENTITY }.inverse().is_none());
    }
}
