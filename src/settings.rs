//! Settings as an operator gives them: flags, then `FANWIRE_*` environment, then a file. Raw words
//! become `config::Config` here, at the start and again on SIGHUP; whatever is unknown or cannot be
//! is refused with a line that names the setting, and its place where it stands in the file.
//!
//! `flags` is the list of all settings, with those of users in `token_flags` and of hooks in
//! `hooks`, `units` reads durations and sizes, `machine` asks the machine for defaults; `file`
//! reads the file by way of `document`, `rules` its rules, `keys` the keys of the API, `tokens`
//! those of tokens; `relations` knows what cannot work together, `reload` reads everything again,
//! or the keys of tokens when `watch` has seen their files change. Nothing here serves.

mod document;
mod file;
mod flags;
mod hooks;
mod keys;
mod machine;
mod refused;
mod relations;
mod reload;
mod rules;
mod token_flags;
mod tokens;
pub(crate) mod units;
mod watch;

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fmt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use clap::error::ErrorKind;
use clap::parser::ValueSource;
use clap::{Arg, ArgMatches, CommandFactory as _, FromArgMatches as _};

use self::file::File;
use self::flags::{Compression, Flags, Pages};
pub use self::flags::{LogFormat, LogLevel, Task};
pub use self::machine::Machine;
pub use self::refused::Refused;
pub use self::reload::{Reload, Reloaded};
use self::tokens::TokenSource;
use self::watch::Watch;
use crate::config::Config;
use crate::limits::LEAST_SHARE;
use crate::policy::Policy;
use crate::policy::rule::{Presence, Rule, Who};

/// Everything that an operator has decided.
#[derive(Clone, Debug)]
pub struct Settings {
    /// What to do.
    pub task: Task,
    /// What the server itself goes by.
    pub config: Config,
    /// From which level on events are written to the log.
    pub log_level: LogLevel,
    /// How they are written.
    pub log_format: LogFormat,
    /// The file that was read, where there is one.
    pub file: Option<PathBuf>,
    /// What is not wrong, but not wise; each begins with the place, where there is one, and the
    /// name of a setting.
    pub warnings: Vec<String>,
    /// Where all this comes from.
    pub source: Source,
    /// Where the keys of tokens come from, and the files that they stand in.
    tokens: (TokenSource, Watch),
    /// The value of every setting as it was given, or its default.
    values: Values,
}

/// The texts of every setting, by name; not of secrets.
type Values = BTreeMap<String, Vec<OsString>>;

/// Where settings come from, kept so that they can be read again.
#[derive(Clone)]
pub struct Source {
    args: Vec<OsString>,
    environment: Vec<(OsString, OsString)>,
    machine: Machine,
}

impl fmt::Debug for Source {
    /// Without what it holds: there may be secrets.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Source").finish_non_exhaustive()
    }
}

impl Settings {
    /// Reads the program's arguments, without its name, its environment, of which only names
    /// that start with `FANWIRE_` matter, and the file that these name. An argument is stronger
    /// than a variable, a variable than the file, and a list is replaced as a whole.
    ///
    /// # Errors
    /// The text and the exit status for the operator. `--help` and `--version` end here too.
    pub fn from_args(
        args: impl IntoIterator<Item = OsString>,
        environment: impl IntoIterator<Item = (OsString, OsString)>,
        machine: &Machine,
    ) -> Result<Self, Refused> {
        let ours = |(name, _): &(OsString, OsString)| name.to_string_lossy().starts_with(PREFIX);
        let args = args.into_iter().collect();
        let environment = environment.into_iter().filter(ours).collect();
        Source { args, environment, machine: machine.clone() }.read()
    }

    /// Reads a text as if it were the file, beside defaults.
    ///
    /// # Errors
    /// As above.
    pub fn from_text(text: &str, machine: &Machine) -> Result<Self, Refused> {
        let (args, environment) = (Vec::new(), Vec::new());
        let source = Source { args, environment, machine: machine.clone() };
        let file = File::parse("fanwire.toml", text, &Flags::command());
        source.settle(Some(&file.map_err(Refused::Problems)?), Vec::new())
    }
}

impl Source {
    /// Reads everything.
    fn read(&self) -> Result<Settings, Refused> {
        let given = matches(&self.args)?;
        let mut stronger = arguments(&self.environment, &given)?;
        // Alone first, so that what is wrong with a variable is not blamed on a flag.
        matches(&stronger).map_err(|error| from_environment(&error))?;
        stronger.extend(self.args.iter().cloned());
        let path = matches(&stronger)?.remove_one::<PathBuf>("config");
        let read = |path: &Path| File::read(path, &Flags::command()).map_err(Refused::Problems);
        let file = path.as_deref().map(read).transpose()?;
        self.settle(file.as_ref(), stronger)
    }

