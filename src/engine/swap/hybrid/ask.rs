//! Of which faces key frames are made, and of what.

use std::time::Duration;

use super::{
    super::neural::{Grid, NeuralSwap, Pixels, fill, points_of},
    HybridSwap, is_anew, need,
};
use crate::engine::{
    EngineError,
    frame::Frame,
    geometry::Similarity,
    params::Masks,
    plan::{Face, Work},
    pool::Pool,
};

impl HybridSwap {
    /// Has a key frame made of each face whose time has come, and waits for it.
    pub(super) fn ask_each(
        &mut self,
        frame: &Frame<'_>,
        work: Work<'_>,
        under: Option<&NeuralSwap>,
        pool: &mut Pool,
    ) -> Result<(), EngineError> {
        for face in work.plan.swapped() {
            let Some(at) = self.banks.iter().position(|bank| bank.track == face.track) else { continue };
            if !need::is_due(&self.banks[at], face, self.number, work.params) || self.rests(at, face) {
                continue;
            }
            // One that was asked for while nobody waited.
            while !self.worker.is_idle() {
                let Some(outcome) = self.worker.wait() else { break };
                self.take(outcome)?;
            }
            self.ask(at, frame, face, work, under, pool)?;
            if let Some(outcome) = self.worker.wait() {
                self.take(outcome)?;
            }
            self.banks[at].settle(self.number, Duration::ZERO, face.fresh, pool)?;
        }
        Ok(())
    }

    /// Whether an enhancer has nothing new to see of a face, since its last swap was only carried.
    fn rests(&self, at: usize, face: &Face) -> bool {
        self.enhances && !is_anew(face) && self.banks[at].asked.is_some()
    }

    /// Has a key frame made of the face that needs one most, if any does.
    pub(super) fn ask_neediest(
        &mut self,
        frame: &Frame<'_>,
        work: Work<'_>,
        under: Option<&NeuralSwap>,
        pool: &mut Pool,
    ) -> Result<(), EngineError> {
        let mut neediest = (1.0, None);
        for face in work.plan.swapped() {
            let Some(at) = self.banks.iter().position(|bank| bank.track == face.track) else { continue };
            let need = match self.enhances {
                true if self.rests(at, face) => 0.0,
                true => need::by_age(&self.banks[at], self.number, work.params),
                false => need::of(&self.banks[at], self.number, work.plan.dt, work.params),
            };
            if need >= neediest.0 {
                neediest = (need, Some((at, face)));
            }
        }
        match neediest.1 {
            Some((at, face)) => self.ask(at, frame, face, work, under, pool),
            None => Ok(()),
        }
    }

    /// Has a key frame made of a face in this frame.
    fn ask(
        &mut self,
        at: usize,
        frame: &Frame<'_>,
        face: &Face,
        work: Work<'_>,
        under: Option<&NeuralSwap>,
        pool: &mut Pool,
    ) -> Result<(), EngineError> {
        let Work { plan, params, .. } = work;
        let source = work.shown(face);
        let side = self.framing.side(params.pixel_boost);
        let Some(map) = self.framing.map(&points_of(&face.raw), side) else { return Ok(()) };
        let bank = &mut self.banks[at];
        bank.asked = Some(self.number);
        let mut request = self.requests.pop().unwrap_or_default();
        let key = &mut request.key;
        (key.track, key.source, key.scene, key.number) = (face.track, source.id(), self.scene, self.number);
        key.share = 0.0;
        key.outline.copy_from_slice(&*bank.outline);
        key.camera.clone_from(&bank.camera);
        key.brightness = bank.camera.brightness();
        (request.time, request.map, request.side, request.params) = (plan.time, map, side, *params);
        request.mesh.copy_from_slice(&*face.raw);
        request.identity.clear();
        request.identity.extend(source.identity().iter().flat_map(|identity| identity.values()));
        bank.carry(&mut request.carried);
        request.limit.clear();
        let seen = [Masks::OCCLUSION, Masks::REGION].into_iter().any(|mask| params.masks.contains(mask));
        if let Some(under) = under.filter(|_| seen) {
            under.mask_on(face.track, &face.mesh, map, side, &mut request.limit);
        }
        request.pixels.resize(3 * side * side, 0.0);
        let grid = Grid { map, boost: 1, phase: (0, 0) };
        fill(frame, grid, &Pixels::levels(side), &mut request.pixels, pool).map_err(EngineError::Panicked)?;
        request.seen.clear();
        for &sight in self.sights.iter().filter(|_| params.masks.contains(Masks::OCCLUSION)) {
            let (from, scale) = (request.seen.len(), side as f32 / sight as f32);
            request.seen.resize(from + 3 * sight * sight, 0.0);
            let map = Similarity { a: scale * map.a, b: scale * map.b, ..map };
            let grid = Grid { map, boost: 1, phase: (0, 0) };
            fill(frame, grid, &Pixels::levels(sight), &mut request.seen[from..], pool)
                .map_err(EngineError::Panicked)?;
        }
        self.worker.ask(request);
        Ok(())
    }
}
