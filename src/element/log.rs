//! The debug category, which ONNX Runtime's messages go to as well.

use std::sync::{LazyLock, Once};

use crate::models::{self, LogLevel};

pub(super) static CAT: LazyLock<gst::DebugCategory> =
    LazyLock::new(|| gst::DebugCategory::new("faceswap", gst::DebugColorFlags::empty(), Some("Face swap")));

/// Routes ONNX Runtime's messages here, as far as the category's threshold lets them through.
/// Makes no call into ONNX Runtime where none is loaded.
pub(super) fn route_runtime() {
    static ONCE: Once = Once::new();
    ONCE.call_once(|| models::set_log_sink(sink));
    // Below Warning every run of a model writes messages.
    models::set_log_level(match CAT.threshold() {
        level if level >= gst::DebugLevel::Trace => LogLevel::Verbose,
        level if level >= gst::DebugLevel::Log => LogLevel::Info,
        _ => LogLevel::Warning,
    });
}

fn sink(level: LogLevel, message: &str) {
    let level = match level {
        LogLevel::Verbose => gst::DebugLevel::Trace,
        LogLevel::Info => gst::DebugLevel::Log,
        LogLevel::Warning => gst::DebugLevel::Warning,
        LogLevel::Error | LogLevel::Fatal => gst::DebugLevel::Error,
    };
    gst::log_with_level!(CAT, level, "ONNX Runtime: {message}");
}
