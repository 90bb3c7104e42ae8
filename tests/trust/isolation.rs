//! What the element asks of the system: no network, no font, no temporary file.

use std::{env, fs, process::Command};

use gst_video::VideoFormat;

use crate::common::*;

/// Swaps a few frames, with a label on them.
#[test]
#[ignore = "run by the others as a process of its own"]
fn child() {
    let info = info(VideoFormat::I420, 320, 240);
    let mut rig = Rig::new(&info, |element| {
        use gst::prelude::*;
        element.set_property("model-dir", models().to_str());
        element.set_property("source", hopper());
    });
    let frame = photo_frame(&astronaut(), &info);
    for index in 0..5 {
        let out = rig.pass(stamped(&frame, index));
        assert!(gst::meta::CustomMeta::from_buffer(&out, "FaceSwapMarkMeta").is_ok());
        assert!(bytes(&out) != bytes(&frame));
    }
}

/// The child behind a command such as strace; `None`, and a line that says so, where that is not there or not allowed.
fn behind(command: &[&str]) -> Option<String> {
    let allowed = Command::new(command[0]).args(&command[1..]).arg("true").output();
    if !allowed.is_ok_and(|run| run.status.success()) {
        println!("NOT TESTED: {} is not there or not allowed here", command[0]);
        return None;
    }
    let child = ["isolation::child", "--exact", "--ignored", "--nocapture"];
    let run = Command::new(command[0])
        .args(&command[1..])
        .arg(env::current_exe().unwrap())
        .args(child)
        .env_remove("DISPLAY")
        .finish();
    let said = said(&run);
    assert!(run.status.success() && said.contains("1 passed"), "{said}");
    Some(said)
}

#[test]
fn it_swaps_where_there_is_no_network() {
    behind(&["unshare", "--net", "--map-root-user"]);
}

#[test]
fn it_opens_no_socket_to_anywhere_and_no_font() {
    let log = folder("trust-strace").join("log");
    let trace = "trace=socket,connect,sendto,open,openat";
    if behind(&["strace", "-f", "-qq", "-e", trace, "-o", log.to_str().unwrap()]).is_none() {
        return;
    }
    // The last run is the child's; strace writes its log anew.
    let calls = fs::read_to_string(&log).unwrap();
    assert!(
        calls.contains("grace_hopper.jpg") && calls.contains("libonnxruntime"),
        "the child was not traced"
    );
    let network = |line: &&str| {
        ["AF_INET", "AF_NETLINK", "AF_PACKET", "resolv.conf", "/etc/hosts"]
            .iter()
            .any(|sign| line.contains(sign))
    };
    let fonts = |line: &&str| [".ttf", ".otf", "fontconfig"].iter().any(|sign| line.contains(sign));
    assert_eq!(calls.lines().filter(network).collect::<Vec<_>>(), Vec::<&str>::new());
    assert_eq!(calls.lines().filter(fonts).collect::<Vec<_>>(), Vec::<&str>::new());
    // Nor does it write any file.
    let writes = |line: &&str| {
        // Orc, GStreamer's compiler, puts what it makes for the test's own pictures into a file and removes it.
        let known = ["/dev/", "memfd", "/proc/", "/sys/", "ENOENT", "/orcexec."];
        let written = ["O_WRONLY", "O_RDWR", "O_CREAT"].iter().any(|flag| line.contains(flag));
        written && !known.iter().any(|place| line.contains(place))
    };
    let written: Vec<&str> = calls.lines().filter(writes).collect();
    assert!(written.iter().all(|line| line.contains("gstreamer-1.0/registry")), "{written:?}");
}
