//! API keys (design 3): scopes, channels, who has none, and who guesses.

use serde_json::{Value, json};

use crate::peer::Peer;
use crate::server::Server;
use crate::wire::{Response, Wire};

const SHOP: &str = "secret-of-the-shop";
const EYE: &str = "secret-of-the-eye-";
const STATS: &str = "secret-of-the-stats";
const ROOT: &str = "secret-of-the-root-";
const DESK: &str = "secret-of-the-desk-";
const TOWER: &str = "secret-of-the-tower";

const KEYS: [&str; 12] = [
    "--api-keys",
    "shop:secret-of-the-shop:publish,read:orders.>",
    "--api-keys",
    "eye:secret-of-the-eye-:read",
    "--api-keys",
    "stats:secret-of-the-stats:metrics",
    "--api-keys",
    "root:secret-of-the-root-:admin",
    "--api-keys",
    "desk:secret-of-the-desk-:admin:orders.>",
    "--api-keys",
    "tower:secret-of-the-tower:publish:$all",
];

/// Runs a test on servers with these keys.
fn with_keys(test: impl Fn(&Server)) {
    for workers in ["1", "2", "4"] {
        let rules = ["--workers", workers, "--log-level", "info"];
        test(&Server::start(&[&rules[..], &KEYS].concat()));
    }
}

fn ask(server: &Server, secret: &str, method: &str, path: &str, body: &str) -> Response {
    let mut wire = Wire::connect(server.port);
    let length = body.len();
    wire.ask(&format!(
        "{method} {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {secret}\r\n\
         Content-Length: {length}\r\n\r\n{body}"
    ))
}

fn verdict(response: &Response) -> (u16, String) {
    let code = if response.status == 200 { String::new() } else { response.code() };
    (response.status, code)
}

/// One of the server's counters, where that takes a key.
fn counter(server: &Server, name: &str) -> u64 {
    let text = ask(server, STATS, "GET", "/metrics", "").text();
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(' '));
    line.unwrap_or_else(|| panic!("no {name} in {text}")).parse().expect("a number")
}

