//! Where the swap lies, against where the face does.
//!
//! The landmark network does not read features at quite the same place on the source's photo as on the face that
//! wears them: of 24 people on six clips the swap came out 1 % small, and beside the face by 1 % of the eyes'
//! distance. So the network looks at the swap itself now and then, and the similarity that takes what it reads to
//! what it read of the face moves what is drawn from then on. How features lie among each other stays.

use std::time::Duration;

use super::topology::{Mesh, VERTICES};
use crate::engine::{
    geometry::{Point, Similarity},
    track::pose,
};

/// Frames between two looks: so many more after each, up to the second.
const APART: (u32, u32) = (2, 30);
/// How far a face is read to be off that is not, in face widths: by many looks, and how much more, as a square,
/// by one; and how far from its middle the face is.
const CHANCE: f32 = 0.004;
const SINGLE: f32 = 3.0;
const RADIUS: f32 = 0.3;
/// Looks that are averaged.
const AVERAGED: u32 = 10;
/// Time constant with which what is drawn follows, in seconds: nobody sees it move.
const TAU: f32 = 0.3;
/// Largest change of size and turn, as shares, and of place, in face widths: beyond it the network misread.
const MOST: f32 = 0.04;

/// Of one track's swap.
#[derive(Debug)]
pub(crate) struct Registration {
    /// What is drawn is moved by this, in the canonical face's frame.
    drawn: Similarity,
    /// What would bring it to the face, by the looks so far.
    mean: Similarity,
    /// How often it was looked at, how often a face was found, and frames since.
    looks: u32,
    found: u32,
    since: u32,
    /// Who and how much of their shape it was made for.
    made_for: (u64, f32),
    read: Box<Mesh>,
}

impl Default for Registration {
    fn default() -> Self {
        Registration {
            drawn: Similarity::IDENTITY,
            mean: Similarity::IDENTITY,
            looks: 0,
            found: 0,
            since: 0,
            made_for: (0, 0.0),
            read: Box::new([[0.0; 3]; VERTICES]),
        }
    }
}

impl Registration {
    /// Another face: nothing is known of it.
    pub fn forget(&mut self) {
        (self.drawn, self.mean) = (Similarity::IDENTITY, Similarity::IDENTITY);
        (self.looks, self.found, self.since) = (0, 0, 0);
    }

    /// A further frame, `dt` after the last, on which the source `id` is drawn with `shape`.
    pub fn advance(&mut self, (id, shape): (u64, f32), dt: Duration) {
        if self.made_for != (id, shape) {
            self.made_for = (id, shape);
            (self.looks, self.found, self.since) = (0, 0, 0);
        }
        self.since = self.since.saturating_add(1);
        let share = 1.0 - (-dt.as_secs_f32() / TAU).exp();
        self.drawn = mix(self.drawn, self.wanted(), share);
    }

    /// Moves the `mesh` that is drawn on the face at `own` (both frame pixels). Returns whether it did.
    pub fn apply(&self, own: &Mesh, mesh: &mut Mesh) -> bool {
        if self.drawn == Similarity::IDENTITY {
            return false;
        }
        let Some((to_frame, back)) = pose(own).and_then(|pose| Some((pose, pose.inverse()?))) else {
            return false;
        };
        let map = to_frame.after(self.drawn).after(back);
        for p in mesh.iter_mut() {
            let at = map.apply(Point::new(p[0], p[1]));
            (p[0], p[1]) = (at.x, at.y);
        }
        true
    }

    /// Whether it is time to look at the swap.
    pub fn is_due(&self) -> bool {
        self.since >= (APART.0 * self.looks).min(APART.1)
    }

    /// Looks at the swap: `read` fills in its landmarks (frame pixels) and tells whether it found a face. `own`:
    /// those of the face below.
    ///
    /// # Errors
    /// That of `read`.
    pub fn look<E>(&mut self, own: &Mesh, read: impl FnOnce(&mut Mesh) -> Result<bool, E>) -> Result<(), E> {
        self.since = 0;
        self.looks = (self.looks + 1).min(APART.1);
        if read(&mut self.read)?
            && let Some(off) = self.off(own)
        {
            self.found = (self.found + 1).min(AVERAGED);
            let share = 1.0 / self.found as f32;
            self.mean = bounded(mix(self.mean, off.after(self.drawn), share));
        }
        Ok(())
    }

    /// The mean of the looks, less where it may be chance.
    fn wanted(&self) -> Similarity {
        let Similarity { a, b, tx, ty } = self.mean;
        let moves = RADIUS.powi(2) * ((a - 1.0).powi(2) + b * b) + tx * tx + ty * ty;
        let chance = CHANCE.powi(2) * (1.0 + SINGLE / self.found.max(1) as f32);
        let sure = (moves / chance).powi(2);
        mix(Similarity::IDENTITY, self.mean, sure / (1.0 + sure))
    }

