//! What is to be done: the files that the arguments name, and where each result goes.

use std::{
    collections::HashSet,
    fs,
    path::{Path, PathBuf},
};

use crate::{
    args::Args,
    encoder,
    exit::{Exit, OrExit, Outcome, fail},
};

const PICTURES: [&str; 5] = ["jpg", "jpeg", "png", "webp", "bmp"];
const VIDEOS: [&str; 13] =
    ["mp4", "m4v", "mov", "mkv", "webm", "avi", "mpg", "mpeg", "ts", "mts", "flv", "wmv", "3gp"];

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Target {
    pub path: PathBuf,
    pub output: PathBuf,
    pub picture: bool,
}

/// Targets in the order they were given, a folder's by name.
///
/// # Errors
/// One that is not there; two that would have the same result; a result that is there, without --force.
pub fn expand(args: &Args) -> Outcome<Vec<Target>> {
    let mut paths = Vec::new();
    for given in &args.target {
        if given.is_dir() {
            let before = paths.len();
            paths.extend(inside(given)?);
            if paths.len() == before {
                return fail(
                    Exit::Target,
                    format!("{}: no video or picture in this folder", given.display()),
                );
            }
        } else if given.is_file() {
            paths.push(given.clone());
        } else {
            return fail(Exit::Target, format!("{}: no such file", given.display()));
        }
    }
    let several = args.target.len() > 1 || args.target[0].is_dir();
    let folder = several || args.output.is_dir();
    if several && args.output.is_file() {
        return fail(
            Exit::Usage,
            format!("{}: several targets need a folder as --output", args.output.display()),
        );
    }
    if several && (args.only.is_some() || args.count) {
        return fail(Exit::Usage, "--only and --count are for a single video");
    }
    let mut taken = HashSet::new();
    let mut targets = Vec::new();
    for path in paths {
        let picture = has(&path, &PICTURES);
        let output = match folder {
            true => args.output.join(result(&path, picture)),
            false => args.output.clone(),
        };
        if picture != has(&output, &PICTURES) {
            return fail(
                Exit::Usage,
                format!(
                    "{}: {} needs a result of the same kind",
                    output.display(),
                    if picture { "a picture" } else { "a video" }
                ),
            );
        }
        if !taken.insert(output.clone()) {
            return fail(Exit::Usage, format!("{}: two targets have the same name", output.display()));
        }
        check(&path, &output, args)?;
        targets.push(Target { path, output, picture });
    }
    if folder {
        fs::create_dir_all(&args.output).or_exit(Exit::Output, args.output.display())?;
    }
    Ok(targets)
}

fn check(path: &Path, output: &Path, args: &Args) -> Outcome<()> {
    let name = output.display();
    let same = output.exists() && fs::canonicalize(path).ok() == fs::canonicalize(output).ok();
    if same {
        return fail(Exit::Usage, format!("{name} is the target itself"));
    }
    // What is there is what an earlier run of a folder finished.
    if output.exists() && !args.force && !args.resume && !args.count {
        return fail(Exit::Exists, format!("{name} is there already: --force replaces it"));
    }
    let folder = output.parent().filter(|folder| !folder.as_os_str().is_empty());
    match folder {
        Some(folder) if !folder.is_dir() && folder != args.output => {
            fail(Exit::Output, format!("{}: no such folder", folder.display()))
        }
        _ => Ok(()),
    }
}

/// Videos and pictures directly in a folder.
fn inside(folder: &Path) -> Outcome<Vec<PathBuf>> {
    let entries = fs::read_dir(folder).or_exit(Exit::Target, folder.display())?;
    let mut found: Vec<PathBuf> = entries
        .filter_map(|entry| Some(entry.ok()?.path()))
        .filter(|path| path.is_file() && (has(path, &PICTURES) || has(path, &VIDEOS)))
        .collect();
    found.sort();
    Ok(found)
}

/// The target's own name; a container that cannot be written becomes Matroska, which holds what it may hold.
fn result(path: &Path, picture: bool) -> PathBuf {
    let name = PathBuf::from(path.file_name().unwrap_or_default());
    if picture || encoder::muxer(path).is_some() { name } else { name.with_extension("mkv") }
}

fn has(path: &Path, extensions: &[&str]) -> bool {
    let own = path.extension().and_then(|extension| extension.to_str()).map(str::to_ascii_lowercase);
    own.is_some_and(|own| extensions.contains(&own.as_str()))
}
