//! What the user set, and the properties that set it.

use std::path::PathBuf;

use glib::prelude::*;
use gst::prelude::*;

use super::choice::{Neural, Usage};
use super::enums::{
    ColourMatch, Deterministic, Engine, ExecutionProvider, Mark, Masks, OnLost, Owner, Quality, Select,
};
use crate::{
    engine::{self, Params, split_list, split_map},
    models::{Options, Search, Wanted},
};

/// Milliseconds.
pub(super) const DEFAULT_STATS_INTERVAL: u32 = 1000;
const DEFAULT_PADDING: &str = "0,0,0,0";

/// Values of the properties.
#[derive(Debug, Clone)]
pub(super) struct Settings {
    pub source: Option<String>,
    pub engine: Engine,
    pub model_dir: Option<String>,
    pub detector_file: Option<String>,
    pub landmarker_file: Option<String>,
    pub model_file: Option<String>,
    pub reference: Option<String>,
    pub face_map: Option<String>,
    pub recognizer_file: Option<String>,
    pub occluder_file: Option<String>,
    pub parser_file: Option<String>,
    pub enhancer_file: Option<String>,
    pub model_cache_dir: Option<String>,
    pub execution_provider: ExecutionProvider,
    pub execution_provider_library: Option<String>,
    pub device: Option<String>,
    pub batch_size: u32,
    pub threads: u32,
    /// MiB, 0 = from what is free.
    pub max_memory: u32,
    /// Frames, 0 = synchronous.
    pub max_in_flight: u32,
    pub auto_quality: bool,
    /// Frames a second, 0 = the stream's.
    pub target_fps: u32,
    pub params: Params,
    pub mask_padding: String,
    pub deterministic: Deterministic,
    pub mark: Mark,
    pub meta: bool,
    /// Milliseconds, 0 = never.
    pub stats_interval: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Settings {
            source: None,
            engine: Engine::default(),
            model_dir: None,
            detector_file: None,
            landmarker_file: None,
            model_file: None,
            reference: None,
            face_map: None,
            recognizer_file: None,
            occluder_file: None,
            parser_file: None,
            enhancer_file: None,
            model_cache_dir: None,
            execution_provider: ExecutionProvider::default(),
            execution_provider_library: None,
            device: None,
            batch_size: 1,
            threads: 0,
            max_memory: 0,
            max_in_flight: 0,
            auto_quality: true,
            target_fps: 0,
            params: Params::default(),
            mask_padding: DEFAULT_PADDING.into(),
            deterministic: Deterministic::default(),
            mark: Mark::default(),
            meta: false,
            stats_interval: DEFAULT_STATS_INTERVAL,
        }
    }
}

impl Settings {
    /// Whether any face is to be swapped.
    pub fn is_wanted(&self) -> bool {
        self.source.is_some() || self.face_map.is_some()
    }

    /// Photos of whom faces become: `source`, or the first of `face-map` where nobody else is
    /// swapped.
    pub fn photos(&self) -> Option<String> {
        let mapped = || split_map(self.face_map.as_deref()?).ok()?.into_iter().next();
        self.source.clone().or_else(|| mapped().map(|(_, shown)| shown))
    }

    pub fn search(&self) -> Search {
        let path = |file: &Option<String>| file.as_ref().map(PathBuf::from);
        Search {
            model_dir: path(&self.model_dir),
            detector_file: path(&self.detector_file),
            landmarker_file: path(&self.landmarker_file),
            swapper_file: path(&self.model_file),
            recognizer_file: path(&self.recognizer_file),
            occluders: self.wanted(engine::Masks::OCCLUSION, &self.occluder_file),
            parser: self.wanted(engine::Masks::REGION, &self.parser_file),
            enhancer_file: path(&self.enhancer_file),
        }
    }

    fn wanted(&self, mask: engine::Masks, files: &Option<String>) -> Wanted {
        match files {
            _ if !self.params.masks.contains(mask) => Wanted::None,
            Some(list) => Wanted::These(split_list(list)),
            None => Wanted::Usual,
        }
    }

