// What browsers tell of the network and the page. Where nothing tells, as in Node, nothing is
// heard.

/** Calls `look` when the network may have changed, or the page is seen again. */
export function onNetworkChange(look: () => void): () => void {
  const { document } = globalThis;
  const until = new AbortController();
  const seen = (): unknown => document.hidden || look();
  globalThis.addEventListener?.("online", look, until);
  document?.addEventListener("visibilitychange", seen, until);
  return () => until.abort();
}
