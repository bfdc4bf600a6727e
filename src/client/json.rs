//! JSON as this server reads it: an object is taken apart into the members that one knows, each
//! left as it stands in the text; a value is looked at only when it is needed. Nothing recurses,
//! and payloads are never parsed, only checked to be JSON.

use std::borrow::Cow;
use std::fmt;
use std::ops::RangeInclusive;

use serde::de::{
    DeserializeSeed, Deserializer, Error as _, IgnoredAny, MapAccess, SeqAccess, Visitor,
};
use serde_json::value::RawValue;

use super::code::{Code, Fault};
use crate::limits::JSON_DEPTH;

/// The members of one object whose names are known.
#[derive(Debug)]
pub(super) struct Members<'a, const N: usize> {
    scope: &'static str,
    names: &'static [&'static str; N],
    values: [Option<&'a str>; N],
    repeated: Option<&'static str>,
}

impl<'a, const N: usize> Members<'a, N> {
    /// Nothing read yet. `scope` stands before the names in messages, as `data.`.
    pub fn new(scope: &'static str, names: &'static [&'static str; N]) -> Self {
        Self { scope, names, values: [None; N], repeated: None }
    }

    /// Reads `text`, which must be one object. What came before an error stays readable, so that
    /// even broken requests can be answered under their `id`.
    pub fn read(&mut self, text: &'a str) -> Result<(), Fault> {
        let mut json = serde_json::Deserializer::from_str(text);
        if (&mut *self).deserialize(&mut json).and_then(|()| json.end()).is_err() {
            return Err(match is_json(text) {
                Ok(()) => Fault::new(Code::BadRequest, self.describe("must be an object")),
                Err(broken) => broken,
            });
        }
        if let Some(name) = self.repeated {
            let message = format!("{}{name}: stands there twice", self.scope);
            return Err(Fault::new(Code::BadRequest, message));
        }
        Ok(())
    }

    /// The fields, in the order of their names.
    pub fn fields(&self) -> [Field<'a>; N] {
        std::array::from_fn(|at| Field {
            scope: self.scope,
            name: self.names[at],
            raw: self.values[at],
        })
    }

    fn describe(&self, what: &str) -> String {
        match self.scope.trim_end_matches('.') {
            "" => format!("the message {what}"),
            scope => format!("{scope}: {what}"),
        }
    }
}

impl<'a, const N: usize> DeserializeSeed<'a> for &mut Members<'a, N> {
    type Value = ();

    fn deserialize<D: Deserializer<'a>>(self, json: D) -> Result<(), D::Error> {
        json.deserialize_map(self)
    }
}

impl<'a, const N: usize> Visitor<'a> for &mut Members<'a, N> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an object")
    }

    fn visit_map<A: MapAccess<'a>>(self, mut object: A) -> Result<(), A::Error> {
        while let Some(known) = object.next_key_seed(KnownName(self.names))? {
            let Some(at) = known else {
                object.next_value::<IgnoredAny>()?;
                continue;
            };
            let value = object.next_value::<&RawValue>()?.get();
            if self.values[at].is_some() {
                self.repeated = Some(self.names[at]);
            } else {
                self.values[at] = Some(value);
            }
        }
        Ok(())
    }
}

/// Finds the place of a member's name among the known ones.
struct KnownName<'n>(&'n [&'static str]);

impl<'a> DeserializeSeed<'a> for KnownName<'_> {
    type Value = Option<usize>;

    fn deserialize<D: Deserializer<'a>>(self, json: D) -> Result<Option<usize>, D::Error> {
        json.deserialize_str(self)
    }
}

impl Visitor<'_> for KnownName<'_> {
    type Value = Option<usize>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a name")
    }

    fn visit_str<E>(self, name: &str) -> Result<Option<usize>, E> {
        Ok(self.0.iter().position(|&known| known == name))
    }
}

/// One member of an object, as it stands in the text, or its absence.
#[derive(Clone, Copy, Debug)]
pub(super) struct Field<'a> {
    scope: &'static str,
    name: &'static str,
    raw: Option<&'a str>,
}

