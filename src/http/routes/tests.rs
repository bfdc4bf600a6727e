//! Every path of the contract with every method, and every parameter.

use super::{Connections, DEFAULT_LIMIT, History, List, Raw, Route, RouteError, route};
use crate::http::head::Method;
use crate::http::reply::Circumstances;
use crate::http::target::Target;

fn plain(method: Method, target: &str) -> Result<Route<'_>, RouteError> {
    route(method, &Target::parse(target).unwrap(), false)
}

fn get(target: &str) -> Result<Route<'_>, RouteError> {
    plain(Method::Get, target)
}

fn upgrade(target: &str) -> Result<Route<'_>, RouteError> {
    route(Method::Get, &Target::parse(target).unwrap(), true)
}

fn list() -> List<'static> {
    List { limit: DEFAULT_LIMIT, cursor: None }
}

/// Design, section 3, the table: what each path does with its methods.
#[test]
fn the_table() {
    let channel = || "room.7".into();
    let user = || "ann".into();
    for (method, target, expected) in [
        (Method::Get, "/status", Route::Status),
        (Method::Get, "/metrics", Route::Metrics),
        (Method::Get, "/live", Route::Live),
        (Method::Get, "/ready", Route::Ready { node_only: false }),
        (Method::Get, "/ready?scope=node", Route::Ready { node_only: true }),
        (Method::Get, "/", Route::Home),
        (Method::Get, "/demo/a/b.js", Route::Demo { file: "a/b.js" }),
        (Method::Get, "/demo/", Route::Demo { file: "" }),
        (Method::Get, "/client.js", Route::ClientScript),
        (Method::Get, "/openapi.json", Route::ApiDescription),
        (Method::Post, "/broadcast", Route::Broadcast),
        (Method::Post, "/publish", Route::PublishBatch),
        (Method::Post, "/channels/room.7", Route::Publish { channel: channel() }),
        (Method::Get, "/channels/room.7", Route::Describe { channel: channel() }),
        (
            Method::Get,
            "/channels/room.7/history",
            Route::History(History { channel: channel(), since: None, before: None, limit: 100 }),
        ),
        (
            Method::Get,
            "/channels/room.7/presence",
            Route::Presence { channel: channel(), list: list() },
        ),
        (Method::Get, "/channels", Route::Channels { prefix: None, list: list() }),
        (Method::Post, "/users/ann", Route::PublishToUser { user: user() }),
        (
            Method::Delete,
            "/users/ann/connections",
            Route::DisconnectUser { user: user(), reconnect: false },
        ),
        (
            Method::Put,
            "/users/ann/subscriptions/room.7",
            Route::SubscribeUser { user: user(), channel: channel() },
        ),
        (
            Method::Delete,
            "/users/ann/subscriptions/room.7",
            Route::UnsubscribeUser { user: user(), channel: channel() },
        ),
        (
            Method::Delete,
            "/connections/c1?reconnect=true",
            Route::Disconnect { connection: "c1".into(), reconnect: true },
        ),
        (Method::Post, "/revocations", Route::Revoke),
    ] {
        if method == Method::Get {
            // RFC 9110, section 9.1: HEAD wherever GET is.
            assert_eq!(plain(Method::Head, target).as_ref(), Ok(&expected), "{target}");
        }
        assert_eq!(plain(method, target), Ok(expected), "{target}");
    }
}

/// RFC 9110, section 15.5.6: the methods that a path has are in `Allow`, and no others work.
#[test]
fn methods_not_allowed() {
    let methods = [
        ("GET", Method::Get),
        ("HEAD", Method::Head),
        ("POST", Method::Post),
        ("PUT", Method::Put),
        ("DELETE", Method::Delete),
        ("OPTIONS", Method::Options),
        ("PATCH", Method::Other),
    ];
    for (target, allowed) in [
        ("/ws", "GET, HEAD"),
        ("/echo", "GET, HEAD"),
        ("/status", "GET, HEAD"),
        ("/metrics", "GET, HEAD"),
        ("/live", "GET, HEAD"),
        ("/ready", "GET, HEAD"),
        ("/", "GET, HEAD"),
        ("/demo/x", "GET, HEAD"),
        ("/client.js", "GET, HEAD"),
        ("/openapi.json", "GET, HEAD"),
        ("/channels", "GET, HEAD"),
        ("/channels/a", "GET, HEAD, POST"),
        ("/channels/a/history", "GET, HEAD"),
        ("/channels/a/presence", "GET, HEAD"),
        ("/connections", "GET, HEAD"),
        ("/connections/c", "DELETE"),
        ("/broadcast", "POST"),
        ("/publish", "POST"),
        ("/revocations", "POST"),
        ("/users/u", "POST"),
        ("/users/u/connections", "DELETE"),
        ("/users/u/subscriptions/c", "PUT, DELETE"),
    ] {
        for (token, method) in methods {
            let result = plain(method, target);
            if allowed.split(", ").any(|other| other == token) {
                assert!(
                    !matches!(result, Err(RouteError::MethodNotAllowed(_))),
                    "{token} {target}"
                );
            } else {
                assert_eq!(result, Err(RouteError::MethodNotAllowed(allowed)), "{token} {target}");
            }
        }
    }
}

