//! What it is built of, and whether what is said of that is so.

use std::{fs, path::Path};

use crate::common::repo;

fn text(file: &str) -> String {
    fs::read_to_string(repo().join(file)).unwrap_or_else(|e| panic!("{file}: {e}"))
}

/// All Rust files of these folders.
fn sources(folders: &[&str]) -> String {
    fn read(folder: &Path, out: &mut String) {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                read(&path, out);
            } else if path.extension().is_some_and(|e| e == "rs") {
                out.push_str(&fs::read_to_string(path).unwrap());
            }
        }
    }
    let mut out = String::new();
    folders.iter().for_each(|folder| read(&repo().join(folder), &mut out));
    out
}

#[test]
fn the_oldest_rust_that_is_promised_is_the_one_that_builds_this() {
    // Cargo refuses an older one; a newer one here would prove nothing of it.
    let promised = env!("CARGO_PKG_RUST_VERSION");
    let version = std::process::Command::new(env!("CARGO")).arg("--version").output().unwrap().stdout;
    let version = String::from_utf8(version).unwrap();
    let version = version.split_whitespace().nth(1).unwrap();
    if !version.starts_with(&format!("{promised}.")) {
        println!("NOT TESTED: Rust {promised} is promised, and this is {version}");
    }
    assert!(text("README.md").contains(&format!("Rust {promised}")), "README names another Rust");
    let window = text("examples/live/Cargo.toml");
    assert!(window.contains(&format!("rust-version = \"{promised}\"")), "the window promises another Rust");
}

#[test]
fn every_package_comes_from_the_registry_with_its_sum() {
    let lock = text("Cargo.lock");
    let packages = lock.split("[[package]]").skip(1);
    let own = ["gst-plugin-faceswap", "faceswap-live"];
    for package in packages {
        let field = |name: &str| {
            package.lines().find_map(|line| line.strip_prefix(&format!("{name} = \""))?.strip_suffix('"'))
        };
        let name = field("name").unwrap();
        if own.contains(&name) {
            assert!(field("source").is_none(), "{name}");
            continue;
        }
        assert!(field("source").is_some_and(|s| s.starts_with("registry+")), "{name} is from elsewhere");
        assert!(field("checksum").is_some_and(|sum| sum.len() == 64), "{name} has no sum");
    }
}

#[test]
fn every_promise_names_a_test_that_is_there() {
    let tests = sources(&["src", "tests", "examples"]);
    for file in ["SECURITY.md", "README.md", "docs/faults.md"] {
        let page = text(file);
        let rows = page.lines().filter(|line| line.starts_with('|'));
        let named = rows.flat_map(|row| row.split('`').skip(1).step_by(2)).filter_map(|code| {
            code.rsplit_once("::").map(|(_, name)| name).filter(|name| name.contains('_') && name.len() > 12)
        });
        let named: Vec<&str> = named.collect();
        assert!(file == "README.md" || named.len() > 8, "{file}: {named:?}");
        for name in named {
            assert!(
                tests.contains(&format!("fn {name}(")),
                "{file} names the test {name}, which is not there"
            );
        }
    }
}
