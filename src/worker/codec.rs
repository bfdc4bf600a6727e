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
    #[inline]
    pub fn message(&mut self, out: &mut Vec<u8>, opcode: Opcode, window_bits: u8, payload: &[u8]) {
        if window_bits == 0 || !self.append_compressed(out, opcode, window_bits, payload) {
            frame::encode(out, opcode, false, payload);
        }
    }

    /// Appends a message compressed, if it gets smaller by that.
    #[inline(never)]
    fn append_compressed(
        &mut self,
        out: &mut Vec<u8>,
        opcode: Opcode,
        bits: u8,
        payload: &[u8],
    ) -> bool {
        self.compressed.clear();
        let pays = self.deflate.compress(bits, payload, &mut self.compressed);
        if pays {
            frame::encode(out, opcode, true, &self.compressed);
            self.compressed.shrink_to(64 << 10);
        }
        pays
    }
}

impl Framer for Codec {
    fn append(&mut self, out: &mut Vec<u8>, encoding: Encoding, binary: bool, payload: &[u8]) {
        let opcode = if binary { Opcode::Binary } else { Opcode::Text };
        self.message(out, opcode, encoding.window_bits, payload);
    }
}
