//! How a run ends: what went wrong, and the exit code that tells a script which kind it was.

use std::fmt;

/// Exit codes. 0: all done; 2 is also what wrong arguments give.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Something failed under way.
    Failed = 1,
    Usage = 2,
    /// The source photo, or a model, cannot be used.
    Source = 3,
    /// The target cannot be read, or holds no video.
    Target = 4,
    /// No encoder or container can hold the result.
    Encoder = 5,
    /// The output cannot be written.
    Output = 6,
    /// The output, or unfinished work of an earlier run, is there already.
    Exists = 7,
    /// Stopped by Ctrl-C or a termination signal; what was finished is kept.
    Stopped = 130,
}

#[derive(Debug)]
pub struct Failure {
    pub exit: Exit,
    pub error: anyhow::Error,
}

pub type Outcome<T> = Result<T, Failure>;

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter) -> fmt::Result {
        write!(f, "{:#}", self.error)
    }
}

impl<E: Into<anyhow::Error>> From<E> for Failure {
    fn from(error: E) -> Self {
        Failure { exit: Exit::Failed, error: error.into() }
    }
}

/// A failure of a kind, with what was done to what.
pub trait OrExit<T> {
    fn or_exit(self, exit: Exit, what: impl fmt::Display) -> Outcome<T>;
}

impl<T, E: Into<anyhow::Error>> OrExit<T> for Result<T, E> {
    fn or_exit(self, exit: Exit, what: impl fmt::Display) -> Outcome<T> {
        self.map_err(|error| Failure { exit, error: error.into().context(what.to_string()) })
    }
}

pub fn fail<T>(exit: Exit, what: impl fmt::Display) -> Outcome<T> {
    Err(Failure { exit, error: anyhow::anyhow!("{what}") })
}
