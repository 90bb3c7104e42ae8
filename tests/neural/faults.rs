//! Files that are wrong, missing or changed: what the user is told, and what goes on.

use std::{fs, path::PathBuf};

use gst::prelude::*;
use gstfaceswap::models::{Role, Wanted};

use super::*;
use crate::standin::{
    Family, Source, Swap, broken, converter, families, fragile, inswapper_full, recognizer, swap, write,
    write_family,
};

fn family(file: &str) -> Family {
    families().into_iter().find(|family| family.file == file).unwrap()
}

/// A folder with inswapper_128's stand-in and its recognizer.
fn inswapper(name: &str) -> PathBuf {
    let folder = folder(name);
    write_family(&family("inswapper_128.onnx"), &folder);
    folder
}

fn small() -> gst::Buffer {
    gst::Buffer::from_slice(vec![90u8; 64 * 48 * 3])
}

/// What is said of a network that cannot be used, by an element that starts.
fn complaint_of(folder: &Path, file: &str, set: impl FnOnce(&gst::Element)) -> String {
    let mut rig = swapping(&rgb_info(64, 48), folder, file, set);
    assert!(rig.harness.push(stamped(&small(), 0)).is_err(), "{file} was used");
    rig.complaint()
}

/// What a start fails with.
fn refusal(set: impl FnOnce(&gst::Element)) -> String {
    let element = faceswap();
    element.set_property("model-dir", models().to_str());
    element.set_property("source", hopper());
    set(&element);
    try_start(&element).expect_err("it started")
}

fn says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "no {part:?} in: {text}");
    }
}

#[test]
fn damaged_files_are_refused() {
    let folder = inswapper("damaged");
    let file = folder.join("inswapper_128.onnx");
    let whole = fs::read(&file).unwrap();
    for bytes in [&b"no model at all"[..], &whole[..whole.len() / 2], &[]] {
        fs::write(&file, bytes).unwrap();
        says(
            &complaint_of(&folder, "inswapper_128.onnx", |_| {}),
            &["not a usable ONNX model", "inswapper_128.onnx"],
        );
    }
}

#[test]
fn another_family_s_graph_says_what_differs() {
    let folder = inswapper("other-family");
    fs::rename(folder.join("inswapper_128.onnx"), folder.join("hyperswap_1a_256.onnx")).unwrap();
    let text = complaint_of(&folder, "hyperswap_1a_256.onnx", |_| {});
    says(
        &text,
        &[
            "does not fit its card `hyperswap_256`",
            "[1, 3, 128, 128]",
            "[batch, 3, 256, 256]",
            "give the file its own name back",
            folder.join("hyperswap_1a_256.toml").to_str().unwrap(),
        ],
    );
}

#[test]
fn sixteen_bits_for_thirty_two_are_named() {
    let folder = inswapper("mix-up");
    let spec = Swap { half: true, ..family("inswapper_128.onnx").swap };
    write(&swap(&spec), &folder.join("inswapper_128.onnx"));
    says(
        &complaint_of(&folder, "inswapper_128.onnx", |_| {}),
        &["input `target` is float16, the card says float32"],
    );
}

#[test]
fn a_recognizer_of_another_dimension_is_refused() {
    let folder = inswapper("dimension");
    let chosen = models().join("mobilefacenet.onnx");
    let text = complaint_of(&folder, "inswapper_128.onnx", |element| {
        element.set_property("recognizer-file", chosen.to_str());
    });
    says(&text, &["mobilefacenet.onnx", "gives 192 numbers, and inswapper_128 takes 512", "recognizer-file"]);
    write(&recognizer(256), &folder.join("arcface_w600k_r50.onnx"));
    let text = complaint_of(&folder, "inswapper_128.onnx", |_| {});
    says(&text, &["arcface_w600k_r50.onnx", "[1, 256]", "[batch, 512]"]);
}

#[test]
fn a_missing_emap_is_named() {
    let folder = inswapper("emap");
    let spec = family("inswapper_128.onnx").swap;
    let spec = Swap { source: Source::Vector { gain: 1.0, emap: false }, ..spec };
    write(&swap(&spec), &folder.join("inswapper_128.onnx"));
    says(
        &complaint_of(&folder, "inswapper_128.onnx", |_| {}),
        &[
            "512×512 embedding map as its last initializer",
            "[1]",
            "fetch the file as it was published",
            "a card without emap beside it",
            folder.join("inswapper_128.toml").to_str().unwrap(),
        ],
    );
}

