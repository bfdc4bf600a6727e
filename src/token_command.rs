//! `fanwire token`: makes and inspects tokens, and makes keys to start with, so that all this can
//! be tried in a minute. A program of its own beside the server; what it knows of keys it has from
//! the same settings. How tokens are verified: `policy::token`.

use std::ffi::OsString;
use std::io::{self, Write as _};
use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Parser, Subcommand};

use crate::policy::token::KeySet;
use crate::settings::{Machine, Settings};

mod inspect;
mod keys;
mod make;

#[derive(Debug, Parser)]
#[command(name = "fanwire token", version, about = "Makes and inspects tokens, and makes keys")]
struct Command {
    #[command(subcommand)]
    task: Task,
}

#[derive(Debug, Subcommand)]
enum Task {
    /// Makes a token, as a backend would, and writes it to standard output
    Make(make::Make),
    /// Says what a token says, and whether a server with these settings would take it
    Inspect(inspect::Inspect),
    /// Makes keys to start with: what the server needs goes to standard output, as variables
    Keys(keys::Keys),
}

/// Which settings the keys come from, beside `FANWIRE_*` variables.
#[derive(Debug, clap::Args)]
struct From {
    /// File of settings, for `jwt_keys` and what goes with them [default: variables only]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl From {
    fn keys(&self) -> Result<std::sync::Arc<KeySet>, String> {
        let flag = self.config.as_ref().map(|file| {
            let mut flag = OsString::from("--config=");
            flag.push(file);
            flag
        });
        let settings = Settings::from_args(flag, std::env::vars_os(), &Machine::read());
        let settings = settings.map_err(|refused| refused.lines().join("\n"))?;
        Ok(std::sync::Arc::clone(&settings.config.policy.token_keys))
    }
}

/// What to write, and with which status to end.
struct Outcome {
    text: String,
    status: u8,
}

/// Runs the command. Status 1: a token is refused; 2: it cannot be done.
pub fn main(args: impl Iterator<Item = OsString>) -> ExitCode {
    let program = OsString::from("fanwire token");
    let command = Command::parse_from(std::iter::once(program).chain(args));
    let outcome = match command.task {
        Task::Make(make) => make.run(),
        Task::Inspect(inspect) => inspect.run(),
        Task::Keys(keys) => keys.run(),
    };
    match outcome {
        Ok(Outcome { text, status }) => {
            // That nobody reads it is no reason to fail otherwise.
            let _ = io::stdout().write_all(text.as_bytes());
            ExitCode::from(status)
        }
        Err(reason) => {
            let _ = writeln!(io::stderr(), "error: {reason}");
            ExitCode::from(2)
        }
    }
}
