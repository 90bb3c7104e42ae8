//! `examples/benchmark`: what it writes is what its schema says, and a slower run is told.

mod common;

use std::{
    fs,
    path::{Path, PathBuf},
    process::{Command, Output},
};

use serde_json::Value;

use common::{Watched as _, example, folder, models, repo, said};

const CASES: &str = "resize/960x540,colour/960x540,blur/960x540,memory-of-a-frame/960x540,stage/detection/performance,\
    stage/light/960x540,network/landmarker,network/swapper,threads/one-frame-one-face,memory/resident/process,\
    first-frame/960x540/mesh,element/640x480/mesh,element/1920x1080/mesh/NV12/faces=1/batch=1/depth=1,soak";

fn benchmark(arguments: &[&str]) -> Output {
    Command::new(example("benchmark")).args(arguments).current_dir(repo()).finish()
}

fn text(path: &Path) -> &str {
    path.to_str().unwrap()
}

fn read(path: &Path) -> Value {
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn write(path: PathBuf, value: &Value) -> PathBuf {
    fs::write(&path, value.to_string()).unwrap();
    path
}

fn schema() -> jsonschema::Validator {
    jsonschema::validator_for(&read(&repo().join("examples/benchmark/schema.json"))).unwrap()
}

/// Runs it, which must end with that status; both of its outputs.
fn ends(status: i32, arguments: &[&str]) -> String {
    let output = benchmark(arguments);
    let said = said(&output);
    assert_eq!(output.status.code(), Some(status), "{arguments:?}\n{said}");
    said
}

#[test]
fn a_run_is_as_the_schema_says_and_compares() {
    models();
    let folder = folder("benchmark");
    let (json, html) = (folder.join("results.json"), folder.join("report.html"));
    let missing = folder.join("no-network.onnx");
    let run = ["--quick", "--passes", "1", "--only", CASES, "--model", text(&missing), "--soak-seconds", "2"];
    ends(0, &[&run[..], &["--save", text(&json), "--html", text(&html)]].concat());
    let record = read(&json);
    let schema = schema();
    let faults: Vec<String> =
        schema.iter_errors(&record).map(|fault| format!("{}: {fault}", fault.instance_path())).collect();
    assert!(faults.is_empty(), "{faults:#?}");
    let ids: Vec<&str> =
        record["results"].as_array().unwrap().iter().map(|r| r["id"].as_str().unwrap()).collect();
    for case in CASES.split(',').filter(|case| *case != "network/swapper") {
        assert!(ids.iter().any(|id| id.contains(case.trim())), "{case} among {ids:#?}");
    }
    let skipped = record["skipped"].to_string();
    assert!(skipped.contains("network/swapper") && skipped.contains("no-network.onnx"), "{skipped}");

    // Values of two passes come together.
    let twice = folder.join("twice.json");
    ends(0, &["--quick", "--only", "colour/960x540/videoconvert/NV12-RGBA", "--save", text(&twice)]);
    let twice = read(&twice);
    let results = twice["results"].as_array().unwrap();
    assert!(results.len() == 1 && results[0]["statistics"]["runs"].as_u64() >= Some(6), "{twice}");

    the_page_holds_all_it_shows(&fs::read_to_string(html).unwrap());
    the_schema_refuses(&schema, &record);
    compared(&folder, &json, &record);
}

fn the_page_holds_all_it_shows(page: &str) {
    for heading in ["The whole element", "Stages", "Threads", "Gaussian blur", "A minute", "Not measured"] {
        assert!(page.contains(heading), "{heading}");
    }
    assert!(page.matches("<svg").count() >= 10, "{} plots", page.matches("<svg").count());
    for outside in ["src=", "href=", "url(", "@import", "NaN"] {
        assert!(!page.contains(outside), "{outside}");
    }
}

fn the_schema_refuses(schema: &jsonschema::Validator, record: &Value) {
    type Spoil = fn(&mut Value);
    let spoils: [(&str, Spoil); 5] = [
        ("another form", |r| r["version"] = 2.into()),
        ("no machine", |r| drop(r.as_object_mut().unwrap().remove("machine"))),
        ("no median", |r| drop(r["results"][0]["statistics"].as_object_mut().unwrap().remove("median"))),
        ("a unit that is none", |r| r["results"][0]["unit"] = "furlongs".into()),
        ("a field that nobody knows", |r| r["results"][0]["colour"] = "blue".into()),
    ];
    for (what, spoil) in spoils {
        let mut spoilt = record.clone();
        spoil(&mut spoilt);
        assert!(!schema.is_valid(&spoilt), "{what}");
    }
}

/// Multiplies what was measured of a case.
fn slower(case: &mut Value, factor: f64) {
    let times = |value: &mut Value| *value = (factor * value.as_f64().unwrap()).into();
    let statistics = case["statistics"].as_object_mut().unwrap();
    statistics.values_mut().filter(|value| value.is_f64()).for_each(times);
    case["passes"].as_array_mut().unwrap().iter_mut().for_each(times);
}

fn compared(folder: &Path, json: &Path, record: &Value) {
    let same = ends(0, &["--load", text(json), "--compare", text(json)]);
    assert!(same.contains("1.000") && same.contains("0 of"), "{same}");

    // Whatever else the machine was doing.
    let mut record = record.clone();
    for result in record["results"].as_array_mut().unwrap() {
        result.as_object_mut().unwrap().remove("others");
    }
    let json = &write(folder.join("quiet.json"), &record);
    let mut slow = record.clone();
    let victim = &mut slow["results"][0];
    let id = victim["id"].as_str().unwrap().to_owned();
    slower(victim, 3.0);
    let mut passing = slow.clone();
    let slow = write(folder.join("slow.json"), &slow);
    let said = ends(3, &["--load", text(&slow), "--compare", text(json)]);
    let line = said.lines().find(|line| line.starts_with(&id)).unwrap();
    assert!(line.contains("0.333") && line.contains("WORSE"), "{line}");
    let said = ends(0, &["--load", text(&slow), "--compare", text(json), "--threshold", "80"]);
    assert!(said.contains("0 of"), "{said}");
    let said = ends(0, &["--load", text(json), "--compare", text(&slow)]);
    assert!(said.contains("better"), "{said}");

    // One pass did as the earlier run.
    let passes = passing["results"][0]["passes"].as_array_mut().unwrap();
    passes.push(record["results"][0]["passes"][0].clone());
    let passing = write(folder.join("passing.json"), &passing);
    let said = ends(0, &["--load", text(&passing), "--compare", text(json)]);
    assert!(said.contains("0 of"), "{said}");

    // The machine did, as foreign code shows.
    let mut weak = read(&slow);
    for case in weak["results"].as_array_mut().unwrap() {
        if case["id"].as_str().unwrap().starts_with("colour/") {
            slower(case, 4.0);
        }
    }
    let weak = write(folder.join("weak.json"), &weak);
    let said = ends(0, &["--load", text(&weak), "--compare", text(json)]);
    assert!(said.contains("machine itself changed its speed by 75 %"), "{said}");

    let mut busy = read(&slow);
    busy["results"][0]["others"] = 0.6.into();
    let busy = write(folder.join("busy.json"), &busy);
    let said = ends(0, &["--load", text(&busy), "--compare", text(json)]);
    let line = said.lines().find(|line| line.starts_with(&id)).unwrap();
    assert!(line.contains("disturbed") && said.contains("0 of") && said.contains("60 %"), "{said}");
}

#[test]
fn what_it_cannot_do_it_says() {
    models();
    let folder = folder("benchmark-faults");
    let said = ends(1, &["--only", "no-such-case"]);
    assert!(said.contains("no-such-case") && said.contains("--list"), "{said}");
    let gone = folder.join("gone.json");
    let said = ends(1, &["--load", text(&gone)]);
    assert!(said.contains("gone.json"), "{said}");
    let other = write(folder.join("other.json"), &serde_json::json!({ "scores": {} }));
    let said = ends(1, &["--load", text(&other)]);
    assert!(said.contains("other.json: not a result"), "{said}");
    let listed = ends(0, &["--list", "--only", "element/3840x2160"]);
    assert!(listed.contains("element/3840x2160/mesh/NV12/faces=1/batch=1/depth=0"), "{listed}");
    assert!(!listed.contains("resize"), "{listed}");
}
