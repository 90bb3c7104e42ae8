//! Enhancers over swapped faces, by stand-ins.
//!
//! One gives `pixel · gain · ramp + bias` for pixels in 0–1, in places beyond what the output may
//! hold. The gain of each channel is another, the ramp depends on the place in the crop, and with an
//! input `weight` all of it on that.

use std::path::Path;

use gst::prelude::*;
use gstfaceswap::models::onnx::schema::{ModelProto, element};

use super::*;
use crate::{
    oracle::{Map, Photo, align, box_mask, crop, paste},
    standin::{Builder, families, fragile_at, int, not_numbers, ramp, write, write_family},
};

/// A row of the table of enhancers.
#[derive(Debug, Clone, Copy)]
pub struct Enhancer {
    pub file: &'static str,
    pub size: usize,
    pub template: &'static str,
    pub weight: bool,
}

pub const ENHANCERS: [Enhancer; 5] = [
    Enhancer { file: "gfpgan_1.4.onnx", size: 512, template: "ffhq_512", weight: false },
    Enhancer { file: "codeformer.onnx", size: 512, template: "ffhq_512", weight: true },
    Enhancer { file: "gpen_bfr_256.onnx", size: 256, template: "arcface_128", weight: false },
    Enhancer { file: "gpen_bfr_512.onnx", size: 512, template: "ffhq_512", weight: false },
    Enhancer { file: "gpen_bfr_1024.onnx", size: 1024, template: "ffhq_512", weight: false },
];

const GAIN: [f64; 3] = [1.6, 0.8, 0.5];
const BIAS: [f64; 3] = [0.02, 0.05, 0.2];
/// At the weight of the card, 0.5, the gain is 0.9 of what it would be without.
const KEPT: f64 = 0.4;

fn graph(enhancer: Enhancer) -> ModelProto {
    let mut b = Builder::default();
    let size = enhancer.size as i64;
    let input = b.input("input", &[1, 3, size, size]);
    let half = b.floats(&[1], [0.5]);
    let pixel = b.op("Mul", &[&input, &half], vec![]);
    let pixel = b.op("Add", &[&pixel, &half], vec![]);
    let gain = b.floats(&[1, 3, 1, 1], GAIN);
    let mut pixel = b.op("Mul", &[&pixel, &gain], vec![]);
    if enhancer.weight {
        let weight = b.input_of("weight", &[1], element::DOUBLE);
        let weight = b.op("Cast", &[&weight], vec![int("to", element::FLOAT.into())]);
        let kept = b.floats(&[1], [KEPT]);
        let weight = b.op("Add", &[&weight, &kept], vec![]);
        pixel = b.op("Mul", &[&pixel, &weight], vec![]);
    }
    let row = b.floats(&[1, 1, 1, size], (0..enhancer.size).map(|x| ramp(x, 0, enhancer.size)));
    let column = b.floats(&[1, 1, size, 1], (0..enhancer.size).map(|y| ramp(0, y, enhancer.size) - 0.6));
    let place = b.op("Add", &[&row, &column], vec![]);
    let pixel = b.op("Mul", &[&pixel, &place], vec![]);
    let bias = b.floats(&[1, 3, 1, 1], BIAS);
    let pixel = b.op("Add", &[&pixel, &bias], vec![]);
    let pixel = b.op("Sub", &[&pixel, &half], vec![]);
    b.op_to("Div", &[&pixel, &half], vec![], "output");
    b.output("output", &[1, 3, size, size]);
    b.finish("enhancer")
}

/// What a stand-in makes of the crop that `map` takes to the photo, R, G, B (0–255).
pub fn enhanced(enhancer: Enhancer, photo: &Photo, map: Map) -> Vec<[f64; 3]> {
    let side = enhancer.size;
    let strength = if enhancer.weight { 0.5 + KEPT } else { 1.0 };
    let pixel = |at: usize| {
        let (i, j) = (at % side, at / side);
        let rgb = crop(photo, map, i, j);
        std::array::from_fn(|c| {
            let value = rgb[c] / 255.0 * GAIN[c] * strength * ramp(i, j, side) + BIAS[c];
            255.0 * value.clamp(0.0, 1.0)
        })
    };
    (0..side * side).map(pixel).collect()
}

