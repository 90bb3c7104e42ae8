//! Finding and loading models, and what is said when that fails.

use std::{
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

#[path = "common/watch.rs"]
mod watch;

use gstfaceswap::models::{
    Card, LogLevel, Model, ModelError, Options, Pack, Provider, Role, Search, Session, fastest,
    library_devices, set_log_level, set_log_sink, sha256, small::Small,
};

use watch::{Watched as _, said};

fn scratch(name: &str) -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("models").join(name);
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder
}

/// The default pack is always required: these tests fail where `make models` has not run.
fn pack() -> Pack {
    Pack::find(&Search::default()).unwrap()
}

fn message(result: Result<Session, ModelError>) -> String {
    result.expect_err("it loaded").to_string()
}

#[test]
fn the_default_pack_loads_and_runs() {
    let pack = pack();
    let mut detector = Session::load(&pack.detector, 1).unwrap();
    assert_eq!(detector.card().family, "centerface");
    assert_eq!(detector.input_shape(0), [-1, 3, -1, -1]);
    detector.input(0, &[1, 3, 96, 160]).unwrap().fill(127.0);
    assert!(detector.output(0).1.is_empty());
    detector.run().unwrap();
    assert_eq!(detector.output(0).0, [1, 1, 24, 40]);
    assert_eq!(detector.output(3).1.len(), 10 * 24 * 40);

    let mut mesh = Session::load(&pack.landmarker, 2).unwrap();
    mesh.input(0, &[1, 192, 192, 3]).unwrap().fill(0.5);
    mesh.run().unwrap();
    assert_eq!(mesh.output(0).1.len(), 468 * 3);
    assert_eq!(mesh.output(1).1.len(), 1);
    assert!(mesh.output(2).1.is_empty());
}

#[test]
fn another_input_shape_gives_the_same_as_a_fresh_session() {
    let pack = pack();
    let run = |session: &mut Session, w: i64, h: i64| {
        let input = session.input(0, &[1, 3, h, w]).unwrap();
        input.iter_mut().enumerate().for_each(|(i, v)| *v = (i % 251) as f32);
        session.run().unwrap();
        (session.output(0).0.to_vec(), session.output(0).1.to_vec())
    };
    let mut used = Session::load(&pack.detector, 1).unwrap();
    run(&mut used, 64, 64);
    let large = run(&mut used, 128, 96);
    let small = run(&mut used, 64, 64);
    let mut fresh = Session::load(&pack.detector, 1).unwrap();
    assert_eq!(run(&mut fresh, 128, 96), large);
    assert_eq!(run(&mut fresh, 64, 64), small);
    assert_eq!(run(&mut fresh, 64, 64), small);
}

#[test]
fn what_a_session_cannot_do_is_an_error() {
    let mut mesh = Session::load(&pack().landmarker, 1).unwrap();
    assert!(mesh.run().unwrap_err().to_string().contains("input 0 was not given"));
    let shape = mesh.input(0, &[1, 3, 192, 192]).unwrap_err().to_string();
    assert!(shape.contains("[1, 192, 192, 3]") && shape.contains("[1, 3, 192, 192]"), "{shape}");
    assert!(mesh.input(1, &[1]).is_err());
    let mut detector = Session::load(&pack().detector, 1).unwrap();
    for shape in [&[1, 3, 0, 32][..], &[1, 3, -1, 32], &[i64::MAX, 3, i64::MAX, 32], &[]] {
        assert!(detector.input(0, shape).is_err(), "{shape:?}");
    }
}

#[test]
fn a_session_s_runs_can_be_ended_and_allowed_again() {
    let mut mesh = Session::load(&pack().landmarker, 1).unwrap();
    let interrupter = mesh.interrupter().unwrap();
    mesh.input(0, &[1, 192, 192, 3]).unwrap().fill(0.5);
    mesh.run().unwrap();
    let before = mesh.output(0).1.to_vec();
    interrupter.interrupt();
    assert!(mesh.run().unwrap_err().to_string().contains("terminate"));
    interrupter.resume();
    mesh.run().unwrap();
    assert_eq!(mesh.output(0).1, before);
}