    /// The swap network, where one is wanted.
    ///
    /// # Errors
    /// One is wanted, and none is named.
    pub fn neural(&self) -> Result<Option<Neural>, String> {
        match (self.engine, &self.model_file) {
            (Engine::Mesh, _) | (Engine::Auto, None) => Ok(None),
            (Engine::Neural, None) => {
                Err("engine=neural needs a swap network: name its ONNX file with model-file".into())
            }
            (Engine::Hybrid, None) => {
                Err("engine=hybrid needs a swap network: name its ONNX file with model-file".into())
            }
            (engine, Some(_)) => {
                let usage = match engine {
                    Engine::Hybrid => Usage::KeyFrames,
                    Engine::Neural => Usage::EveryFrame,
                    Engine::Auto | Engine::Mesh => Usage::Measured,
                };
                Ok(Some(Neural { options: self.options(), batch: self.batch_size as usize, usage }))
            }
        }
    }

    /// How the enhancer is to run, where one is named.
    pub fn enhancer(&self) -> Option<Options> {
        self.enhancer_file.as_ref().map(|_| self.options())
    }

    /// How networks are to run.
    fn options(&self) -> Options {
        let threads = crate::control::threads(self.threads as usize);
        let cache = self.model_cache_dir.as_ref().map(PathBuf::from);
        let library = self.execution_provider_library.as_ref().map(PathBuf::from);
        let (provider, device) = (self.execution_provider.into(), self.device.clone());
        Options { provider, device, threads, cache, library }
    }

    /// `None` for a property that cannot be read here.
    pub fn get(&self, name: &str) -> Option<glib::Value> {
        let p = &self.params;
        Some(match name {
            "source" => self.source.to_value(),
            "engine" => self.engine.to_value(),
            "model-dir" => self.model_dir.to_value(),
            "detector-file" => self.detector_file.to_value(),
            "landmarker-file" => self.landmarker_file.to_value(),
            "model-file" => self.model_file.to_value(),
            "recognizer-file" => self.recognizer_file.to_value(),
            "occluder-file" => self.occluder_file.to_value(),
            "parser-file" => self.parser_file.to_value(),
            "enhancer-file" => self.enhancer_file.to_value(),
            "reference" => self.reference.to_value(),
            "face-map" => self.face_map.to_value(),
            "reference-distance" => decimal(p.reference_distance).to_value(),
            "model-cache-dir" => self.model_cache_dir.to_value(),
            "execution-provider" => self.execution_provider.to_value(),
            "execution-provider-library" => self.execution_provider_library.to_value(),
            "device" => self.device.to_value(),
            "batch-size" => self.batch_size.to_value(),
            "masks" => Masks::from(p.masks).to_value(),
            "pixel-boost" => (p.pixel_boost as u32).to_value(),
            "enhancer-interval" => p.enhancer_interval.to_value(),
            "swap-weight" => decimal(p.swap_weight).to_value(),
            "threads" => self.threads.to_value(),
            "max-memory" => self.max_memory.to_value(),
            "max-in-flight" => self.max_in_flight.to_value(),
            "quality" => Quality::from(p.quality).to_value(),
            "auto-quality" => self.auto_quality.to_value(),
            "target-fps" => self.target_fps.to_value(),
            "select" => Select::from(p.select).to_value(),
            "max-faces" => (p.max_faces as u32).to_value(),
            "detection-threshold" => decimal(p.detection_threshold).to_value(),
            "detection-interval" => p.detection_interval.to_value(),
            "opacity" => decimal(p.opacity).to_value(),
            "shape" => decimal(p.shape).to_value(),
            "sharpness" => decimal(p.sharpness).to_value(),
            "smoothing" => decimal(p.smoothing).to_value(),
            "mask-blur" => decimal(p.mask_blur).to_value(),
            "mask-padding" => self.mask_padding.to_value(),
            "mouth" => Owner::from(p.mouth).to_value(),
            "eyes" => Owner::from(p.eyes).to_value(),
            "colour-match" => ColourMatch::from(p.colour_match).to_value(),
            "on-lost" => OnLost::from(p.on_lost).to_value(),
            "deterministic" => self.deterministic.to_value(),
            "mark" => self.mark.to_value(),
            "meta" => self.meta.to_value(),
            "stats-interval" => self.stats_interval.to_value(),
            _ => return None,
        })
    }