/// Design, section 3: reserved paths, and whatever else is not there. Paths are not normalised.
#[test]
fn not_found() {
    for target in [
        "/v2/",
        "/v2/x",
        "/socket.io/",
        "/socket.io/?EIO=4",
        "/app/",
        "/app/key",
        "/events",
        "/channels/a/events",
        "/channels/",
        "/channels//history",
        "/channels/a/",
        "/channels/a/b",
        "/channels/a/history/",
        "/channels/a/history/b",
        "/users",
        "/users/",
        "/users/u/",
        "/users//connections",
        "/users/u/x",
        "/users/u/connections/",
        "/users/u/subscriptions",
        "/users/u/subscriptions/",
        "/users/u/subscriptions/c/d",
        "/connections/",
        "/connections/a/b",
        "/status/",
        "/Status",
        "/%73tatus",
        "//",
        "//status",
        "/./status",
        "/../status",
        "/demo",
        "/ws/",
        "/ws/x",
        "/echo/",
        "/live/x",
        "/index.html",
        "/broadcast/",
    ] {
        for method in [Method::Get, Method::Post, Method::Delete, Method::Other] {
            assert_eq!(plain(method, target), Err(RouteError::NotFound), "{target}");
        }
        assert_eq!(upgrade(target), Err(RouteError::NotFound), "{target}");
    }
}

/// Names are decoded and otherwise left to those who know what a name is.
#[test]
fn names() {
    for (target, channel) in [
        ("/channels/a%2Fb", "a/b"),
        ("/channels/a+b", "a+b"),
        ("/channels/%24all", "$all"),
        ("/channels/$all", "$all"),
        ("/channels/..", ".."),
        ("/channels/caf%C3%A9", "caf\u{e9}"),
        ("/channels/a%0D%0Ab", "a\r\nb"),
    ] {
        assert_eq!(get(target), Ok(Route::Describe { channel: channel.into() }), "{target}");
    }
    let error = RouteError::BadRequest { name: "path", problem: "is not percent-encoded UTF-8" };
    for target in ["/channels/%", "/channels/%zz", "/channels/%ff/history", "/channels/%C3"] {
        assert_eq!(get(target), Err(error.clone()), "{target}");
    }
    assert_eq!(plain(Method::Post, "/users/%ff"), Err(error));
}

/// Checklist 1.1: plain HTTP on a WebSocket path gets 426, an upgrade must be a GET, and elsewhere
/// an upgrade is ignored (RFC 9110, section 7.8).
#[test]
fn upgrades() {
    assert_eq!(upgrade("/ws"), Ok(Route::Socket { since: None }));
    assert_eq!(upgrade("/ws?since=k3:1"), Ok(Route::Socket { since: Some("k3:1".into()) }));
    assert_eq!(upgrade("/echo"), Ok(Route::Echo));
    assert_eq!(upgrade("/status"), Ok(Route::Status));
    assert!(matches!(upgrade("/channels/a/history"), Ok(Route::History(_))));
    assert_eq!(get("/ws"), Err(RouteError::UpgradeRequired));
    assert_eq!(get("/echo"), Err(RouteError::UpgradeRequired));
    assert_eq!(plain(Method::Head, "/ws"), Err(RouteError::UpgradeRequired));
    let ws = Target::parse("/ws").unwrap();
    assert_eq!(route(Method::Head, &ws, true), Err(RouteError::UpgradeRequired));
    let not_get = RouteError::MethodNotAllowed("GET, HEAD");
    assert_eq!(route(Method::Post, &ws, true), Err(not_get));
    let raw = Target::parse("/channels/a").unwrap();
    assert_eq!(route(Method::Post, &raw, true), Ok(Route::Publish { channel: "a".into() }));
}

/// Design, section 2, raw channels.
#[test]
fn raw_channels() {
    let raw = || Raw { channel: "a".into(), since: None, last: None, latest: false, own: true };
    for (query, expected) in [
        ("", raw()),
        ("?since=k%3A1&last=5", Raw { since: Some("k:1".into()), last: Some(5), ..raw() }),
        ("?mode=all&self=1", raw()),
        ("?mode=latest&self=0", Raw { latest: true, own: false, ..raw() }),
        ("?unknown=1&unknown=2&token=%zz", raw()),
    ] {
        let target = ["/channels/a", query].concat();
        assert_eq!(upgrade(&target), Ok(Route::Raw(expected)), "{query}");
    }
}

