//! permessage-deflate: offers, compressed messages from strangers, and our own messages there and
//! back.
#![no_main]

use fanwire::ws::deflate::Deflate;
use fanwire::ws::frame::{self, Opcode};
use fanwire::ws::inflate::Inflate;
use fanwire::ws::{Event, Limits, Reader, extensions};
use libfuzzer_sys::fuzz_target;

const LIMIT: usize = 1 << 16;

/// A client's compressed message in fragments of `len` bytes, masked with a key of zeros.
fn fragments(payload: &[u8], len: usize) -> Vec<u8> {
    let mut input = Vec::new();
    let count = payload.len().div_ceil(len).max(1);
    for i in 0..count {
        let piece = &payload[i * len..payload.len().min((i + 1) * len)];
        let mut header = frame::header(Opcode::Binary, true, piece.len()).to_vec();
        header[0] = if i == 0 { 0x42 } else { 0x00 } | if i + 1 == count { 0x80 } else { 0x00 };
        header[1] |= 0x80;
        input.extend(header);
        input.extend([0; 4]);
        input.extend(piece);
    }
    input
}

/// The message, or the code of the failure.
fn inflate(mut input: Vec<u8>) -> Result<Vec<u8>, u16> {
    let limits = Limits { max_message_bytes: LIMIT, deflate: true };
    let (mut partial, mut inflate) = (None, Inflate::new());
    let mut reader = Reader::new(&mut input, &mut partial, limits, &mut inflate);
    match reader.next() {
        Ok(Some(Event::Message { payload, .. })) => Ok(payload.to_vec()),
        Ok(other) => panic!("not a message: {other:?}"),
        Err(failure) => Err(failure.code.0),
    }
}

fuzz_target!(|data: &[u8]| {
    let [choice, input @ ..] = data else { return };

    if let Ok(Some(agreed)) = extensions::negotiate(input) {
        assert!((9..=15).contains(&agreed.window_bits));
    }

    // From a stranger: the verdict does not depend on the fragments.
    let whole = inflate(fragments(input, input.len().max(1)));
    let cut = inflate(fragments(input, usize::from(choice >> 3) + 1));
    assert_eq!(whole, cut);
    assert!(whole.as_ref().map_or(true, |message| message.len() <= LIMIT));
    assert!(matches!(whole, Ok(_) | Err(1007 | 1009)));

    // From us: what is compressed comes back, and was worth it.
    let bits = 9 + choice % 7;
    let mut compressed = Vec::new();
    if input.len() <= LIMIT && Deflate::new().compress(bits, input, &mut compressed) {
        assert!(compressed.len() < input.len());
        assert_eq!(inflate(fragments(&compressed, compressed.len())), Ok(input.to_vec()));
    }
});
