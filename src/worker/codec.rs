//! Payloads to WebSocket frames, for the hub and for answers: the worker's compressors, and the
//! decision whether compressing is worth it.

use crate::hub::{Encoding, Framer};
use crate::ws::deflate::Deflate;
use crate::ws::frame::{self, Opcode};

/// Frames payloads of one worker.
#[derive(Default)]
pub struct Codec {
    deflate: Deflate,
    compressed: Vec<u8>,
}

impl Codec {
    /// Appends a message; compressed when a window was agreed on and it gets smaller.
    pub fn message(&mut self, out: &mut Vec<u8>, opcode: Opcode, window_bits: u8, payload: &[u8]) {
        if window_bits != 0 {
            self.compressed.clear();
            if self.deflate.compress(window_bits, payload, &mut self.compressed) {
                frame::encode(out, opcode, true, &self.compressed);
                self.compressed.shrink_to(64 << 10);
                return;
            }
        }
        frame::encode(out, opcode, false, payload);
    }
}

impl Framer for Codec {
    fn append(&mut self, out: &mut Vec<u8>, encoding: Encoding, binary: bool, payload: &[u8]) {
        let opcode = if binary { Opcode::Binary } else { Opcode::Text };
        self.message(out, opcode, encoding.window_bits, payload);
    }
}
