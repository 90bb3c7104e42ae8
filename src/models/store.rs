//! Files that are kept for later: for their owner alone, and whole under their name.

use std::{
    fs::{self, OpenOptions},
    io::{self, ErrorKind, Write},
    path::Path,
    process,
    sync::atomic::{AtomicU32, Ordering},
};

use crate::files;

/// Writes a file (mode 600) into its folder, which is made (mode 700) if need be.
///
/// # Errors
/// As the system says; others may write to the folder. Nothing is under the name then that was not
/// before.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    files::private_folder(path.parent().ok_or(ErrorKind::InvalidInput)?)?;
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let part = path.with_extension(format!("{}-{number}.part", process::id()));
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let written = options.open(&part).and_then(|mut file| {
        file.write_all(bytes)?;
        file.sync_all()?;
        fs::rename(&part, path)
    });
    written.inspect_err(|_| drop(fs::remove_file(&part)))
}
