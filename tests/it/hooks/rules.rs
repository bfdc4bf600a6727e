//! Rules that change while the backend thinks: its yes allows nothing that is forbidden by then.

use rustix::process::Signal;
use serde_json::{Value, json};

use super::{publish, start, subscribe};
use crate::backend::Backend;
use crate::peer::Peer;
use crate::server::folder;

#[test]
fn a_late_yes_allows_nothing() {
    let backend = Backend::start();
    let file = folder("hooks-rules").join("fanwire.toml");
    std::fs::write(&file, "").expect("written");
    let config = file.to_string_lossy();
    let flags = ["--workers", "1", "--config", &*config];
    let server = start(&backend, "subscribe,publish", &flags);
    let history = json!({"type": "history", "id": 3, "channel": "c"});
    let channels = json!({"channels": [{"channel": "d"}, {"channel": "e"}]});
    let several = json!({"type": "subscribe", "id": 4, "data": channels});
    let requests: [(Value, &[Value]); 4] = [
        (publish(1, "a", &json!(1)), &[json!("a")]),
        (subscribe(2, "b"), &[json!("b")]),
        (history, &[json!("c")]),
        (several, &[json!("d"), json!("e")]),
    ];
    let mut peers: Vec<_> = requests.iter().map(|_| Peer::open(server.port, "/ws")).collect();
    let mut asked = Vec::new();
    for (peer, (request, channels)) in peers.iter_mut().zip(&requests) {
        peer.send(request);
        asked.extend(channels.iter().map(|_| backend.next()));
    }
    // Both are subscribed, or wait to be, by the time that the rules change.
    let mut raw = ["f", "g"].map(|channel| {
        std::thread::scope(|scope| {
            let path = format!("/channels/{channel}");
            let port = server.port;
            let opening = scope.spawn(move || Peer::open(port, &path));
            let question = backend.asked("subscribe");
            if channel == "f" {
                question.allow();
            } else {
                asked.push(question);
            }
            opening.join().expect("no panic")
        })
    });
    raw[0].send_text("x");
    asked.push(backend.asked("publish"));

    let rules = "[[rule]]\npattern = \">\"\nsubscribe = \"backend\"\npublish = \"backend\"\n";
    std::fs::write(&file, rules).expect("written");
    server.signal(Signal::HUP);
    server.await_counter(r#"fanwire_reloads_total{outcome="ok"}"#, |count| count == 1);
    for question in asked {
        question.allow();
    }
    for (peer, (request, channels)) in peers.iter_mut().zip(&requests) {
        for channel in *channels {
            let error = peer.receive();
            assert_eq!((&error["id"], &error["channel"]), (&request["id"], channel), "{error}");
            assert_eq!(error["data"]["code"], "forbidden", "{error}");
        }
        peer.ping();
    }
    for peer in &mut raw {
        assert_eq!(peer.closed(), (4403, "forbidden".into()));
    }
    assert_eq!(server.read_json("/channels/a/history")["messages"], json!([]));
}
