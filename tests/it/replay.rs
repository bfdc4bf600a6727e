//! The examples of `docs/protocol.md`, word for word, against a server started for each of them.
//! The document explains the notation; what varies is matched by `Bindings`.

use std::collections::HashMap;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::time::Duration;

use serde_json::Value;
use tungstenite::{Message, WebSocket};

use crate::server::Server;

const DOCUMENT: &str = include_str!("../../docs/protocol.md");
const PATIENCE: Duration = Duration::from_secs(10);

#[test]
fn the_examples_are_true() {
    let examples = examples(DOCUMENT);
    assert!(examples.len() > 10, "the examples were not found");
    let failures: Vec<_> = examples.iter().filter_map(|example| example.run().err()).collect();
    assert!(failures.is_empty(), "{} differ:\n\n{}", failures.len(), failures.join("\n\n"));
}

/// One fenced block.
struct Example {
    /// Line of the document at which it starts.
    at: usize,
    /// Flags for the server.
    flags: Vec<String>,
    lines: Vec<String>,
}

fn examples(document: &str) -> Vec<Example> {
    let mut examples = Vec::new();
    let mut lines = document.lines().enumerate();
    while let Some((at, line)) = lines.next() {
        let mut words = line.split(' ');
        if !matches!(words.next(), Some("```replay" | "```http-replay")) {
            continue;
        }
        let flags = words.map(String::from).collect();
        let body = lines.by_ref().map(|(_, line)| line).take_while(|line| *line != "```");
        examples.push(Example { at: at + 1, flags, lines: body.map(String::from).collect() });
    }
    examples
}

impl Example {
    fn run(&self) -> Result<(), String> {
        let flags: Vec<_> = self.flags.iter().map(String::as_str).collect();
        // The other tests do without updates, which come at random moments.
        let server = Server::start(&[&["--update-interval", "30s"], &flags[..]].concat());
        let mut stage = Stage::new(server.port);
        for (offset, line) in self.lines.iter().enumerate() {
            stage.step(line).map_err(|difference| {
                format!("docs/protocol.md:{}: {line}\n{difference}", self.at + offset + 1)
            })?;
        }
        assert_eq!(stage.answer, None, "docs/protocol.md:{}: an answer is left over", self.at);
        Ok(())
    }
}

/// What one example has set up so far.
struct Stage {
    port: u16,
    clients: HashMap<String, Client>,
    /// The answer to the last `curl`, until a line has been compared with it.
    answer: Option<String>,
    bindings: Bindings,
}

impl Stage {
    fn new(port: u16) -> Self {
        let bindings = Bindings::default();
        Self { port, clients: HashMap::new(), answer: None, bindings }
    }

    fn step(&mut self, line: &str) -> Result<(), String> {
        if let Some(answer) = self.answer.take() {
            let expected = line.strip_prefix("< ").ok_or("not an answer to curl")?;
            return self.bindings.compare(expected, &answer);
        }
        if let Some(command) = line.strip_prefix("$ ") {
            self.answer = Some(curl(self.port, &self.bindings.fill(command)));
            return Ok(());
        }
        let (head, text) = line.split_once(' ').ok_or("not a line of an example")?;
        let (name, sign) = head.split_at(head.len() - 1);
        match sign {
            "=" => {
                let client = Client::open(self.port, &self.bindings.fill(text));
                self.clients.insert(name.into(), client);
                Ok(())
            }
            ">" => {
                let text = self.bindings.fill(text);
                self.client(name)?.send(&text);
                Ok(())
            }
            "<" => {
                let client = self.client(name)?;
                let received = client.receive(text)?;
                if client.raw && text != received {
                    return Err(format!("received {received}"));
                }
                self.bindings.compare(text, &received)
            }
            _ => Err("not a line of an example".into()),
        }
    }

    fn client(&mut self, name: &str) -> Result<&mut Client, String> {
        self.clients.get_mut(name).ok_or_else(|| "nobody of this name is connected".into())
    }
}

/// One WebSocket connection.
struct Client {
    socket: WebSocket<TcpStream>,
    /// Bare payloads, which must be equal to the byte.
    raw: bool,
    /// The welcome is still to come, and is skipped unless it is asked for.
    welcome: bool,
}

