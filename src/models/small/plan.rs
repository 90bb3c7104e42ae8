//! Which buffer holds which image when.

use super::graph::{Graph, Id, MAX_FLOATS};
use super::lanes::LANES;
use super::step::{Scratch, Step};

/// Buffers shared by images that are not needed at the same time.
#[derive(Debug)]
pub(super) struct Plan {
    /// Each image's buffer.
    pub(super) places: Vec<usize>,
    /// Floats of each buffer.
    pub(super) sizes: Vec<usize>,
}

impl Plan {
    /// Fails if the buffers take too much memory.
    pub(super) fn new(graph: &Graph, steps: &[Step]) -> Result<Self, String> {
        let input = graph.input.image;
        let mut plan = Self { places: vec![0; graph.images.len()], sizes: Vec::new() };
        let image = graph.images[input];
        plan.sizes.push(image.height * image.width * image.channels);
        let mut last = vec![None; graph.images.len()];
        for (at, step) in steps.iter().enumerate() {
            for image in step.reads() {
                last[image] = Some(at);
            }
        }
        // These are never given to another image: the caller fills or reads them.
        for kept in graph.outputs.iter().map(|o| o.image).chain([input]) {
            last[kept] = None;
        }
        let mut free: Vec<usize> = Vec::new();
        for (at, step) in steps.iter().enumerate() {
            let floats = step.to.height * step.to.width * step.bias.len() * LANES;
            plan.places[step.output] = plan.take(&mut free, floats);
            let done = step.reads().filter(|&image| last[image] == Some(at)).map(|image| plan.places[image]);
            free.extend(done);
            free.sort_unstable();
            free.dedup();
        }
        let scratch = Scratch::sizes(steps);
        let total = plan.sizes.iter().chain(&scratch).try_fold(0usize, |sum, &size| sum.checked_add(size));
        total.filter(|&total| total <= MAX_FLOATS).ok_or("the activations take too much memory")?;
        Ok(plan)
    }

    /// The free buffer that fits best, grown if need be.
    fn take(&mut self, free: &mut Vec<usize>, floats: usize) -> usize {
        let fits = |&at: &usize| self.sizes[free[at]] >= floats;
        let best = (0..free.len()).filter(fits).min_by_key(|&at| self.sizes[free[at]]);
        match best.or_else(|| (0..free.len()).max_by_key(|&at| self.sizes[free[at]])) {
            Some(at) => {
                let place = free.swap_remove(at);
                self.sizes[place] = self.sizes[place].max(floats);
                place
            }
            None => {
                self.sizes.push(floats);
                self.sizes.len() - 1
            }
        }
    }
}

impl Step {
    /// The images that the step reads.
    pub(super) fn reads(&self) -> impl Iterator<Item = Id> {
        [Some(self.input), self.shortcut.as_ref().map(|s| s.image)].into_iter().flatten()
    }
}