#[test]
fn half_precision_is_fed_and_read_as_single() {
    use gstfaceswap::models::onnx::schema::{
        Dimension, Extent, GraphProto, ModelProto, NodeProto, OperatorSet, Shape, TensorType, TypeProto,
        ValueInfo, element,
    };
    use prost::Message;
    let port = |name: &str| {
        let dim = [1, 4].map(|n| Dimension { extent: Some(Extent::Fixed(n)) }).to_vec();
        let tensor = TensorType { elem_type: element::FLOAT16, shape: Some(Shape { dim }) };
        ValueInfo { name: name.into(), kind: Some(TypeProto { tensor: Some(tensor) }) }
    };
    let add = NodeProto {
        input: vec!["input".into(), "input".into()],
        output: vec!["output".into()],
        op_type: "Add".into(),
        ..Default::default()
    };
    let graph = GraphProto {
        node: vec![add],
        name: "double".into(),
        input: vec![port("input")],
        output: vec![port("output")],
        ..Default::default()
    };
    let opset = OperatorSet { domain: String::new(), version: 17 };
    let model =
        ModelProto { ir_version: 8, graph: Some(graph), opset_import: vec![opset], ..Default::default() };
    let path = scratch("half").join("double.onnx");
    fs::write(&path, model.encode_to_vec()).unwrap();
    let card = "name = 'double'\nrole = 'converter'\nfamily = 'none'\nfile = 'double.onnx'\nlicence = 'MIT'\n\
        [[input]]\nname = 'input'\nshape = [1, 4]\ntype = 'float'\n\
        [[output]]\nname = 'output'\nshape = [1, 4]\ntype = 'float'\n";
    fs::write(path.with_extension("toml"), card).unwrap();
    let model = Search::default().at(Role::Converter, &path).unwrap();
    let mut session = Session::load(&model, 1).unwrap();
    session.input(0, &[1, 4]).unwrap().copy_from_slice(&[1.0, -0.25, 0.1, 1e-9]);
    session.run().unwrap();
    let (shape, values) = session.output(0);
    assert_eq!(shape, [1, 4]);
    assert_eq!((values[0], values[1]), (2.0, -0.5));
    assert!((values[2] - 0.2).abs() < 1e-4 && values[2] != 0.2 && values[3] == 0.0, "{values:?}");
}

