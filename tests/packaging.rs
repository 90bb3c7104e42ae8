//! The Debian package that `make deb` makes, unpacked into a folder and used from there.
#![cfg(target_os = "linux")]

mod common;

use std::{fs, path::Path, process::Command};

use common::{Watched as _, film::tool, folder, hopper, models, repo, without_build_folder};

#[test]
fn the_debian_package_works_by_itself() {
    models();
    let mut make = Command::new("make");
    // Below `make test` it would also say which folder it enters and leaves.
    make.args(["--no-print-directory", "deb"]).env_remove("MAKEFLAGS").env_remove("MAKELEVEL");
    let said = make.current_dir(repo()).finish();
    assert!(said.status.success(), "{}", String::from_utf8_lossy(&said.stderr));
    let package = String::from_utf8(said.stdout).unwrap().lines().last().unwrap().to_owned();
    let package = repo().join(package);
    let control = tool("dpkg-deb", &format!("-f {}", package.display()));
    let version = format!("Version: {}\n", env!("CARGO_PKG_VERSION"));
    assert!(control.contains(&version) && control.contains("libgstreamer1.0-0 (>="), "{control}");

    let root = folder("deb");
    tool("dpkg-deb", &format!("-x {} {}", package.display(), root.display()));
    let triplet = tool("dpkg-architecture", "-qDEB_HOST_MULTIARCH");
    let plugins = root.join("usr/lib").join(triplet.trim()).join("gstreamer-1.0");
    for file in [
        "usr/bin/gst-faceswap-swap",
        "usr/share/gst-faceswap/models/centerface.onnx",
        "usr/share/man/man1/gst-faceswap-swap.1.gz",
        "usr/share/bash-completion/completions/gst-faceswap-swap",
        "usr/share/zsh/vendor-completions/_gst-faceswap-swap",
        "usr/share/fish/vendor_completions.d/gst-faceswap-swap.fish",
        "usr/share/doc/gstreamer1.0-faceswap/copyright",
        "usr/share/doc/gstreamer1.0-faceswap/changelog.gz",
    ] {
        assert!(fs::metadata(root.join(file)).is_ok_and(|found| found.len() > 100), "{file}");
    }
    let runtime = root.join("usr/lib").join(triplet.trim()).join("gst-faceswap/libonnxruntime.so");
    assert!(fs::metadata(&runtime).is_ok_and(|found| found.len() > 1 << 20), "{}", runtime.display());
    let manual = tool("zcat", &root.join("usr/share/man/man1/gst-faceswap-swap.1.gz").display().to_string());
    assert!(manual.contains("gst\\-faceswap\\-swap") && manual.contains("resume"), "{manual}");

    // What is beside the sources must not help.
    let plugin = plugins.join("libgstfaceswap.so");
    fs::write(&plugin, without_build_folder(fs::read(&plugin).unwrap())).unwrap();
    let line = format!(
        "-q filesrc location={0} ! jpegdec ! imagefreeze num-buffers=3 ! videoconvert ! faceswap source={0} ! fakesink",
        hopper()
    );
    let inspected = run("gst-inspect-1.0", "faceswap", &root, &plugins);
    assert!(inspected.contains(&plugin.display().to_string()), "{inspected}");
    run("gst-launch-1.0", &line, &root, &plugins);
    let program = root.join("usr/bin/gst-faceswap-swap").display().to_string();
    assert!(run(&program, "--version", &root, &plugins).contains(env!("CARGO_PKG_VERSION")));
}

/// Runs a program that must succeed, with nothing of this user's or the build's in reach; what it printed.
fn run(program: &str, arguments: &str, root: &Path, plugins: &Path) -> String {
    let output = Command::new(program)
        .args(arguments.split_whitespace())
        .env("XDG_DATA_HOME", root.join("home"))
        .env("XDG_DATA_DIRS", root.join("usr/share"))
        .env("GST_PLUGIN_PATH", plugins)
        .env("GST_REGISTRY", root.join("registry.bin"))
        .env_remove("GST_FACESWAP_MODEL_DIR")
        .env_remove("ORT_DYLIB_PATH")
        .finish();
    let text = String::from_utf8_lossy(&output.stdout) + String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments}\n{text}");
    text.into_owned()
}
