//! Manual page and shell completions, for packages: `--man` and `--completions bash`, under the name the program is called by.

use std::{env, io, path::PathBuf, str::FromStr};

use clap::CommandFactory;
use clap_complete::Shell;

use crate::args::Args;

/// Writes what the first argument asks for; whether it did.
pub fn write() -> io::Result<bool> {
    let arguments: Vec<String> = env::args_os().map(|word| word.to_string_lossy().into_owned()).collect();
    let name =
        arguments.first().map(PathBuf::from).and_then(|path| Some(path.file_stem()?.to_str()?.to_owned()));
    let name: &'static str = name.unwrap_or_else(|| "swap".into()).leak();
    let mut command = Args::command().name(name).bin_name(name);
    match (arguments.get(1).map(String::as_str), arguments.get(2)) {
        (Some("--man"), None) => clap_mangen::Man::new(command).render(&mut io::stdout())?,
        (Some("--completions"), Some(shell)) => {
            let shell = Shell::from_str(shell).map_err(io::Error::other)?;
            clap_complete::generate(shell, &mut command, name, &mut io::stdout());
        }
        _ => return Ok(false),
    }
    Ok(true)
}
