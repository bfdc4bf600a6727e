//! What the backend may publish over HTTP: one JSON value for one channel, or a list of items. An
//! error concerns the item that it stands in, not the list. The routes are `http::routes`; what
//! clients publish is `command`.

use std::borrow::Cow;

use super::code::{Code, Fault};
use super::command::{Data, payload, short_text};
use super::json::{self, Field, Members};
use super::name;
use crate::hub::Kind;

/// One item of `POST /publish`.
#[derive(Debug, PartialEq)]
pub struct Item<'a> {
    /// Where it goes: each gets a result, in this order, and some results are already known.
    pub channels: Vec<Result<Cow<'a, str>, Fault>>,
    /// What is published; of no meaning when no channel is left.
    pub data: Data<'a>,
    /// The conflation key, 1 to 64 bytes.
    pub key: Option<Cow<'a, str>>,
    /// 1 to 64 bytes.
    pub idempotency_key: Option<Cow<'a, str>>,
}

/// Takes the body of `POST /channels/{name}` and `POST /broadcast`: one JSON value, passed on as it
/// stands there.
///
/// # Errors
/// `bad_json`.
pub fn parse_value(body: &[u8]) -> Result<Data<'_>, Fault> {
    let text = json::utf8(body)?.trim_matches(WHITESPACE);
    json::is_json(text)?;
    Ok(Data { kind: Kind::Json, bytes: Cow::Borrowed(text.as_bytes()) })
}

/// Takes the body of `POST /publish`: one object or an array of them. `max_batch` bounds the
/// results, which are one for each item and channel.
///
/// # Errors
/// `bad_json`; `bad_request` when it is neither; `too_large`.
pub fn parse_batch(body: &[u8], max_batch: usize) -> Result<Vec<Item<'_>>, Fault> {
    let text = json::utf8(body)?.trim_matches(WHITESPACE);
    let too_large = || Fault::new(Code::TooLarge, format!("at most {max_batch} publications"));
    let texts = if text.starts_with('[') {
        json::elements(text, max_batch)?.ok_or_else(too_large)?
    } else {
        json::is_json(text)?;
        vec![text]
    };
    if !text.starts_with(['[', '{']) {
        return Err(Fault::new(Code::BadRequest, "the body must be an object or an array"));
    }
    let mut items = Vec::with_capacity(texts.len());
    let mut left = max_batch;
    for text in texts {
        let item = parse_item(text, left)?;
        left = left.checked_sub(item.channels.len()).ok_or_else(too_large)?;
        items.push(item);
    }
    Ok(items)
}

/// What JSON calls whitespace (RFC 8259, section 2), which is less than Unicode does.
const WHITESPACE: [char; 4] = [' ', '\t', '\n', '\r'];

const ITEM: [&str; 6] = ["channel", "channels", "data", "encoding", "key", "idempotency_key"];

fn parse_item(text: &str, max_channels: usize) -> Result<Item<'_>, Fault> {
    let mut members = Members::new("", &ITEM);
    let outcome = members.read(text);
    let [channel, channels, data, encoding, key, idempotency_key] = members.fields();
    let mut item = Item {
        channels: item_channels(channel, channels, max_channels)?,
        data: Data { kind: Kind::Json, bytes: Cow::Borrowed(b"null") },
        key: None,
        idempotency_key: None,
    };
    let fill = || {
        outcome?;
        item.data = payload(data, encoding)?;
        item.key = short_text(key)?;
        item.idempotency_key = short_text(idempotency_key)?;
        Ok(())
    };
    if let Err(fault) = fill() {
        item.channels.fill(Err(fault));
    }
    Ok(item)
}

/// Where an item goes. Always at least one result; fails only when there are more than `max`.
fn item_channels<'a>(
    channel: Field<'a>,
    channels: Field<'a>,
    max: usize,
) -> Result<Vec<Result<Cow<'a, str>, Fault>>, Fault> {
    match (channel.raw(), channels.raw()) {
        (Some(_), Some(_)) => Ok(vec![Err(channels.fault("must not stand beside channel"))]),
        (_, None) => Ok(vec![writable(channel)]),
        (None, Some(_)) => match channels.elements(max) {
            Ok(Some(names)) if !names.is_empty() => {
                Ok(names.into_iter().map(|name| writable(channels.element(name))).collect())
            }
            Err(fault) if fault.code == Code::TooLarge => Err(fault),
            Err(fault) => Ok(vec![Err(fault)]),
            Ok(_) => Ok(vec![Err(channels.fault("must name at least one channel"))]),
        },
    }
}

fn writable(channel: Field<'_>) -> Result<Cow<'_, str>, Fault> {
    let name = channel.any_text()?;
    name::check_writable(&name)?;
    Ok(name)
}

#[cfg(test)]
mod tests;
