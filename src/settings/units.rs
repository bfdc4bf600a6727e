//! Durations as `500ms`, `10s`, `5m`, `24h`; sizes as bytes or `64KiB`, `1MiB`, `1GiB`; counts. 0
//! is "off" and needs no unit. Addresses, proxies, origins. No refusal repeats the value, which may
//! be a secret in the wrong place.

use std::time::Duration;

use crate::config::ListenAddress;
use crate::http::forwarded::TrustedProxy;
use crate::http::guard::AllowedOrigin;
use crate::limits::{MAX_DURATION_MS, UNLIMITED};

/// A duration; 0 is off.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let units = [("ms", 1), ("s", 1000), ("m", 60_000), ("h", 3_600_000)];
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    match scaled(text, &units) {
        Some(ms) if ms <= MAX_DURATION_MS => Ok(Duration::from_millis(ms)),
        Some(_) => Err(format!("must not be longer than {} h", MAX_DURATION_MS / 3_600_000)),
        None => Err("must be a duration, as 500ms, 10s, 5m or 24h".into()),
    }
}

/// A number of bytes.
pub(crate) fn bytes(text: &str) -> Result<usize, String> {
    let units = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("", 1)];
    let bytes = scaled(text, &units).and_then(|bytes| usize::try_from(bytes).ok());
    bytes
        .filter(|&bytes| bytes <= UNLIMITED)
        .ok_or_else(|| "must be a size, as 4096, 64KiB, 1MiB or 1GiB".into())
}

/// A bound in bytes; 0 is off.
pub(super) fn byte_limit(text: &str) -> Result<usize, String> {
    bytes(text).map(unlimited_if_zero)
}

/// The size of one message, body or head. It cannot be off, since others are measured by it.
pub(super) fn message_bytes(text: &str) -> Result<usize, String> {
    let sizes = 1 << 10..=1 << 30;
    bytes(text)
        .and_then(|bytes| sizes.contains(&bytes).then_some(bytes).ok_or_else(String::new))
        .map_err(|_| "must be a size from 1KiB to 1GiB".into())
}

/// A size that the kernel takes in 32 bits; 0 is off.
pub(super) fn kernel_bytes(text: &str) -> Result<u32, String> {
    match u32::try_from(bytes(text)?) {
        Ok(0) => Ok(u32::MAX),
        Ok(bytes) => Ok(bytes),
        Err(_) => Err("must be less than 4GiB".into()),
    }
}

/// Bytes a second; 0 is off.
pub(super) fn rate_bytes(text: &str) -> Result<u32, String> {
    u32::try_from(bytes(text)?).map_err(|_| "must be less than 4GiB".into())
}

/// Permissions as octal digits.
pub(super) fn unix_mode(text: &str) -> Result<u32, String> {
    let octal = text.len() <= 5 && text.bytes().all(|byte| (b'0'..=b'7').contains(&byte));
    let mode = u32::from_str_radix(text, 8).ok().filter(|&mode| octal && mode <= 0o777);
    mode.ok_or_else(|| "must be octal, as 0660".into())
}

/// Where to listen.
pub(super) fn listen_address(text: &str) -> Result<ListenAddress, String> {
    let address = match text.strip_prefix("unix:") {
        Some(path) => path.starts_with('/').then(|| ListenAddress::Unix(path.into())),
        None => text.parse().map(ListenAddress::Tcp).ok(),
    };
    address.ok_or_else(|| {
        "must be an address and a port, as 127.0.0.1:3003, or unix:/run/fanwire.sock".into()
    })
}

/// Who is believed.
pub(super) fn trusted_proxy(text: &str) -> Result<TrustedProxy, String> {
    TrustedProxy::parse(text)
        .ok_or_else(|| "must be an address, a network, as 10.0.0.0/8, or unix".into())
}

/// Whose pages may come.
pub(super) fn origin(text: &str) -> Result<AllowedOrigin, String> {
    AllowedOrigin::parse(text)
        .ok_or_else(|| "must be scheme, host and perhaps a port, as https://example.org".into())
}

