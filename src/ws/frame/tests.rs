//! Tests of `frame`: tables over first bytes, second bytes and lengths.

use proptest::prelude::*;

use super::{
    ClientHeader, MAX_CLIENT_HEADER, MIN_CLIENT_HEADER, Opcode, decode, encode, encode_short,
    header, short_message,
};
use crate::ws::CloseCode;
use crate::ws::peer::KEY;

/// What the RFC says of a first byte with a masked, short payload.
fn is_legal(first: u8, deflate: bool) -> bool {
    let (fin, rsv1, rsv23) = (first & 0x80 != 0, first & 0x40 != 0, first & 0x30 != 0);
    match first & 0x0F {
        0 => !rsv1 && !rsv23,
        1 | 2 => (!rsv1 || deflate) && !rsv23,
        8..=10 => fin && !rsv1 && !rsv23,
        _ => false,
    }
}

/// Checklist 1.2 (RSV, opcodes, fragmented control frames) and 2.3 (RSV1): all 256 first bytes,
/// judged by two bytes alone, before anything else has come.
#[test]
fn judges_every_first_byte() {
    for deflate in [false, true] {
        for first in 0..=255u8 {
            match decode(&[first, 0x80 | 5], deflate) {
                Ok(None) => assert!(is_legal(first, deflate), "{first:#x} was accepted"),
                Err(failure) => {
                    assert!(!is_legal(first, deflate), "{first:#x}: {failure:?}");
                    assert_eq!(failure.code, CloseCode::PROTOCOL);
                }
                Ok(Some(header)) => panic!("complete without a key: {header:?}"),
            }
        }
    }
}

/// Checklist 1.2: "Every client frame must be masked", data and control, and 4 (masking not
/// enforced).
#[test]
fn refuses_unmasked_frames() {
    for opcode in [0x0, 0x1, 0x2, 0x8, 0x9, 0xA] {
        for len in [0, 5, 125] {
            let failure = decode(&[0x80 | opcode, len], false).unwrap_err();
            assert_eq!(failure.code, CloseCode::PROTOCOL);
        }
    }
}

/// Checklist 1.2: control frames take at most 125 bytes; known from the second byte.
#[test]
fn refuses_long_control_frames() {
    for opcode in [0x8, 0x9, 0xA] {
        assert_eq!(decode(&[0x80 | opcode, 0x80 + 125], false), Ok(None));
        for len in [126, 127] {
            assert!(decode(&[0x80 | opcode, 0x80 + len], false).is_err());
        }
    }
}

/// The short way takes what `decode` takes, of messages in one short frame that are wholly there,
/// and nothing else: every first and second byte, every cut.
#[test]
fn the_short_way_leads_where_the_long_one_does() {
    for first in 0..=255 {
        for second in 0..=255 {
            let frame = [&[first, second][..], &KEY, &[0x55; 130]].concat();
            let header = decode(&frame, true).ok().flatten().filter(|header| {
                let message = matches!(header.opcode, Opcode::Text | Opcode::Binary);
                message && header.fin && !header.rsv1 && header.len <= 125
            });
            let len = header.map(|header| header.len as usize);
            let whole = len.map_or(frame.len(), |len| MIN_CLIENT_HEADER + len);
            for end in [0, 1, 2, 5, 6, whole - 1, whole, frame.len()] {
                let mut bytes = frame[..end].to_vec();
                let found = short_message(&mut bytes);
                let found = found.map(|(opcode, key, payload)| (opcode, key, payload.len()));
                let there = header.filter(|_| end >= whole);
                let expected = there.map(|header| (header.opcode, header.key, header.len as usize));
                assert_eq!(found, expected, "{first:#x} {second:#x}, {end} bytes");
            }
        }
    }
}

