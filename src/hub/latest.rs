//! The last values of a channel with keys: for every key the index of its newest publication, and
//! those newest ones that the history has let go. It never holds what the history still has, and
//! what is superseded it never holds at all. When to let go is decided in `history`.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Publication;
use super::history::cost;

/// What a key costs besides its text: its entry, and its share of the tree.
pub const KEY_OVERHEAD: usize = 64;

/// The newest publication of every key. No key is one key.
#[derive(Debug, Default)]
pub struct Latest {
    /// Index of the newest, by key.
    keys: BTreeMap<Box<str>, u64>,
    /// Index of the newest without a key; 0: there is none.
    keyless: u64,
    /// What the history has let go, by index.
    kept: BTreeMap<u64, Arc<Publication>>,
    bytes: usize,
}

impl Latest {
    /// No keys; `keyless` is the index of the newest publication so far, 0 before the first.
    pub fn new(keyless: u64) -> Self {
        Self { keyless, ..Self::default() }
    }

    /// A new publication supersedes that of the same key.
    pub fn supersede(&mut self, publication: &Publication) {
        let index = publication.position.index;
        let newest = match &publication.key {
            None => &mut self.keyless,
            Some(key) => self.keys.entry(key.clone()).or_insert_with(|| {
                self.bytes += KEY_OVERHEAD + key.len();
                0
            }),
        };
        let before = std::mem::replace(newest, index);
        if let Some(superseded) = self.kept.remove(&before) {
            self.bytes -= cost(&superseded);
        }
    }

    /// Whether nothing newer has the same key.
    pub fn is_newest(&self, publication: &Publication) -> bool {
        let newest = match &publication.key {
            None => self.keyless,
            Some(key) => self.keys.get(key).copied().unwrap_or(0),
        };
        newest == publication.position.index
    }

    /// Holds the newest of its key, which the history lets go. It is newer than all held here.
    pub fn keep(&mut self, publication: Arc<Publication>) {
        self.bytes += cost(&publication);
        self.kept.insert(publication.position.index, publication);
    }

    /// Forgets the key whose newest publication is the oldest held here; returns its index.
    pub fn forget_oldest(&mut self) -> Option<u64> {
        let (index, publication) = self.kept.pop_first()?;
        self.bytes -= cost(&publication);
        match &publication.key {
            None => self.keyless = 0,
            Some(key) => {
                self.keys.remove(key);
                self.bytes -= KEY_OVERHEAD + key.len();
            }
        }
        Some(index)
    }

    /// Number of keys, not counting "no key".
    pub fn keys(&self) -> usize {
        self.keys.len()
    }

    /// Number of publications held here.
    pub fn held(&self) -> usize {
        self.kept.len()
    }

    /// Bytes of keys and of publications held here.
    pub fn bytes(&self) -> usize {
        self.bytes
    }

    /// The publications held here, from `index` on, in order.
    pub fn from(&self, index: u64) -> impl Iterator<Item = &Arc<Publication>> {
        self.kept.range(index..).map(|(_, publication)| publication)
    }
}
