//! Where calls wait for the threads that make them: bounded by bytes, in order. Whoever puts
//! something in never waits for anything but the lock, which is held for a push or a pop.

use std::collections::VecDeque;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// A queue of any number of writers and readers.
#[derive(Debug)]
pub(super) struct Queue<T> {
    state: Mutex<State<T>>,
    changed: Condvar,
}

#[derive(Debug)]
struct State<T> {
    items: VecDeque<(T, usize)>,
    bytes: usize,
    closed: bool,
}

impl<T> Queue<T> {
    /// Puts an item in that takes so many bytes. False when it finds no room, or the end.
    pub fn push(&self, item: T, bytes: usize, room: usize) -> bool {
        let mut state = self.lock();
        if state.closed || state.bytes.saturating_add(bytes) > room {
            return false;
        }
        state.bytes += bytes;
        state.items.push_back((item, bytes));
        drop(state);
        self.changed.notify_one();
        true
    }

    /// Waits for the next item. `None` when the queue is closed and empty.
    pub fn pop(&self) -> Option<T> {
        self.pop_some(1, 0).pop()
    }

    /// Waits for items, and takes as many as there are: at most `count`, and after the first none
    /// that would make more than `most` bytes. None when the queue is closed and empty.
    pub fn pop_some(&self, count: usize, most: usize) -> Vec<T> {
        let mut state = self.lock();
        while state.items.is_empty() && !state.closed {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let (mut taken, mut total) = (Vec::new(), 0);
        while let Some((item, bytes)) = state.items.pop_front() {
            if !taken.is_empty() && (taken.len() == count || total + bytes > most) {
                state.items.push_front((item, bytes));
                break;
            }
            state.bytes -= bytes;
            total += bytes;
            taken.push(item);
        }
        taken
    }

    /// Waits so long, or until the queue is closed.
    pub fn rest(&self, time: Duration) {
        let state = self.lock();
        // Woken by an item or by nothing, it waits on: what comes meanwhile comes behind.
        drop(self.changed.wait_timeout_while(state, time, |state| !state.closed));
    }

    /// Nothing more goes in.
    pub fn close(&self) {
        self.lock().closed = true;
        self.changed.notify_all();
    }

    /// Bytes that wait.
    pub fn bytes(&self) -> usize {
        self.lock().bytes
    }

    /// A poisoned lock guards a whole queue all the same: nothing here can panic half way.
    fn lock(&self) -> MutexGuard<'_, State<T>> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Default for Queue<T> {
    fn default() -> Self {
        let state = State { items: VecDeque::new(), bytes: 0, closed: false };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_is_bounded_and_keeps_the_order() {
        let queue = Queue::default();
        assert!(queue.push('a', 40, 100) && queue.push('b', 60, 100));
        assert!(!queue.push('c', 1, 100));
        assert_eq!((queue.bytes(), queue.pop(), queue.bytes()), (100, Some('a'), 60));
        assert!(queue.push('c', 40, 100) && queue.push('d', 0, 100));
        assert_eq!(queue.pop_some(9, 99), ['b']);
        assert_eq!(queue.pop_some(1, 99), ['c']);
        queue.close();
        assert!(!queue.push('e', 0, 100));
        assert_eq!((queue.pop(), queue.pop(), queue.bytes()), (Some('d'), None, 0));
        queue.rest(Duration::MAX);
    }

    #[test]
    fn everything_comes_out_once() {
        let queue = Queue::default();
        let taken = std::thread::scope(|scope| {
            let take = || std::iter::from_fn(|| queue.pop()).collect::<Vec<_>>();
            let takers = [scope.spawn(take), scope.spawn(take)];
            assert!((0..1000).all(|item| queue.push(item, 1, 1000)));
            queue.close();
            let taken = takers.map(|taker| taker.join().expect("no panic"));
            assert!(taken.iter().all(|taken| taken.is_sorted()));
            taken.concat()
        });
        let mut sorted = taken;
        sorted.sort_unstable();
        assert!(sorted.into_iter().eq(0..1000));
    }
}
