//! The list of all settings: names, defaults and one line each, which is also what `--help` says.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Parser, ValueEnum};

use super::hooks::HookFlags;
use super::keys::Secret;
use super::token_flags::TokenFlags;
use super::units::{
    byte_limit, count, count_limit, duration, kernel_bytes, listen_address, message_bytes, origin,
    rate_bytes, trusted_proxy, unix_mode,
};
use crate::config::ListenAddress;
use crate::http::forwarded::TrustedProxy;
use crate::http::guard::AllowedOrigin;
use crate::limits::MAX_WORKERS;

const AFTER_HELP: &str = "\
Durations: 500ms, 10s, 5m, 24h. Sizes: bytes, or 64KiB, 1MiB, 1GiB. 0 turns a limit or an interval \
off. Every flag can be given as a variable or in the file: FANWIRE_MAX_CONNECTIONS and \
max_connections stand for --max-connections. A flag is stronger than a variable, a variable is \
stronger than the file. Lists are repeated flags, commas, in the file arrays. Rules stand in the \
file only, as [[rule]]. SIGHUP reads keys and rules anew.";

/// A WebSocket edge server: publications fan out to a very large audience, in order, once, or the
/// receiver is told what it missed.
#[derive(Debug, Parser)]
#[command(name = "fanwire", version, after_help = AFTER_HELP, args_override_self = true)]
pub(super) struct Flags {
    /// `serve`, which is also what happens without a word, or `check`: say whether the settings
    /// are right, and end. `fanwire token --help` is about tokens, `fanwire bench --help` about
    /// measuring a server
    #[arg(value_name = "COMMAND")]
    pub words: Vec<Secret>,

    /// File of settings and rules, in TOML [default: none]
    #[arg(long, help_heading = LISTENING, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Addresses to listen on; `unix:/path` is a unix socket
    #[arg(long, help_heading = LISTENING, value_name = "ADDRESS", value_delimiter = ',')]
    #[arg(action = ArgAction::Append, default_value = "127.0.0.1:3003")]
    #[arg(value_parser = listen_address)]
    pub listen: Vec<ListenAddress>,
    /// Where API, metrics and pages answer, and only there [default: wherever it listens]
    #[arg(long, help_heading = LISTENING, value_name = "ADDRESS", value_delimiter = ',')]
    #[arg(value_parser = listen_address)]
    pub api_listen: Vec<ListenAddress>,
    /// Permissions of unix sockets, in octal
    #[arg(long, help_heading = LISTENING, value_name = "MODE", value_parser = unix_mode)]
    #[arg(default_value = "0660")]
    pub unix_mode: u32,
    /// Proxies that are believed: addresses, networks as 10.0.0.0/8, or `unix`
    #[arg(long, help_heading = LISTENING, value_name = "ADDRESS", value_delimiter = ',')]
    #[arg(value_parser = trusted_proxy)]
    pub trusted_proxies: Vec<TrustedProxy>,
    /// Every connection from a trusted proxy begins with a PROXY header, version 1 or 2
    #[arg(long, help_heading = LISTENING, value_name = "BOOL", default_value = "false")]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[arg(action = ArgAction::Set)]
    pub proxy_protocol: bool,
    /// Keys of the API, as `name:secret:publish,read[:orders.>]`; scopes are publish, read,
    /// metrics, admin; a secret is 16 bytes or more, sha256=..., or @/path/of/a/file [default:
    /// none]
    #[arg(long, help_heading = LISTENING, value_name = "KEY", action = ArgAction::Append)]
    pub api_keys: Vec<Secret>,
    /// Serve without keys on any address: everybody may subscribe, publish and use the API
    #[arg(long, help_heading = LISTENING, value_name = "BOOL", default_value = "false")]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[arg(action = ArgAction::Set)]
    pub open: bool,
    /// Origins allowed besides the same host, as `https://example.org`
    #[arg(long, help_heading = LISTENING, value_name = "ORIGIN", value_delimiter = ',')]
    #[arg(value_parser = origin)]
    pub origins: Vec<AllowedOrigin>,
    /// Origins whose pages may use the API from elsewhere
    #[arg(long, help_heading = LISTENING, value_name = "ORIGIN", value_delimiter = ',')]
    #[arg(value_parser = origin)]
    pub cors_origins: Vec<AllowedOrigin>,
    /// Workers, each with its own loop and connections [default: cores]
    #[arg(long, help_heading = LISTENING, value_name = "COUNT")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=i64::from(MAX_WORKERS)))]
    pub workers: Option<u16>,
    /// Name of this node in welcomes and logs [default: host name]
    #[arg(long, help_heading = LISTENING, value_name = "NAME")]
    #[arg(value_parser = clap::builder::NonEmptyStringValueParser::new())]
    pub node_name: Option<String>,

