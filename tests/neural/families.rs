//! Every family end to end: through the element, on a photo, against the oracle.

use std::sync::atomic::{AtomicUsize, Ordering};

use gst::prelude::*;

use super::*;
use crate::{
    oracle::{Map, Photo, align, box_mask, gains, hull_mask, paste, swapped},
    standin::{Family, Source, Swap, families, write_family},
};

const OVAL: [usize; 36] = [
    10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377, 152, 148, 176,
    149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109,
];

/// What the element makes of the astronaut, and what the oracle does.
pub struct Outcome {
    pub given: Vec<u8>,
    expected: Vec<u8>,
    reached: Vec<bool>,
    pub before: Vec<u8>,
}

fn outcome(family: &Family, boost: usize, area: bool, set: impl FnOnce(&gst::Element)) -> Outcome {
    outcome_on(Photo::open(&astronaut()), family, boost, area, set)
}

fn outcome_on(
    photo: Photo,
    family: &Family,
    boost: usize,
    area: bool,
    set: impl FnOnce(&gst::Element),
) -> Outcome {
    let set = |element: &gst::Element| {
        element.set_property_from_str("masks", if area { "box+area" } else { "box" });
        element.set_property("pixel-boost", (boost * family.swap.size) as u32);
        set(element);
    };
    masked(photo, family, boost, set, |side, map, landmarks| {
        let mut mask = box_mask(side, 0.3);
        if area {
            let area = hull_mask(side, &in_crop(&OVAL, map, landmarks));
            mask.iter_mut().zip(area).for_each(|(mask, area)| *mask = mask.min(area));
        }
        mask
    })
}

/// Some landmarks in the crop that the map takes to the frame.
pub fn in_crop(vertices: &[usize], map: Map, landmarks: &[Point]) -> Vec<(f64, f64)> {
    vertices.iter().map(|&v| map.invert(landmarks[v].x.into(), landmarks[v].y.into())).collect()
}

/// What the element makes of a photo, and what the oracle does with the mask that `mask` gives for a
/// crop of so many pixels a side, which the map takes to the frame that the landmarks lie in.
pub fn masked(
    photo: Photo,
    family: &Family,
    boost: usize,
    set: impl FnOnce(&gst::Element),
    mask: impl FnOnce(usize, Map, &[Point]) -> Vec<f64>,
) -> Outcome {
    static COUNT: AtomicUsize = AtomicUsize::new(0);
    let folder = folder(&format!("family-{}", COUNT.fetch_add(1, Ordering::Relaxed)));
    write_family(family, &folder);
    let info = rgb_info(photo.width as u32, photo.height as u32);
    let mut rig = swapping(&info, &folder, family.file, set);
    let out = rig.pass(stamped(&gst::Buffer::from_slice(photo.rgb.clone()), 0));
    let landmarks = landmarks(&out);
    let side = family.swap.size * boost;
    let map = align(family.template, &five(&landmarks), side);
    let source = Photo::open(&hopper());
    let gains = gains(family, &[(&source, source_points(&hopper()))]);
    let crop = swapped(&family.swap, &photo, map, boost, gains);
    let (expected, reached) = paste(&photo, map, side, &crop, &mask(side, map, &landmarks));
    std::fs::remove_dir_all(&folder).unwrap();
    Outcome { given: bytes(&out), expected, reached, before: photo.rgb }
}

impl Outcome {
    /// The furthest that the two are apart, and the pixels that differ from the photo outside.
    pub fn check(&self, name: &str) {
        let (mut worst, mut outside, mut changed) = (0, 0, 0);
        for (at, &reached) in self.reached.iter().enumerate() {
            for i in 3 * at..3 * at + 3 {
                if reached {
                    worst = worst.max(self.given[i].abs_diff(self.expected[i]));
                    changed += u32::from(self.given[i].abs_diff(self.before[i]) > 8);
                } else {
                    outside += u32::from(self.given[i] != self.before[i]);
                }
            }
        }
        assert!(worst <= 1 && outside == 0, "{name}: {worst} levels apart, {outside} touched outside");
        assert!(changed > 10_000, "{name}: only {changed} values changed");
    }
}

#[test]
fn each_family_gives_what_its_stand_in_should() {
    for family in families() {
        outcome(&family, 1, false, |_| {}).check(family.file);
    }
}