/// A folder with inswapper_128's stand-in and enhancers'.
fn folder_with(name: &str, enhancers: &[Enhancer]) -> std::path::PathBuf {
    let folder = folder(name);
    write_family(&families()[0], &folder);
    for enhancer in enhancers {
        write(&graph(*enhancer), &folder.join(enhancer.file));
    }
    folder
}

fn rig(folder: &Path, photo: &Photo, set: impl FnOnce(&gst::Element)) -> Rig {
    let info = rgb_info(photo.width as u32, photo.height as u32);
    swapping(&info, folder, "inswapper_128.onnx", |element| {
        element.set_property_from_str("masks", "box");
        set(element);
    })
}

fn named(folder: &Path, file: &str) -> impl Fn(&gst::Element) {
    let path = folder.join(file);
    move |element: &gst::Element| element.set_property("enhancer-file", path.to_str())
}

/// The furthest that two pictures are apart, and how many values of the first are not those of a third.
fn apart(given: &[u8], expected: &[u8], before: &[u8]) -> (u8, usize) {
    let worst = given.iter().zip(expected).map(|(a, b)| a.abs_diff(*b)).max();
    (worst.unwrap(), given.iter().zip(before).filter(|(a, b)| a.abs_diff(**b) > 8).count())
}

#[test]
fn each_enhancer_gives_what_its_stand_in_should() {
    let folder = folder_with("enhancers", &ENHANCERS);
    let photo = Photo::open(&astronaut());
    for engine in ["neural", "mesh"] {
        let pass = |set: &dyn Fn(&gst::Element)| {
            let mut rig = rig(&folder, &photo, |element| {
                element.set_property_from_str("engine", engine);
                set(element);
            });
            let out = rig.pass(stamped(&gst::Buffer::from_slice(photo.rgb.clone()), 0));
            (bytes(&out), five(&landmarks(&out)))
        };
        let (plain, points) = pass(&|_| {});
        let swapped = Photo { width: photo.width, height: photo.height, rgb: plain };
        for enhancer in ENHANCERS.iter().take(if engine == "neural" { 5 } else { 1 }) {
            let (given, _) = pass(&named(&folder, enhancer.file));
            let map = align(enhancer.template, &points, enhancer.size);
            let picture = enhanced(*enhancer, &swapped, map);
            let clipped = picture.iter().filter(|rgb| rgb[0] == 255.0).count();
            assert!(clipped > picture.len() / 100, "{}: the output needs no clipping", enhancer.file);
            let mask = box_mask(enhancer.size, 0.3);
            let (expected, _) = paste(&swapped, map, enhancer.size, &picture, &mask);
            let (worst, changed) = apart(&given, &expected, &swapped.rgb);
            assert!(worst <= 1, "{engine}, {}: {worst} levels apart", enhancer.file);
            assert!(changed > 10_000, "{engine}, {}: only {changed} values changed", enhancer.file);
        }
    }
}

/// Mean blue around the nose.
fn blue(rgb: &[u8], width: usize, nose: Point) -> f64 {
    let rows = nose.y as usize - 12..nose.y as usize + 12;
    let columns = nose.x as usize - 12..nose.x as usize + 12;
    let values = rows.flat_map(|y| columns.clone().map(move |x| f64::from(rgb[3 * (y * width + x) + 2])));
    values.sum::<f64>() / 576.0
}

