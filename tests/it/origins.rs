//! Pages of other sites: who is refused, what is said about it, and who may after all.

use crate::server::Server;
use crate::wire::{Response, Wire, handshake};

fn ask(server: &Server, method: &str, path: &str, lines: &str) -> Response {
    let request = format!("{method} {path} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n");
    Wire::connect(server.port).ask(&request)
}

/// Design 3: an `Origin` that is not ours gets 403 on every route; both values are named in the
/// answer, and in one line of the log, whatever is in them.
#[test]
fn a_foreign_page_is_refused_everywhere_and_both_sides_are_named() {
    let server = Server::start(&["--log-level", "info", "--cors-origins", "https://app.example"]);
    let lines = "Origin: https://evil.example\r\n";
    let routes = ["/", "/status", "/metrics", "/live", "/ready", "/channels", "/nowhere", "/ws"];
    for path in routes {
        for method in ["GET", "HEAD", "OPTIONS", "DELETE"] {
            let response = match method {
                "HEAD" => {
                    let mut wire = Wire::connect(server.port);
                    wire.send(format!("HEAD {path} HTTP/1.1\r\nHost: localhost\r\n{lines}\r\n"));
                    wire.head()
                }
                _ => ask(&server, method, path, lines),
            };
            assert_eq!((response.status, response.closes()), (403, true), "{method} {path}");
            assert_eq!(response.field("access-control-allow-origin"), None);
        }
    }
    let response = Wire::connect(server.port).post("/broadcast", lines, b"1");
    assert_eq!((response.status, response.code()), (403, "forbidden".into()));
    let words = response.json()["error"]["message"].as_str().expect("words").to_string();
    for named in ["Origin https://evil.example", "Host localhost"] {
        assert!(words.contains(named), "{words}");
    }
    let refused = 4 * routes.len() as u64 + 1;
    assert_eq!(server.counter("fanwire_limits_total{limit=\"origins\"}"), refused);
    let log = server.stop();
    let line = log.lines().find(|line| line.contains("https://evil.example")).expect("a line");
    assert!(line.contains("Host localhost"), "{line}");
}

/// What was asked of a proxy counts only where the proxy is trusted, and only if it is one host.
#[test]
fn forwarded_host() {
    let forwarded = "Origin: https://chat.example\r\nX-Forwarded-Host: chat.example\r\n";
    for (trusted, lines, expected) in [
        ("127.0.0.1", forwarded, 101),
        ("127.0.0.2", forwarded, 403),
        ("unix", forwarded, 403),
        ("127.0.0.1", "Origin: https://chat.example\r\nX-Forwarded-Host: other.example\r\n", 403),
        ("127.0.0.1", "Origin: http://x\r\nX-Forwarded-Host: x, y\r\n", 403),
        ("127.0.0.1", "Origin: http://x\r\nX-Forwarded-Host: x\r\nX-Forwarded-Host: x\r\n", 403),
        ("127.0.0.1", "Origin: http://localhost\r\nX-Forwarded-Host: x\r\n", 101),
    ] {
        let server = Server::start(&["--open", "--trusted-proxies", trusted]);
        let mut wire = Wire::connect(server.port);
        wire.send(handshake("/ws", lines));
        let response = wire.head();
        assert_eq!(response.status, expected, "{trusted} {lines}");
    }
}

/// Design 3, `cors_origins`: their pages may use the API, no others, and nothing but the API.
#[test]
fn pages_from_elsewhere_that_may() {
    let allowed = ["--cors-origins", "https://App.example:443,http://b.example:81"];
    let server = Server::start(&[&allowed[..], &["--origins", "https://c.example"]].concat());
    let origin = "Origin: https://app.example\r\n";
    let preflight = format!("{origin}Access-Control-Request-Method: POST\r\n");
    let mut wire = Wire::connect(server.port);
    wire.send(format!("OPTIONS /channels/a HTTP/1.1\r\nHost: localhost\r\n{preflight}\r\n"));
    let response = wire.head();
    assert_eq!((response.status, response.closes()), (204, false));
    assert_eq!(response.field("access-control-allow-origin"), Some("https://app.example"));
    assert_eq!(response.field("vary"), Some("Origin"));
    let methods = response.field("access-control-allow-methods").expect("methods");
    let fields = response.field("access-control-allow-headers").expect("fields");
    assert!(methods.contains("DELETE") && fields.contains("Authorization"), "{response:?}");

    for _ in 0..2 {
        // On the same connection: only answers to this origin are for it.
        let response = wire.post("/channels/a", origin, b"1");
        assert_eq!(response.status, 200);
        assert_eq!(response.field("access-control-allow-origin"), Some("https://app.example"));
        let response = wire.post("/channels/a", "Origin: http://b.example:81\r\n", b"[");
        assert_eq!(response.status, 400, "refusals can be read too");
        assert_eq!(response.field("access-control-allow-origin"), Some("http://b.example:81"));
        let response = wire.post("/channels/a", "Origin: https://c.example\r\n", b"1");
        assert_eq!((response.status, response.field("vary")), (200, None));
        assert_eq!(response.field("access-control-allow-origin"), None);
        assert_eq!(wire.post("/channels/a", "", b"1").field("access-control-allow-origin"), None);
    }
    assert_eq!(ask(&server, "OPTIONS", "/channels/a", origin).status, 405, "asks for nothing");
    let (mut wire, ours) = (Wire::connect(server.port), "Origin: https://c.example\r\n");
    wire.send(handshake("/ws", origin));
    assert_eq!(wire.response().status, 403);
    Wire::open_with(server.port, "/ws", ours);
}
