//! Control mode: another program says on stdin when to measure, one word a line; the answers are
//! JSON, one object a line. Between slices the client goes on reading, and answers pings.

use std::io::{BufRead as _, Write as _};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, TryRecvError, channel};
use std::thread;
use std::time::Duration;

use mio::Waker;
use serde::Serialize;

use super::report::Server;
use super::work::Work;

/// What is said when everybody is there.
#[derive(Serialize)]
struct Ready {
    ready: There,
}

#[derive(Serialize)]
struct There {
    connections: usize,
    elapsed_ns: u64,
    server: Option<Server>,
}

/// What can be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Order {
    Go(Duration),
    /// To one of several processes: what the one that publishes has published.
    Published(u64),
    End,
}

impl Order {
    fn read(line: &str) -> Result<Self, String> {
        let wrong = || format!("{line}: must be `go MILLISECONDS` or `end`");
        match line.split_ascii_whitespace().collect::<Vec<_>>()[..] {
            ["go", ms] => ms.parse().map(Duration::from_millis).map(Self::Go).map_err(|_| wrong()),
            ["published", count] => count.parse().map(Self::Published).map_err(|_| wrong()),
            ["end"] => Ok(Self::End),
            _ => Err(wrong()),
        }
    }
}

/// Does what it is told, until it is told to end.
pub fn run(work: &mut impl Work, elapsed_ns: u64, listens_only: bool) -> Result<(), String> {
    let connections = work.crowd().talker();
    let server = work.server_now()?;
    print(&Ready { ready: There { connections, elapsed_ns, server } })?;
    let orders = orders(work.crowd().waker());
    loop {
        match orders.try_recv() {
            Ok(order) => match order? {
                Order::Go(_) if listens_only => {
                    print(&work.heard_slice(|| published(&orders))?)?;
                }
                Order::Go(time) => print(&work.slice(time)?)?,
                Order::Published(_) => return Err("published: nobody asked".into()),
                Order::End => return Ok(()),
            },
            Err(TryRecvError::Empty) => work.rest()?,
            Err(TryRecvError::Disconnected) => return Ok(()),
        }
    }
}

/// What was published, when that is known.
fn published(orders: &Receiver<Result<Order, String>>) -> Result<Option<u64>, String> {
    match orders.try_recv() {
        Ok(Ok(Order::Published(count))) => Ok(Some(count)),
        Ok(Ok(_)) | Err(TryRecvError::Disconnected) => Err("published: expected".into()),
        Ok(Err(wrong)) => Err(wrong),
        Err(TryRecvError::Empty) => Ok(None),
    }
}

/// Reads orders on a thread of its own, for stdin may be anything; wakes the crowd for each.
fn orders(waker: Arc<Waker>) -> Receiver<Result<Order, String>> {
    let (tell, told) = channel();
    thread::spawn(move || {
        for line in std::io::stdin().lock().lines().map_while(Result::ok) {
            let sent = tell.send(Order::read(&line));
            if sent.is_err() || waker.wake().is_err() {
                return;
            }
        }
        drop(tell);
        let _ = waker.wake();
    });
    told
}

fn print(object: &impl Serialize) -> Result<(), String> {
    let mut line = serde_json::to_string(object).map_err(|error| error.to_string())?;
    line.push('\n');
    let mut stdout = std::io::stdout();
    stdout
        .write_all(line.as_bytes())
        .and_then(|()| stdout.flush())
        .map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_words() {
        assert_eq!(Order::read("go 500"), Ok(Order::Go(Duration::from_millis(500))));
        assert_eq!(Order::read(" end "), Ok(Order::End));
        for wrong in ["", "go", "go x", "go 1 2", "stop"] {
            assert!(Order::read(wrong).is_err(), "{wrong}");
        }
    }
}
