//! Measures Fanwire, its peers and the floors side by side, and writes docs/benchmarks.md. The
//! works are the table in `works`, the servers that in `servers`; `rounds` runs them, `measures`
//! and `statistics` make numbers of what they give, `table`, `plot` and `document` show these.

mod axis;
mod children;
mod document;
mod launch;
mod machine;
mod marks;
mod measures;
mod plot;
mod results;
mod rounds;
mod servers;
mod session;
mod slice;
mod statistics;
mod table;
mod work;
mod works;

use std::fmt::Write as _;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use clap::Parser;
use clap::builder::PossibleValuesParser;

use launch::{Launch, may_precede};
use marks::faults;
use results::Results;
use rounds::Options;
use table::Table;
use work::Work;
use works::{WORKS, work};

/// Measures Fanwire, its peers and the floors side by side
#[derive(Debug, Parser)]
#[command(name = "compare")]
struct Flags {
    /// What is measured; `all`; `document` makes the document anew from what was measured
    #[arg(value_name = "WORK", default_value = "all", value_parser = work_names())]
    works: Vec<String>,
    /// Servers that take part, by name or by its beginning up to a dash; floors come with them
    #[arg(long, value_name = "NAME", value_delimiter = ',')]
    servers: Vec<String>,
    /// Rounds, in each of which every server has a turn [default: that of the work]
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    rounds: Option<u32>,
    /// The length of a turn [default: that of the work]
    #[arg(long, value_name = "TIME", value_parser = humantime::parse_duration)]
    slice: Option<Duration>,
    /// At most so many connections a client, to try something out
    #[arg(long, value_name = "COUNT", value_parser = clap::value_parser!(u32).range(1..))]
    connections: Option<u32>,
    /// Of the order of turns
    #[arg(long, value_name = "NUMBER", default_value_t = 1)]
    seed: u64,
    /// Builds and installs nothing
    #[arg(long)]
    no_build: bool,
    /// The binary that is measured, and measures [default: target/release/fanwire]
    #[arg(long, value_name = "FILE")]
    fanwire: Option<PathBuf>,
    /// Where results go [default: benches/compare/results; elsewhere no document is made]
    #[arg(long, value_name = "FOLDER")]
    results: Option<PathBuf>,
    /// Fails when a row is missing, something was lost, or frames are longer than the floor's
    #[arg(long)]
    strict: bool,
}

fn work_names() -> PossibleValuesParser {
    let names = WORKS.iter().map(|work| work.name);
    PossibleValuesParser::new(names.chain(["all", "document"]))
}

fn main() -> Result<()> {
    let flags = Flags::parse();
    let launch = launch(&flags)?;
    let folder = flags.results.clone().unwrap_or_else(|| launch.here.join("results"));
    let mut outcome = Ok(());
    if flags.works != ["document"] {
        ensure!(
            flags.no_build || !cfg!(debug_assertions),
            "this is a debug build, and so are its floors: use cargo run --release"
        );
        if !flags.no_build {
            build(&launch)?;
        }
        fs::create_dir_all(&launch.logs)?;
        outcome = measure_all(&flags, &launch, &folder);
    }
    if flags.results.is_none() {
        write_document(&launch.root, &folder)?;
    }
    outcome
}

fn launch(flags: &Flags) -> Result<Launch> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR")).canonicalize()?;
    let root = here.ancestors().nth(2).context("benches/compare is two folders down")?.to_owned();
    let own = std::env::current_exe()?.parent().context("a program is in a folder")?.to_owned();
    let fanwire = flags.fanwire.clone().unwrap_or_else(|| root.join("target/release/fanwire"));
    let logs = flags.results.clone().unwrap_or_else(|| root.join("target/compare")).join("logs");
    let (connections, may_precede) = (flags.connections, may_precede());
    Ok(Launch { root, here, own, fanwire, logs, connections, may_precede })
}

