//! Each rule can fail: for every rule something that breaks it, and something close that does not.

use crate::rules::{check, proof_exists, proofs_named_in};
use crate::source::Source;

/// The rules that a file with this path and code (its opening line is added) breaks.
fn broken(path: &str, code: &str) -> Vec<&'static str> {
    let source = Source::new(path, &format!("//! Words.\n{code}"));
    check(&source).iter().map(|finding| finding.rule).collect()
}

#[test]
fn opening() {
    let rules = |text: &str| check(&Source::new("src/a.rs", text)).len();
    assert_eq!(rules("use std::fmt;\n"), 1);
    assert_eq!(rules("// Words.\n"), 1);
    assert_eq!(rules("//! Words.\n"), 0);
}

#[test]
fn size() {
    assert_eq!(broken("src/a.rs", &"\n".repeat(500)), ["file-lines"]);
    assert!(broken("src/a.rs", &"\n".repeat(499)).is_empty());
    assert_eq!(broken("src/a.rs", &format!("// {}", "ä".repeat(98))), ["columns"]);
    assert!(broken("src/a.rs", &format!("// {}", "ä".repeat(97))).is_empty());
}

#[test]
fn functions() {
    let function = |lines: usize| format!("fn f(a: [u8; 2]) {{{}}}", "\n".repeat(lines - 1));
    assert_eq!(broken("src/a.rs", &function(71)), ["function-lines"]);
    assert!(broken("src/a.rs", &function(70)).is_empty());
    let method = "trait T {\n    fn f(&self);\n";
    assert!(broken("src/a.rs", &format!("{method}{}}}", "\n".repeat(80))).is_empty());
}

#[test]
fn purity() {
    for breach in [
        "use std::net::IpAddr;",
        "use std::time::{Duration, Instant};",
        "use std::{fmt, thread};",
        "use std::{collections::HashMap, net::{IpAddr, SocketAddr}};",
        "fn f() { std::thread::yield_now() }",
        "fn f() { getrandom::fill(&mut []); }",
        "fn f(now: SystemTime) {}",
        "use mio::Token;",
        "use socket2::Socket;",
    ] {
        assert!(broken("src/ws/a.rs", breach).contains(&"purity"), "{breach}");
        assert!(!broken("src/worker/a.rs", breach).contains(&"purity"), "{breach}");
    }
    assert!(broken("src/ws/a.rs", "use std::time::Duration; // not Instant").is_empty());
    assert!(broken("src/ws/a.rs", "use core::net::IpAddr; // plain data").is_empty());
}

#[test]
fn arrows() {
    for (path, breach) in [
        ("src/http/a.rs", "use crate::ws::Frame;"),
        ("src/hub/a.rs", "use crate::{hub::Position, feed::Window};"),
        ("src/hub/a.rs", "fn f() { crate::client::f() }"),
        ("src/hub/mod.rs", "use super::conn;"),
        ("src/ws/frame/tests.rs", "use super::super::super::http::head;"),
        ("src/conn/a.rs", "use crate::worker::Turn;"),
        ("src/worker/a.rs", "use crate::server;"),
        ("src/limits.rs", "use super::conn::Entry;"),
        ("src/feed/a.rs", "use crate::clock;"),
        ("src/server.rs", "use crate::bench::clock::now_ns;"),
        ("src/settings/a.rs", "use crate::bench::flags;"),
        ("src/bench/a.rs", "use crate::worker::Turn;"),
    ] {
        assert_eq!(broken(path, breach), ["arrows"], "{path}: {breach}");
    }
    for (path, fine) in [
        ("src/feed/a.rs", "use crate::hub::Position;"),
        ("src/client/a.rs", "use crate::{hub::Position, limits};"),
        ("src/conn/a.rs", "use crate::{feed, hub, ws};"),
        ("src/worker/a.rs", "use crate::conn::Entry;"),
        ("src/server.rs", "use crate::worker::Turn;"),
        ("src/hub/shard.rs", "use super::feed;"),
        ("src/bench/a.rs", "use crate::{settings::units, ws::frame};"),
        ("src/bench/a.rs", "use crate::bench::stamp::Stamp;"),
    ] {
        assert!(broken(path, fine).is_empty(), "{path}: {fine}");
    }
}

#[test]
fn words() {
    for breach in ["unsafe { }", "todo!()", "unimplemented!()", "dbg!(1)", "println!()"] {
        assert_eq!(broken("src/a.rs", &format!("fn f() {{ {breach} }}")), ["words"], "{breach}");
    }
    assert_eq!(broken("tests/it/a.rs", "fn f() { std::thread::sleep(D); }"), ["words"]);
    assert_eq!(broken("src/hub/tests.rs", "#[test]\n#[ignore]\nfn f() {}"), ["words"]);
    assert!(broken("src/main.rs", "fn f() { println!() }").is_empty());
    assert!(broken("src/a.rs", "fn f() { let todo = \"unsafe\"; }").is_empty());
    assert!(broken("src/hub/tests.rs", "#[ignore = \"needs a day\"]\nfn f() {}").is_empty());
}

#[test]
fn names() {
    for breach in [
        "fn get_name() {}",
        "struct ConnectionManager;",
        "mod util {}",
        "enum HelperKind {}",
        "fn process_frame() {}",
    ] {
        assert_eq!(broken("src/a.rs", breach), ["names"], "{breach}");
    }
    let fine = "fn target_of() {} struct Process; fn get() {} fn get_mut() {}";
    assert!(broken("src/a.rs", fine).is_empty());
}

#[test]
fn gates() {
    for breach in [
        "use std::time::Instant;",
        "fn f() -> SystemTime {}",
        "fn f() { getrandom::u64(); }",
        "fn f() { std::thread::spawn(g); }",
        "fn f(stream: TcpStream) {}",
    ] {
        assert_eq!(broken("src/conn/a.rs", breach), ["gates"], "{breach}");
        assert!(broken("tests/it/a.rs", breach).is_empty(), "{breach}");
    }
    assert!(broken("src/clock.rs", "use std::time::{Instant, SystemTime};").is_empty());
}

#[test]
fn one_clock() {
    let once = "fn f() { self.net.now() }\n";
    assert!(broken("src/worker/mod.rs", once).is_empty());
    assert_eq!(broken("src/worker/mod.rs", &once.repeat(3)), ["one-clock"]);
    assert_eq!(broken("src/worker/serve.rs", once), ["one-clock"]);
}

#[test]
fn architecture() {
    let text = "| dense | `hub::tests::dense`, `hub::Position` | `tests/sim`, `conn/table.rs` |";
    let named = ["hub::tests::dense", "tests/sim", "conn/table.rs"];
    assert_eq!(proofs_named_in(text), named);
    let sources = [
        Source::new("src/hub/tests.rs", "#[test] fn dense() {}"),
        Source::new("src/conn/table.rs", "mod tests { #[test] fn other() {} }"),
        Source::new("src/ws/tests.rs", "fn no_test() {}"),
    ];
    let on_disk = |path: &str| ["tests/sim", "src/conn/table.rs"].contains(&path);
    for named in named.iter().chain(&["hub::tests", "conn::table::tests::other"]) {
        assert!(proof_exists(named, &sources, on_disk), "{named}");
    }
    for gone in ["hub::tests::other", "feed::tests", "ws::tests", "tests/it", "conn/gone.rs"] {
        assert!(!proof_exists(gone, &sources, on_disk), "{gone}");
    }
}
