//! A JSON object of a token, taken apart: each member's value is left as it stands in the text. A
//! name that stands there twice is refused, for readers disagree on which of the two counts (RFC
//! 7519, section 4). What the members mean is the business of `verify` and `claims`.

use std::borrow::Cow;
use std::fmt;

use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, Visitor};
use serde_json::value::RawValue;

use crate::limits::JSON_DEPTH;

/// The members of one object, sorted by name.
#[derive(Debug)]
pub(super) struct Members<'a>(Vec<(Cow<'a, str>, &'a str)>);

/// A name, borrowed where it has no escapes.
#[derive(serde::Deserialize)]
struct Name<'a>(#[serde(borrow)] Cow<'a, str>);

impl<'a> Members<'a> {
    /// Reads a text, which must be one object, not nested too deeply, without a name twice.
    pub fn read(text: &'a str) -> Option<Self> {
        if depth(text.as_bytes()) > JSON_DEPTH {
            return None;
        }
        serde_json::from_str(text).ok()
    }

    /// The value of a member as it stands in the text; `null` is one.
    pub fn raw(&self, name: &str) -> Option<&'a str> {
        let at = self.0.binary_search_by(|(other, _)| (**other).cmp(name)).ok()?;
        self.0.get(at).map(|(_, value)| *value)
    }

    /// Reads the value of a member. `Err` where it is of another type.
    pub fn value<T: Deserialize<'a>>(&self, name: &str) -> Result<Option<T>, WrongType> {
        let Some(text) = self.raw(name) else { return Ok(None) };
        serde_json::from_str(text).map(Some).map_err(|_| WrongType)
    }
}

/// A member of another type.
#[derive(Debug, PartialEq)]
pub(super) struct WrongType;

impl<'de: 'a, 'a> Deserialize<'de> for Members<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_map(Reader)
    }
}

struct Reader;

impl<'de> Visitor<'de> for Reader {
    type Value = Members<'de>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Self::Value, A::Error> {
        let mut all = Vec::new();
        while let Some((Name(name), value)) = map.next_entry::<Name<'de>, &'de RawValue>()? {
            all.push((name, value.get()));
        }
        all.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
        if all.windows(2).any(|pair| pair[0].0 == pair[1].0) {
            return Err(A::Error::custom("a name stands there twice"));
        }
        Ok(Members(all))
    }
}

/// How deeply arrays and objects are nested in a text that may be JSON.
fn depth(text: &[u8]) -> usize {
    let (mut depth, mut deepest, mut quoted, mut escaped) = (0usize, 0, false, false);
    for byte in text {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if quoted => escaped = true,
            b'"' => quoted = !quoted,
            b'[' | b'{' if !quoted => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b']' | b'}' if !quoted => depth = depth.saturating_sub(1),
            _ => {}
        }
    }
    deepest
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn members_stay_as_they_stand_in_the_text() {
        let text = r#"{"b": [1, {"a": 2}], "a" : "x\u00e9", "":null, "\u0063":3}"#;
        let members = Members::read(text).expect("an object");
        assert_eq!(members.raw("b"), Some(r#"[1, {"a": 2}]"#));
        assert_eq!(members.raw(""), Some("null"));
        assert_eq!(members.raw("d"), None);
        assert_eq!(members.value::<String>("a"), Ok(Some("xé".into())));
        assert_eq!(members.value::<u32>("c"), Ok(Some(3)), "its name has an escape");
        assert_eq!(members.value::<u32>("a"), Err(WrongType));
    }

    #[test]
    fn what_is_no_object_or_says_something_twice() {
        for bad in [
            "",
            "[]",
            "null",
            "{",
            "{}x",
            r#"{"a":}"#,
            r#"{"a":1,"a":1}"#,
            r#"{"a":1,"b":2,"\u0061":3}"#,
            "{a:1}",
        ] {
            assert!(Members::read(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn nesting_is_bounded() {
        let nested =
            |depth: usize| format!(r#"{{"a":{}{}}}"#, "[".repeat(depth - 1), "]".repeat(depth - 1));
        assert!(Members::read(&nested(JSON_DEPTH)).is_some());
        assert!(Members::read(&nested(JSON_DEPTH + 1)).is_none());
        assert!(Members::read(&nested(100_000)).is_none());
        let quoted = format!(r#"{{"a":"{}\"{}"}}"#, "[".repeat(100), "{".repeat(100));
        assert!(Members::read(&quoted).is_some());
    }
}
