//! What a request asks for: method, path and query to a `Route`. Names are percent-decoded, not
//! judged: whether a channel may have such a name is known to the hub. Never decides who may ask.

use std::borrow::Cow;

use super::head::Method;
use super::reply::{Reply, error};
use super::target::{Target, decode};

mod parameters;

use parameters::Parameters;
pub use parameters::{DEFAULT_LIMIT, MAX_LIMIT};

#[cfg(test)]
mod tests;

/// A name, position or cursor as the client means it, decoded.
pub type Text<'a> = Cow<'a, str>;

/// Everything that can be asked for. HEAD is routed like GET.
#[derive(Clone, Debug, PartialEq, Eq)]
#[allow(missing_docs)]
pub enum Route<'a> {
    /// Upgrade `/ws`: a client of `fanwire.v1`; `since` resumes `$all`.
    Socket { since: Option<Text<'a>> },
    /// Upgrade `/echo`: every message comes back.
    Echo,
    /// Upgrade `/channels/{channel}`: the bare payloads of one channel.
    Raw(Raw<'a>),
    /// `GET /channels/{channel}`
    Describe { channel: Text<'a> },
    /// `POST /channels/{channel}`
    Publish { channel: Text<'a> },
    /// `GET /channels/{channel}/history`
    History(History<'a>),
    /// `GET /channels/{channel}/presence`
    Presence { channel: Text<'a>, list: List<'a> },
    /// `GET /channels`
    Channels { prefix: Option<Text<'a>>, list: List<'a> },
    /// `POST /broadcast`
    Broadcast,
    /// `POST /publish`
    PublishBatch,
    /// `POST /users/{user}`
    PublishToUser { user: Text<'a> },
    /// `GET /connections`
    Connections(Connections<'a>),
    /// `DELETE /connections/{connection}`
    Disconnect { connection: Text<'a>, reconnect: bool },
    /// `DELETE /users/{user}/connections`
    DisconnectUser { user: Text<'a>, reconnect: bool },
    /// `PUT /users/{user}/subscriptions/{channel}`
    SubscribeUser { user: Text<'a>, channel: Text<'a> },
    /// `DELETE /users/{user}/subscriptions/{channel}`
    UnsubscribeUser { user: Text<'a>, channel: Text<'a> },
    /// `POST /revocations`
    Revoke,
    /// `GET /status`
    Status,
    /// `GET /metrics`
    Metrics,
    /// `GET /live`
    Live,
    /// `GET /ready`; `?scope=node` leaves the engine out.
    Ready { node_only: bool },
    /// `GET /`
    Home,
    /// `GET /demo/{file}`: the path below `/demo/`, as sent.
    Demo { file: &'a str },
    /// `GET /client.js`
    ClientScript,
    /// `GET /openapi.json`
    ApiDescription,
}

/// What a raw subscriber wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Raw<'a> {
    /// Whose payloads.
    pub channel: Text<'a>,
    /// The position to go on from.
    pub since: Option<Text<'a>>,
    /// So many latest, alone or when `since` cannot be met.
    pub last: Option<u32>,
    /// `mode=latest`: only the newest per key.
    pub latest: bool,
    /// Whether one's own publications come back; `self=0` is no.
    pub own: bool,
}

impl Raw<'_> {
    /// The same, on its own.
    pub fn into_owned(self) -> Raw<'static> {
        let Self { channel, since, last, latest, own } = self;
        let owned = |text: Text<'_>| Cow::Owned(text.into_owned());
        Raw { channel: owned(channel), since: since.map(owned), last, latest, own }
    }
}

/// Which part of a history.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct History<'a> {
    /// Whose history.
    pub channel: Text<'a>,
    /// What came after this position. Never together with `before`.
    pub since: Option<Text<'a>>,
    /// What came before this position.
    pub before: Option<Text<'a>>,
    /// At most so many.
    pub limit: u32,
}

/// Which connections.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Connections<'a> {
    /// Those of this user.
    pub user: Option<Text<'a>>,
    /// Those that follow this channel.
    pub channel: Option<Text<'a>>,
    /// `sort=queued`: those that are furthest behind first.
    pub queued: bool,
    /// Which part.
    pub list: List<'a>,
}

/// Which part of a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct List<'a> {
    /// At most so many.
    pub limit: u32,
    /// Where the part before this one ended; opaque.
    pub cursor: Option<Text<'a>>,
}

/// Why a request leads nowhere. The connection goes on after each of these.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RouteError {
    /// There is no such path.
    NotFound,
    /// The path has other methods: these, as `Allow` lists them.
    MethodNotAllowed(&'static str),
    /// The path wants a WebSocket handshake, and this is none.
    UpgradeRequired,
    /// What this names, a parameter or `path`, is not understood.
    BadRequest {
        /// The parameter.
        name: &'static str,
        /// What is wrong with it.
        problem: &'static str,
    },
}

/// Finds what is asked for. `upgrade` is `Head::wants_upgrade`; where no WebSocket is to be had it
/// is ignored, as RFC 9110, section 7.8 allows.
pub fn route<'a>(
    method: Method,
    target: &Target<'a>,
    upgrade: bool,
) -> Result<Route<'a>, RouteError> {
    let path = target.path.strip_prefix('/').ok_or(RouteError::NotFound)?;
    let parameters = Parameters(target.query);
    let upgrade = upgrade && method == Method::Get;
    let (first, rest) = match path.split_once('/') {
        Some((first, rest)) => (first, Some(rest)),
        None => (path, None),
    };
    match (first, rest) {
        ("ws", None) => {
            socket(method, upgrade)?;
            Ok(Route::Socket { since: parameters.position("since")? })
        }
        ("echo", None) => socket(method, upgrade).map(|()| Route::Echo),
        ("channels", None) => {
            read(method)?;
            let prefix = parameters.text("prefix")?;
            Ok(Route::Channels { prefix, list: parameters.list()? })
        }
        ("channels", Some(rest)) => channel(method, rest, parameters, upgrade),
        ("broadcast", None) => only(method, Method::Post).map(|()| Route::Broadcast),
        ("publish", None) => only(method, Method::Post).map(|()| Route::PublishBatch),
        ("users", Some(rest)) => user(method, rest, parameters),
        ("connections", None) => {
            read(method)?;
            let (user, channel) = (parameters.text("user")?, parameters.text("channel")?);
            let queued = parameters.choice("sort", &["id", "queued"])? == Some("queued");
            let list = parameters.list()?;
            Ok(Route::Connections(Connections { user, channel, queued, list }))
        }
        ("connections", Some(id)) if !id.contains('/') => {
            let connection = name(id)?;
            only(method, Method::Delete)?;
            Ok(Route::Disconnect { connection, reconnect: parameters.reconnect()? })
        }
        ("revocations", None) => only(method, Method::Post).map(|()| Route::Revoke),
        ("status", None) => read(method).map(|()| Route::Status),
        ("metrics", None) => read(method).map(|()| Route::Metrics),
        ("live", None) => read(method).map(|()| Route::Live),
        ("ready", None) => {
            read(method)?;
            let node_only = parameters.choice("scope", &["node"])?.is_some();
            Ok(Route::Ready { node_only })
        }
        ("", None) => read(method).map(|()| Route::Home),
        ("demo", Some(file)) => read(method).map(|()| Route::Demo { file }),
        ("client.js", None) => read(method).map(|()| Route::ClientScript),
        ("openapi.json", None) => read(method).map(|()| Route::ApiDescription),
        _ => Err(RouteError::NotFound),
    }
}

/// Whether a WebSocket is asked for, or a path that has nothing else, rather than the API. Looks
/// at no parameter: a listener that does not serve it says nothing about those.
pub fn is_of_sockets(method: Method, path: &str, upgrade: bool) -> bool {
    let raw = || upgrade && method == Method::Get;
    match path.strip_prefix("/channels/") {
        Some(channel) => raw() && !channel.contains('/'),
        None => matches!(path, "/ws" | "/echo"),
    }
}

/// Below `/channels/`.
fn channel<'a>(
    method: Method,
    rest: &'a str,
    parameters: Parameters<'a>,
    upgrade: bool,
) -> Result<Route<'a>, RouteError> {
    let (channel, rest) = match rest.split_once('/') {
        Some((channel, rest)) => (channel, Some(rest)),
        None => (rest, None),
    };
    let channel = name(channel)?;
    match (rest, method) {
        (None, Method::Get) if upgrade => {
            let mode = parameters.choice("mode", &["all", "latest"])?;
            let own = parameters.choice("self", &["0", "1"])?;
            Ok(Route::Raw(Raw {
                channel,
                since: parameters.position("since")?,
                last: parameters.number("last", 0..=u32::MAX)?,
                latest: mode == Some("latest"),
                own: own != Some("0"),
            }))
        }
        (None, Method::Get | Method::Head) => Ok(Route::Describe { channel }),
        (None, Method::Post) => Ok(Route::Publish { channel }),
        (None, _) => Err(RouteError::MethodNotAllowed("GET, HEAD, POST")),
        (Some("history"), _) => {
            read(method)?;
            let since = parameters.position("since")?;
            let before = parameters.position("before")?;
            if since.is_some() && before.is_some() {
                let problem = "cannot stand beside since";
                return Err(RouteError::BadRequest { name: "before", problem });
            }
            Ok(Route::History(History { channel, since, before, limit: parameters.limit()? }))
        }
        (Some("presence"), _) => {
            read(method)?;
            Ok(Route::Presence { channel, list: parameters.list()? })
        }
        _ => Err(RouteError::NotFound),
    }
}

