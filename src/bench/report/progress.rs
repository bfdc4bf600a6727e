//! One line on a terminal that says what is under way, each time in place of the one before.
//! Anywhere else than on a terminal nothing is written.

use std::io::{self, IsTerminal as _, Write as _};

/// Who calls often is heard so often.
const EVERY_NS: u64 = 250_000_000;

/// The line.
#[derive(Debug)]
pub struct Progress {
    /// When something was said last, by who calls often.
    said_ns: u64,
    /// Characters that stand there now.
    shown: usize,
    on_terminal: bool,
}

impl Progress {
    /// On standard error, if that is a terminal.
    pub fn new() -> Self {
        Self { said_ns: 0, shown: 0, on_terminal: io::stderr().is_terminal() }
    }

    /// Says this instead.
    pub fn show(&mut self, text: &str) {
        if self.on_terminal {
            write(&line(text, self.shown));
            self.shown = text.chars().count();
        }
    }

    /// Says this instead, if the last time was not just now.
    pub fn now_and_then(&mut self, now_ns: u64, text: impl FnOnce() -> String) {
        if self.on_terminal && now_ns.saturating_sub(self.said_ns) >= EVERY_NS {
            self.said_ns = now_ns;
            self.show(&text());
        }
    }

    /// Takes the line away.
    pub fn clear(&mut self) {
        if self.shown > 0 {
            self.show("");
            write("\r");
        }
    }
}

impl Default for Progress {
    fn default() -> Self {
        Self::new()
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.clear();
    }
}

/// That nobody reads it is no reason to stop.
fn write(text: &str) {
    let mut terminal = io::stderr();
    let _ = terminal.write_all(text.as_bytes());
    let _ = terminal.flush();
}

/// The text over a line of so many characters.
fn line(text: &str, shown: usize) -> String {
    format!("\r{text:shown$}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shorter_lines_cover_longer_ones() {
        assert_eq!(line("connected 10", 0), "\rconnected 10");
        assert_eq!(line("10 s", 7), "\r10 s   ");
        assert_eq!(line("", 3), "\r   ");
        assert_eq!(line("µs", 3), "\rµs ");
    }
}
