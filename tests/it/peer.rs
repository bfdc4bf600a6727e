//! A well-behaved client of `fanwire.v1` and of raw channels, on tungstenite, which shares no code
//! with the server.

use std::net::TcpStream;

use serde_json::{Value, json};
use tungstenite::client::IntoClientRequest as _;
use tungstenite::{Message, WebSocket};

use crate::wire::PATIENCE;

/// One connection.
pub struct Peer {
    socket: WebSocket<TcpStream>,
    /// The welcome, on `/ws`.
    pub welcome: Value,
}

impl Peer {
    /// Opens a WebSocket; on `/ws` the welcome is read.
    pub fn open(port: u16, path: &str) -> Self {
        Self::open_with(port, path, None)
    }

    /// The same with a token, which must be good.
    pub fn open_as(port: u16, path: &str, token: &str) -> Self {
        Self::open_with(port, path, Some(token))
    }

    fn open_with(port: u16, path: &str, token: Option<&str>) -> Self {
        let stream = TcpStream::connect(("127.0.0.1", port)).expect("connect");
        stream.set_nodelay(true).expect("no delay");
        stream.set_read_timeout(Some(PATIENCE)).expect("timeout");
        let address = format!("ws://localhost:{port}{path}");
        let mut request = address.into_client_request().expect("a request");
        if let Some(token) = token {
            let value = format!("Bearer {token}").parse().expect("visible");
            request.headers_mut().insert("Authorization", value);
        }
        let (socket, _) = tungstenite::client(request, stream).expect("handshake");
        let mut peer = Self { socket, welcome: Value::Null };
        if path == "/ws" || path.starts_with("/ws?") {
            peer.welcome = peer.receive();
            assert_eq!(peer.welcome["type"], "connection");
        }
        peer
    }

    /// Its name, as `Fanwire-Skip` takes it.
    pub fn name(&self) -> &str {
        self.welcome["data"]["connection"].as_str().expect("a name")
    }

    pub fn send(&mut self, request: &Value) {
        self.send_text(&request.to_string());
    }

    pub fn send_text(&mut self, text: &str) {
        self.socket.send(Message::text(text)).expect("send");
    }

    pub fn send_binary(&mut self, bytes: &[u8]) {
        self.socket.send(Message::binary(bytes.to_vec())).expect("send");
    }

    /// The next message, whatever it is; pings are answered by tungstenite.
    pub fn message(&mut self) -> Message {
        loop {
            match self.socket.read().expect("a message") {
                Message::Ping(_) | Message::Pong(_) => {}
                message => return message,
            }
        }
    }

    /// The next message, which is JSON.
    pub fn receive(&mut self) -> Value {
        match self.message() {
            Message::Text(text) => serde_json::from_str(&text).expect("JSON"),
            other => panic!("{other:?}"),
        }
    }

    /// The close code and reason that the server sends next.
    pub fn closed(&mut self) -> (u16, String) {
        match self.message() {
            Message::Close(Some(close)) => (close.code.into(), close.reason.to_string()),
            other => panic!("{other:?}"),
        }
    }

    /// Sends a request and returns the answer, which must be the next message and an `ack`.
    pub fn ask(&mut self, request: &Value) -> Value {
        self.send(request);
        let answer = self.receive();
        assert_eq!(answer["type"], "ack", "{request}: {answer}");
        assert_eq!(answer["id"], request["id"], "{answer}");
        assert_eq!(answer["channel"], request["channel"], "{answer}");
        assert!(answer["timestamp"].is_u64(), "{answer}");
        answer["data"].clone()
    }

    /// Sends a request and returns the code of the answer, which must be an `error`.
    pub fn refused(&mut self, request: &Value) -> String {
        self.send(request);
        let answer = self.receive();
        assert_eq!(answer["type"], "error", "{request}: {answer}");
        if request["id"].is_number() {
            assert_eq!(answer["id"], request["id"], "{answer}");
        }
        let data = &answer["data"];
        assert!(data["message"].is_string() && data["temporary"].is_boolean(), "{answer}");
        data["code"].as_str().expect("a code").into()
    }

    pub fn subscribe(&mut self, channel: &str) -> Value {
        self.ask(&json!({"type": "subscribe", "id": "s", "channel": channel}))
    }

    /// Publishes and returns the position. Only for who does not hear the channel.
    pub fn publish(&mut self, channel: &str, data: &Value) -> String {
        let request = json!({"type": "publish", "id": "p", "channel": channel, "data": data});
        self.ask(&request)["id"].as_str().expect("a position").into()
    }

    /// A round trip: whatever was sent to this client before the pong has arrived.
    pub fn ping(&mut self) {
        self.send(&json!({"type": "ping", "id": 7}));
        let pong = self.receive();
        assert_eq!((&pong["type"], &pong["id"]), (&json!("pong"), &json!(7)), "{pong}");
    }
}
