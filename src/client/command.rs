//! What a client may say: one text message in, one `Request` or one `Refusal` out. Syntax only:
//! whether it is allowed, or switched on, is decided by the session. Payloads are not looked into.
//! The story continues in `answer`.

use std::borrow::Cow;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;

use super::code::{Code, Fault};
use super::json::{self, Field, Members};
use super::name;
use crate::hub::Kind;
pub use crate::hub::Mode;
use crate::limits::{
    LIST_LIMIT, MAX_CHANNEL_NAME, MAX_KEY, MAX_LIST_LIMIT, MAX_POSITION, MAX_REQUEST_ID,
    MAX_REQUEST_NUMBER, MAX_TOKEN, MAX_WISHES, RATES,
};

mod owned;

/// One message of a client.
#[derive(Debug, PartialEq)]
pub struct Request<'a> {
    /// The client's own mark, echoed on the answer.
    pub id: RequestId,
    /// What is asked for.
    pub command: Command<'a>,
}

/// The `id` of a request. Owned, since it may travel to another worker.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum RequestId {
    /// The request had none, or none that could be read.
    #[default]
    None,
    /// From 0 to 2^53-1.
    Number(u64),
    /// At most 64 bytes.
    Text(Box<str>),
}

/// What a client may ask for. Channels have been checked to be names.
#[derive(Debug, PartialEq)]
pub enum Command<'a> {
    /// Log in, or refresh the token.
    Auth {
        /// As it came.
        token: Cow<'a, str>,
    },
    /// Follow channels.
    Subscribe {
        /// At least one; each gets an answer of its own, which for some is already known.
        wishes: Vec<Result<Wish<'a>, Refusal>>,
        /// They came as a list, `data.channels`.
        many: bool,
    },
    /// Leave a channel.
    Unsubscribe {
        /// Its name.
        channel: Cow<'a, str>,
    },
    /// Publish to a channel.
    Publish(Publish<'a>),
    /// Read what a channel's history holds.
    History {
        /// Its name.
        channel: Cow<'a, str>,
        /// From where.
        start: Start<'a>,
        /// How many at most, 1 to 1000.
        limit: u32,
    },
    /// Who is there.
    Presence {
        /// Its name.
        channel: Cow<'a, str>,
        /// How many at most, 1 to 1000.
        limit: u32,
        /// Where the last answer stopped.
        cursor: Option<Cow<'a, str>>,
    },
    /// Say it again.
    Echo {
        /// The JSON value to say, as it stands in the message.
        data: Option<&'a str>,
    },
    /// Are you there?
    Ping,
}

impl Command<'_> {
    /// The channel that it is about, where it is one.
    pub fn channel(&self) -> Option<&str> {
        match self {
            Self::Unsubscribe { channel }
            | Self::History { channel, .. }
            | Self::Presence { channel, .. } => Some(channel),
            Self::Publish(publish) => Some(&publish.channel),
            Self::Auth { .. } | Self::Subscribe { .. } | Self::Echo { .. } | Self::Ping => None,
        }
    }
}

/// One channel that a client wants to follow.
#[derive(Debug, PartialEq)]
pub struct Wish<'a> {
    /// Its name.
    pub channel: Cow<'a, str>,
    /// Resume after this position.
    pub since: Option<Cow<'a, str>>,
    /// So many of the latest, alone or when `since` cannot be met.
    pub last: Option<u32>,
    /// Everything, or the newest of every key.
    pub mode: Mode,
    /// Rounds a second, in `latest` only.
    pub max_rate: Option<f64>,
    /// Hear who comes and goes.
    pub presence: bool,
}

/// From where history is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Start<'a> {
    /// The latest.
    Head,
    /// What came after this position, oldest first.
    Since(Cow<'a, str>),
    /// What came before this position.
    Before(Cow<'a, str>),
}

/// A publication as a client or the backend asks for it.
#[derive(Debug, PartialEq)]
pub struct Publish<'a> {
    /// The channel's name.
    pub channel: Cow<'a, str>,
    /// What is published.
    pub data: Data<'a>,
    /// The conflation key, 1 to 64 bytes.
    pub key: Option<Cow<'a, str>>,
    /// 1 to 64 bytes.
    pub idempotency_key: Option<Cow<'a, str>>,
    /// The publisher's connection shall not get it live.
    pub skip_self: bool,
}

/// A payload: the very bytes that will be passed on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Data<'a> {
    /// How to understand them.
    pub kind: Kind,
    /// Borrowed from the message wherever they stand in it as they are.
    pub bytes: Cow<'a, [u8]>,
}

