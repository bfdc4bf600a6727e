//! The window of a feed: the frames that somebody has not been given yet. Small frames lie one
//! behind the other in one buffer, so that a burst is one contiguous send; large ones are shared by
//! reference. It owns bytes and their arithmetic; it knows no readers. A feed at rest has none.

use std::collections::VecDeque;

use crate::hub::Frames;

#[cfg(test)]
mod tests;

/// Frames from this size on are kept by reference instead of being copied.
pub const LARGE_FRAME: usize = 16 << 10;

/// What a frame costs besides its bytes: without it, a window of tiny frames would be many times as
/// large as it says.
pub const FRAME_OVERHEAD: usize = size_of::<Entry>();

/// The place of a reader whose numbering has ended: before everything.
pub const NOWHERE: u64 = u64::MAX;

const MAX_SPARE_BODIES: usize = 32;
const MAX_SPARE_BYTES: usize = 64 << 10;

/// What a reader is to be sent next.
#[derive(Debug)]
pub enum Run<'a> {
    /// Nothing until its page comes.
    Waiting,
    /// Nothing: it has everything.
    CaughtUp,
    /// What comes next is not held any more: it must pull.
    Fallen,
    /// Whole frames, one behind the other, from its place on.
    Frames(&'a [u8]),
    /// One large frame.
    Large(&'a Frames),
}

/// The part of a frame that the kernel did not take.
#[derive(Debug)]
pub enum Rest {
    /// Nothing.
    None,
    /// So many bytes at the end of what was taken last: a small frame's, to be copied.
    Small(Vec<u8>),
    /// A large frame from this byte on.
    Large(Frames, usize),
}

/// Frames from some index on. Empty windows hold no memory.
#[derive(Debug, Default)]
pub struct Window {
    body: Option<Box<Body>>,
}

#[derive(Debug, Default)]
struct Body {
    /// Index of `entries[0]`.
    first: u64,
    entries: VecDeque<Entry>,
    small: Vec<u8>,
    /// Stream offset of `small[0]`.
    start: u64,
    /// Indices of the large ones.
    large: VecDeque<u64>,
    /// What all entries cost.
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    /// Where a small frame begins in the stream of small frames; for a large one, where the next
    /// small one does.
    offset: u64,
    length: usize,
    large: Option<Frames>,
}

/// Buffers of windows that have been emptied, for the next that need some; and the sum of what all
/// windows of the worker hold.
#[derive(Debug, Default)]
pub struct Spare {
    // Boxed, for that is how windows hold them.
    #[expect(clippy::vec_box, reason = "moved in and out of windows as boxes")]
    bodies: Vec<Box<Body>>,
    bytes: usize,
}

impl Spare {
    /// Bytes in all windows of this worker.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// Something that held so many bytes now holds others.
    pub(super) fn recount(&mut self, before: usize, after: usize) {
        self.bytes = self.bytes + after - before;
    }
}

impl Window {
    /// Bytes held, [`FRAME_OVERHEAD`] included.
    pub fn bytes(&self) -> usize {
        self.body.as_ref().map_or(0, |body| body.bytes)
    }

    /// Index of the oldest frame held.
    pub fn first(&self) -> Option<u64> {
        self.body.as_ref().map(|body| body.first)
    }

    /// Adds the frame with the next index. The oldest go when there are more than `max_bytes`; the
    /// newest always stays.
    pub fn push(&mut self, index: u64, frames: &Frames, max_bytes: usize, spare: &mut Spare) {
        let body = self.body.get_or_insert_with(|| spare.bodies.pop().unwrap_or_default());
        if body.entries.is_empty() {
            body.first = index;
        }
        debug_assert_eq!(index, body.first + body.entries.len() as u64, "indices are dense");
        let offset = body.start + body.small.len() as u64;
        let large = frames.len() >= LARGE_FRAME;
        if large {
            body.large.push_back(index);
        } else {
            body.small.extend_from_slice(frames);
        }
        let shared = large.then(|| frames.clone());
        body.entries.push_back(Entry { offset, length: frames.len(), large: shared });
        let before = body.bytes;
        body.bytes += frames.len() + FRAME_OVERHEAD;
        body.evict(max_bytes);
        spare.bytes = spare.bytes + body.bytes - before;
    }

    /// What comes after `sent`, up to and with `limit`: as many contiguous frames as there are.
    pub fn run(&self, sent: u64, limit: Option<u64>) -> Run<'_> {
        let Some(body) = &self.body else { return Run::Fallen };
        if sent == NOWHERE || sent + 1 < body.first {
            return Run::Fallen;
        }
        let at = (sent + 1 - body.first) as usize;
        let Some(entry) = body.entries.get(at) else { return Run::CaughtUp };
        if let Some(frames) = &entry.large {
            return Run::Large(frames);
        }
        let from = (entry.offset - body.start) as usize;
        let to = body.small_end(sent + 1, limit);
        Run::Frames(&body.small[from..to])
    }

    /// All that comes after `sent`, where that is one run.
    pub fn rest(&self, sent: u64) -> Option<&[u8]> {
        let body = self.body.as_ref()?;
        let whole = body.large.back().is_none_or(|&large| large <= sent);
        match self.run(sent, None) {
            Run::Frames(bytes) if whole => Some(bytes),
            _ => None,
        }
    }

    /// A reader at `sent` has been given `taken` bytes more: its new place, and the rest of the
    /// frame that was cut, which counts as given.
    pub fn settle(&self, sent: u64, taken: usize) -> (u64, Rest) {
        let Some(body) = self.body.as_ref().filter(|_| taken > 0) else {
            return (sent, Rest::None);
        };
        let at = (sent + 1 - body.first) as usize;
        let entry = &body.entries[at];
        if let Some(frames) = &entry.large {
            let rest =
                if taken < frames.len() { Rest::Large(frames.clone(), taken) } else { Rest::None };
            return (sent + 1, rest);
        }
        let reached = entry.offset + taken as u64;
        // One frame is the usual case; else the cut is found by bisection.
        let ends_first = entry.offset + entry.length as u64 >= reached;
        let cut = if ends_first {
            at
        } else {
            body.entries.partition_point(|e| e.offset + e.small_length() < reached).max(at)
        };
        let end = body.entries[cut].offset + body.entries[cut].length as u64;
        let from = (reached - body.start) as usize;
        let to = (end - body.start) as usize;
        let rest = if from < to { Rest::Small(body.small[from..to].to_vec()) } else { Rest::None };
        (body.first + cut as u64, rest)
    }

    /// Forgets everything.
    pub fn clear(&mut self, spare: &mut Spare) {
        let Some(mut body) = self.body.take() else { return };
        spare.bytes -= body.bytes;
        let capacity = body.small.capacity() + body.entries.capacity() * FRAME_OVERHEAD;
        if spare.bodies.len() < MAX_SPARE_BODIES && capacity <= MAX_SPARE_BYTES {
            body.entries.clear();
            body.small.clear();
            body.large.clear();
            (body.first, body.start, body.bytes) = (0, 0, 0);
            spare.bodies.push(body);
        }
    }
}

