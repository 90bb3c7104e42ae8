//! A pool of frames that counts those that it had to make anew.

use std::sync::{
    Arc, OnceLock,
    atomic::{AtomicU64, Ordering},
};

use gst::{prelude::*, subclass::prelude::*};

/// What pools of one element could not give: things made because none was left.
pub(super) type Misses = Arc<AtomicU64>;

mod imp {
    use super::*;

    #[derive(Debug, Default)]
    pub struct FramePool {
        /// Told of, once the first frames are there.
        pub(super) misses: OnceLock<Misses>,
    }

    #[glib::object_subclass]
    impl ObjectSubclass for FramePool {
        const NAME: &'static str = "GstFaceSwapFramePool";
        type Type = super::FramePool;
        type ParentType = gst::BufferPool;
    }

    impl ObjectImpl for FramePool {}
    impl GstObjectImpl for FramePool {}

    impl BufferPoolImpl for FramePool {
        fn alloc_buffer(
            &self,
            params: Option<&gst::BufferPoolAcquireParams>,
        ) -> Result<gst::Buffer, gst::FlowError> {
            if let Some(misses) = self.misses.get() {
                misses.fetch_add(1, Ordering::Relaxed);
            }
            self.parent_alloc_buffer(params)
        }
    }
}

glib::wrapper! {
    /// A pool of frames.
    pub struct FramePool(ObjectSubclass<imp::FramePool>) @extends gst::BufferPool, gst::Object;
}

/// A pool with memory for `frames` of these caps; it grows as far as the pipeline holds more back.
///
/// # Errors
/// No memory.
pub(super) fn frames(
    info: &gst_video::VideoInfo,
    frames: usize,
    misses: &Misses,
) -> Result<gst::BufferPool, glib::BoolError> {
    let caps = info.to_caps()?;
    let pool: FramePool = glib::Object::new();
    let mut config = pool.config();
    config.set_params(Some(&caps), info.size() as u32, frames as u32, 0);
    pool.set_config(config)?;
    pool.set_active(true)?;
    let _ = pool.imp().misses.set(misses.clone());
    Ok(pool.upcast())
}
