//! `web/openapi.json` against the program: every route is described, with the scope that it wants,
//! and nothing is described that is not there.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::{DEMO, DESCRIPTION, find};
use crate::client::code::Code;
use crate::http::head::Method;
use crate::http::reply::Content;
use crate::http::routes::{Route, RouteError, route};
use crate::http::target::Target;
use crate::worker::keys::{Wants, wants};

/// The word of every route. A new one does not compile until it has one here, and then fails until
/// it is described.
fn word(route: &Route<'_>) -> &'static str {
    match route {
        Route::Socket { .. } => "openSocket",
        Route::Echo => "openEcho",
        // The same operation in the description: only the handshake tells them apart.
        Route::Raw(_) | Route::Describe { .. } => "describeChannel",
        Route::Publish { .. } => "publish",
        Route::History(_) => "readHistory",
        Route::Presence { .. } => "readPresence",
        Route::Channels { .. } => "listChannels",
        Route::Broadcast => "broadcast",
        Route::PublishBatch => "publishBatch",
        Route::PublishToUser { .. } => "publishToUser",
        Route::Connections(_) => "listConnections",
        Route::Disconnect { .. } => "disconnect",
        Route::DisconnectUser { .. } => "disconnectUser",
        Route::SubscribeUser { .. } => "subscribeUser",
        Route::UnsubscribeUser { .. } => "unsubscribeUser",
        Route::Revoke => "revoke",
        Route::Status => "readStatus",
        Route::Metrics => "readMetrics",
        Route::Live => "checkLive",
        Route::Ready { .. } => "checkReady",
        Route::Home => "openPage",
        Route::Demo { .. } => "openDemo",
        Route::ClientScript => "readClient",
        Route::ApiDescription => "describe",
    }
}

const ROUTES: usize = 24;

const METHODS: [(&str, Method); 5] = [
    ("get", Method::Get),
    ("post", Method::Post),
    ("put", Method::Put),
    ("delete", Method::Delete),
    ("options", Method::Options),
];

fn description() -> Value {
    serde_json::from_slice(DESCRIPTION.bytes).expect("JSON")
}

fn object(value: &Value) -> &Map<String, Value> {
    value.as_object().expect("an object")
}

/// A path with something in each place.
fn example(path: &str) -> String {
    path.replace("{channel}", "room.7")
        .replace("{user}", "ann")
        .replace("{connection}", "c1")
        .replace("{file}", "live.js")
}

/// The scope that the description asks for, as its `security` says it.
fn described(operation: &Value) -> Wants {
    use crate::policy::key::Scope;
    let scope = |value: &Value| {
        let all = [Scope::Publish, Scope::Read, Scope::Metrics, Scope::Admin];
        all.into_iter().find(|scope| value["key"][0] == scope.as_str()).expect("a scope")
    };
    match operation["security"].as_array().expect("a list").as_slice() {
        [] => Wants::Nothing,
        [one] => Wants::Scope(scope(one)),
        [none, _] if object(none).is_empty() => Wants::Perhaps,
        other => panic!("{other:?}"),
    }
}

#[test]
fn every_route_is_described_and_no_other() {
    let description = description();
    let mut words = BTreeSet::new();
    for (path, operations) in object(&description["paths"]) {
        let target = example(path);
        for (name, method) in METHODS {
            let found = route(method, &Target::parse(&target).expect("a target"), true);
            let Some(operation) = operations.get(name) else {
                let Err(RouteError::MethodNotAllowed(allow)) = found else {
                    panic!("{name} {path}: {found:?}")
                };
                let mut expected = BTreeSet::new();
                for documented in object(operations).keys() {
                    expected.insert(documented.to_uppercase());
                    if documented == "get" {
                        expected.insert("HEAD".into());
                    }
                }
                assert_eq!(allow.split(", ").map(String::from).collect::<BTreeSet<_>>(), expected);
                continue;
            };
            let found = found.unwrap_or_else(|error| panic!("{name} {path}: {error:?}"));
            assert_eq!(operation["operationId"], word(&found), "{name} {path}");
            if !matches!(found, Route::Raw(_)) {
                assert_eq!(described(operation), wants(&found), "{name} {path}");
            }
            words.insert(word(&found));
        }
    }
    assert_eq!(words.len(), ROUTES);
}

/// Every error is one of ours, under the status that it has.
#[test]
fn described_errors_exist() {
    let description = description();
    let responses = object(&description["components"]["responses"]);
    // Refusals of HTTP itself have the nearest word, and a status of their own.
    let transport = ["414", "426", "431"];
    let mut used = BTreeSet::new();
    for operations in object(&description["paths"]).values() {
        for operation in object(operations).values() {
            for (status, response) in object(&operation["responses"]) {
                let Some(reference) = response["$ref"].as_str() else { continue };
                let name = reference.rsplit('/').next().expect("a name");
                used.insert(name.to_owned());
                let schema = &responses[name]["content"]["application/json"]["schema"];
                let codes =
                    &schema["allOf"][1]["properties"]["error"]["properties"]["code"]["enum"];
                for word in codes.as_array().expect("a list") {
                    let code = Code::ALL.iter().find(|code| *word == code.as_str());
                    let code = code.unwrap_or_else(|| panic!("{word}"));
                    let known = transport.contains(&&**status);
                    assert!(known || *status == code.status().to_string(), "{status} {word}");
                }
            }
        }
    }
    let unused: Vec<_> = responses.keys().filter(|name| !used.contains(*name)).collect();
    assert!(unused.is_empty(), "{unused:?}");
}

/// Every file of `web/demo` is served, by its name, as what its ending says.
#[test]
fn demos_are_complete() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/web/demo");
    let mut names = BTreeSet::new();
    for entry in std::fs::read_dir(folder).expect("web/demo") {
        let name = entry.expect("a file").file_name().into_string().expect("a name");
        let asset = find(&name).unwrap_or_else(|| panic!("{name} is not served"));
        let expected = match name.rsplit_once('.').expect("an ending").1 {
            "html" => Content::Page,
            "js" => Content::Script,
            "css" => Content::Style,
            other => panic!("{other}"),
        };
        assert_eq!(asset.content, expected, "{name}");
        names.insert(name);
    }
    assert_eq!(names.len(), DEMO.len());
    assert_eq!(find("").expect("the gallery").path, "index.html");
}
