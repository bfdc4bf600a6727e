//! Payloads that can be told apart: each has its number behind a `#`, in JSON, text or bytes.

use fanwire::hub::Kind;

use super::Scene;

/// Makes up a payload and notes the intent. Returns its number.
pub fn invent(scene: &mut Scene, channel: &str, kinds: &[Kind], skip: Option<u32>) -> usize {
    let kind = *scene.world.random.pick(kinds);
    let random = &mut scene.world.random;
    let length = match random.below(40) {
        _ if scene.fat => random.between(1_000, 9_000),
        0 => random.between(2_000, 9_000),
        1..6 => random.between(200, 2_000),
        _ => random.between(0, 100),
    };
    let filling = random.bits();
    scene.oracle.intend(channel, kind, skip, |number| match kind {
        Kind::Json => json(number, length, filling).into_bytes(),
        Kind::Text => text(number, length, filling).into_bytes(),
        Kind::Binary => binary(number, length, filling),
    })
}

/// The conflation key of a publication, where it is published with one.
pub fn key(number: usize) -> Option<String> {
    (!number.is_multiple_of(4)).then(|| format!("c{}", number % 4))
}

/// Valid, and not as a serializer would write it: what is passed on verbatim keeps its spaces.
fn json(number: usize, length: usize, filling: u64) -> String {
    let pad: String = letters(length, filling).collect();
    match filling % 4 {
        0 => format!("\"#{number} {pad}\""),
        1 => format!("[ \"#{number}\", {{\"pad\" :\"{pad}\"}},null ]"),
        2 => format!("{{\"\\u006e\":\"#{number}\",\"x\":1.50e+2,\"pad\":\"{pad}\"}}"),
        _ => format!("{{\"n\": \"#{number}\", \"pad\": \"{pad}\"}}"),
    }
}

fn text(number: usize, length: usize, filling: u64) -> String {
    let pad: String = letters(length, filling).collect();
    match filling % 3 {
        0 => format!("#{number} \"\\\n\t\u{1}ü€😀 {pad}"),
        1 => format!("{{not json #{number} {pad}"),
        _ => format!("#{number} {pad}"),
    }
}

fn binary(number: usize, length: usize, filling: u64) -> Vec<u8> {
    let mut bytes = format!("\0#{number};").into_bytes();
    bytes.extend((0..length).map(|at| (filling >> (at % 57)) as u8));
    bytes
}

fn letters(length: usize, filling: u64) -> impl Iterator<Item = char> {
    (0..length).map(move |at| char::from(b'a' + ((filling >> (at % 59)) % 26) as u8))
}