    /// # Errors
    /// Says why the value cannot be used; the setting is then as it was.
    pub fn set(&mut self, name: &str, value: &glib::Value) -> Result<(), String> {
        let p = &mut self.params;
        match name {
            "source" => self.source = text(name, value)?,
            "engine" => self.engine = read(name, value)?,
            "model-dir" => self.model_dir = text(name, value)?,
            "detector-file" => self.detector_file = text(name, value)?,
            "landmarker-file" => self.landmarker_file = text(name, value)?,
            "model-file" => self.model_file = text(name, value)?,
            "recognizer-file" => self.recognizer_file = text(name, value)?,
            "occluder-file" => self.occluder_file = text(name, value)?,
            "parser-file" => self.parser_file = text(name, value)?,
            "enhancer-file" => self.enhancer_file = text(name, value)?,
            "reference" => self.reference = text(name, value)?,
            "face-map" => {
                let map = text(name, value)?;
                let pairs = split_map(map.as_deref().unwrap_or_default());
                let any = !pairs.map_err(|e| format!("face-map: {e}"))?.is_empty();
                self.face_map = map.filter(|_| any);
            }
            "reference-distance" => p.reference_distance = read::<f64>(name, value)? as f32,
            "model-cache-dir" => self.model_cache_dir = text(name, value)?,
            "execution-provider" => self.execution_provider = read(name, value)?,
            "execution-provider-library" => self.execution_provider_library = text(name, value)?,
            "device" => self.device = text(name, value)?,
            "batch-size" => self.batch_size = read(name, value)?,
            "masks" => p.masks = read::<Masks>(name, value)?.into(),
            "pixel-boost" => p.pixel_boost = read::<u32>(name, value)? as usize,
            "enhancer-interval" => p.enhancer_interval = read(name, value)?,
            "swap-weight" => p.swap_weight = read::<f64>(name, value)? as f32,
            "threads" => self.threads = read(name, value)?,
            "max-memory" => self.max_memory = read(name, value)?,
            "max-in-flight" => self.max_in_flight = read(name, value)?,
            "quality" => p.quality = read::<Quality>(name, value)?.into(),
            "auto-quality" => self.auto_quality = read(name, value)?,
            "target-fps" => self.target_fps = read(name, value)?,
            "select" => p.select = read::<Select>(name, value)?.into(),
            "max-faces" => p.max_faces = read::<u32>(name, value)? as usize,
            "detection-threshold" => p.detection_threshold = read::<f64>(name, value)? as f32,
            "detection-interval" => p.detection_interval = read(name, value)?,
            "opacity" => p.opacity = read::<f64>(name, value)? as f32,
            "shape" => p.shape = read::<f64>(name, value)? as f32,
            "sharpness" => p.sharpness = read::<f64>(name, value)? as f32,
            "smoothing" => p.smoothing = read::<f64>(name, value)? as f32,
            "mask-blur" => p.mask_blur = read::<f64>(name, value)? as f32,
            "mask-padding" => {
                let list = text(name, value)?.unwrap_or_else(|| DEFAULT_PADDING.into());
                p.mask_padding = parse_padding(&list)?;
                self.mask_padding = list;
            }
            "mouth" => p.mouth = read::<Owner>(name, value)?.into(),
            "eyes" => p.eyes = read::<Owner>(name, value)?.into(),
            "colour-match" => p.colour_match = read::<ColourMatch>(name, value)?.into(),
            "on-lost" => p.on_lost = read::<OnLost>(name, value)?.into(),
            "deterministic" => self.deterministic = read(name, value)?,
            "mark" => self.mark = read(name, value)?,
            "meta" => self.meta = read(name, value)?,
            "stats-interval" => self.stats_interval = read(name, value)?,
            _ => return Err(format!("no property {name} can be set")),
        }
        Ok(())
    }
}

fn read<'v, T>(name: &str, value: &'v glib::Value) -> Result<T, String>
where
    T: glib::value::FromValue<'v>,
    <T::Checker as glib::value::ValueTypeChecker>::Error: std::fmt::Display,
{
    value.get().map_err(|e| format!("property {name}: {e}"))
}

/// An empty string is no string.
fn text(name: &str, value: &glib::Value) -> Result<Option<String>, String> {
    Ok(read::<Option<String>>(name, value)?.filter(|s| !s.is_empty()))
}

