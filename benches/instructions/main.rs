//! Instructions of the server by callgrind, exact and without a clock: per delivery, echo and
//! handshake, held to bounds. The network is one in memory, whose own instructions are left out.
//!
//!     make instructions
//!     cargo bench --bench instructions -- --profile [WORK]
//!
//! `rows` is the table, `work` what is done, `world` the network, `border` what the real one adds,
//! `callgrind` what counts. Time is measured elsewhere.

mod border;
mod callgrind;
mod rows;
mod work;
mod world;

use std::cmp::Reverse;
use std::collections::HashMap;
use std::env;
use std::path::PathBuf;
use std::process::ExitCode;

use callgrind::{Cost, Profile};
use rows::{HEAD_ROOM, ROWS};
use work::{MEASURED, Work};

#[global_allocator]
static ALLOCATOR: fanwire::heap::Allocator = fanwire::heap::Allocator;

fn main() -> ExitCode {
    let arguments: Vec<String> = env::args().skip(1).filter(|one| one != "--bench").collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments[..] {
        [] => hold(),
        ["--work", name] => named(name).map(|work| println!("{}", work.run())),
        ["--profile"] => rows::works().into_iter().try_for_each(print_profile),
        ["--profile", ref names @ ..] => {
            names.iter().try_for_each(|name| print_profile(named(name)?))
        }
        _ => Err("cargo bench --bench instructions [-- --profile [WORK...]]".to_owned()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{error}");
            ExitCode::FAILURE
        }
    }
}

fn named(name: &str) -> Result<Work, String> {
    let works = rows::works();
    let found = works.iter().find(|work| work.to_string() == name);
    let names: Vec<_> = works.iter().map(ToString::to_string).collect();
    found.copied().ok_or_else(|| format!("no work {name}, but {}", names.join(", ")))
}

/// Counts everything, prints it, and fails where something grew.
fn hold() -> Result<(), String> {
    if cfg!(debug_assertions) {
        return Err("the bounds are those of a release build".to_owned());
    }
    let mut counts = HashMap::new();
    for work in rows::works() {
        let (profile, _) = taken(work)?;
        counts.insert(work, profile.total() - profile.within(world::OWN));
    }
    println!("{:<42} {:>8} {:>10} {:>10}", "instructions of", "aim", "recorded", "counted");
    let mut grown = Vec::new();
    for row in ROWS {
        let count = row.count(&counts);
        let aim = row.aim.map(|aim| format!("{aim:.0}")).unwrap_or_default();
        let note = match () {
            () if row.is_over(count) => "  grew",
            () if row.is_under(count) => "  fell: record it",
            () => "",
        };
        println!("{:<42} {aim:>8} {:>10.1} {count:>10.1}{note}", row.what, row.recorded);
        if row.is_over(count) {
            grown.push(row.what);
        }
    }
    if grown.is_empty() {
        return Ok(());
    }
    let more = (HEAD_ROOM - 1.0) * 100.0;
    Err(format!("more than {more:.0} % over what was recorded: {}", grown.join("; ")))
}

/// Does a work under callgrind; returns how often it sent, too.
fn taken(work: Work) -> Result<(Profile, u64), String> {
    let name = work.to_string();
    let file = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(format!("callgrind.{name}"));
    let (profile, said) = Profile::taken(&["--work", &name], MEASURED, &file)?;
    let sends: u64 = said.trim().parse().map_err(|error| format!("{said}: {error}"))?;
    let send = profile.functions.get(&format!("{}fanwire::worker::net::Net>::send", world::OWN));
    let own = send.map_or(0, |cost| cost.own);
    // Each costs the same, so were some of them inlined and not seen, a rest would be left.
    if (own == 0) != (sends == 0) || !own.is_multiple_of(sends.max(1)) {
        return Err(format!("{name}: {sends} sends, but {own} instructions of the network's"));
    }
    Ok((profile, sends))
}

/// Prints where the instructions of a work are, per operation.
fn print_profile(work: Work) -> Result<(), String> {
    let (profile, sends) = taken(work)?;
    let (per, what) = match work {
        Work::Fanout(_, in_flight, _) => (sends as f64 * in_flight as f64, "frame"),
        _ => (work.operations() as f64, "operation"),
    };
    let each = |count: u64| count as f64 / per;
    let net = profile.within(world::OWN);
    let worker = profile.total() - net;
    println!("\n# {work}: instructions per {what} over {per} of them");
    println!("{:>10.2} of the worker, {:.2} of the network in memory", each(worker), each(net));
    print_functions(&profile, "own", |cost| cost.own, each);
    print_functions(&profile, "inclusive", |cost| cost.inclusive, each);
    let mut lines: Vec<_> = profile.lines.iter().collect();
    lines.sort_by_key(|(_, cost)| Reverse(**cost));
    println!("\n{:>10}  line, what was inlined being where it was written", "own");
    for ((file, line), cost) in lines.into_iter().take(60) {
        let file = file.strip_prefix(concat!(env!("CARGO_MANIFEST_DIR"), "/")).unwrap_or(file);
        println!("{:>10.2}  {file}:{line}", each(*cost));
    }
    Ok(())
}

fn print_functions(
    profile: &Profile,
    order: &str,
    key: impl Fn(&Cost) -> u64,
    each: impl Fn(u64) -> f64,
) {
    let mut functions: Vec<_> =
        profile.functions.iter().filter(|(name, _)| !is_outside(name)).collect();
    functions.sort_by_key(|(_, cost)| Reverse(key(cost)));
    println!("\n{:>10} {:>10}  function, by {order}", "own", "inclusive");
    for (name, cost) in functions.into_iter().take(25) {
        println!("{:>10.2} {:>10.2}  {name}", each(cost.own), each(cost.inclusive));
    }
}

/// Whether a function is around the worker's turns.
fn is_outside(name: &str) -> bool {
    let around = ["(below main)", "instructions::", "std::sys::", "std::rt::", "__libc", "main"];
    around.iter().any(|start| name.starts_with(start)) || name == "_start"
}
