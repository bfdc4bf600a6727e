//! The names of connections, as clients and backends see them: node, worker, slot, generation, in
//! base 36. They name; they are no secret and prove nothing.

use crate::hub::{ConnectionKey, Digits, Epoch};

/// Writes the name of a connection of the node with this seed.
pub fn name(seed: u64, key: ConnectionKey) -> String {
    let ConnectionKey { worker, slot, generation } = key;
    let mut name = String::with_capacity(4 * (Digits::MAX + 1));
    for part in [node(seed), worker.into(), slot.into(), generation.into()] {
        if !name.is_empty() {
            name.push('-');
        }
        name.push_str(Digits::of(part).as_str());
    }
    name
}

/// Reads a name; `None` when it is not one of this node's.
pub fn parse(seed: u64, text: &str) -> Option<ConnectionKey> {
    let mut parts = text.split('-').map(|part| u64::from_str_radix(part, 36));
    if parts.next()?.ok()? != node(seed) {
        return None;
    }
    let mut part = || parts.next()?.ok();
    let worker = part()?.try_into().ok()?;
    let slot = part()?.try_into().ok()?;
    let generation = part()?.try_into().ok()?;
    parts.next().is_none().then_some(ConnectionKey { worker, slot, generation })
}

/// Whether this has the form of a name, be it of another node.
pub fn is_name(text: &str) -> bool {
    let is_part = |part: &str| {
        (1..=Digits::MAX).contains(&part.len())
            && part.bytes().all(|byte| byte.is_ascii_digit() || byte.is_ascii_lowercase())
    };
    text.split('-').count() == 4 && text.split('-').all(is_part)
}

/// The name of this life of the node, which no other life has.
pub fn life(seed: u64) -> Epoch {
    Epoch(node(seed))
}

/// What tells nodes apart. The seed itself keys hash tables and stays secret.
fn node(seed: u64) -> u64 {
    crate::entropy::Random::new(seed ^ 0x6e6f_6465).draw() >> 36
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_read_back() {
        let key = ConnectionKey { worker: 3, slot: 70_000, generation: u32::MAX };
        let text = name(42, key);
        assert!(text.starts_with(&format!("{}-", life(42))) && life(42) != life(43));
        assert_eq!(parse(42, &text), Some(key));
        assert_eq!(parse(43, &text), None);
        assert!(is_name(&text) && is_name("zzzzzzzzzzzzz-0-0-0"));
        for bad in
            ["", "1-2-3", "1-2-3-4-5", "1-2--4", "+1-2-3-4", "K-2-3-4", "zzzzzzzzzzzzzz-0-0-0"]
        {
            assert!(!is_name(bad), "{bad}");
        }
        for bad in ["", "-", "1-2-3-4", &format!("{text}-0"), &text[..text.len() - 8]] {
            assert_eq!(parse(42, bad), None, "{bad}");
        }
    }
}