fn parse_padding(list: &str) -> Result<[f32; 4], String> {
    let wrong =
        || format!("mask-padding is {list:?}; give four percentages from 0 to 100: top,right,bottom,left");
    let mut padding = [0.0; 4];
    let mut parts = list.split(',');
    for side in &mut padding {
        let value: f32 = parts.next().and_then(|p| p.trim().parse().ok()).ok_or_else(wrong)?;
        if !(0.0..=100.0).contains(&value) {
            return Err(wrong());
        }
        *side = value;
    }
    if parts.next().is_some() { Err(wrong()) } else { Ok(padding) }
}

/// The decimal number that the user wrote, which `f64::from` would not give back.
fn decimal(value: f32) -> f64 {
    (f64::from(value) * 1e6).round() / 1e6
}

/// The properties. All that can change while playing can also be controlled.
pub(super) fn specs() -> Vec<glib::ParamSpec> {
    let d = Settings::default();
    let p = d.params;
    vec![
        glib::ParamSpecString::builder("source")
            .nick("Source")
            .blurb("Photo of the face to show: an image file, several with commas between (a comma in a name is \\,), or a folder; none passes the video through")
            .controllable()
            .mutable_playing()
            .build(),
        glib::ParamSpecEnum::builder_with_default("engine", d.engine)
            .nick("Engine")
            .blurb("What swaps the face")
            .mutable_ready()
            .build(),
        file("model-dir", "Model folder", "Folder with the default models (else GST_FACESWAP_MODEL_DIR, the user's data folder, the build's models folder)"),
        file("detector-file", "Detector file", "ONNX file of another face detector: CenterFace, YuNet or SCRFD"),
        file("landmarker-file", "Landmarker file", "ONNX file of another 468-point face mesh model"),
        file("model-file", "Model file", "ONNX file of a swap network: inswapper, hyperswap, simswap, ghost, hififace, uniface, blendswap or one with a card of your own beside it"),
        file("recognizer-file", "Recognizer file", "ONNX file of the face recognizer that the swap network takes its embeddings from (else what its card names, beside it)"),
        file("occluder-file", "Occluder file", "ONNX file of a network that sees what lies before a face, for masks=occlusion: xseg; several with commas between (else xseg_1.onnx beside the swap network)"),
        file("parser-file", "Parser file", "ONNX file of a network that tells the parts of a face, for masks=region: bisenet (else bisenet_resnet_34.onnx beside the swap network)"),
        file("enhancer-file", "Enhancer file", "ONNX file of a network that restores the detail of swapped faces: GFPGAN, CodeFormer, GPEN"),
        file("model-cache-dir", "Model cache folder", "Where execution providers keep what they compiled, and where embeddings of photos and the fastest compute units are kept"),
        glib::ParamSpecEnum::builder_with_default("execution-provider", d.execution_provider)
            .nick("Execution provider")
            .blurb("What the swap network runs on; one that is not there is an error")
            .mutable_ready()
            .build(),
        file("execution-provider-library", "Execution provider library", "Plugin library that the execution provider comes from, in place of ONNX Runtime itself"),
        file("device", "Device", "CUDA, TensorRT: index; CoreML: all, ane, gpu, cpu; OpenVINO: device type; of a plugin library: index or cpu, gpu, npu"),
        glib::ParamSpecUInt::builder("batch-size")
            .nick("Batch size")
            .blurb("Faces that go through the swap network at once, where it takes several and does not run on the CPU")
            .minimum(1)
            .maximum(16)
            .default_value(d.batch_size)
            .mutable_ready()
            .build(),
        glib::ParamSpecFlags::builder::<Masks>("masks")
            .default_value(Masks::from(p.masks))
            .nick("Masks")
            .blurb("Where the swap network's face shows: where all of these do")
            .mutable_ready()
            .build(),
        glib::ParamSpecUInt::builder("pixel-boost")
            .nick("Pixel boost")
            .blurb("Side in pixels that the swap network's faces are brought to, rounded down to a multiple of its own; less is its own")
            .maximum(1024)
            .default_value(p.pixel_boost as u32)
            .controllable()
            .mutable_playing()
            .build(),
        glib::ParamSpecUInt::builder("enhancer-interval")
            .nick("Enhancer interval")
            .blurb("Frames between two runs of the enhancer on a face, whose result the mesh carries; 1: every frame waits for it")
            .minimum(1)
            .maximum(300)
            .default_value(p.enhancer_interval)
            .controllable()
            .mutable_playing()
            .build(),
        glib::ParamSpecUInt::builder("threads")
            .nick("Threads")
            .blurb("CPU threads to use in all, at most one for each processor; 0 takes one for each performance core")
            .maximum(256)
            .default_value(d.threads)
            .mutable_ready()
            .build(),
        glib::ParamSpecUInt::builder("max-memory")
            .nick("Most memory")
            .blurb("MiB of resident memory that the process may have before frames in flight, batches and caches shrink; 0 adds half of what is free")
            .default_value(d.max_memory)
            .mutable_ready()
            .build(),
        glib::ParamSpecUInt::builder("max-in-flight")
            .nick("Frames in flight")
            .blurb("Frames worked on at once, each a frame's duration of latency; 0 is one after the other and no latency")
            .maximum(16)
            .default_value(d.max_in_flight)
            .mutable_ready()
            .build(),
        glib::ParamSpecEnum::builder_with_default("quality", Quality::from(p.quality))
            .nick("Quality")
            .blurb("Resolution that faces are searched at, and the frame rate to hold where the stream has none; the swapped face always has the frame's own resolution")
            .controllable()
            .mutable_playing()
            .build(),
        glib::ParamSpecBoolean::builder("auto-quality")
            .nick("Automatic quality")
            .blurb("Do less than quality asks for where the frame rate cannot be held otherwise; has no effect while deterministic")
            .default_value(d.auto_quality)
            .controllable()
            .mutable_playing()
            .build(),
        glib::ParamSpecUInt::builder("target-fps")
            .nick("Target frame rate")
            .blurb("Frames a second that auto-quality holds; 0 is the stream's rate, or quality's where it has none")
            .maximum(240)
            .default_value(d.target_fps)
            .controllable()
            .mutable_playing()
            .build(),
        glib::ParamSpecEnum::builder_with_default("select", Select::from(p.select))
            .nick("Select")
            .blurb("Which of the faces in the picture are swapped")
            .controllable()
            .mutable_playing()
            .build(),
        glib::ParamSpecString::builder("reference")
            .nick("Reference")
            .blurb("Photo of the person whose face is swapped where select=reference; several with commas between, or a folder")
            .controllable()
            .mutable_playing()
            .build(),
        glib::ParamSpecString::builder("face-map")
            .nick("Face map")
            .blurb("Who becomes whom: who.jpg=as.jpg, several with ; between (in a name these signs are \\; and \\=); others are swapped as source and select say")
            .controllable()
            .mutable_playing()
            .build(),
        glib::ParamSpecDouble::builder("reference-distance")
            .nick("Reference distance")
            .blurb("1 - cosine up to which a face is that of reference or of somebody in face-map; 0 is what the recognizer's card says")
            .minimum(0.0)
            .maximum(2.0)
            .default_value(decimal(p.reference_distance))
            .controllable()
            .mutable_playing()
            .build(),
        glib::ParamSpecUInt::builder("max-faces")
            .nick("Maximum faces")
            .blurb("Faces swapped in one frame at most")
            .minimum(1)
            .maximum(64)
            .default_value(p.max_faces as u32)
            .controllable()
            .mutable_playing()
            .build(),
        share("detection-threshold", "Detection threshold", "How sure the detector must be that something is a face", p.detection_threshold),
        glib::ParamSpecUInt::builder("detection-interval")
            .nick("Detection interval")
            .blurb("Frames between two searches for new faces while one is tracked")
            .minimum(1)
            .maximum(300)
            .default_value(p.detection_interval)
            .controllable()
            .mutable_playing()
            .build(),
        share("opacity", "Opacity", "How much of the swapped face shows; 0 leaves the frame untouched", p.opacity),
        share("shape", "Shape", "How far eyes, brows, nose and lips move to where the source has them; mesh engine", p.shape),
        glib::ParamSpecDouble::builder("sharpness")
            .nick("Sharpness")
            .blurb("Sharpness of the swapped face: 0 is the picture's own, -1 softer, 1 as sharp as the source is; mesh engine")
            .minimum(-1.0)
            .maximum(1.0)
            .default_value(decimal(p.sharpness))
            .controllable()
            .mutable_playing()
            .build(),
        share("swap-weight", "Swap weight", "How much of the source's identity the swap network gives; 0.5 is its own measure, less keeps some of the video's", p.swap_weight),
        share("smoothing", "Smoothing", "Smoothing of the face's motion; 0 is none, 1 is strong and slow", p.smoothing),
        share("mask-blur", "Mask blur", "Feather of the mask's rim; 0.3 is 3 percent of the face's width", p.mask_blur),
        glib::ParamSpecString::builder("mask-padding")
            .nick("Mask padding")
            .blurb("How far the mask's edge moves inward, in percent of the face's box: top,right,bottom,left")
            .default_value(Some(DEFAULT_PADDING))
            .controllable()
            .mutable_playing()
            .build(),
        glib::ParamSpecEnum::builder_with_default("mouth", Owner::from(p.mouth))
            .nick("Mouth")
            .blurb("Whose mouth interior shows between the lips")
            .controllable()
            .mutable_playing()
            .build(),
        glib::ParamSpecEnum::builder_with_default("eyes", Owner::from(p.eyes))
            .nick("Eyes")
            .blurb("Whose eyeballs show between the lids")
            .controllable()
            .mutable_playing()
            .build(),
        glib::ParamSpecEnum::builder_with_default("colour-match", ColourMatch::from(p.colour_match))
            .nick("Colour match")
            .blurb("How the source's colour follows the video's")
            .controllable()
            .mutable_playing()
            .build(),
        glib::ParamSpecEnum::builder_with_default("on-lost", OnLost::from(p.on_lost))
            .nick("On lost")
            .blurb("What is shown where a tracked face is no longer seen")
            .controllable()
            .mutable_playing()
            .build(),
        glib::ParamSpecEnum::builder_with_default("deterministic", d.deterministic)
            .nick("Deterministic")
            .blurb("Whether the same input gives the same output, at the price of waiting for background detection")
            .mutable_ready()
            .build(),
        glib::ParamSpecEnum::builder_with_default("mark", d.mark)
            .nick("Mark")
            .blurb("How altered frames are marked as synthetic media")
            .controllable()
            .mutable_playing()
            .build(),
        glib::ParamSpecBoolean::builder("meta")
            .nick("Meta")
            .blurb("Attach a GstVideoRegionOfInterestMeta 'face' for each face, with track id, score and landmarks")
            .default_value(d.meta)
            .controllable()
            .mutable_playing()
            .build(),
        glib::ParamSpecBoxed::builder::<gst::Structure>("stats")
            .nick("Statistics")
            .blurb("Frame rate, frame and stage times, and counters; the fields of faceswap-stats messages")
            .read_only()
            .build(),
        glib::ParamSpecUInt::builder("stats-interval")
            .nick("Statistics interval")
            .blurb("Milliseconds between two faceswap-stats messages; 0 sends none")
            .default_value(d.stats_interval)
            .controllable()
            .mutable_playing()
            .build(),
    ]
}