/// The example of `docs/cards.md`, and a network as the text there describes it.
#[test]
fn a_network_of_one_s_own_is_run_as_the_card_beside_it_says() {
    let docs = include_str!("../../docs/cards.md");
    let example = docs.split("\n```toml\n").nth(1).and_then(|rest| rest.split("```").next()).unwrap();
    let own = Family {
        file: "mine_160.onnx",
        swap: Swap {
            size: 160,
            mean: [0.52, 0.45, 0.4],
            std: [0.25, 0.225, 0.2],
            out_mean: 0.4,
            out_std: 0.6,
            source: Source::Vector { gain: 1.0, emap: false },
            half: false,
        },
        unit: true,
        template: "arcface_112_v2",
        converter: None,
        source_template: None,
        card: Some(example),
    };
    assert!(families().iter().all(|family| family.swap.size != 160 && family.template != own.template));
    outcome(&own, 1, false, |_| {}).check("the example of docs/cards.md");
}

#[test]
fn a_face_larger_than_the_network_s_is_averaged() {
    outcome_on(Photo::enlarged(&astronaut(), 4), &families()[0], 1, false, |_| {})
        .check("four pixels in one");
}

#[test]
fn the_area_mask_follows_the_face() {
    outcome(&families()[0], 1, true, |_| {}).check("box+area");
}

#[test]
fn pixel_boost_puts_the_tiles_where_they_came_from() {
    outcome(&families()[0], 3, false, |_| {}).check("boost 3");
    // Rounded down to a multiple of the network's size.
    outcome(&families()[0], 1, false, |element| element.set_property("pixel-boost", 255u32)).check("255");
}

/// inswapper_128 in a folder.
fn inswapper(name: &str) -> std::path::PathBuf {
    let folder = folder(name);
    write_family(&families()[0], &folder);
    folder
}

#[test]
fn several_photos_give_the_mean_of_their_embeddings() {
    let folder = inswapper("several");
    let photo = Photo::open(&astronaut());
    let info = rgb_info(photo.width as u32, photo.height as u32);
    let mut rig = swapping(&info, &folder, "inswapper_128.onnx", |element| {
        element.set_property("source", format!("{},{}", hopper(), astronaut()));
        element.set_property_from_str("masks", "box");
    });
    let out = rig.pass(stamped(&gst::Buffer::from_slice(photo.rgb.clone()), 0));
    let family = &families()[0];
    let map = align(family.template, &five(&landmarks(&out)), 128);
    let first = Photo::open(&hopper());
    let photos = [(&first, source_points(&hopper())), (&photo, source_points(&astronaut()))];
    let crop = swapped(&family.swap, &photo, map, 1, gains(family, &photos));
    let (expected, reached) = paste(&photo, map, 128, &crop, &box_mask(128, 0.3));
    let one = swapped(&family.swap, &photo, map, 1, gains(family, &photos[..1]));
    assert!(crop[64 * 128 + 64] != one[64 * 128 + 64], "both photos give one person");
    let before = photo.rgb.clone();
    Outcome { given: bytes(&out), expected, reached, before }.check("two photos");
}

#[test]
fn every_format_shows_the_same_face_and_keeps_the_rest() {
    let folder = inswapper("formats");
    let (width, height) = (512, 512);
    let swap = |format| {
        let info = info(format, width, height);
        let before = photo_frame(&astronaut(), &info);
        let mut rig = swapping(&info, &folder, "inswapper_128.onnx", |_| {});
        let out = rig.pass(stamped(&before, 0));
        (rgba(&before, &info), rgba(&out, &info))
    };
    let (plain, expected) = swap(VideoFormat::Rgba);
    for format in [VideoFormat::Nv12, VideoFormat::I420, VideoFormat::Yuy2, VideoFormat::Bgr] {
        let (before, given) = swap(format);
        let (mut apart, mut changed) = (0.0, 0u32);
        for i in (0..given.len()).filter(|i| i % 4 != 3) {
            let own = f64::from(given[i]) - f64::from(before[i]);
            let wanted = f64::from(expected[i]) - f64::from(plain[i]);
            if wanted != 0.0 {
                apart += (own - wanted).abs();
                changed += 1;
            }
        }
        let apart = apart / f64::from(changed);
        assert!(changed > 20_000 && apart < 3.0, "{format:?}: {apart:.2} levels over {changed} values");
    }
}

