//! The peer tokio-tungstenite: one task per connection and one unbounded channel to each, as its
//! chat example has it, and the echo of its echo example.
//!
//! Made fast by: a runtime of one thread that looks for events less often than by default;
//! mimalloc; the read buffer of 4 KiB that its documentation names for many connections (the
//! default of 128 KiB is filled with zeros again and again); a broadcast clones one prepared
//! `Message`; what waits in a channel is fed whole and flushed once; the echo flushes once per read
//! (`forward`).
//!
//! Unfair: it validates UTF-8 and reassembles fragments, which a floor does not. It has neither
//! limits nor positions nor history, which Fanwire has; a slow reader costs it memory without end.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::{SinkExt, StreamExt, TryStreamExt, future};
use mimalloc::MiMalloc;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};
use tokio_tungstenite::tungstenite::handshake::server::{Request, Response};
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{WebSocketStream, accept_hdr_async_with_config};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

type Room = Arc<Mutex<HashMap<u64, UnboundedSender<Message>>>>;
static NEXT: AtomicU64 = AtomicU64::new(0);

fn main() -> io::Result<()> {
    let listener = compare_serving::listener()?.into();
    compare_serving::runtime()?.block_on(async move {
        let listener = TcpListener::from_std(listener)?;
        compare_serving::ready();
        let room = Room::default();
        loop {
            let (stream, _) = listener.accept().await?;
            tokio::spawn(serve(stream, Arc::clone(&room)));
        }
    })
}

async fn serve(stream: TcpStream, room: Room) -> Result<(), Error> {
    let config = WebSocketConfig::default().read_buffer_size(4096);
    let mut echo = false;
    #[expect(clippy::result_large_err, reason = "the library's signature")]
    let path = |request: &Request, response: Response| {
        echo = request.uri().path() == "/echo";
        Ok(response)
    };
    let ws = accept_hdr_async_with_config(stream, path, Some(config)).await?;
    if echo {
        let (write, read) = ws.split();
        return read.try_filter(|message| future::ready(is_data(message))).forward(write).await;
    }
    let id = NEXT.fetch_add(1, Ordering::Relaxed);
    let served = attend(ws, id, &room).await;
    room.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    served
}

async fn attend(mut ws: WebSocketStream<TcpStream>, id: u64, room: &Room) -> Result<(), Error> {
    let (inbox, mut heard) = unbounded_channel();
    room.lock().unwrap_or_else(PoisonError::into_inner).insert(id, inbox);
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
                let message = message?;
                if is_data(&message) {
                    let room = room.lock().unwrap_or_else(PoisonError::into_inner);
                    for (_, other) in room.iter().filter(|(other, _)| **other != id) {
                        let _ = other.send(message.clone()); // one that is leaving
                    }
                }
            }
        }
    }
}

fn is_data(message: &Message) -> bool {
    message.is_text() || message.is_binary()
}
