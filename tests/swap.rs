//! `examples/swap` as a user runs it, judged by FFmpeg, which shares no code with what wrote the files.

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Child, Command, Output, Stdio},
    sync::OnceLock,
    thread,
    time::Duration,
};

use image::{ImageDecoder, ImageEncoder, ImageReader, codecs::webp::WebPEncoder};

use common::{
    Watched as _, astronaut, example,
    film::{clip, ffmpeg, packets, pictures, probe, seconds, short_clip, times, tool},
    folder, hopper, models, repo,
};

fn swap(arguments: &str) -> Command {
    let mut command = Command::new(example("swap"));
    command.args(["--source", &hopper()]);
    if arguments.contains("x264enc") {
        command.args(["--encoder-option", "speed-preset=ultrafast"]);
    }
    command.args(arguments.split_whitespace()).env("GST_FACESWAP_MODEL_DIR", models());
    command.stderr(Stdio::piped()).stdout(Stdio::piped());
    command
}

const X264: &str = "--video-encoder x264enc --segment 4";

fn ends(output: &Output, code: i32) -> String {
    let said = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(code), "{said}");
    assert!(!said.contains("CRITICAL") && !said.contains("panicked"), "{said}");
    said.into_owned()
}

fn run(target: &Path, output: &Path, more: &str, code: i32) -> String {
    let line = format!("-t {} -o {} {more}", target.display(), output.display());
    ends(&swap(&line).finish(), code)
}

/// Waits until so many segments are finished, not longer than a minute.
fn until_parts(child: &mut Child, output: &Path, count: usize) {
    let folder = output.with_extension("mp4.parts");
    for _ in 0..6000 {
        let parts = fs::read_dir(&folder).into_iter().flatten().flatten();
        if parts.filter(|entry| entry.path().extension().is_some_and(|e| e == "part")).count() >= count {
            return;
        }
        if let Some(status) = child.try_wait().unwrap() {
            panic!("it ended before: {status}");
        }
        thread::sleep(Duration::from_millis(10));
    }
    panic!("{count} parts did not come within a minute");
}

/// The thirty seconds swapped in one unbroken run, and what that printed.
fn whole() -> &'static (PathBuf, String) {
    static WHOLE: OnceLock<(PathBuf, String)> = OnceLock::new();
    WHOLE.get_or_init(|| {
        let out = folder("swap-whole").join("out.mp4");
        let said = run(clip(), &out, &format!("{X264} --enable-monitoring"), 0);
        (out, said)
    })
}

#[test]
fn a_clip_keeps_its_frames_its_length_and_every_byte_of_its_sound() {
    let (out, said) = whole();
    assert!(said.contains("out.mp4") && said.contains("frames/s"), "{said}");

    let (before, after) = (packets(clip(), "a"), packets(out, "a"));
    assert!(before.len() > 1200, "{}", before.len());
    assert!(before == after, "{} packets of sound became {}", before.len(), after.len());
    assert_eq!(times(clip()).len(), 750);
    assert_eq!(times(out), times(clip()));
    let lengths = "-show_entries format=duration:stream=duration,nb_frames,width,height,r_frame_rate";
    assert_eq!(probe(out, lengths), probe(clip(), lengths));
    let tags = probe(out, "-show_entries format_tags=comment");
    assert!(tags[0].contains("Synthetic media"), "{tags:?}");
    assert_ne!(pictures(out), pictures(clip()));
    let row = said.lines().rev().find(|line| line.contains("out.mp4 ")).unwrap();
    assert_eq!(row.split_whitespace().collect::<Vec<_>>()[1..3], ["750", "750"], "{row}");
}

