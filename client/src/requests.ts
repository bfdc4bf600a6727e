// Requests that wait for an answer, in the order in which they were made: publishes above all. They
// outlive the connection. What was sent and not answered is sent again on the next one, publishes
// with the idempotency key that they had, so that the server takes them once. Bounded.

import { Timer } from "./clock.js";
import type { Verdict } from "./codes.js";
import type { Core } from "./core.js";
import type { Envelope, Unchecked } from "./envelope.js";
import { FanwireError } from "./error.js";

/** The rate is kept in slices, each of so long. */
const SLICE_MS = 500;
/** Refusals of one request that are temporary, before its caller is told. */
const TRIES = 10;
/** How long a server is trusted to know a key: a little less than its `idempotency_age`, 5 min. */
const KEY_AGE_MS = 240_000;

/** Bounds that an application may set. */
export interface Limits {
  /** Requests that may wait, 1000; more are refused with `queue_full`. */
  maxQueue?: number;
  /** Requests sent a second, 90: fewer than the server's `messages_per_second`, 100, so that what
   * has gathered offline is not refused, and keeps its order. */
  maxRate?: number;
}

interface Request {
  id: number;
  frame: string;
  channel: string;
  /** Whether doing it twice would be wrong, but for the server's memory of its key. */
  once: boolean;
  /** Sent on this connection. */
  sent: boolean;
  /** When it was first sent: from then on it may have happened. */
  at?: number;
  tries: number;
  done(data: unknown): void;
  failed(error: FanwireError): void;
}

export class Requests {
  #waiting = new Map<number, Request>();
  #next = 1;
  #core: Core;
  /** What may be sent in a slice of time, and what has been. */
  #allowance: number;
  #spent = 0;
  #slice: Timer;
  #pause: Timer;
  #maxBytes = Infinity;
  /** Whose memory of idempotency keys the unanswered rely on. */
  #memory: unknown;

  constructor(core: Core) {
    this.#core = core;
    this.#allowance = Math.max(1, ((core.options.maxRate ?? 90) * SLICE_MS) / 1000);
    this.#pause = new Timer(core.clock);
    this.#slice = new Timer(core.clock);
  }

  /** The mark of a request that nobody here waits for. */
  mark(): number {
    return this.#next++;
  }

  /** Asks, now or once connected. `fields` begin the message, `json` is its `data`. */
  ask(channel: string, once: boolean, fields: object, json: string): Promise<Unchecked> {
    const id = this.mark();
    const head = JSON.stringify({ ...fields, id, channel });
    const frame = `${head.slice(0, -1)},"data":${json}}`;
    return new Promise((done, failed) => {
      const fresh = { sent: false, tries: 0 };
      const request = { id, frame, channel, once, done, failed, ...fresh };
      const bound = this.#core.options.maxQueue ?? 1000;
      if (this.#waiting.size >= bound) return this.#fail([request], "queue_full", true);
      this.#waiting.set(id, request);
      this.#flush();
    });
  }

  /** A connection is open. `memory` names what remembers keys: another one has forgotten them. */
  opened(maxBytes: number, memory: unknown): void {
    this.#maxBytes = maxBytes;
    const now = this.#core.clock.now();
    // Whichever way the clock may have jumped.
    const old = (at: number): boolean => Math.abs(now - at) > KEY_AGE_MS;
    const forgotten = [...this.#waiting.values()].filter(
      ({ once, at }) => once && at !== undefined && (memory !== this.#memory || old(at)),
    );
    this.#memory = memory;
    this.#fail(forgotten, "outcome_unknown", true);
    this.#flush();
  }

  /** Takes an answer, if it is one to a request of these. */
  answered({ id, data }: Envelope, error?: FanwireError): boolean {
    const request = this.#waiting.get(id as number);
    if (!request?.sent) return false;
    if (error?.temporary && ++request.tries < TRIES) {
      // Whatever else is refused meanwhile waits with it, and all go again in their order.
      request.sent = false;
      const wait = Math.max(this.#core.backoff.wait(request.tries), error.retryAfterMs);
      this.#pause.start(wait, () => this.#flush());
      return true;
    }
    this.#waiting.delete(request.id);
    if (error) request.failed(error);
    else request.done(data);
    this.#flush();
    return true;
  }

  /** The connection is gone. */
  lost({ course, drop }: Verdict): void {
    this.#pause.stop();
    const all = [...this.#waiting.values()];
    if (course === "stop") return this.#fail(all, "closed", false);
    const sent = all.filter((request) => request.sent);
    for (const request of sent) request.sent = false;
    if (drop === "all") this.#fail(sent, "outcome_unknown", true);
    const longest = sent.sort((a, b) => b.frame.length - a.frame.length).slice(0, 1);
    if (drop === "longest") this.#fail(longest, "too_large", false);
  }

  #flush(): void {
    if (this.#pause.running) return;
    for (const request of this.#waiting.values()) {
      if (this.#spent >= this.#allowance) return;
      if (request.sent) continue;
      if (bytes(request.frame, this.#maxBytes) > this.#maxBytes) {
        this.#fail([request], "too_large", false);
        continue;
      }
      if (!this.#core.link.send(request.frame)) return;
      request.sent = true;
      request.at ??= this.#core.clock.now();
      if (this.#spent++ === 0) this.#slice.start(SLICE_MS, () => this.#renew());
    }
  }

  #renew(): void {
    this.#spent = 0;
    this.#flush();
  }

  #fail(requests: Request[], code: keyof typeof WHY, temporary: boolean): void {
    for (const { id, channel, failed } of requests) {
      this.#waiting.delete(id);
      failed(new FanwireError(code, WHY[code], temporary, channel));
    }
  }
}

export const WHY = {
  closed: "the client has stopped",
  queue_full: "too many requests wait",
  outcome_unknown: "nobody knows whether this happened",
  too_large: "the server takes nothing so long",
};

/** The length in UTF-8, or some length within `enough`. */
function bytes(frame: string, enough: number): number {
  return frame.length * 3 <= enough ? frame.length : new TextEncoder().encode(frame).length;
}
