//! The hybrid engine with stand-ins for the network: each key frame is of one colour, so that the
//! picture tells which of them shows.

use std::sync::{
    Mutex,
    mpsc::{Receiver, Sender, channel},
};

use gstfaceswap::{
    engine::{EngineError, KeyCrop, KeySwapper, Masks, NetworkFacts, OnLost, PixelFormat, Select},
    models::Provider,
};
use image::imageops;

use super::*;

type Rgb = [f32; 3];
const RED: Rgb = [235.0, 20.0, 20.0];
const GREEN: Rgb = [20.0, 235.0, 20.0];
const BLUE: Rgb = [20.0, 20.0, 235.0];

/// What was asked for: track and time, in order.
type Calls = Arc<Mutex<Vec<(u64, Duration)>>>;

/// The colour of a call, by its number.
type Dye = dyn FnMut(usize, &KeyCrop<'_>) -> Result<Rgb, String> + Send;

/// Fills crops with a colour.
struct Dyer {
    dye: Box<Dye>,
    /// Each call waits for a word from here, where there is one.
    gate: Option<Receiver<()>>,
    calls: Calls,
}

impl std::fmt::Debug for Dyer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Dyer")
    }
}

impl KeySwapper for Dyer {
    fn swap(&mut self, crop: &KeyCrop<'_>, out: &mut [f32]) -> Result<(), String> {
        let number = {
            let mut calls = self.calls.lock().unwrap();
            calls.push((crop.track, crop.time));
            calls.len() - 1
        };
        if let Some(gate) = &self.gate {
            // The test may be over.
            let _ = gate.recv();
        }
        let colour = (self.dye)(number, crop)?;
        let area = crop.side * crop.side;
        assert_eq!((out.len(), crop.pixels.len()), (3 * area, 3 * area));
        (0..3).for_each(|k| out[k * area..(k + 1) * area].fill(colour[k]));
        Ok(())
    }
}

struct Rig {
    engine: Engine,
    calls: Calls,
    source: Arc<Source>,
    params: Params,
    number: u64,
}

/// What one frame became.
struct Shown {
    input: RgbImage,
    output: RgbImage,
    faces: Vec<FaceReport>,
    network: bool,
    fault: Option<String>,
    held: usize,
    arrived: u32,
    regions: Vec<Rect>,
}

impl Shown {
    /// The output's colour at the nose of face `index`.
    fn nose(&self, index: usize) -> Rgb {
        let nose = self.faces[index].landmarks[4];
        self.output.get_pixel(nose.x as u32, nose.y as u32).0.map(f32::from)
    }

    fn is(&self, index: usize, colour: Rgb) -> bool {
        let own = self.nose(index);
        (0..3).all(|k| (own[k] - colour[k]).abs() < 90.0)
    }

    /// Share of pixels in a box that are the frame's own.
    fn bare(&self, rect: Rect) -> f32 {
        let inner = rect.scaled(0.5);
        let (mut same, mut all) = (0.0, 0.0);
        for y in inner.y as u32..(inner.y + inner.height) as u32 {
            for x in inner.x as u32..(inner.x + inner.width) as u32 {
                same += f32::from(u8::from(self.input.get_pixel(x, y) == self.output.get_pixel(x, y)));
                all += 1.0;
            }
        }
        same / all
    }
}

