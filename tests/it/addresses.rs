//! How many connections one address may have, whoever connects, and in front of whom.

use std::net::{Ipv4Addr, SocketAddr};

use socket2::{Domain, Socket, Type};

use crate::server::Server;
use crate::wire::{Wire, handshake};

pub const REFUSED: &str = "fanwire_limits_total{limit=\"max_connections_per_address\"}";

/// Whoever asks the server how it is must not be counted: 127.0.0.1 is a proxy that names nobody.
const ASKED_FROM: [&str; 2] = ["--trusted-proxies", "127.0.0.1"];

/// A connection from this address of the loopback network.
pub fn connect_from(last: u8, port: u16) -> Wire {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
    let from = SocketAddr::from((Ipv4Addr::new(127, 0, 0, last), 0));
    socket.bind(&from.into()).expect("all of 127.0.0.0/8 is ours");
    let to = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    socket.connect(&to.into()).expect("connect");
    Wire::on(socket.into())
}

/// Opens a WebSocket from this address.
fn open_from(last: u8, port: u16) -> Wire {
    let mut wire = connect_from(last, port);
    wire.send(handshake("/ws", ""));
    let response = wire.head();
    assert_eq!(response.status, 101, "{response:?}");
    wire
}

/// Design 4, `max_connections_per_address`: 503 with a pace, in words, counted; others are served;
/// who leaves makes room.
#[test]
fn an_address_has_so_many_connections_and_others_are_served() {
    for workers in ["1", "2"] {
        let flags = ["--max-connections-per-address", "3", "--workers", workers];
        let server = Server::start(&[&flags[..], &ASKED_FROM].concat());
        let mut kept: Vec<Wire> = (0..3).map(|_| open_from(2, server.port)).collect();
        for refused in 1..=40 {
            let mut wire = connect_from(2, server.port);
            let response = wire.response();
            assert_eq!((response.status, response.closes()), (503, true));
            assert!(response.field("retry-after").is_some());
            let error = response.json()["error"].clone();
            assert_eq!((&error["code"], &error["temporary"]), (&"overloaded".into(), &true.into()));
            assert!(error["message"].as_str().expect("words").contains("address"), "{error}");
            wire.end();
            server.await_counter(REFUSED, |count| count == refused);
        }
        drop(open_from(3, server.port));
        kept.pop();
        server.await_counter("fanwire_websockets", |open| open == 2);
        kept.push(open_from(2, server.port));
    }
}

/// Those who are refused and do not go are few; then nobody of that address is told any more.
#[test]
fn a_flood_from_one_address_does_not_fill_the_node() {
    let flags = ["--max-connections-per-address", "1", "--close-timeout", "60s"];
    let server = Server::start(&[&flags[..], &ASKED_FROM].concat());
    let _kept = open_from(2, server.port);
    let held: Vec<Wire> = (0..100).map(|_| connect_from(2, server.port)).collect();
    server.await_counter(REFUSED, |count| count == 100);
    server.await_counter("fanwire_connections", |connections| connections <= 1 + 32 + 1);
    drop(held);
    server.await_counter("fanwire_connections", |connections| connections == 2);
}
