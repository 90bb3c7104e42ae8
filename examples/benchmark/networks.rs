//! Each network alone, on inputs of its own: the default pack's, and the swap network with what it
//! needs beside it.

use anyhow::{Context, Result};
use gst::{glib, prelude::*};
use gstfaceswap::{
    control::performance_cores,
    element::ExecutionProvider,
    models::{Model, Options, Pack, Provider, Role, Search, Session},
};

use crate::{Args, suite::Suite};

/// Long side of an input whose size is open.
const OPEN: i64 = 320;

pub fn measure(suite: &mut Suite, args: &Args) -> Result<()> {
    let search = Search { swapper_file: Some(args.model.clone()), ..Search::default() };
    let pack = Pack::find(&search)?;
    let rest = [
        search.recognizer(),
        search.named(Role::PalmDetector, "palm_detection.onnx"),
        search.named(Role::HandLandmarker, "hand_landmark.onnx"),
    ];
    for model in [Ok(pack.detector), Ok(pack.landmarker)].into_iter().chain(rest) {
        match model {
            Ok(model) => network(suite, &model, None, 1)?,
            Err(error) => suite.skip("network/default-pack", error.to_string()),
        }
    }
    let name = args.model.display();
    let Ok(swapper) = search.swapper() else {
        if suite.wants("network/swapper") {
            let how = "`cargo run --release --example standin -- target/standin full` makes a stand-in";
            suite.skip("network/swapper", format!("{name}: no such file; {how}, --model takes yours"));
        }
        return Ok(());
    };
    let provider = provider(&args.execution_provider)?;
    let options = Options { provider, threads: performance_cores(), ..Options::default() };
    let partners = swapper.card.clone().map(|card| card.partners.clone()).unwrap_or_default();
    for (role, file) in [(Role::Recognizer, partners.recognizer), (Role::Converter, partners.converter)] {
        let Some(file) = file else { continue };
        match search.partner(role, &swapper.path, &file) {
            Ok(model) => network(suite, &model, Some(&options), 1)?,
            Err(error) => suite.skip(&format!("network/{file}"), error.to_string()),
        }
    }
    for batch in [1, 4] {
        network(suite, &swapper, Some(&options), batch)?;
    }
    Ok(())
}

/// As the element's property has it.
fn provider(name: &str) -> Result<Provider> {
    let class = glib::EnumClass::with_type(ExecutionProvider::static_type());
    let value = class.and_then(|class| class.to_value_by_nick(name));
    let value = value.and_then(|value| value.get::<ExecutionProvider>().ok());
    Ok(value.with_context(|| format!("--execution-provider {name}: no such provider"))?.into())
}

/// Without options as the mesh engine runs it: on one thread of the CPU.
fn network(suite: &mut Suite, model: &Model, options: Option<&Options>, batch: i64) -> Result<()> {
    let file = model.path.file_stem().unwrap_or_default().to_string_lossy();
    let id = format!("network/{}/{file}/batch={batch}", model.role.to_string().replace(' ', "-"));
    if !suite.wants(&id) {
        return Ok(());
    }
    let mut session = match options {
        Some(options) => Session::shared(model, options)?,
        None => Session::load(model, 1)?,
    };
    if batch > 1 && session.input_shape(0).first().is_some_and(|first| *first > 0) {
        suite.skip(&id, format!("{file}: its batch is fixed"));
        return Ok(());
    }
    for input in 0..session.card().inputs.len() {
        let mut shape = session.input_shape(input).to_vec();
        for (axis, size) in shape.iter_mut().enumerate().filter(|(_, size)| **size < 0) {
            *size = if axis == 0 { batch } else { OPEN };
        }
        session.input(input, &shape)?.fill(0.1);
    }
    session.run()?;
    let name = session.provider().name();
    suite.time(&id, || session.run().expect("a network that ran before"));
    suite.note("execution-provider", name);
    suite.note("threads", options.map_or(1, |options| options.threads).to_string());
    Ok(())
}
