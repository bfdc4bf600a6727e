//! The flags of `fanwire bench`: what to do, to whom, and how it is measured. Knows nothing of how
//! it is done.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::dialect::Dialect;
use super::share::Share;
use crate::settings::units::{bytes, duration};

const AFTER_HELP: &str = "\
Start with `fanwire bench fanout --connections 1000 --pid $(pidof fanwire)` beside a `fanwire` on \
this machine, with --messages-per-second 0 so that one publisher may publish all it can. \
`fanwire bench SCENARIO --help` has the flags of each.";

const SLOW_HELP: &str = "\
Who does not read does not answer pings either, and Fanwire cuts off who takes nothing: for more \
than a few seconds start it with --ping-interval 0 --stall-timeout 0.";

/// Measures a WebSocket server: Fanwire, or any other.
///
/// Every message carries a sequence number and the time at which it was due, so that what is lost,
/// doubled, out of order or late is counted at each receiver.
#[derive(Clone, Debug, Parser)]
#[command(name = "fanwire bench", version, after_help = AFTER_HELP, args_override_self = true)]
pub struct Plan {
    /// What is the same for all.
    #[command(flatten)]
    pub common: Common,
    /// What is measured.
    #[command(subcommand)]
    pub scenario: Scenario,
}

impl Plan {
    /// What is spoken.
    pub fn dialect(&self) -> DialectName {
        let bare = matches!(self.scenario, Scenario::Echo(_));
        self.common.dialect.unwrap_or(if bare { DialectName::Raw } else { DialectName::Fanwire })
    }

    /// The server, as given or by default.
    pub fn url(&self) -> &str {
        match (&self.common.url, &self.scenario) {
            (Some(url), _) => url,
            (None, Scenario::Echo(_)) => "ws://127.0.0.1:3003/echo",
            (None, _) => Dialect::of(self.dialect()).url,
        }
    }

    /// Flags of the publisher, where there is one.
    pub fn publishing(&self) -> Option<&Publishing> {
        match &self.scenario {
            Scenario::Fanout(flags) => Some(&flags.publishing),
            Scenario::Storm(flags) => Some(&flags.publishing),
            Scenario::Slow(flags) => Some(&flags.publishing),
            Scenario::Connect(_) | Scenario::Echo(_) => None,
        }
    }
}

/// What is measured.
#[derive(Clone, Debug, Subcommand)]
pub enum Scenario {
    /// Handshakes: how many a second, what each costs, and what a connection holds in memory
    Connect(Connect),
    /// One publishes, all receive
    Fanout(Fanout),
    /// Each connection sends, and waits for the same back
    Echo(Echo),
    /// Connections drop all at once and come back, under traffic
    Storm(Storm),
    /// A share of the readers stops reading, under traffic
    #[command(after_help = SLOW_HELP)]
    Slow(Slow),
}

impl Scenario {
    /// Its word.
    pub const fn as_str(&self) -> &'static str {
        match self {
            Self::Connect(_) => "connect",
            Self::Fanout(_) => "fanout",
            Self::Echo(_) => "echo",
            Self::Storm(_) => "storm",
            Self::Slow(_) => "slow",
        }
    }
}