impl Client {
    fn open(port: u16, path: &str) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("connect");
        stream.set_read_timeout(Some(PATIENCE)).expect("timeout");
        let address = format!("ws://localhost:{port}{path}");
        let (socket, _) = tungstenite::client(address, stream).expect("handshake");
        let raw = !path.starts_with("/ws");
        Self { socket, raw, welcome: !raw }
    }

    fn send(&mut self, text: &str) {
        let message = match text.strip_prefix("bytes ") {
            Some(digits) => Message::binary(from_hex(digits)),
            None => Message::text(text),
        };
        self.socket.send(message).expect("send");
    }

    /// The next message as the document writes it.
    fn receive(&mut self, expected: &str) -> Result<String, String> {
        let mut skip = self.welcome && !expected.starts_with(r#"{"type":"connection""#);
        self.welcome = false;
        loop {
            let text = match self.socket.read() {
                Ok(Message::Text(text)) => text.to_string(),
                Ok(Message::Binary(bytes)) => format!("bytes {}", to_hex(&bytes)),
                Ok(Message::Close(Some(frame))) => {
                    format!("close {} {}", u16::from(frame.code), frame.reason)
                }
                Ok(Message::Ping(_) | Message::Pong(_)) => continue,
                other => return Err(format!("received {other:?}")),
            };
            // Who has to log in first hears something else before.
            if !(std::mem::take(&mut skip) && text.starts_with(r#"{"type":"connection""#)) {
                return Ok(text);
            }
        }
    }
}

fn from_hex(digits: &str) -> Vec<u8> {
    let byte = |at| u8::from_str_radix(&digits[at..at + 2], 16).expect("hex");
    (0..digits.len()).step_by(2).map(byte).collect()
}

fn to_hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(nibble.into(), 16).expect("four bits");
    bytes.iter().flat_map(|byte| [digit(byte >> 4), digit(byte & 15)]).collect()
}

/// Does what the command line says, without the program.
/// The answer is its status and its body.
fn curl(port: u16, command: &str) -> String {
    let mut words = shell_words(command).into_iter();
    assert_eq!(words.next().as_deref(), Some("curl"));
    let (mut method, mut headers, mut body, mut address) =
        (None, String::new(), None, String::new());
    while let Some(word) = words.next() {
        match word.as_str() {
            "-X" => method = words.next(),
            "-H" => headers.extend([words.next().expect("a header").as_str(), "\r\n"]),
            "-d" => body = words.next(),
            _ => address = word,
        }
    }
    let path = address.strip_prefix("localhost:3003").expect("the server of the document");
    let method = method.unwrap_or_else(|| if body.is_some() { "POST" } else { "GET" }.into());
    let body = body.unwrap_or_default();
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("connect");
    stream.set_read_timeout(Some(PATIENCE)).expect("timeout");
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: localhost:{port}\r\nConnection: close\r\n\
         Content-Length: {length}\r\n{headers}\r\n{body}"
    )
    .expect("send");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    let (head, body) = answer.split_once("\r\n\r\n").expect("a head");
    let status = head.split(' ').nth(1).expect("a status");
    format!("{status} {body}")
}

/// Splits at spaces, but for those between single quotes.
fn shell_words(command: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    for (at, part) in command.split('\'').enumerate() {
        if at % 2 == 1 {
            *words.last_mut().expect("never empty") += part;
            continue;
        }
        for (at, word) in part.split(' ').enumerate() {
            if at > 0 {
                words.push(String::new());
            }
            *words.last_mut().expect("never empty") += word;
        }
    }
    words.retain(|word| !word.is_empty());
    words
}

/// What the varying texts of the document stand for in this run.
#[derive(Default)]
struct Bindings {
    values: HashMap<String, String>,
}

