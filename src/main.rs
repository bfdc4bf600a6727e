//! The program: settings in, server out. It says where it listens and what to try next.

use std::io::{self, IsTerminal as _, Write as _};
use std::process::ExitCode;

use fanwire::config::{Config, ListenAddress};
use fanwire::server::Server;
use fanwire::settings::{LogFormat, LogLevel, Machine, Reload, Settings, Task};
use fanwire::worker::net::Serves;
use tracing::Level;

#[cfg(all(feature = "mimalloc", not(feature = "count-heap")))]
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// The system's allocator, counted.
#[cfg(feature = "count-heap")]
#[global_allocator]
static ALLOCATOR: &stats_alloc::StatsAlloc<std::alloc::System> = &stats_alloc::INSTRUMENTED_SYSTEM;

fn main() -> ExitCode {
    let mut args = std::env::args_os().skip(1).peekable();
    if args.next_if(|word| word == "bench").is_some() {
        return fanwire::bench::main(args);
    }
    if args.next_if(|word| word == "token").is_some() {
        return fanwire::token_command::main(args);
    }
    let settings = Settings::from_args(args, std::env::vars_os(), &Machine::read());
    let settings = settings.unwrap_or_else(|refused| refused.exit());
    if settings.task == Task::Check {
        // That nobody reads it is no reason to call them wrong.
        let _ = io::stdout().write_all(summary(&settings).as_bytes());
        return ExitCode::SUCCESS;
    }
    start_log(&settings);
    abort_on_panic();
    for warning in &settings.warnings {
        tracing::warn!("{warning}");
    }
    let reload = Reload::of(&settings);
    let mode = mode(&settings.config);
    let pages = settings.config.pages.unwrap_or(settings.config.policy.is_open());
    let workers = settings.config.workers;
    let server = match Server::start(settings.config) {
        Ok(server) => server,
        Err(error) => {
            eprintln!("fanwire: {error}");
            return ExitCode::FAILURE;
        }
    };
    greet(&server, workers, &mode, pages);
    match server.run_until_signal(reload) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("fanwire: {error}");
            ExitCode::FAILURE
        }
    }
}

/// What `check` says of settings that are right.
fn summary(settings: &Settings) -> String {
    let Settings { config, file, warnings, .. } = settings;
    let mut lines = vec!["ok".to_string()];
    if let Some(file) = file {
        lines.push(format!("  file       {}", file.display()));
    }
    for address in &config.listen {
        lines.push(format!("  listening  {address}"));
    }
    for address in &config.api_listen {
        lines.push(format!("  API        {address}"));
    }
    lines.push(format!("  mode       {}", mode(config)));
    lines.push(format!("  rules      {}", config.policy.rules.len()));
    lines.extend(warnings.iter().map(|warning| format!("  warning    {warning}")));
    lines.push(String::new());
    lines.join("\n")
}

/// Who may do what.
fn mode(config: &Config) -> String {
    let policy = &config.policy;
    if policy.is_open() && config.open {
        return "open to everybody who reaches these addresses (--open)".into();
    }
    if policy.is_open() {
        return "open, to this machine only: no keys are configured".into();
    }
    let clients = match policy.token_keys.len() {
        0 => "clients come without tokens".into(),
        _ if policy.anonymous => "clients may come with tokens".into(),
        _ => "clients need tokens".to_string(),
    };
    match policy.keys.len() {
        0 => format!("no key for the API; {clients}"),
        1 => format!("1 key; {clients}"),
        keys => format!("{keys} keys; {clients}"),
    }
}

/// A panic anywhere ends the process: half a hub is worse than a restart.
fn abort_on_panic() {
    let report = std::panic::take_hook();
    std::panic::set_hook(Box::new(move |info| {
        report(info);
        std::process::abort();
    }));
}

fn start_log(settings: &Settings) {
    let level = match settings.log_level {
        LogLevel::Error => Level::ERROR,
        LogLevel::Warn => Level::WARN,
        LogLevel::Info => Level::INFO,
        LogLevel::Debug => Level::DEBUG,
        LogLevel::Trace => Level::TRACE,
    };
    let log = tracing_subscriber::fmt()
        .with_max_level(level)
        .with_ansi(io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    match settings.log_format {
        LogFormat::Text => log.init(),
        LogFormat::Json => log.json().init(),
    }
}

/// Says where the server is, in which mode, and what to try next. That nobody reads it is no
/// reason not to serve.
fn greet(server: &Server, workers: u16, mode: &str, pages: bool) {
    let _ = io::stdout().write_all(greeting(server, workers, mode, pages).as_bytes());
}

fn greeting(server: &Server, workers: u16, mode: &str, pages: bool) -> String {
    let version = env!("CARGO_PKG_VERSION");
    let connections = server.max_connections;
    let mut lines =
        vec![format!("Fanwire {version}: {workers} workers, up to {connections} connections")];
    for (address, serves) in &server.addresses {
        lines.push(match (address, serves) {
            (ListenAddress::Unix(_), Serves::Everything | Serves::Sockets) => {
                format!("  listening  {address}")
            }
            (_, Serves::Everything) => format!("  listening  http://{address}  ws://{address}/ws"),
            (_, Serves::Sockets) => format!("  listening  ws://{address}/ws"),
            (ListenAddress::Unix(_), Serves::Api) => format!("  API        {address}"),
            (_, Serves::Api) => format!("  API        http://{address}"),
        });
    }
    lines.push(format!("  mode       {mode}"));
    let first = server.addresses.iter().find_map(|(address, serves)| match address {
        ListenAddress::Tcp(address) if *serves != Serves::Sockets => Some(address),
        _ => None,
    });
    if let Some(address) = first {
        let mut margin = "  try        ";
        if pages {
            lines.push(format!("{margin}the live page at http://{address}/, and then"));
            margin = "             ";
        }
        let body = r#"'{"hello":"everyone"}'"#;
        let key = if mode.starts_with("open") { "" } else { " -H 'Authorization: Bearer …'" };
        lines.push(format!("{margin}curl http://{address}/broadcast{key} -d {body}"));
    }
    lines.push(String::new());
    lines.join("\n")
}
