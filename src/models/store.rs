//! Files that are kept for later: for their owner alone, and whole under their name.

use std::{
    fs::{self, OpenOptions},
    io::{self, ErrorKind, Write},
    path::Path,
    process,
    sync::atomic::{AtomicU32, Ordering},
};

/// Writes a file (mode 600) into its folder, which is made (mode 700) if need be.
///
/// # Errors
/// As the system says; others may write to the folder. Nothing is under the name then that was not
/// before.
pub(crate) fn write(path: &Path, bytes: &[u8]) -> io::Result<()> {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    own(path.parent().ok_or(ErrorKind::InvalidInput)?)?;
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

fn own(folder: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    std::os::unix::fs::DirBuilderExt::mode(&mut builder, 0o700);
    builder.create(folder)?;
    #[cfg(unix)]
    {
        let mode = std::os::unix::fs::PermissionsExt::mode(&folder.metadata()?.permissions());
        if mode & 0o022 != 0 {
            let reason = format!("others may write there (mode {:o}); run chmod 700 on it", mode & 0o777);
            return Err(io::Error::new(ErrorKind::PermissionDenied, reason));
        }
    }
    Ok(())
}