impl Rig {
    fn new(
        gate: Option<Receiver<()>>,
        dye: impl FnMut(usize, &KeyCrop<'_>) -> Result<Rgb, String> + Send + 'static,
    ) -> Rig {
        let (engine, calls) = (engine(), Calls::default());
        let dyer = Dyer { dye: Box::new(dye), gate, calls: calls.clone() };
        let facts = NetworkFacts {
            name: "dyer".into(),
            sha256: String::new(),
            licence: "none".into(),
            provider: Provider::Cpu,
            measured: None,
            batch: 1,
        };
        engine.network_port().offer_key_frames_by(Box::new(dyer), 64, facts).unwrap();
        let params = Params { masks: Masks::AREA, ..super::params() };
        Rig { engine, calls, source: hopper(), params, number: 0 }
    }

    /// Live, and the network waits for words.
    fn live(
        dye: impl FnMut(usize, &KeyCrop<'_>) -> Result<Rgb, String> + Send + 'static,
    ) -> (Rig, Sender<()>) {
        let (go, gate) = channel();
        let mut rig = Rig::new(Some(gate), dye);
        rig.params.deterministic = false;
        (rig, go)
    }

    fn try_show(&mut self, input: &RgbImage) -> Result<Shown, EngineError> {
        let mut picture = Picture::of(input, PixelFormat::Rgb, 0);
        let report =
            self.engine.process(&mut picture.frame(), &self.source, &self.params, at(self.number))?;
        self.number += 1;
        let shown = Shown {
            input: input.clone(),
            output: RgbImage::new(1, 1),
            faces: report.faces.clone(),
            network: report.network.is_some(),
            fault: report.fault.as_ref().map(|fault| fault.error.to_string()),
            held: report.held,
            arrived: report.hybrid.map_or(0, |hybrid| hybrid.arrived),
            regions: report.regions.clone(),
        };
        let [pixels, ..] = picture.planes;
        let output = RgbImage::from_raw(input.width(), input.height(), pixels).unwrap();
        Ok(Shown { output, ..shown })
    }

    fn show(&mut self, input: &RgbImage) -> Shown {
        self.try_show(input).unwrap()
    }

    fn calls(&self) -> Vec<(u64, Duration)> {
        self.calls.lock().unwrap().clone()
    }

    /// Shows `input` again and again until `done`.
    fn until(&mut self, input: &RgbImage, what: &str, done: impl Fn(&Shown) -> bool) -> Shown {
        for _ in 0..2000 {
            let shown = self.show(input);
            if done(&shown) {
                return shown;
            }
            std::thread::sleep(Duration::from_millis(2));
        }
        panic!("never: {what}");
    }
}

/// The astronaut, moved to the right by a few pixels a frame.
fn moving(frame: i64) -> RgbImage {
    collage(480, 320, &[(&astronaut(400), 10 + 3 * frame, -20)])
}

fn empty() -> RgbImage {
    collage(480, 320, &[])
}

#[test]
fn key_frames_come_at_fixed_distances_and_every_frame_shows_them() {
    let run = || {
        // However long the network takes.
        let mut wait = 0;
        let mut rig = Rig::new(None, move |number, _| {
            wait = (wait * 7 + 3) % 20;
            std::thread::sleep(Duration::from_millis(wait));
            Ok(if number == 0 { RED } else { GREEN })
        });
        rig.params.effort.key_interval = 4;
        let shown: Vec<Shown> = (0..12).map(|n| rig.show(&moving(n))).collect();
        (shown, rig.calls())
    };
    let (one, calls) = run();
    assert_eq!(calls.iter().map(|call| call.1).collect::<Vec<_>>(), [at(0), at(4), at(8)]);
    assert!(one[..4].iter().all(|shown| shown.network && shown.is(0, RED)), "{:?}", one[3].nose(0));
    assert!(one[8..].iter().all(|shown| shown.is(0, GREEN)), "{:?}", one[8].nose(0));
    let (two, _) = run();
    assert!(one.iter().zip(&two).all(|(a, b)| a.output == b.output), "the output depends on the time");
}

#[test]
fn until_the_first_key_frame_the_mesh_engine_swaps() {
    let (mut rig, go) = Rig::live(|_, _| Ok(RED));
    for frame in 0..5 {
        let shown = rig.show(&moving(frame));
        assert!(!shown.network && !shown.is(0, RED), "frame {frame}");
        assert!(shown.bare(shown.faces[0].rect) < 0.2, "frame {frame} shows the bare face");
    }
    go.send(()).unwrap();
    let still = moving(5);
    rig.until(&still, "the key frame shows", |shown| shown.network && shown.is(0, RED));
    assert_eq!(rig.calls()[0].1, at(0));
}

#[test]
fn a_network_that_never_answers_holds_nothing_up() {
    let (mut rig, go) = Rig::live(|_, _| Ok(RED));
    for frame in 0..30 {
        let shown = rig.show(&moving(frame % 8));
        assert!(!shown.network && shown.bare(shown.faces[0].rect) < 0.2, "frame {frame}");
    }
    assert_eq!(rig.calls().len(), 1);
    // The engine ends while the network is at work.
    drop(rig);
    drop(go);
}

#[test]
fn what_fails_later_hands_over_to_the_mesh_engine() {
    let mut rig = Rig::new(None, |number, _| if number < 2 { Ok(RED) } else { Err("out of dye".into()) });
    rig.params.effort.key_interval = 3;
    let shown: Vec<Shown> = (0..9).map(|n| rig.show(&moving(n))).collect();
    let faults: Vec<usize> = (0..9).filter(|&n| shown[n].fault.is_some()).collect();
    assert_eq!(faults, [6]);
    assert!(shown[6].fault.as_ref().unwrap().contains("out of dye"));
    for (n, shown) in shown.iter().enumerate() {
        assert_eq!(shown.network, n < 6, "frame {n}");
        assert!(shown.bare(shown.faces[0].rect) < 0.2, "frame {n} shows the bare face");
    }
}

#[test]
fn values_that_are_no_numbers_are_a_fault() {
    let mut rig = Rig::new(None, |_, _| Ok([f32::NAN, 0.0, 0.0]));
    let shown = rig.show(&moving(0));
    assert!(shown.fault.as_ref().is_some_and(|fault| fault.contains("no numbers")), "{:?}", shown.fault);
    assert!(!shown.network && shown.bare(shown.faces[0].rect) < 0.2);
}

#[test]
fn a_panic_of_the_network_hands_over_to_the_mesh_engine() {
    let mut rig = Rig::new(None, |_, _| panic!("no dye"));
    let shown = rig.show(&moving(0));
    assert!(shown.fault.as_ref().is_some_and(|fault| fault.contains("no dye")), "{:?}", shown.fault);
    for n in 0..3 {
        let shown = if n == 0 { &shown } else { &rig.show(&moving(n)) };
        assert!(!shown.network && shown.bare(shown.faces[0].rect) < 0.2, "frame {n}");
    }
}

#[test]
fn a_key_frame_of_a_face_that_has_gone_is_dropped() {
    // The first key frame is of another scene; it must never show.
    let (mut rig, go) = Rig::live(|number, _| Ok(if number == 0 { GREEN } else { RED }));
    rig.params.on_lost = OnLost::Pass;
    rig.show(&moving(0));
    for _ in 0..3 {
        assert!(rig.show(&empty()).faces.iter().all(|face| !face.swapped));
    }
    let other = imageops::flip_horizontal(&moving(0));
    rig.show(&other);
    (0..50).for_each(|_| go.send(()).unwrap());
    let shown = rig.until(&other, "another key frame", |shown| {
        assert!(shown.faces.is_empty() || !shown.is(0, GREEN), "a key frame of another scene shows");
        shown.network
    });
    let shown = if shown.is(0, RED) { shown } else { rig.until(&other, "it shows", |s| s.is(0, RED)) };
    assert!(shown.faces[0].swapped && rig.calls().len() >= 2);
}

#[test]
fn a_key_frame_of_the_source_before_is_dropped() {
    let (mut rig, go) = Rig::live(|number, _| Ok(if number == 0 { GREEN } else { RED }));
    let still = moving(0);
    rig.show(&still);
    rig.source = load(&[common::hopper().into()]).unwrap().0;
    let shown = rig.show(&still);
    assert!(!shown.network && shown.bare(shown.faces[0].rect) < 0.2);
    (0..50).for_each(|_| go.send(()).unwrap());
    rig.until(&still, "the new source's key frame", |shown| {
        assert!(!shown.is(0, GREEN), "the source before shows");
        shown.is(0, RED)
    });
}

#[test]
fn a_change_of_source_drops_what_shows() {
    let mut rig = Rig::new(None, |number, _| Ok(if number == 0 { RED } else { BLUE }));
    assert!(rig.show(&moving(0)).is(0, RED) && rig.show(&moving(1)).is(0, RED));
    rig.source = load(&[common::hopper().into()]).unwrap().0;
    assert!(rig.show(&moving(2)).is(0, BLUE), "the source before shows");
}

#[test]
fn after_a_seek_everything_is_new() {
    let mut rig = Rig::new(None, |number, _| Ok(if number == 0 { RED } else { BLUE }));
    assert!(rig.show(&moving(0)).is(0, RED) && rig.show(&moving(1)).is(0, RED));
    rig.engine.reset();
    assert!(rig.show(&moving(2)).is(0, BLUE));
    assert_eq!(rig.calls().len(), 2);
}

/// The first track that is seen becomes red, all others blue; tracks in the order that they were seen.
fn of_two_colours() -> (Rig, Arc<Mutex<Vec<u64>>>) {
    let tracks = Arc::new(Mutex::new(Vec::<u64>::new()));
    let known = tracks.clone();
    let mut rig = Rig::new(None, move |_, crop| {
        let mut known = known.lock().unwrap();
        if !known.contains(&crop.track) {
            known.push(crop.track);
        }
        Ok(if known[0] == crop.track { RED } else { BLUE })
    });
    rig.params.select = Select::All;
    rig.params.effort.key_interval = 3;
    (rig, tracks)
}

#[test]
fn two_faces_have_key_frames_of_their_own_while_they_pass_each_other() {
    let photo = astronaut(300);
    let (mut rig, tracks) = of_two_colours();
    for frame in 0..14 {
        // One walks to the right above, one to the left below.
        let input = collage(640, 480, &[(&photo, 10 * frame, -30), (&photo, 250 - 10 * frame, 170)]);
        let shown = rig.show(&input);
        let known = tracks.lock().unwrap().clone();
        for (index, face) in shown.faces.iter().enumerate().filter(|(_, face)| face.swapped) {
            let colour = if known.first() == Some(&face.track) { RED } else { BLUE };
            assert!(shown.is(index, colour), "frame {frame}, track {}: {:?}", face.track, shown.nose(index));
        }
    }
    assert_eq!(tracks.lock().unwrap().len(), 2);
}

#[test]
fn two_faces_that_cross_never_show_each_other_s_key_frames() {
    let photo = astronaut(300);
    let (mut rig, tracks) = of_two_colours();
    let (mut hidden, mut swapped) = (0, 0);
    for frame in 0..26 {
        // Both at one height: the second passes before the first.
        let input = collage(640, 320, &[(&photo, 12 * frame, -30), (&photo, 300 - 12 * frame, -10)]);
        let shown = rig.show(&input);
        hidden += usize::from(shown.held > 0);
        let known = tracks.lock().unwrap().clone();
        for (index, face) in shown.faces.iter().enumerate().filter(|(_, face)| face.swapped) {
            // What passes before a face is light and shade to it, so the hue tells.
            let [red, _, blue] = shown.nose(index);
            let first = known.first() == Some(&face.track);
            swapped += 1;
            assert!((red > blue) == first, "frame {frame}, track {}: {:?}", face.track, shown.nose(index));
        }
    }
    assert!(hidden > 0 && swapped > 30, "one was hidden in {hidden} frames, {swapped} faces swapped");
}

#[test]
fn a_network_that_is_slow_now_and_then_only_ages_what_shows() {
    let (mut rig, go) = Rig::live(|number, _| Ok(if number == 0 { RED } else { BLUE }));
    rig.params.effort.key_interval = 2;
    go.send(()).unwrap();
    rig.until(&moving(0), "the first shows", |shown| shown.is(0, RED));
    for frame in 0..40 {
        let shown = rig.show(&moving([0, 1, 2, 3, 2, 1][frame % 6]));
        assert!(shown.network && shown.is(0, RED), "frame {frame}: {:?}", shown.nose(0));
    }
    (0..50).for_each(|_| go.send(()).unwrap());
    rig.until(&moving(0), "the second shows", |shown| {
        assert!(shown.network, "the mesh engine's swap shows between two key frames");
        shown.is(0, BLUE)
    });
}

#[test]
fn a_cut_while_a_key_frame_is_made_drops_it() {
    let (mut rig, go) = Rig::live(|number, _| Ok(if number == 0 { GREEN } else { RED }));
    rig.show(&moving(0));
    // Another scene at once, with another face.
    let mut scene = RgbImage::from_pixel(480, 320, image::Rgb([240, 235, 230]));
    let other = imageops::resize(&photo(&common::hopper()), 300, 360, imageops::FilterType::Triangle);
    imageops::overlay(&mut scene, &other, 90, 0);
    rig.show(&scene);
    (0..50).for_each(|_| go.send(()).unwrap());
    rig.until(&scene, "a key frame of the new scene", |shown| {
        let face = shown.faces.iter().position(|face| face.swapped);
        assert!(face.is_none_or(|index| !shown.is(index, GREEN)), "the scene before shows");
        face.is_some_and(|index| shown.is(index, RED))
    });
}

#[test]
fn live_the_network_goes_to_the_face_that_has_none() {
    let (mut rig, go) = Rig::live(|_, _| Ok(RED));
    rig.params.select = Select::All;
    let photo = astronaut(300);
    let both = collage(640, 320, &[(&photo, 0, -30), (&photo, 320, -30)]);
    (0..50).for_each(|_| go.send(()).unwrap());
    rig.until(&both, "both show", |shown| shown.faces.len() == 2 && shown.is(0, RED) && shown.is(1, RED));
    let calls = rig.calls();
    assert_ne!(calls[0].0, calls[1].0, "one face was asked for twice before the other");
}

#[test]
fn a_lost_face_is_held_or_covered_and_never_bare() {
    for on_lost in [OnLost::Hold, OnLost::Blur] {
        let mut rig = Rig::new(None, |_, _| Ok(RED));
        rig.params.on_lost = on_lost;
        let rect = (0..4).map(|n| rig.show(&moving(n))).last().unwrap().faces[0].rect;
        // A board before the face, and the scene goes on.
        let mut hidden = moving(4);
        let (width, height) = (rect.width as u32 + 30, rect.height as u32 + 30);
        let pattern = noise(3).map(|v| 60 + v / 4).take((3 * width * height) as usize).collect();
        let board = RgbImage::from_raw(width, height, pattern).unwrap();
        imageops::overlay(&mut hidden, &board, rect.x as i64 - 15, rect.y as i64 - 15);
        for frame in 0..20 {
            let shown = rig.show(&hidden);
            assert!(shown.held > 0 && !shown.regions.is_empty(), "{on_lost:?}, frame {frame}");
            assert!(shown.bare(rect) < 0.35, "{on_lost:?}, frame {frame}: {}", shown.bare(rect));
        }
        let back = rig.until(&moving(4), "it is found again", |shown| shown.faces.iter().any(|f| f.swapped));
        assert!(back.is(0, RED), "{on_lost:?}: {:?}", back.nose(0));
    }
}

#[test]
fn what_is_before_the_face_shows_through_and_others_are_left_alone() {
    let mut rig = Rig::new(None, |_, crop| {
        let area = crop.side * crop.side;
        let mean = |k: usize| crop.pixels[k * area..(k + 1) * area].iter().sum::<f32>() / area as f32;
        Ok([mean(0), mean(1), mean(2)])
    });
    let shown = rig.show(&moving(0));
    assert_eq!(shown.arrived, 1);
    let far = Rect::new(400.0, 10.0, 60.0, 60.0);
    assert_eq!(shown.bare(far), 1.0);
}
