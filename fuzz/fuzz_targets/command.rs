//! Any bytes, as a client's message and as the body of a publish: an answer comes, and it is JSON.
#![no_main]

use fanwire::client::answer;
use fanwire::client::batch;
use fanwire::client::code::Code;
use fanwire::client::command::{Command, parse};
use fanwire::hub::Kind;
use fanwire::limits::JSON_DEPTH;
use libfuzzer_sys::fuzz_target;

fuzz_target!(|message: &[u8]| {
    let json = serde_json::from_slice::<serde_json::Value>(message);
    let mut out = Vec::new();
    match parse(message) {
        Ok(request) => match &request.command {
            Command::Echo { data } => answer::echo(&mut out, &request.id, *data, 0),
            Command::Publish(publish) if publish.data.kind == Kind::Text => {
                assert!(std::str::from_utf8(&publish.data.bytes).is_ok());
            }
            _ => answer::pong(&mut out, &request.id, 0),
        },
        Err(refusal) => {
            let channel = refusal.channel.as_deref();
            answer::error(&mut out, &refusal.id, channel, &refusal.fault, None, 0);
        }
    }
    if !out.is_empty() {
        let _: &serde_json::value::RawValue = serde_json::from_slice(&out).expect("JSON");
    }
    if json.is_ok() && !many_brackets(message) {
        let refused = parse(message).err().map(|refusal| refusal.fault.code);
        assert_ne!(refused, Some(Code::BadJson));
    }
    if let Ok(items) = batch::parse_batch(message, 100) {
        assert!(items.iter().map(|item| item.channels.len()).sum::<usize>() <= 100);
        assert!(items.iter().all(|item| !item.channels.is_empty()));
    }
    if let Ok(data) = batch::parse_value(message) {
        let _: &serde_json::value::RawValue = serde_json::from_slice(&data.bytes).expect("JSON");
    }
});

/// Whether there are enough brackets for a refusal because of depth.
fn many_brackets(message: &[u8]) -> bool {
    message.iter().filter(|byte| matches!(byte, b'[' | b'{')).count() > JSON_DEPTH
}
