//! `examples/scale`: one video by two workers, one of which fails once.
#![cfg(unix)]

mod common;

use std::{
    fs,
    os::unix::fs::PermissionsExt,
    path::Path,
    process::{Command, Output},
};

use common::{
    Watched as _, example,
    film::{packets, pictures, short_clip, times},
    folder, hopper, models, repo,
};

const OPTIONS: [&str; 6] =
    ["--video-encoder", "x264enc", "--encoder-option", "speed-preset=ultrafast", "--segment", "2"];

fn scale(swap: &Path, out: &Path) -> Output {
    Command::new(repo().join("examples/scale/parallel.sh"))
        .arg(hopper())
        .arg(short_clip())
        .arg(out)
        .args(OPTIONS)
        .env("SWAP", swap)
        .env("JOBS", "2")
        .env("GST_FACESWAP_MODEL_DIR", models())
        .finish()
}

#[test]
fn two_workers_make_what_one_makes_though_one_fails() {
    let scratch = folder("scale");
    let (single, out) = (scratch.join("single.mp4"), scratch.join("out.mp4"));
    let mut one = Command::new(example("swap"));
    one.args(["-s", &hopper(), "-t"]).arg(short_clip()).arg("-o").arg(&single).args(OPTIONS);
    assert!(one.env("GST_FACESWAP_MODEL_DIR", models()).finish().status.success());

    // Fails the first time it is asked for segment 2, and for good for segment 3 while a file says so.
    let (worker, tries, broken) = (scratch.join("worker"), scratch.join("tries"), scratch.join("broken"));
    let script = format!(
        "#!/bin/sh\ncase \"$*\" in\n*'--only 2') echo try >> '{0}'; test $(wc -l < '{0}') -gt 1 || exit 1 ;;\n\
         *'--only 3') test ! -e '{1}' || exit 1 ;;\nesac\nexec '{2}' \"$@\"\n",
        tries.display(),
        broken.display(),
        example("swap").display()
    );
    fs::write(&worker, script).unwrap();
    fs::set_permissions(&worker, fs::Permissions::from_mode(0o755)).unwrap();
    fs::write(&broken, "").unwrap();

    let output = scale(&worker, &out);
    assert!(!output.status.success() && !out.exists(), "{}", String::from_utf8_lossy(&output.stderr));
    let done = fs::read_dir(scratch.join("out.mp4.parts")).unwrap().flatten();
    let done = done.filter(|entry| entry.path().extension().is_some_and(|e| e == "part")).count();
    assert!(done >= 2, "{done} segments");

    fs::remove_file(&broken).unwrap();
    let output = scale(&worker, &out);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(fs::read_to_string(&tries).unwrap().lines().count(), 2, "segment 2 was tried twice, not more");
    assert_eq!(pictures(&out), pictures(&single));
    assert_eq!((packets(&out, "a"), times(&out)), (packets(&single, "a"), times(&single)));
    assert!(!scratch.join("out.mp4.parts").exists() && !scratch.join("out.mp4.log").exists());
}