/// Which routes each key may ask, over the whole table. Errors name the scope that is missing.
#[test]
fn scopes() {
    with_keys(|server| {
        let table = [
            ("POST", "/channels/orders.7", "1", "publish"),
            ("POST", "/publish", r#"{"channel":"orders.7","data":1}"#, "publish"),
            ("GET", "/channels", "", "read"),
            ("GET", "/channels/orders.7", "", "read"),
            ("GET", "/channels/orders.7/history", "", "read"),
            ("GET", "/connections?channel=orders.7", "", "read"),
            ("GET", "/metrics", "", "metrics"),
        ];
        for (secret, scopes) in [
            (SHOP, &["publish", "read"][..]),
            (EYE, &["read"]),
            (STATS, &["metrics"]),
            (ROOT, &["publish", "read", "metrics"]),
            (DESK, &["publish", "read", "metrics"]),
        ] {
            for (method, path, body, scope) in table {
                let response = ask(server, secret, method, path, body);
                if scopes.contains(&scope) {
                    assert_eq!(response.status, 200, "{secret} {method} {path}: {response:?}");
                    continue;
                }
                assert_eq!(verdict(&response), (403, "forbidden".into()), "{secret} {path}");
                let message = response.json()["error"]["message"].to_string();
                assert!(message.contains(&format!("scope {scope}")), "{message}");
            }
        }
        for (secret, method, path, code) in [
            (EYE, "DELETE", "/connections/x", "forbidden"),
            (EYE, "POST", "/broadcast", "forbidden"),
            (EYE, "POST", "/users/ann", "forbidden"),
            (EYE, "POST", "/revocations", "forbidden"),
            (ROOT, "POST", "/revocations", "not_enabled"),
            (EYE, "DELETE", "/users/ann/connections", "forbidden"),
            (SHOP, "PUT", "/users/ann/subscriptions/orders.7", "forbidden"),
            (STATS, "GET", "/channels/x/presence", "forbidden"),
        ] {
            let response = ask(server, secret, method, path, "1");
            assert_eq!(verdict(&response), (403, code.into()), "{method} {path}");
        }
        assert_eq!(ask(server, ROOT, "DELETE", "/connections/x", "").status, 200);
        assert!(counter(server, "fanwire_refusals_total{code=\"forbidden\",over=\"http\"}") > 10);
    });
}

#[test]
fn without_a_key() {
    with_keys(|server| {
        for (method, path) in [
            ("GET", "/channels"),
            ("GET", "/channels/a/history?limit=nonsense"),
            ("GET", "/metrics"),
            ("GET", "/connections"),
            ("POST", "/publish"),
            ("POST", "/broadcast"),
            ("DELETE", "/connections/x"),
        ] {
            let mut wire = Wire::connect(server.port);
            let response = wire.request(method, path, "");
            assert_eq!(verdict(&response), (401, "unauthorized".into()), "{method} {path}");
            assert_eq!(response.field("www-authenticate"), Some("Bearer realm=\"fanwire\""));
            assert!(!response.closes(), "nothing was to follow");
            // Never in a URL.
            let query = format!("key={ROOT}&token={ROOT}&access_token={ROOT}");
            let path = format!("{path}{}{query}", if path.contains('?') { '&' } else { '?' });
            assert_eq!(wire.request(method, &path, "").status, 401, "{path}");
        }
        for path in ["/live", "/ready", "/openapi.json", "/client.js"] {
            assert_eq!(server.read(path).status, 200, "{path}");
            let bad = ask(server, "nobody's secret here", "GET", path, "");
            assert_eq!(bad.status, 200, "{path}: nobody looks at credentials");
        }
        for path in ["/", "/demo/live.js", "/nowhere"] {
            assert_eq!(server.read(path).status, 404, "{path}: pages are for open mode");
        }
        assert_eq!(
            counter(server, "fanwire_refusals_total{code=\"unauthorized\",over=\"http\"}"),
            14
        );
    });
}

/// A body that is refused unread ends the connection: it is never a next request.
#[test]
fn a_refused_body_is_not_read() {
    with_keys(|server| {
        let mut wire = Wire::connect(server.port);
        let inner = "DELETE /connections/x HTTP/1.1\r\nHost: localhost\r\n\r\n";
        let response = wire.post("/broadcast", "", inner.as_bytes());
        assert_eq!((response.status, response.closes()), (401, true));
        wire.end();
        let mut wire = Wire::connect(server.port);
        let length = 500_000;
        let response = wire.ask(&format!(
            "POST /broadcast HTTP/1.1\r\nHost: localhost\r\nExpect: 100-continue\r\n\
             Content-Length: {length}\r\n\r\n"
        ));
        assert_eq!(response.status, 401, "instead of 100");
    });
}

#[test]
fn status_says_little_to_strangers() {
    let flags = [&KEYS[..], &["--node-name", "n1"]].concat();
    let server = Server::start(&flags);
    for secret in ["", STATS, EYE] {
        let response = if secret.is_empty() {
            server.read("/status")
        } else {
            ask(&server, secret, "GET", "/status", "")
        };
        assert_eq!(response.status, 200);
        let json = response.json();
        let keys: Vec<_> = json.as_object().expect("an object").keys().cloned().collect();
        if secret == EYE {
            assert_eq!((&json["node"], keys.len() > 8), (&json!("n1"), true), "{json}");
        } else {
            assert_eq!(keys, ["connections", "status", "uptime_ms"], "{json}");
        }
    }
    assert_eq!(ask(&server, "not a key at all!", "GET", "/status", "").status, 401);
    let quiet = Server::start(&[&KEYS[..], &["--public-counts=false"]].concat());
    assert_eq!(quiet.read_json("/status").get("connections"), None);
    assert!(ask(&quiet, EYE, "GET", "/status", "").json()["connections"].is_u64());
}

#[test]
fn keys_are_held_to_their_channels() {
    with_keys(|server| {
        for channel in ["orders.1", "orders.2", "orders.2.x", "orders", "other"] {
            let path = format!("/channels/{channel}");
            assert_eq!(ask(server, ROOT, "POST", &path, "1").status, 200);
            let held = channel.starts_with("orders.");
            let (published, read) = if held { (200, 200) } else { (403, 403) };
            assert_eq!(ask(server, SHOP, "POST", &path, "2").status, published, "{channel}");
            assert_eq!(ask(server, SHOP, "GET", &path, "").status, read, "{channel}");
            let history = ask(server, SHOP, "GET", &format!("{path}/history"), "");
            assert_eq!(history.status, read, "{channel}");
        }
        let names = |secret: &str, query: &str| -> Vec<Value> {
            let page = ask(server, secret, "GET", &format!("/channels{query}"), "").json();
            let channels = page["channels"].as_array().expect("a list").clone();
            channels.iter().map(|one| one["channel"].clone()).collect()
        };
        assert_eq!(names(SHOP, ""), ["orders.1", "orders.2", "orders.2.x"]);
        assert_eq!(names(SHOP, "?prefix=orders.2"), ["orders.2", "orders.2.x"]);
        assert_eq!(names(SHOP, "?prefix=oth").len(), 0);
        assert_eq!(names(EYE, "").len(), 5);
        let batch = json!([
            {"channels": ["orders.1", "other", "orders.3"], "data": 1},
            {"channel": "orders", "data": 1},
        ]);
        let results = ask(server, SHOP, "POST", "/publish", &batch.to_string()).json();
        let results = results["results"].as_array().expect("a list").clone();
        let codes: Vec<_> = results.iter().map(|one| one["error"]["code"].clone()).collect();
        assert_eq!(codes, [Value::Null, json!("forbidden"), Value::Null, json!("forbidden")]);
        // Two channels in three ways each, before; two items now.
        let name = "fanwire_refusals_total{code=\"forbidden\",over=\"http\"}";
        assert_eq!(counter(server, name), 6 + 2, "each item is counted once");
        for (secret, path, status) in [
            (SHOP, "/connections", 403),
            (SHOP, "/connections?channel=other", 403),
            (SHOP, "/connections?channel=orders.1", 200),
            (EYE, "/connections", 200),
        ] {
            assert_eq!(ask(server, secret, "GET", path, "").status, status, "{path}");
        }
        assert_eq!(ask(server, DESK, "DELETE", "/connections/x", "").status, 403);
        // Everybody is a channel too.
        for (secret, status) in [(SHOP, 403), (DESK, 403), (TOWER, 200), (ROOT, 200)] {
            assert_eq!(ask(server, secret, "POST", "/broadcast", "1").status, status);
        }
        assert_eq!(ask(server, TOWER, "POST", "/channels/orders.1", "1").status, 403);
    });
}

/// An idempotency key belongs to the API key that brought it.
#[test]
fn idempotency_keys_belong_to_api_keys() {
    with_keys(|server| {
        let publish = |secret: &str| {
            let mut wire = Wire::connect(server.port);
            let lines = format!("Authorization: Bearer {secret}\r\nIdempotency-Key: job-1\r\n");
            wire.post("/channels/orders.1", &lines, b"1").json()
        };
        let first = publish(SHOP);
        assert_eq!(first.get("duplicate"), None);
        let other = publish(ROOT);
        assert_eq!(other.get("duplicate"), None);
        assert_ne!(first["id"], other["id"]);
        let again = publish(SHOP);
        assert_eq!((&again["id"], &again["duplicate"]), (&first["id"], &json!(true)));
    });
}

/// A foreign page is refused whatever key it has stolen.
#[test]
fn origin_comes_first() {
    let server = Server::start(&KEYS);
    let mut wire = Wire::connect(server.port);
    let lines = format!("Authorization: Bearer {ROOT}\r\nOrigin: https://evil.example\r\n");
    let response = wire.request("GET", "/channels", &lines);
    assert_eq!(verdict(&response), (403, "forbidden".into()));
    // With keys, who comes through a proxy or by another name is welcome.
    let mut wire = Wire::connect(server.port);
    let response = wire.ask(&format!(
        "GET /channels HTTP/1.1\r\nHost: api.example\r\nX-Forwarded-For: 192.0.2.1\r\n\
         Authorization: Bearer {EYE}\r\n\r\n"
    ));
    assert_eq!(response.status, 200);
}

#[test]
fn what_is_no_bearer() {
    let server = Server::start(&KEYS);
    for credentials in [
        format!("Basic {ROOT}"),
        ROOT.to_owned(),
        format!("Bearer{ROOT}"),
        format!("Bearer {ROOT} x"),
        "Bearer".into(),
        format!("Bearer {}", "x".repeat(5000)),
    ] {
        let lines = format!("Authorization: {credentials}\r\n");
        let response = Wire::connect(server.port).request("GET", "/channels", &lines);
        assert_eq!(verdict(&response), (401, "unauthorized".into()), "{credentials}");
        let challenge = response.field("www-authenticate").unwrap_or_default();
        assert!(challenge.ends_with("error=\"invalid_token\""), "{challenge}");
    }
    let twice = format!("Authorization: Bearer {EYE}\r\nAuthorization: Bearer {EYE}\r\n");
    let response = Wire::connect(server.port).request("GET", "/channels", &twice);
    assert_eq!(response.status, 400);
    let response = Wire::connect(server.port).request(
        "GET",
        "/channels",
        &format!("authorization: bEARER   {EYE}\r\n"),
    );
    assert_eq!(response.status, 200, "the scheme has no case");
}

/// Who guesses has to wait; a backend at the same address that was here before has not.
#[test]
fn guessing_is_slow() {
    for workers in ["1", "4"] {
        let server = Server::start(&[&["--workers", workers][..], &KEYS].concat());
        let guess = |number: u32| {
            ask(&server, &format!("guess-number-{number:08}"), "GET", "/channels", "")
        };
        let mut refused = 0;
        for number in 0..30 {
            let response = guess(number);
            if response.status == 429 {
                refused += 1;
                let error = &response.json()["error"];
                assert_eq!(
                    (&error["code"], &error["temporary"]),
                    (&json!("rate_limited"), &json!(true))
                );
                assert!(error["retry_after_ms"].as_u64().is_some_and(|pace| pace <= 5_000));
                assert!(response.field("retry-after").is_some());
            } else {
                assert_eq!((response.status, refused), (401, 0), "{number}");
            }
        }
        assert!(refused >= 15, "{refused}");
        // Unheard as long as nobody with a good key was here.
        assert_eq!(ask(&server, EYE, "GET", "/channels", "").status, 429);
        assert_eq!(server.read("/status").status, 200, "who has no key does not guess");
        let server = Server::start(&[&["--workers", workers][..], &KEYS].concat());
        assert_eq!(ask(&server, EYE, "GET", "/channels", "").status, 200);
        for number in 0..30 {
            ask(&server, &format!("guess-number-{number:08}"), "GET", "/channels", "");
        }
        let refused = counter(&server, "fanwire_limits_total{limit=\"bad_keys\"}");
        assert!(refused >= 15, "{refused}");
        assert_eq!(ask(&server, EYE, "GET", "/channels", "").status, 200);
        assert_eq!(ask(&server, "guess-number-00000099", "GET", "/channels", "").status, 429);
    }
}

/// Keys are for the API: clients do not need one to connect.
#[test]
fn clients_connect_without_an_api_key() {
    with_keys(|server| {
        let mut peer = Peer::open(server.port, "/ws");
        assert_eq!(ask(server, TOWER, "POST", "/broadcast", "7").status, 200);
        assert_eq!(peer.receive()["data"], 7);
    });
}