impl<'a> Field<'a> {
    /// The value as it stands in the text.
    pub fn raw(&self) -> Option<&'a str> {
        self.raw
    }

    /// A string of at most `max` bytes.
    pub fn text(&self, max: usize) -> Result<Option<Cow<'a, str>>, Fault> {
        let Some(raw) = self.raw else { return Ok(None) };
        match string(raw) {
            Some(text) if text.len() <= max => Ok(Some(text)),
            _ => Err(self.fault(&format!("must be a string of at most {max} bytes"))),
        }
    }

    /// A string of at most `max` bytes that must be there.
    pub fn required_text(&self, max: usize) -> Result<Cow<'a, str>, Fault> {
        self.text(max)?.ok_or_else(|| self.missing())
    }

    /// A string of any length that must be there.
    pub fn any_text(&self) -> Result<Cow<'a, str>, Fault> {
        let raw = self.raw.ok_or_else(|| self.missing())?;
        string(raw).ok_or_else(|| self.fault("must be a string"))
    }

    /// `true` or `false`; absent is false.
    pub fn flag(&self) -> Result<bool, Fault> {
        match self.raw {
            None | Some("false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(self.fault("must be true or false")),
        }
    }

    /// An integer in this range, written without point or exponent.
    pub fn integer(&self, range: RangeInclusive<u32>) -> Result<Option<u32>, Fault> {
        let Some(raw) = self.raw else { return Ok(None) };
        if let Some(number) = raw.parse().ok().filter(|number| range.contains(number)) {
            return Ok(Some(number));
        }
        let (least, most) = range.into_inner();
        Err(self.fault(&format!("must be an integer from {least} to {most}")))
    }

    /// A number in this range.
    pub fn number(&self, range: RangeInclusive<f64>) -> Result<Option<f64>, Fault> {
        let Some(raw) = self.raw else { return Ok(None) };
        if let Some(number) = raw.parse().ok().filter(|number| range.contains(number)) {
            return Ok(Some(number));
        }
        let (least, most) = range.into_inner();
        Err(self.fault(&format!("must be a number from {least} to {most}")))
    }

    /// The elements of an array of at most `max`, as they stand in the text.
    pub fn elements(&self, max: usize) -> Result<Option<Vec<&'a str>>, Fault> {
        let Some(raw) = self.raw else { return Ok(None) };
        if !raw.starts_with('[') {
            return Err(self.fault("must be an array"));
        }
        match elements(raw, max)? {
            Some(elements) => Ok(Some(elements)),
            None => Err(Fault::new(
                Code::TooLarge,
                format!("{}{}: must have at most {max} elements", self.scope, self.name),
            )),
        }
    }

    /// The same field with another value: one element of its array.
    pub fn element(&self, raw: &'a str) -> Self {
        Self { raw: Some(raw), ..*self }
    }

    /// A `bad_request` that names this field.
    pub fn fault(&self, what: &str) -> Fault {
        Fault::new(Code::BadRequest, format!("{}{}: {what}", self.scope, self.name))
    }

    /// A `bad_request` because this field is not there.
    pub fn missing(&self) -> Fault {
        self.fault("is missing")
    }
}

/// The text of a JSON string. `None` when `raw` is another value, or when its escapes are not
/// Unicode (half of a surrogate pair).
pub(super) fn string(raw: &str) -> Option<Cow<'_, str>> {
    let inner = raw.strip_prefix('"')?.strip_suffix('"')?;
    if memchr::memchr(b'\\', inner.as_bytes()).is_none() {
        return Some(Cow::Borrowed(inner));
    }
    serde_json::from_str(raw).ok().map(Cow::Owned)
}

/// Takes bytes as UTF-8 (RFC 8259, section 8.1).
pub(super) fn utf8(bytes: &[u8]) -> Result<&str, Fault> {
    simdutf8::basic::from_utf8(bytes).map_err(|_| Fault::new(Code::BadJson, "not UTF-8"))
}

