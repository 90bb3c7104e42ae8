//! Files and folders that others may have made: opened and kept so that none of them can hold up,
//! flood or deceive this process.

use std::{
    fmt::Write,
    fs::{self, File, OpenOptions},
    io::{self, Read},
    path::Path,
};

use sha2::{Digest, Sha256};

#[cfg(unix)]
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};

/// Opens a regular file of at most `limit` bytes. Devices, pipes and sockets are not opened, for even
/// that may block or do something; one that comes between the look and the opening is refused too.
///
/// # Errors
/// As the system says, or with what is wrong with the file.
pub(crate) fn open(path: &Path, limit: u64) -> io::Result<File> {
    check(&path.metadata()?, limit)?;
    let mut options = OpenOptions::new();
    options.read(true);
    #[cfg(unix)]
    options.custom_flags(libc::O_NONBLOCK | libc::O_NOCTTY);
    let file = options.open(path)?;
    check(&file.metadata()?, limit)?;
    Ok(file)
}

fn check(found: &fs::Metadata, limit: u64) -> io::Result<()> {
    let wrong = |reason: String| Err(io::Error::new(io::ErrorKind::InvalidInput, reason));
    if !found.is_file() {
        return wrong("it is no regular file".into());
    }
    match found.len() {
        bytes if bytes > limit => wrong(format!("its {bytes} bytes are more than the {limit} allowed here")),
        _ => Ok(()),
    }
}

/// The text of a file that [`open`] takes.
///
/// # Errors
/// As [`open`]; the text is no UTF-8, or more than `limit` after all.
pub(crate) fn read_text(path: &Path, limit: u64) -> io::Result<String> {
    let mut text = String::new();
    open(path, limit)?.take(limit).read_to_string(&mut text)?;
    Ok(text)
}

/// SHA-256 of a file that [`open`] takes, in lower-case hexadecimal. Reads all of it.
///
/// # Errors
/// As [`open`], or as the system says.
pub(crate) fn sha256(path: &Path, limit: u64) -> io::Result<String> {
    let mut file = open(path, limit)?;
    let (mut hash, mut block) = (Sha256::new(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut block)? {
            0 => break,
            n => hash.update(&block[..n]),
        }
    }
    let mut text = String::with_capacity(64);
    for byte in hash.finalize() {
        let _ = write!(text, "{byte:02x}");
    }
    Ok(text)
}

/// Makes a folder that nobody else can write or look into, or sees that an existing one is as safe
/// against writing.
///
/// # Errors
/// It cannot be made, is no folder, belongs to somebody else, or others may write in it.
pub(crate) fn private_folder(path: &Path) -> io::Result<()> {
    let mut builder = fs::DirBuilder::new();
    builder.recursive(true);
    #[cfg(unix)]
    builder.mode(0o700);
    builder.create(path)?;
    let found = path.metadata()?;
    if !found.is_dir() {
        return Err(io::Error::new(io::ErrorKind::NotADirectory, "it is no folder"));
    }
    #[cfg(unix)]
    {
        let unsafe_by = |reason: String| Err(io::Error::new(io::ErrorKind::PermissionDenied, reason));
        // SAFETY: reads a number that the process always has.
        let own = unsafe { libc::geteuid() };
        if found.uid() != own {
            return unsafe_by(format!(
                "it belongs to user {}, not to {own}; name a folder of your own",
                found.uid()
            ));
        }
        if found.mode() & 0o022 != 0 {
            let mode = found.mode() & 0o777;
            return unsafe_by(format!(
                "others may write there (mode {mode:o}); run chmod 700 on it, or name another"
            ));
        }
    }
    Ok(())
}

/// Whether nobody but the system's administrator and this process's user can have put a folder
/// there. For the administrator, whether not just anybody may write in it.
pub(crate) fn is_own(folder: &Path) -> bool {
    let Ok(found) = folder.metadata() else { return false };
    #[cfg(unix)]
    {
        // SAFETY: as above.
        let own = unsafe { libc::geteuid() };
        found.is_dir() && found.mode() & 0o002 == 0 && (own == 0 || found.uid() == own || found.uid() == 0)
    }
    #[cfg(not(unix))]
    found.is_dir()
}

#[cfg(all(test, unix))]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn folder(name: &str) -> std::path::PathBuf {
        let folder = std::env::temp_dir().join(format!("faceswap-files-{}-{name}", std::process::id()));
        let _ = fs::remove_dir_all(&folder);
        fs::create_dir_all(&folder).unwrap();
        folder
    }

    #[test]
    fn only_regular_files_of_bounded_size_are_opened() {
        let folder = folder("open");
        let (file, pipe, loops) = (folder.join("file"), folder.join("pipe"), folder.join("loop"));
        fs::write(&file, "12345").unwrap();
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        std::os::unix::fs::symlink(&loops, &loops).unwrap();
        assert_eq!(read_text(&file, 5).unwrap(), "12345");
        let says = |path: &Path| open(path, 4).unwrap_err().to_string();
        assert!(says(&file).contains("5 bytes"), "{}", says(&file));
        // Would wait for a writer, were it opened.
        for odd in [&pipe, &folder, Path::new("/dev/zero")] {
            assert!(says(odd).contains("no regular file"), "{}", says(odd));
        }
        assert!(says(&loops).contains("symbolic links"), "{}", says(&loops));
        fs::remove_dir_all(folder).unwrap();
    }

    #[test]
    fn a_private_folder_is_for_its_user_alone() {
        let folder = folder("private");
        let inner = folder.join("a/b");
        private_folder(&inner).unwrap();
        for made in [&inner, &folder.join("a")] {
            assert_eq!(made.metadata().unwrap().mode() & 0o777, 0o700, "{}", made.display());
        }
        for (mode, fits) in [(0o755, true), (0o770, false), (0o702, false), (0o1777, false), (0o500, true)] {
            fs::set_permissions(&inner, fs::Permissions::from_mode(mode)).unwrap();
            let result = private_folder(&inner);
            assert_eq!(result.is_ok(), fits, "{mode:o} {result:?}");
            assert!(fits || result.unwrap_err().to_string().contains("chmod 700"));
        }
        fs::write(folder.join("file"), "").unwrap();
        assert!(private_folder(&folder.join("file")).is_err());
        assert!(is_own(&folder));
        fs::set_permissions(&folder, fs::Permissions::from_mode(0o777)).unwrap();
        assert!(!is_own(&folder) && !is_own(&folder.join("none")));
        fs::remove_dir_all(folder).unwrap();
    }
}
