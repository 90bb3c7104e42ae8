//! The properties as GObject knows them.

use gst::prelude::*;

use super::{
    super::enums::{ColourMatch, Masks, OnLost, Owner, Quality, Select},
    DEFAULT_PADDING, Settings,
    values::decimal,
};

/// The properties. All that can change while playing can also be controlled.
pub(in crate::element) fn specs() -> Vec<glib::ParamSpec> {
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
        file("recognizer-file", "Recognizer file", "ONNX file of the face recognizer that the swap network takes its embeddings from (else what its card names, beside it or in the model folders)"),
        file("occluder-file", "Occluder file", "ONNX file of a network that sees what lies before a face, for masks=occlusion: xseg; several with commas between (else xseg_1.onnx, _2 or _3 beside the swap network or in the model folders)"),
        file("parser-file", "Parser file", "ONNX file of a network that tells the parts of a face, for masks=region: bisenet (else bisenet_resnet_34.onnx or _18 beside the swap network or in the model folders)"),
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
        share("shape", "Shape", "How far eyes, brows, nose, lips and jaw move to where the source has them; mesh engine", p.shape),
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
            .blurb("Whose mouth interior shows between the lips; mesh engine")
            .controllable()
            .mutable_playing()
            .build(),
        glib::ParamSpecEnum::builder_with_default("eyes", Owner::from(p.eyes))
            .nick("Eyes")
            .blurb("Whose eyeballs show between the lids; mesh engine")
            .controllable()
            .mutable_playing()
            .build(),
        glib::ParamSpecEnum::builder_with_default("colour-match", ColourMatch::from(p.colour_match))
            .nick("Colour match")
            .blurb("How the source's colour follows the video's; mesh engine")
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
