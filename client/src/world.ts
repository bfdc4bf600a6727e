// What browsers tell of the network and the page. Where nothing tells, as in Node, nothing is heard.

/** Calls `look` when the network may have changed, or the page is seen again. */
export function onNetworkChange(look: () => void): () => void {
  const { document } = globalThis;
  const seen = (): void => {
    if (document.visibilityState === "visible") look();
  };
  globalThis.addEventListener?.("online", look);
  document?.addEventListener("visibilitychange", seen);
  return () => {
    globalThis.removeEventListener?.("online", look);
    document?.removeEventListener("visibilitychange", seen);
  };
}
