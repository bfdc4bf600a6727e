//! The peer fastwebsockets: upgraded by hyper, as all its examples are. It has no broadcast; here
//! is a reading and a writing task per connection, by its split, and an unbounded channel between.
//!
//! Made fast by: a runtime of one thread that looks for events less often than by default;
//! mimalloc; tasks outside tokio's budget, as in its examples; a broadcast hands out one payload by
//! reference count, and each connection writes its frame from that; what waits in a channel goes
//! through a `BufWriter` of 4 KiB and out at once. The echo is its echo example: one write per
//! message.
//!
//! Unfair: it validates UTF-8 and reassembles fragments, which a floor does not. It has neither
//! limits nor positions nor history; a slow reader costs it memory without end. A ping on the
//! fan-out path gets no answer (its split leaves that to the application).

use std::collections::HashMap;
use std::future::ready;
use std::io;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use fastwebsockets::upgrade::{UpgradeFut, upgrade};
use fastwebsockets::{
    FragmentCollector, FragmentCollectorRead, Frame, OpCode, Payload, WebSocketError,
    WebSocketWrite,
};
use http_body_util::Empty;
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use mimalloc::MiMalloc;
use tokio::io::{AsyncWrite, BufWriter};
use tokio::net::TcpListener;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::task::unconstrained;

#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

type Message = (OpCode, Bytes);
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
            let room = Arc::clone(&room);
            tokio::spawn(async move {
                let service = service_fn(move |request| ready(answer(request, Arc::clone(&room))));
                let http = http1::Builder::new().serve_connection(TokioIo::new(stream), service);
                let _ = http.with_upgrades().await; // a client that leaves early
            });
        }
    })
}

fn answer(
    mut request: Request<Incoming>,
    room: Room,
) -> Result<Response<Empty<Bytes>>, WebSocketError> {
    let (response, upgraded) = upgrade(&mut request)?;
    if request.uri().path() == "/echo" {
        tokio::spawn(unconstrained(echo(upgraded)));
    } else {
        tokio::spawn(unconstrained(attend(upgraded, room)));
    }
    Ok(response)
}

async fn echo(upgraded: UpgradeFut) -> Result<(), WebSocketError> {
    let mut ws = FragmentCollector::new(upgraded.await?);
    loop {
        let frame = ws.read_frame().await?;
        match frame.opcode {
            OpCode::Close => return Ok(()),
            OpCode::Text | OpCode::Binary => ws.write_frame(frame).await?,
            _ => {}
        }
    }
}

async fn attend(upgraded: UpgradeFut, room: Room) -> Result<(), WebSocketError> {
    let ws = upgraded.await?;
    let (read, write) = ws.split(|stream| {
        let (read, write) = tokio::io::split(stream);
        (read, BufWriter::with_capacity(4096, write))
    });
    let id = NEXT.fetch_add(1, Ordering::Relaxed);
    let (inbox, heard) = unbounded_channel();
    room.lock().unwrap_or_else(PoisonError::into_inner).insert(id, inbox);
    tokio::spawn(unconstrained(deliver(write, heard)));

    let mut read = FragmentCollectorRead::new(read);
    let mut unsent = |_: Frame<'_>| async { Ok::<(), WebSocketError>(()) };
    let ended = loop {
        let frame = match read.read_frame(&mut unsent).await {
            Ok(frame) => frame,
            Err(failed) => break Err(failed),
        };
        let opcode = frame.opcode;
        if opcode == OpCode::Close {
            break Ok(());
        }
        let payload = match frame.payload {
            Payload::Bytes(bytes) => bytes.freeze(),
            other => Bytes::from(Vec::from(other)),
        };
        let room = room.lock().unwrap_or_else(PoisonError::into_inner);
        for (_, other) in room.iter().filter(|(other, _)| **other != id) {
            let _ = other.send((opcode, payload.clone())); // one that is leaving
        }
    };
    let inbox = room.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
    if let Some(inbox) = inbox {
        let _ = inbox.send((OpCode::Close, Bytes::new()));
    }
    ended
}

async fn deliver(
    mut write: WebSocketWrite<impl AsyncWrite + Unpin>,
    mut heard: UnboundedReceiver<Message>,
) -> Result<(), WebSocketError> {
    while let Some(first) = heard.recv().await {
        let mut next = Some(first);
        while let Some((opcode, payload)) = next {
            let payload = Payload::Borrowed(&payload);
            write.write_frame(Frame::new(true, opcode, None, payload)).await?;
            next = heard.try_recv().ok();
        }
        write.flush().await?;
    }
    Ok(())
}
