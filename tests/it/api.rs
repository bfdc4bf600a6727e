//! What a backend does over HTTP (design 3): publishing one and many, reading channels, health.

use serde_json::{Value, json};

use crate::peer::Peer;
use crate::protocol::with_workers;
use crate::server::Server;

#[test]
fn publishing_and_what_it_answers() {
    with_workers(&[], |server| {
        let mut peers: Vec<_> = (0..3).map(|_| Peer::open(server.port, "/ws")).collect();
        peers[0].subscribe("p");
        peers[1].subscribe("p");
        let response = server.post("/channels/p", "", r#"{"a":1}"#);
        assert_eq!((response.status, response.field("cache-control")), (200, Some("no-store")));
        assert_eq!(response.field("x-content-type-options"), Some("nosniff"));
        let answer = response.json();
        assert_eq!(answer["receivers"], 2);
        assert_eq!(peers[0].receive()["id"], answer["id"]);
        assert_eq!(peers[1].receive()["id"], answer["id"]);
        let answer = server.post("/broadcast", "", "\"all\"").json();
        assert_eq!(answer["receivers"], 3);
        for peer in &mut peers {
            let message = peer.receive();
            assert_eq!((&message["type"], &message["data"]), (&json!("broadcast"), &json!("all")));
            assert_eq!(message["id"], answer["id"]);
        }
        for (path, body, status, code) in [
            ("/channels/p", "{", 400, "bad_json"),
            ("/channels/p", "", 400, "bad_json"),
            ("/channels/p", "\u{feff}1", 400, "bad_json"),
            ("/channels/p", "1 2", 400, "bad_json"),
            ("/channels/a..b", "1", 400, "bad_channel"),
            ("/channels/$all", "1", 403, "forbidden"),
            ("/broadcast", "nonsense", 400, "bad_json"),
        ] {
            let response = server.post(path, "", body);
            assert_eq!((response.status, &*response.code()), (status, code), "{path} {body}");
        }
        let deep = format!("{}1{}", "[".repeat(65), "]".repeat(65));
        assert_eq!(server.post("/broadcast", "", deep).code(), "bad_json");
        peers.iter_mut().for_each(Peer::ping);
    });
}

/// `Idempotency-Key`, `Fanwire-Key` and `Fanwire-Skip`.
#[test]
fn header_lines_of_publishing() {
    with_workers(&[], |server| {
        let mut peers: Vec<_> = (0..3).map(|_| Peer::open(server.port, "/ws")).collect();
        for channel in ["h1", "h2", "h3"] {
            for peer in &mut peers {
                peer.subscribe(channel);
            }
            let path = format!("/channels/{channel}");
            let key = "Idempotency-Key: order-7\r\nFanwire-Key: k\r\n";
            let first = server.post(&path, key, "1").json();
            let again = server.post(&path, key, "2").json();
            assert_eq!((&again["id"], &again["duplicate"]), (&first["id"], &json!(true)));
            assert_eq!(first.get("duplicate"), None);
            let skip = format!("Fanwire-Skip: {}\r\n", peers[1].name());
            server.post(&path, &skip, "3");
            server.post(&path, "Fanwire-Skip: 1-2-3-4\r\n", "4");
            for (number, peer) in peers.iter_mut().enumerate() {
                let message = peer.receive();
                assert_eq!((&message["data"], &message["key"]), (&json!(1), &json!("k")));
                if number != 1 {
                    assert_eq!(peer.receive()["data"], 3);
                }
                assert_eq!(peer.receive()["data"], 4);
            }
            let skip = format!("Fanwire-Skip: {}\r\n", peers[2].name());
            server.post("/broadcast", &skip, "5");
            assert_eq!(peers[0].receive()["data"], 5);
            assert_eq!(peers[1].receive()["data"], 5);
            peers[2].ping();
            let history = server.read_json(&format!("{path}/history"));
            assert_eq!(history["messages"].as_array().map(Vec::len), Some(3), "skipped, but kept");
        }
        for bad in ["1-2-3", "1-2-3-4-5", "1-2--4", "1-2-3-ä", "+1-2-3-4", "K-2-3-4", "x"] {
            let response = server.post("/channels/h1", &format!("Fanwire-Skip: {bad}\r\n"), "1");
            assert_eq!((response.status, response.code()), (400, "bad_request".into()), "{bad}");
            let message = response.json()["error"]["message"].to_string();
            assert!(message.contains("Fanwire-Skip"), "{bad}: {message}");
        }
        for line in ["Idempotency-Key: ", "Fanwire-Key: "] {
            let long = format!("{line}{}\r\n", "x".repeat(65));
            assert_eq!(server.post("/channels/h1", &long, "1").code(), "bad_request");
            let empty = format!("{line}\r\n");
            assert_eq!(server.post("/channels/h1", &empty, "1").code(), "bad_request");
        }
    });
}

#[test]
fn publishing_many_at_once() {
    with_workers(&["--max-batch", "20"], |server| {
        let mut peer = Peer::open(server.port, "/ws");
        peer.subscribe("b1");
        let items = json!([
            {"channel": "b1", "data": 1},
            {"channels": ["b1", "b2", "bad..name"], "data": 2, "idempotency_key": "k"},
            {"channel": "b1", "data": "AAE=", "encoding": "base64"},
            {"channel": "$all", "data": 1},
            {"channel": "b1"},
            {"data": 1},
            {"channels": ["b1", "b2"], "data": 3, "idempotency_key": "k"},
        ]);
        let response = server.post("/publish", "", items.to_string());
        assert_eq!(response.status, 200);
        let answer = response.json();
        let results = answer["results"].as_array().expect("a list");
        let word = |result: &Value| match result["error"]["code"].as_str() {
            Some(code) => code.to_owned(),
            None if result["duplicate"] == true => "duplicate".into(),
            None => result["id"].as_str().map(|_| "id").expect("an id").into(),
        };
        let words: Vec<_> = results.iter().map(word).collect();
        let expected = [
            "id",
            "id",
            "id",
            "bad_channel",
            "id",
            "forbidden",
            "bad_request",
            "bad_request",
            "duplicate",
            "duplicate",
        ];
        assert_eq!(words, expected, "{answer}");
        assert_eq!(results[8]["id"], results[1]["id"]);
        for (data, at) in [(json!(1), 0), (json!(2), 1), (json!("AAE="), 4)] {
            let message = peer.receive();
            assert_eq!((&message["data"], &message["id"]), (&data, &results[at]["id"]));
        }
        peer.ping();
        let one = server.post("/publish", "", r#"{"channel":"b3","data":null}"#).json();
        assert_eq!(one["results"].as_array().map(Vec::len), Some(1));
        let none = server.post("/publish", "", "[]");
        assert_eq!((none.status, none.json()["results"].clone()), (200, json!([])));
        let many = vec![json!({"channel": "b3", "data": 1}); 21];
        let response = server.post("/publish", "", json!(many).to_string());
        assert_eq!((response.status, response.code()), (413, "too_large".into()));
        for bad in ["", "5", "[1]x"] {
            assert_eq!(server.post("/publish", "", bad).status, 400, "{bad}");
        }
    });
}

/// Lists are pages in the order of names, whoever owns the channels.
#[test]
fn listing_channels() {
    with_workers(&[], |server| {
        let mut names: Vec<String> = (0..25).map(|n| format!("list.{n}")).collect();
        names.sort();
        let items: Vec<_> = names.iter().map(|name| json!({"channel": name, "data": 1})).collect();
        server.post("/publish", "", json!(items).to_string());
        server.publish("other", "1");
        let mut peer = Peer::open(server.port, "/ws");
        peer.subscribe("list.7");
        let (mut found, mut cursor, mut pages) = (Vec::new(), String::new(), 0);
        loop {
            let page = server.read_json(&format!("/channels?prefix=list.&limit=10{cursor}"));
            let channels = page["channels"].as_array().expect("a list");
            assert!(channels.len() <= 10);
            for channel in channels {
                let name = channel["channel"].as_str().expect("a name").to_owned();
                assert_eq!(channel["subscribers"], u64::from(name == "list.7"));
                assert_eq!(channel["history"], 1);
                assert!(channel["position"].is_string());
                found.push(name);
            }
            pages += 1;
            match page["next"].as_str() {
                Some(next) => cursor = format!("&cursor={next}"),
                None => break,
            }
        }
        assert_eq!((found, pages), (names, 3));
        let all = server.read_json("/channels?limit=1000");
        assert_eq!(all["channels"].as_array().map(Vec::len), Some(26), "without reserved ones");
        let none = server.read_json("/channels?prefix=none");
        assert_eq!(none, json!({"channels": [], "next": null}));
        let unknown = server.read_json("/channels/unknown");
        assert_eq!((&unknown["position"], &unknown["subscribers"]), (&Value::Null, &json!(0)));
        let empty = server.read_json("/channels/unknown/history");
        assert_eq!(empty["messages"], json!([]), "an unknown channel is empty, not 404");
    });
}

#[test]
fn health_and_status() {
    with_workers(&[], |server| {
        assert_eq!(server.read_json("/live")["status"], "ok");
        assert_eq!(server.read_json("/ready")["status"], "ok");
        assert_eq!(server.read_json("/ready?scope=node")["status"], "ok");
        assert_eq!(server.read("/ready?scope=all").code(), "bad_request");
        let mut peers: Vec<_> = (0..4).map(|_| Peer::open(server.port, "/ws")).collect();
        peers[0].subscribe("s");
        server.publish("s", "1");
        let status = server.read_json("/status");
        assert_eq!((&status["status"], &status["engine"]), (&json!("ok"), &json!("memory")));
        assert_eq!(status["websockets"], 4);
        assert_eq!(status["publications"], 1);
        // What asks is a connection itself.
        assert!(status["connections"].as_u64().is_some_and(|count| count >= 5), "{status}");
        server.await_counter("fanwire_subscriptions", |count| count == 5);
        server.await_counter("fanwire_channels", |count| count == 2);
        drop(peers);
        server.await_counter("fanwire_websockets", |count| count == 0);
    });
    let quiet = Server::start(&["--public-counts=false"]);
    assert_eq!(quiet.read_json("/status").get("connections"), None);
}
