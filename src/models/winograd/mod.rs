//! 3×3 convolutions of many channels by Winograd's minimal filtering, F(4×4, 3×3): a quarter of the
//! multiplications of the direct sum (Lavin and Gray, "Fast Algorithms for Convolutional Neural
//! Networks", 2016).
//!
//! A tile of 4×4 outputs is Aᵀ[(G g Gᵀ) ⊙ (Bᵀ d B)]A, summed over the input channels. For each of the
//! 36 places of a transformed tile that sum is a matrix product, channels by tiles. Filters are
//! transformed anew in each run, block by block on their way to the product: kept, they would take
//! four times the model's memory.

mod filter;
mod input;
mod output;
mod product;

use std::sync::{Mutex, PoisonError};

/// Outputs a tile's side.
const TILE: usize = 4;
/// Places of a transformed tile's side, and inputs that a tile needs.
const SIDE: usize = TILE + 2;
/// Places of a transformed tile.
const PLACES: usize = SIDE * SIDE;
/// Output channels side by side in the product.
const LANES: usize = 16;
/// Input channels a block: one block of filters and its sums lie in a core's second cache.
const DEPTH: usize = 128;
/// Tiles of a strip at most, but for images so wide that one row of tiles has more.
const STRIP: usize = 128;
/// The transformed inputs of a strip at most, in numbers, where it has more than [`STRIP`] / 2 tiles.
const MOST: usize = 3 << 20;

/// [`LANES`] output channels of a tile or of a filter.
type Lanes = [f32; LANES];

/// Filters of a place, and one more: places that lie a power of two apart would share a cache's lines.
const fn filters_of_place(parts: usize) -> usize {
    DEPTH * parts + 1
}

/// A convolution with stride 1: `batch` × `from` × `height` × `width` to `to` channels.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Convolution {
    pub batch: usize,
    pub from: usize,
    pub to: usize,
    pub height: usize,
    pub width: usize,
    /// Rows and columns of zeros around: top, left, bottom, right; each at most 2.
    pub pads: [usize; 4],
}

/// What is done to the sums.
#[derive(Debug, Clone, Copy)]
pub struct Finish<'a> {
    /// Added to each channel; may be empty.
    pub bias: &'a [f32],
    /// What results below zero are multiplied by: 1 changes nothing, 0 is a rectifier.
    pub alpha: f32,
}

/// Whether this processor multiplies and adds in one step; without, the runtime's own way is faster.
pub(super) fn pays() -> bool {
    #[cfg(target_arch = "x86_64")]
    return is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma");
    #[cfg(not(target_arch = "x86_64"))]
    return cfg!(target_arch = "aarch64");
}

/// Whether there are thirty-two registers of sixteen numbers.
pub(super) fn wide() -> bool {
    #[cfg(target_arch = "x86_64")]
    return is_x86_feature_detected!("avx512f");
    #[cfg(not(target_arch = "x86_64"))]
    return false;
}

/// What tasks work in, to be kept between runs.
#[derive(Debug, Default)]
pub struct Workspace {
    input: Vec<f32>,
    tasks: Mutex<Vec<Task>>,
}

#[derive(Debug, Default)]
struct Task {
    filters: Vec<Lanes>,
    sums: Vec<Lanes>,
    rows: Vec<f32>,
}

/// A strip of whole rows of tiles.
#[derive(Debug, Clone, Copy)]
struct Strip {
    /// The first row of tiles.
    first: usize,
    rows: usize,
    /// Tiles a row.
    columns: usize,
}

impl Strip {
    fn groups(&self, group: usize) -> usize {
        (self.rows * self.columns).div_ceil(group)
    }

    /// A place's inputs, in groups, and some more, as in [`filters_of_place`].
    fn inputs(&self, group: usize) -> usize {
        const PAGE: usize = 4096;
        let bytes = |inputs: usize| inputs * group * size_of::<f32>() % PAGE;
        let mut inputs = self.groups(group) * DEPTH;
        while !(64..160).contains(&bytes(inputs)) {
            inputs += 1;
        }
        inputs
    }
}

impl Convolution {
    /// Height and width of the output.
    pub fn output(&self) -> (usize, usize) {
        let [top, left, bottom, right] = self.pads;
        ((self.height + top + bottom).saturating_sub(2), (self.width + left + right).saturating_sub(2))
    }

