//! JSON as this server reads it: an object is taken apart into the members that one knows, each
//! left as it stands in the text; a value is looked at only when it is needed. Payloads are never
//! parsed, only checked to be JSON: see `scan`.

use std::borrow::Cow;
use std::ops::RangeInclusive;

use super::code::{Code, Fault};
use super::scan::{Flaw, Scanner};

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
        let mut scan = Scanner::new(text);
        if !scan.opens(b'{') {
            is_json(text)?;
            return Err(Fault::new(Code::BadRequest, self.describe("must be an object")));
        }
        self.read_members(&mut scan).map_err(|flaw| scan.fault(flaw))?;
        match self.repeated {
            None => Ok(()),
            Some(name) => {
                let message = format!("{}{name}: stands there twice", self.scope);
                Err(Fault::new(Code::BadRequest, message))
            }
        }
    }

    fn read_members(&mut self, scan: &mut Scanner<'a>) -> Result<(), Flaw> {
        let mut more = !scan.closes(b'}');
        while more {
            let name = scan.name()?;
            let value = scan.value(1)?;
            self.keep(name, value);
            more = scan.continues(b'}')?;
        }
        scan.end()
    }

    /// Keeps the value when its name, with quotes, is one of ours.
    fn keep(&mut self, quoted: &str, value: &'a str) {
        let place = |name: &str| self.names.iter().position(|&known| known == name);
        let plain = quoted.get(1..quoted.len() - 1).unwrap_or_default();
        // Only a name that is none of ours may be one of ours with escapes.
        let Some(at) = place(plain).or_else(|| place(&string(quoted)?)) else { return };
        if self.values[at].is_some() {
            self.repeated = Some(self.names[at]);
        } else {
            self.values[at] = Some(value);
        }
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

/// Checks that `text` is one JSON value (RFC 8259), nested at most `JSON_DEPTH` deep.
pub(super) fn is_json(text: &str) -> Result<(), Fault> {
    let mut scan = Scanner::new(text);
    scan.value(0).and_then(|_| scan.end()).map_err(|flaw| scan.fault(flaw))
}

/// The elements of a JSON array as they stand in the text, or `None` when there are more than
/// `max`.
pub(super) fn elements(text: &str, max: usize) -> Result<Option<Vec<&str>>, Fault> {
    let mut scan = Scanner::new(text);
    scan_elements(&mut scan, max).map_err(|flaw| scan.fault(flaw))
}

fn scan_elements<'a>(scan: &mut Scanner<'a>, max: usize) -> Result<Option<Vec<&'a str>>, Flaw> {
    if !scan.opens(b'[') {
        return Err(Flaw::Grammar);
    }
    let mut found = Vec::new();
    let mut more = !scan.closes(b']');
    while more {
        if found.len() == max {
            return Ok(None);
        }
        found.push(scan.value(1)?);
        more = scan.continues(b']')?;
    }
    scan.end()?;
    Ok(Some(found))
}

#[cfg(test)]
mod tests;
