//! The positions of a channel's messages (`fanwire.v1`), by the sequence numbers of their stamps,
//! so that a connection is remembered by a number and can still say where it was. Positions are
//! opaque: they are kept as they came.

use std::collections::BTreeMap;

use super::stamp::Stamp;

/// So many are kept, the latest; who was away for longer than that begins anew.
const KEPT: usize = 1 << 16;

/// Longer ones are not positions.
const MAX_POSITION: usize = 64;

/// Of one channel. What nobody heard is not known.
#[derive(Debug, Default)]
pub struct Positions {
    kept: BTreeMap<u64, Box<str>>,
    /// The sequence that was learned last, for many hear the same.
    learned: u64,
    /// Where the last stamp was found.
    offset: usize,
}

impl Positions {
    /// The position behind the message with this sequence number; 0 where there was none.
    pub fn keep(&mut self, sequence: u64, position: &str) {
        self.kept.insert(sequence, position.into());
        if self.kept.len() > KEPT {
            self.kept.pop_first();
        }
    }

    /// Whether nothing is known yet.
    pub fn is_empty(&self) -> bool {
        self.kept.is_empty()
    }

    /// Learns from a message, which others may have heard before.
    #[inline]
    pub fn learn(&mut self, message: &[u8]) {
        if let Some(Stamp { sequence, .. }) = Stamp::find(message, &mut self.offset)
            && sequence != self.learned
        {
            self.learned = sequence;
            self.learn_new(sequence, message);
        }
    }

    #[cold]
    fn learn_new(&mut self, sequence: u64, message: &[u8]) {
        if !self.kept.contains_key(&sequence)
            && let Some(position) = text_of(message, "id")
        {
            self.keep(sequence, position);
        }
    }

    /// The position of the message with this sequence number.
    pub fn of(&self, sequence: u64) -> Option<&str> {
        self.kept.get(&sequence).map(AsRef::as_ref)
    }
}

/// The text of a field, as Fanwire writes it: without blanks, and what it escapes is no position.
pub fn text_of<'a>(message: &'a [u8], field: &str) -> Option<&'a str> {
    let name = format!("\"{field}\":\"");
    let at = memchr::memmem::find(message, name.as_bytes())?;
    let rest = &message[at + name.len()..];
    let rest = &rest[..rest.len().min(MAX_POSITION + 1)];
    let text = str::from_utf8(&rest[..memchr::memchr(b'"', rest)?]).ok()?;
    (!text.contains('\\')).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::stamp::STAMP;

    fn message(sequence: u64) -> Vec<u8> {
        let mut stamp = [0; STAMP];
        Stamp { sequence, at_ns: 5 }.write(&mut stamp);
        let before = format!(r#"{{"type":"message","id":"k:{sequence}","channel":"c","data":""#);
        [before.as_bytes(), &stamp, br#"xx"}"#].concat()
    }

    #[test]
    fn a_sequence_leads_to_its_position() {
        let mut positions = Positions::default();
        assert!(positions.is_empty() && positions.of(0).is_none());
        positions.keep(10, "k:x");
        for sequence in [11, 12, 12, 20, 13, 11] {
            positions.learn(&message(sequence));
        }
        positions.learn(b"{\"type\":\"gap\"}");
        for (sequence, position) in [
            (9, None),
            (10, Some("k:x")),
            (11, Some("k:11")),
            (13, Some("k:13")),
            (14, None),
            (20, Some("k:20")),
        ] {
            assert_eq!(positions.of(sequence), position, "{sequence}");
        }
    }

    #[test]
    fn only_so_many_are_kept() {
        let mut positions = Positions::default();
        positions.keep(0, "k:0");
        let last = KEPT as u64 + 9;
        (1..=last).for_each(|sequence| positions.learn(&message(sequence)));
        assert_eq!(positions.kept.len(), KEPT);
        assert_eq!((positions.of(9), positions.of(10)), (None, Some("k:10")));
        assert_eq!(positions.of(last), Some(format!("k:{last}").as_str()));
    }

    #[test]
    fn fields() {
        for (text, found) in [
            (r#"{"id":"k3:1","channel":"x"}"#, Some("k3:1")),
            (r#"{"id":7,"data":{"id":"k"}}"#, Some("k")),
            (r#"{"id":"a\"b"}"#, None),
            (r#"{"id":"cut"#, None),
            ("", None),
        ] {
            assert_eq!(text_of(text.as_bytes(), "id"), found, "{text}");
        }
        let long = format!(r#"{{"id":"{}"}}"#, "x".repeat(65));
        assert_eq!(text_of(long.as_bytes(), "id"), None);
    }
}
