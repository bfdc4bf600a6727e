//! Tests of `message` and `partial`: sections of the RFC, one by one. Every input is also read byte
//! by byte and, where it is short, cut in two at every place.

use crate::ws::peer::{FIN, Heard, TEXT, frame, hear, text};

/// RFC 6455, section 5.7: the masked "Hello".
#[test]
fn a_single_frame_is_a_message() {
    let hello = [0x81, 0x85, 0x37, 0xfa, 0x21, 0x3d, 0x7f, 0x9f, 0x4d, 0x51, 0x58];
    assert_eq!(frame(FIN | TEXT, b"Hello"), hello);
    assert_eq!(hear(&hello), [text("Hello")]);
    assert_eq!(hear(&[hello, hello].concat()), [text("Hello"), Heard::Text("Hello".into())]);
}
