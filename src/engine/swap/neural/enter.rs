//! The way into the network: faces' crops, and who they are to become.

use super::{Grid, Identity, Job, Kept, Network, NeuralSwap, Target, fill, gather::Place, points_of};
use crate::{
    engine::{
        EngineError, frame::Frame, identity::norm, params::Params, pool::Pool, swap::mesh::topology::Mesh,
    },
    models::ModelError,
};

impl NeuralSwap {
    /// Lets faces of a frame join those on their way through the network. Each frame that enters must
    /// [`leave`](Self::leave) in its turn, or be [skipped](Self::skip).
    ///
    /// # Errors
    /// The recognizer failed, or a worker panicked.
    pub fn enter<'t>(
        &mut self,
        frame: &Frame<'_>,
        targets: impl Iterator<Item = Target<'t>>,
        params: &Params,
        pool: &mut Pool,
    ) -> Result<(), EngineError> {
        let boost = (params.pixel_boost / self.network.pixels.size).max(1);
        let before = self.jobs.len();
        for target in targets {
            let Some(map) = self.map(target.mesh, boost) else { continue };
            let kept = self.entry(target.track);
            if params.swap_weight != 0.5 {
                self.recognise(frame, kept, target.mesh)?;
            }
            for tile in 0..boost * boost {
                let grid = Grid { map, boost, phase: (tile % boost, tile / boost) };
                let place = self.add(frame, kept, grid, target.identity, params, pool)?;
                self.kept[kept].coming += 1;
                self.jobs.push_back(Job { track: target.track, grid, place });
                if place.index + 1 >= params.effort.batch as usize {
                    self.gather.close(&mut self.network.session);
                }
            }
        }
        self.frames.push_back(self.jobs.len() - before);
        if self.frames_waiting() >= self.network.batch {
            self.gather.close(&mut self.network.session);
        }
        Ok(())
    }

    /// Writes one image and its identity into the run that is being filled.
    fn add(
        &mut self,
        frame: &Frame<'_>,
        kept: usize,
        grid: Grid,
        identity: &Identity,
        params: &Params,
        pool: &mut Pool,
    ) -> Result<Place, EngineError> {
        let Network { session, pixels, .. } = &mut self.network;
        let own = &self.kept[kept].own;
        if identity.values.len() != self.gather.identity_len() {
            let (wanted, len) = (self.gather.identity_len(), identity.values.len());
            let reason = format!("its source has {wanted} values, the person's has {len}");
            return Err(session.error(reason).into());
        }
        self.gather.add(session, |image, values| {
            fill(frame, grid, pixels, image, pool).map_err(EngineError::Panicked)?;
            values.copy_from_slice(&identity.values);
            if params.swap_weight != 0.5 && own.len() == values.len() {
                blend_identity(values, own, params.swap_weight);
            }
            Ok(())
        })
    }

    /// Frames since the first that has a face in the run that is being filled.
    fn frames_waiting(&self) -> usize {
        let (mut end, mut waiting) = (self.jobs.len(), 0);
        for (age, count) in (1..).zip(self.frames.iter().rev()) {
            if self.jobs.range(end - count..end).any(|job| self.gather.is_open(job.place)) {
                waiting = age;
            }
            end -= count;
        }
        waiting
    }

    fn entry(&mut self, track: u64) -> usize {
        if let Some(index) = self.kept.iter().position(|kept| kept.track == track) {
            return index;
        }
        let kept = self.spare.pop().unwrap_or_default();
        self.kept.push(Kept { track, shown: false, ..kept });
        if let Some(new) = self.kept.last_mut() {
            new.own.clear();
        }
        self.kept.len() - 1
    }

    /// Recognises the face that is replaced, once a track.
    fn recognise(&mut self, frame: &Frame<'_>, kept: usize, mesh: &Mesh) -> Result<(), ModelError> {
        let own = &mut self.kept[kept].own;
        if let Some(recognizer) = &mut self.network.recognizer
            && own.is_empty()
            && let Some(embedding) = recognizer.of_frame(frame, &points_of(mesh))?
        {
            let length = norm(embedding);
            own.extend(embedding.iter().map(|v| v / length));
        }
        Ok(())
    }
}

/// Mixes a face's own identity into the source's, from 0.35 of it at a `weight` of 0 to as much
/// against it at 1.
pub(super) fn blend_identity(values: &mut [f32], own: &[f32], weight: f32) {
    let share = 0.35 - 0.7 * weight;
    values.iter_mut().zip(own).for_each(|(v, own)| *v += share * (own - *v));
}