#[test]
fn outputs_that_are_no_numbers_are_refused() {
    let folder = folder("nan");
    let family = family("inswapper_128_fp16.onnx");
    write_family(&family, &folder);
    write(&broken(&family.swap), &folder.join(family.file));
    says(&complaint_of(&folder, family.file, |_| {}), &["inswapper_128_fp16.onnx", "no numbers", "32-bit"]);
}

#[test]
fn a_provider_that_is_not_there_is_an_error() {
    let folder = inswapper("provider");
    for provider in ["cuda", "tensorrt", "coreml", "openvino", "webgpu", "xnnpack"] {
        let text = complaint_of(&folder, "inswapper_128.onnx", |element| {
            element.set_property_from_str("execution-provider", provider);
        });
        says(
            &text,
            &[&format!("execution provider {provider}"), "built without it, it has cpu", "ORT_DYLIB_PATH"],
        );
    }
}

#[test]
fn what_is_missing_is_said_before_anything_loads() {
    let folder = folder("partners");
    let family = family("simswap_256.onnx");
    write(&swap(&family.swap), &folder.join(family.file));
    let start = || refusal(|element| element.set_property("model-file", folder.join(family.file).to_str()));
    says(
        &start(),
        &[
            "arcface_w600k_r50.onnx or w600k_r50.onnx",
            "InsightFace",
            "non-commercial research",
            folder.to_str().unwrap(),
            "put it there, or name one with recognizer-file",
        ],
    );
    write(&recognizer(512), &folder.join("arcface_w600k_r50.onnx"));
    let text = start();
    says(&text, &["crossface_simswap.onnx", "licence: unknown", "put it there"]);
    assert!(!text.contains("-file"), "no property names a converter: {text}");
    write(&converter(0.0), &folder.join("crossface_simswap.onnx"));
    let element = faceswap();
    element.set_property("model-dir", models().to_str());
    element.set_property("source", hopper());
    element.set_property("model-file", folder.join(family.file).to_str());
    assert_eq!(try_start(&element), Ok(()));
    says(
        &refusal(|element| element.set_property("model-file", "/nowhere/x.onnx")),
        &["/nowhere/x.onnx", "no such file"],
    );
    says(&refusal(|element| element.set_property_from_str("engine", "neural")), &["model-file"]);
}

#[test]
fn partners_are_known_by_all_their_names() {
    let (beside, away) = (folder("aliases"), folder("aliases-away"));
    let search = Search {
        model_dir: Some(away.clone()),
        swapper_file: Some(beside.join("inswapper_128.onnx")),
        occluders: Wanted::Usual,
        parser: Wanted::Usual,
        ..Search::default()
    };
    let found = |role, usual: &str| match search.partner(role, &beside.join("inswapper_128.onnx"), usual) {
        Ok(model) => model.path,
        Err(e) => panic!("{e}"),
    };
    for (role, usual, other) in [
        (Role::Recognizer, "arcface_w600k_r50.onnx", "w600k_r50.onnx"),
        (Role::Occluder, "xseg_1.onnx", "xseg_3.onnx"),
        (Role::Parser, "bisenet_resnet_34.onnx", "bisenet_resnet_18.onnx"),
    ] {
        for path in [away.join(other), away.join(usual), beside.join(other), beside.join(usual)] {
            fs::write(&path, "").unwrap();
            assert_eq!(found(role, usual), path);
        }
    }
    let (occluders, parser) = search.masks().unwrap();
    assert_eq!(occluders[0].path, beside.join("xseg_1.onnx"));
    assert_eq!(parser.unwrap().path, beside.join("bisenet_resnet_34.onnx"));

    // What goes by another name is the same network.
    let folder = inswapper("alias");
    let (usual, _) = first_frame(&folder, "inswapper_128.onnx", |_| {});
    fs::rename(folder.join("arcface_w600k_r50.onnx"), folder.join("w600k_r50.onnx")).unwrap();
    let (other, stats) = first_frame(&folder, "inswapper_128.onnx", |_| {});
    assert_eq!(stats.get::<&str>("engine"), Ok("neural"));
    assert!(other == usual, "another recognizer");
}

/// The first swapped frame's pixels, and the statistics.
fn first_frame(folder: &Path, file: &str, set: impl FnOnce(&gst::Element)) -> (Vec<u8>, gst::Structure) {
    let photo = crate::oracle::Photo::open(&astronaut());
    let mut rig = swapping(&rgb_info(photo.width as u32, photo.height as u32), folder, file, set);
    let out = rig.pass(stamped(&gst::Buffer::from_slice(photo.rgb), 0));
    (bytes(&out), rig.element.property("stats"))
}

