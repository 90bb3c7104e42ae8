//! Models and cards that reach for more than is theirs.

use std::{fs, os::unix::fs::symlink, path::Path, process::Command};

use gst::prelude::*;
use gst_video::VideoFormat;
use gstfaceswap::models::{ModelError, Role, Search, Session};

use crate::common::*;

/// A field of protobuf that has a length.
fn field(number: u32, bytes: impl AsRef<[u8]>) -> Vec<u8> {
    let mut out = varint((number << 3 | 2).into());
    out.extend(varint(bytes.as_ref().len() as u64));
    out.extend(bytes.as_ref());
    out
}

fn varint(mut value: u64) -> Vec<u8> {
    let mut out = Vec::new();
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
    out
}

fn number(field: u32, value: u64) -> Vec<u8> {
    [varint((field << 3).into()), varint(value)].concat()
}

/// A graph `y = x + w`, or of another operator, whose `w`, four floats, is as `weights` says.
fn model(domain: &str, operator: &str, weights: &[u8]) -> Vec<u8> {
    let dims = field(1, number(1, 4));
    let kind = field(2, field(1, [number(1, 1), field(2, dims)].concat()));
    let value = |name: &str| [field(1, name), kind.clone()].concat();
    let node = [field(1, "x"), field(1, "w"), field(2, "y"), field(4, operator), field(7, domain)].concat();
    let tensor = [number(1, 4), number(2, 1), field(8, "w"), weights.to_vec()].concat();
    let graph =
        [field(1, node), field(2, "g"), field(5, tensor), field(11, value("x")), field(12, value("y"))];
    let opset = |domain: &str| field(8, [field(1, domain), number(2, 13)].concat());
    let mut sets = opset("");
    if !domain.is_empty() {
        sets.extend(opset(domain));
    }
    [number(1, 8), field(7, graph.concat()), sets].concat()
}

fn outside(location: &str) -> Vec<u8> {
    let entry = |key: &str, value: &str| field(13, [field(1, key), field(2, value)].concat());
    [entry("location", location), entry("length", "16"), number(14, 1)].concat()
}

const CARD: &str = r#"
name = "own"
role = "detector"
family = "own"
file = "own.onnx"
licence = "none"
[[input]]
name = "x"
shape = [4]
[[output]]
name = "y"
shape = [4]
"#;

/// A folder with this model in it, and what loading it says.
fn load(folder: &Path, bytes: &[u8]) -> Result<Session, ModelError> {
    let path = folder.join("own.onnx");
    fs::write(&path, bytes).unwrap();
    fs::write(path.with_extension("toml"), CARD).unwrap();
    open(&path)
}

fn open(path: &Path) -> Result<Session, ModelError> {
    let search = Search { model_dir: Some(crate::common::models()), ..Search::default() };
    Session::load(&search.at(Role::Detector, path)?, 1)
}

fn refused(folder: &Path, bytes: &[u8], reason: &str) {
    let says =
        load(folder, bytes).err().unwrap_or_else(|| panic!("taken, not refused: {reason}")).to_string();
    assert!(says.contains("own.onnx") && says.contains(reason), "{says}");
}

#[test]
fn weights_in_other_files_must_lie_in_the_model_s_folder() {
    let folder = folder("trust-outside");
    let (inner, secret) = (folder.join("model"), folder.join("secret.bin"));
    fs::create_dir_all(inner.join("sub")).unwrap();
    fs::write(&secret, [0u8; 16]).unwrap();
    let add = |location: &str| model("", "Add", &outside(location));
    symlink(&secret, inner.join("link.bin")).unwrap();
    symlink(&folder, inner.join("up")).unwrap();
    assert!(Command::new("mkfifo").arg(inner.join("pipe.bin")).status().unwrap().success());
    for location in ["../secret.bin", "sub/../../secret.bin", &secret.display().to_string(), "/dev/zero", ""]
    {
        refused(&inner, &add(location), "leads out of the folder");
    }
    for location in ["link.bin", "up/secret.bin"] {
        refused(&inner, &add(location), "a link that leads out of the folder");
    }
    refused(&inner, &add("pipe.bin"), "no regular file");
    refused(&inner, &add("sub"), "no regular file");
    refused(&inner, &add("none.bin"), "No such file");

    // What is as it should be is taken, and gives the right numbers.
    let weights: Vec<u8> = [1.0f32, 2.0, 3.0, 4.0].iter().flat_map(|v| v.to_le_bytes()).collect();
    for name in ["own.bin", "sub/own.bin"] {
        fs::write(inner.join(name), &weights).unwrap();
        let mut session = load(&inner, &add(name)).unwrap();
        session.input(0, &[4]).unwrap().fill(10.0);
        session.run().unwrap();
        assert_eq!(session.output(0).1, [11.0, 12.0, 13.0, 14.0]);
    }
    // A link to a model finds what lies beside the model itself.
    let linked = folder.join("linked");
    fs::create_dir(&linked).unwrap();
    fs::copy(inner.join("own.toml"), linked.join("own.toml")).unwrap();
    symlink(inner.join("own.onnx"), linked.join("own.onnx")).unwrap();
    symlink(inner.join("sub"), linked.join("sub")).unwrap();
    if let Err(error) = open(&linked.join("own.onnx")) {
        assert!(!error.to_string().contains("folder"), "{error}");
    }
}

