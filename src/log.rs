//! What is logged, and how often. One line per event: `error` for bugs, `warn` for limits of the
//! node, `info` for its life (start, listen, reload, stop), `debug` for connections and what they
//! were refused. What strangers can cause is paced, so that nobody fills a disk from outside.
//!
//! Whoever logs a text that came from outside gives it as `?text`, which escapes it; credentials
//! are never given. Format and level are settings; `main.rs` starts the writer.

use std::cell::Cell;

/// Milliseconds between two lines of one kind.
const PACE_MS: u64 = 1000;

/// Lets one line of each kind through per second, and counts the others.
#[derive(Debug)]
pub struct Pace {
    kinds: Box<[Cell<Kind>]>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Kind {
    next_ms: u64,
    held_back: u64,
}

impl Pace {
    /// Nothing has happened yet, of so many kinds.
    pub fn new(kinds: usize) -> Self {
        Self { kinds: vec![Cell::default(); kinds].into() }
    }

    /// How often something of this kind has happened since its last line, this time included;
    /// `None` when no line is due yet.
    pub fn due(&self, kind: usize, now_ms: u64) -> Option<u64> {
        let cell = self.kinds.get(kind)?;
        let Kind { next_ms, held_back } = cell.get();
        if now_ms < next_ms {
            cell.set(Kind { next_ms, held_back: held_back + 1 });
            return None;
        }
        cell.set(Kind { next_ms: now_ms + PACE_MS, held_back: 0 });
        Some(held_back + 1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_per_kind_and_second() {
        let pace = Pace::new(4);
        assert_eq!(pace.due(3, 0), Some(1), "the first is told at once");
        assert_eq!(pace.due(3, 1), None);
        assert_eq!(pace.due(1, 1), Some(1), "kinds do not hold each other back");
        assert_eq!(pace.due(3, 999), None);
        assert_eq!(pace.due(3, 1000), Some(3), "with those that were held back");
        assert_eq!(pace.due(3, 5000), Some(1));
        assert_eq!(pace.due(4, 5000), None, "there is no such kind");
    }
}
