//! Where a worker's mail waits until its next turn: one lock per batch on either side, and at most
//! one wake per emptying. It never wakes anybody itself and never drops or reorders letters;
//! how the owner is woken is the business of `mio`, what the letters say that of `mail`.
//! `tests/loom.rs` tries all interleavings of posters and reader.

#[cfg(loom)]
use loom::sync::{Mutex, MutexGuard};
use std::mem;
use std::sync::PoisonError;
#[cfg(not(loom))]
use std::sync::{Mutex, MutexGuard};

/// Letters for one reader, from any number of threads. Each poster's letters keep their order.
#[derive(Debug)]
pub struct Mailbox<T> {
    letters: Mutex<Vec<T>>,
}

impl<T> Mailbox<T> {
    /// An empty box.
    pub fn new() -> Self {
        Self { letters: Mutex::new(Vec::new()) }
    }

    /// Puts the whole batch in and leaves it empty. True when the box was empty before: then, and
    /// only then, this poster must wake the reader, after this call. Whoever finds letters in the
    /// box may rely on the poster of the first, whose wake is done or about to be; so a wake must
    /// stick until the reader sees it, as that of an eventfd does.
    #[must_use = "the first letter must wake the reader"]
    pub fn post(&self, batch: &mut Vec<T>) -> bool {
        if batch.is_empty() {
            return false;
        }
        let mut letters = self.lock();
        let first = letters.is_empty();
        pour(batch, &mut letters);
        first
    }

    /// Takes everything, behind what `into` holds already. Called after the wake was consumed,
    /// never before: a letter posted in between would have lost its wake.
    pub fn collect(&self, into: &mut Vec<T>) {
        pour(&mut self.lock(), into);
    }

    /// A poisoned lock guards a whole vector all the same: nothing here can panic half way.
    fn lock(&self) -> MutexGuard<'_, Vec<T>> {
        self.letters.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<T> Default for Mailbox<T> {
    fn default() -> Self {
        Self::new()
    }
}

/// Moves all of `from` to the end of `to`. An empty target trades buffers instead, so that in the
/// steady state the same few buffers go round, and neither copies nor allocations are made.
fn pour<T>(from: &mut Vec<T>, to: &mut Vec<T>) {
    if to.is_empty() {
        mem::swap(from, to);
    } else {
        to.append(from);
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_letter_asks_for_a_wake() {
        let mailbox = Mailbox::new();
        assert!(!mailbox.post(&mut Vec::new()), "an empty batch is no letter");
        assert!(mailbox.post(&mut vec![1, 2]));
        assert!(!mailbox.post(&mut vec![3]));
        let mut got = vec![0];
        mailbox.collect(&mut got);
        assert_eq!(got, [0, 1, 2, 3]);
        mailbox.collect(&mut got);
        assert_eq!(got.len(), 4, "collected letters are gone");
        assert!(mailbox.post(&mut vec![4]), "after a collection the next letter is the first");
    }

    #[test]
    fn the_same_buffers_go_round() {
        let mailbox = Mailbox::new();
        let (mut batch, mut got) = (Vec::with_capacity(8), Vec::with_capacity(8));
        let _ = mailbox.post(&mut vec![0; 8]);
        mailbox.collect(&mut got);
        got.clear();
        let mut seen = Vec::new();
        for _ in 0..12 {
            batch.extend(0..8);
            let _ = mailbox.post(&mut batch);
            assert!(batch.is_empty());
            mailbox.collect(&mut got);
            assert_eq!(got.len(), 8);
            seen.push(got.as_ptr());
            got.clear();
        }
        seen.sort_unstable();
        seen.dedup();
        assert!(seen.len() <= 3, "three buffers, whichever of them: {}", seen.len());
    }
}
