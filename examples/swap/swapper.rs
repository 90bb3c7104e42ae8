//! The one element that does all swaps of a run: moved from pipeline to pipeline while it stays started, so that its
//! models are loaded once.

use std::path::Path;

use anyhow::{Context, Result};
use gst::{MessageView, prelude::*};

use crate::{
    args::Args,
    encoder,
    exit::{Exit, Outcome, fail},
    pipe,
};

pub struct Swapper {
    pub element: gst::Element,
    /// What was set, for comparing with an earlier run.
    pub settings: Vec<(String, String)>,
}

impl Swapper {
    /// With the models loaded and the source's face found.
    ///
    /// # Errors
    /// A property that the element lacks; a source or model that cannot be used.
    pub fn start(args: &Args) -> Outcome<Swapper> {
        if let Some(photo) = args.source.iter().find(|photo| !photo.exists()) {
            return fail(Exit::Source, format!("{}: no such file", photo.display()));
        }
        let settings = settings(args)?;
        let element = gst::ElementFactory::make("faceswap").name("faceswap").build()?;
        for (name, value) in &settings {
            encoder::set(&element, name, value)?;
        }
        element.set_property("source", list(&args.source)?);
        if let Some(reference) = &args.reference {
            element.set_property("reference", list(std::slice::from_ref(reference))?);
        }
        element.set_property("meta", true);
        element.set_locked_state(true);
        let swapper = Swapper { element, settings };
        swapper.picture(&image::RgbaImage::from_pixel(64, 64, image::Rgba([128; 4]))).map_err(
            |mut failure| {
                failure.exit = Exit::Source;
                failure
            },
        )?;
        Ok(swapper)
    }

    /// Puts the element between two others of a pipeline.
    pub fn mount(&self, pipeline: &gst::Pipeline, before: &gst::Element, after: &gst::Element) -> Result<()> {
        let sink = self.element.static_pad("sink").context("faceswap has no sink pad")?;
        sink.send_event(gst::event::FlushStart::new());
        sink.send_event(gst::event::FlushStop::new(true));
        pipeline.add(&self.element)?;
        gst::Element::link_many([before, &self.element, after])?;
        Ok(())
    }

    /// Takes the element out of a pipeline that has stopped.
    pub fn unmount(&self, pipeline: &gst::Pipeline) -> Result<()> {
        for pad in self.element.pads() {
            if let Some(peer) = pad.peer() {
                let (from, to) =
                    if pad.direction() == gst::PadDirection::Src { (pad, peer) } else { (peer, pad) };
                from.unlink(&to)?;
            }
        }
        Ok(pipeline.remove(&self.element)?)
    }

    /// Runs a pipeline that the element was mounted in, to its end.
    pub fn run(
        &self,
        pipeline: &gst::Pipeline,
        exit: Exit,
        tick: impl FnMut(Option<&gst::Message>) -> Outcome<()>,
    ) -> Outcome<()> {
        let started = self.element.set_state(gst::State::Playing);
        let refused = started.is_err().then(|| {
            let error = pipeline.bus().and_then(|bus| bus.pop_filtered(&[gst::MessageType::Error]));
            match error.as_ref().map(|message| message.view()) {
                Some(MessageView::Error(error)) => error.error().to_string(),
                _ => "faceswap did not start".into(),
            }
        });
        let result = match refused {
            Some(reason) => fail(Exit::Source, reason),
            None => pipe::to_end(pipeline, exit, tick),
        };
        self.unmount(pipeline)?;
        result
    }

    /// What a frame takes, the last frames' mean.
    pub fn milliseconds(&self) -> f64 {
        self.element.property::<gst::Structure>("stats").get("frame-time-mean-ms").unwrap_or_default()
    }

