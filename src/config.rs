//! The settings as the server uses them: plain values, one field per name of the contract. Reading
//! them from flags and environment is the business of `settings`. Nothing here touches the world.

use std::fmt;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use crate::http::forwarded::TrustedProxy;
use crate::http::guard::AllowedOrigin;
use crate::policy::Policy;

/// What to do where a server without keys would be reached by others.
pub const GIVE_KEYS: &str = "give --api-keys NAME:@/path/of/a/file:publish,read, or give --open to \
    let everybody who reaches this server subscribe, publish and use the API";

/// All settings. Durations and sizes of 0 mean "off" where the contract says so.
#[derive(Clone, Debug)]
#[expect(clippy::struct_excessive_bools, reason = "each is a setting of its own")]
pub struct Config {
    /// Addresses to listen on, `127.0.0.1:3003`.
    pub listen: Vec<ListenAddress>,
    /// Where API, metrics and pages answer, and only there; none: everywhere.
    pub api_listen: Vec<ListenAddress>,
    /// Permissions of unix sockets that are listened on.
    pub unix_mode: u32,
    /// Number of workers.
    pub workers: u16,
    /// Name of this node, told in the welcome.
    pub node_name: String,
    /// Connections of the node, then 503.
    pub max_connections: usize,
    /// Connections of one address, or of one /64 of IPv6; then 503.
    pub max_connections_per_address: usize,
    /// Age at which a connection is asked to leave, give or take a tenth; 0 is off.
    pub max_connection_age: Duration,
    /// Connections per worker whose request head has not arrived yet, then 503.
    pub max_handshakes: usize,
    /// A client's message, after inflation; then 1009.
    pub max_message_bytes: usize,
    /// An HTTP body; then 413.
    pub max_body_bytes: usize,
    /// A request head; then 431 (414 while in the request line).
    pub max_header_bytes: usize,
    /// Items of one `POST /publish`; then 413.
    pub max_batch: usize,
    /// From accept to the end of the request head.
    pub handshake_timeout: Duration,
    /// Without a message from the client; 0 is off.
    pub idle_timeout: Duration,
    /// How long a closing connection lingers.
    pub close_timeout: Duration,
    /// How long a peer may not take a byte of what waits for it.
    pub stall_timeout: Duration,
    /// Silence after which a ping is sent; 0 is off.
    pub ping_interval: Duration,
    /// Silence after a ping; then 4002.
    pub pong_timeout: Duration,
    /// Period of `update`; 0 is off.
    pub update_interval: Duration,
    /// How much a feed keeps for those who lag, before push turns to pull.
    pub window_bytes: usize,
    /// `TCP_NOTSENT_LOWAT`.
    pub unsent_bytes: u32,
    /// Requests of one connection that wait for an answer; then it is not read.
    pub max_pending: u16,
    /// Messages a second of one connection; then `rate_limited`; 0 is off.
    pub messages_per_second: u32,
    /// Messages that may come at once.
    pub burst: u32,
    /// Bytes a second of one connection; then reading pauses; 0 is off.
    pub bytes_per_second: u32,
    /// Channels a second that one connection may bring into being; 0 is off.
    pub new_channels_per_second: u32,
    /// Subscriptions of one connection.
    pub max_subscriptions: usize,
    /// Channels of the node.
    pub max_channels: usize,
    /// How long a quiet channel's position is known.
    pub position_age: Duration,
    /// How long an idempotency key is remembered.
    pub idempotency_age: Duration,
    /// Members of a channel that are told by name; more are only counted.
    pub presence_members: usize,
    /// Least time between two differences of presence; 0 is none.
    pub presence_interval: Duration,
    /// How long a user without connections is still there.
    pub presence_leave_delay: Duration,
    /// Bytes of all histories, last values and idempotency keys of the node.
    pub max_history_bytes: usize,
    /// Bytes of all windows of the node.
    pub max_window_bytes: usize,
    /// Bytes of unfinished input and private output of the node; then 503 or 1013.
    pub max_buffered_bytes: usize,
    /// Bytes of all members that are known by name; others are only counted.
    pub max_presence_bytes: usize,
    /// Bytes of letters that may wait for one worker; then requests are refused.
    pub max_mail_bytes: usize,
    /// Origins allowed besides the same host, as <scheme://host>[:port].
    pub origins: Vec<AllowedOrigin>,
    /// Origins of pages that may use the API from elsewhere.
    pub cors_origins: Vec<AllowedOrigin>,
    /// Addresses or networks of proxies that are believed, or `unix`.
    pub trusted_proxies: Vec<TrustedProxy>,
    /// Whether connections from trusted proxies begin with a PROXY header.
    pub proxy_protocol: bool,
    /// Questions that the backend is asked at once.
    pub hook_calls: usize,
    /// How long a draining node is red before it stops listening.
    pub drain_notice: Duration,
    /// How long draining may take in all.
    pub drain_time: Duration,
    /// Rules and keys at the start; SIGHUP brings others.
    pub policy: Arc<Policy>,
    /// From the 101 to a login, where one is needed; then 4003.
    pub auth_timeout: Duration,
    /// Before a token ends, `expiring` is said; 0 is off.
    pub token_notice: Duration,
    /// After a token has ended, until 4101.
    pub token_grace: Duration,
    /// Name of the cookie that may have a token.
    pub jwt_cookie: Option<Box<str>>,
    /// Whether `?token=` may have one.
    pub token_in_query: bool,
    /// Connections of one user; then what `per_user_policy` says.
    pub max_connections_per_user: usize,
    /// What becomes of one connection more than a user may have.
    pub per_user_policy: PerUser,
    /// `--open`: serve without keys on any address.
    pub open: bool,
    /// Live page, demos and `/echo`; `None`: in open mode, which a reload may end.
    pub pages: Option<bool>,
    /// Whether `/status` and `update` tell the number of connections to everybody.
    pub public_counts: bool,
    /// Whether permessage-deflate is offered.
    pub compression: bool,
}

