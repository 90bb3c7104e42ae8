//! Masks that networks see, by stand-ins.

use std::path::Path;

use gst::prelude::*;

use super::*;
use crate::{
    oracle::{Photo, align, box_mask, gains, occlusion_mask, paste, region_mask, swapped},
    standin::{families, occluder, parser, recognizer, write, write_family},
};

/// What the element makes of the astronaut, against the oracle; the share of the crop that shows.
fn check(folder: &Path, masks: &str, set: impl FnOnce(&gst::Element)) -> f64 {
    let family = &families()[0];
    write_family(family, folder);
    let photo = Photo::open(&astronaut());
    let info = rgb_info(photo.width as u32, photo.height as u32);
    let mut rig = swapping(&info, folder, family.file, |element| {
        element.set_property_from_str("masks", masks);
        set(element);
    });
    let given = rig.pass(stamped(&gst::Buffer::from_slice(photo.rgb.clone()), 0));
    let source = Photo::open(&hopper());
    let gains = gains(family, &[(&source, source_points(&hopper()))]);
    let map = align(family.template, &five(&landmarks(&given)), 128);
    let crop = swapped(&family.swap, &photo, map, 1, gains);
    let mut mask = box_mask(128, 0.3);
    let mut lessen = |by: Vec<f64>| mask.iter_mut().zip(by).for_each(|(to, v)| *to = to.min(v));
    if masks.contains("occlusion") {
        lessen(occlusion_mask(&photo, map, 128));
    }
    if masks.contains("region") {
        lessen(region_mask(&crop, 128));
    }
    let (expected, _) = paste(&photo, map, 128, &crop, &mask);
    let apart = bytes(&given).iter().zip(&expected).map(|(a, b)| a.abs_diff(*b)).max();
    assert!(apart <= Some(1), "{masks}: {apart:?} levels apart");
    mask.iter().sum::<f64>() / mask.len() as f64
}

#[test]
fn what_lies_before_the_face_stays() {
    let folder = folder("occlusion");
    let whole = check(&folder, "box", |_| {});
    write(&occluder(), &folder.join("xseg_1.onnx"));
    let seen = check(&folder, "box+occlusion", |_| {});
    assert!(seen > 0.05 && seen < 0.8 * whole, "{seen} of {whole}");
    // The least of several, here of twice the same.
    let list = format!("{0},{0}", folder.join("xseg_1.onnx").display());
    assert_eq!(check(&folder, "box+occlusion", |element| element.set_property("occluder-file", list)), seen);
}

#[test]
fn what_is_no_part_of_the_face_stays() {
    let folder = folder("region");
    let whole = check(&folder, "box", |_| {});
    write(&parser(), &folder.join("parts.onnx"));
    let name = |element: &gst::Element| {
        element.set_property("parser-file", folder.join("parts.onnx").to_str());
    };
    let seen = check(&folder, "box+region", name);
    assert!(seen > 0.05 && seen < 0.95 * whole, "{seen} of {whole}");
    write(&occluder(), &folder.join("xseg_1.onnx"));
    let both = check(&folder, "box+occlusion+region", name);
    assert!(both < seen, "{both} of {seen}");
}

#[test]
fn mask_networks_that_lack_or_do_not_fit_are_named() {
    let folder = folder("no-masks");
    write_family(&families()[0], &folder);
    let start = |masks: &str, set: &dyn Fn(&gst::Element)| {
        let element = faceswap();
        element.set_property("model-dir", models().to_str());
        element.set_property("source", hopper());
        element.set_property("model-file", folder.join("inswapper_128.onnx").to_str());
        element.set_property_from_str("masks", masks);
        set(&element);
        try_start(&element)
    };
    let text = start("box+occlusion", &|_| {}).unwrap_err();
    assert!(
        text.contains("xseg_1.onnx") && text.contains("occluder-file") && text.contains("licence"),
        "{text}"
    );
    let text = start("region", &|_| {}).unwrap_err();
    assert!(text.contains("bisenet_resnet_34.onnx") && text.contains("parser-file"), "{text}");
    let nowhere = |element: &gst::Element| element.set_property("parser-file", "/nowhere/p.onnx");
    assert!(start("region", &nowhere).unwrap_err().contains("/nowhere/p.onnx"));
    assert_eq!(start("box", &nowhere), Ok(()), "a file that no mask needs");

    write(&recognizer(512), &folder.join("xseg_1.onnx"));
    let mut rig = swapping(&rgb_info(64, 48), &folder, "inswapper_128.onnx", |element| {
        element.set_property_from_str("masks", "occlusion");
    });
    assert!(rig.harness.push(stamped(&gst::Buffer::from_slice(vec![90u8; 64 * 48 * 3]), 0)).is_err());
    let text = rig.complaint();
    assert!(text.contains("does not fit its card `xseg`") && text.contains("256"), "{text}");
}
