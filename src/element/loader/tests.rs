use std::{
    sync::mpsc::{Receiver, Sender, channel},
    time::Duration,
};

use super::*;

/// Each run waits for a go, then gives the request back; "bad…" fails and "panic" panics.
struct Steps {
    go: Receiver<()>,
    told: Sender<String>,
}

impl Job for Steps {
    type Output = String;
    type Error = String;

    fn run(&mut self, request: &str) -> Result<String, String> {
        self.told.send(format!("run {request}")).unwrap();
        self.go.recv().unwrap();
        match request {
            "panic" => panic!("on request"),
            bad if bad.starts_with("bad") => Err(bad.into()),
            good => Ok(good.into()),
        }
    }

    fn recycle(&mut self, output: String) {
        self.told.send(format!("recycle {output}")).unwrap();
    }

    fn failed(&mut self, error: String, fatal: bool) {
        self.told.send(format!("failed {error} {fatal}")).unwrap();
    }

    fn panicked(&mut self, message: &str) {
        self.told.send(format!("panicked {message}")).unwrap();
    }
}

fn steps() -> (Loader<String>, Sender<()>, Receiver<String>) {
    let (go, wait) = channel();
    let (told, hear) = channel();
    (Loader::spawn(Steps { go: wait, told }).unwrap(), go, hear)
}

fn heard(told: &Receiver<String>) -> String {
    told.recv_timeout(Duration::from_secs(10)).unwrap()
}

fn ready(text: &str) -> Next<String> {
    Next::Ready(text.into())
}

#[test]
fn required_is_waited_for_and_a_later_request_is_not() {
    let (loader, go, told) = steps();
    loader.require("first");
    go.send(()).unwrap();
    assert_eq!(loader.next(), ready("first"));
    assert_eq!(loader.next(), Next::Nothing);
    loader.request("second");
    assert_eq!(loader.next(), Next::Nothing);
    assert_eq!((heard(&told), heard(&told)), ("run first".into(), "run second".into()));
    go.send(()).unwrap();
    while loader.next() != ready("second") {
        thread::yield_now();
    }
}

#[test]
fn rapid_requests_coalesce_to_the_newest() {
    let (loader, go, told) = steps();
    loader.require("a");
    assert_eq!(heard(&told), "run a");
    for request in ["b", "c", "d"] {
        loader.request(request);
    }
    go.send(()).unwrap();
    assert_eq!((heard(&told), heard(&told)), ("recycle a".into(), "run d".into()));
    go.send(()).unwrap();
    assert_eq!(loader.next(), ready("d"));
}

#[test]
fn only_a_required_failure_is_fatal() {
    let (loader, go, told) = steps();
    loader.request("bad one");
    go.send(()).unwrap();
    assert_eq!((heard(&told), heard(&told)), ("run bad one".into(), "failed bad one false".into()));
    assert_eq!(loader.next(), Next::Nothing);
    loader.require("bad two");
    go.send(()).unwrap();
    assert_eq!(loader.next(), Next::Failed);
    assert_eq!((heard(&told), heard(&told)), ("run bad two".into(), "failed bad two true".into()));
}

#[test]
fn a_superseded_failure_is_not_told() {
    let (loader, go, told) = steps();
    loader.require("bad");
    assert_eq!(heard(&told), "run bad");
    loader.request("good");
    go.send(()).unwrap();
    go.send(()).unwrap();
    assert_eq!(loader.next(), ready("good"));
    assert_eq!(heard(&told), "run good");
}

#[test]
fn interrupt_ends_waiting_and_resume_goes_on() {
    let (loader, go, _told) = steps();
    loader.require("slow");
    thread::scope(|scope| {
        let waiting = scope.spawn(|| loader.next());
        loader.interrupt();
        assert_eq!(waiting.join().unwrap(), Next::Interrupted);
    });
    loader.resume();
    go.send(()).unwrap();
    assert_eq!(loader.next(), ready("slow"));
}

#[test]
fn cancel_forgets_what_is_being_prepared() {
    let (loader, go, told) = steps();
    loader.require("unwanted");
    assert_eq!(heard(&told), "run unwanted");
    loader.cancel();
    assert_eq!(loader.next(), Next::Nothing);
    go.send(()).unwrap();
    assert_eq!(heard(&told), "recycle unwanted");
}

#[test]
fn a_panic_is_told_and_ends_waiting() {
    let (loader, go, told) = steps();
    loader.require("panic");
    go.send(()).unwrap();
    assert_eq!(loader.next(), Next::Failed);
    assert_eq!((heard(&told), heard(&told)), ("run panic".into(), "panicked on request".into()));
}

#[test]
fn a_poke_with_a_request_that_fails_is_heard() {
    let (loader, go, told) = steps();
    loader.request("bad");
    assert_eq!(heard(&told), "run bad");
    // Both are taken in one round.
    loader.request("bad again");
    loader.poke();
    (0..2).for_each(|_| go.send(()).unwrap());
    assert_eq!((heard(&told), heard(&told)), ("run bad again".into(), "failed bad again false".into()));
    assert!(loader.settle());
}

#[test]
fn what_is_recycled_goes_to_the_worker() {
    let (loader, _go, told) = steps();
    loader.recycle("old".into());
    assert_eq!(heard(&told), "recycle old");
}
