//! Inflate, slowly and obviously, from RFC 1951 and RFC 7692: the oracle for `inflate` and
//! `deflate`. It reads bit by bit, finds codes by counting, and says how far back a stream looks.

/// What a compressed message is.
#[derive(Debug, PartialEq, Eq)]
pub struct Inflated {
    pub bytes: Vec<u8>,
    /// The farthest that any copy looked back.
    pub farthest: usize,
}

/// Inflates a message's payload, which lacks its tail. `None` if it is not whole blocks.
pub fn inflate(payload: &[u8]) -> Option<Inflated> {
    let input = [payload, &[0x00, 0x00, 0xFF, 0xFF]].concat();
    let mut bits = Bits { input: &input, at: 0 };
    let mut out = Inflated { bytes: Vec::new(), farthest: 0 };
    while bits.at < 8 * input.len() {
        let last = bits.take(1)? == 1;
        match bits.take(2)? {
            0 => stored(&mut bits, &mut out)?,
            1 => {
                let literals = [&[8; 144][..], &[9; 112], &[7; 24], &[8; 8]].concat();
                coded(&mut bits, &mut out, &Code::new(&literals), &Code::new(&[5; 32]))?;
            }
            2 => {
                let (literals, distances) = tables(&mut bits)?;
                coded(&mut bits, &mut out, &literals, &distances)?;
            }
            _ => return None,
        }
        if last {
            bits.align(); // the next stream begins at a byte (RFC 7692, section 7.2.3.4)
        }
    }
    Some(out)
}

struct Bits<'a> {
    input: &'a [u8],
    /// Bits used.
    at: usize,
}

impl Bits<'_> {
    fn take(&mut self, count: usize) -> Option<usize> {
        let mut value = 0;
        for i in 0..count {
            let byte = self.input.get(self.at / 8)?;
            value |= usize::from(byte >> (self.at % 8) & 1) << i;
            self.at += 1;
        }
        Some(value)
    }

    fn align(&mut self) {
        self.at = self.at.next_multiple_of(8);
    }

    /// The next symbol of a code (RFC 1951, section 3.2.2): codes of one length follow each other.
    fn symbol(&mut self, code: &Code) -> Option<usize> {
        let (mut bits, mut first) = (0, 0);
        for of_len in &code.by_len {
            (bits, first) = (bits << 1 | self.take(1)?, first << 1);
            if bits < first + of_len.len() {
                return of_len.get(bits - first).copied();
            }
            first += of_len.len();
        }
        None
    }
}

/// The symbols that have codes of 1 bit, of 2 bits, and so on, each in order.
struct Code {
    by_len: [Vec<usize>; 15],
}

impl Code {
    fn new(lengths: &[u8]) -> Self {
        let of_len = |len| (0..lengths.len()).filter(|i| usize::from(lengths[*i]) == len).collect();
        Self { by_len: std::array::from_fn(|i| of_len(i + 1)) }
    }
}

fn stored(bits: &mut Bits<'_>, out: &mut Inflated) -> Option<()> {
    bits.align();
    let (len, check) = (bits.take(16)?, bits.take(16)?);
    if len != check ^ 0xFFFF {
        return None;
    }
    for _ in 0..len {
        out.bytes.push(bits.take(8)? as u8);
    }
    Some(())
}

/// Symbols until the end of the block (RFC 1951, section 3.2.5).
fn coded(bits: &mut Bits<'_>, out: &mut Inflated, literals: &Code, far: &Code) -> Option<()> {
    loop {
        match bits.symbol(literals)? {
            literal @ 0..=255 => out.bytes.push(literal as u8),
            256 => return Some(()),
            symbol @ 257..=285 => {
                let len = match symbol - 257 {
                    i @ 0..=7 => 3 + i,
                    28 => 258,
                    i => spread(i, 4, 3, bits)?,
                };
                let distance = match bits.symbol(far)? {
                    i @ 0..=3 => 1 + i,
                    i @ 4..=29 => spread(i, 2, 1, bits)?,
                    _ => return None,
                };
                let from = out.bytes.len().checked_sub(distance)?;
                if distance > 1 << 15 {
                    return None;
                }
                out.farthest = out.farthest.max(distance);
                for i in from..from + len {
                    out.bytes.push(out.bytes[i]);
                }
            }
            _ => return None,
        }
    }
}

/// The base of a symbol whose ranges double with every `step` symbols, plus its extra bits.
fn spread(symbol: usize, step: usize, least: usize, bits: &mut Bits<'_>) -> Option<usize> {
    let extra = symbol / step - 1;
    Some(((step + symbol % step) << extra) + least + bits.take(extra)?)
}

/// The code lengths of a dynamic block (RFC 1951, section 3.2.7).
fn tables(bits: &mut Bits<'_>) -> Option<(Code, Code)> {
    const ORDER: [usize; 19] = [16, 17, 18, 0, 8, 7, 9, 6, 10, 5, 11, 4, 12, 3, 13, 2, 14, 1, 15];
    let (literals, far, count) = (bits.take(5)? + 257, bits.take(5)? + 1, bits.take(4)? + 4);
    if literals > 286 || far > 30 {
        return None;
    }
    let mut short = [0; 19];
    for i in &ORDER[..count] {
        short[*i] = bits.take(3)? as u8;
    }
    if space_left(&short) != 0 {
        return None;
    }
    let short = Code::new(&short);
    let mut lengths = Vec::new();
    while lengths.len() < literals + far {
        let (len, times) = match bits.symbol(&short)? {
            16 => (*lengths.last()?, 3 + bits.take(2)?),
            17 => (0, 3 + bits.take(3)?),
            18 => (0, 11 + bits.take(7)?),
            len => (len as u8, 1),
        };
        lengths.extend(vec![len; times]);
    }
    if lengths.len() > literals + far || lengths[256] == 0 {
        return None;
    }
    let far = lengths.split_off(literals);
    // A code may be incomplete only where it has one symbol of one bit, or none.
    let usable = |lengths: &[u8]| {
        let (used, left) = (lengths.iter().filter(|len| **len > 0).count(), space_left(lengths));
        left == 0 || left > 0 && (used == 0 || used == 1 && lengths.contains(&1))
    };
    (usable(&lengths) && usable(&far)).then(|| (Code::new(&lengths), Code::new(&far)))
}

/// What these lengths leave of the space of 15-bit codes; negative if they need more.
fn space_left(lengths: &[u8]) -> i32 {
    let taken: i32 = lengths.iter().filter(|len| **len > 0).map(|len| 1 << (15 - len)).sum();
    (1 << 15) - taken
}