/// Convolutions of many channels are run by an operator of this plugin in a large model, and by ONNX
/// Runtime in a small one: the same file both ways.
#[test]
fn convolutions_give_what_the_runtime_s_own_give() {
    use gstfaceswap::models::onnx::schema::{
        AttributeProto, Dimension, Extent, GraphProto, ModelProto, NodeProto, OperatorSet, Shape,
        TensorProto, TensorType, TypeProto, ValueInfo, attribute, element,
    };
    use prost::Message;
    let port = |name: &str, sides: [i64; 4]| {
        let dim = sides.map(|n| Dimension { extent: Some(Extent::Fixed(n)) }).to_vec();
        let tensor = TensorType { elem_type: element::FLOAT, shape: Some(Shape { dim }) };
        ValueInfo { name: name.into(), kind: Some(TypeProto { tensor: Some(tensor) }) }
    };
    let mut state = 1u32;
    let mut random = |count: i64| {
        let mut next = || {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            (state >> 8) as f32 / (1 << 23) as f32 - 1.0
        };
        (0..count).map(|_| next()).collect::<Vec<f32>>()
    };
    let mut tensor = |name: &str, dims: &[i64]| TensorProto {
        name: name.into(),
        dims: dims.into(),
        data_type: element::FLOAT,
        raw_data: random(dims.iter().product()).iter().flat_map(|v| v.to_le_bytes()).collect(),
        ..Default::default()
    };
    let node = |kind: &str, inputs: &[&str], output: &str, attribute: Vec<AttributeProto>| NodeProto {
        input: inputs.iter().map(|&name| name.into()).collect(),
        output: vec![output.into()],
        op_type: kind.into(),
        attribute,
        ..Default::default()
    };
    let pads = || AttributeProto {
        name: "pads".into(),
        ints: vec![1; 4],
        kind: attribute::INTS,
        ..Default::default()
    };
    let graph = GraphProto {
        node: vec![
            node("Conv", &["input", "first", "bias"], "a", vec![pads()]),
            node("LeakyRelu", &["a"], "b", vec![]),
            node("Conv", &["b", "second"], "output", vec![]),
        ],
        name: "convolutions".into(),
        // A name of odd length, so that what follows it lies at odd addresses.
        initializer: vec![
            tensor("first", &[72, 64, 3, 3]),
            tensor("bias", &[72]),
            tensor("second", &[64, 72, 3, 3]),
        ],
        input: vec![port("input", [1, 64, 15, 22])],
        output: vec![port("output", [1, 64, 13, 20])],
    };
    let opset = OperatorSet { domain: String::new(), version: 17 };
    let model =
        ModelProto { ir_version: 8, graph: Some(graph), opset_import: vec![opset], ..Default::default() };
    let path = scratch("convolutions").join("convolutions.onnx");
    fs::write(&path, model.encode_to_vec()).unwrap();
    let card = "name = 'convolutions'\nrole = 'converter'\nfamily = 'none'\nfile = 'convolutions.onnx'\n\
        licence = 'MIT'\n[[input]]\nname = 'input'\nshape = [1, 64, 15, 22]\ntype = 'float'\n\
        [[output]]\nname = 'output'\nshape = [1, 64, 13, 20]\ntype = 'float'\n";
    fs::write(path.with_extension("toml"), card).unwrap();
    let model = Search::default().at(Role::Converter, &path).unwrap();
    let input = random(64 * 15 * 22);
    let run = |mut session: Session| {
        session.input(0, &[1, 64, 15, 22]).unwrap().copy_from_slice(&input);
        session.run().unwrap();
        assert_eq!(session.output(0).0, [1, 64, 13, 20]);
        (session.is_rewritten(), session.output(0).1.to_vec())
    };
    let (rewritten, own) = run(Session::load(&model, 2).unwrap());
    assert!(!rewritten);
    let spread = (own.iter().map(|v| v * v).sum::<f32>() / own.len() as f32).sqrt();
    for threads in [1, 2] {
        let options = Options { provider: Provider::Cpu, threads, ..Options::default() };
        let session = Session::shared(&model, &options).unwrap();
        // What becomes of the file after that changes nothing.
        let kept = fs::read(&path).unwrap();
        fs::write(&path, vec![0; kept.len()]).unwrap();
        let (rewritten, given) = run(session);
        fs::write(&path, kept).unwrap();
        assert!(rewritten, "it ran as it is in the file");
        let apart = own.iter().zip(&given).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(apart < 1e-4 * spread && apart > 0.0, "{apart} of {spread}");
    }
}

/// Of the default pack the face mesh is run by this plugin, the same file by ONNX Runtime.
#[test]
fn the_face_mesh_gives_what_the_runtime_s_gives() {
    let pack = pack();
    let mut small = Small::load(&pack.landmarker).expect("a network of the kind that is known");
    let mut session = Session::load(&pack.landmarker, 1).unwrap();
    for wave in [0.01, 0.3, 7.0] {
        let input = session.input(0, &[1, 192, 192, 3]).unwrap();
        input.iter_mut().enumerate().for_each(|(i, v)| *v = 0.5 + 0.5 * (wave * i as f32).sin());
        small.input().copy_from_slice(input);
        session.run().unwrap();
        small.run();
        for output in 0..2 {
            let (expected, given) = (session.output(output).1, small.output(output));
            assert_eq!(expected.len(), given.len());
            let apart = expected.iter().zip(given).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(apart < 1e-3, "{wave}, output {output}: {apart} apart");
        }
    }
    assert!(small.output(2).is_empty());
    // Another kind of network is left to the runtime.
    assert!(Small::load(&pack.detector).is_none());
}

/// Ways to run the face mesh: the CPU with one and two threads, and what this runtime lacks.
fn ways() -> Vec<(&'static str, Options)> {
    let cpu = |threads| Options { provider: Provider::Cpu, threads, ..Options::default() };
    let absent = Options { provider: Provider::Xnnpack, threads: 1, ..Options::default() };
    vec![("one thread", cpu(1)), ("xnnpack", absent), ("two threads", cpu(2))]
}