#[test]
fn frames_in_flight_are_swapped_alike() {
    let folder = inswapper("flight");
    let photo = Photo::open(&astronaut());
    let info = rgb_info(photo.width as u32, photo.height as u32);
    let swap = |depth: u32| -> Vec<Vec<u8>> {
        let mut rig = swapping(&info, &folder, "inswapper_128.onnx", |element| {
            element.set_property("max-in-flight", depth);
        });
        for index in 0..4 {
            rig.harness.push(stamped(&gst::Buffer::from_slice(photo.rgb.clone()), index)).unwrap();
        }
        rig.harness.push_event(gst::event::Eos::new());
        std::iter::from_fn(|| rig.harness.try_pull()).map(|buffer| bytes(&buffer)).collect()
    };
    let (one, many) = (swap(0), swap(3));
    assert_eq!((one.len(), many.len()), (4, 4));
    assert!(one == many, "frames in flight look otherwise");
}

#[test]
fn swap_weight_mixes_in_the_face_s_own_identity() {
    for (file, weight) in [("inswapper_128.onnx", 0.0), ("ghost_1_256.onnx", 1.0), ("uniface_256.onnx", 0.0)]
    {
        let family = families().into_iter().find(|family| family.file == file).unwrap();
        let folder = folder(&format!("weight-{file}"));
        write_family(&family, &folder);
        let photo = Photo::open(&astronaut());
        let info = rgb_info(photo.width as u32, photo.height as u32);
        let mut rig = swapping(&info, &folder, file, |element| {
            element.set_property("swap-weight", weight);
            element.set_property_from_str("masks", "box");
        });
        let out = rig.pass(stamped(&gst::Buffer::from_slice(photo.rgb.clone()), 0));
        let points = five(&landmarks(&out));
        let (side, share) = (family.swap.size, 0.35 - 0.7 * weight);
        let source = Photo::open(&hopper());
        let photos = [(&source, source_points(&hopper()))];
        let plain = gains(&family, &photos);
        let gains = oracle::mixed_gains(&family, &photos, Some((share, &photo, points)));
        let moved = (0..3).any(|c| (gains[c] - plain[c]).abs() > 0.01);
        assert_eq!(moved, family.source_template.is_none(), "{file}: {plain:?} became {gains:?}");
        let map = align(family.template, &points, side);
        let crop = swapped(&family.swap, &photo, map, 1, gains);
        let (expected, reached) = paste(&photo, map, side, &crop, &box_mask(side, 0.3));
        let before = photo.rgb.clone();
        Outcome { given: bytes(&out), expected, reached, before }.check(file);
    }
}

#[test]
fn two_people_become_two_others() {
    init();
    let folder = inswapper("map");
    let mut frame = image::RgbImage::from_pixel(1280, 600, image::Rgb([90, 110, 100]));
    for (path, x) in [(hopper(), 40), (astronaut(), 700)] {
        image::imageops::replace(&mut frame, &image::open(path).unwrap().to_rgb8(), x, 0);
    }
    let frame = gst::Buffer::from_slice(frame.into_raw());
    let info = rgb_info(1280, 600);
    let swap = |set: &dyn Fn(&gst::Element)| {
        let mut rig = swapping(&info, &folder, "inswapper_128.onnx", set);
        let out = rig.pass(stamped(&frame, 0));
        let engine = rig.element.property::<gst::Structure>("stats").get::<String>("engine");
        (bytes(&out), engine.unwrap())
    };
    let alone = |who: String, shown: String| {
        swap(&move |element| {
            element.set_property("source", &shown);
            element.set_property("reference", &who);
            element.set_property_from_str("select", "reference");
            // Of the default pack, which can tell the two apart.
            element.set_property("reference-distance", 2.0);
        })
        .0
    };
    let (left, right) = (alone(hopper(), astronaut()), alone(astronaut(), hopper()));
    let (both, engine) = swap(&|element| {
        element.set_property("source", None::<&str>);
        let map = format!("{}={};{}={}", hopper(), astronaut(), astronaut(), hopper());
        element.set_property("face-map", map);
        element.set_property("reference-distance", 2.0);
    });
    assert_eq!(engine, "neural");
    let half = |from: usize, at: &[u8]| -> Vec<u8> {
        (0..600).flat_map(|y| at[y * 3840 + from..][..1920].to_vec()).collect()
    };
    assert!(half(0, &both) == half(0, &left) && half(0, &left) != half(0, &right));
    assert!(half(1920, &both) == half(1920, &right) && half(1920, &left) != half(1920, &right));
}
