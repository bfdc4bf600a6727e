//! Query parameters as routes want them. Each may stand once; one that does not parse is an error
//! that names it; those that nobody asks for are ignored.

use std::ops::RangeInclusive;

use super::{List, RouteError, Text};
use crate::http::target::{Fault, Query};

/// Items of a list when nobody says how many.
pub const DEFAULT_LIMIT: u32 = 100;

/// Items that may be asked for at once.
pub const MAX_LIMIT: u32 = 1000;

/// Bytes of a position.
const MAX_POSITION_BYTES: usize = 64;

/// Bytes of a cursor, prefix or the like.
const MAX_TEXT_BYTES: usize = 256;

#[derive(Clone, Copy)]
pub(super) struct Parameters<'a>(pub(super) Query<'a>);

impl<'a> Parameters<'a> {
    pub(super) fn text(self, name: &'static str) -> Result<Option<Text<'a>>, RouteError> {
        self.bounded(name, MAX_TEXT_BYTES)
    }

    /// A position; whether it is one of ours is known to the hub.
    pub(super) fn position(self, name: &'static str) -> Result<Option<Text<'a>>, RouteError> {
        self.bounded(name, MAX_POSITION_BYTES)
    }

    /// Decimal digits, within `range`.
    pub(super) fn number(
        self,
        name: &'static str,
        range: RangeInclusive<u32>,
    ) -> Result<Option<u32>, RouteError> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let plain = text.bytes().all(|byte| byte.is_ascii_digit());
        match text.parse() {
            Ok(number) if plain && range.contains(&number) => Ok(Some(number)),
            Ok(_) if plain => Err(bad(name, "is out of range")),
            _ => Err(bad(name, "is not a number")),
        }
    }

    /// One of a few words.
    pub(super) fn choice(
        self,
        name: &'static str,
        words: &[&'static str],
    ) -> Result<Option<&'static str>, RouteError> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let word = words.iter().find(|word| **word == text);
        word.map(|word| Some(*word)).ok_or(bad(name, "is none of the values that it can have"))
    }

    pub(super) fn limit(self) -> Result<u32, RouteError> {
        Ok(self.number("limit", 1..=MAX_LIMIT)?.unwrap_or(DEFAULT_LIMIT))
    }

    pub(super) fn list(self) -> Result<List<'a>, RouteError> {
        Ok(List { limit: self.limit()?, cursor: self.text("cursor")? })
    }

    pub(super) fn reconnect(self) -> Result<bool, RouteError> {
        Ok(self.choice("reconnect", &["true", "false"])? == Some("true"))
    }

    fn bounded(self, name: &'static str, max_bytes: usize) -> Result<Option<Text<'a>>, RouteError> {
        match self.0.single(name) {
            Ok(Some(text)) if text.len() > max_bytes => Err(bad(name, "is too long")),
            Ok(text) => Ok(text),
            Err(Fault::Repeated) => Err(bad(name, "stands more than once")),
            Err(Fault::Encoding) => Err(bad(name, "is not percent-encoded UTF-8")),
        }
    }
}

fn bad(name: &'static str, problem: &'static str) -> RouteError {
    RouteError::BadRequest { name, problem }
}
