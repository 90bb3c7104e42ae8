//! What a frame's memory and a copy of it cost, made anew each time and taken from a pool.

use anyhow::{Context, Result};
use gst::prelude::*;
use gst_video::{VideoFormat, VideoInfo};

use crate::suite::Suite;

/// Bytes of a page of memory, which the system brings at the first touch.
const PAGE: usize = 4096;

pub fn measure(suite: &mut Suite) -> Result<()> {
    for (width, height) in [(960, 540), (1920, 1080)] {
        let info = VideoInfo::builder(VideoFormat::Nv12, width, height).build()?;
        let size = info.size();
        let pool = pool(&info)?;
        let take = || pool.acquire_buffer(None).expect("an active pool");
        let case = |what: &str| format!("memory-of-a-frame/{width}x{height}/{what}");

        suite.time_of(&case("allocate"), || touched(gst::Buffer::with_size(size).expect("memory")));
        suite.time_of(&case("allocate-from-pool"), || touched(take()));
        let original = gst::Buffer::from_mut_slice(vec![90u8; size]);
        suite.time_of(&case("copy"), || original.copy_deep().expect("memory"));
        let original = original.into_mapped_buffer_readable().expect("memory to read");
        suite.time_of(&case("copy-into-pool"), || {
            let mut buffer = take();
            let exclusive = buffer.get_mut().expect("nobody else has it");
            exclusive.map_writable().expect("memory to write").copy_from_slice(&original);
            buffer
        });
        pool.set_active(false)?;
    }
    Ok(())
}

fn pool(info: &VideoInfo) -> Result<gst::BufferPool> {
    let pool = gst_video::VideoBufferPool::new();
    let mut config = pool.config();
    config.set_params(Some(&info.to_caps()?), info.size() as u32, 2, 0);
    pool.set_config(config).context("a pool of frames")?;
    pool.set_active(true)?;
    Ok(pool.upcast())
}

/// The buffer, a byte of each page written.
fn touched(mut buffer: gst::Buffer) -> gst::Buffer {
    let exclusive = buffer.get_mut().expect("nobody else has it");
    let mut map = exclusive.map_writable().expect("memory to write");
    map.iter_mut().step_by(PAGE).for_each(|byte| *byte = 1);
    drop(map);
    buffer
}
