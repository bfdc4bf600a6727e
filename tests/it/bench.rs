//! `fanwire bench`: the program measures itself, and servers that lose, double and mix up messages.
//! What it counts must be exact; how fast anything is, is nobody's business here.

use std::fs;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::process::{Command, Output, Stdio};
use std::thread;

use serde_json::Value;
use tungstenite::{Message, WebSocket, accept};

use crate::server::{Server, folder};
use crate::wire::PATIENCE;

/// A server that lets one publisher publish what it can.
fn server() -> Server {
    Server::start(&["--workers", "2", "--messages-per-second", "0", "--open"])
}

fn bench(words: &str) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_fanwire"));
    command.arg("bench").args(words.split_whitespace()).env_clear();
    command
}

fn output(words: &str) -> Output {
    bench(words).output().expect("the program runs")
}

/// One measurement, shortly.
fn measure(words: &str) -> Value {
    let output = output(&format!("{words} --json --warm-up 50ms --time 200ms --connect-rate 0"));
    let (said, words_of_it) = (&output.stdout, String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{words}: {words_of_it}");
    serde_json::from_slice(said).expect("JSON, and nothing else")
}

fn number(slice: &Value, field: &str) -> u64 {
    slice[field].as_u64().unwrap_or_else(|| panic!("{field} in {slice}"))
}

/// Nothing was lost, doubled or out of order.
fn assert_clean(slice: &Value) {
    assert_eq!(slice["operations"], slice["expected"], "{slice}");
    assert!(number(slice, "operations") > 0, "{slice}");
    for field in ["lost", "duplicated", "reordered", "closed"] {
        assert_eq!(slice[field], 0, "{field} in {slice}");
    }
    let latency = &slice["latency_ns"];
    assert!(latency["min"].as_u64() <= latency["p50"].as_u64(), "{slice}");
    assert!(latency["p50"].as_u64() <= latency["max"].as_u64(), "{slice}");
    assert!(slice["histogram"].is_string(), "{slice}");
}

#[test]
fn everybody_gets_everything_once() {
    let server = server();
    let (port, pid) = (server.port, server.pid());
    let socket = format!("fanout --connections 40 --url ws://127.0.0.1:{port}/ws");
    let raw = format!(
        "fanout --connections 40 --dialect raw --url ws://127.0.0.1:{port}/channels/{{channel}}"
    );
    for words in [
        format!("{socket} --pid {pid}"),
        format!("{socket} --in-flight 16 --size 1000"),
        format!("{socket} --in-flight 3 --channels 7"),
        format!("{socket} --rate 100 --channels 3"),
        format!("{socket} --publish http --in-flight 4"),
        format!("{socket} --compress --size 300"),
        format!("{socket} --size 40000 --connections 3"),
        format!("{raw} --pid {pid}"),
        format!("{raw} --in-flight 16"),
        format!("{raw} --rate 200 --size 40"),
        format!("{raw} --channels 4 --publish http"),
        format!("{raw} --compress --size 1000"),
    ] {
        let slice = measure(&words);
        assert_clean(&slice);
        assert_eq!(slice["gaps_told"], 0);
        let connections = if words.ends_with("--connections 3") { 3 } else { 40 };
        assert_eq!(slice["connections"], connections, "{words}");
        let channels = slice["channels"].as_u64().expect("a number");
        if channels == 1 {
            let all = connections * number(&slice, "published");
            assert_eq!(number(&slice, "operations"), all, "{words}");
        }
        let least = number(&slice, "frame_bytes").min(100) * number(&slice, "operations");
        assert!(words.contains("compress") || number(&slice, "bytes_received") >= least);
        let cpu_ns = slice["server"]["cpu_ns"].as_u64();
        assert_eq!(cpu_ns.is_some_and(|ns| ns > 0), words.contains("--pid"), "{slice}");
    }
    let one = measure(&format!("{raw} --size 128"));
    assert_eq!(one["frame_bytes"], 132, "four bytes of header and the payload");
}

#[test]
fn several_processes_are_joined() {
    let server = server();
    let slice = measure(&format!(
        "fanout --url ws://127.0.0.1:{}/ws --connections 21 --rate 100 --processes 3",
        server.port
    ));
    assert_clean(&slice);
    assert_eq!((&slice["connections"], &slice["processes"]), (&21.into(), &3.into()));
    assert_eq!(number(&slice, "operations"), 21 * number(&slice, "published"));
}

/// With tokens, each connection is the user of its line: nobody has more connections than may be.
#[test]
fn connections_log_in() {
    let folder = folder("bench-tokens");
    let (file, settings) = (folder.join("tokens"), folder.join("settings.toml"));
    let keys = "jwt_keys = [\"hs256:0123456789abcdef0123456789abcdef\"]";
    let rule = "[[rule]]\npattern = \"bench\"\npublish = \"token\"";
    fs::write(&settings, format!("{keys}\n{rule}\n")).expect("written");
    let settings = settings.to_string_lossy();
    let make = "make --user bench --count 9 --subscribe bench --publish bench --connections 6";
    let mut command = Command::new(env!("CARGO_BIN_EXE_fanwire"));
    command.arg("token").args(make.split(' ')).args(["--config", &settings]).env_clear();
    let made = command.output().expect("the program runs").stdout;
    let tokens = String::from_utf8(made).expect("UTF-8");
    assert_eq!(tokens.lines().count(), 9, "{tokens}");

    let server = Server::start(&["--messages-per-second", "0", "--config", &settings]);
    let url = format!("--url ws://127.0.0.1:{}/ws", server.port);
    let log_in = format!("fanout {url} --connections 44 --tokens {}", file.display());
    fs::write(&file, &tokens).expect("written");
    let slice = measure(&log_in);
    assert_clean(&slice);
    assert_eq!(number(&slice, "operations"), 44 * number(&slice, "published"));
    let joined = measure(&format!("{log_in} --rate 50 --processes 3"));
    assert_clean(&joined);
    let one = tokens.lines().next().unwrap_or_default();
    for (text, why) in [("", "there is no token in it"), (one, "too_many")] {
        fs::write(&file, text).expect("written");
        let refused = output(&log_in);
        let said = String::from_utf8_lossy(&refused.stderr);
        assert!(!refused.status.success() && said.contains(why), "{said}");
    }
}

#[test]
fn echoes_come_back() {
    let server = server();
    let echo = format!("echo --connections 10 --url ws://127.0.0.1:{}/echo", server.port);
    for more in ["", "--depth 16", "--size 125 --depth 3", "--size 60000 --depth 4", "--compress"] {
        let slice = measure(&format!("{echo} {more}"));
        assert_clean(&slice);
        assert_eq!(slice["operations"], slice["published"], "{more}");
    }
    let paced = measure(&format!("{echo} --rate 100 --depth 2"));
    assert_clean(&paced);
    let said = (&paced["published"], &paced["rate"], &paced["latency_ns"]["count"]);
    assert_eq!(said, (&40.into(), &100.0.into(), &20.into()), "twenty times two in 200 ms");
}

#[test]
fn connections_are_made_and_replaced() {
    let server = server();
    let url = format!("--url ws://127.0.0.1:{}/ws --pid {}", server.port, server.pid());
    let slice = measure(&format!("connect {url} --connections 300 --sources 3"));
    assert_clean(&slice);
    assert_eq!(slice["operations"], 300);
    assert!(slice["server"]["rss_bytes"].as_u64().is_some_and(|bytes| bytes > 0), "{slice}");
    for churn in ["max", "100"] {
        let words = format!("connect {url} --connections 50 --dialect raw --churn {churn}");
        assert_clean(&measure(&words));
    }
}

#[test]
fn it_is_told_when_to_measure() {
    let server = server();
    let words = format!("--url ws://127.0.0.1:{}/ws --connections 5 --steps", server.port);
    let mut child = bench(&format!("fanout {words}"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the program runs");
    let mut orders = child.stdin.take().expect("piped");
    let mut lines = BufReader::new(child.stdout.take().expect("piped")).lines();
    let mut answer = || -> Value {
        let line = lines.next().expect("an answer").expect("a line");
        serde_json::from_str(&line).expect("JSON")
    };
    assert_eq!(answer()["ready"]["connections"], 5);
    for ms in [30, 1, 60] {
        writeln!(orders, "go {ms}").expect("it listens");
        assert_clean(&answer());
    }
    writeln!(orders, "end").expect("it listens");
    assert!(child.wait().expect("it ends").success());
    let silent =
        bench(&format!("echo {words}").replace("/ws", "/echo")).stdin(Stdio::null()).output();
    assert!(silent.expect("it runs").status.success(), "no orders are the end");
}

/// The commands of the README do what they say, with fewer connections and in less time.
#[test]
fn the_commands_of_the_readme() {
    let server = server();
    let readme = concat!(env!("CARGO_MANIFEST_DIR"), "/README.md");
    let readme = std::fs::read_to_string(readme).expect("there is one");
    let commands: Vec<&str> =
        readme.lines().filter_map(|line| line.strip_prefix("fanwire bench ")).collect();
    assert_eq!(commands.len(), 3);
    for command in commands {
        let command = command.split('#').next().expect("something");
        let command = command.replace("$(pidof -s fanwire)", &server.pid().to_string());
        let url = format!("ws://127.0.0.1:{}/ws", server.port);
        let slice = measure(&format!("{command} --url {url} --connections 30"));
        assert_clean(&slice);
        assert_eq!(slice["connections"], 30);
    }
}

/// What goes wrong is said in one line, which names it.
#[test]
fn what_goes_wrong_is_said() {
    let server = Server::start(&["--open"]);
    let socket = format!("--url ws://127.0.0.1:{}", server.port);
    let nobody = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound");
    for (words, reason) in [
        (format!("fanout --url ws://{nobody}/ws"), "refused"),
        (format!("fanout {socket}/none"), "refused with 404"),
        (format!("fanout {socket}/ws --in-flight 900"), "rate_limited"),
        (format!("fanout {socket}/ws --channel a..b"), "bad_channel"),
        (format!("fanout {socket}/ws --pid 4194305"), "--pid"),
        (format!("fanout {socket}/ws --processes 2"), "--rate"),
        (format!("echo {socket}/echo --dialect nats"), "raw"),
        ("fanout --url wss://localhost/".into(), "TLS"),
    ] {
        let output = output(&format!("{words} --connections 2 --warm-up 0 --time 10s"));
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(1), "{words}: {said}");
        assert!(said.contains(reason) && said.lines().count() == 1, "{words}: {said}");
        assert!(output.stdout.is_empty(), "{words}");
    }
    assert_eq!(output("fanout --size 39").status.code(), Some(2));
    let help = output("--help");
    assert!(help.status.success() && String::from_utf8_lossy(&help.stdout).contains("fanout"));
}

/// What a bad server does with the message of this number to its first subscriber.
type Mischief = fn(u64, Message) -> Vec<Message>;

/// A server for one publisher, who comes first, and two subscribers.
fn bad_server(mischief: Mischief) -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let port = listener.local_addr().expect("bound").port();
    thread::spawn(move || {
        let open = || -> WebSocket<TcpStream> {
            let (stream, _) = listener.accept().expect("a connection");
            stream.set_read_timeout(Some(PATIENCE)).expect("a timeout");
            accept(stream).expect("a handshake")
        };
        let (mut publisher, mut first, mut second) = (open(), open(), open());
        for number in 1.. {
            let Ok(message) = publisher.read() else { return };
            for message in mischief(number, message.clone()) {
                let _ = first.send(message);
            }
            let _ = second.send(message);
        }
    });
    port
}

/// Measures a bad server, ten messages in flight.
fn measure_bad(mischief: Mischief) -> Value {
    let port = bad_server(mischief);
    let words = "--connections 2 --in-flight 10 --time 50ms --warm-up 0 --patience 200ms --json";
    let output = output(&format!(
        "fanout --dialect raw --url ws://127.0.0.1:{port}/ --handshakes-in-flight 1 {words}"
    ));
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    serde_json::from_slice(&output.stdout).expect("JSON")
}

/// Lost, doubled, out of order, closed; of what was expected, the rest came.
fn counted(slice: &Value) -> [u64; 4] {
    let missing = number(slice, "expected") - number(slice, "operations");
    assert_eq!(missing, number(slice, "lost"), "{slice}");
    ["lost", "duplicated", "reordered", "closed"].map(|field| number(slice, field))
}

#[test]
fn what_a_server_does_wrong_is_counted() {
    assert_eq!(counted(&measure_bad(|_, message| vec![message])), [0, 0, 0, 0]);
    let lost = measure_bad(|number, message| if number == 3 { vec![] } else { vec![message] });
    assert_eq!(counted(&lost), [1, 0, 0, 0]);
    let last = measure_bad(|number, message| if number >= 9 { vec![] } else { vec![message] });
    assert_eq!(number(&last, "lost"), number(&last, "published") - 8, "and nobody waits for ever");
    let doubled = measure_bad(|number, message| match number {
        3 | 10 => vec![message; 3],
        _ => vec![message],
    });
    assert_eq!(number(&doubled, "duplicated") % 2, 0);
    assert_eq!(counted(&doubled)[..1], [0]);
    assert!(number(&doubled, "duplicated") >= 2, "{doubled}");
}

#[test]
fn what_comes_late_is_not_lost() {
    thread_local! {
        static KEPT: std::cell::RefCell<Option<Message>> = const { std::cell::RefCell::new(None) };
    }
    let late = measure_bad(|number, message| match number {
        3 => {
            KEPT.set(Some(message));
            vec![]
        }
        5 => [Some(message), KEPT.take()].into_iter().flatten().collect(),
        _ => vec![message],
    });
    assert_eq!(counted(&late), [0, 0, 1, 0]);
}

#[test]
fn who_is_closed_is_counted() {
    let closed = measure_bad(|number, message| match number {
        4 => vec![Message::Close(None)],
        _ => vec![message],
    });
    let [lost, doubled, reordered, closed] = counted(&closed);
    assert_eq!((lost, doubled, reordered, closed), (7, 0, 0, 1), "of the ten under way");
}
