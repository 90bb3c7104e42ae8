//! Writes stand-ins for swap networks, with what they need beside them: closed-form graphs for the
//! tests, or inswapper_128 at its full size with random weights, for timing.
//!
//!     cargo run --release --example standin -- target/standin full

#[path = "../tests/neural/standin.rs"]
mod standin;

use std::path::PathBuf;

use clap::{Parser, ValueEnum};

#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    /// Every family, tiny.
    Families,
    /// inswapper_128.onnx, 554 MB.
    Full,
    /// inswapper_128_fp16.onnx, 277 MB.
    FullFp16,
}

/// Writes stand-ins for swap networks.
#[derive(Debug, Parser)]
struct Args {
    /// Where to, made if need be.
    folder: PathBuf,
    kind: Kind,
    /// Leaves the batch of full-size networks open.
    #[arg(long)]
    free: bool,
}

fn main() -> anyhow::Result<()> {
    let Args { folder, kind, free } = Args::parse();
    std::fs::create_dir_all(&folder)?;
    match kind {
        Kind::Families => {
            for family in standin::families() {
                standin::write_family(&family, &folder);
            }
        }
        Kind::Full | Kind::FullFp16 => {
            let half = matches!(kind, Kind::FullFp16);
            let file = if half { "inswapper_128_fp16.onnx" } else { "inswapper_128.onnx" };
            standin::write(&standin::inswapper_full(half, free), &folder.join(file));
            standin::write(&standin::recognizer(512), &folder.join("arcface_w600k_r50.onnx"));
        }
    }
    println!("{}", folder.display());
    Ok(())
}
