//! The files that are part of the program: pages, the client library, the API's description.

#[cfg(test)]
mod tests;

use crate::conn::session::Asset;
use crate::http::reply::Content;

static ASSETS: [Asset; 3] = [
    Asset {
        path: "",
        status: 200,
        content: Content::Page,
        bytes: include_bytes!("../../web/index.html"),
    },
    Asset {
        path: "live.js",
        status: 200,
        content: Content::Script,
        bytes: include_bytes!("../../web/demo/live.js"),
    },
    Asset {
        path: "live.css",
        status: 200,
        content: Content::Style,
        bytes: include_bytes!("../../web/demo/live.css"),
    },
];

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

/// The file with this path: `""` for the page at `/`, others below `/demo/`.
pub(super) fn find(path: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.path == path)
}