#[test]
fn the_fastest_way_to_run_a_model_is_measured_once_and_kept() {
    let folder = scratch("fastest");
    let model = pack().landmarker;
    let (mut session, measured) = fastest(&model, &ways(), Some(&folder)).unwrap();
    session.warm_up().unwrap();
    assert!(!measured.known && measured.winner != 1, "{measured:?}");
    for part in ["threads", "ms", "xnnpack cannot be used", "fastest as measured"] {
        assert!(measured.text.contains(part), "no {part:?} in {}", measured.text);
    }
    let (_, again) = fastest(&model, &ways(), Some(&folder)).unwrap();
    assert_eq!((again.known, again.winner), (true, measured.winner));

    // Another choice is measured anew; what lies in the folder is taken in another process.
    let fewer = ways()[..1].to_vec();
    assert!(!fastest(&model, &fewer, Some(&folder)).unwrap().1.known);
    assert_eq!(fs::read_dir(folder.join("fastest")).unwrap().count(), 2);
    let winner = ways()[measured.winner].0;
    let kept = || in_child(&format!("fastest {}", folder.display()), None);
    let text = kept();
    assert!(text.contains(&format!("known: true, text: \"{winner}, which")), "{text}");
    for entry in fs::read_dir(folder.join("fastest")).unwrap() {
        fs::write(entry.unwrap().path(), "winner = ").unwrap();
    }
    assert!(kept().contains("known: false"), "a damaged file was believed");

    let none = [("xnnpack", ways()[1].1.clone())];
    let error = fastest(&model, &none, None).unwrap_err().to_string();
    assert!(error.contains("execution provider xnnpack"), "{error}");
}

#[test]
fn only_a_plugin_library_is_taken_for_one() {
    let says = |path: &Path, part: &str| {
        let error = library_devices(path, Search::default().runtime().as_deref()).unwrap_err().to_string();
        assert!(error.contains(&path.display().to_string()) && error.contains(part), "{error}");
    };
    let folder = scratch("library");
    says(&folder.join("none.so"), "check the path");
    says(&folder, "it is no file");
    fs::write(folder.join("text.so"), "no library").unwrap();
    says(&folder.join("text.so"), "it cannot be used");
    // A library, but of something else.
    let runtime = Search::default().runtime().unwrap();
    says(&runtime, "a plugin library that was made for ONNX Runtime");
    // A name alone is no search along the system's paths.
    says(Path::new("libc.so.6"), "check the path");
}

#[test]
fn a_missing_pack_names_every_folder_and_make_models() {
    let empty = scratch("missing");
    let search = Search { model_dir: Some(empty.clone()), ..Default::default() };
    let error = search.named(Role::Detector, "nowhere.onnx").unwrap_err().to_string();
    for part in
        ["detector", "nowhere.onnx", "make models", empty.to_str().unwrap(), env!("CARGO_MANIFEST_DIR")]
    {
        assert!(error.contains(part), "{part}: {error}");
    }
    let chosen = Search { detector_file: Some(empty.join("mine.onnx")), ..Default::default() };
    let error = Pack::find(&chosen).unwrap_err().to_string();
    assert!(error.contains("mine.onnx") && error.contains("no such file"), "{error}");
}

#[test]
fn the_first_folder_that_has_a_file_wins() {
    let folder = scratch("order");
    let copy = folder.join("centerface.onnx");
    fs::copy(pack().detector.path, &copy).unwrap();
    let found = Pack::find(&Search { model_dir: Some(folder.clone()), ..Default::default() }).unwrap();
    assert_eq!(found.detector.path, copy);
    assert_ne!(found.landmarker.path.parent(), Some(folder.as_path()));
}

#[test]
fn damaged_files_are_refused_with_their_path() {
    let folder = scratch("damaged");
    let whole = fs::read(pack().detector.path).unwrap();
    for (name, bytes) in [
        ("truncated", &whole[..whole.len() / 2]),
        ("cut", &whole[..whole.len() - 3]),
        ("empty", &[][..]),
        ("garbage", &b"not a model at all, but text"[..]),
    ] {
        let path = folder.join(name).with_extension("onnx");
        fs::write(&path, bytes).unwrap();
        let model = Model { path: path.clone(), ..pack().detector };
        let error = message(Session::load(&model, 1));
        assert!(error.contains(path.to_str().unwrap()) && error.contains("truncated"), "{name}: {error}");
    }
}

