//! See [`crate::fuzzing`].

use arbitrary::{Result, Unstructured};
use glib::prelude::*;

use super::{
    frame::{FORMATS, Layout},
    pool,
    settings::{Settings, specs},
};

/// Caps of any size and mode, and buffers that do or do not fit them, with planes wherever a meta says.
pub fn caps(data: &[u8]) {
    gst::init().expect("GStreamer");
    let _ = run(&mut Unstructured::new(data));
}

fn run(u: &mut Unstructured<'_>) -> Result<()> {
    let format = match u.arbitrary::<u8>()? {
        0..=239 => *u.choose(&FORMATS)?,
        _ => *u.choose(&[
            gst_video::VideoFormat::Gray8,
            gst_video::VideoFormat::Nv21,
            gst_video::VideoFormat::V210,
        ])?,
    };
    let side = |u: &mut Unstructured<'_>| {
        if u.ratio(9, 10)? { u.int_in_range(1..=64) } else { u.int_in_range(0..=32_767) }
    };
    let (width, height) = (side(u)?, side(u)?);
    let mode = *u.choose(&[
        gst_video::VideoInterlaceMode::Progressive,
        gst_video::VideoInterlaceMode::Interleaved,
        gst_video::VideoInterlaceMode::Mixed,
        gst_video::VideoInterlaceMode::Alternate,
    ])?;
    let rate = gst::Fraction::new(u.int_in_range(0..=300)?, u.int_in_range(1..=1001)?);
    let info = gst_video::VideoInfo::builder(format, width, height).interlace_mode(mode).fps(rate).build();
    let Ok(info) = info else { return Ok(()) };
    let Ok(layout) = Layout::new(&info) else { return Ok(()) };
    let _ = layout.frame_duration();
    if info.size() > 1 << 22 {
        return Ok(());
    }
    let bytes = match u.arbitrary::<u8>()? {
        0..=199 => info.size(),
        200..=229 => info.size().saturating_sub(usize::from(u.arbitrary::<u8>()?)),
        _ => info.size() + usize::from(u.arbitrary::<u16>()?),
    };
    // Sometimes in two memories, the cut anywhere.
    let mut buffer = gst::Buffer::new();
    let cut = if u.ratio(1, 4)? { u.int_in_range(0..=bytes)? } else { 0 };
    let target = buffer.make_mut();
    for part in [cut, bytes - cut] {
        if part > 0 {
            target.append_memory(gst::Memory::from_mut_slice(vec![0x55u8; part]));
        }
    }
    if u.ratio(2, 3)? {
        let planes = info.n_planes() as usize;
        let (mut offsets, mut strides) = (info.offset().to_vec(), info.stride().to_vec());
        for _ in 0..u.int_in_range(0..=3)? {
            let plane = u.int_in_range(0..=planes - 1)?;
            if u.arbitrary()? {
                offsets[plane] = if u.arbitrary()? { u.int_in_range(0..=bytes)? } else { u.arbitrary()? };
            } else {
                strides[plane] = if u.arbitrary()? { u.int_in_range(-300..=300)? } else { u.arbitrary()? };
            }
        }
        // Refused by the bindings where it is absurd; then there is no meta.
        let _ = gst_video::VideoMeta::add_full(
            target,
            gst_video::VideoFrameFlags::empty(),
            format,
            width,
            height,
            &offsets[..planes],
            &strides[..planes],
        );
    }
    let seen = layout.view(target, |frame| {
        let (width, height) = (frame.width(), frame.height());
        crate::engine::fuzzing::touch(frame);
        (width, height)
    });
    if let Ok(seen) = seen {
        assert_eq!(seen, (width as usize, height as usize));
        let pool = pool::frames(&info, 1, &Default::default()).expect("a pool");
        let _ = layout.copy(target, &pool);
        let _ = gst::prelude::BufferPoolExt::set_active(&pool, false);
    }
    Ok(())
}

/// The text properties, with any text.
pub fn properties(data: &[u8]) {
    let mut settings = Settings::default();
    let mut u = Unstructured::new(data);
    let specs = specs();
    let texts: Vec<&str> =
        specs.iter().filter(|s| s.value_type() == glib::Type::STRING).map(|s| s.name()).collect();
    while let (Ok(name), Ok(text)) = (u.choose(&texts), u.arbitrary::<&str>()) {
        let text = text.replace('\0', "");
        let before = settings.get(name).and_then(|v| v.get::<Option<String>>().ok()).flatten();
        match settings.set(name, &text.to_value()) {
            Ok(()) => {}
            Err(error) => {
                assert!(!error.is_empty());
                assert_eq!(settings.get(name).and_then(|v| v.get::<Option<String>>().ok()).flatten(), before);
            }
        }
        let _ = (settings.photos(), settings.is_wanted(), settings.search(), settings.neural());
        assert!(settings.params.mask_padding.iter().all(|v| (0.0..=100.0).contains(v)));
        if u.is_empty() {
            break;
        }
    }
}
