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
mod tests;
