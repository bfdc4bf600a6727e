//! Arbitrary bytes as a stream of pipelined requests: nothing panics, and the stream says the same
//! whole, byte by byte and in arbitrary pieces. The first byte chooses the pieces, the second the
//! limits.
#![no_main]

use fanwire::http::body::BodyReader;
use fanwire::http::guard::{Hosts, check_open_mode, check_origin};
use fanwire::http::head::{Head, Room, Scanner};
use fanwire::http::reply::{Circumstances, Reply};
use fanwire::http::routes::route;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|data: &[u8]| {
    let [pieces, limit, bytes @ ..] = data else { return };
    let limit = (usize::from(*limit) + 1) * 16;
    let whole = conversation(bytes, limit, &[bytes.len()]);
    let bytewise: Vec<usize> = (1..=bytes.len()).collect();
    assert_eq!(conversation(bytes, limit, &bytewise), whole);
    assert_eq!(conversation(bytes, limit, &cut(bytes.len(), *pieces)), whole);
});

/// Ends of pieces, each up to 32 bytes long.
fn cut(length: usize, seed: u8) -> Vec<usize> {
    let mut ends = Vec::new();
    let (mut end, mut state) = (0, u32::from(seed) + 1);
    while end < length {
        state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        end = length.min(end + 1 + (state >> 27) as usize);
        ends.push(end);
    }
    ends
}

enum Phase {
    Head(Scanner),
    Body(BodyReader),
}

/// Everything that is understood of a stream, up to the first refusal.
fn conversation(bytes: &[u8], limit: usize, ends: &[usize]) -> Vec<String> {
    let mut said = Vec::new();
    let mut start = 0;
    let mut phase = Phase::Head(Scanner::default());
    for &end in ends {
        loop {
            let arrived = &bytes[start..end];
            let step = match &mut phase {
                Phase::Head(scanner) => match scanner.scan(arrived, limit) {
                    Ok(None) => break,
                    Ok(Some(length)) => {
                        start += length;
                        read_head(&arrived[..length], limit, &mut said).map(Phase::Body)
                    }
                    Err(refusal) => Err(refusal),
                },
                Phase::Body(reader) => match reader.push(arrived) {
                    Ok((taken, done)) => {
                        start += taken;
                        assert!(reader.len() <= limit);
                        if !done {
                            assert_eq!(start, end);
                            break;
                        }
                        said.push(format!("body of {}", reader.len()));
                        Ok(Phase::Head(Scanner::default()))
                    }
                    Err(refusal) => Err(refusal),
                },
            };
            match step {
                Ok(next) => phase = next,
                Err(refusal) => {
                    assert!(refusal.close);
                    well_formed(&Reply::refusal(&refusal));
                    said.push(format!("{refusal:?}"));
                    return said;
                }
            }
        }
    }
    said
}

/// Asks a head everything that can be asked.
fn read_head(
    bytes: &[u8],
    limit: usize,
    said: &mut Vec<String>,
) -> Result<BodyReader, fanwire::http::Refusal> {
    let mut room = Room::new();
    let head = Head::parse(bytes, &mut room)?;
    said.push(format!("{head:?}"));
    let host = head.host();
    if let (Ok(host), Ok(origin)) = (&host, head.origin()) {
        let hosts = Hosts { host: *host, forwarded: *host };
        for verdict in [check_open_mode(&head), check_origin(origin, hosts, &[])] {
            if let Err(refusal) = &verdict {
                well_formed(&Reply::refusal(refusal));
            }
            said.push(format!("{verdict:?}"));
        }
    }
    let found = route(head.method, &head.target, head.wants_upgrade());
    if let Err(error) = &found {
        well_formed(&error.reply());
    }
    said.push(format!("{host:?} {found:?} {} {:?}", head.keep_alive(), head.expects_continue()));
    BodyReader::new(head.body()?, limit)
}

/// An answer that a parser reads as one head and as many bytes as it says.
fn well_formed(reply: &Reply<'_>) {
    let mut out = Vec::new();
    reply.write(Circumstances::default(), &mut out);
    let end = out.windows(4).position(|window| window == b"\r\n\r\n").expect("an end") + 4;
    let head = std::str::from_utf8(&out[..end]).expect("ASCII");
    let length = head.lines().find_map(|line| line.strip_prefix("Content-Length: "));
    assert_eq!(length.and_then(|digits| digits.parse().ok()), Some(out.len() - end));
}