#[test]
fn killed_at_half_it_leaves_no_file_and_goes_on_to_the_same_result() {
    let scratch = folder("swap-killed");
    let (whole, out) = (&whole().0, scratch.join("out.mp4"));

    let line = format!("-t {} -o {} {X264}", clip().display(), out.display());
    let mut child = swap(&line).spawn().unwrap();
    until_parts(&mut child, &out, 3);
    child.kill().unwrap();
    child.wait().unwrap();
    assert!(!out.exists(), "a half-written file under the final name");

    let said = run(clip(), &out, X264, 7);
    assert!(said.contains("--resume") && said.contains("--force"), "{said}");
    let said = run(clip(), &out, &format!("{X264} --resume --set opacity=0.5"), 7);
    assert!(said.contains("another"), "{said}");
    run(clip(), &out, &format!("{X264} --resume"), 0);
    assert_eq!(pictures(&out), pictures(whole));
    assert_eq!(packets(&out, "a"), packets(whole, "a"));
    assert_eq!(times(&out), times(whole));
    assert!(!scratch.join("out.mp4.parts").exists());
    assert_eq!(fs::read_dir(&scratch).unwrap().count(), 1);
}

#[cfg(unix)]
#[test]
fn interrupted_it_finishes_a_shorter_file_and_can_go_on() {
    const SHORT: &str = "--video-encoder x264enc --segment 2";
    let (scratch, clip) = (folder("swap-interrupted"), short_clip());
    let out = scratch.join("out.mp4");
    let line = format!("-t {} -o {} {SHORT}", clip.display(), out.display());
    let mut child = swap(&line).spawn().unwrap();
    until_parts(&mut child, &out, 2);
    tool("kill", &format!("-INT {}", child.id()));
    let said = ends(&child.wait_with_output().unwrap(), 130);
    assert!(said.contains("out.partial.mp4") && said.contains("--resume"), "{said}");
    assert!(!out.exists());

    let shorter = times(&scratch.join("out.partial.mp4"));
    assert!(shorter.len() >= 100 && shorter.len() < 250, "{}", shorter.len());
    let expected: Vec<f64> = times(clip).iter().take(shorter.len()).map(|line| seconds(line)).collect();
    let shown: Vec<f64> = shorter.iter().map(|line| seconds(line)).collect();
    assert!(shown.iter().zip(&expected).all(|(a, b)| (a - b).abs() < 1e-3), "{shown:?}");
    run(clip, &out, &format!("{SHORT} --resume"), 0);
    assert_eq!(times(&out), times(clip));
}

/// Two seconds of the clip in another form.
fn short(name: &str, how: &str) -> PathBuf {
    let file = folder(name).join(name.replace("-dot-", "."));
    ffmpeg(&format!("-i {} -t 2 {how} {}", short_clip().display(), file.display()));
    file
}

#[test]
fn the_demo_keeps_the_sound_of_a_video_of_the_user_s() {
    let film = short("film-dot-mp4", "-c copy");
    let out = film.with_file_name("demo");
    // The demo looks for the program beside itself.
    example("swap");
    let mut demo = Command::new(example("demo"));
    demo.args(["--source", &hopper(), "--video"]).arg(&film).arg("--out").arg(&out);
    let said = ends(&demo.env("GST_FACESWAP_MODEL_DIR", models()).finish(), 0);
    let result = out.join("out.mp4");
    assert!(said.contains("out.mp4") && said.contains("before-after.png"), "{said}");
    assert_eq!(packets(&result, "a"), packets(&film, "a"));
    assert_eq!(times(&result), times(&film));
    assert!(image::open(out.join("before-after.png")).unwrap().width() > 640);
}

#[test]
fn uneven_times_are_kept() {
    let vfr = short("vfr-dot-mp4", "-vf select=mod(n-3\\,7) -fps_mode vfr -c:v libx264 -g 12 -c:a copy");
    let out = vfr.with_file_name("out.mp4");
    run(&vfr, &out, "--video-encoder x264enc --segment 0.5", 0);
    let (before, after) = (times(&vfr), times(&out));
    let uneven = before.windows(2).any(|pair| seconds(&pair[1]) - seconds(&pair[0]) > 0.07);
    assert!(before.len() > 40 && uneven, "{before:?}");
    let shown = |times: &[String]| times.iter().map(|line| seconds(line)).collect::<Vec<_>>();
    assert_eq!(shown(&before), shown(&after));
    assert_eq!(packets(&out, "a"), packets(&vfr, "a"));
}