/// Checklist 1.2: lengths in their shortest form, top bit 0, judged before the key has come.
#[test]
fn judges_every_form_of_length() {
    let extended = |short: u8, len: &[u8]| [&[0x82, 0x80 | short], len].concat();
    let table: [(Vec<u8>, Result<u64, ()>); 13] = [
        (extended(0, &[]), Ok(0)),
        (extended(125, &[]), Ok(125)),
        (extended(126, &0u16.to_be_bytes()), Err(())),
        (extended(126, &125u16.to_be_bytes()), Err(())),
        (extended(126, &126u16.to_be_bytes()), Ok(126)),
        (extended(126, &u16::MAX.to_be_bytes()), Ok(65535)),
        (extended(127, &0u64.to_be_bytes()), Err(())),
        (extended(127, &125u64.to_be_bytes()), Err(())),
        (extended(127, &65535u64.to_be_bytes()), Err(())),
        (extended(127, &65536u64.to_be_bytes()), Ok(65536)),
        (extended(127, &(u64::MAX >> 1).to_be_bytes()), Ok(u64::MAX >> 1)),
        (extended(127, &(1u64 << 63).to_be_bytes()), Err(())),
        (extended(127, &u64::MAX.to_be_bytes()), Err(())),
    ];
    for (bytes, expected) in table {
        match expected {
            Err(()) => {
                let failure = decode(&bytes, false).unwrap_err();
                assert_eq!(failure.code, CloseCode::PROTOCOL, "{bytes:x?}");
            }
            Ok(len) => {
                assert_eq!(decode(&bytes, false), Ok(None), "{bytes:x?}: the key is missing");
                let whole = [&bytes[..], &KEY].concat();
                let header = decode(&whole, false).unwrap().unwrap();
                assert_eq!((header.len, header.size), (len, whole.len()));
            }
        }
    }
}

/// Checklist 1.2: the header split at each byte.
#[test]
fn an_incomplete_header_is_none() {
    for len in [&[5][..], &[126, 1, 0], &[127, 0, 0, 0, 0, 0, 1, 0, 0]] {
        let mut bytes = vec![0x01, 0x80 | len[0]];
        bytes.extend(&len[1..]);
        bytes.extend(KEY);
        assert!(bytes.len() <= MAX_CLIENT_HEADER);
        for end in 0..bytes.len() {
            assert_eq!(decode(&bytes[..end], false), Ok(None));
        }
        let header = decode(&bytes, false).unwrap().unwrap();
        let expected = ClientHeader {
            size: bytes.len(),
            fin: false,
            rsv1: false,
            opcode: Opcode::Text,
            len: header.len,
            key: KEY,
        };
        assert_eq!(header, expected);
        bytes.push(0xFF);
        assert_eq!(decode(&bytes, false), Ok(Some(header)), "the payload is not looked at");
    }
}

/// Checklist 1.2 (outgoing: minimal lengths, FIN, never masked).
#[test]
fn writes_the_shortest_header() {
    let of = |opcode, rsv1, len| header(opcode, rsv1, len).to_vec();
    assert_eq!(of(Opcode::Text, false, 0), [0x81, 0]);
    assert_eq!(of(Opcode::Text, true, 125), [0xC1, 125]);
    assert_eq!(of(Opcode::Binary, false, 126), [0x82, 126, 0, 126]);
    assert_eq!(of(Opcode::Binary, true, 65535), [0xC2, 126, 0xFF, 0xFF]);
    assert_eq!(of(Opcode::Text, false, 65536), [0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]);
    assert_eq!(of(Opcode::Close, false, 2), [0x88, 2]);
    assert_eq!(of(Opcode::Ping, false, 125), [0x89, 125]);
    assert_eq!(of(Opcode::Pong, false, 0), [0x8A, 0]);
}

#[test]
fn a_frame_is_its_header_and_its_payload() {
    let mut out = b"before".to_vec();
    encode(&mut out, Opcode::Text, false, b"Hello");
    assert_eq!(out, b"before\x81\x05Hello");
    for len in [0, 125, 126, 65535, 65536] {
        let payload = vec![b'x'; len];
        let mut out = Vec::new();
        encode(&mut out, Opcode::Binary, true, &payload);
        assert_eq!(out, [&header(Opcode::Binary, true, len), &payload[..]].concat());
    }
}

/// What is lent out to be filled is the payload, and nothing else.
#[test]
fn a_short_frame_is_filled_in_place() {
    for len in 0..=125 {
        let (mut out, mut expected) = (b"before".to_vec(), b"before".to_vec());
        encode_short(&mut out, Opcode::Text, len).fill(b'x');
        encode(&mut expected, Opcode::Text, false, &vec![b'x'; len]);
        assert_eq!(out, expected);
    }
}

proptest! {
    /// Whatever the bytes: no panic, and what a longer input says, a shorter one says or waits.
    #[test]
    fn more_bytes_never_change_a_verdict(
        bytes in prop::collection::vec(any::<u8>(), 0..20),
        deflate: bool,
    ) {
        let whole = decode(&bytes, deflate);
        for end in 0..bytes.len() {
            let part = decode(&bytes[..end], deflate);
            prop_assert!(part == Ok(None) || part == whole);
        }
    }
}