#[test]
fn renamed_files_are_told_by_their_graph_where_that_tells() {
    let folder = inswapper("renamed");
    let (named, stats) = first_frame(&folder, "inswapper_128.onnx", |_| {});
    assert_eq!(stats.get::<&str>("engine"), Ok("neural"));
    assert_eq!(stats.get::<&str>("execution-provider"), Ok("cpu"));
    fs::rename(folder.join("inswapper_128.onnx"), folder.join("mine.onnx")).unwrap();
    assert!(first_frame(&folder, "mine.onnx", |_| {}).0 == named, "another picture under another name");

    // As a simswap, a ghost, a hififace or a hyperswap: the graph does not tell, nor does that another
    // element plays the same file by a name that does.
    let hyperswap = family("hyperswap_1a_256.onnx");
    let told = self::folder("renamed-told");
    write_family(&hyperswap, &told);
    let photo = crate::oracle::Photo::open(&astronaut());
    let info = rgb_info(photo.width as u32, photo.height as u32);
    let mut playing = swapping(&info, &told, hyperswap.file, |_| {});
    playing.pass(stamped(&gst::Buffer::from_slice(photo.rgb), 0));
    write(&swap(&hyperswap.swap), &folder.join("some.onnx"));
    let text = complaint_of(&folder, "some.onnx", |_| {});
    says(&text, &["fits several cards", "hyperswap_1a_256.onnx", "ghost_1_256.onnx", "some.toml"]);
    fs::copy(repo().join("models/hyperswap_256.toml"), folder.join("some.toml")).unwrap();
    let (by_card, _) = first_frame(&folder, "some.onnx", |_| {});
    fs::rename(folder.join("some.onnx"), folder.join("hyperswap_1a_256.onnx")).unwrap();
    assert!(first_frame(&folder, "hyperswap_1a_256.onnx", |_| {}).0 == by_card);
}

#[test]
fn a_network_of_no_card_says_which_come_nearest_and_why() {
    let folder = inswapper("nearest");
    let vector = Swap { size: 144, ..family("hyperswap_1a_256.onnx").swap };
    write(&swap(&vector), &folder.join("mine.onnx"));
    let target =
        |n: u32| format!("(input `target` float32 [1, 3, 144, 144]: the card says [batch, 3, {n}, {n}]; ");
    let text = complaint_of(&folder, "mine.onnx", |_| {});
    says(
        &text,
        &[
            "no card of a swapper fits it: its inputs are `target`",
            &format!("`inswapper_128`, `inswapper_128_fp16` {}output `output`", target(128)),
            &format!(
                "`hyperswap_256`, `simswap_256`, `ghost_256`, `hififace_unofficial_256` {}",
                target(256)
            ),
            "put a card beside it, named",
            folder.join("mine.toml").to_str().unwrap(),
        ],
    );
    assert!(!text.contains("uniface"), "its source is a picture, so it is further: {text}");
}

#[test]
fn a_network_is_shared_though_the_file_that_it_came_from_is_gone() {
    let (first, second) = (inswapper("gone"), inswapper("there"));
    let photo = crate::oracle::Photo::open(&astronaut());
    let info = rgb_info(photo.width as u32, photo.height as u32);
    let mut playing = swapping(&info, &first, "inswapper_128.onnx", |_| {});
    let buffer = gst::Buffer::from_slice(photo.rgb);
    let shown = bytes(&playing.pass(stamped(&buffer, 0)));
    fs::remove_dir_all(&first).unwrap();
    let (other, _) = first_frame(&second, "inswapper_128.onnx", |_| {});
    assert!(other == shown, "another picture of the same file");
    playing.pass(stamped(&buffer, 1));
}

#[test]
fn a_network_that_fails_on_a_frame_loses_none() {
    let folder = inswapper("fragile");
    let spec = family("inswapper_128.onnx").swap;
    write(&fragile(&spec, 0.6), &folder.join("inswapper_128.onnx"));
    let photo = crate::oracle::Photo::open(&astronaut());
    let bright = crate::trouble::brighter(&photo);
    let info = rgb_info(photo.width as u32, photo.height as u32);
    let mut rig = swapping(&info, &folder, "inswapper_128.onnx", |_| {});
    let frames = [photo.rgb.clone(), bright, photo.rgb];
    for (index, (frame, engine)) in frames.into_iter().zip(["neural", "mesh", "mesh"]).enumerate() {
        let before = gst::Buffer::from_slice(frame);
        let out = rig.pass(stamped(&before, index as u64));
        assert_ne!(bytes(&out), bytes(&before), "frame {index}");
        let mark = gst::meta::CustomMeta::from_buffer(&out, "FaceSwapMarkMeta").unwrap();
        assert_eq!(mark.structure().get::<&str>("engine"), Ok(engine), "frame {index}");
    }
    let text = rig.complaint();
    assert!(text.starts_with("warning"), "{text}");
    says(&text, &["inswapper_128.onnx", "run failed", "the mesh engine swaps from now on"]);
}

