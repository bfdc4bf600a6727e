// The application's token: a string, or a provider that is asked for one. A provider may fail or
// hang; whoever waits here waits for a bounded time.

import type { Clock } from "./clock.js";

/** A token, or who gives one. `null`: there is none to be had, and the client stops. */
export type TokenSource = string | (() => Promise<string | null> | string | null);

const PATIENCE_MS = 20_000;

/** Asks `source`. Fails when it fails, gives something else, or takes too long. */
export async function ask(source: TokenSource, clock: Clock): Promise<string | null> {
  const token = typeof source === "string" ? source : await inTime(source, clock);
  // What may stand in the list of subprotocols; every JWT may.
  if (token === null || (typeof token === "string" && /^[\w.~+-]+$/.test(token))) return token;
  throw new TypeError("this is not a token");
}

async function inTime<T>(source: () => T, clock: Clock): Promise<Awaited<T>> {
  let timer: unknown;
  const late = new Promise<never>((_, fail) => {
    timer = clock.setTimeout(() => fail(new Error("the token provider hangs")), PATIENCE_MS);
  });
  try {
    return await Promise.race([source(), late]);
  } finally {
    clock.clearTimeout(timer);
  }
}
