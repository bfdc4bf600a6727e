//! The peer axum: its `ws` extractor and one `tokio::sync::broadcast` channel, as its chat example
//! has it.
//!
//! Made fast by: a runtime of one thread that looks for events less often than by default;
//! mimalloc; a read buffer of 4 KiB instead of 128; socket and channel polled in one task instead
//! of two; a broadcast clones one prepared `Message`; what waits in the channel is fed whole and
//! flushed once.
//!
//! Unfair: below it is tokio-tungstenite, whose remarks hold here too. It has no limits, positions
//! or history; a reader that falls 4,096 messages behind loses some and is not told.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use axum::extract::State;
use axum::extract::ws::{Message, WebSocket, WebSocketUpgrade};
use axum::response::Response;
use axum::routing::{Router, any};
use futures_util::{SinkExt, StreamExt};
use mimalloc::MiMalloc;
use tokio::net::TcpListener;
use tokio::sync::broadcast::error::{RecvError, TryRecvError};
use tokio::sync::broadcast::{Receiver, Sender, channel};

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

const KEPT: usize = 4096;

/// A message and who sent it.
type Sent = (u64, Message);

struct Room {
    next: AtomicU64,
    sender: Sender<Sent>,
}

fn main() -> io::Result<()> {
    let listener = compare_serving::listener()?.into();
    compare_serving::runtime()?.block_on(async move {
        let listener = TcpListener::from_std(listener)?;
        let room = Arc::new(Room { next: AtomicU64::new(0), sender: channel(KEPT).0 });
        let app =
            Router::new().route("/", any(attended)).route("/echo", any(echoed)).with_state(room);
        compare_serving::ready();
        axum::serve(listener, app).await
    })
}

async fn attended(upgrade: WebSocketUpgrade, State(room): State<Arc<Room>>) -> Response {
    upgrade.read_buffer_size(4096).on_upgrade(|socket| async move {
        let _ = attend(socket, &room).await; // however it ends
    })
}

async fn echoed(upgrade: WebSocketUpgrade) -> Response {
    upgrade.read_buffer_size(4096).on_upgrade(|socket| async move {
        let (write, read) = socket.split();
        let _ = read.forward(write).await; // a Close has had its answer by then
    })
}

async fn attend(mut socket: WebSocket, room: &Room) -> Result<(), axum::Error> {
    let id = room.next.fetch_add(1, Ordering::Relaxed);
    let mut heard = room.sender.subscribe();
    loop {
        tokio::select! {
            biased;
            sent = heard.recv() => {
                match sent {
                    Ok(sent) => feed(&mut socket, id, sent).await?,
                    Err(RecvError::Lagged(_)) => {}
                    Err(RecvError::Closed) => return Ok(()),
                }
                feed_waiting(&mut socket, id, &mut heard).await?;
                socket.flush().await?;
            }
            message = socket.recv() => {
                let Some(message) = message else { return Ok(()) };
                let message = message?;
                if matches!(message, Message::Text(_) | Message::Binary(_)) {
                    let _ = room.sender.send((id, message)); // nobody there is no failure
                }
            }
        }
    }
}

async fn feed_waiting(
    socket: &mut WebSocket,
    id: u64,
    heard: &mut Receiver<Sent>,
) -> Result<(), axum::Error> {
    loop {
        match heard.try_recv() {
            Ok(sent) => feed(socket, id, sent).await?,
            Err(TryRecvError::Lagged(_)) => {}
            Err(TryRecvError::Empty | TryRecvError::Closed) => return Ok(()),
        }
    }
}

async fn feed(socket: &mut WebSocket, id: u64, (by, message): Sent) -> Result<(), axum::Error> {
    if by == id { Ok(()) } else { socket.feed(message).await }
}
