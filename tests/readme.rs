//! The README's commands: every block fenced as `sh test` is run as it stands, in a folder that
//! holds `face.jpg` and `in.mp4`.

mod common;

use std::{fs, process::Command};

use common::{Watched as _, astronaut, folder, hopper, library, models, repo};

const README: &str = include_str!("../README.md");

fn blocks() -> Vec<&'static str> {
    README.split("\n```sh test\n").skip(1).map(|rest| rest.split("\n```").next().unwrap()).collect()
}

#[test]
fn commands_run() {
    let scratch = folder("readme");
    fs::copy(library(), scratch.join(library().file_name().unwrap())).unwrap();
    fs::copy(hopper(), scratch.join("face.jpg")).unwrap();
    let run = |script: &str| {
        println!("{script}");
        let output = Command::new("sh")
            .args(["-e", "-c", script])
            .current_dir(&scratch)
            .env("GST_PLUGIN_PATH", &scratch)
            .env("GST_REGISTRY", scratch.join("registry.bin"))
            .env("GST_FACESWAP_MODEL_DIR", models())
            .finish();
        let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{script}\n{text}");
        text.into_owned()
    };
    run(&format!(
        "gst-launch-1.0 filesrc location={} ! pngdec ! imagefreeze num-buffers=12 ! videoconvert ! \
         x264enc speed-preset=ultrafast tune=zerolatency ! h264parse ! mp4mux name=m ! filesink location=in.mp4 \
         audiotestsrc num-buffers=20 ! audioconvert ! avenc_aac ! m.",
        astronaut()
    ));
    let blocks = blocks();
    assert!(blocks.len() >= 3, "{} blocks", blocks.len());
    for block in blocks {
        run(block);
    }
    let out = fs::metadata(scratch.join("out.mp4")).expect("out.mp4");
    assert!(out.len() > 1000);
}

#[test]
fn every_property_is_in_the_table_with_its_default() {
    use gst::prelude::*;
    let element = common::faceswap();
    for property in element.list_properties().iter().filter(|p| p.owner_type() == element.type_()) {
        let row = README.lines().find(|line| line.starts_with(&format!("| `{}` |", property.name())));
        let row = row.unwrap_or_else(|| panic!("the README has no row for {}", property.name()));
        if let Some((_, value)) = glib::EnumValue::from_value(property.default_value()) {
            assert!(row.contains(&format!("**{}**", value.nick())), "{row}");
        }
    }
    let rows = README.lines().skip_while(|line| *line != "## Properties").skip(1);
    for row in rows.take_while(|line| !line.starts_with("## ")).filter(|line| line.starts_with("| `")) {
        let name = row.split('`').nth(1).unwrap();
        assert!(element.find_property(name).is_some(), "the README lists {name}, which is none");
    }
}

#[test]
fn every_make_target_it_names_exists() {
    let makefile = fs::read_to_string(repo().join("Makefile")).unwrap();
    for rest in README.split("`make ").skip(1) {
        let target = rest.split(['`', ' ']).next().unwrap();
        assert!(makefile.contains(&format!("\n{target}:")), "make {target}");
    }
}