#[test]
fn parameters_may_be_left_out() {
    let expected = Connections { user: None, channel: None, queued: false, list: list() };
    assert_eq!(get("/connections?sort=id"), Ok(Route::Connections(expected.clone())));
    assert_eq!(get("/connections"), Ok(Route::Connections(expected)));
    assert_eq!(get("/channels"), Ok(Route::Channels { prefix: None, list: list() }));
}

#[test]
fn parameters() {
    let history = get("/channels/a/history?since=k:1&limit=1000");
    let since = Some("k:1".into());
    let expected = History { channel: "a".into(), since, before: None, limit: 1000 };
    assert_eq!(history, Ok(Route::History(expected)));
    let history = get("/channels/a/history?before=k:9&limit=1");
    let before = Some("k:9".into());
    let expected = History { channel: "a".into(), since: None, before, limit: 1 };
    assert_eq!(history, Ok(Route::History(expected)));
    let list = List { limit: 7, cursor: Some("x y".into()) };
    let channels = get("/channels?prefix=room.&limit=7&cursor=x+y");
    assert_eq!(channels, Ok(Route::Channels { prefix: Some("room.".into()), list: list.clone() }));
    let connections = get("/connections?user=x&channel=a.b&sort=queued&limit=7&cursor=x+y");
    let expected = Connections {
        user: Some("x".into()),
        channel: Some("a.b".into()),
        queued: true,
        list: list.clone(),
    };
    assert_eq!(connections, Ok(Route::Connections(expected)));
    let presence = get("/channels/a/presence?limit=7&cursor=x%20y");
    assert_eq!(presence, Ok(Route::Presence { channel: "a".into(), list }));
}

/// A parameter that does not parse or stands twice is named.
#[test]
fn bad_parameters() {
    let long = "/channels/a/history?since=".to_owned() + &"x".repeat(65);
    let prefix = "/channels?prefix=".to_owned() + &"x".repeat(257);
    for (target, upgraded, expected) in [
        ("/channels?limit=0", false, "limit"),
        ("/channels?limit=1001", false, "limit"),
        ("/channels?limit=4294967297", false, "limit"),
        ("/channels?limit=", false, "limit"),
        ("/channels?limit", false, "limit"),
        ("/channels?limit=+5", false, "limit"),
        ("/channels?limit=%2B5", false, "limit"),
        ("/channels?limit=-5", false, "limit"),
        ("/channels?limit=5x", false, "limit"),
        ("/channels?limit=%zz", false, "limit"),
        ("/channels?limit=5&limit=5", false, "limit"),
        ("/channels?cursor=a&cursor=b", false, "cursor"),
        ("/channels?prefix=%ff", false, "prefix"),
        (&prefix, false, "prefix"),
        (&long, false, "since"),
        ("/channels/a/history?since=a&since=b", false, "since"),
        ("/channels/a/history?since=a&before=b", false, "before"),
        ("/channels/a/presence?limit=x", false, "limit"),
        ("/ready?scope=world", false, "scope"),
        ("/connections?sort=age", false, "sort"),
        ("/connections?limit=x", false, "limit"),
        ("/connections?user=a&user=b", false, "user"),
        ("/channels/a?last=-1", true, "last"),
        ("/channels/a?last=x", true, "last"),
        ("/channels/a?mode=newest", true, "mode"),
        ("/channels/a?mode=all&mode=all", true, "mode"),
        ("/channels/a?self=no", true, "self"),
        ("/ws?since=a&since=a", true, "since"),
    ] {
        let result = if upgraded { upgrade(target) } else { get(target) };
        let named = match result {
            Err(RouteError::BadRequest { name, .. }) => name,
            other => panic!("{target}: {other:?}"),
        };
        assert_eq!(named, expected, "{target}");
    }
    let result = plain(Method::Delete, "/connections/c?reconnect=yes");
    assert!(matches!(result, Err(RouteError::BadRequest { name: "reconnect", .. })));
}

/// The answers: status, word, and what the status asks for. The connection goes on.
#[test]
fn replies() {
    for (error, start, part) in [
        (RouteError::NotFound, "HTTP/1.1 404 ", r#""code":"not_found""#),
        (RouteError::MethodNotAllowed("POST"), "HTTP/1.1 405 ", "\r\nAllow: POST\r\n"),
        (RouteError::MethodNotAllowed("POST"), "HTTP/1.1 405 ", r#""code":"method_not_allowed""#),
        (RouteError::UpgradeRequired, "HTTP/1.1 426 ", "\r\nSec-WebSocket-Version: 13\r\n"),
        (
            RouteError::BadRequest { name: "limit", problem: "is not a number" },
            "HTTP/1.1 400 ",
            r#""code":"bad_request","message":"limit is not a number""#,
        ),
    ] {
        let mut out = Vec::new();
        assert!(!error.reply().write(Circumstances::default(), &mut out));
        let text = String::from_utf8(out).unwrap();
        assert!(text.starts_with(start) && text.contains(part), "{text}");
    }
}