    /// What brings what was read to `own`, in the canonical face's frame.
    fn off(&self, own: &Mesh) -> Option<Similarity> {
        let back = pose(own)?.inverse()?;
        let flat = |p: &[f32; 3]| back.apply(Point::new(p[0], p[1]));
        Similarity::fit(self.read.iter().zip(own).map(|(read, own)| (flat(read), flat(own))))
    }
}

/// Both are near the identity, where the mean of two is that of their numbers.
fn mix(a: Similarity, b: Similarity, share: f32) -> Similarity {
    let mix = |a: f32, b: f32| a + share * (b - a);
    Similarity { a: mix(a.a, b.a), b: mix(a.b, b.b), tx: mix(a.tx, b.tx), ty: mix(a.ty, b.ty) }
}

fn bounded(map: Similarity) -> Similarity {
    let bound = |v: f32| v.clamp(-MOST, MOST);
    Similarity { a: 1.0 + bound(map.a - 1.0), b: bound(map.b), tx: bound(map.tx), ty: bound(map.ty) }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use super::*;
    use crate::engine::swap::mesh::topology::frontal;

    const FRAME: Duration = Duration::from_millis(33);
    const SOURCE: (u64, f32) = (1, 0.5);

    fn off(a: &Mesh, b: &Mesh) -> f32 {
        a.iter().zip(b).map(|(p, q)| (p[0] - q[0]).hypot(p[1] - q[1])).fold(0.0, f32::max)
    }

    /// Draws and looks for so many frames: `reads` is how the network sees what is drawn. Returns how often it
    /// looked.
    fn run(
        registration: &mut Registration,
        own: &Mesh,
        frames: usize,
        reads: &dyn Fn(&Mesh) -> Box<Mesh>,
    ) -> usize {
        let mut looks = 0;
        for _ in 0..frames {
            registration.advance(SOURCE, FRAME);
            let mut drawn = *own;
            registration.apply(own, &mut drawn);
            if registration.is_due() {
                looks += 1;
                let seen = reads(&drawn);
                let read = |mesh: &mut Mesh| {
                    *mesh = *seen;
                    Ok::<_, Infallible>(true)
                };
                registration.look(own, read).unwrap();
            }
        }
        looks
    }

    /// Smaller by 2 %, turned, and aside by three pixels.
    fn misread(mesh: &Mesh) -> Box<Mesh> {
        let mut seen = Box::new(*mesh);
        for p in seen.iter_mut() {
            let [x, y, z] = *p;
            *p = [0.98 * x - 0.01 * y + 3.0, 0.01 * x + 0.98 * y - 2.0, z];
        }
        seen
    }

    #[test]
    fn what_is_read_comes_to_lie_where_the_face_is() {
        let own = frontal();
        let mut registration = Registration::default();
        let looks = run(&mut registration, &own, 120, &misread);
        assert!((8..16).contains(&looks), "{looks}");
        let mut drawn = own.clone();
        registration.apply(&own, &mut drawn);
        let (before, after) = (off(&misread(&own), &own), off(&misread(&drawn), &own));
        assert!(after < 0.05 * before, "{after} of {before}");
    }

    #[test]
    fn it_moves_by_little_from_frame_to_frame() {
        let own = frontal();
        let mut registration = Registration::default();
        let (mut last, mut drawn) = (own.clone(), own.clone());
        let farthest = off(&misread(&own), &own);
        for frame in 0..40 {
            run(&mut registration, &own, 1, &misread);
            drawn.copy_from_slice(&own[..]);
            registration.apply(&own, &mut drawn);
            assert!(off(&drawn, &last) < 0.15 * farthest, "frame {frame}");
            last.copy_from_slice(&drawn[..]);
        }
    }

    #[test]
    fn a_misreading_is_bounded_and_no_face_changes_nothing() {
        let own = frontal();
        let mut registration = Registration::default();
        run(&mut registration, &own, 60, &|mesh| {
            let mut seen = Box::new(*mesh);
            seen.iter_mut().for_each(|p| p[0] = 0.5 * p[0] + 1000.0);
            seen
        });
        let mut drawn = own.clone();
        registration.apply(&own, &mut drawn);
        let size = (own[10][1] - own[152][1]).abs();
        assert!(off(&drawn, &own) < 0.15 * size, "{}", off(&drawn, &own));

        registration.forget();
        registration.advance(SOURCE, FRAME);
        registration.look(&own, |_| Ok::<_, Infallible>(false)).unwrap();
        registration.advance(SOURCE, FRAME);
        registration.apply(&own, &mut drawn);
        assert_eq!(registration.mean, Similarity::IDENTITY);
        assert!(!registration.is_due(), "a face that is never found is not looked for in every frame");
    }

    #[test]
    fn another_source_is_looked_at_at_once() {
        let own = frontal();
        let mut registration = Registration::default();
        run(&mut registration, &own, 100, &misread);
        assert!(!registration.is_due());
        registration.advance((2, 0.5), FRAME);
        assert!(registration.is_due());
    }
}
