//! What ends a run from another thread.

use std::sync::Arc;

use ort::session::RunOptions;

/// Ends a session's run from another thread.
#[derive(Clone)]
pub struct Interrupter {
    pub(super) options: Arc<RunOptions>,
}

impl std::fmt::Debug for Interrupter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Interrupter").finish_non_exhaustive()
    }
}

impl Interrupter {
    /// Makes the run under way, and those to come, end with an error soon.
    pub fn interrupt(&self) {
        // Fails only on a null pointer.
        let _ = self.options.terminate();
    }

    /// Lets the session run again.
    pub fn resume(&self) {
        let _ = self.options.unterminate();
    }
}