#[test]
fn a_graph_unlike_its_card_says_what_differs() {
    let pack = pack();
    let other = Model { path: pack.landmarker.path.clone(), ..pack.detector.clone() };
    let error = message(Session::load(&other, 1));
    assert!(error.contains("CenterFace") && error.contains("`heatmap` is missing"), "{error}");
    assert!(error.contains("[1, 192, 192, 3]"), "{error}");

    let mut card = Card::clone(pack.landmarker.card.as_ref().unwrap());
    card.outputs[0].shape =
        vec![gstfaceswap::models::Dim::Fixed(1), gstfaceswap::models::Dim::Fixed(478 * 3)];
    card.outputs[1].kind = "int64".into();
    let model = Model { card: Some(card.into()), ..pack.landmarker };
    let error = message(Session::load(&model, 1));
    assert!(error.contains("`landmarks` float32 [1, 1404]: the card says [1, 1434]"), "{error}");
    assert!(error.contains("`face_flag` is float32, the card says int64"), "{error}");
}

#[test]
fn a_renamed_file_is_told_by_its_hash_or_its_graph() {
    let folder = scratch("renamed");
    let (path, default) = (folder.join("faces.onnx"), pack().detector);
    fs::copy(&default.path, &path).unwrap();
    let model = Search::default().at(Role::Detector, &path).unwrap();
    assert_eq!(model.card, None);
    assert_eq!(Session::load(&model, 1).unwrap().card().family, "centerface");
    let digest = sha256(&path).unwrap();
    assert!(default.card.unwrap().sha256.contains(&digest), "{digest}");

    let mesh = folder.join("unknown.onnx");
    fs::copy(pack().landmarker.path, &mesh).unwrap();
    let model = Search::default().at(Role::Detector, &mesh).unwrap();
    let error = message(Session::load(&model, 1));
    let nearest = "nearest come `CenterFace` (";
    for part in
        ["no card of a detector", "unknown.toml", nearest, "output `heatmap` is missing, the file has"]
    {
        assert!(error.contains(part), "no {part:?} in: {error}");
    }
    assert!(!error.contains("YuNet"), "it is further: {error}");
    let model = Search::default().at(Role::Landmarker, &mesh).unwrap();
    assert_eq!(Session::load(&model, 1).unwrap().card().family, "face_mesh");
}

#[test]
fn a_card_beside_the_file_wins() {
    let folder = scratch("beside");
    let path = folder.join("centerface.onnx");
    fs::copy(pack().detector.path, &path).unwrap();
    let text =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("models/centerface.toml")).unwrap();
    fs::write(folder.join("centerface.toml"), text.replace("\"CenterFace\"", "\"Mine\"")).unwrap();
    assert_eq!(Search::default().at(Role::Detector, &path).unwrap().card.unwrap().name, "Mine");
    let error = Search::default().at(Role::Landmarker, &path).unwrap_err().to_string();
    assert!(error.contains("it is a detector, and a landmarker is wanted"), "{error}");
    let remedy =
        "name it with detector-file and a landmarker here, or put a card of a landmarker beside it, named";
    assert!(
        error.contains(remedy) && error.contains(path.with_extension("toml").to_str().unwrap()),
        "{error}"
    );
    fs::write(folder.join("centerface.toml"), "name = 3").unwrap();
    let error = Search::default().at(Role::Detector, &path).unwrap_err().to_string();
    assert!(error.contains("centerface.toml"), "{error}");
}

/// Which runtime is loaded is decided once a process, so each case runs in one of its own.
fn in_child(case: &str, runtime: Option<&Path>) -> String {
    let mut command = watch::child("child");
    command.env("FACESWAP_CASE", case);
    match runtime {
        Some(path) => command.env("ORT_DYLIB_PATH", path),
        None => command.env_remove("ORT_DYLIB_PATH"),
    };
    let output = command.finish();
    let text = said(&output);
    assert!(output.status.success(), "{text}");
    text
}

