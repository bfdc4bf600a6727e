//! Compressed messages, inflated just so far that their stamp is found. Each stands alone: no
//! context is taken over. Checks nothing else of them.

use flate2::{Decompress, FlushDecompress};

use super::codec::PEEK;

/// Room for what the beginning of a message inflates to.
const ROOM: usize = 4 * PEEK;

/// Inflates the beginnings of messages, and remembers the last: a broadcast is the same for all.
#[derive(Default)]
pub(super) struct Inflater {
    decompress: Option<Decompress>,
    deflated: Vec<u8>,
    inflated: Vec<u8>,
}

impl Inflater {
    pub fn new() -> Self {
        Self::default()
    }

    /// What it begins with, as far as there is room.
    pub fn inflate(&mut self, deflated: &[u8]) -> &[u8] {
        let deflated = &deflated[..deflated.len().min(PEEK)];
        if self.deflated != deflated {
            self.deflated.clear();
            self.deflated.extend_from_slice(deflated);
            self.inflated.clear();
            self.inflated.reserve_exact(ROOM);
            let decompress = self.decompress.get_or_insert_with(|| Decompress::new(false));
            decompress.reset(false);
            // What cannot be inflated has no stamp, and so is not counted.
            let _ = decompress.decompress_vec(deflated, &mut self.inflated, FlushDecompress::Sync);
        }
        &self.inflated
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bench::stamp::{STAMP, Stamp};
    use crate::ws::deflate::Deflate;

    #[test]
    fn a_stamp_is_found_in_what_is_compressed() {
        let mut inflater = Inflater::new();
        for (sequence, size) in [(1, 100), (2, 100), (2, 20_000)] {
            let mut payload = vec![b'x'; size + STAMP];
            let stamp = Stamp { sequence, at_ns: 77 };
            stamp.write(&mut payload[size / 100..]);
            let mut deflated = Vec::new();
            assert!(Deflate::new().compress(15, &payload, &mut deflated));
            for _ in 0..2 {
                let found = Stamp::find(inflater.inflate(&deflated), &mut 0);
                assert_eq!(found, Some(stamp));
            }
        }
        assert_eq!(Stamp::find(inflater.inflate(b"\xFF\xFF no deflate"), &mut 0), None);
    }
}