#[test]
fn a_turned_picture_is_swapped_upright_and_stays_turned() {
    // The face lies on its side in the stored picture, as a phone held upright stores it.
    let lying = short("lying-dot-mp4", "-vf transpose=2 -c:v libx264 -c:a copy");
    let turned = lying.with_file_name("turned.mp4");
    ffmpeg(&format!("-i {} -c copy -metadata:s:v:0 rotate=90 {}", lying.display(), turned.display()));
    let out = lying.with_file_name("out.mp4");
    let said = run(&turned, &out, "--video-encoder x264enc", 0);
    assert!(said.contains(" 50 ") && !said.contains("no face"), "{said}");
    let turn = "-select_streams v -show_entries stream=width,height:stream_side_data=rotation";
    assert_eq!(probe(&out, turn), probe(&turned, turn));
    assert!(probe(&out, turn).iter().any(|line| line.contains("90")), "{:?}", probe(&out, turn));
}

#[test]
fn matroska_keeps_sound_and_subtitles_and_webm_is_written() {
    let scratch = folder("swap-matroska");
    let text = scratch.join("in.srt");
    fs::write(&text, "1\n00:00:00,500 --> 00:00:01,500\nTom & \"Jerry\" > all\n").unwrap();
    let (film, out) = (scratch.join("in.mkv"), scratch.join("out.mkv"));
    let how = "-t 2 -c:v copy -c:a libopus -c:s srt";
    ffmpeg(&format!("-i {} -i {} {how} {}", short_clip().display(), text.display(), film.display()));
    run(&film, &out, "--video-encoder x264enc", 0);
    for kind in ["a", "s"] {
        let (before, after) = (packets(&film, kind), packets(&out, kind));
        assert!(!before.is_empty() && before == after, "{before:?} became {after:?}");
    }

    let webm = scratch.join("out.webm");
    let said = run(&film, &webm, "", 0);
    assert!(!said.contains("warning"), "{said}");
    assert_eq!((packets(&webm, "v").len(), packets(&webm, "a")), (times(&film).len(), packets(&film, "a")));
}

#[test]
fn a_part_of_a_video_pictures_and_folders() {
    let scratch = folder("swap-folder");
    let (films, results) = (scratch.join("films"), scratch.join("results"));
    fs::create_dir_all(&films).unwrap();
    ffmpeg(&format!("-i {} -t 2 -c copy {}", short_clip().display(), films.join("a.mp4").display()));
    fs::copy(astronaut(), films.join("b.png")).unwrap();
    fs::write(films.join("c.mp4"), "no video").unwrap();
    let said = run(&films, &results, "--start 0.5 --end 1.5 --video-encoder x264enc", 4);
    assert!(said.contains("c.mp4") && said.contains("not all targets"), "{said}");
    assert_eq!(times(&results.join("a.mp4")).len(), 25);
    let (before, after) = (image::open(astronaut()).unwrap(), image::open(results.join("b.png")).unwrap());
    assert_eq!((before.width(), before.height()), (after.width(), after.height()));
    assert_ne!(before.to_rgb8(), after.to_rgb8());
    assert!(!results.join("c.mp4").exists());
}