    #[command(flatten)]
    pub tokens: TokenFlags,

    /// Connections of the node; then 503
    #[arg(long, help_heading = CONNECTIONS, value_name = "COUNT", value_parser = count_limit)]
    #[arg(default_value = "100000")]
    pub max_connections: usize,
    /// Connections of one address, or of one /64 of IPv6; then 503
    #[arg(long, help_heading = CONNECTIONS, value_name = "COUNT", value_parser = count_limit)]
    #[arg(default_value = "0")]
    pub max_connections_per_address: usize,
    /// Connections of a worker whose request head is still to come; then 503
    #[arg(long, help_heading = CONNECTIONS, value_name = "COUNT", value_parser = count_limit)]
    #[arg(default_value = "1000")]
    pub max_handshakes: usize,
    /// Subscriptions of one connection
    #[arg(long, help_heading = CONNECTIONS, value_name = "COUNT", value_parser = count_limit)]
    #[arg(default_value = "128")]
    pub max_subscriptions: usize,
    /// Messages that a connection may send a second; then `rate_limited`
    #[arg(long, help_heading = CONNECTIONS, value_name = "COUNT", default_value = "100")]
    pub messages_per_second: u32,
    /// Messages that a connection may send at once; at least `max_subscriptions` + 32
    #[arg(long, help_heading = CONNECTIONS, value_name = "COUNT", default_value = "200")]
    pub burst: u32,
    /// Bytes that a connection may send a second; then it is not read
    #[arg(long, help_heading = CONNECTIONS, value_name = "SIZE", value_parser = rate_bytes)]
    #[arg(default_value = "0")]
    pub bytes_per_second: u32,
    /// Channels that a connection may bring into being a second, after a burst of 200; off
    /// where `messages_per_second` is 0
    #[arg(long, help_heading = CONNECTIONS, value_name = "COUNT", default_value = "10")]
    pub new_channels_per_second: u32,
    /// Requests of a connection that wait for an answer; then it is not read
    #[arg(long, help_heading = CONNECTIONS, value_name = "COUNT", default_value = "128")]
    #[arg(value_parser = clap::value_parser!(u16).range(1..=32_768))]
    pub max_pending: u16,

    /// A client's message, envelope included, after inflation; then 1009
    #[arg(long, help_heading = SIZES, value_name = "SIZE", value_parser = message_bytes)]
    #[arg(default_value = "64KiB")]
    pub max_message_bytes: usize,
    /// The body of an HTTP request; then 413
    #[arg(long, help_heading = SIZES, value_name = "SIZE", value_parser = message_bytes)]
    #[arg(default_value = "1MiB")]
    pub max_body_bytes: usize,
    /// The head of an HTTP request; then 431
    #[arg(long, help_heading = SIZES, value_name = "SIZE", value_parser = message_bytes)]
    #[arg(default_value = "16KiB")]
    pub max_header_bytes: usize,
    /// Publications of one `POST /publish`; then 413
    #[arg(long, help_heading = SIZES, value_name = "COUNT", value_parser = count_limit)]
    #[arg(default_value = "1000")]
    pub max_batch: usize,
    /// How far a reader may lag before it reads from history
    #[arg(long, help_heading = SIZES, value_name = "SIZE", value_parser = byte_limit)]
    #[arg(default_value = "256KiB")]
    pub window_bytes: usize,
    /// What the kernel may hold unsent for one connection
    #[arg(long, help_heading = SIZES, value_name = "SIZE", value_parser = kernel_bytes)]
    #[arg(default_value = "128KiB")]
    pub unsent_bytes: u32,

