//! Settings as an operator gives them: flags, then `FANWIRE_*` environment. Raw words become
//! `config::Config` here, once, at the start; whatever is unknown or impossible ends the start with
//! one line that names the setting. `flags` is the list of all settings, `units` reads durations
//! and sizes, `machine` asks the machine for defaults. Nothing here serves.

mod flags;
mod machine;
mod units;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::net::SocketAddr;
use std::sync::Arc;

use clap::error::ErrorKind;
use clap::{ArgMatches, CommandFactory as _, FromArgMatches as _};

use self::flags::{Compression, Flags, Pages};
pub use self::flags::{LogFormat, LogLevel};
pub use self::machine::Machine;
use crate::config::Config;
use crate::limits::{BURST_MARGIN, UNLIMITED};
use crate::policy::Policy;
use crate::policy::rule::Rule;

/// Everything that an operator has decided.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What the server itself goes by.
    pub config: Config,
    /// From which level on events are written to the log.
    pub log_level: LogLevel,
    /// How they are written.
    pub log_format: LogFormat,
}

impl Settings {
    /// Reads the program's arguments, without its name, and its environment, of which only names
    /// that start with `FANWIRE_` matter. An argument is stronger than a variable, and a list is
    /// replaced as a whole.
    ///
    /// # Errors
    /// The text and the exit status for the operator. `--help` and `--version` end here too.
    pub fn from_args(
        args: impl IntoIterator<Item = OsString>,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        machine: &Machine,
    ) -> Result<Self, clap::Error> {
        let args: Vec<_> = args.into_iter().collect();
        let given = matches(&args)?;
        let mut all = arguments(environment, &given)?;
        // Alone first, so that what is wrong with a variable is not blamed on a flag.
        matches(&all).map_err(|error| from_environment(&error))?;
        all.extend(args);
        let flags = Flags::from_arg_matches(&matches(&all)?)?;
        flags.into_settings(machine).map_err(|reason| wrong(&reason))
    }
}

fn matches(args: &[OsString]) -> Result<ArgMatches, clap::Error> {
    let program = OsString::from("fanwire");
    Flags::command().try_get_matches_from(std::iter::once(&program).chain(args))
}

/// Turns variables into the arguments that they stand for, but for those that `given` replaces.
fn arguments(
    environment: impl IntoIterator<Item = (OsString, OsString)>,
    given: &ArgMatches,
) -> Result<Vec<OsString>, clap::Error> {
    use clap::parser::ValueSource::CommandLine;
    let command = Flags::command();
    let known: BTreeMap<_, _> =
        command.get_arguments().filter_map(|arg| Some((variable(arg.get_long()?), arg))).collect();
    let mut arguments = Vec::new();
    let mut unknown = Vec::new();
    for (name, value) in environment {
        let name = name.to_string_lossy();
        let Some(arg) = known.get(&*name) else {
            if name.starts_with(PREFIX) {
                unknown.push(name.into_owned());
            }
            continue;
        };
        if given.value_source(arg.get_id().as_str()) != Some(CommandLine) {
            let mut argument =
                OsString::from(format!("--{}=", arg.get_id().as_str().replace('_', "-")));
            argument.push(value);
            arguments.push(argument);
        }
    }
    unknown.sort();
    match unknown.as_slice() {
        [] => Ok(arguments),
        names => Err(wrong(&format!("no such setting in the environment: {}", names.join(", ")))),
    }
}

const PREFIX: &str = "FANWIRE_";

/// The variable that stands for a flag: `FANWIRE_MAX_CONNECTIONS` for `max-connections`.
fn variable(flag: &str) -> String {
    format!("{PREFIX}{}", flag.replace('-', "_").to_uppercase())
}

fn wrong(reason: &str) -> clap::Error {
    Flags::command().error(ErrorKind::ValueValidation, reason)
}

fn from_environment(error: &clap::Error) -> clap::Error {
    let text = error.to_string();
    let reason = text.strip_prefix("error: ").unwrap_or(&text);
    let first = reason.lines().next().unwrap_or_default();
    let flag = first.split("'--").nth(1).and_then(|rest| rest.split([' ', '=', '\'']).next());
    let name = flag.map(variable).unwrap_or_default();
    wrong(&format!("{first} (from the environment, {name})"))
}

