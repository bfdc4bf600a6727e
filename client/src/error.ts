// What can go wrong, in the words of the protocol and a few of the client's own.

import { type Unchecked, number, text } from "./envelope.js";

/**
 * A refusal. `code` is for programs; beside those of the protocol there are `closed` (the client
 * has stopped), `queue_full`, `bad_message`, `slow_reader` and `token` (the provider failed).
 */
export class FanwireError extends Error {
  /** For programs. */
  readonly code: string;
  /** Whether the same may succeed later. */
  readonly temporary: boolean;
  /** How long to wait before, where the server said so. */
  readonly retryAfterMs: number;
  /** The channel that it is about, if any. */
  readonly channel?: string;

  constructor(code: string, message: string, temporary = false, channel?: string, retry = 0) {
    super(message);
    this.name = "FanwireError";
    this.code = code;
    this.temporary = temporary;
    this.retryAfterMs = retry;
    if (channel !== undefined) this.channel = channel;
  }

  /** What an `error` of the server says, whatever it holds. @internal */
  static from(data: Unchecked, channel?: string): FanwireError {
    const code = text(data?.code) ?? "internal";
    const message = text(data?.message) ?? code;
    const retry = number(data?.retry_after_ms, 0);
    return new FanwireError(code, message, data?.temporary === true, channel, retry);
  }
}
