//! The files that are part of the program. Other pages come with the client library.

#[cfg(test)]
mod tests;

use crate::conn::session::Asset;
use crate::http::reply::Content;

static ASSETS: [Asset; 3] = [
    Asset { path: "", content: Content::Page, bytes: include_bytes!("../../web/index.html") },
    Asset {
        path: "live.js",
        content: Content::Script,
        bytes: include_bytes!("../../web/demo/live.js"),
    },
    Asset {
        path: "live.css",
        content: Content::Style,
        bytes: include_bytes!("../../web/demo/live.css"),
    },
];

/// The description of the API, which is there whether pages are or not.
pub(super) static DESCRIPTION: Asset = Asset {
    path: "openapi.json",
    content: Content::Json,
    bytes: include_bytes!("../../web/openapi.json"),
};

/// The file with this path: `""` for the page at `/`, others below `/demo/`.
pub(super) fn find(path: &str) -> Option<&'static Asset> {
    ASSETS.iter().find(|asset| asset.path == path)
}