    /// Lays what is stronger over the file.
    fn settle(&self, file: Option<&File>, stronger: Vec<OsString>) -> Result<Settings, Refused> {
        let over = matches(&stronger)?;
        let is_stronger = |name: &str| over.value_source(name) == Some(ValueSource::CommandLine);
        let mut all = file.map_or_else(Vec::new, |file| file.arguments(is_stronger));
        all.extend(stronger);
        let found = matches(&all)?;
        let values = values(&found);
        let flags = Flags::from_arg_matches(&found)?;
        flags.into_settings(self, values, file).map_err(|reasons| {
            let mut lines = file.map(File::lines).unwrap_or_default();
            lines.retain(|name, _| !is_stronger(name));
            let name = file.map_or("", |file| &file.name);
            let placed = reasons.into_iter().map(|reason| placed(reason, name, &lines));
            Refused::Problems(placed.collect())
        })
    }
}

/// Puts the place of a setting before a reason that begins with its name.
fn placed(reason: String, file: &str, lines: &BTreeMap<&str, usize>) -> String {
    let setting = reason.split(':').next().unwrap_or_default();
    match lines.get(setting) {
        Some(line) => format!("{file}:{line}: {reason}"),
        None => reason,
    }
}

/// All settings: whatever has a name, but not what asks for help.
fn all(command: &clap::Command) -> impl Iterator<Item = &Arg> {
    command.get_arguments().filter(|arg| arg.get_long().is_some())
}

fn values(found: &ArgMatches) -> Values {
    let command = Flags::command();
    let shown = |name: &&str| !SECRETS.contains(name) && *name != MAY_BE_SECRET;
    let names = all(&command).map(|arg| arg.get_id().as_str()).filter(shown);
    let texts = |name| found.get_raw(name).into_iter().flatten().map(OsString::from).collect();
    names.map(|name| (name.to_string(), texts(name))).collect()
}

/// Settings that have secrets.
const SECRETS: [&str; 3] = ["api_keys", "jwt_keys", "hook_secret"];
/// One that may have one in it.
const MAY_BE_SECRET: &str = "hook_url";

fn matches(args: &[OsString]) -> Result<ArgMatches, clap::Error> {
    let program = OsString::from("fanwire");
    Flags::command().try_get_matches_from(std::iter::once(&program).chain(args))
}

/// Turns variables into the arguments that they stand for, but for those that `given` replaces.
fn arguments(
    environment: &[(OsString, OsString)],
    given: &ArgMatches,
) -> Result<Vec<OsString>, Refused> {
    let command = Flags::command();
    let known: BTreeMap<_, _> =
        all(&command).filter_map(|arg| Some((variable(arg.get_long()?), arg))).collect();
    let mut arguments = Vec::new();
    let mut unknown = Vec::new();
    for (name, value) in environment {
        let name = name.to_string_lossy();
        let Some(arg) = known.get(&*name) else {
            if !is_kubernetes(&name) {
                unknown.push(name.into_owned());
            }
            continue;
        };
        if given.value_source(arg.get_id().as_str()) != Some(ValueSource::CommandLine) {
            let mut argument =
                OsString::from(format!("--{}=", arg.get_id().as_str().replace('_', "-")));
            argument.push(value);
            arguments.push(argument);
        }
    }
    unknown.sort();
    let refusal = |name: &String| format!("{name}: no such setting in the environment");
    match unknown.as_slice() {
        [] => Ok(arguments),
        names => Err(Refused::Problems(names.iter().map(refusal).collect())),
    }
}

const PREFIX: &str = "FANWIRE_";

/// The variable that stands for a flag: `FANWIRE_MAX_CONNECTIONS` for `max-connections`.
fn variable(flag: &str) -> String {
    format!("{PREFIX}{}", flag.replace('-', "_").to_uppercase())
}

/// Kubernetes gives every container such variables for a service that is called `fanwire`.
fn is_kubernetes(name: &str) -> bool {
    let starts = ["FANWIRE_SERVICE_", "FANWIRE_PORT_"];
    name == "FANWIRE_PORT" || starts.iter().any(|start| name.starts_with(start))
}

fn from_environment(error: &clap::Error) -> clap::Error {
    let text = error.to_string();
    let reason = text.strip_prefix("error: ").unwrap_or(&text);
    let first = reason.lines().next().unwrap_or_default();
    let flag = first.split("'--").nth(1).and_then(|rest| rest.split([' ', '=', '\'']).next());
    let name = flag.map(variable).unwrap_or_default();
    let reason = format!("{first} (from the environment, {name})");
    Flags::command().error(ErrorKind::ValueValidation, reason)
}

/// What holds where no rule matches, and for what a rule leaves out.
fn fallback(flags: &Flags, open: bool) -> Rule {
    let (subscribe, publish, presence) = if open {
        (Who::Anyone, Who::Anyone, Presence::Full)
    } else {
        (Who::Token, Who::Backend, Presence::None)
    };
    Rule {
        subscribe,
        publish,
        presence,
        history_count: flags.history_count,
        history_bytes: flags.history_bytes,
        history_age: flags.history_age,
        hooks: flags.hooks.events().of_channels(),
        ..Rule::default()
    }
}