    /// Channels of the node; then those without subscribers are forgotten, oldest first
    #[arg(long, help_heading = CHANNELS, value_name = "COUNT", value_parser = count_limit)]
    #[arg(default_value = "1000000")]
    pub max_channels: usize,
    /// Publications that a channel keeps; 0 keeps none
    #[arg(long, help_heading = CHANNELS, value_name = "COUNT", value_parser = count)]
    #[arg(default_value = "100")]
    pub history_count: usize,
    /// Bytes of publications that a channel keeps
    #[arg(long, help_heading = CHANNELS, value_name = "SIZE", value_parser = byte_limit)]
    #[arg(default_value = "1MiB")]
    pub history_bytes: usize,
    /// How long a channel keeps publications
    #[arg(long, help_heading = CHANNELS, value_name = "TIME", value_parser = duration)]
    #[arg(default_value = "5m")]
    pub history_age: Duration,
    /// How long a quiet channel's position is known
    #[arg(long, help_heading = CHANNELS, value_name = "TIME", value_parser = duration)]
    #[arg(default_value = "24h")]
    pub position_age: Duration,
    /// How long an idempotency key is remembered
    #[arg(long, help_heading = CHANNELS, value_name = "TIME", value_parser = duration)]
    #[arg(default_value = "5m")]
    pub idempotency_age: Duration,

    /// Members of a channel that are told by name; where there are more, only how many
    #[arg(long, help_heading = CHANNELS, value_name = "COUNT", value_parser = count_limit)]
    #[arg(default_value = "200")]
    pub presence_members: usize,
    /// Time in which changes of presence are gathered
    #[arg(long, help_heading = CHANNELS, value_name = "TIME", value_parser = duration)]
    #[arg(default_value = "1s")]
    pub presence_interval: Duration,
    /// How long a user without connections is still there
    #[arg(long, help_heading = CHANNELS, value_name = "TIME", value_parser = duration)]
    #[arg(default_value = "10s")]
    pub presence_leave_delay: Duration,

    /// Bytes of all histories of the node [default: an eighth of memory]
    #[arg(long, help_heading = MEMORY, value_name = "SIZE", value_parser = byte_limit)]
    pub max_history_bytes: Option<usize>,
    /// Bytes of all windows of the node [default: an eighth of memory]
    #[arg(long, help_heading = MEMORY, value_name = "SIZE", value_parser = byte_limit)]
    pub max_window_bytes: Option<usize>,
    /// Bytes of unfinished input and private output of the node; then 503 or 1013 [default: an
    /// eighth of memory]
    #[arg(long, help_heading = MEMORY, value_name = "SIZE", value_parser = byte_limit)]
    pub max_buffered_bytes: Option<usize>,
    /// Bytes of all members of channels who are known by name; more are only counted [default: an
    /// eighth of memory]
    #[arg(long, help_heading = MEMORY, value_name = "SIZE", value_parser = byte_limit)]
    pub max_presence_bytes: Option<usize>,
    /// Bytes of letters that may wait for one worker; then requests are refused
    #[arg(long, help_heading = MEMORY, value_name = "SIZE", value_parser = byte_limit)]
    #[arg(default_value = "64MiB")]
    pub max_mail_bytes: usize,