/// Flags of all scenarios.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Of all scenarios")]
#[expect(clippy::struct_excessive_bools, reason = "each is a flag")]
pub struct Common {
    /// The server; `{channel}` in it stands for the channel [default: Fanwire on this machine, at
    /// /ws, /channels/{channel} or /echo, as the dialect wants]
    #[arg(long, global = true, value_name = "URL")]
    pub url: Option<String>,
    /// What is spoken [default: fanwire; raw for echo]
    #[arg(long, global = true, value_name = "DIALECT")]
    pub dialect: Option<DialectName>,
    /// Connections that receive, or echo
    #[arg(long, global = true, value_name = "COUNT", default_value = "1000")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub connections: u32,
    /// Connections made a second; 0: as fast as the server answers
    #[arg(long, global = true, value_name = "COUNT", default_value = "2000")]
    pub connect_rate: u32,
    /// Handshakes under way at once
    #[arg(long, global = true, value_name = "COUNT", default_value = "64")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub handshakes_in_flight: u32,
    /// Bytes of the data of a message as it stands on the wire, quotes included; 40 or more
    #[arg(long, global = true, value_name = "SIZE", default_value = "128")]
    #[arg(value_parser = message_size)]
    pub size: usize,
    /// The channel; with --channels, the beginning of their names
    #[arg(long, global = true, value_name = "NAME", default_value = "bench")]
    pub channel: String,
    /// How long it is measured
    #[arg(long, global = true, value_name = "TIME", default_value = "10s", value_parser = duration)]
    pub time: Duration,
    /// How long is waited, in silence, for what is missing; then it is lost
    #[arg(long, global = true, value_name = "TIME", default_value = "2s", value_parser = duration)]
    pub patience: Duration,
    /// How long the same is done before, unmeasured
    #[arg(long, global = true, value_name = "TIME", default_value = "2s", value_parser = duration)]
    pub warm_up: Duration,
    /// Processes that share the connections
    #[arg(long, global = true, value_name = "COUNT", default_value = "1")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=256))]
    pub processes: u32,
    /// Addresses to connect from, out of 127.0.0.0/8, where the server is on this machine
    /// [default: one for every 5,000 connections]
    #[arg(long, global = true, value_name = "COUNT")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=250))]
    pub sources: Option<u32>,
    /// Processes of the server, to say what they take; their children belong to them
    #[arg(long, global = true, value_name = "PID", value_delimiter = ',')]
    pub pid: Vec<u32>,
    /// Counts system calls of the server by perf, where it may
    #[arg(long, global = true, requires = "pid")]
    pub count_syscalls: bool,
    /// File of tokens, one a line, that connections log in with: the first with the first, and so
    /// on, from the beginning again. `fanwire token make --count` makes one
    #[arg(long, global = true, value_name = "FILE")]
    pub tokens: Option<PathBuf>,
    /// Offers permessage-deflate
    #[arg(long, global = true)]
    pub compress: bool,
    /// Prints one JSON object instead of a table
    #[arg(long, global = true)]
    pub json: bool,
    /// Is told on stdin when to measure: `go MILLISECONDS`, `end`; answers in lines of JSON
    #[arg(long, global = true)]
    pub steps: bool,
    /// What a child of --processes does of the whole
    #[arg(long, global = true, hide = true)]
    pub share: Option<Share>,
    /// How many source addresses belong to others.
    #[arg(skip)]
    pub first_source: u32,
    /// How many connections others have that come before these.
    #[arg(skip)]
    pub first_connection: u32,
    /// Whether another process publishes.
    #[arg(skip)]
    pub listens_only: bool,
}

/// Flags of whoever publishes.
#[derive(Clone, Debug, Args)]
#[command(next_help_heading = "Publishing")]
pub struct Publishing {
    /// Messages a second, at their times whatever happens; latency counts from these times
    /// [default: 10 in storm and slow]
    #[arg(long, value_name = "PER_SECOND", value_parser = rate)]
    pub rate: Option<f64>,
    /// How it is published
    #[arg(long, value_name = "HOW", default_value = "ws")]
    pub publish: Publish,
    /// Where to publish by HTTP [default: /channels/CHANNEL on the same host]
    #[arg(long, value_name = "URL")]
    pub publish_url: Option<String>,
    /// Where to publish by WebSocket [default: as --url]
    #[arg(long, value_name = "URL")]
    pub publish_to: Option<String>,
    /// Channels that the subscribers are spread over
    #[arg(long, value_name = "COUNT", default_value = "1")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..))]
    pub channels: u32,
}

/// Flags of `connect`.
#[derive(Clone, Debug, Args)]
pub struct Connect {
    /// Connections replaced a second after all are there; `max`: as many as --handshakes-in-flight
    /// allows
    #[arg(long, value_name = "PER_SECOND", default_value = "0", value_parser = churn)]
    pub churn: u32,
}