/// A request that is not carried out, and all that its `error` needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// Of the request, where it could be read.
    pub id: RequestId,
    /// Of the request, where it could be read.
    pub channel: Option<Box<str>>,
    /// What is wrong.
    pub fault: Fault,
}

const ENVELOPE: [&str; 8] =
    ["type", "id", "channel", "data", "encoding", "key", "idempotency_key", "skip_self"];

/// Reads one message.
///
/// # Errors
/// A refusal that carries the request's `id` and `channel` whenever they could be read, even when
/// the text breaks off behind them.
pub fn parse(text: &[u8]) -> Result<Request<'_>, Refusal> {
    let mut envelope = Members::new("", &ENVELOPE);
    json::utf8(text).and_then(|text| request(text, &mut envelope)).map_err(|fault| {
        let [_, id, channel, ..] = envelope.fields();
        let id = request_id(id).unwrap_or_default();
        let channel = channel.text(MAX_CHANNEL_NAME).ok().flatten().map(Cow::into);
        Refusal { id, channel, fault }
    })
}

fn request<'a>(
    text: &'a str,
    envelope: &mut Members<'a, { ENVELOPE.len() }>,
) -> Result<Request<'a>, Fault> {
    envelope.read(text)?;
    let [kind, id, channel, data, encoding, key, idempotency_key, skip_self] = envelope.fields();
    let id = request_id(id)?;
    if kind.raw().is_none() {
        // Without a type it is an echo: of `data`, else of everything.
        return Ok(Request {
            id,
            command: Command::Echo { data: data.raw().or(Some(text.trim())) },
        });
    }
    let command = match &*kind.any_text()? {
        "publish" => Command::Publish(Publish {
            channel: writable(channel)?,
            data: payload(data, encoding)?,
            key: short_text(key)?,
            idempotency_key: short_text(idempotency_key)?,
            skip_self: skip_self.flag()?,
        }),
        "echo" => Command::Echo { data: data.raw() },
        "ping" => Command::Ping,
        "subscribe" => subscribe(&id, channel, data)?,
        "unsubscribe" => Command::Unsubscribe { channel: readable(channel)? },
        "history" => history(channel, data)?,
        "presence" => presence(channel, data)?,
        "auth" => auth(data)?,
        _ => return Err(Fault::new(Code::UnknownType, "type: not known here")),
    };
    Ok(Request { id, command })
}

const SUBSCRIBE: [&str; 6] = ["channels", "since", "last", "mode", "max_rate", "presence"];
const WISH: [&str; 6] = ["channel", "since", "last", "mode", "max_rate", "presence"];

fn subscribe<'a>(
    id: &RequestId,
    channel: Field<'a>,
    data: Field<'a>,
) -> Result<Command<'a>, Fault> {
    let fields = options(data, &SUBSCRIBE)?;
    let [channels, ..] = fields;
    let Some(items) = channels.elements(MAX_WISHES)? else {
        let wishes = vec![Ok(wish(readable(channel)?, &fields)?)];
        return Ok(Command::Subscribe { wishes, many: false });
    };
    if channel.raw().is_some() {
        return Err(channel.fault("must not stand beside data.channels"));
    }
    if items.is_empty() {
        return Err(channels.fault("must name at least one channel"));
    }
    let wishes = items.into_iter().map(|item| listed_wish(id, item));
    Ok(Command::Subscribe { wishes: wishes.collect::<Result<_, _>>()?, many: true })
}

/// One element of `data.channels`. Without a readable channel there is nobody to tell apart, so
/// that the whole request is refused; any other fault concerns this channel alone.
fn listed_wish<'a>(id: &RequestId, item: &'a str) -> Result<Result<Wish<'a>, Refusal>, Fault> {
    let mut members = Members::new("data.channels.", &WISH);
    let outcome = members.read(item);
    let fields = members.fields();
    let [channel, ..] = fields;
    let name = channel.any_text()?;
    let told = Some(&*name).filter(|name| name.len() <= MAX_CHANNEL_NAME).map(Box::from);
    Ok(outcome
        .and_then(|()| name::check_readable(&name))
        .and_then(|()| wish(name, &fields))
        .map_err(|fault| Refusal { id: id.clone(), channel: told, fault }))
}

