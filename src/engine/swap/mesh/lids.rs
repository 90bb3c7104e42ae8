//! Shut eyes. The landmarks leave a shut eye a quarter open, and what would show there is a lid. So lids are
//! brought together where no eye is seen between them.

use std::time::Duration;

use super::{
    light::luma,
    raster::Vertex,
    shape::{LEFT_EYE, RIGHT_EYE},
    topology::{Mesh, topology},
};
use crate::engine::{
    frame::{Frame, Reader, with_reader},
    geometry::smoothstep,
};

/// An eye's vertices from one corner to the other.
struct Eye {
    corners: [usize; 2],
    /// The margin of the upper lid, that of the lower one below it, and the fold above.
    lids: [[usize; 3]; 7],
}

/// The person's right and left eye.
const EYES: [Eye; 2] = [
    Eye {
        corners: RIGHT_EYE,
        lids: [
            [246, 7, 247],
            [161, 163, 30],
            [160, 144, 29],
            [159, 145, 27],
            [158, 153, 28],
            [157, 154, 56],
            [173, 155, 190],
        ],
    },
    Eye {
        corners: LEFT_EYE,
        lids: [
            [466, 249, 467],
            [388, 390, 260],
            [387, 373, 259],
            [386, 374, 257],
            [385, 380, 258],
            [384, 381, 286],
            [398, 382, 414],
        ],
    },
];
/// Those between which an eye is looked for, and how far down from the upper margin, in the opening's heights.
const MIDDLE: std::ops::Range<usize> = 1..6;
const WITHIN: [f32; 3] = [0.25, 0.4, 0.55];
/// Where there is skin whatever the lids do, likewise.
const BESIDE: [f32; 4] = [-0.7, -0.4, 1.8, 2.2];

/// Heights of the opening in its widths, from which on an eye is open whatever shows, and below which it may be
/// shut. Shut eyes of six people: .15 to .24; open ones .2 to .39.
const OPEN: (f32, f32) = (0.3, 0.26);
/// The darkest, the least red, the least warm and the brightest of an opening's columns, as shares of the skin beside
/// it: from the first on it may be a lid, at the second it is an eye, or a lens gleams before it. Shut: at least .58,
/// .77 and .52, at most 1.22. Open: dark below .45 or red below .5, or bright above 1.3; gleams are warm below .4.
const DARK: (f32, f32) = (0.6, 0.45);
const RED: (f32, f32) = (0.75, 0.55);
const WARM: (f32, f32) = (0.45, 0.3);
const BRIGHT: (f32, f32) = (1.25, 1.4);
/// Least redness and warmth of skin, in shares of its luma, by which an eye is told from it.
const PALE: f32 = 0.04;
/// Heights of an eye's opening over those of the other's, above which both are shut or neither is, and below which
/// it is a wink. Of eyes that were taken for shut by what shows alone, beside an open one: .71 to 1.4.
const WINK: (f32, f32) = (0.75, 0.55);
/// The same over the eyes' usual height: from the first on they are open. Shut: .4 to .86; open ones of a blurred
/// face, .82 to 1.
const NARROWED: (f32, f32) = (0.92, 0.86);
/// Time constant of that usual height in seconds.
const USUAL: f32 = 2.0;
/// Time constant of how far eyes are shut, in seconds: some blinks last one frame.
const TAU: f32 = 0.01;
/// What is less shut is open, and what is more is shut: between lids half apart a lid would show.
const DECIDED: (f32, f32) = (0.2, 0.8);
/// How far the upper margin goes down, in openings: a little further than the lower one, so that no gap stays.
const DOWN: f32 = 1.08;
/// Share of the upper margin's way that the fold above it goes.
const FOLD: f32 = 0.45;

/// What is left of the light and of the source's detail at the margins of lids that are shut: there are lashes,
/// and the source's open eye is beside them.
const LASHES: f32 = 0.55;
const DETAIL: f32 = 0.3;

