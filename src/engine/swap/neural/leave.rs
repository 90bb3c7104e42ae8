//! The way out of the network: the faces that it gave, and where they show.

use std::time::{Duration, Instant};

use super::{Grid, Job, Network, NeuralSwap, Passed, paste::Patch};
use crate::{
    engine::{
        EngineError,
        frame::Frame,
        geometry::Similarity,
        params::{Masks, Params},
        pool::Pool,
        swap::mesh::topology::Mesh,
    },
    models::ModelError,
};

impl NeuralSwap {
    /// Lets the oldest frame leave, whose tracks' meshes are `mesh`; [`paste`](Self::paste) then shows
    /// its faces.
    ///
    /// # Errors
    /// The network failed, was interrupted, or gave what are no numbers.
    pub fn leave<'m>(
        &mut self,
        frame: &Frame<'_>,
        mesh: impl Fn(u64) -> Option<&'m Mesh>,
        params: &Params,
        pool: &mut Pool,
    ) -> Result<Passed, EngineError> {
        let mut passed: Result<Passed, EngineError> = Ok(Passed::default());
        for _ in 0..self.frames.pop_front().unwrap_or(0) {
            let Some(job) = self.jobs.pop_front() else { break };
            let part = self.take_out(job);
            let Ok(sum) = passed else { continue };
            passed = part.map_err(EngineError::from).and_then(|part| {
                let seeing = self.complete(frame, job, &mesh, params, pool)?;
                let spent = sum.spent + part.spent + seeing;
                Ok(Passed { spent, runs: sum.runs + part.runs, images: sum.images + part.images })
            });
        }
        passed
    }

    /// Lets the oldest frame leave without a look at it.
    pub fn skip(&mut self) {
        for _ in 0..self.frames.pop_front().unwrap_or(0) {
            let Some(job) = self.jobs.pop_front() else { break };
            let _ = self.take_out(job);
        }
    }

    /// Writes what the network made of an image into its track's patch.
    fn take_out(&mut self, job: Job) -> Result<Passed, ModelError> {
        let Network { session, pixels, gain, offset, .. } = &mut self.network;
        let mut patch = self.kept.iter_mut().find(|kept| kept.track == job.track).map(|kept| {
            kept.coming -= 1;
            kept.patch.fit(pixels.size * job.grid.boost);
            &mut kept.patch
        });
        let interrupted = &mut self.interrupted;
        let numbers = self.gather.leave(session, job.place, |swapped| {
            *interrupted = swapped.as_ref().is_err_and(|fault| fault.interrupted);
            let swapped = swapped.map_err(|fault| fault.error)?;
            let levels = (*gain, *offset);
            let finite = patch
                .as_mut()
                .is_none_or(|patch| unpack(swapped.image, pixels.size, levels, job.grid, patch));
            let (runs, images) = (swapped.together.is_some().into(), swapped.together.unwrap_or(0) as u32);
            Ok(finite.then_some(Passed { spent: swapped.spent, runs, images }))
        })?;
        numbers.ok_or_else(|| session.error("it gives values that are no numbers".into()))
    }

    /// Once all images of a face are in its patch, makes that one to be shown; the time that networks
    /// took over the mask.
    fn complete<'m>(
        &mut self,
        frame: &Frame<'_>,
        job: Job,
        mesh: &impl Fn(u64) -> Option<&'m Mesh>,
        params: &Params,
        pool: &mut Pool,
    ) -> Result<Duration, EngineError> {
        let Grid { map, boost, phase } = job.grid;
        let kept = self.kept.iter().position(|kept| kept.track == job.track);
        let (Some(kept), Some(mesh)) = (kept, mesh(job.track)) else { return Ok(Duration::ZERO) };
        if phase != (boost - 1, boost - 1) {
            return Ok(Duration::ZERO);
        }
        self.masks.write(self.network.pixels.size * boost, map, mesh, params, &mut self.mask);
        let spent = self.see(frame, kept, map, params, pool)?;
        self.kept[kept].patch.finish(&self.mask);
        self.kept[kept].shown = true;
        Ok(spent)
    }

    /// Brings the mask down to what networks see of occlusion and region; how long that took.
    fn see(
        &mut self,
        frame: &Frame<'_>,
        kept: usize,
        map: Similarity,
        params: &Params,
        pool: &mut Pool,
    ) -> Result<Duration, EngineError> {
        let started = Instant::now();
        let (network, patch) = (&mut self.network, &self.kept[kept].patch);
        for occluder in network.occluders.iter_mut().filter(|_| params.masks.contains(Masks::OCCLUSION)) {
            let side = occluder.side();
            let mask = occluder.unoccluded(frame, map, patch.side, pool)?;
            self.masks.lessen(patch.side, mask, side, &mut self.mask);
        }
        if let Some(parser) = network.parser.as_mut().filter(|_| params.masks.contains(Masks::REGION)) {
            let side = parser.side();
            self.masks.lessen(patch.side, parser.face(patch)?, side, &mut self.mask);
        }
        Ok(started.elapsed())
    }
}

/// Writes one image of the output into its patch, its values times the first and plus the second of
/// `levels`; false where it holds what is no number.
fn unpack(
    image: &[f32],
    size: usize,
    (gain, offset): ([f32; 3], [f32; 3]),
    grid: Grid,
    patch: &mut Patch,
) -> bool {
    let (red, rest) = image.split_at(size * size);
    let (green, blue) = rest.split_at(size * size);
    let mut sum = 0.0;
    for y in 0..size {
        let row = y * size..(y + 1) * size;
        let (red, green, blue) = (&red[row.clone()], &green[row.clone()], &blue[row]);
        for x in 0..size {
            let value = [red[x], green[x], blue[x]];
            sum += value[0] + value[1] + value[2];
            let texel = patch.texel(x * grid.boost + grid.phase.0, y * grid.boost + grid.phase.1);
            for k in 0..3 {
                texel[k] = (value[k] * gain[k] + offset[k]).clamp(0.0, 255.0);
            }
        }
    }
    sum.is_finite()
}