#[test]
#[ignore = "run by the others in a process of its own"]
fn child() {
    let model = pack().detector;
    let case = env::var("FACESWAP_CASE").unwrap_or_default();
    if let Some(folder) = case.strip_prefix("fastest ") {
        println!("{:?}", fastest(&pack().landmarker, &ways(), Some(Path::new(folder))).unwrap().1);
    }
    if env::var("FACESWAP_CASE").as_deref() == Ok("log") {
        set_log_sink(|level, message| println!("sink: {level:?} {message}"));
        set_log_level(LogLevel::Verbose);
    }
    match Session::load(&model, 1) {
        Ok(_) => println!("loaded"),
        Err(e) => println!("error: {e}"),
    }
    if env::var("FACESWAP_CASE").as_deref() == Ok("retry") {
        let good = model.path.with_file_name(gstfaceswap::models::LIBRARY);
        let again = Session::load(&Model { runtime: Some(good), ..model }, 1);
        println!("again: {}", again.map_or_else(|e| e.to_string(), |_| "loaded".into()));
    }
}

fn stand_in(name: &str, version: &str) -> PathBuf {
    let folder = scratch(name);
    let (source, library) = (folder.join("ort.c"), folder.join(gstfaceswap::models::LIBRARY));
    let text = format!(
        "typedef struct {{ const void *(*api)(unsigned); const char *(*version)(void); }} Base;\n\
         static const void *api(unsigned v) {{ (void)v; return 0; }}\n\
         static const char *version(void) {{ return \"{version}\"; }}\n\
         static const Base base = {{ api, version }};\n\
         const Base *OrtGetApiBase(void) {{ return &base; }}\n"
    );
    fs::write(&source, text).unwrap();
    let compiler = env::var("CC").unwrap_or("cc".into());
    let status = Command::new(compiler).args(["-shared", "-fPIC", "-o"]).arg(&library).arg(&source).status();
    assert!(status.expect("a C compiler is needed for this test").success());
    library
}

#[test]
fn the_runtime_beside_the_models_is_found() {
    assert!(in_child("plain", None).contains("loaded"));
}

#[test]
fn the_runtime_logs_into_the_sink_and_nowhere_else() {
    let text = in_child("log", None);
    assert!(text.contains("sink: Verbose onnxruntime") && text.contains("loaded"), "{text}");
    assert!(!in_child("plain", None).contains("onnxruntime"), "{text}");
}

#[test]
fn a_missing_runtime_names_make_models_and_may_be_retried() {
    let text = in_child("retry", Some(Path::new("/nowhere/libonnxruntime.so")));
    assert!(text.contains("error: ONNX Runtime not found: /nowhere/libonnxruntime.so"), "{text}");
    assert!(text.contains("cannot open shared object") || cfg!(not(target_os = "linux")), "{text}");
    assert!(text.contains("make models") && text.contains("again: loaded"), "{text}");
}

#[test]
fn a_garbage_runtime_is_refused_and_may_be_retried() {
    let path = scratch("garbage").join("libonnxruntime.so");
    fs::write(&path, b"\x7fELF and then nothing").unwrap();
    let text = in_child("retry", Some(&path));
    assert!(text.contains("cannot be used") && text.contains(path.to_str().unwrap()), "{text}");
    assert!(text.contains("again: loaded"), "{text}");
}

#[test]
fn too_old_a_runtime_is_refused_with_its_version() {
    let path = stand_in("old", "1.17.3");
    let text = in_child("retry", Some(&path));
    assert!(text.contains("version 1.17.3 is too old, 1.22 at least"), "{text}");
    assert!(text.contains(path.to_str().unwrap()) && text.contains("again: loaded"), "{text}");
}

#[test]
fn a_runtime_that_lies_about_its_version_is_refused() {
    let path = stand_in("liar", "1.99.0");
    let text = in_child("retry", Some(&path));
    assert!(text.contains("does not offer the interface") && text.contains(path.to_str().unwrap()), "{text}");
    assert!(!text.contains("again: loaded"), "{text}");
}
