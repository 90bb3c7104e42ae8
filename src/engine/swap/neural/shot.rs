//! A network's run on a crop that was copied from its frame before.

use super::{MaskMaker, Network, Patch, Template, crop::Tile};
use crate::{
    engine::{
        frame::{Colorimetry, Frame, PixelFormat},
        geometry::Point,
        identity::norm,
        params::Masks,
    },
    models::ModelError,
};

/// Tracks whose own embedding is remembered.
const KNOWN: usize = 16;

/// The embeddings of the faces that are replaced, the newest last.
pub(super) type Known = Vec<(u64, Vec<f32>)>;

impl Network {
    /// How faces are aligned, and the pixels a side of a crop.
    pub(crate) fn framing(&self) -> (Template, usize) {
        (self.template, self.pixels.size)
    }

    /// Recognises the face that is replaced, once a track. `pixels`: its crop of `side` pixels a
    /// side, planar, 0–255, in which its five points are `points`.
    ///
    /// # Errors
    /// The recognizer failed.
    pub(crate) fn recognise(
        &mut self,
        track: u64,
        pixels: &[f32],
        side: usize,
        points: impl FnOnce() -> [Point; 5],
    ) -> Result<(), ModelError> {
        let Some(recognizer) = &mut self.recognizer else { return Ok(()) };
        if self.known.iter().any(|(known, _)| *known == track) {
            return Ok(());
        }
        let area = side * side;
        let mut rgb: Vec<u8> = (0..3 * area).map(|i| (pixels[i % 3 * area + i / 3] + 0.5) as u8).collect();
        let planes = [&mut rgb[..], &mut [][..], &mut [][..]];
        let Ok(frame) =
            Frame::new(PixelFormat::Rgb, side, side, planes, [3 * side, 0, 0], Colorimetry::default())
        else {
            return Ok(());
        };
        if let Some(embedding) = recognizer.of_frame(&frame, &points())? {
            let length = norm(embedding);
            if self.known.len() >= KNOWN {
                self.known.remove(0);
            }
            self.known.push((track, embedding.iter().map(|v| v / length).collect()));
        }
        Ok(())
    }

    /// Swaps a crop of `side` pixels a side, planar, 0–255, into `out`. A side that is several times
    /// the network's goes through in interleaved tiles. `weight` is [`Params::swap_weight`](crate::engine::Params::swap_weight)
    ///
    /// # Errors
    /// The network failed or was interrupted.
    pub(crate) fn swap_crop(
        &mut self,
        track: u64,
        side: usize,
        pixels: &[f32],
        identity: &[f32],
        weight: f32,
        out: &mut [f32],
    ) -> Result<(), ModelError> {
        let boost = (side / self.pixels.size).max(1);
        let tiles = boost * boost;
        let mut from = 0;
        while from < tiles {
            let until = (from + self.batch).min(tiles);
            self.swap_tiles(track, from..until, boost, pixels, (identity, weight), out)?;
            from = until;
        }
        Ok(())
    }

    /// Brings the mask of a swapped crop down to what networks see of occlusion and region, as far as
    /// these are `wanted`. `seen`: the unswapped crop, planar, 0–255, at each of the
    /// [`sights`](Self::sights).
    ///
    /// # Errors
    /// A network failed.
    pub(crate) fn see(
        &mut self,
        patch: &Patch,
        seen: &[f32],
        wanted: Masks,
        masks: &mut MaskMaker,
        mask: &mut [f32],
    ) -> Result<(), ModelError> {
        for occluder in self.occluders.iter_mut().filter(|_| wanted.contains(Masks::OCCLUSION)) {
            let side = occluder.side();
            let Some(at) = self.sights.iter().position(|sight| *sight == side) else { continue };
            let from = self.sights[..at].iter().map(|sight| 3 * sight * sight).sum::<usize>();
            let Some(seen) = seen.get(from..from + 3 * side * side) else { continue };
            masks.lessen(patch.side, occluder.unoccluded_of(seen)?, side, mask);
        }
        if let Some(parser) = self.parser.as_mut().filter(|_| wanted.contains(Masks::REGION)) {
            let side = parser.side();
            masks.lessen(patch.side, parser.face(patch)?, side, mask);
        }
        Ok(())
    }

    fn swap_tiles(
        &mut self,
        track: u64,
        tiles: std::ops::Range<usize>,
        boost: usize,
        pixels: &[f32],
        (identity, weight): (&[f32], f32),
        out: &mut [f32],
    ) -> Result<(), ModelError> {
        let (count, len) = (tiles.len(), self.pixels.len());
        let tile = |at: usize| Tile { boost, phase: (at % boost, at / boost) };
        let input = self.session.input(self.target, &self.pixels.shape(count))?;
        for (image, at) in input.chunks_exact_mut(len).zip(tiles.clone()) {
            self.pixels.pack(pixels, tile(at), image);
        }
        let (mut shape, dims) = ([count as i64; 4], 1 + self.source_shape.len());
        if dims > shape.len() {
            return Err(self.session.error("its input `source` has too many dimensions".into()));
        }
        shape[1..dims].copy_from_slice(&self.source_shape);
        let source = self.session.input(self.source, &shape[..dims])?;
        let each = source.len() / count;
        if each != identity.len() {
            let reason = format!("its source has {each} values, the person's has {}", identity.len());
            return Err(self.session.error(reason));
        }
        let own = self.known.iter().find(|(known, _)| *known == track).map(|(_, own)| own);
        for values in source.chunks_exact_mut(each) {
            values.copy_from_slice(identity);
            if let Some(own) = own.filter(|own| weight != 0.5 && own.len() == each) {
                super::enter::blend_identity(values, own, weight);
            }
        }
        self.session.run()?;
        let (_, output) = self.session.output(0);
        if output.len() != count * len {
            let reason = format!("it gives {} values, {} are wanted", output.len(), count * len);
            return Err(self.session.error(reason));
        }
        for (image, at) in output.chunks_exact(len).zip(tiles) {
            tile(at).unpack(image, self.pixels.size, self.gain, self.offset, out);
        }
        Ok(())
    }
}