    /// `y` = `x` convolved with `filters`, and finished. `filters` are the bytes of 32-bit floats, `to` ×
    /// `from` × 3 × 3, wherever they lie. `spread(n, f)` is to call `f` with each number below `n`, from
    /// any threads.
    ///
    /// # Panics
    /// A slice has another length than these shapes, or there is nothing to compute.
    pub fn run(
        &self,
        x: &[f32],
        filters: &[[u8; 4]],
        finish: Finish<'_>,
        y: &mut [f32],
        workspace: &mut Workspace,
        spread: impl Fn(usize, &(dyn Fn(usize) + Sync)),
    ) {
        if wide() {
            self.run_as::<8, 2>(x, filters, finish, y, workspace, spread);
        } else {
            self.run_as::<6, 1>(x, filters, finish, y, workspace, spread);
        }
    }

    /// [`Convolution::run`] with the sums of `GROUP` tiles of `PARTS` times [`LANES`] output channels in
    /// registers.
    fn run_as<const GROUP: usize, const PARTS: usize>(
        &self,
        x: &[f32],
        filters: &[[u8; 4]],
        finish: Finish<'_>,
        y: &mut [f32],
        workspace: &mut Workspace,
        spread: impl Fn(usize, &(dyn Fn(usize) + Sync)),
    ) {
        let (height, width) = self.output();
        let &Convolution { batch, from, to, .. } = self;
        let image = from * self.height * self.width;
        assert!(batch > 0 && from > 0 && to > 0 && height > 0 && width > 0);
        assert!(x.len() == batch * image && filters.len() == to * from * 9);
        assert!(
            y.len() == batch * to * height * width && (finish.bias.is_empty() || finish.bias.len() == to)
        );
        let (rows, columns) = (height.div_ceil(TILE), width.div_ceil(TILE));
        let most = if PLACES * from * STRIP > MOST { STRIP / 2 } else { STRIP };
        let step = (most / columns).clamp(1, rows);
        let Workspace { input, tasks } = workspace;
        for (x, y) in x.chunks(image).zip(y.chunks_mut(to * height * width)) {
            for first in (0..rows).step_by(step) {
                let strip = Strip { first, rows: step.min(rows - first), columns };
                let block = PLACES * strip.inputs(GROUP);
                input.resize(from.div_ceil(DEPTH) * block * GROUP, 0.0);
                {
                    let blocks: Vec<Mutex<&mut [[f32; GROUP]]>> =
                        input.as_chunks_mut().0.chunks_mut(block).map(Mutex::new).collect();
                    spread(blocks.len(), &|i| {
                        let mut task = take(tasks);
                        let mut to = blocks[i].lock().unwrap_or_else(PoisonError::into_inner);
                        let channels = DEPTH.min(from - i * DEPTH);
                        input::transform(self, x, i * DEPTH, channels, strip, &mut task.rows, &mut to);
                        give(tasks, task);
                    });
                }
                let input: &[[f32; GROUP]] = input.as_chunks().0;
                let planes: Vec<Mutex<&mut [f32]>> =
                    y.chunks_mut(PARTS * LANES * height * width).map(Mutex::new).collect();
                spread(planes.len(), &|i| {
                    let mut task = take(tasks);
                    let mut planes = planes[i].lock().unwrap_or_else(PoisonError::into_inner);
                    self.block::<GROUP, PARTS>(i * PARTS * LANES, strip, input, filters, &mut task);
                    let bias = finish.bias.get(i * PARTS * LANES..).unwrap_or_default();
                    let finish = Finish { bias, ..finish };
                    output::transform::<GROUP, PARTS>(
                        (height, width),
                        strip,
                        &task.sums,
                        finish,
                        &mut planes,
                    );
                    give(tasks, task);
                });
            }
        }
    }

    /// The sums of a block of output channels, from `channel`, over all input channels.
    fn block<const GROUP: usize, const PARTS: usize>(
        &self,
        channel: usize,
        strip: Strip,
        input: &[[f32; GROUP]],
        filters: &[[u8; 4]],
        task: &mut Task,
    ) {
        let groups = strip.groups(GROUP);
        let Task { filters: transformed, sums, .. } = task;
        sums.clear();
        sums.resize(PLACES * groups * PARTS * GROUP, [0.0; LANES]);
        transformed.resize(PLACES * filters_of_place(PARTS), [0.0; LANES]);
        for (i, input) in input.chunks(PLACES * strip.inputs(GROUP)).enumerate() {
            let depth = DEPTH.min(self.from - i * DEPTH);
            filter::transform::<PARTS>(filters, (self.to, self.from), channel, i * DEPTH, depth, transformed);
            product::add::<GROUP, PARTS>(input, transformed, sums, depth);
        }
    }
}

fn take(tasks: &Mutex<Vec<Task>>) -> Task {
    tasks.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
}

fn give(tasks: &Mutex<Vec<Task>>, task: Task) {
    tasks.lock().unwrap_or_else(PoisonError::into_inner).push(task);
}

#[cfg(test)]
mod tests;
