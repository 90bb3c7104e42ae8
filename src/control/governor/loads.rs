//! Loads: shares of the time that a frame has.

/// Frames that loads are averaged over.
pub(super) const FRAMES: usize = 30;

/// The loads of the last frames at one level.
#[derive(Debug, Default)]
pub(super) struct Loads {
    loads: [f32; FRAMES],
    queues: [f32; FRAMES],
    next: usize,
    /// Frames that are known, at most [`FRAMES`].
    pub count: usize,
}

impl Loads {
    pub fn add(&mut self, load: f32, queue: f32) {
        (self.loads[self.next], self.queues[self.next]) = (load, queue);
        self.next = (self.next + 1) % FRAMES;
        self.count = (self.count + 1).min(FRAMES);
    }

    pub fn mean(&self) -> f32 {
        self.loads[..self.count].iter().sum::<f32>() / self.count.max(1) as f32
    }

    pub fn queue(&self) -> f32 {
        self.queues[..self.count].iter().sum::<f32>() / self.count.max(1) as f32
    }

    /// 95th percentile.
    pub fn tail(&self) -> f32 {
        let mut sorted = self.loads;
        let sorted = &mut sorted[..self.count];
        let at = (self.count * 95).div_ceil(100).saturating_sub(1);
        match sorted.is_empty() {
            true => 0.0,
            false => *sorted.select_nth_unstable_by(at, f32::total_cmp).1,
        }
    }
}
