//! The body of a request, collected while it arrives (RFC 9112, sections 6 and 7.1). Holds what has
//! come, never what was announced, and the same for any cutting of the bytes. Never looks at what
//! the body means. How it is delimited comes from `Head::body`.

use super::Refusal;
use super::head::Body;

#[cfg(test)]
mod tests;

/// Bytes of all chunk extensions of one body; then 400. They mean nothing to us.
pub const MAX_EXTENSION_BYTES: usize = 4096;

/// Bytes of the trailer section; then 431. It is read and dropped.
pub const MAX_TRAILER_BYTES: usize = 4096;

/// Digits of a chunk size, leading zeros included; then 400.
const MAX_SIZE_DIGITS: u8 = 16;

/// Collects one body. `Body::None` is done before the first byte.
#[derive(Debug)]
pub struct BodyReader {
    state: State,
    max_bytes: usize,
    collected: Vec<u8>,
    /// Bytes of extensions so far, over all chunks.
    extension_bytes: usize,
    /// Bytes of trailer lines so far.
    trailer_bytes: usize,
}

/// What comes next. The names of section 7.1: a chunk is its size in hex, extensions, CRLF, data,
/// CRLF; the last one has size 0 and is followed by trailer lines and an empty line.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// So many bytes of a body of known length.
    Plain { left: u64 },
    /// A digit of a chunk size, or what ends it.
    Size { size: u64, digits: u8 },
    /// Whitespace after a size: only an extension may follow.
    SizeSpace { size: u64 },
    /// Within extensions.
    Extension { size: u64 },
    /// The LF that ends the line of a size.
    SizeLf { size: u64 },
    /// So many bytes of a chunk.
    Data { left: u64 },
    /// The CR after the data of a chunk.
    DataCr,
    /// The LF after the data of a chunk.
    DataLf,
    /// The first byte of a trailer line, or the CR of the line that ends the body.
    TrailerStart,
    /// Within a trailer line.
    Trailer,
    /// The LF of a trailer line.
    TrailerLf,
    /// The LF that ends the body.
    EndLf,
    /// Nothing: the body is complete.
    Done,
}

impl BodyReader {
    /// Prepares for a body; 413 when its announced length is beyond `max_bytes`.
    pub fn new(body: Body, max_bytes: usize) -> Result<Self, Refusal> {
        let state = match body {
            Body::None | Body::Length(0) => State::Done,
            Body::Length(length) if exceeds(length, max_bytes) => return Err(too_large()),
            Body::Length(left) => State::Plain { left },
            Body::Chunked => State::Size { size: 0, digits: 0 },
        };
        let collected = Vec::new();
        Ok(Self { state, max_bytes, collected, extension_bytes: 0, trailer_bytes: 0 })
    }

    /// Takes what belongs to the body from the front of `input`: how many bytes that were, and
    /// whether the body is complete. What is left over begins the next request.
    ///
    /// Refusals, after which this reader must not be used: 413 as soon as the sum of the chunks is
    /// beyond the limit, 400 and 431 for chunks that break the rules.
    pub fn push(&mut self, input: &[u8]) -> Result<(usize, bool), Refusal> {
        let mut rest = input;
        while self.state != State::Done {
            match self.state {
                State::Plain { left } | State::Data { left } => {
                    if rest.is_empty() {
                        break;
                    }
                    rest = self.take_data(left, rest);
                }
                _ => {
                    let Some((&byte, after)) = rest.split_first() else { break };
                    self.state = self.step(byte)?;
                    rest = after;
                }
            }
        }
        Ok((input.len() - rest.len(), self.state == State::Done))
    }

    /// Bytes collected so far.
    pub fn len(&self) -> usize {
        self.collected.len()
    }

    /// The memory it takes, in bytes, for the node's accounting.
    pub fn memory(&self) -> usize {
        self.collected.capacity()
    }

    /// Whether nothing was collected so far.
    pub fn is_empty(&self) -> bool {
        self.collected.is_empty()
    }

    /// The body, without its framing.
    pub fn take(self) -> Vec<u8> {
        self.collected
    }