#[test]
fn nothing_that_a_model_brings_is_run() {
    let folder = folder("trust-operators");
    let library = folder.join("libown.so");
    fs::copy(crate::common::library(), &library).unwrap();
    let weights = field(9, [0u8; 16]);
    refused(&folder, &model("own.domain", "Own", &weights), "");
    refused(&folder, &model("com.microsoft", "EPContext", &weights), "compiled for one execution provider");
    let maps = fs::read_to_string("/proc/self/maps").unwrap();
    assert!(!maps.contains("libown.so"), "a library beside a model was loaded");
}

#[test]
fn files_that_only_look_like_models_and_cards_are_refused_at_once() {
    let folder = folder("trust-like-models");
    let weights = field(9, [0u8; 16]);
    let good = model("", "Add", &weights);
    load(&folder, &good).unwrap();
    // Half of a model, none at all, and one that nests itself.
    refused(&folder, &good[..good.len() / 2], "damaged");
    refused(&folder, b"", "own.onnx");
    let deep = (0..200).fold(Vec::new(), |graph, _| field(1, field(5, field(6, graph))));
    refused(&folder, &field(7, deep), "nested");
    // Four million nodes of two bytes each.
    refused(&folder, &field(7, [10, 0].repeat(4_000_000)), "own.onnx");
    let sparse = fs::File::create(folder.join("own.onnx")).unwrap();
    sparse.set_len(1 << 41).unwrap();
    let says = open(&folder.join("own.onnx")).unwrap_err().to_string();
    assert!(says.contains("more than"), "{says}");

    let card = folder.join("own.toml");
    fs::write(folder.join("own.onnx"), &good).unwrap();
    for odd in ["/dev/zero", "pipe", "large"] {
        fs::remove_file(&card).unwrap();
        match odd {
            "pipe" => assert!(Command::new("mkfifo").arg(&card).status().unwrap().success()),
            "large" => fs::write(&card, CARD.to_owned() + &"# ".repeat(1 << 20)).unwrap(),
            device => symlink(device, &card).unwrap(),
        }
        let says = open(&folder.join("own.onnx")).unwrap_err().to_string();
        assert!(says.contains("own.toml"), "{odd}: {says}");
    }
}

#[test]
fn a_hostile_network_stops_the_element_with_a_reason() {
    let folder = folder("trust-element");
    let path = folder.join("inswapper_128.onnx");
    fs::write(&path, model("", "Add", &outside("../../etc/passwd"))).unwrap();
    let info = info(VideoFormat::I420, 320, 240);
    let mut rig = Rig::new(&info, |element| {
        element.set_property("model-dir", models().to_str());
        element.set_property("source", hopper());
        element.set_property("recognizer-file", models().join("mobilefacenet.onnx").to_str());
        element.set_property("model-file", path.to_str());
        element.set_property_from_str("engine", "neural");
    });
    let frame = photo_frame(&astronaut(), &info);
    let _ = rig.harness.push(stamped(&frame, 0));
    let says = rig.complaint();
    assert!(says.contains("etc/passwd") && says.contains("leads out of the folder"), "{says}");
}

#[test]
fn a_cache_that_others_can_write_is_refused() {
    use std::os::unix::fs::PermissionsExt;

    let folder = folder("trust-cache");
    let network = folder.join("network.onnx");
    fs::write(&network, model("", "Add", &field(9, [0u8; 16]))).unwrap();
    let start = |cache: &Path| {
        let element = faceswap();
        element.set_property("model-dir", models().to_str());
        element.set_property("source", hopper());
        element.set_property("recognizer-file", models().join("mobilefacenet.onnx").to_str());
        element.set_property("model-file", network.to_str());
        element.set_property("model-cache-dir", cache.to_str());
        try_start(&element)
    };
    let open = folder.join("open");
    fs::create_dir(&open).unwrap();
    fs::set_permissions(&open, fs::Permissions::from_mode(0o777)).unwrap();
    let says = start(&open).unwrap_err();
    assert!(says.contains("open") && says.contains("chmod 700"), "{says}");
    fs::write(folder.join("file"), "").unwrap();
    assert!(start(&folder.join("file")).unwrap_err().contains("model cache folder"));
    let fresh = folder.join("fresh/inner");
    let _ = start(&fresh);
    assert_eq!(fresh.metadata().unwrap().permissions().mode() & 0o777, 0o700);
}
