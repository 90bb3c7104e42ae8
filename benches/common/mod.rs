//! Shared by the benchmarks and `examples/benchmark`: frames with faces, an element that is fed
//! with them, an allocation counter, and what the system says of this process.
#![allow(dead_code, unused_imports)]

mod allocations;
mod alone;
mod bed;
mod frames;
mod process;

pub use allocations::{Counting, allocated};
pub use alone::Alone;
pub use bed::{Bed, Flow, element};
pub use frames::{convert, crowd, nv12, photo, pictures};
pub use process::{Memory, memory, processor_time};

use std::time::Duration;

pub fn ms(time: Duration) -> f64 {
    1e3 * time.as_secs_f64()
}

/// The middle of the values; of none, NaN.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}