#[test]
fn a_file_replaced_on_disk_is_loaded_anew() {
    let folder = inswapper("replaced");
    let (before, _) = first_frame(&folder, "inswapper_128.onnx", |_| {});
    let mut spec = family("inswapper_128.onnx").swap;
    spec.out_mean = 0.25;
    write(&swap(&spec), &folder.join("inswapper_128.onnx"));
    assert!(first_frame(&folder, "inswapper_128.onnx", |_| {}).0 != before, "the old network swaps on");
}

#[test]
fn two_elements_swap_by_two_networks() {
    let (one, two) = (inswapper("two-one"), folder("two-two"));
    let other = family("hyperswap_1a_256.onnx");
    write_family(&other, &two);
    let alone = [first_frame(&one, "inswapper_128.onnx", |_| {}).0, first_frame(&two, other.file, |_| {}).0];
    let photo = crate::oracle::Photo::open(&astronaut());
    let info = rgb_info(photo.width as u32, photo.height as u32);
    let mut rigs =
        [swapping(&info, &one, "inswapper_128.onnx", |_| {}), swapping(&info, &two, other.file, |_| {})];
    for (rig, alone) in rigs.iter_mut().zip(&alone) {
        let out = rig.pass(stamped(&gst::Buffer::from_slice(photo.rgb.clone()), 0));
        assert!(bytes(&out) == *alone);
    }
}

#[test]
fn a_flush_ends_no_network_for_good() {
    let folder = inswapper("flush");
    let photo = crate::oracle::Photo::open(&astronaut());
    let info = rgb_info(photo.width as u32, photo.height as u32);
    let mut rig = swapping(&info, &folder, "inswapper_128.onnx", |_| {});
    for index in 0..3 {
        let out = rig.pass(stamped(&gst::Buffer::from_slice(photo.rgb.clone()), index));
        let mark = gst::meta::CustomMeta::from_buffer(&out, "FaceSwapMarkMeta").unwrap();
        assert_eq!(mark.structure().get::<&str>("engine"), Ok("neural"), "frame {index}");
        assert_eq!(mark.structure().get::<&str>("model"), Ok("inswapper_128"));
        rig.harness.push_event(gst::event::FlushStart::new());
        rig.harness.push_event(gst::event::FlushStop::new(true));
        rig.harness.push_event(gst::event::Segment::new(&gst::FormattedSegment::<gst::ClockTime>::new()));
    }
    assert!(!rig.messages().iter().any(|m| matches!(m.view(), gst::MessageView::Warning(_))));
}

#[test]
fn embeddings_of_photos_are_kept() {
    let folder = inswapper("cache");
    let photo = crate::oracle::Photo::open(&astronaut());
    let info = rgb_info(photo.width as u32, photo.height as u32);
    let mut rig = swapping(&info, &folder, "inswapper_128.onnx", |_| {});
    let mut index = 0;
    let mut frame = |rig: &mut Rig| {
        index += 1;
        rig.pass(stamped(&gst::Buffer::from_slice(photo.rgb.clone()), index));
    };
    let mut looked_up = |rig: &mut Rig| {
        frame(rig);
        let stats = rig.element.property::<gst::Structure>("stats");
        (stats.get::<u64>("cache-hits").unwrap(), stats.get::<u64>("cache-misses").unwrap())
    };
    let (hits, misses) = looked_up(&mut rig);
    assert_eq!(hits + misses, 1);
    for (source, times) in [(astronaut(), 2), (hopper(), 3)] {
        rig.element.set_property("source", source);
        eventually("the next source", || {
            let (hits, misses) = looked_up(&mut rig);
            hits + misses == times
        });
    }
    assert!(looked_up(&mut rig).0 > hits, "the first photo was embedded twice");
}

/// What the folder `embeddings` holds.
fn kept(cache: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(cache.join("embeddings")).into_iter().flatten();
    entries.map(|entry| entry.unwrap().path()).collect()
}