impl Flags {
    /// The rules, which only a file can have, and the keys.
    fn policy(
        &self,
        file: Option<&File>,
        history_share: usize,
        tokens: tokens::Read,
    ) -> Result<(Policy, Vec<String>), Vec<String>> {
        let (keys, mut warnings) =
            keys::parse_all(&self.api_keys).map_err(|reason| vec![reason])?;
        warnings.extend(tokens.warnings);
        if self.tokens.anonymous == Some(false) && tokens.keys.is_empty() {
            return Err(vec!["anonymous: false needs jwt_keys, or nobody could log in".into()]);
        }
        warnings.extend(file.into_iter().flat_map(|file| file.warnings.clone()));
        let (backend, warning) = self.hooks.backend().map_err(|reason| vec![reason])?;
        warnings.extend(warning);
        let mut policy = Policy {
            keys,
            anonymous: self.tokens.anonymous == Some(true),
            token_keys: Arc::new(tokens.keys),
            backend: backend.map(Arc::new),
            hooks: self.hooks.events(),
            ..Policy::default()
        };
        policy.fallback = Arc::new(fallback(self, policy.is_open()));
        if let Some(file) = file {
            let (rules, problems) = rules::complete(&file.rules, &policy.fallback, history_share);
            problems.into_result(&file.name)?;
            if policy.token_keys.is_empty() {
                warnings.extend(rules::lets_nobody_in(&file.rules, &file.name));
            }
            policy.rules = rules;
        }
        Ok((policy, warnings))
    }

    fn into_settings(
        self,
        source: &Source,
        values: Values,
        file: Option<&File>,
    ) -> Result<Settings, Vec<String>> {
        let workers = self.workers.unwrap_or(source.machine.cores);
        let history_bytes = total(self.max_history_bytes, &source.machine, workers);
        let history_share = history_bytes / usize::from(workers.max(1));
        let token_source = TokenSource::of(&self.tokens).map_err(|reason| vec![reason])?;
        let read = token_source.read().map_err(|reason| vec![reason])?;
        let tokens = (token_source, read.watch.clone());
        let (policy, warnings) = self.policy(file, history_share, read)?;
        let task = Task::of(&self.words).map_err(|reason| vec![reason])?;
        let file = self.config.clone();
        let (log_level, log_format) = (self.log_level, self.log_format);
        let config = self.into_config(&source.machine, policy);
        let refusals = relations::refusals(&config);
        if !refusals.is_empty() {
            return Err(refusals);
        }
        let source = source.clone();
        Ok(Settings { task, config, log_level, log_format, file, warnings, source, tokens, values })
    }

    fn into_config(self, machine: &Machine, policy: Policy) -> Config {
        let workers = self.workers.unwrap_or(machine.cores);
        Config {
            listen: self.listen,
            api_listen: self.api_listen,
            unix_mode: self.unix_mode,
            workers,
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
            max_history_bytes: total(self.max_history_bytes, machine, workers),
            max_window_bytes: total(self.max_window_bytes, machine, workers),
            max_buffered_bytes: total(self.max_buffered_bytes, machine, workers),
            max_presence_bytes: total(self.max_presence_bytes, machine, workers),
            presence_members: self.presence_members,
            presence_interval: self.presence_interval,
            presence_leave_delay: self.presence_leave_delay,
            max_mail_bytes: self.max_mail_bytes,
            origins: self.origins,
            cors_origins: self.cors_origins,
            trusted_proxies: self.trusted_proxies,
            proxy_protocol: self.proxy_protocol,
            hook_calls: usize::from(self.hooks.hook_calls),
            drain_notice: self.drain_notice,
            drain_time: self.drain_time,
            auth_timeout: self.tokens.auth_timeout,
            token_notice: self.tokens.token_notice,
            token_grace: self.tokens.token_grace,
            jwt_cookie: self.tokens.jwt_cookie,
            token_in_query: self.tokens.token_in_query,
            max_connections_per_user: self.tokens.max_connections_per_user,
            per_user_policy: self.tokens.per_user_policy.into(),
            open: self.open,
            pages: match self.pages {
                Pages::Auto => None,
                Pages::True => Some(true),
                Pages::False => Some(false),
            },
            public_counts: self.public_counts,
            compression: matches!(self.compression, Compression::Shared),
            policy: Arc::new(policy),
        }
    }
}

/// A total of the node: an eighth of memory, unless given, but so much that each worker's share
/// has room for what one channel may keep by default.
fn total(given: Option<usize>, machine: &Machine, workers: u16) -> usize {
    given.unwrap_or((machine.memory_bytes / 8).max(usize::from(workers) * LEAST_SHARE))
}

#[cfg(test)]
mod tests;
