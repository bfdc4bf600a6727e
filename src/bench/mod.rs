//! `fanwire bench`: a load generator that any WebSocket server can be measured with. One thread, one
//! `mio` loop, a codec of its own; no part of the server, which never uses it.
//!
//! `flags` says what is asked for, `report` what comes out.

pub mod account;
pub mod flags;
pub mod processes;
pub mod report;
pub mod share;

use std::ffi::OsString;
use std::process::ExitCode;

use clap::Parser as _;

use self::flags::Plan;

/// Runs `fanwire bench` with these arguments, which come after that word.
pub fn main(args: impl Iterator<Item = OsString>) -> ExitCode {
    let name = OsString::from("fanwire bench");
    let plan = Plan::try_parse_from(std::iter::once(name).chain(args));
    let plan = plan.unwrap_or_else(|error| error.exit());
    match run(&plan) {
        Ok(()) => ExitCode::SUCCESS,
        Err(problem) => {
            eprintln!("fanwire bench: {problem}");
            ExitCode::FAILURE
        }
    }
}

fn run(plan: &Plan) -> Result<(), String> {
    if let Some(share) = plan.common.share {
        return alone(&share.of(plan));
    }
    if plan.common.processes > 1 {
        return processes::run(plan);
    }
    alone(plan)
}

/// Runs it in this process.
fn alone(plan: &Plan) -> Result<(), String> {
    Err(format!("{}: not yet", plan.scenario.as_str()))
}