/// How far one track's eyes are shut.
#[derive(Debug, Default)]
pub(crate) struct Lids {
    /// The right and the left one, 0–1, smoothed in time.
    seems: [f32; 2],
    shut: [f32; 2],
    /// Height of the openings while open, in their widths, smoothed in time.
    usual: Option<f32>,
    seen: bool,
}

impl Lids {
    /// Another face: nothing was seen of it.
    pub fn forget(&mut self) {
        *self = Lids::default();
    }

    /// The right and the left eye, 0–1.
    pub fn shut(&self) -> [f32; 2] {
        self.shut
    }

    /// Looks at the eyes of the face whose mesh is `mesh` (frame pixels), `dt` after the look before.
    pub fn observe(&mut self, frame: &Frame<'_>, mesh: &Mesh, dt: Duration) {
        let share = if self.seen { 1.0 - (-dt.as_secs_f32() / TAU).exp() } else { 1.0 };
        self.seen = true;
        let looks = EYES.each_ref().map(|eye| eye.look(frame, mesh));
        let height = 0.5 * (looks[0].height + looks[1].height);
        for (i, eye) in looks.iter().enumerate() {
            let other = &looks[1 - i];
            let wink = smoothstep(WINK.0, WINK.1, eye.height / other.height.max(1e-3));
            let shown = eye.shown.max((1.0 - wink) * other.shown);
            let over = (height + wink * (eye.height - height)) / self.usual.unwrap_or(f32::INFINITY);
            let shut = (1.0 - shown) * smoothstep(NARROWED.0, NARROWED.1, over);
            self.seems[i] += share * (shut - self.seems[i]);
            self.shut[i] = smoothstep(DECIDED.0, DECIDED.1, self.seems[i]);
        }
        if self.shut == [0.0; 2] {
            let usual = self.usual.get_or_insert(height);
            *usual += (1.0 - (-dt.as_secs_f32() / USUAL).exp()) * (height - *usual);
        }
    }

    /// Darkens the vertices where lids meet.
    pub fn shade(&self, vertices: &mut [Vertex]) {
        let t = topology();
        for (shut, margins) in self.shut.iter().zip([&t.right_eye, &t.left_eye]) {
            let less = |rest: f32| 1.0 - (1.0 - rest) * shut;
            for &v in margins {
                let vertex = &mut vertices[usize::from(v)];
                vertex.contrast *= less(DETAIL);
                vertex.base = vertex.base.map(|base| less(LASHES) * base);
            }
        }
    }

    /// Brings the lids of `mesh` together.
    pub fn close(&self, mesh: &mut Mesh) {
        for (shut, eye) in self.shut.iter().zip(&EYES) {
            for [upper, lower, fold] in eye.lids {
                let way: [f32; 3] = std::array::from_fn(|k| DOWN * shut * (mesh[lower][k] - mesh[upper][k]));
                for (k, way) in way.into_iter().enumerate() {
                    mesh[upper][k] += way;
                    mesh[fold][k] += FOLD * way;
                }
            }
        }
    }
}

/// What one frame shows of an eye.
struct Sight {
    /// Mean height of the opening, in its widths.
    height: f32,
    /// How surely it is open, 0–1.
    shown: f32,
}

impl Eye {
    fn look(&self, frame: &Frame<'_>, mesh: &Mesh) -> Sight {
        let away = |a: usize, b: usize| (mesh[a][0] - mesh[b][0]).hypot(mesh[a][1] - mesh[b][1]);
        let middle = &self.lids[MIDDLE];
        let height = middle.iter().map(|&[upper, lower, _]| away(upper, lower)).sum::<f32>();
        let width = middle.len() as f32 * away(self.corners[0], self.corners[1]).max(1e-3);
        let height = height / width;
        let may = smoothstep(OPEN.0, OPEN.1, height);
        if may <= 0.0 || frame.width() == 0 || frame.height() == 0 {
            return Sight { height, shown: 1.0 };
        }
        let shown = with_reader!(frame, r => shown(&r, (frame.width(), frame.height()), mesh, middle));
        Sight { height, shown: 1.0 - may * (1.0 - shown) }
    }
}