#[test]
fn between_its_runs_the_mesh_carries_what_it_made() {
    let enhancer = ENHANCERS[2];
    let folder = folder_with("interval", &[enhancer]);
    let photo = Photo::open(&astronaut());
    let brighter = brighter(&photo);
    let run = |frames: [&Vec<u8>; 9], set: &dyn Fn(&gst::Element)| -> Vec<(Vec<u8>, f64)> {
        let mut rig = rig(&folder, &photo, |element| {
            element.set_property("enhancer-interval", 5u32);
            set(element);
        });
        let mut pass = |(index, frame): (usize, &Vec<u8>)| {
            let out = rig.pass(stamped(&gst::Buffer::from_slice(frame.clone()), index as u64));
            let nose = five(&landmarks(&out))[2];
            let rgb = bytes(&out);
            let blue = blue(&rgb, photo.width, nose);
            (rgb, blue)
        };
        frames.into_iter().enumerate().map(&mut pass).collect()
    };
    let with = named(&folder, enhancer.file);
    let still = run([&photo.rgb; 9], &with);
    for (index, (frame, _)) in still.iter().enumerate() {
        let off = frame.iter().zip(&still[0].0).map(|(a, b)| f64::from(a.abs_diff(*b))).sum::<f64>();
        let (worst, _) = apart(frame, &still[0].0, &still[0].0);
        assert!(
            worst <= 8 && off / (frame.len() as f64) < 0.05,
            "frame {index} of a still picture: {worst} {off}"
        );
    }
    // Light that comes after a run is added to what it made; the next run takes a share of it only.
    let mut frames = [&brighter; 9];
    frames[0] = &photo.rgb;
    let (swapped, given) = (run(frames, &|_| {}), run(frames, &with));
    let share = |index: usize| (given[index].1 - given[0].1) / (swapped[index].1 - swapped[0].1);
    assert!(swapped[4].1 > swapped[0].1 + 8.0, "the swap follows no light");
    assert!(
        (share(3) - 1.0).abs() < 0.1 && (share(4) - 1.0).abs() < 0.1,
        "carried: {} {}",
        share(3),
        share(4)
    );
    assert!((0.3..0.55).contains(&share(8)), "anew: {}", share(8));
}

#[test]
fn what_is_carried_goes_along_with_the_face() {
    const STEP: (i64, i64) = (4, 2);
    let enhancer = ENHANCERS[2];
    let folder = folder_with("moving", &[enhancer]);
    let photo = image::open(astronaut()).unwrap().to_rgb8();
    let canvas = |index: i64| {
        let mut canvas = image::RgbImage::from_pixel(560, 540, image::Rgb([90, 110, 100]));
        image::imageops::overlay(&mut canvas, &photo, STEP.0 * index, STEP.1 * index);
        Photo { width: 560, height: 540, rgb: canvas.into_raw() }
    };
    let run = |set: &dyn Fn(&gst::Element)| -> Vec<Vec<u8>> {
        let mut rig = rig(&folder, &canvas(0), set);
        let pass = |i: i64| bytes(&rig.pass(stamped(&gst::Buffer::from_slice(canvas(i).rgb), i as u64)));
        (0..6).map(pass).collect()
    };
    let every = |interval: u32| {
        let named = named(&folder, enhancer.file);
        run(&|element| {
            named(element);
            element.set_property("enhancer-interval", interval);
        })
    };
    let (plain, fresh, carried) = (run(&|_| {}), every(1), every(5));
    for index in 1..5 {
        let (mut off, mut stale, mut whole, mut count) = (0.0, 0.0, 0.0, 0.0);
        for (at, value) in fresh[index].iter().enumerate() {
            let apart = |other: &[u8]| f64::from(value.abs_diff(other[at]));
            if apart(&plain[index]) > 8.0 {
                (off, stale) = (off + apart(&carried[index]), stale + apart(&fresh[0]));
                (whole, count) = (whole + apart(&plain[index]), count + 1.0);
            }
        }
        assert!(count > 20_000.0, "frame {index}: only {count} values were enhanced");
        assert!(off < 0.1 * stale.min(whole), "frame {index}: {off} of {stale} and {whole}");
    }
}

/// Levels that are added to a frame: not a cut.
const BRIGHTER: u8 = 24;

fn brighter(photo: &Photo) -> Vec<u8> {
    photo.rgb.iter().map(|v| v.saturating_add(BRIGHTER)).collect()
}

/// Makes an enhancer's stand-in fail on a brighter photo's swapped face, and on nothing else.
fn make_fragile(folder: &Path, photo: &Photo, enhancer: Enhancer) {
    let mean = |rgb: &[u8]| {
        let mut rig = rig(folder, photo, |_| {});
        let out = rig.pass(stamped(&gst::Buffer::from_slice(rgb.to_vec()), 0));
        let map = align(enhancer.template, &five(&landmarks(&out)), enhancer.size);
        let swapped = Photo { width: photo.width, height: photo.height, rgb: bytes(&out) };
        let side = enhancer.size;
        let pixels = (0..side * side).map(|at| crop(&swapped, map, at % side, at / side));
        pixels.map(|rgb| rgb.iter().sum::<f64>()).sum::<f64>() / (3 * side * side) as f64 / 127.5 - 1.0
    };
    let (plain, bright) = (mean(&photo.rgb), mean(&brighter(photo)));
    let reach = 0.5 * (bright - plain);
    assert!(reach > 0.01 && bright + reach < -0.1, "{plain} {bright}");
    let fragile = fragile_at(&graph(enhancer), "input", bright - reach..bright + reach);
    write(&fragile, &folder.join(enhancer.file));
}

