//! What `fanwire bench` prints: the parts of its JSON that are kept. A server that has no such
//! number leaves it out, so nearly all may be missing.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

/// One line of `fanwire bench --steps`.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Line {
    Ready { ready: Ready },
    Slice(Box<Slice>),
}

/// Everybody is connected and subscribed.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Ready {
    pub connections: u64,
    pub elapsed_ns: u64,
}

/// One measured slice.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Slice {
    pub elapsed_ns: u64,
    pub published: u64,
    pub operations: u64,
    pub expected: u64,
    pub lost: u64,
    pub duplicated: u64,
    pub reordered: u64,
    pub closed: u64,
    pub gaps_told: u64,
    pub bytes_received: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub frame_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub latency_ns: Option<Latency>,
    pub client: Client,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub server: Option<Server>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storm: Option<Map<String, Value>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stalled: Option<Map<String, Value>>,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Latency {
    pub count: u64,
    pub mean: f64,
    pub p50: u64,
    pub p90: u64,
    pub p99: u64,
    pub p999: u64,
    pub max: u64,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Client {
    pub cpu_ns: u64,
    pub busy: f64,
    /// The client had no time left: what is measured is its own speed.
    pub limit: bool,
}

#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(default)]
pub struct Server {
    pub cpu_ns: u64,
    pub user_ns: u64,
    pub system_ns: u64,
    pub rss_bytes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pss_bytes: Option<u64>,
    pub rss_growth_bytes: i64,
}

/// Reads one line; what is neither is told with its beginning.
pub fn parse(line: &str) -> anyhow::Result<Line> {
    let value: Value = serde_json::from_str(line)
        .map_err(|error| anyhow::anyhow!("no JSON ({error}): {line:.80}"))?;
    let known = value.get("ready").is_some() || value.get("operations").is_some();
    anyhow::ensure!(known, "neither ready nor a result: {line:.80}");
    Ok(serde_json::from_value(without_nulls(value))?)
}

/// `null` says that a number does not apply, as leaving it out does.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(members) => Value::Object(
            members
                .into_iter()
                .filter(|(_, value)| !value.is_null())
                .map(|(name, value)| (name, without_nulls(value)))
                .collect(),
        ),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ready_line() {
        let line = r#"{"ready":{"connections":50,"elapsed_ns":1200,"server":{"rss_bytes":1}}}"#;
        let Ok(Line::Ready { ready }) = parse(line) else { panic!("not ready") };
        assert_eq!(ready, Ready { connections: 50, elapsed_ns: 1200 });
    }

    #[test]
    fn a_slice_keeps_what_is_there_and_takes_null_for_nothing() {
        let line = r#"{"scenario":"fanout","operations":7,"lost":null,"frame_bytes":132,
            "latency_ns":{"count":7,"p50":10,"p99":99,"mean":1.5},
            "client":{"busy":0.4,"limit":true},"rate":null,
            "server":{"cpu_ns":700,"user_ns":200,"system_ns":500,"rss_growth_bytes":-4096},
            "storm":null,"stalled":{"closed":3},"histogram":"abc"}"#;
        let Ok(Line::Slice(slice)) = parse(line) else { panic!("no slice") };
        assert_eq!((slice.operations, slice.lost, slice.frame_bytes), (7, 0, Some(132)));
        assert_eq!(slice.latency_ns.expect("it is there").p99, 99);
        assert_eq!(slice.server.expect("it is there").rss_growth_bytes, -4096);
        assert!(slice.client.limit && slice.storm.is_none());
        assert_eq!(slice.stalled.expect("it is there")["closed"], 3);
    }

    #[test]
    fn other_lines_are_refused() {
        assert!(parse("connected").is_err());
        assert!(parse("{}").is_err());
        assert!(parse(r#"{"operations":"many"}"#).is_err());
    }
}