impl Config {
    /// Everybody who reaches the server may do everything, and it is not said that this shall be:
    /// then only this machine may reach it.
    pub fn is_private(&self) -> bool {
        self.policy.is_open() && !self.open
    }
}

/// What becomes of one connection more than a user may have.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PerUser {
    /// It is closed with 4429.
    Refuse,
    /// The user's oldest is closed with 4409.
    Replace,
}

/// Where to listen.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ListenAddress {
    /// An address and a port.
    Tcp(SocketAddr),
    /// The path of a unix socket.
    Unix(PathBuf),
}

impl ListenAddress {
    /// Whether only this machine can reach it, and only by TCP: whoever made a unix socket has
    /// somebody in mind who stands in front.
    pub fn is_loopback(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Self::Unix(_) => false,
        }
    }
}

impl fmt::Display for ListenAddress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

impl Default for Config {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            listen: vec![ListenAddress::Tcp(([127, 0, 0, 1], 3003).into())],
            api_listen: Vec::new(),
            unix_mode: 0o660,
            workers: 1,
            node_name: "localhost".into(),
            max_connections: 100_000,
            max_connections_per_address: crate::limits::UNLIMITED,
            max_connection_age: Duration::ZERO,
            max_handshakes: 1000,
            max_message_bytes: 64 << 10,
            max_body_bytes: 1 << 20,
            max_header_bytes: 16 << 10,
            max_batch: 1000,
            handshake_timeout: seconds(10),
            idle_timeout: Duration::ZERO,
            close_timeout: seconds(5),
            stall_timeout: seconds(30),
            ping_interval: seconds(25),
            pong_timeout: seconds(10),
            update_interval: seconds(30),
            window_bytes: 256 << 10,
            unsent_bytes: 128 << 10,
            max_pending: 128,
            messages_per_second: 100,
            burst: 200,
            bytes_per_second: 0,
            new_channels_per_second: 10,
            max_subscriptions: 128,
            max_channels: 1_000_000,
            position_age: seconds(24 * 3600),
            idempotency_age: seconds(300),
            presence_members: 200,
            presence_interval: seconds(1),
            presence_leave_delay: seconds(10),
            max_history_bytes: 256 << 20,
            max_window_bytes: 256 << 20,
            max_buffered_bytes: 256 << 20,
            max_presence_bytes: 256 << 20,
            max_mail_bytes: 64 << 20,
            origins: Vec::new(),
            cors_origins: Vec::new(),
            trusted_proxies: Vec::new(),
            proxy_protocol: false,
            hook_calls: 16,
            drain_notice: Duration::ZERO,
            drain_time: seconds(20),
            policy: Arc::default(),
            auth_timeout: seconds(10),
            token_notice: seconds(60),
            token_grace: seconds(30),
            jwt_cookie: None,
            token_in_query: false,
            max_connections_per_user: crate::limits::UNLIMITED,
            per_user_policy: PerUser::Refuse,
            open: false,
            pages: None,
            public_counts: true,
            compression: true,
        }
    }
}
