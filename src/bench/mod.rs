//! `fanwire bench`: a load generator that any WebSocket server can be measured with. One thread,
//! one `mio` loop, a codec of its own; no part of the server, which never uses it.
//!
//! `flags` says what is asked for and `script` what follows from it; `crowd` has the connections
//! (`line`) and the loop, with `upgrade`, `codec`, `dialect` and `hearing` for what they say and
//! hear; `fanout`, `echo` and `connect` are scenarios, which `work` and `steps` call. `tally`
//! counts, `account` looks at the server, `report` says it. `processes` does all this several
//! times at once.

pub mod account;
pub mod books;
pub mod clock;
pub mod codec;
pub mod connect;
pub mod crowd;
pub mod dialect;
pub mod echo;
pub mod fanout;
pub mod flags;
pub mod hearing;
pub mod line;
pub mod positions;
pub mod processes;
pub mod publisher;
pub mod report;
pub mod scrape;
pub mod script;
pub mod share;
pub mod slow;
pub mod stamp;
pub mod steps;
pub mod storm;
pub mod tally;
pub mod target;
pub mod traffic;
pub mod upgrade;
pub mod work;

mod inflate;

use std::ffi::OsString;
use std::io::Write as _;
use std::process::ExitCode;

use clap::Parser as _;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use self::clock::now_ns;
use self::connect::Connecting;
use self::echo::Echoing;
use self::fanout::Fan;
use self::flags::{Plan, Scenario};
use self::report::progress::Progress;
use self::report::{Slice, table};
use self::slow::Slowing;
use self::storm::Storming;
use self::work::Work;

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
    raise_limit();
    let begin_ns = now_ns();
    match &plan.scenario {
        Scenario::Connect(flags) => {
            let connecting = Connecting::new(plan, flags)?;
            if plan.common.steps || flags.churn > 0 {
                return measure(plan, begin_ns, connecting);
            }
            say(plan, &connecting.held()?)
        }
        Scenario::Echo(flags) => measure(plan, begin_ns, Echoing::new(plan, flags)?),
        Scenario::Fanout(flags) => measure(plan, begin_ns, Fan::new(plan, flags)?),
        Scenario::Storm(flags) => measure(plan, begin_ns, Storming::new(plan, flags)?),
        Scenario::Slow(flags) => measure(plan, begin_ns, Slowing::new(plan, flags)?),
    }
}

/// Measures, once or as it is told, and says the result.
fn measure(plan: &Plan, begin_ns: u64, mut work: impl Work) -> Result<(), String> {
    let common = &plan.common;
    if common.steps {
        return steps::run(&mut work, now_ns() - begin_ns, common.listens_only);
    }
    let mut progress = Progress::new();
    if !common.warm_up.is_zero() {
        progress.show("warming up");
        work.warm_up(common.warm_up)?;
    }
    progress.show("measuring");
    let slice = work.slice(common.time)?;
    progress.clear();
    if let Some(words) = work.crowd().last_words() {
        eprintln!("fanwire bench: a connection was closed: {words}");
    }
    say(plan, &slice)
}

/// Says a result.
fn say(plan: &Plan, slice: &Slice) -> Result<(), String> {
    let text = if plan.common.json {
        serde_json::to_string(slice).map_err(|error| error.to_string())? + "\n"
    } else {
        table::table(slice)
    };
    std::io::stdout().write_all(text.as_bytes()).map_err(|error| format!("stdout: {error}"))
}

/// As many open files as the system allows. What it does not allow shows when connections fail.
fn raise_limit() {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum });
}
