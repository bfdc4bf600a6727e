//! The peer sockudo-ws: its pub/sub for the fan-out, its stream for the echo, its own parts for the
//! handshake, as its examples have them.
//!
//! Made fast by: a runtime of one thread that looks for events less often than by default;
//! mimalloc, which it recommends; the whole stream in one task, not its split, so that what waits
//! in a channel is fed whole and flushed once; the echo feeds too, for its reading flushes before
//! it waits. Its own pings and idle deadline are off, as nobody else here has any.
//!
//! Unfair: it validates UTF-8 and reassembles fragments, which a floor does not. It has neither
//! limits nor positions nor history; a slow reader costs it memory without end.

use std::io;
use std::sync::Arc;

use bytes::BytesMut;
use futures_util::{SinkExt, StreamExt};
use mimalloc::MiMalloc;
use sockudo_ws::error::{Error, Result};
use sockudo_ws::handshake::{build_response, generate_accept_key, parse_request};
use sockudo_ws::pubsub::{PubSub, SubscriberId};
use sockudo_ws::{Config, Message, WebSocketStream};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const TOPIC: &str = "m";

fn main() -> io::Result<()> {
    let listener = compare_serving::listener()?.into();
    compare_serving::runtime()?.block_on(async move {
        let listener = TcpListener::from_std(listener)?;
        compare_serving::ready();
        let room = Arc::new(PubSub::new());
        loop {
            let (stream, _) = listener.accept().await?;
            tokio::spawn(serve(stream, Arc::clone(&room)));
        }
    })
}

async fn serve(mut stream: TcpStream, room: Arc<PubSub>) -> Result<()> {
    let echo = open(&mut stream).await?;
    let config = Config { idle_timeout: 0, auto_ping: false, ..Config::default() };
    let mut ws = WebSocketStream::server(stream, config);
    if echo {
        while let Some(message) = ws.next().await {
            match message? {
                message @ (Message::Text(_) | Message::Binary(_)) => ws.feed(message).await?,
                Message::Close(_) => break,
                Message::Ping(_) | Message::Pong(_) => {}
            }
        }
        return Ok(());
    }
    let (inbox, heard) = unbounded_channel();
    let id = room.create_subscriber(inbox);
    room.subscribe(id, TOPIC);
    let served = attend(ws, id, heard, &room).await;
    room.remove_subscriber(id);
    served
}

/// The handshake; says whether the path is that of the echo.
async fn open(stream: &mut TcpStream) -> Result<bool> {
    let mut head = BytesMut::with_capacity(1024);
    loop {
        if stream.read_buf(&mut head).await? == 0 {
            return Err(Error::ConnectionClosed);
        }
        if let Some((request, _)) = parse_request(&head)? {
            let response = build_response(&generate_accept_key(request.key), None, None);
            let echo = request.path == "/echo";
            stream.write_all(&response).await?;
            return Ok(echo);
        }
    }
}

async fn attend(
    mut ws: WebSocketStream<TcpStream>,
    id: SubscriberId,
    mut heard: UnboundedReceiver<Message>,
    room: &PubSub,
) -> Result<()> {
    loop {
        tokio::select! {
            biased;
            Some(message) = heard.recv() => {
                ws.feed(message).await?;
                while let Ok(message) = heard.try_recv() {
                    ws.feed(message).await?;
                }
                ws.flush().await?;
            }
            message = ws.next() => {
                let Some(message) = message else { return Ok(()) };
                match message? {
                    message @ (Message::Text(_) | Message::Binary(_)) => {
                        room.publish_excluding(id, TOPIC, message);
                    }
                    Message::Close(_) => return Ok(()),
                    Message::Ping(_) | Message::Pong(_) => {}
                }
            }
        }
    }
}