    /// Collects at most `left` bytes and says what is left of `input`.
    fn take_data<'i>(&mut self, left: u64, input: &'i [u8]) -> &'i [u8] {
        let take = usize::try_from(left).unwrap_or(usize::MAX).min(input.len());
        let (data, rest) = input.split_at_checked(take).unwrap_or((input, &[]));
        self.collected.extend_from_slice(data);
        let left = left.saturating_sub(data.len() as u64);
        self.state = match self.state {
            State::Plain { .. } if left > 0 => State::Plain { left },
            State::Data { .. } if left > 0 => State::Data { left },
            State::Data { .. } => State::DataCr,
            _ => State::Done,
        };
        rest
    }

    /// One byte of framing.
    fn step(&mut self, byte: u8) -> Result<State, Refusal> {
        Ok(match (self.state, byte) {
            (State::Size { size, digits }, _) if byte.is_ascii_hexdigit() => {
                self.size_digit(size, digits, byte)?
            }
            // A size without digits, a trailer line without a name.
            (State::Size { digits: 0, .. }, _) | (State::TrailerStart, b' ' | b'\t' | b':') => {
                return Err(malformed());
            }
            (State::Size { size, .. } | State::Extension { size }, b'\r') => State::SizeLf { size },
            (State::Size { size, .. } | State::SizeSpace { size }, b' ' | b'\t') => {
                self.count_extension()?;
                State::SizeSpace { size }
            }
            (State::Size { size, .. } | State::SizeSpace { size }, b';') => {
                self.count_extension()?;
                State::Extension { size }
            }
            (State::Extension { size }, _) if is_text(byte) => {
                self.count_extension()?;
                State::Extension { size }
            }
            (State::SizeLf { size: 0 } | State::TrailerLf, b'\n') => State::TrailerStart,
            (State::SizeLf { size }, b'\n') => State::Data { left: size },
            (State::DataCr, b'\r') => State::DataLf,
            (State::DataLf, b'\n') => State::Size { size: 0, digits: 0 },
            (State::TrailerStart, b'\r') => State::EndLf,
            (State::Trailer, b'\r') => State::TrailerLf,
            (State::TrailerStart | State::Trailer, _) if is_text(byte) => {
                self.count_trailer()?;
                State::Trailer
            }
            (State::EndLf, b'\n') => State::Done,
            _ => return Err(malformed()),
        })
    }

    fn size_digit(&self, size: u64, digits: u8, digit: u8) -> Result<State, Refusal> {
        if digits == MAX_SIZE_DIGITS {
            return Err(malformed());
        }
        let value = char::from(digit).to_digit(16).unwrap_or_default();
        // No overflow: 16 hex digits are 64 bits.
        let size = size << 4 | u64::from(value);
        if exceeds(size.saturating_add(self.collected.len() as u64), self.max_bytes) {
            return Err(too_large());
        }
        Ok(State::Size { size, digits: digits + 1 })
    }

    fn count_extension(&mut self) -> Result<(), Refusal> {
        self.extension_bytes += 1;
        if self.extension_bytes > MAX_EXTENSION_BYTES {
            return Err(Refusal::malformed("too many chunk extensions"));
        }
        Ok(())
    }

    fn count_trailer(&mut self) -> Result<(), Refusal> {
        self.trailer_bytes += 1;
        if self.trailer_bytes > MAX_TRAILER_BYTES {
            return Err(Refusal::closing(431, "too_large", "the trailer section is too long"));
        }
        Ok(())
    }
}

/// What may stand in extensions and trailers: no control character but tab.
fn is_text(byte: u8) -> bool {
    byte == b'\t' || (byte >= b' ' && byte != 0x7f)
}

fn exceeds(length: u64, max_bytes: usize) -> bool {
    usize::try_from(length).map_or(true, |length| length > max_bytes)
}

fn too_large() -> Refusal {
    Refusal::closing(413, "too_large", "the body is too large")
}

fn malformed() -> Refusal {
    Refusal::malformed("malformed chunk")
}
