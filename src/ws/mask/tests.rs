//! Tests of `mask` against the definition.

use proptest::prelude::*;

use super::{rotated, unmask, unmask_into};
use crate::ws::peer::KEY;

/// RFC 6455, section 5.3, word for word: octet i is combined with octet i modulo 4 of the key.
fn slow(bytes: &[u8], key: [u8; 4], phase: usize) -> Vec<u8> {
    bytes.iter().enumerate().map(|(i, byte)| byte ^ key[(i + phase) % 4]).collect()
}

/// Checklist 1.2: right at each offset modulo the key's and the vectors' width, for every length
/// around them, wherever the bytes begin in memory.
#[test]
fn unmasks_every_length_alignment_and_phase() {
    let bytes: Vec<u8> = (0..200u8).collect();
    for start in 0..33 {
        for len in 0..=130 {
            for phase in 0..4 {
                let mut fast = bytes.clone();
                let ascii = unmask(&mut fast[start..start + len], KEY, phase);
                assert_eq!(ascii, fast[start..start + len].is_ascii());
                let slow = slow(&bytes[start..start + len], KEY, phase);
                assert_eq!(fast[start..start + len], slow);
                assert_eq!(fast[..start], bytes[..start], "bytes before are not touched");
                assert_eq!(fast[start + len..], bytes[start + len..], "nor those after");
            }
        }
    }
}

/// The same from one place to another, which leaves the masked bytes as they are.
#[test]
fn unmasks_every_length_into_another_place() {
    let bytes: Vec<u8> = (0..200u8).collect();
    for start in 0..33 {
        for len in 0..=130 {
            let masked = &bytes[start..start + len];
            let mut plain = vec![0xAA; len + 2];
            let ascii = unmask_into(&mut plain[1..=len], masked, KEY);
            assert_eq!(plain[1..=len], slow(masked, KEY, 0));
            assert_eq!(ascii, plain[1..=len].is_ascii());
            assert_eq!((plain[0], plain[len + 1]), (0xAA, 0xAA), "bytes around are not touched");
        }
    }
}

/// One byte that is not ASCII is noticed wherever it stands, and none is seen where there is none.
#[test]
fn knows_whether_all_is_ascii() {
    for len in 1..=200 {
        let mut bytes = slow(&vec![0x7F; len], KEY, 0);
        assert!(unmask(&mut bytes, KEY, 0), "{len} bytes of ASCII");
        for at in 0..len {
            let mut plain = vec![0x7F; len];
            plain[at] = 0x80;
            let mut masked = slow(&plain, KEY, 0);
            assert!(!unmask_into(&mut plain, &masked, KEY), "byte {at} of {len}, into");
            assert!(!unmask(&mut masked, KEY, 0), "byte {at} of {len}");
        }
    }
}

#[test]
fn a_rotated_key_begins_at_the_phase() {
    for phase in 0..9 {
        let expected: Vec<u8> = (0..4).map(|i| [1, 2, 3, 4][(i + phase) % 4]).collect();
        assert_eq!(rotated([1, 2, 3, 4], phase).to_vec(), expected);
    }
}

proptest! {
    /// Cut in two anywhere, the phase carried over, the result is that of the slow one.
    #[test]
    fn equals_the_definition(
        bytes in prop::collection::vec(any::<u8>(), 0..1000),
        key: [u8; 4],
        phase in 0usize..8,
        cut: prop::sample::Index,
    ) {
        let expected = slow(&bytes, key, phase);
        let cut = cut.index(bytes.len() + 1);
        let mut fast = bytes;
        let (head, tail) = fast.split_at_mut(cut);
        unmask(head, key, phase);
        unmask(tail, key, phase + cut);
        prop_assert_eq!(fast, expected);
    }
}