fn file(name: &'static str, nick: &'static str, blurb: &'static str) -> glib::ParamSpec {
    glib::ParamSpecString::builder(name).nick(nick).blurb(blurb).mutable_ready().build()
}

fn share(name: &'static str, nick: &'static str, blurb: &'static str, default: f32) -> glib::ParamSpec {
    glib::ParamSpecDouble::builder(name)
        .nick(nick)
        .blurb(blurb)
        .minimum(0.0)
        .maximum(1.0)
        .default_value(decimal(default))
        .controllable()
        .mutable_playing()
        .build()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn padding_is_four_percentages() {
        assert_eq!(parse_padding("0,0,0,0"), Ok([0.0; 4]));
        assert_eq!(parse_padding(" 10, 2.5,0 ,100"), Ok([10.0, 2.5, 0.0, 100.0]));
        for wrong in ["", "1,2,3", "1,2,3,4,5", "a,0,0,0", "-1,0,0,0", "101,0,0,0", "nan,0,0,0"] {
            assert!(parse_padding(wrong).unwrap_err().contains("top,right,bottom,left"), "{wrong}");
        }
    }

    #[test]
    fn numbers_read_back_as_written() {
        for v in [0.0, 0.05, 0.3, 0.123456, 1.0] {
            assert_eq!(decimal(v as f32), v);
        }
    }
}