/// How surely an eye shows between lids, 0–1.
fn shown<R: Reader>(reader: &R, size: (usize, usize), mesh: &Mesh, lids: &[[usize; 3]]) -> f32 {
    // Luma, and how much redder than green and than blue, at heights from one margin to the other.
    let colour = |&[upper, lower, _]: &[usize; 3], heights: &[f32]| -> [f32; 3] {
        let sum = heights.iter().fold([0.0; 3], |sum, down| {
            let at = |k: usize, size: usize| {
                let v = mesh[upper][k] + down * (mesh[lower][k] - mesh[upper][k]);
                (v.max(0.0) as usize).min(size - 1)
            };
            let (x, y) = (at(0, size.0), at(1, size.1));
            let rgb = reader.rgb(reader.components(x, y).map(f32::from));
            [sum[0] + luma(&rgb), sum[1] + rgb[0] - rgb[1], sum[2] + rgb[0] - rgb[2]]
        });
        sum.map(|v| v / heights.len() as f32)
    };
    let mut skin = [0.0; 3];
    for beside in lids.iter().map(|lid| colour(lid, &BESIDE)) {
        (0..3).for_each(|k| skin[k] += beside[k] / lids.len() as f32);
    }
    let bright = skin[0].max(1.0);
    let shows = lids.iter().map(|lid| {
        let own = colour(lid, &WITHIN);
        let share = |k: usize| {
            let usual = skin[k] / bright;
            if usual > PALE { own[k] / own[0].max(1.0) / usual } else { 0.0 }
        };
        let light = own[0] / bright;
        smoothstep(DARK.0, DARK.1, light)
            .max(smoothstep(RED.0, RED.1, share(1)))
            .max(smoothstep(WARM.0, WARM.1, share(2)))
            .max(smoothstep(BRIGHT.0, BRIGHT.1, light))
    });
    shows.fold(0.0, f32::max)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::{Colorimetry, PixelFormat, swap::mesh::topology::frontal};

    const SIZE: usize = 480;
    const SKIN: [u8; 3] = [200, 150, 130];

    /// A face 300 pixels wide, seen from the front, whose right and left lids are so far apart, in eye widths.
    fn face(apart: [f32; 2]) -> Box<Mesh> {
        let mut mesh = frontal();
        for (eye, apart) in EYES.iter().zip(apart) {
            let width = (mesh[eye.corners[0]][0] - mesh[eye.corners[1]][0]).abs();
            for [upper, lower, _] in eye.lids {
                mesh[upper][1] = mesh[lower][1] - apart * width;
            }
        }
        mesh
    }

    /// A face with an iris of its colour, or none, in the right and the left eye.
    struct Shown {
        apart: [f32; 2],
        skin: [u8; 3],
        irises: [Option<[u8; 3]>; 2],
    }

    /// How far its eyes are shut once each of these was looked at, a thirtieth of a second apart.
    fn shut(faces: &[Shown]) -> [f32; 2] {
        let mut lids = Lids::default();
        for Shown { apart, skin, irises } in faces {
            let mesh = face(*apart);
            let places = EYES.map(|eye| {
                let [_, _, _, [upper, lower, _], ..] = eye.lids;
                [0, 1].map(|k| 0.5 * (mesh[upper][k] + mesh[lower][k]))
            });
            let mut data: Vec<u8> = (0..SIZE * SIZE)
                .flat_map(|at| {
                    let (x, y) = ((at % SIZE) as f32, (at / SIZE) as f32);
                    let seen = places.iter().zip(irises).find(|(c, _)| (x - c[0]).hypot(y - c[1]) < 9.0);
                    seen.and_then(|(_, iris)| *iris).unwrap_or(*skin)
                })
                .collect();
            let planes = [&mut data[..], &mut [][..], &mut [][..]];
            let frame =
                Frame::new(PixelFormat::Rgb, SIZE, SIZE, planes, [3 * SIZE, 0, 0], Colorimetry::default());
            lids.observe(&frame.unwrap(), &mesh, Duration::from_millis(33));
        }
        lids.shut()
    }

    const IRIS: Option<[u8; 3]> = Some([60, 40, 30]);

    fn both(apart: f32, iris: Option<[u8; 3]>) -> Shown {
        Shown { apart: [apart; 2], skin: SKIN, irises: [iris; 2] }
    }

    #[test]
    fn eyes_are_shut_where_lids_are_near_and_no_eye_shows() {
        assert_eq!(shut(&[both(0.2, None)]), [1.0; 2]);
        for iris in [[60, 40, 30], [150, 155, 165], [235, 225, 215]] {
            assert_eq!(shut(&[both(0.2, Some(iris))]), [0.0; 2], "{iris:?}");
        }
        assert_eq!(shut(&[both(0.35, None)]), [0.0; 2], "so far apart there is an eye");
        let grey = Shown { skin: [150; 3], ..both(0.2, None) };
        assert_eq!(shut(&[grey]), [0.0; 2], "without colour a pale eye could not be told");
    }

    #[test]
    fn one_eye_is_shut_only_where_its_lids_are_much_nearer() {
        let one = |apart| Shown { apart, irises: [None, IRIS], ..both(0.2, None) };
        assert_eq!(shut(&[one([0.25, 0.25])]), [0.0; 2], "a lens gleams");
        assert_eq!(shut(&[one([0.18, 0.24])]), [0.0; 2], "a face is turned");
        assert_eq!(shut(&[one([0.15, 0.3])]), [1.0, 0.0], "a wink");
    }

    #[test]
    fn lids_as_far_apart_as_usual_are_open_whatever_shows() {
        let watched = |last: Shown| {
            let mut faces: Vec<Shown> = (0..30).map(|_| both(0.25, IRIS)).collect();
            faces.push(last);
            shut(&faces)
        };
        assert_eq!(shut(&[both(0.24, None)]), [1.0; 2]);
        assert_eq!(watched(both(0.24, None)), [0.0; 2], "a blurred face");
        assert_eq!(watched(both(0.18, None)), [1.0; 2]);
    }

    #[test]
    fn lids_meet_and_take_the_folds_along() {
        let (open, mut closed) = (face([0.25; 2]), face([0.25; 2]));
        let lids = Lids { seems: [1.0, 0.0], shut: [1.0, 0.0], usual: None, seen: true };
        lids.close(&mut closed);
        for [upper, lower, fold] in EYES[0].lids {
            assert!(closed[upper][1] >= closed[lower][1], "{upper}");
            let (lid, above) = (closed[upper][1] - open[upper][1], closed[fold][1] - open[fold][1]);
            assert!(above > 0.3 * lid && above < 0.6 * lid, "{fold}: {above} of {lid}");
        }
        for [upper, ..] in EYES[1].lids {
            assert_eq!(closed[upper], open[upper]);
        }
    }

    #[test]
    fn an_opening_eye_is_open_within_two_frames() {
        let mut lids = Lids { seems: [1.0; 2], shut: [1.0; 2], usual: None, seen: true };
        let mut data = vec![128u8; 3 * 16 * 16];
        let planes = [&mut data[..], &mut [][..], &mut [][..]];
        let frame = Frame::new(PixelFormat::Rgb, 16, 16, planes, [48, 0, 0], Colorimetry::default()).unwrap();
        for _ in 0..2 {
            lids.observe(&frame, &face([0.35; 2]), Duration::from_millis(16));
        }
        assert_eq!(lids.shut(), [0.0; 2]);
        lids.forget();
        assert!(!lids.seen);
    }
}