/// Below `/users/`.
fn user<'a>(
    method: Method,
    rest: &'a str,
    parameters: Parameters<'a>,
) -> Result<Route<'a>, RouteError> {
    let mut segments = rest.split('/');
    let user = name(segments.next().unwrap_or_default())?;
    match (segments.next(), segments.next(), segments.next()) {
        (None, _, _) => only(method, Method::Post).map(|()| Route::PublishToUser { user }),
        (Some("connections"), None, _) => {
            only(method, Method::Delete)?;
            Ok(Route::DisconnectUser { user, reconnect: parameters.reconnect()? })
        }
        (Some("subscriptions"), Some(channel), None) => {
            let channel = name(channel)?;
            match method {
                Method::Put => Ok(Route::SubscribeUser { user, channel }),
                Method::Delete => Ok(Route::UnsubscribeUser { user, channel }),
                _ => Err(RouteError::MethodNotAllowed("PUT, DELETE")),
            }
        }
        _ => Err(RouteError::NotFound),
    }
}

/// A segment that is a name. An empty one is no segment of ours.
fn name(segment: &str) -> Result<Text<'_>, RouteError> {
    if segment.is_empty() {
        return Err(RouteError::NotFound);
    }
    let problem = "is not percent-encoded UTF-8";
    decode(segment).ok_or(RouteError::BadRequest { name: "path", problem })
}

