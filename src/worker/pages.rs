//! The files that are part of the program: the live page and the demos, the client library, the
//! API's description.

#[cfg(test)]
mod tests;

use crate::conn::session::Asset;
use crate::http::reply::Content;

/// The files of `web/demo` with these names.
macro_rules! demo {
    ($($content:ident: $($path:literal)*;)*) => {
        [$($(Asset {
            path: $path,
            status: 200,
            content: Content::$content,
            bytes: include_bytes!(concat!("../../web/demo/", $path)),
        }),*),*]
    };
}

static DEMO: [Asset; 38] = demo! {
    Page: "index.html" "auction.html" "board.html" "call.html" "chat.html" "dashboard.html"
        "device.html" "editor.html" "game.html" "map.html" "notifications.html" "quiz.html"
        "scores.html" "stream.html" "support.html" "telemetry.html" "ticker.html";
    Script: "auction.js" "board.js" "call.js" "chat.js" "dashboard.js" "demo.js" "device.js"
        "editor.js" "game.js" "live.js" "map.js" "notifications.js" "quiz.js" "scores.js"
        "stream.js" "support.js" "telemetry.js" "ticker.js";
    Style: "base.css" "demo.css" "live.css";
};

/// The live page, at `/`.
pub(super) static LIVE: Asset = Asset {
    path: "",
    status: 200,
    content: Content::Page,
    bytes: include_bytes!("../../web/index.html"),
};

/// The client library for browsers, made of `client/src`; there whether pages are or not.
pub(super) static CLIENT: Asset = Asset {
    path: "client.js",
    status: 200,
    content: Content::Script,
    bytes: include_bytes!("../../web/client.js"),
};

/// The description of the API, which is there whether pages are or not.
pub(super) static DESCRIPTION: Asset = Asset {
    path: "openapi.json",
    status: 200,
    content: Content::Json,
    bytes: include_bytes!("../../web/openapi.json"),
};

/// What stands at `/` where there are no pages.
pub(super) static NO_PAGES: Asset = Asset {
    path: "",
    status: 404,
    content: Content::Text,
    bytes: b"This is Fanwire, a WebSocket edge server. Its API is described at /openapi.json.\n",
};

/// The file with this path below `/demo/`: `""` is the gallery.
pub(super) fn find(path: &str) -> Option<&'static Asset> {
    let path = if path.is_empty() { "index.html" } else { path };
    DEMO.iter().find(|asset| asset.path == path)
}