/// What stands in a claim, or is the name of one.
pub(super) fn claim_text(text: &str) -> Result<String, String> {
    let sound = !text.is_empty() && !text.chars().any(char::is_control);
    sound.then(|| text.into()).ok_or_else(|| "must be a text without control characters".into())
}

/// The name of a cookie (RFC 6265, section 4.1.1).
pub(super) fn cookie_name(text: &str) -> Result<Box<str>, String> {
    let token = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    let sound = !text.is_empty() && text.bytes().all(token);
    sound.then(|| text.into()).ok_or_else(|| "must be the name of a cookie, as token".into())
}

/// A bound on a count; 0 is off.
pub(super) fn count_limit(text: &str) -> Result<usize, String> {
    count(text).map(unlimited_if_zero)
}

/// A count.
pub(super) fn count(text: &str) -> Result<usize, String> {
    let count = scaled(text, &[("", 1)]).and_then(|count| usize::try_from(count).ok());
    count.filter(|&count| count <= UNLIMITED).ok_or_else(|| "must be an integer, 0 or more".into())
}

fn unlimited_if_zero(bound: usize) -> usize {
    if bound == 0 { UNLIMITED } else { bound }
}

/// Reads `<digits><unit>`.
fn scaled(text: &str, units: &[(&str, u64)]) -> Option<u64> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let (number, unit) = text.split_at_checked(digits)?;
    let (_, factor) = units.iter().find(|(name, _)| *name == unit)?;
    number.parse::<u64>().ok()?.checked_mul(*factor)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations() {
        for (text, ms) in
            [("0", 0), ("0s", 0), ("1ms", 1), ("10s", 10_000), ("5m", 300_000), ("24h", 86_400_000)]
        {
            assert_eq!(duration(text), Ok(Duration::from_millis(ms)), "{text}");
        }
        for text in ["", "10", "s", "1.5s", "-1s", "10 s", "1d", "10S", "+1s", "1s1s", "597h"] {
            assert!(duration(text).is_err(), "{text}");
        }
        assert!(duration("99999999999999999999s").is_err());
        assert!(duration("18446744073709551615h").is_err());
    }

    #[test]
    fn sizes() {
        for (text, size) in
            [("0", 0), ("1", 1), ("64KiB", 65_536), ("1MiB", 1 << 20), ("3GiB", 3 << 30)]
        {
            assert_eq!(bytes(text), Ok(size), "{text}");
        }
        for text in ["", "KiB", "1KB", "1kib", "1 MiB", "-1", "1.5MiB", "99999999999999999999"] {
            assert!(bytes(text).is_err(), "{text}");
        }
        assert!(bytes("18446744073709551615").is_err(), "more than unlimited");
        assert_eq!(byte_limit("0"), Ok(UNLIMITED));
        assert_eq!(byte_limit("1KiB"), Ok(1024));
        assert_eq!(message_bytes("1GiB"), Ok(1 << 30));
        assert_eq!(message_bytes("1024"), Ok(1024));
        for text in ["0", "1023", "1073741825", "x"] {
            assert!(message_bytes(text).is_err(), "{text}");
        }
        assert_eq!(kernel_bytes("0"), Ok(u32::MAX));
        assert_eq!(kernel_bytes("128KiB"), Ok(131_072));
        assert!(kernel_bytes("4GiB").is_err());
    }

    #[test]
    fn modes() {
        assert_eq!((unix_mode("660"), unix_mode("0777")), (Ok(0o660), Ok(0o777)));
        for text in ["", "8", "1777", "-1", "+7", "0o660"] {
            assert!(unix_mode(text).is_err(), "{text}");
        }
    }

    #[test]
    fn counts() {
        assert_eq!((count("0"), count_limit("0")), (Ok(0), Ok(UNLIMITED)));
        assert_eq!((count("7"), count_limit("7")), (Ok(7), Ok(7)));
        for text in ["", "-1", "1k", "1KiB", "+1", " 1"] {
            assert!(count(text).is_err() && count_limit(text).is_err(), "{text}");
        }
    }
}
