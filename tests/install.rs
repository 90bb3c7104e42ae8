//! `make install` and `make uninstall`, in a home of their own.
#![cfg(target_os = "linux")]

mod common;

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use common::{Watched as _, folder, hopper, models, repo, said};

/// Runs a program that must succeed, as a user whose data folder is `home`; what it printed.
fn run(home: &Path, program: &str, arguments: &str) -> String {
    let output = Command::new(program)
        .args(arguments.split_whitespace())
        .current_dir(repo())
        .env("XDG_DATA_HOME", home)
        .env("GST_REGISTRY", home.join("registry.bin"))
        .env_remove("GST_PLUGIN_PATH")
        .env_remove("GST_FACESWAP_MODEL_DIR")
        .env_remove("ORT_DYLIB_PATH")
        .finish();
    let text = said(&output);
    assert!(output.status.success(), "{program} {arguments}\n{text}");
    text
}

fn files(folder: &Path) -> BTreeSet<PathBuf> {
    let mut found = BTreeSet::new();
    for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
        match entry.is_dir() {
            true => found.extend(files(&entry)),
            false => drop(found.insert(entry)),
        }
    }
    found
}

#[test]
fn installed_it_works_by_itself_and_uninstalled_nothing_is_left() {
    models();
    let home = folder("in stall");
    run(&home, "make", "install");
    let own = home.join("gst-faceswap");
    assert!(home.join("gstreamer-1.0/plugins/libgstfaceswap.so").is_file());
    for name in ["centerface.onnx", "centerface.toml", "face_mesh.onnx", "libonnxruntime.so"] {
        assert!(own.join("models").join(name).is_file(), "{name}");
    }

    let inspected = run(&home, "gst-inspect-1.0", "faceswap");
    assert!(inspected.contains(&home.display().to_string()), "{inspected}");
    let line = format!(
        "-q filesrc location={} ! jpegdec ! imagefreeze num-buffers=3 ! videoconvert ! faceswap source={} ! fakesink",
        hopper(),
        hopper()
    );
    run(&home, "gst-launch-1.0", &line);

    // Again, as after an update; and something of the user's beside it.
    run(&home, "make", "install");
    let users = own.join("models/users_own.onnx");
    fs::write(&users, "").unwrap();
    run(&home, "make", "uninstall");
    assert_eq!(files(&home), BTreeSet::from([users.clone(), home.join("registry.bin")]));

    fs::remove_file(users).unwrap();
    assert!(run(&home, "make", "uninstall").contains("nothing is installed"));
}