/// Paths that only a WebSocket handshake may ask for (RFC 6455, section 4.2.1: it is a GET).
fn socket(method: Method, upgrade: bool) -> Result<(), RouteError> {
    read(method)?;
    if upgrade { Ok(()) } else { Err(RouteError::UpgradeRequired) }
}

fn read(method: Method) -> Result<(), RouteError> {
    match method {
        Method::Get | Method::Head => Ok(()),
        _ => Err(RouteError::MethodNotAllowed("GET, HEAD")),
    }
}

fn only(method: Method, allowed: Method) -> Result<(), RouteError> {
    if method == allowed {
        return Ok(());
    }
    Err(RouteError::MethodNotAllowed(if allowed == Method::Delete { "DELETE" } else { "POST" }))
}

impl RouteError {
    /// The answer to it.
    pub fn reply(&self) -> Reply<'static> {
        match self {
            Self::NotFound => error("not_found", 404, "there is nothing here", false, None),
            Self::MethodNotAllowed(allow) => {
                let message = format!("this path has {allow}");
                error("method_not_allowed", 405, &message, false, None).allow(allow)
            }
            Self::UpgradeRequired => {
                error("bad_request", 426, "this path is for WebSockets", false, None)
                    .upgrade_to_websocket()
            }
            Self::BadRequest { name, problem } => {
                error("bad_request", 400, &format!("{name} {problem}"), false, None)
            }
        }
    }
}
