//! A sequence that grows in chunks of 256: entries never move when it grows, so growing copies
//! nothing and leaves no dead half behind. It owns its entries; it never shrinks below its length.

const CHUNK: usize = 256;

/// A growing sequence with stable entries.
#[derive(Debug)]
pub struct Chunks<T> {
    chunks: Vec<Vec<T>>,
    len: usize,
}

impl<T> Default for Chunks<T> {
    fn default() -> Self {
        Self { chunks: Vec::new(), len: 0 }
    }
}

impl<T> Chunks<T> {
    /// Number of entries.
    pub fn len(&self) -> usize {
        self.len
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len == 0
    }

    /// Adds an entry at the end and says where.
    pub fn push(&mut self, value: T) -> usize {
        let at = self.len;
        if at / CHUNK == self.chunks.len() {
            // The first chunk grows from small, for most sequences stay short.
            self.chunks.push(if at == 0 { Vec::new() } else { Vec::with_capacity(CHUNK) });
        }
        self.chunks[at / CHUNK].push(value);
        self.len += 1;
        at
    }

    /// Takes an entry out; the last one takes its place. `at` is less than `len`.
    pub fn swap_remove(&mut self, at: usize) -> T {
        assert!(at < self.len, "an entry stands there");
        self.len -= 1;
        let last = self.chunks[self.len / CHUNK].pop().expect("chunks are filled in order");
        if self.len.is_multiple_of(CHUNK) {
            self.chunks.pop();
        }
        if at == self.len { last } else { std::mem::replace(&mut self[at], last) }
    }

    /// The entry there, if there is one.
    pub fn get(&self, at: usize) -> Option<&T> {
        self.chunks.get(at / CHUNK)?.get(at % CHUNK)
    }

    /// The entry there, if there is one.
    pub fn get_mut(&mut self, at: usize) -> Option<&mut T> {
        self.chunks.get_mut(at / CHUNK)?.get_mut(at % CHUNK)
    }

    /// All entries, in order.
    pub fn iter(&self) -> impl Iterator<Item = &T> {
        self.chunks.iter().flatten()
    }

    /// All entries, in order.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = &mut T> {
        self.chunks.iter_mut().flatten()
    }

    /// Bytes held, from capacities.
    pub fn bytes(&self) -> usize {
        let entries: usize = self.chunks.iter().map(Vec::capacity).sum();
        entries * size_of::<T>() + self.chunks.capacity() * size_of::<Vec<T>>()
    }
}

impl<T> std::ops::Index<usize> for Chunks<T> {
    type Output = T;

    fn index(&self, at: usize) -> &T {
        &self.chunks[at / CHUNK][at % CHUNK]
    }
}

impl<T> std::ops::IndexMut<usize> for Chunks<T> {
    fn index_mut(&mut self, at: usize) -> &mut T {
        &mut self.chunks[at / CHUNK][at % CHUNK]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn behaves_like_a_vec() {
        let (mut chunks, mut oracle) = (Chunks::default(), Vec::new());
        let mut state = 1u64;
        for step in 0..20_000u64 {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
            let growing = step < 8_000 || step % 3 == 0;
            if growing || oracle.is_empty() {
                assert_eq!(chunks.push(step), oracle.len());
                oracle.push(step);
            } else {
                let at = (state >> 33) as usize % oracle.len();
                assert_eq!(chunks.swap_remove(at), oracle.swap_remove(at));
            }
            assert_eq!(chunks.len(), oracle.len());
        }
        assert!(chunks.iter().eq(oracle.iter()));
    }

    #[test]
    fn growing_wastes_less_than_one_chunk() {
        let mut chunks = Chunks::default();
        for value in 0..10_000u64 {
            chunks.push(value);
        }
        let waste = chunks.bytes() - 10_000 * size_of::<u64>();
        assert!(waste < 256 * 8 + 64 * 24, "{waste}");
    }
}