impl Flags {
    fn into_settings(self, machine: &Machine) -> Result<Settings, String> {
        let listen = self.listen.iter().map(|text| listener(text));
        let listeners = listen.collect::<Result<Vec<_>, _>>()?;
        check_open(&listeners, self.open)?;
        let share = |given: Option<usize>| given.unwrap_or(machine.memory_bytes / 8);
        let fallback = Rule {
            history_count: self.history_count,
            history_bytes: self.history_bytes,
            history_age: self.history_age,
            ..Rule::default()
        };
        let policy = Policy { fallback: Arc::new(fallback), ..Policy::default() };
        let config = Config {
            listen: self.listen,
            api_listen: self.api_listen,
            unix_mode: self.unix_mode,
            workers: self.workers.unwrap_or(machine.cores),
            node_name: self.node_name.unwrap_or_else(|| machine.host_name.clone()),
            max_connections: self.max_connections,
            max_connections_per_address: self.max_connections_per_address,
            max_connection_age: self.max_connection_age,
            max_handshakes: self.max_handshakes,
            max_message_bytes: self.max_message_bytes,
            max_body_bytes: self.max_body_bytes,
            max_header_bytes: self.max_header_bytes,
            max_batch: self.max_batch,
            handshake_timeout: self.handshake_timeout,
            idle_timeout: self.idle_timeout,
            close_timeout: self.close_timeout,
            stall_timeout: self.stall_timeout,
            ping_interval: self.ping_interval,
            pong_timeout: self.pong_timeout,
            update_interval: self.update_interval,
            window_bytes: self.window_bytes,
            unsent_bytes: self.unsent_bytes,
            max_pending: self.max_pending,
            messages_per_second: self.messages_per_second,
            burst: self.burst,
            bytes_per_second: self.bytes_per_second,
            new_channels_per_second: self.new_channels_per_second,
            max_subscriptions: self.max_subscriptions,
            max_channels: self.max_channels,
            position_age: self.position_age,
            idempotency_age: self.idempotency_age,
            max_history_bytes: share(self.max_history_bytes),
            max_window_bytes: share(self.max_window_bytes),
            max_buffered_bytes: share(self.max_buffered_bytes),
            max_mail_bytes: self.max_mail_bytes,
            origins: self.origins,
            cors_origins: self.cors_origins,
            trusted_proxies: self.trusted_proxies,
            proxy_protocol: self.proxy_protocol,
            drain_notice: self.drain_notice,
            drain_time: self.drain_time,
            policy: std::sync::Arc::new(policy),
            open: self.open,
            // There are no keys yet, hence every server is in open mode.
            pages: !matches!(self.pages, Pages::False),
            public_counts: self.public_counts,
            compression: matches!(self.compression, Compression::Shared),
        };
        check_relations(&config)?;
        Ok(Settings { config, log_level: self.log_level, log_format: self.log_format })
    }
}

/// Reads an address to listen on.
fn listener(text: &str) -> Result<SocketAddr, String> {
    if text.starts_with("unix:") {
        return Err("listen: unix sockets are not served yet".into());
    }
    let wrong = || format!("listen: {text:?} must be an address and a port, as 127.0.0.1:3003");
    text.parse().map_err(|_| wrong())
}

/// Without keys everybody may do everything: that must not happen to the public by accident.
fn check_open(listeners: &[SocketAddr], open: bool) -> Result<(), String> {
    if open || listeners.iter().all(|address| address.ip().to_canonical().is_loopback()) {
        return Ok(());
    }
    Err("listen: without keys only loopback addresses are served; give --open to let everybody \
         who reaches this server subscribe, publish and use the API"
        .into())
}

/// Refuses what cannot work together.
fn check_relations(config: &Config) -> Result<(), String> {
    let c = config;
    let least = |name, value: usize, least: usize, why| {
        if value >= least {
            return Ok(());
        }
        Err(format!("{name} ({value}) must be at least {least}: {why}"))
    };
    if c.messages_per_second != 0 && c.max_subscriptions != UNLIMITED {
        let subscriptions = c.max_subscriptions.saturating_add(BURST_MARGIN);
        least("burst", c.burst as usize, subscriptions, "max_subscriptions and 32 more")?;
    }
    if c.close_timeout.is_zero() {
        return Err("close_timeout must not be 0: who never ends would stay for ever".into());
    }
    if c.window_bytes != UNLIMITED {
        least("max_window_bytes", c.max_window_bytes, c.window_bytes, "one window_bytes")?;
    }
    let history_bytes = c.policy.fallback.history_bytes;
    if history_bytes != UNLIMITED {
        least("max_history_bytes", c.max_history_bytes, history_bytes, "one history_bytes")?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
