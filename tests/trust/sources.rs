//! Photos whose names, kinds and contents are meant to harm.

use std::{
    fs,
    os::unix::fs::symlink,
    path::{Path, PathBuf},
    process::Command,
};

use gst::prelude::*;
use gst_video::VideoFormat;

use crate::common::*;

fn rig(source: &str) -> Rig {
    let info = info(VideoFormat::I420, 320, 240);
    Rig::new(&info, |element| {
        element.set_property("model-dir", models().to_str());
        element.set_property("source", source);
        element.set_property("mark", gstfaceswap::element::Mark::Metadata);
    })
}

fn is_swapped(source: &str) -> bool {
    let mut rig = rig(source);
    let frame = photo_frame(&astronaut(), &rig.info);
    let out = rig.pass(stamped(&frame, 0));
    gst::meta::CustomMeta::from_buffer(&out, "FaceSwapMarkMeta").is_ok()
}

/// What the user is told; no frame comes out.
fn refusal(source: &Path) -> String {
    let mut rig = rig(&source.display().to_string().replace(',', "\\,"));
    let frame = photo_frame(&astronaut(), &rig.info);
    assert!(rig.harness.push(stamped(&frame, 0)).is_err(), "{}", source.display());
    assert_eq!(rig.harness.buffers_received(), 0);
    rig.complaint()
}

#[test]
fn odd_names_are_only_names() {
    let folder = folder("trust names").join("ünï ✓;$(touch x)`id`");
    fs::create_dir_all(&folder).unwrap();
    let photo = folder.join("Doe, Jane %41 '\"*?[a].jpg");
    fs::copy(hopper(), &photo).unwrap();
    let text = photo.display().to_string();
    assert!(is_swapped(&text.replace(',', "\\,")), "{text}");
    let escaped: String = text
        .bytes()
        .map(|b| {
            if b.is_ascii_alphanumeric() || b == b'/' {
                char::from(b).to_string()
            } else {
                format!("%{b:02X}")
            }
        })
        .collect();
    assert!(is_swapped(&format!("file://{escaped}")), "{escaped}");
    assert!(is_swapped(&format!("file://localhost{escaped}")), "{escaped}");
    // A pattern is no pattern.
    let missing = |source: &str| {
        let element = faceswap();
        element.set_property("model-dir", models().to_str());
        element.set_property("source", source);
        try_start(&element).unwrap_err()
    };
    let star = missing(&folder.join("*.jpg").display().to_string());
    assert!(star.contains("*.jpg: no such file"), "{star}");
    let zero = missing("file:///a%00b.jpg");
    assert!(zero.contains("a%00b.jpg: no such file"), "{zero}");
}

#[test]
fn what_is_no_file_is_refused_and_nothing_waits_for_it() {
    let folder = folder("trust-kinds");
    let (pipe, ring, empty) = (folder.join("pipe.jpg"), folder.join("ring.jpg"), folder.join("empty"));
    assert!(Command::new("mkfifo").arg(&pipe).status().unwrap().success());
    symlink(&ring, &ring).unwrap();
    fs::create_dir(&empty).unwrap();
    symlink(&folder, empty.join("up.jpg")).unwrap();
    symlink("/dev/zero", empty.join("zero.jpg")).unwrap();
    symlink(&pipe, empty.join("pipe.jpg")).unwrap();
    let told: [(PathBuf, &str); 5] = [
        (pipe, "neither a file nor a folder"),
        ("/dev/zero".into(), "neither a file nor a folder"),
        (ring, "cannot be read"),
        (empty, "holds no image"),
        ("/proc/self/mem".into(), "source image /proc/self/mem"),
    ];
    for (path, reason) in told {
        let says = refusal(&path);
        assert!(says.starts_with("error") && says.contains(reason), "{}: {says}", path.display());
    }
}

/// Most memory that this process had, in MiB.
fn peak() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmHWM")).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<u64>().unwrap() / 1024
}

/// A chunk of a PNG.
fn chunk(kind: &[u8; 4], data: &[u8]) -> Vec<u8> {
    let body = [&kind[..], data].concat();
    let crc = !body.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(
            crc ^ u32::from(*byte),
            |crc, _| if crc & 1 == 1 { crc >> 1 ^ 0xedb8_8320 } else { crc >> 1 },
        )
    });
    [&(data.len() as u32).to_be_bytes()[..], &body, &crc.to_be_bytes()].concat()
}

fn png(width: u32, height: u32, chunks: &[Vec<u8>]) -> Vec<u8> {
    let size = [width.to_be_bytes(), height.to_be_bytes()].concat();
    let header = chunk(b"IHDR", &[&size[..], &[16, 6, 0, 0, 0]].concat());
    [b"\x89PNG\r\n\x1a\n".to_vec(), header, chunks.concat(), chunk(b"IEND", b"")].concat()
}

#[test]
fn bombs_are_refused_before_they_take_memory() {
    let folder = folder("trust-bombs");
    let gif = [b"GIF89a\xff\xff\xff\xff\x80\0\0".to_vec(), vec![0; 64]].concat();
    let bmp = {
        let mut header = b"BM\0\0\0\0\0\0\0\0\x36\0\0\0\x28\0\0\0".to_vec();
        header.extend([200_000i32.to_le_bytes(), 200_000i32.to_le_bytes()].concat());
        header.extend([1, 0, 24, 0]);
        header.resize(64, 0);
        header
    };
    // Says little in its header, and unpacks to a gigabyte of profile: stored blocks would need that
    // much here, so the text is what it claims to be only by length.
    let profile = chunk(b"iCCP", &[b"p\0\0".to_vec(), vec![0x78, 0x9c, 0xff]].concat());
    let bombs = [
        ("huge.png", png(60_000, 60_000, &[chunk(b"IDAT", b"")]), "megapixels"),
        ("wide.png", png(2_000_000_000, 1, &[chunk(b"IDAT", b"")]), "megapixels"),
        ("deep.png", png(12_000, 12_000, &[chunk(b"IDAT", b"")]), "megapixels"),
        ("profile.png", png(100, 100, &[profile]), "not a readable image"),
        ("empty.png", png(0, 0, &[]), "not a readable image"),
        ("screen.gif", gif, "megapixels"),
        ("huge.bmp", bmp, "not a readable image"),
    ];
    // Whatever the models take is taken before.
    assert!(is_swapped(&hopper()));
    let before = peak();
    for (name, bytes, reason) in bombs {
        let path = folder.join(name);
        fs::write(&path, bytes).unwrap();
        let says = refusal(&path);
        assert!(says.contains(name), "{says}");
        assert!(says.contains(reason) || says.contains("not a readable image"), "{name}: {says}");
    }
    // A file of a terabyte that takes no room on the disk.
    let sparse = folder.join("sparse.jpg");
    fs::File::create(&sparse).unwrap().set_len(1 << 40).unwrap();
    let says = refusal(&sparse);
    assert!(says.contains("more than"), "{says}");
    assert!(peak() < before + 300, "{before} MiB became {} MiB", peak());
}
