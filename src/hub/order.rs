//! The names of a shard's channels in order, for lists. It takes 24 bytes a channel, about a tenth
//! of what a channel takes anyway, and is touched when one is made or forgotten; without it each
//! page of a list would look at every channel. What stands under a name is `shard`'s business.

use std::collections::BTreeSet;
use std::ops::Bound;
use std::sync::Arc;

use crate::limits::LIST_VISITS;

/// The first text behind all reserved names, which begin with `$`.
const BEHIND_RESERVED: &str = "%";

/// Names in order.
#[derive(Debug, Default)]
pub struct Order(BTreeSet<Arc<str>>);

/// What one look found.
#[derive(Debug)]
pub struct Look<'a> {
    /// Names, in order.
    pub names: Vec<&'a Arc<str>>,
    /// The name up to which was looked, where there may be more.
    pub rest: Option<&'a Arc<str>>,
}

impl Order {
    /// Takes a name in.
    pub fn insert(&mut self, name: Arc<str>) {
        self.0.insert(name);
    }

    /// Takes a name out.
    pub fn remove(&mut self, name: &str) {
        self.0.remove(name);
    }

    /// The names that begin with `prefix`, stand after `after` and are `wanted`, at most `limit`.
    /// Looks at a bounded number of names; reserved ones are left out.
    pub fn look(
        &self,
        prefix: &str,
        after: Option<&str>,
        limit: usize,
        wanted: impl Fn(&str) -> bool,
    ) -> Look<'_> {
        let from = match after {
            Some(after) if after >= prefix && after >= BEHIND_RESERVED => Bound::Excluded(after),
            _ => Bound::Included(prefix.max(BEHIND_RESERVED)),
        };
        let mut all = self.0.range::<str, _>((from, Bound::Unbounded));
        let (mut names, mut rest) = (Vec::new(), None);
        for _ in 0..LIST_VISITS {
            if names.len() >= limit {
                break;
            }
            let Some(name) = all.next().filter(|name| name.starts_with(prefix)) else {
                return Look { names, rest: None };
            };
            if wanted(name) {
                names.push(name);
            }
            rest = Some(name);
        }
        Look { names, rest }
    }
}
