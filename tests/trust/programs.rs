//! Programs of events, as `fuzz/` makes them: those kept and some random ones.

use std::{fs, sync::mpsc, time::Duration};

use crate::{common::repo, events};

/// A deadlock cannot be unwound.
fn watched(what: &str, test: impl FnOnce()) {
    let (done, ended) = mpsc::channel::<()>();
    let what = what.to_owned();
    std::thread::spawn(move || {
        if ended.recv_timeout(Duration::from_secs(60)) == Err(mpsc::RecvTimeoutError::Timeout) {
            eprintln!("{what} hangs");
            std::process::exit(101);
        }
    });
    test();
    drop(done);
}

#[test]
fn no_program_of_events_panics_hangs_or_loses_a_frame() {
    crate::common::models();
    let mut files: Vec<_> =
        fs::read_dir(repo().join("fuzz/corpus/events")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    for file in files {
        let program = fs::read(&file).unwrap();
        watched(&file.display().to_string(), || events::run(&program));
    }
    for seed in 1..=40u64 {
        let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mut next = || {
            state ^= state << 13;
            state ^= state >> 7;
            state ^= state << 17;
            state as u8
        };
        let program: Vec<u8> = (0..240).map(|_| next()).collect();
        watched(&format!("program {seed}"), || events::run(&program));
    }
}