#[test]
fn a_folder_for_what_is_kept_changes_no_picture() {
    let folder = inswapper("kept");
    let cache = folder.join("cache");
    let with = |element: &gst::Element| element.set_property("model-cache-dir", cache.to_str());
    let (plain, _) = first_frame(&folder, "inswapper_128.onnx", |_| {});
    assert!(first_frame(&folder, "inswapper_128.onnx", with).0 == plain);
    let [file] = &kept(&cache)[..] else { panic!("{:?}", kept(&cache)) };
    // Damaged, it is noticed only by a process that has not worked it out.
    fs::write(file, "FSEM").unwrap();
    assert!(first_frame(&folder, "inswapper_128.onnx", with).0 == plain);

    // A place where nothing can be kept is refused before a frame comes.
    fs::remove_dir_all(&cache).unwrap();
    fs::write(&cache, "a file").unwrap();
    let element = crate::common::faceswap();
    element.set_property("model-dir", models().to_str());
    element.set_property("source", hopper());
    element.set_property("model-file", folder.join("inswapper_128.onnx").to_str());
    with(&element);
    let text = crate::common::try_start(&element).unwrap_err();
    says(&text, &["model cache folder", cache.to_str().unwrap()]);
}

#[test]
fn a_provider_s_library_that_is_none_is_named() {
    let folder = inswapper("library");
    fs::write(folder.join("provider.so"), "no library").unwrap();
    for (file, part) in [("provider.so", "it cannot be used"), ("none.so", "check the path")] {
        let path = folder.join(file);
        let text = complaint_of(&folder, "inswapper_128.onnx", |element| {
            element.set_property("execution-provider-library", path.to_str());
        });
        says(&text, &["execution provider library", path.to_str().unwrap(), part]);
    }
}

/// The graph that stands in for timing must be one that ONNX Runtime runs.
#[test]
#[ignore = "half a gigabyte; run it with --ignored"]
fn the_full_size_network_runs() {
    let folder = folder("full");
    write(&inswapper_full(false, false), &folder.join("inswapper_128.onnx"));
    write(&recognizer(512), &folder.join("arcface_w600k_r50.onnx"));
    let (_, stats) = first_frame(&folder, "inswapper_128.onnx", |_| {});
    assert_eq!(stats.get::<&str>("engine"), Ok("neural"));
    fs::remove_dir_all(folder).unwrap();
}

/// Swaps where the cache folder lies on a disk without room.
#[test]
#[ignore = "run by the next, as a process of its own with a disk of its own"]
fn child_on_a_full_disk() {
    let cache = PathBuf::from(std::env::var_os("FULL_DISK").unwrap());
    let folder = inswapper("full-disk");
    let info = rgb_info(320, 240);
    let frame = photo_frame(&astronaut(), &info);
    let mut rig = swapping(&info, &folder, "inswapper_128.onnx", |element| {
        element.set_property("model-cache-dir", cache.to_str());
    });
    for index in 0..3 {
        let out = rig.pass(stamped(&frame, index));
        assert!(gst::meta::CustomMeta::from_buffer(&out, "FaceSwapMarkMeta").is_ok());
    }
    let warnings: Vec<String> =
        rig.messages().iter().filter(|m| m.type_() == gst::MessageType::Warning).map(complaint).collect();
    assert_eq!(warnings.len(), 1, "{warnings:?}");
    says(&warnings[0], &["model-cache-dir", cache.to_str().unwrap(), "No space left"]);
    let embeddings = cache.join("embeddings");
    assert_eq!(fs::read_dir(embeddings).unwrap().count(), 0, "a part lies about");
}

#[test]
fn a_full_disk_stops_nothing() {
    let disk = folder("full-disk-itself");
    // A disk of four pages: the folders fit, and then nothing.
    let script = "mount -t tmpfs -o size=16k,mode=700 full \"$0\" && mkdir -m 700 \"$0/embeddings\" || exit 99; \
        head -c 1M /dev/zero > \"$0/rest\"; exec \"$@\"";
    let run = std::process::Command::new("unshare")
        .args(["--mount", "--map-root-user", "sh", "-c", script])
        .arg(&disk)
        .arg(std::env::current_exe().unwrap())
        .args(["faults::child_on_a_full_disk", "--exact", "--ignored", "--nocapture"])
        .env("FULL_DISK", &disk)
        .finish();
    if matches!(run.status.code(), Some(1 | 99)) && run.stdout.is_empty() {
        println!("NOT TESTED: no disk can be mounted here");
        return;
    }
    let said = said(&run);
    assert!(run.status.success() && said.contains("1 passed"), "{said}");
}