/// Checks that `text` is one JSON value (RFC 8259), whatever its depth.
pub(super) fn is_json(text: &str) -> Result<(), Fault> {
    match serde_json::from_str::<IgnoredAny>(text) {
        Ok(_) => Ok(()),
        Err(error) => Err(Fault::new(Code::BadJson, format!("not JSON: {error}"))),
    }
}

/// Checks that no array or object of `text` lies deeper than `JSON_DEPTH`. For text that is not
/// JSON the answer means nothing.
pub(super) fn check_depth(text: &str) -> Result<(), Fault> {
    // Most messages do not even have so many brackets.
    if memchr::memchr2_iter(b'{', b'[', text.as_bytes()).nth(JSON_DEPTH).is_none()
        || depth(text.as_bytes()) <= JSON_DEPTH
    {
        return Ok(());
    }
    Err(Fault::new(Code::BadJson, format!("nested deeper than {JSON_DEPTH}")))
}

/// The deepest nesting of a JSON text.
fn depth(text: &[u8]) -> usize {
    let (mut depth, mut deepest) = (0usize, 0);
    let mut rest = text.iter();
    while let Some(byte) = rest.next() {
        match byte {
            b'{' | b'[' => {
                depth += 1;
                deepest = deepest.max(depth);
            }
            b'}' | b']' => depth = depth.saturating_sub(1),
            b'"' => skip_string(&mut rest),
            _ => {}
        }
    }
    deepest
}

/// Moves behind the quote that ends the string.
fn skip_string(rest: &mut std::slice::Iter<'_, u8>) {
    while let Some(at) = memchr::memchr2(b'"', b'\\', rest.as_slice()) {
        if rest.nth(at) == Some(&b'"') {
            return;
        }
        rest.next(); // what is escaped
    }
    *rest = [].iter();
}

/// The elements of a JSON array as they stand in the text, or `None` when there are more than
/// `max`.
pub(super) fn elements(text: &str, max: usize) -> Result<Option<Vec<&str>>, Fault> {
    let mut elements = Elements { found: Vec::new(), max, exceeded: false };
    let mut json = serde_json::Deserializer::from_str(text);
    match json.deserialize_seq(&mut elements).and_then(|()| json.end()) {
        Ok(()) => Ok(Some(elements.found)),
        Err(_) if elements.exceeded => Ok(None),
        Err(error) => Err(Fault::new(Code::BadJson, format!("not JSON: {error}"))),
    }
}

struct Elements<'a> {
    found: Vec<&'a str>,
    max: usize,
    exceeded: bool,
}

impl<'a> Visitor<'a> for &mut Elements<'a> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array")
    }

    fn visit_seq<A: SeqAccess<'a>>(self, mut array: A) -> Result<(), A::Error> {
        while let Some(element) = array.next_element::<&RawValue>()? {
            if self.found.len() == self.max {
                self.exceeded = true;
                return Err(A::Error::custom("too many"));
            }
            self.found.push(element.get());
        }
        Ok(())
    }
}

/// Appends `text` as a JSON string.
pub(super) fn push_string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut written = 0;
    for (at, byte) in text.bytes().enumerate() {
        if byte >= 0x20 && byte != b'"' && byte != b'\\' {
            continue;
        }
        out.extend_from_slice(&text.as_bytes()[written..at]);
        written = at + 1;
        match byte {
            b'"' | b'\\' => out.extend_from_slice(&[b'\\', byte]),
            b'\n' => out.extend_from_slice(b"\\n"),
            _ => {
                let digit = |nibble: u8| b"0123456789abcdef"[usize::from(nibble & 15)];
                out.extend_from_slice(b"\\u00");
                out.extend_from_slice(&[digit(byte >> 4), digit(byte)]);
            }
        }
    }
    out.extend_from_slice(&text.as_bytes()[written..]);
    out.push(b'"');
}

/// Appends an integer.
pub(super) fn push_number(out: &mut Vec<u8>, number: u64) {
    out.extend_from_slice(itoa::Buffer::new().format(number).as_bytes());
}

#[cfg(test)]
mod tests;
