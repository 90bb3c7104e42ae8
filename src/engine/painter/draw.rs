//! What is drawn of each face, and the light that it is drawn under.

use std::time::Duration;

use super::{
    super::{
        EngineError, Frame, Plan, Report,
        frame::Region,
        landmarks::CropBox,
        plan::{Face, Show, Work},
        process::each,
        swap::{cover::cover, mesh::Look},
    },
    Painter,
};

/// A swap less opaque than this is not read as the source's face.
const SEEN: f32 = 0.5;
/// The label stays this long after the last swap.
const LINGER: Duration = Duration::from_secs(1);

impl Painter {
    /// Keeps the lights of the plan's tracks, and no others.
    pub(super) fn assign_lights(&mut self, plan: &Plan) {
        for i in (0..self.lights.len()).rev() {
            if plan.of_track(self.lights[i].track).is_none() {
                self.spare.push(self.lights.swap_remove(i));
            }
        }
        for face in plan.swapped() {
            if !self.lights.iter().any(|light| light.track == face.track) {
                let mut light = self.spare.pop().unwrap_or_default();
                (light.track, light.lit) = (face.track, false);
                light.usual.forget();
                light.worn.forget();
                light.occlusion.forget();
                light.lids.forget();
                light.registration.forget();
                self.lights.push(light);
            }
        }
    }

    pub(super) fn relight(&mut self, frame: &Frame<'_>, work: Work<'_>) -> Result<(), EngineError> {
        let plan = work.plan;
        for light in &mut self.lights {
            if let Some(face) = plan.of_track(light.track).filter(|face| face.is_swapped()) {
                light.usual.observe(&face.mesh, plan.dt);
            }
        }
        let covered = |track: u64| self.hybrid.as_ref().is_some_and(|hybrid| hybrid.covers(track));
        let lit = self.lights.iter_mut().filter_map(|light| {
            let face = plan.of_track(light.track)?;
            match face.show {
                Show::Swap { relight } if !covered(face.track) => Some((light, face, relight)),
                _ => None,
            }
        });
        let scene = plan.cut || plan.restart;
        each(&mut self.pool, lit, &|(light, face, relight)| {
            // A face that comes back is seen in part and its mesh is not settled: all of it would depart
            // from what was remembered, and show as it came.
            if scene || face.fresh {
                light.occlusion.forget();
                light.lids.forget();
            }
            light.occlusion.observe(frame, &face.raw, plan.dt);
            light.lids.observe(frame, &face.raw, plan.dt);
            let source = work.shown(face);
            light.registration.advance((source.id(), work.params.shape), plan.dt);
            if relight || face.fresh || !light.lit {
                let skin = &source.view().skin;
                light.measure(frame, face, skin, plan.dt, work.params);
            }
            Ok(())
        })
    }

    /// Draws one face; returns what was written.
    pub(super) fn draw(
        &mut self,
        frame: &mut Frame<'_>,
        face: &Face,
        work: Work<'_>,
        report: &mut Report,
    ) -> Result<Option<Region>, EngineError> {
        let Work { plan, params, .. } = work;
        let drawn = match face.show {
            Show::Bare => return Ok(None),
            Show::Cover(how) => {
                report.held += 1;
                cover(frame, face.cover, how, &mut self.layer, &mut self.pool)
            }
            Show::Swap { .. } | Show::Held => {
                let held = face.show == Show::Held;
                report.held += usize::from(held);
                report.swapped += usize::from(!held);
                if let Some(neural) = self.neural.as_mut().filter(|neural| neural.has(face.track)) {
                    let pasted = neural.paste(frame, face.track, &face.mesh, params, &mut self.pool);
                    return pasted.map_err(EngineError::Panicked);
                }
                let covered = self.hybrid.as_ref().is_some_and(|hybrid| hybrid.covers(face.track));
                let light = self.lights.iter().find(|light| light.track == face.track && light.lit);
                let mut drawn = None;
                if let Some(light) = light.filter(|_| !covered) {
                    let look = Look {
                        view: work.shown(face).view(),
                        gains: &light.gains,
                        usual: &light.usual,
                        worn: &light.worn,
                        lids: &light.lids,
                        occlusion: &light.occlusion,
                        registration: &light.registration,
                        sharpness: light.sharpness,
                        noise: light.noise,
                        coloured: light.coloured,
                        alike: light.alike,
                        time: u64::try_from(plan.time.as_nanos()).unwrap_or(0),
                    };
                    let region = self.swap.draw(frame, &face.mesh, look, params, &mut self.pool);
                    drawn = region.map_err(EngineError::Panicked)?;
                }
                let Some(hybrid) = &mut self.hybrid else { return Ok(drawn) };
                let over = hybrid.draw(frame, face.track, params, &mut self.pool);
                over.map(|region| region.or(drawn))
            }
        };
        drawn.map_err(EngineError::Panicked)
    }

    /// Looks at one of the faces that the mesh engine drew, where it is time to.
    pub(super) fn register(&mut self, frame: &Frame<'_>, work: Work<'_>) -> Result<(), EngineError> {
        let Work { plan, params, .. } = work;
        let Some(landmarker) = self.landmarker.as_ref().filter(|_| params.opacity > SEEN) else {
            return Ok(());
        };
        let apart = |track: u64| {
            self.neural.as_ref().is_some_and(|neural| neural.has(track))
                || self.hybrid.as_ref().is_some_and(|hybrid| hybrid.covers(track))
        };
        let due = self.lights.iter_mut().find_map(|light| {
            let face = plan.of_track(light.track).filter(|face| face.is_swapped() && !apart(face.track))?;
            (light.lit && light.registration.is_due()).then_some((light, face))
        });
        let Some((light, face)) = due else { return Ok(()) };
        light
            .registration
            .look(&face.raw, |mesh| Ok(landmarker.run(frame, CropBox::of_mesh(&face.raw), mesh)? >= 0.0))
    }

    pub(super) fn label(
        &mut self,
        frame: &mut Frame<'_>,
        Work { plan, params, .. }: Work<'_>,
        report: &mut Report,
    ) -> Result<(), EngineError> {
        let linger = self.swapped_at.is_some_and(|at| plan.time.saturating_sub(at) < LINGER);
        if params.label && linger && params.opacity > 0.0 {
            let faces = plan.faces.iter().map(|face| face.rect);
            let drawn = self.label.draw(frame, faces, &mut self.pool).map_err(EngineError::Panicked)?;
            report.regions.extend(drawn);
        }
        Ok(())
    }
}
