//! All interleavings of mailbox and wake: two posters, one reader that sleeps when it has nothing.
//! A reader that sleeps for ever while letters wait is a deadlock, which loom reports. Run it with
//! `RUSTFLAGS="--cfg loom" cargo test --test loom --release`.

#![cfg(loom)]

use fanwire::worker::mailbox::Mailbox;
use loom::model::Builder;
use loom::sync::{Arc, Condvar, Mutex};
use loom::thread;

/// Switches away from a thread that could go on, per execution. Without a bound the same passes in
/// seven minutes; each planted fault shows with two.
const PREEMPTIONS: usize = 3;

/// A wake that sticks until it is consumed, as an eventfd's does.
#[derive(Default)]
struct Wake {
    rung: Mutex<bool>,
    changed: Condvar,
}

impl Wake {
    fn ring(&self) {
        *self.rung.lock().unwrap() = true;
        self.changed.notify_one();
    }

    fn sleep(&self) {
        let mut rung = self.rung.lock().unwrap();
        while !*rung {
            rung = self.changed.wait(rung).unwrap();
        }
        *rung = false;
    }
}

/// A letter: who wrote it, and its number with that poster.
type Letter = (usize, u32);

/// Lets the posters post their batches, of the given sizes, while this thread reads.
fn exchange(posters: &'static [&'static [u32]]) {
    let mut model = Builder::new();
    model.preemption_bound = Some(PREEMPTIONS);
    model.check(move || {
        let shared = Arc::new((Mailbox::<Letter>::new(), Wake::default()));
        let threads: Vec<_> = (0..posters.len())
            .map(|poster| {
                let shared = Arc::clone(&shared);
                thread::spawn(move || post_all(poster, posters[poster], &shared))
            })
            .collect();
        let mut next: Vec<u32> = vec![0; posters.len()];
        let mut letters = Vec::new();
        while next.iter().zip(posters).any(|(got, sizes)| *got < sizes.iter().sum()) {
            shared.1.sleep();
            shared.0.collect(&mut letters);
            for (poster, number) in letters.drain(..) {
                assert_eq!(number, next[poster], "order of one poster");
                next[poster] += 1;
            }
        }
        for thread in threads {
            thread.join().unwrap();
        }
        shared.0.collect(&mut letters);
        assert!(letters.is_empty(), "no letter comes twice");
    });
}

fn post_all(poster: usize, sizes: &[u32], shared: &(Mailbox<Letter>, Wake)) {
    let (mailbox, wake) = shared;
    let mut number = 0..;
    let mut batch = Vec::new();
    for &size in sizes {
        batch.extend(number.by_ref().take(size as usize).map(|number| (poster, number)));
        if mailbox.post(&mut batch) {
            wake.ring();
        }
        assert!(batch.is_empty());
    }
}

#[test]
fn no_letter_is_lost_or_late_with_one_poster() {
    exchange(&[&[1, 2, 1]]);
}

#[test]
fn no_letter_is_lost_or_late_with_two_posters() {
    exchange(&[&[1, 1], &[2, 1]]);
}
