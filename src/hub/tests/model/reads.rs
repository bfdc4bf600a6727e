//! What only reads: histories, descriptions and lists.

use std::sync::Arc;

use super::{Pair, Start};
use crate::hub::Position;
use crate::hub::shard::Span;

impl Pair {
    pub(super) fn history(
        &mut self,
        name: &str,
        since: Option<Start>,
        before: Option<Start>,
        limit: usize,
    ) {
        let since: Option<Box<str>> = since.map(|start| self.say(name, start).into());
        let before: Option<Box<str>> = before.map(|start| self.say(name, start).into());
        let span = Span { since: since.clone(), before: before.clone(), limit };
        let Some(excerpt) = self.shard.history(name, &span, &self.terms, self.now) else {
            return assert!(!self.channels.contains_key(name));
        };
        self.hold(name);
        let channel = &self.channels[name];
        let here = |text: &str| Position::parse(text).filter(|at| at.epoch == channel.epoch);
        let known = |at: &Position| at.index <= channel.head;
        let after = since.as_deref().map_or(Some(0), |s| here(s).filter(known).map(|at| at.index));
        let end = before.as_deref().map_or(Some(u64::MAX), |s| here(s).map(|at| at.index));
        let mut wanted: Vec<_> = channel.held.iter().map(|(_, p)| Arc::clone(p)).collect();
        wanted.retain(|p| after.is_some_and(|after| p.position.index > after));
        wanted.retain(|p| end.is_some_and(|end| p.position.index < end));
        let more = wanted.len() > limit;
        while wanted.len() > limit {
            let at = if since.is_some() { wanted.len() - 1 } else { 0 };
            wanted.remove(at);
        }
        assert_eq!(excerpt.messages, wanted);
        assert_eq!((excerpt.more, excerpt.position.index), (more, channel.head));
    }

    pub(super) fn describe(&mut self, name: &str) {
        let described = self.shard.describe(name, &self.terms, self.now);
        self.hold(name);
        let channel = self.channels.get(name);
        let position = channel.map(|c| Position { epoch: c.epoch, index: c.head });
        assert_eq!((&*described.name, described.position), (name, position));
        assert_eq!(described.history, channel.map_or(0, |channel| channel.held.len()));
    }

    pub(super) fn list(&mut self, after: Option<&str>, limit: usize) {
        let listed = self.shard.list("room", after, limit, |_| true).0;
        let names: Vec<String> = listed.iter().map(|listed| listed.name.to_string()).collect();
        let later = |name: &&String| after.is_none_or(|after| name.as_str() > after);
        let wanted = self.channels.keys().filter(|name| name.starts_with("room")).filter(later);
        assert_eq!(names, wanted.take(limit).cloned().collect::<Vec<_>>());
    }
}
