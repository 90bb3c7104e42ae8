//! The `source` property: a list of files and folders.

use std::path::{Path, PathBuf};

use crate::engine::SourceError;

const EXTENSIONS: [&str; 6] = ["jpg", "jpeg", "png", "webp", "bmp", "gif"];
/// Images taken from one folder.
const MOST: usize = 256;

/// Splits a list at its commas; `\,` is a comma in a name. Empty parts are left out, and a leading
/// `file://` is taken off (with its percent escapes undone).
pub fn split_list(list: &str) -> Vec<PathBuf> {
    let mut parts = vec![String::new()];
    let mut chars = list.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\\' if chars.peek() == Some(&',') => {
                chars.next();
                if let Some(part) = parts.last_mut() {
                    part.push(',');
                }
            }
            ',' => parts.push(String::new()),
            c => {
                if let Some(part) = parts.last_mut() {
                    part.push(c);
                }
            }
        }
    }
    parts.iter().map(|part| part.trim()).filter(|part| !part.is_empty()).map(path).collect()
}

/// Splits `who=as;who=as`, each side a list for [`split_list`]; `\;` and `\=` are these signs in a
/// name.
///
/// # Errors
/// Says which part is not of that form.
pub fn split_map(map: &str) -> Result<Vec<(String, String)>, String> {
    let mut parts = vec![vec![String::new()]];
    let mut chars = map.chars().peekable();
    while let Some(c) = chars.next() {
        let sides = parts.len() - 1;
        match c {
            ';' => parts.push(vec![String::new()]),
            '=' => parts[sides].push(String::new()),
            c => {
                let literal = chars.next_if(|next| c == '\\' && matches!(next, ';' | '='));
                if let Some(side) = parts[sides].last_mut() {
                    side.push(literal.unwrap_or(c));
                }
            }
        }
    }
    let written = parts.into_iter().filter(|sides| sides.len() > 1 || !sides[0].trim().is_empty());
    let pairs = written.map(|sides| match &sides[..] {
        [who, shown] if !split_list(who).is_empty() && !split_list(shown).is_empty() => {
            Ok((who.trim().to_owned(), shown.trim().to_owned()))
        }
        _ => Err(format!(
            "{:?} is not of the form who.jpg=as.jpg; several have ; between, and in a name these signs are \\; and \\=",
            sides.join("=")
        )),
    });
    pairs.collect()
}

fn path(text: &str) -> PathBuf {
    let Some(rest) = text.strip_prefix("file://") else {
        return PathBuf::from(text);
    };
    let rest = &rest[rest.find('/').unwrap_or(0)..];
    let mut bytes = Vec::with_capacity(rest.len());
    let mut left = rest.as_bytes();
    while let [first, tail @ ..] = left {
        let escaped = (*first == b'%')
            .then(|| tail.get(..2).and_then(|hex| std::str::from_utf8(hex).ok()))
            .flatten()
            .and_then(|hex| u8::from_str_radix(hex, 16).ok())
            .filter(|byte| *byte != 0);
        match escaped {
            Some(byte) => {
                bytes.push(byte);
                left = &tail[2..];
            }
            None => {
                bytes.push(*first);
                left = tail;
            }
        }
    }
    #[cfg(unix)]
    return PathBuf::from(<std::ffi::OsString as std::os::unix::ffi::OsStringExt>::from_vec(bytes));
    #[cfg(not(unix))]
    PathBuf::from(String::from_utf8_lossy(&bytes).into_owned())
}

/// Replaces each folder by the images in it, by name. Only names are looked at.
///
/// # Errors
/// A path that does not exist, a folder that cannot be read or holds no image.
pub fn expand(paths: &[PathBuf]) -> Result<Vec<PathBuf>, SourceError> {
    let mut files = Vec::new();
    for path in paths {
        let unreadable = |error: std::io::Error| match error.kind() {
            std::io::ErrorKind::NotFound => SourceError::Missing { path: path.clone() },
            _ => SourceError::Unreadable { path: path.clone(), error },
        };
        let kind = path.metadata().map_err(unreadable)?;
        if kind.is_file() {
            files.push(path.clone());
            continue;
        }
        if !kind.is_dir() {
            return Err(SourceError::NotAnImage {
                path: path.clone(),
                reason: "neither a file nor a folder".into(),
            });
        }
        let mut inside = Vec::new();
        for entry in path.read_dir().map_err(unreadable)? {
            let file = entry.map_err(unreadable)?.path();
            if is_image(&file) && file.is_file() {
                inside.push(file);
            }
        }
        if inside.is_empty() {
            return Err(SourceError::EmptyFolder { path: path.clone() });
        }
        inside.sort();
        inside.truncate(MOST);
        files.append(&mut inside);
    }
    Ok(files)
}

fn is_image(path: &Path) -> bool {
    let extension = path.extension().and_then(|e| e.to_str()).map(str::to_ascii_lowercase);
    extension.is_some_and(|e| EXTENSIONS.contains(&e.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(list: &str) -> Vec<String> {
        split_list(list).iter().map(|p| p.display().to_string()).collect()
    }

    #[test]
    fn commas_separate_unless_escaped() {
        assert_eq!(strings("a.jpg"), ["a.jpg"]);
        assert_eq!(strings("a.jpg, b c.png,,"), ["a.jpg", "b c.png"]);
        assert_eq!(strings(r"Doe\, Jane.jpg,x\y.jpg"), ["Doe, Jane.jpg", r"x\y.jpg"]);
        assert!(strings("").is_empty());
    }

    #[test]
    fn a_map_is_pairs_of_lists() {
        let pair = |a: &str, b: &str| (a.to_owned(), b.to_owned());
        assert_eq!(
            split_map(" a.jpg = b.jpg ; c.jpg,d.jpg=e;"),
            Ok(vec![pair("a.jpg", "b.jpg"), pair("c.jpg,d.jpg", "e")])
        );
        assert_eq!(split_map(r"a\;b=c\=d;x\,y=z\w"), Ok(vec![pair("a;b", "c=d"), pair(r"x\,y", r"z\w")]));
        assert_eq!(split_map(" ; "), Ok(vec![]));
        for wrong in ["a.jpg", "a.jpg=", "=b.jpg", "a=b=c", "a=b;c", "a=,"] {
            assert!(split_map(wrong).unwrap_err().contains("who.jpg=as.jpg"), "{wrong}");
        }
    }

    #[cfg(unix)]
    #[test]
    fn a_device_is_refused_instead_of_read() {
        let error = expand(&["/dev/zero".into()]).unwrap_err().to_string();
        assert!(error.contains("/dev/zero") && error.contains("neither a file"), "{error}");
    }

    #[test]
    fn file_uris_are_paths() {
        assert_eq!(strings("file:///home/a%20b/%C3%A9.jpg"), ["/home/a b/é.jpg"]);
        assert_eq!(strings("file:///a%zz%2%00"), ["/a%zz%2%00"]);
    }
}