impl Bindings {
    /// Puts in the positions that are known.
    fn fill(&self, text: &str) -> String {
        let mut filled = String::new();
        let mut rest = text;
        while let Some(at) = rest.find("k3:") {
            let digits = rest[at + 3..].bytes().take_while(u8::is_ascii_digit).count();
            let (name, after) = rest[at..].split_at(3 + digits);
            filled += &rest[..at];
            filled += self.values.get(name).map_or(name, String::as_str);
            rest = after;
        }
        filled + rest
    }

    /// Compares a line of the document with what came: as JSON, where both are an object or a
    /// status and an object; else as text.
    fn compare(&mut self, expected: &str, received: &str) -> Result<(), String> {
        let json = |text: &str| -> Option<(String, Value)> {
            let at = text.find('{').filter(|&at| at == 0 || at == 4)?;
            Some((text[..at].into(), serde_json::from_str(&text[at..]).ok()?))
        };
        let same = match (json(expected), json(received)) {
            (Some((head, expected)), Some((other, received))) => {
                head == other && self.same("", &expected, &received)
            }
            _ => expected == received,
        };
        if same { Ok(()) } else { Err(format!("received {received}")) }
    }

    fn same(&mut self, field: &str, expected: &Value, received: &Value) -> bool {
        match (expected, received) {
            (Value::Object(expected), Value::Object(received)) => {
                expected.len() == received.len()
                    && expected.iter().all(|(name, value)| {
                        received.get(name).is_some_and(|other| self.same(name, value, other))
                    })
            }
            (Value::Array(expected), Value::Array(received)) => {
                expected.len() == received.len()
                    && expected.iter().zip(received).all(|(a, b)| self.same(field, a, b))
            }
            (Value::Number(_), Value::Number(number)) if VARYING.contains(&field) => {
                number.is_u64()
            }
            (Value::String(expected), Value::String(received)) => {
                self.same_text(expected, received)
            }
            _ => expected == received,
        }
    }

    fn same_text(&mut self, expected: &str, received: &str) -> bool {
        let position = expected.starts_with("k3:");
        let placeholder = expected.starts_with('<') && expected.ends_with('>');
        if !position && !placeholder {
            return expected == received;
        }
        if let Some(known) = self.values.get(expected) {
            return known == received || expected == "<words>";
        }
        let taken =
            |(name, value): (&String, &String)| name.starts_with("k3:") && value == received;
        if received.is_empty() || position && self.values.iter().any(taken) {
            return false;
        }
        self.values.insert(expected.into(), received.into());
        true
    }
}

/// Fields whose numbers are not told beforehand.
const VARYING: [&str; 4] = ["timestamp", "time", "uptime_ms", "expires_in_ms"];

#[test]
fn comparing_sees_differences() {
    let mut bindings = Bindings::default();
    let mut differs =
        |expected: &str, received: &str| bindings.compare(expected, received).is_err();
    assert!(!differs(r#"{"a":1,"id":"k3:1"}"#, r#"{"id":"z:9","a":1}"#));
    assert!(!differs(r#"200 {"id":"k3:1","timestamp":1}"#, r#"200 {"id":"z:9","timestamp":7}"#));
    assert!(differs(r#"{"id":"k3:1"}"#, r#"{"id":"z:8"}"#), "another value for a known position");
    assert!(differs(r#"{"id":"k3:2"}"#, r#"{"id":"z:9"}"#), "one value for two positions");
    assert!(differs(r#"200 {"a":1}"#, r#"400 {"a":1}"#));
    assert!(differs(r#"{"a":1}"#, r#"{"a":1,"b":2}"#));
    assert!(differs(r#"{"a":1,"b":2}"#, r#"{"a":1}"#));
    assert!(differs(r#"{"a":[1]}"#, r#"{"a":[1,2]}"#));
    assert!(differs(r#"{"a":1}"#, r#"{"a":"1"}"#));
    assert!(differs(r#"{"timestamp":1}"#, r#"{"timestamp":"1"}"#));
    assert!(differs("hello", "hello "));
    assert!(!differs("hello", "hello"));
}

#[test]
fn commands_are_split_as_a_shell_does() {
    let words = shell_words("curl -d '{\"a b\": 1}'  'x?y'");
    assert_eq!(words, ["curl", "-d", "{\"a b\": 1}", "x?y"]);
}