/// Flags of `fanout`.
#[derive(Clone, Debug, Args)]
pub struct Fanout {
    /// Messages published in one write, when everybody has all of those before
    #[arg(long, value_name = "COUNT", default_value = "1", conflicts_with = "rate")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub in_flight: u32,
    /// Let this side's kernel delay its ACKs in each measurement, as it does for who talks as well
    /// as listens; else it decides for each connection by what went over it before
    #[arg(long)]
    pub delay_acks: bool,
    #[expect(missing_docs)]
    #[command(flatten)]
    pub publishing: Publishing,
}

/// Flags of `echo`.
#[derive(Clone, Debug, Args)]
pub struct Echo {
    /// Messages that each connection sends in one write, when it has all of those before
    #[arg(long, value_name = "COUNT", default_value = "1")]
    #[arg(value_parser = clap::value_parser!(u32).range(1..=65_536))]
    pub depth: u32,
    /// Such writes a second of all connections together, each in its turn and at its time, instead
    /// of the next one at once; latency counts from these times
    #[arg(long, value_name = "PER_SECOND", value_parser = rate)]
    pub rate: Option<f64>,
}

/// Flags of `storm`.
#[derive(Clone, Debug, Args)]
pub struct Storm {
    /// The share of the connections that drops
    #[arg(long, value_name = "SHARE", default_value = "1.0", value_parser = share)]
    pub drop_share: f64,
    /// They drop by a reset instead of an end
    #[arg(long)]
    pub reset: bool,
    #[expect(missing_docs)]
    #[command(flatten)]
    pub publishing: Publishing,
}

/// Flags of `slow`.
#[derive(Clone, Debug, Args)]
pub struct Slow {
    /// The share of the connections that stops reading
    #[arg(long, value_name = "SHARE", default_value = "0.1", value_parser = share)]
    pub stalled_share: f64,
    /// Where Fanwire's metrics are, to see there that readers had to pull what they missed
    #[arg(long, value_name = "URL")]
    pub metrics_url: Option<String>,
    /// Let this side's kernel delay its ACKs, as in `fanout`
    #[arg(long)]
    pub delay_acks: bool,
    #[expect(missing_docs)]
    #[command(flatten)]
    pub publishing: Publishing,
}

/// What is spoken.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DialectName {
    /// `fanwire.v1`: JSON envelopes
    Fanwire,
    /// Nothing but payloads: a raw channel of Fanwire, or any server
    Raw,
    /// NATS over WebSocket
    Nats,
    /// socket.io: engine.io 4, events named `m`
    Socketio,
}

impl DialectName {
    /// Its word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Fanwire => "fanwire",
            Self::Raw => "raw",
            Self::Nats => "nats",
            Self::Socketio => "socketio",
        }
    }
}

/// How it is published.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum Publish {
    /// By a WebSocket of its own
    Ws,
    /// By POST on one connection that is kept
    Http,
}

fn message_size(text: &str) -> Result<usize, String> {
    let sizes = 40..=16 << 20;
    let size = bytes(text).ok().filter(|size| sizes.contains(size));
    size.ok_or_else(|| "must be a size from 40 to 16MiB".into())
}

fn churn(text: &str) -> Result<u32, String> {
    if text == "max" {
        return Ok(u32::MAX);
    }
    text.parse().map_err(|_| "must be a number, or max".into())
}

fn rate(text: &str) -> Result<f64, String> {
    let rate = text.parse().ok().filter(|rate| (0.001..=1e7).contains(rate));
    rate.ok_or_else(|| "must be a number from 0.001 to 10000000".into())
}

fn share(text: &str) -> Result<f64, String> {
    let share = text.parse().ok().filter(|share| (0.0..=1.0).contains(share));
    share.ok_or_else(|| "must be a number from 0 to 1".into())
}