    /// From accept to the end of the request head
    #[arg(long, help_heading = TIMES, value_name = "TIME", value_parser = duration)]
    #[arg(default_value = "10s")]
    pub handshake_timeout: Duration,
    /// Without a message from the client; then 4005
    #[arg(long, help_heading = TIMES, value_name = "TIME", value_parser = duration)]
    #[arg(default_value = "0")]
    pub idle_timeout: Duration,
    /// How long a closing connection lingers
    #[arg(long, help_heading = TIMES, value_name = "TIME", value_parser = duration)]
    #[arg(default_value = "5s")]
    pub close_timeout: Duration,
    /// How long a peer may take nothing of what waits for it; then it is cut off
    #[arg(long, help_heading = TIMES, value_name = "TIME", value_parser = duration)]
    #[arg(default_value = "30s")]
    pub stall_timeout: Duration,
    /// Silence after which a ping is sent; proxies must wait longer
    #[arg(long, help_heading = TIMES, value_name = "TIME", value_parser = duration)]
    #[arg(default_value = "25s")]
    pub ping_interval: Duration,
    /// Silence after a ping; then 4002
    #[arg(long, help_heading = TIMES, value_name = "TIME", value_parser = duration)]
    #[arg(default_value = "10s")]
    pub pong_timeout: Duration,
    /// Period of the message `update`
    #[arg(long, help_heading = TIMES, value_name = "TIME", value_parser = duration)]
    #[arg(default_value = "30s")]
    pub update_interval: Duration,
    /// Age at which a connection is asked to leave, give or take a tenth
    #[arg(long, help_heading = TIMES, value_name = "TIME", value_parser = duration)]
    #[arg(default_value = "0")]
    pub max_connection_age: Duration,
    /// How long a node that is asked to stop is red before it stops listening
    #[arg(long, help_heading = TIMES, value_name = "TIME", value_parser = duration)]
    #[arg(default_value = "0")]
    pub drain_notice: Duration,
    /// How long stopping may take in all
    #[arg(long, help_heading = TIMES, value_name = "TIME", value_parser = duration)]
    #[arg(default_value = "20s")]
    pub drain_time: Duration,

    #[command(flatten)]
    pub hooks: HookFlags,

    /// Live page, demos and `/echo`; auto: in open mode
    #[arg(long, help_heading = WORDS, value_name = "WHEN", default_value = "auto")]
    pub pages: Pages,
    /// Whether everybody may know the number of connections
    #[arg(long, help_heading = WORDS, value_name = "BOOL", default_value = "true")]
    #[arg(num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    #[arg(action = ArgAction::Set)]
    pub public_counts: bool,
    /// Compression of messages; shared: once for all receivers
    #[arg(long, help_heading = WORDS, value_name = "HOW", default_value = "shared")]
    pub compression: Compression,
    /// From which level on events are logged
    #[arg(long, help_heading = WORDS, value_name = "LEVEL", default_value = "info")]
    pub log_level: LogLevel,
    /// How events are logged: a line for people, or an object of JSON
    #[arg(long, help_heading = WORDS, value_name = "FORMAT", default_value = "text")]
    pub log_format: LogFormat,
}

const LISTENING: &str = "Where it listens, and who";
const CONNECTIONS: &str = "Connections";
const SIZES: &str = "Sizes";
const CHANNELS: &str = "Channels and history";
const MEMORY: &str = "Memory of the node";
const TIMES: &str = "Times";
const WORDS: &str = "Pages, counts, compression, log";

/// What to do with the settings.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Task {
    /// Go by them.
    Serve,
    /// Say whether they are right, and end.
    Check,
}

impl Task {
    /// Reads the words that stand beside the flags. A wrong one is not repeated: it may be the
    /// second of two keys.
    pub(super) fn of(words: &[Secret]) -> Result<Self, String> {
        match words {
            [] => Ok(Self::Serve),
            [word] if word.0 == "serve" => Ok(Self::Serve),
            [word] if word.0 == "check" => Ok(Self::Check),
            _ => Err("COMMAND: must be serve or check, and one word".into()),
        }
    }
}

/// When there are pages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Pages {
    Auto,
    True,
    False,
}

/// How messages are compressed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Compression {
    Off,
    Shared,
}

/// From which level on events are logged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "the usual five")]
pub enum LogLevel {
    Error,
    Warn,
    Info,
    Debug,
    Trace,
}

impl LogLevel {
    /// The word of the setting.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

/// How events are logged: a line for people, or an object of JSON on a line.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[expect(missing_docs, reason = "clap would print them, and spread --help over three lines each")]
pub enum LogFormat {
    Text,
    Json,
}
