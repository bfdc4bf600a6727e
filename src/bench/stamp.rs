//! What every measured message begins with: `FW`, its sequence number, and the time at which it was
//! due, each 16 hexadecimal digits. Found in whatever a server wraps around it.

/// Bytes of a stamp.
pub const STAMP: usize = 34;

/// What it begins with.
const MARK: [u8; 2] = *b"FW";

/// Which message, and when it was due.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stamp {
    /// Its number in its channel, from 1 on; 0 is none.
    pub sequence: u64,
    /// When it was due, by `CLOCK_MONOTONIC`.
    pub at_ns: u64,
}

impl Stamp {
    /// Writes it to the beginning of `out`, which has room for it.
    pub fn write(self, out: &mut [u8]) {
        out[..2].copy_from_slice(&MARK);
        write_hex(self.sequence, &mut out[2..18]);
        write_hex(self.at_ns, &mut out[18..STAMP]);
    }

    /// Reads it from the beginning of `bytes`.
    #[inline]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let bytes: &[u8; STAMP] = bytes.first_chunk()?;
        if bytes[..2] != MARK {
            return None;
        }
        let sequence = read_hex(bytes[2..18].first_chunk()?)?;
        let at_ns = read_hex(bytes[18..].first_chunk()?)?;
        (sequence > 0).then_some(Self { sequence, at_ns })
    }

    /// Finds it, first where the last one was, which is remembered in `offset`.
    #[inline]
    pub fn find(bytes: &[u8], offset: &mut usize) -> Option<Self> {
        let learned = bytes.get(*offset..).and_then(Self::read);
        learned.or_else(|| Self::search(bytes, offset))
    }

    #[cold]
    fn search(bytes: &[u8], offset: &mut usize) -> Option<Self> {
        memchr::memmem::find_iter(bytes, &MARK).find_map(|at| {
            let stamp = Self::read(&bytes[at..])?;
            *offset = at;
            Some(stamp)
        })
    }
}

fn write_hex(number: u64, out: &mut [u8]) {
    for (index, digit) in out.iter_mut().enumerate() {
        let nibble = (number >> (60 - 4 * index)) as u8 & 0xF;
        *digit = b"0123456789abcdef"[usize::from(nibble)];
    }
}

/// Sixteen digits, lower case.
#[inline]
fn read_hex(digits: &[u8; 16]) -> Option<u64> {
    let valid = digits.iter().fold(true, |valid, digit| {
        valid & (digit.wrapping_sub(b'0') < 10 || digit.wrapping_sub(b'a') < 6)
    });
    let value = |digit: u8| u64::from((digit & 0xF) + 9 * (digit >> 6));
    let number = digits.iter().fold(0, |number, digit| number << 4 | value(*digit));
    valid.then_some(number)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn stamped(stamp: Stamp) -> [u8; STAMP] {
        let mut bytes = [0; STAMP];
        stamp.write(&mut bytes);
        bytes
    }

    #[test]
    fn what_is_written_is_read() {
        for sequence in [1, 9, 10, 0xABCD_EF01_2345_6789, u64::MAX] {
            let stamp = Stamp { sequence, at_ns: sequence / 3 };
            assert_eq!(Stamp::read(&stamped(stamp)), Some(stamp));
        }
        assert_eq!(&stamped(Stamp { sequence: 10, at_ns: 255 })[..18], b"FW000000000000000a");
    }

    #[test]
    fn nothing_else_is_read() {
        let good = stamped(Stamp { sequence: 7, at_ns: 8 });
        for at in 0..STAMP {
            assert_eq!(Stamp::read(&good[..at]), None, "cut at {at}");
            for wrong in [b'G', b'A', b'/', b':', b'`', b'g', 0, 0xFF] {
                let mut bytes = good;
                bytes[at] = wrong;
                assert_eq!(Stamp::read(&bytes), None, "{wrong} at {at}");
            }
        }
        assert_eq!(Stamp::read(&stamped(Stamp { sequence: 0, at_ns: 8 })), None);
    }

    #[test]
    fn it_is_found_where_it_was_and_elsewhere() {
        let stamp = Stamp { sequence: 7, at_ns: 8 };
        let mut offset = 0;
        for before in ["", "{\"FW\":\"", "FWFWFW0000", "x", "xx"] {
            let mut bytes = before.as_bytes().to_vec();
            bytes.extend(stamped(stamp));
            bytes.extend(b"FW and more");
            assert_eq!(Stamp::find(&bytes, &mut offset), Some(stamp), "behind {before}");
            assert_eq!(offset, before.len());
        }
        assert_eq!(Stamp::find(b"FW, but none", &mut offset), None);
    }
}
