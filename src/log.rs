//! What is logged, and how often. One line per event: `error` for bugs, `warn` for limits of the
//! node, `info` for its life (start, listen, reload, stop), `debug` for connections and what they
//! were refused. What strangers can cause is paced, so that nobody fills a disk from outside.
//!
//! Whoever logs a text that came from outside gives it as `?text`, which escapes it; credentials
//! are never given. Format and level are settings; `main.rs` starts the writer.

/// Milliseconds between two lines of one kind.
const PACE_MS: u64 = 1000;

/// Lets one line of each kind through per second, and counts the others.
#[derive(Clone, Debug, Default)]
pub struct Pace {
    kinds: Vec<Kind>,
}

#[derive(Clone, Debug, Default)]
struct Kind {
    next_ms: u64,
    held_back: u64,
}

impl Pace {
    /// How often something of this kind has happened since its last line, this time included;
    /// `None` when no line is due yet. Kinds are small numbers.
    pub fn due(&mut self, kind: usize, now_ms: u64) -> Option<u64> {
        if self.kinds.len() <= kind {
            self.kinds.resize(kind + 1, Kind::default());
        }
        let kind = &mut self.kinds[kind];
        kind.held_back += 1;
        if now_ms < kind.next_ms {
            return None;
        }
        kind.next_ms = now_ms + PACE_MS;
        Some(std::mem::take(&mut kind.held_back))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_per_kind_and_second() {
        let mut pace = Pace::default();
        assert_eq!(pace.due(3, 0), Some(1), "the first is told at once");
        assert_eq!(pace.due(3, 1), None);
        assert_eq!(pace.due(1, 1), Some(1), "kinds do not hold each other back");
        assert_eq!(pace.due(3, 999), None);
        assert_eq!(pace.due(3, 1000), Some(3), "with those that were held back");
        assert_eq!(pace.due(3, 5000), Some(1));
    }
}