#[test]
fn the_first_run_and_every_fifth_look_anew() {
    let enhancer = ENHANCERS[2];
    let folder = folder_with("anew", &[enhancer]);
    let photo = Photo::open(&astronaut());
    // Whoever looks at a brighter frame is heard: the network fails there.
    make_fragile(&folder, &photo, enhancer);
    let brighter = brighter(&photo);
    let warned_at = |interval: u32| -> Option<usize> {
        let mut rig = rig(&folder, &photo, |element| {
            element.set_property("enhancer-interval", interval);
            named(&folder, enhancer.file)(element);
        });
        (0..8).find(|&index| {
            let frame = if index == 0 { photo.rgb.clone() } else { brighter.clone() };
            rig.pass(stamped(&gst::Buffer::from_slice(frame), index as u64));
            rig.messages().iter().any(|m| matches!(m.view(), gst::MessageView::Warning(_)))
        })
    };
    assert_eq!((warned_at(1), warned_at(5), warned_at(300)), (Some(1), Some(5), None));
}

#[test]
fn an_enhancer_that_fails_leaves_the_swap() {
    let enhancer = ENHANCERS[2];
    let folder = folder_with("fragile-enhancer", &[enhancer]);
    let photo = Photo::open(&astronaut());
    make_fragile(&folder, &photo, enhancer);
    let frames = [photo.rgb.clone(), brighter(&photo), photo.rgb.clone()];
    let pass = |set: &dyn Fn(&gst::Element)| -> (Vec<Vec<u8>>, Rig) {
        let mut rig = rig(&folder, &photo, set);
        let out = frames
            .iter()
            .enumerate()
            .map(|(i, frame)| bytes(&rig.pass(stamped(&gst::Buffer::from_slice(frame.clone()), i as u64))));
        (out.collect(), rig)
    };
    let (plain, _) = pass(&|_| {});
    let (given, rig) = pass(&named(&folder, enhancer.file));
    assert!(given[0] != plain[0] && given[1..] == plain[1..]);
    let text = rig.complaint();
    for part in ["warning", "gpen_bfr_256.onnx", "run failed", "faces are not enhanced from now on"] {
        assert!(text.contains(part), "no {part:?} in: {text}");
    }
}

#[test]
fn enhancers_that_lack_or_do_not_fit_are_named() {
    let folder = folder_with("no-enhancer", &[ENHANCERS[0]]);
    let photo = Photo::open(&astronaut());
    let element = faceswap();
    element.set_property("model-dir", models().to_str());
    element.set_property("source", hopper());
    element.set_property("enhancer-file", "/nowhere/gfpgan_1.4.onnx");
    let text = try_start(&element).unwrap_err();
    assert!(
        text.contains("enhancer model /nowhere/gfpgan_1.4.onnx") && text.contains("no such file"),
        "{text}"
    );

    let complaint = |file: &str| {
        let mut rig = rig(&folder, &photo, named(&folder, file));
        assert!(rig.harness.push(stamped(&gst::Buffer::from_slice(photo.rgb.clone()), 0)).is_err(), "{file}");
        rig.complaint()
    };
    // Content of its own: the same under a name that tells is told by that.
    let own = ModelProto { producer_name: "mine".into(), ..graph(ENHANCERS[0]) };
    write(&own, &folder.join("mine.onnx"));
    let text = complaint("mine.onnx");
    assert!(text.contains("fits several cards") && text.contains("gpen_bfr_512.onnx"), "{text}");
    std::fs::copy(folder.join("gfpgan_1.4.onnx"), folder.join("codeformer.onnx")).unwrap();
    let text = complaint("codeformer.onnx");
    assert!(text.contains("input `weight` is missing"), "{text}");
    write(&not_numbers(graph(ENHANCERS[0])), &folder.join("gfpgan_1.4.onnx"));
    let text = complaint("gfpgan_1.4.onnx");
    assert!(text.contains("gfpgan_1.4.onnx") && text.contains("no numbers"), "{text}");
}