impl Body {
    fn evict(&mut self, max_bytes: usize) {
        while self.bytes > max_bytes && self.entries.len() > 1 {
            let Some(entry) = self.entries.pop_front() else { return };
            self.bytes -= entry.length + FRAME_OVERHEAD;
            self.first += 1;
            if entry.large.is_some() {
                self.large.pop_front();
            }
        }
        let kept_from = self.entries.front().map_or(self.start, |entry| entry.offset);
        let dropped = (kept_from - self.start) as usize;
        // Moving what stays costs no more than what has gone.
        if dropped > self.small.len() / 2 {
            self.small.drain(..dropped);
            self.start = kept_from;
        }
    }

    /// Where in `small` the run of small frames from `index` on ends.
    fn small_end(&self, index: u64, limit: Option<u64>) -> usize {
        let large = self.large.iter().find(|&&large| large > index).copied();
        let stop = match (large, limit) {
            (None, None) => return self.small.len(),
            (Some(large), Some(limit)) => large.min(limit + 1),
            (Some(stop), None) => stop,
            (None, Some(limit)) => limit + 1,
        };
        let entry = self.entries.get((stop - self.first) as usize);
        entry.map_or(self.small.len(), |entry| (entry.offset - self.start) as usize)
    }
}

impl Entry {
    fn small_length(&self) -> u64 {
        if self.large.is_some() { 0 } else { self.length as u64 }
    }
}