fn wish<'a>(channel: Cow<'a, str>, fields: &[Field<'a>; 6]) -> Result<Wish<'a>, Fault> {
    let [_, since, last, mode_field, max_rate, presence] = fields;
    let mode = match mode_field.text(MAX_KEY)?.as_deref() {
        None | Some("all") => Mode::All,
        Some("latest") => Mode::Latest,
        Some(_) => return Err(mode_field.fault("must be \"all\" or \"latest\"")),
    };
    let rate = max_rate.number(RATES)?;
    if rate.is_some() && mode == Mode::All {
        return Err(max_rate.fault("needs mode \"latest\""));
    }
    Ok(Wish {
        channel,
        since: since.text(MAX_POSITION)?,
        last: last.integer(0..=u32::MAX)?,
        mode,
        max_rate: rate,
        presence: presence.flag()?,
    })
}

fn history<'a>(channel: Field<'a>, data: Field<'a>) -> Result<Command<'a>, Fault> {
    const NAMES: [&str; 3] = ["since", "before", "limit"];
    let [since, before, limit] = options(data, &NAMES)?;
    let start = match (since.text(MAX_POSITION)?, before.text(MAX_POSITION)?) {
        (None, None) => Start::Head,
        (Some(since), None) => Start::Since(since),
        (None, Some(before)) => Start::Before(before),
        (Some(_), Some(_)) => return Err(before.fault("must not stand beside data.since")),
    };
    Ok(Command::History { channel: readable(channel)?, start, limit: list_limit(limit)? })
}

fn presence<'a>(channel: Field<'a>, data: Field<'a>) -> Result<Command<'a>, Fault> {
    const NAMES: [&str; 2] = ["limit", "cursor"];
    let [limit, cursor] = options(data, &NAMES)?;
    Ok(Command::Presence {
        channel: readable(channel)?,
        limit: list_limit(limit)?,
        cursor: cursor.text(MAX_TOKEN)?,
    })
}

fn auth(data: Field<'_>) -> Result<Command<'_>, Fault> {
    const NAMES: [&str; 1] = ["token"];
    let [token] = options(data, &NAMES)?;
    Ok(Command::Auth { token: token.required_text(MAX_TOKEN)? })
}

/// The known members of `data`; without `data` none is there.
fn options<'a, const N: usize>(
    data: Field<'a>,
    names: &'static [&'static str; N],
) -> Result<[Field<'a>; N], Fault> {
    let mut members = Members::new("data.", names);
    if let Some(raw) = data.raw() {
        members.read(raw)?;
    }
    Ok(members.fields())
}

fn request_id(id: Field<'_>) -> Result<RequestId, Fault> {
    let Some(raw) = id.raw() else { return Ok(RequestId::None) };
    if let Some(text) = json::string(raw).filter(|text| text.len() <= MAX_REQUEST_ID) {
        return Ok(RequestId::Text(text.into()));
    }
    match raw.parse() {
        Ok(number) if number <= MAX_REQUEST_NUMBER => Ok(RequestId::Number(number)),
        _ => Err(id.fault("must be a string of at most 64 bytes or an integer from 0 to 2^53-1")),
    }
}

fn readable(channel: Field<'_>) -> Result<Cow<'_, str>, Fault> {
    let name = channel.any_text()?;
    name::check_readable(&name)?;
    Ok(name)
}

fn writable(channel: Field<'_>) -> Result<Cow<'_, str>, Fault> {
    let name = channel.any_text()?;
    name::check_writable(&name)?;
    Ok(name)
}

/// A key of either sort.
pub(super) fn short_text(field: Field<'_>) -> Result<Option<Cow<'_, str>>, Fault> {
    match field.text(MAX_KEY)? {
        Some(text) if text.is_empty() => Err(field.fault("must not be empty")),
        text => Ok(text),
    }
}

fn list_limit(limit: Field<'_>) -> Result<u32, Fault> {
    Ok(limit.integer(1..=MAX_LIST_LIMIT)?.unwrap_or(LIST_LIMIT))
}

/// What is published: `data` verbatim, or what it encodes.
pub(super) fn payload<'a>(data: Field<'a>, encoding: Field<'a>) -> Result<Data<'a>, Fault> {
    let raw = data.raw().ok_or_else(|| data.missing())?;
    match encoding.text(MAX_KEY)?.as_deref() {
        None => Ok(Data { kind: Kind::Json, bytes: Cow::Borrowed(raw.as_bytes()) }),
        Some("text") => {
            let bytes = match data.any_text()? {
                Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
                Cow::Owned(text) => Cow::Owned(text.into_bytes()),
            };
            Ok(Data { kind: Kind::Text, bytes })
        }
        Some("base64") => match STANDARD.decode(data.any_text()?.as_bytes()) {
            Ok(bytes) => Ok(Data { kind: Kind::Binary, bytes: Cow::Owned(bytes) }),
            Err(_) => Err(data.fault("must be base64 (RFC 4648, section 4, with padding)")),
        },
        Some(_) => Err(encoding.fault("must be \"base64\" or \"text\"")),
    }
}

#[cfg(test)]
mod tests;
