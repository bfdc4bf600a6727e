//! Names of channels: segments of `[A-Za-z0-9_~:@=+-]` joined by single dots, up to 128 bytes, case
//! matters. Names that start with `$` are reserved. Who may use a channel is not decided here.

use super::code::{Code, Fault};
use crate::limits::{MAX_CHANNEL_NAME, MAX_USER};

/// What a text is as the name of a channel.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Name {
    /// A channel like any other.
    Plain,
    /// `$all`: everybody.
    All,
    /// `$user`: one's own.
    User,
    /// Starts with `$` and means nothing yet.
    Reserved,
    /// Not a name.
    Invalid,
}

impl Name {
    /// Tells what `text` is. Only the text after `$` is not looked at: no such name is in use.
    pub fn of(text: &str) -> Self {
        match text {
            "$all" => Self::All,
            "$user" => Self::User,
            _ if text.starts_with('$') => Self::Reserved,
            _ if is_plain(text.as_bytes()) => Self::Plain,
            _ => Self::Invalid,
        }
    }
}

/// Accepts what a client may subscribe to and read: plain names, `$all` and `$user`.
///
/// # Errors
/// `bad_channel`.
pub fn check_readable(text: &str) -> Result<(), Fault> {
    match Name::of(text) {
        Name::Plain | Name::All | Name::User => Ok(()),
        Name::Reserved | Name::Invalid => Err(bad_channel()),
    }
}

/// Accepts what the backend may read: plain names and `$all`. What is called `$user` is another
/// channel for each user.
///
/// # Errors
/// `bad_channel`.
pub fn check_one(text: &str) -> Result<(), Fault> {
    if Name::of(text) == Name::User {
        let message = "channel: $user is each user's own, and nobody else reads it; \
                       POST /users/{user} publishes to it";
        return Err(Fault::new(Code::BadChannel, message));
    }
    check_readable(text)
}

/// Accepts what may be published to by name: plain names only.
///
/// # Errors
/// `forbidden` for a reserved name, else `bad_channel`.
pub fn check_writable(text: &str) -> Result<(), Fault> {
    match Name::of(text) {
        Name::Plain => Ok(()),
        Name::All | Name::User | Name::Reserved => Err(Fault::new(
            Code::Forbidden,
            "channel: names that start with $ are for hearing only",
        )),
        Name::Invalid => Err(bad_channel()),
    }
}

/// Accepts what may be a user's id: 1 to 128 bytes of UTF-8 without control characters.
///
/// # Errors
/// `bad_request`.
pub fn check_user(text: &str) -> Result<(), Fault> {
    if (1..=MAX_USER).contains(&text.len()) && !text.chars().any(char::is_control) {
        return Ok(());
    }
    let message = "user: must have 1 to 128 bytes of UTF-8 without control characters";
    Err(Fault::new(Code::BadRequest, message))
}

fn bad_channel() -> Fault {
    Fault::new(
        Code::BadChannel,
        "channel: must be segments of A-Z a-z 0-9 _ ~ : @ = + - joined by single dots, \
         at most 128 bytes",
    )
}

fn is_plain(name: &[u8]) -> bool {
    // An empty name, a dot at either end and two dots in a row all make an empty segment.
    name.len() <= MAX_CHANNEL_NAME
        && name
            .split(|&byte| byte == b'.')
            .all(|segment| !segment.is_empty() && segment.iter().copied().all(is_in_segment))
}

fn is_in_segment(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_~:@=+-".contains(&byte)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_names() {
        let longest = "x".repeat(MAX_CHANNEL_NAME);
        for name in ["a", "room.7", "A.b.C", "~a:b@c=d+e-f_g", "0", "a.b.c.d.e", &longest] {
            assert_eq!(Name::of(name), Name::Plain, "{name}");
        }
    }

    #[test]
    fn not_names() {
        let too_long = "x".repeat(MAX_CHANNEL_NAME + 1);
        let dots = ["", ".", "a.", ".a", "a..b", "a...b"];
        let bytes = ["a b", "a/b", "a*", "*", ">", "a.>", "a$", "ä", "a\0", "a\n", "a\"", "a%41"];
        for name in dots.iter().chain(&bytes).copied().chain([too_long.as_str()]) {
            assert_eq!(Name::of(name), Name::Invalid, "{name:?}");
        }
    }

    #[test]
    fn every_byte() {
        for byte in 0..128u8 {
            let name = format!("a{}b", char::from(byte));
            let legal = byte.is_ascii_alphanumeric() || "_~:@=+-.".contains(char::from(byte));
            assert_eq!(Name::of(&name) == Name::Plain, legal, "{name:?}");
        }
    }

    #[test]
    fn users() {
        let longest = "x".repeat(MAX_USER);
        for user in ["a", "ann@example.org", "Zoë", "a/b c.d", "$x", "*", &longest] {
            assert_eq!(check_user(user), Ok(()), "{user}");
        }
        let too_long = "x".repeat(MAX_USER + 1);
        for user in ["", "a\n", "\0", "a\u{7f}", "a\u{85}", &too_long] {
            assert_eq!(check_user(user).unwrap_err().code, Code::BadRequest, "{user:?}");
        }
    }

    #[test]
    fn reserved_names_are_for_hearing_only() {
        for (name, sort) in [
            ("$all", Name::All),
            ("$user", Name::User),
            ("$", Name::Reserved),
            ("$x", Name::Reserved),
        ] {
            assert_eq!(Name::of(name), sort);
            assert_eq!(check_writable(name).unwrap_err().code, Code::Forbidden);
        }
        assert_eq!(check_readable("$all"), Ok(()));
        assert_eq!(check_readable("$user"), Ok(()));
        assert_eq!(check_one("$user").unwrap_err().code, Code::BadChannel);
        assert_eq!((check_one("$all"), check_one("a")), (Ok(()), Ok(())));
        assert_eq!(check_one("$x").unwrap_err().code, Code::BadChannel);
        assert_eq!(check_readable("$x").unwrap_err().code, Code::BadChannel);
        assert_eq!(check_readable("a..b").unwrap_err().code, Code::BadChannel);
        assert_eq!(check_writable("a..b").unwrap_err().code, Code::BadChannel);
        assert_eq!(check_writable("a.b"), Ok(()));
    }
}
