//! Requests that outlive their message: those that wait.

use std::borrow::Cow;

use super::{Command, Data, Publish, Start, Wish};

type Text<'a> = Cow<'a, str>;

fn owned(text: Text<'_>) -> Text<'static> {
    Cow::Owned(text.into_owned())
}

impl Command<'_> {
    /// The same, on its own.
    pub fn into_owned(self) -> Command<'static> {
        match self {
            Self::Auth { token } => Command::Auth { token: owned(token) },
            Self::Subscribe { wishes, many } => {
                let own = |wish: Result<Wish<'_>, _>| wish.map(Wish::into_owned);
                Command::Subscribe { wishes: wishes.into_iter().map(own).collect(), many }
            }
            Self::Unsubscribe { channel } => Command::Unsubscribe { channel: owned(channel) },
            Self::Publish(publish) => Command::Publish(publish.into_owned()),
            Self::History { channel, start, limit } => {
                let start = match start {
                    Start::Head => Start::Head,
                    Start::Since(position) => Start::Since(owned(position)),
                    Start::Before(position) => Start::Before(owned(position)),
                };
                Command::History { channel: owned(channel), start, limit }
            }
            Self::Presence { channel, limit, cursor } => {
                Command::Presence { channel: owned(channel), limit, cursor: cursor.map(owned) }
            }
            // Nobody waits for anything to be said again, and nothing is kept for it.
            Self::Echo { data: _ } => Command::Echo { data: None },
            Self::Ping => Command::Ping,
        }
    }
}

impl Wish<'_> {
    /// The same, on its own.
    pub fn into_owned(self) -> Wish<'static> {
        let Self { channel, since, last, mode, max_rate, presence } = self;
        let (channel, since) = (owned(channel), since.map(owned));
        Wish { channel, since, last, mode, max_rate, presence }
    }
}

impl Publish<'_> {
    /// The same, on its own.
    pub fn into_owned(self) -> Publish<'static> {
        let Self { channel, data: Data { kind, bytes }, key, idempotency_key, skip_self } = self;
        Publish {
            channel: owned(channel),
            data: Data { kind, bytes: Cow::Owned(bytes.into_owned()) },
            key: key.map(owned),
            idempotency_key: idempotency_key.map(owned),
            skip_self,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::parse;

    #[test]
    fn nothing_is_lost() {
        for text in [
            r#"{"type":"auth","data":{"token":"t"}}"#,
            r#"{"type":"subscribe","id":1,"channel":"a","data":{"since":"e:1","last":3,
                "mode":"latest","max_rate":2.5,"presence":true}}"#,
            r#"{"type":"subscribe","data":{"channels":[{"channel":"a"},{"channel":"b..c"}]}}"#,
            r#"{"type":"unsubscribe","channel":"a"}"#,
            r#"{"type":"publish","channel":"a","data":[1],"key":"k","idempotency_key":"i",
                "skip_self":true}"#,
            r#"{"type":"history","channel":"a","data":{"before":"e:1","limit":2}}"#,
            r#"{"type":"history","channel":"a","data":{"since":"e:1"}}"#,
            r#"{"type":"history","channel":"a"}"#,
            r#"{"type":"presence","channel":"a","data":{"limit":2,"cursor":"c"}}"#,
            r#"{"type":"ping"}"#,
        ] {
            let [command, same] =
                [text, text].map(|text| parse(text.as_bytes()).expect(text).command);
            assert_eq!(command.into_owned(), same);
        }
    }
}