#[test]
fn pictures_say_what_they_are() {
    let scratch = folder("swap-pictures");
    let photo = image::open(astronaut()).unwrap().to_rgb8();
    let profile = vec![7; 300];
    for name in ["a.png", "b.jpg", "c.webp", "d.bmp"] {
        let (target, output) = (scratch.join(name), scratch.join(format!("out-{name}")));
        match name {
            "c.webp" => {
                let mut encoder = WebPEncoder::new_lossless(fs::File::create(&target).unwrap());
                encoder.set_icc_profile(profile.clone()).unwrap();
                photo.write_with_encoder(encoder).unwrap();
            }
            _ => photo.save(&target).unwrap(),
        }
        run(&target, &output, "", 0);
        let mut decoder = ImageReader::open(&output).unwrap().into_decoder().unwrap();
        let text = decoder.xmp_metadata().unwrap().map(|xmp| String::from_utf8(xmp).unwrap());
        let says = "Iptc4xmpExt:DigitalSourceType=\"http://cv.iptc.org/newscodes/digitalsourcetype/compositeCapture\"";
        assert_eq!(text.is_some_and(|text| text.contains(says)), name != "d.bmp", "{name}");
        if name == "c.webp" {
            assert_eq!(decoder.icc_profile().unwrap(), Some(profile.clone()));
        }
        let shown = image::DynamicImage::from_decoder(decoder).unwrap().to_rgb8();
        assert!(shown.dimensions() == photo.dimensions() && shown != photo, "{name}");
    }
    let bare = scratch.join("bare.png");
    run(&scratch.join("a.png"), &bare, "--mark none", 0);
    let mut decoder = ImageReader::open(&bare).unwrap().into_decoder().unwrap();
    assert_eq!(decoder.xmp_metadata().unwrap(), None);
}

#[test]
fn what_cannot_work_is_said_with_its_exit_code() {
    let scratch = folder("swap-wrong");
    let (out, text, plain) = (scratch.join("out.mp4"), scratch.join("text.mp4"), scratch.join("plain.png"));
    fs::write(&text, "no video").unwrap();
    image::RgbImage::from_pixel(200, 200, image::Rgb([200, 180, 160])).save(&plain).unwrap();
    let there = scratch.join("there.mp4");
    fs::write(&there, "something").unwrap();
    let film = short_clip();
    let no_file = scratch.join("none.mp4");
    let cases = [
        (no_file.as_path(), &out, "", 4, "no such file"),
        (&text, &out, "", 4, "text.mp4"),
        (film, &there, "", 7, "--force"),
        (film, &out.with_extension("xyz"), "", 5, "mkv"),
        (film, &out, "--video-encoder noenc", 5, "noenc"),
        (film, &out.with_extension("webm"), "--video-encoder x264enc", 5, "webmmux"),
        (film, &out, "--video-encoder x264enc --set no-such=1", 2, "no-such"),
        (film, &out, "--video-encoder x264enc --engine warp", 2, "engine"),
        (film, &out, "--video-encoder x264enc --start 40", 2, "--start"),
        (film, &out, "--video-encoder x264enc --quality 0", 2, "--quality"),
        (film, &scratch.join("no/out.mp4"), "--video-encoder x264enc", 6, "no such folder"),
    ];
    for (target, output, more, code, reason) in cases {
        let said = run(target, output, more, code);
        assert!(said.contains(reason), "{reason}: {said}");
    }
    for (source, reason) in [(Path::new("none.jpg"), "no such file"), (&plain, "no face")] {
        let mut command = Command::new(example("swap"));
        command.arg("-s").arg(source).arg("-t").arg(film).arg("-o").arg(&out);
        command.args(["--video-encoder", "x264enc"]).env("GST_FACESWAP_MODEL_DIR", models());
        let said = ends(&command.finish(), 3);
        assert!(said.contains(reason) && said.contains(source.to_str().unwrap()), "{said}");
    }
    assert_eq!(fs::read(&there).unwrap(), b"something");
    assert_eq!(fs::read_dir(&scratch).unwrap().count(), 3);
}

#[test]
fn the_help_names_every_option_of_the_readme() {
    let help = ends(&swap("--help").finish(), 0);
    let readme = fs::read_to_string(repo().join("README.md")).unwrap();
    let section = readme.split("## Files: the swap program").nth(1).unwrap().split("\n## ").next().unwrap();
    for option in section.split("`--").skip(1).map(|rest| rest.split(['`', ' ']).next().unwrap()) {
        assert!(help.contains(&format!("--{option}")), "--{option}");
    }
}