/// The binary under test; floors and peers, and what comes from elsewhere. What cannot be had is
/// named by `install`, and again as a row that did not start.
fn build(launch: &Launch) -> Result<()> {
    let cargo = std::env::var("CARGO").unwrap_or_else(|_| "cargo".into());
    let mut build = Command::new(cargo);
    build.args(["build", "--release", "--locked"]).current_dir(&launch.root);
    let status = build.status().with_context(|| children::shown(&build))?;
    ensure!(status.success(), "{}: {status}", children::shown(&build));
    let install = launch.here.join("install");
    Command::new(&install).status().with_context(|| install.display().to_string())?;
    Ok(())
}

/// One work after the other; one that fails is told at the end.
fn measure_all(flags: &Flags, launch: &Launch, folder: &Path) -> Result<()> {
    let mut failed = Vec::new();
    for work in chosen(&flags.works) {
        if let Err(error) = measure(work, flags, launch, folder) {
            eprintln!("{}: {error:#}", work.name);
            failed.push(work.name);
        }
    }
    ensure!(failed.is_empty(), "failed: {}", failed.join(", "));
    Ok(())
}

fn measure(work: &'static Work, flags: &Flags, launch: &Launch, folder: &Path) -> Result<()> {
    let options = Options {
        servers: flags.servers.clone(),
        rounds: flags.rounds,
        slice: flags.slice,
        seed: flags.seed,
        command: command(flags, work),
    };
    if let Some(path) = launch.tokens_for(work) {
        let made = launch.make_tokens(work).output()?;
        ensure!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        fs::write(path, made.stdout)?;
    }
    let results = rounds::run(work, launch, &options)?;
    let table = Table::of(&results, work);
    println!("\n{}\n{}", work.title, table.to_terminal());
    results.save(folder)?;
    plot::draw(&results, work, &folder.join(format!("{}.svg", work.name)))?;
    if flags.strict {
        let rows = work.rows.iter();
        let faults: Vec<String> = rows.flat_map(|row| faults(&results, work, row)).collect();
        ensure!(faults.is_empty(), "there are faults: {faults:?}");
        let absent = &results.about.absent;
        ensure!(absent.is_empty(), "not all was measured: {absent:?}");
    }
    Ok(())
}

fn chosen(names: &[String]) -> Vec<&'static Work> {
    let all = || WORKS.iter().filter(|work| !work.only_on_request);
    let named = |name: &String| work(name).into_iter().collect::<Vec<_>>();
    names
        .iter()
        .flat_map(|name| if name == "all" { all().collect() } else { named(name) })
        .collect()
}

/// The command that measures a work like this again.
fn command(flags: &Flags, work: &Work) -> String {
    let path = "benches/compare/Cargo.toml";
    let mut command = format!("cargo run --release --manifest-path {path} -- {}", work.name);
    for (flag, value) in [
        ("servers", (!flags.servers.is_empty()).then(|| flags.servers.join(","))),
        ("rounds", flags.rounds.map(|rounds| rounds.to_string())),
        ("slice", flags.slice.map(|slice| humantime::format_duration(slice).to_string())),
        ("connections", flags.connections.map(|connections| connections.to_string())),
        ("seed", (flags.seed != 1).then(|| flags.seed.to_string())),
    ] {
        if let Some(value) = value {
            let _ = write!(command, " --{flag} {value}");
        }
    }
    command
}

/// From all results that there are. What the codec costs is measured elsewhere (`make bench-codec`)
/// and has its table ready.
fn write_document(root: &Path, folder: &Path) -> Result<()> {
    let mut measured = Vec::new();
    for work in &WORKS {
        if let Some(results) = Results::load(folder, work.name)? {
            plot::draw(&results, work, &folder.join(format!("{}.svg", work.name)))?;
            measured.push((work, results));
        }
    }
    let codec = fs::read_to_string(folder.join("codec.md")).unwrap_or_default();
    ensure!(!measured.is_empty() || !codec.is_empty(), "{} has no results", folder.display());
    let path = root.join("docs/benchmarks.md");
    fs::write(&path, document::document(&measured, &codec))
        .with_context(|| path.display().to_string())
}
