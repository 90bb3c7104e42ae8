//! Programs that a test waits for, but not for ever.
#![allow(dead_code)]

use std::{
    io::Read,
    os::unix::process::CommandExt,
    process::{Child, Command, Output, Stdio},
    thread,
    time::{Duration, Instant},
};

/// What no program of a test takes on the slowest machine, what cargo builds for it included.
const LIMIT: Duration = Duration::from_secs(1200);

/// One test that is ignored otherwise, to be run in a process of its own.
pub fn child(test: &str) -> Command {
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args([test, "--exact", "--ignored", "--nocapture"]);
    command
}

/// What a program wrote to both its outputs.
pub fn said(output: &Output) -> String {
    let [out, err] = [&output.stdout, &output.stderr].map(|text| String::from_utf8_lossy(text));
    out.into_owned() + &err
}

pub trait Watched {
    /// As [`Command::output`]; panics with what was said, and where every thread stood, when the program
    /// and its children do not end.
    fn finish(&mut self) -> Output;
}

impl Watched for Command {
    fn finish(&mut self) -> Output {
        let command = self.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.process_group(0).spawn().unwrap_or_else(|e| panic!("{self:?}: {e}"));
        let stdout = read(child.stdout.take().unwrap());
        let stderr = read(child.stderr.take().unwrap());
        let begin = Instant::now();
        let done = |child: &mut Child| child.try_wait().unwrap().is_some();
        while !(done(&mut child) && stdout.is_finished() && stderr.is_finished()) {
            if begin.elapsed() > LIMIT {
                let group = child.id().to_string();
                let stacks = stacks(&group);
                Command::new("kill").args(["-KILL", "--", &format!("-{group}")]).status().unwrap();
                let [stdout, stderr] = [stdout, stderr].map(|t| t.join().unwrap());
                let [stdout, stderr] = [&stdout, &stderr].map(|text| String::from_utf8_lossy(text));
                panic!("{self:?} did not end in {LIMIT:?}\n{stdout}\n{stderr}\n{stacks}");
            }
            thread::sleep(Duration::from_millis(5));
        }
        let status = child.wait().unwrap();
        Output { status, stdout: stdout.join().unwrap(), stderr: stderr.join().unwrap() }
    }
}

fn read(mut pipe: impl Read + Send + 'static) -> thread::JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut all = Vec::new();
        pipe.read_to_end(&mut all).unwrap();
        all
    })
}

/// Of every process of a group, where there is a debugger.
fn stacks(group: &str) -> String {
    let members = Command::new("pgrep").args(["-g", group]).output().map(|o| o.stdout).unwrap_or_default();
    let members = String::from_utf8_lossy(&members).into_owned();
    let stack = |pid: &str| {
        let arguments = ["--batch", "-nx", "-ex", "thread apply all backtrace 24", "-p", pid];
        Command::new("gdb")
            .args(arguments)
            .stderr(Stdio::null())
            .output()
            .map(|o| o.stdout)
            .unwrap_or_default()
    };
    members.lines().map(|pid| String::from_utf8_lossy(&stack(pid)).into_owned()).collect()
}