    /// Swaps the faces of one picture.
    pub fn picture(&self, picture: &image::RgbaImage) -> Outcome<Swapped> {
        let (width, height) = picture.dimensions();
        let pipeline = pipe::pipeline(
            "appsrc name=in format=time ! identity name=before  queue name=after ! appsink name=out sync=false",
        )?;
        let source: gst_app::AppSrc = pipe::element(&pipeline, "in")?.downcast().expect("an appsrc");
        let info = gst_video::VideoInfo::builder(gst_video::VideoFormat::Rgba, width, height);
        source.set_caps(Some(&info.fps(gst::Fraction::new(1, 1)).build()?.to_caps()?));
        let mut buffer = gst::Buffer::from_mut_slice(picture.clone().into_raw());
        buffer.make_mut().set_pts(gst::ClockTime::ZERO);
        source.push_buffer(buffer)?;
        source.end_of_stream()?;
        let sink: gst_app::AppSink = pipe::element(&pipeline, "out")?.downcast().expect("an appsink");
        let taken = std::sync::Arc::new(std::sync::Mutex::new(None));
        let take = taken.clone();
        sink.set_callbacks(
            gst_app::AppSinkCallbacks::builder()
                .new_sample(move |sink| {
                    let sample = sink.pull_sample().map_err(|_| gst::FlowError::Eos)?;
                    *take.lock().unwrap_or_else(std::sync::PoisonError::into_inner) = sample.buffer_owned();
                    Ok(gst::FlowSuccess::Ok)
                })
                .build(),
        );
        self.mount(&pipeline, &pipe::element(&pipeline, "before")?, &pipe::element(&pipeline, "after")?)?;
        self.run(&pipeline, Exit::Failed, |_| Ok(()))?;
        let taken = taken.lock().unwrap_or_else(std::sync::PoisonError::into_inner).take();
        let buffer = taken.context("no picture came out of faceswap")?;
        let bytes = buffer.map_readable().context("a picture that cannot be read")?.to_vec();
        let picture =
            image::RgbaImage::from_raw(width, height, bytes).context("a picture of another size")?;
        Ok(Swapped { picture, any: is_swapped(&buffer), origin: origin(&buffer) })
    }
}

impl Drop for Swapper {
    fn drop(&mut self) {
        let _ = self.element.set_state(gst::State::Null);
    }
}

/// A picture with its faces swapped.
pub struct Swapped {
    pub picture: image::RgbaImage,
    /// Whether there were any.
    pub any: bool,
    /// What the element's mark says of where it comes from: an IPTC digital source type.
    pub origin: Option<String>,
}

fn origin(frame: &gst::BufferRef) -> Option<String> {
    let mark = gst::meta::CustomMeta::from_buffer(frame, "FaceSwapMarkMeta").ok()?;
    mark.structure().get("digital-source-type").ok()
}

/// Whether a face of the frame shows the source's, by what `meta` says of each.
pub fn is_swapped(frame: &gst::BufferRef) -> bool {
    frame.iter_meta::<gst_video::VideoRegionOfInterestMeta>().any(|region| {
        region.params().any(|face| face.name() == "face" && face.get("swapped").unwrap_or(false))
    })
}

fn settings(args: &Args) -> Outcome<Vec<(String, String)>> {
    let model = args.model.as_ref().map(|file| file.display().to_string());
    let number = |value: Option<u32>| value.map(|value| value.to_string());
    let named = [
        ("engine", args.engine.clone()),
        ("model-file", model),
        ("select", args.select.clone()),
        ("quality", args.mode.clone()),
        ("mark", args.mark.clone()),
        ("execution-provider", args.execution_provider.clone()),
        ("batch-size", number(args.batch_size)),
        ("max-in-flight", number(args.max_in_flight)),
        ("max-memory", number(args.max_memory)),
        ("deterministic", Some("true".into())),
    ];
    let mut settings: Vec<(String, String)> =
        named.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))).collect();
    for (name, value) in &args.set {
        if name == "source" {
            return fail(Exit::Usage, "--set source: the photo is given by --source");
        }
        settings.push((name.clone(), value.clone()));
    }
    Ok(settings)
}

/// As the `source` property writes a list: a comma of a name is `\,`.
fn list(paths: &[impl AsRef<Path>]) -> Outcome<String> {
    let mut names = Vec::new();
    for path in paths.iter().map(AsRef::as_ref) {
        let Some(name) = path.to_str() else {
            return fail(Exit::Source, format!("{}: not a UTF-8 name", path.display()));
        };
        names.push(name.replace(',', "\\,"));
    }
    Ok(names.join(","))
}
