// All channels that are followed: what is said to the server about them, on each connection anew,
// and which of them a message is for. Each goes on from its own position.

import type { Backoff } from "./backoff.js";
import { type Clock, Timer } from "./clock.js";
import { type Envelope, field, position, text } from "./envelope.js";
import { FanwireError } from "./error.js";
import type { Positions } from "./positions.js";
import { type Owner, type SubscribeOptions, Subscription } from "./subscription.js";

/** The longest that one wish can be: a name, a position, and what is around them. */
const WISH_BYTES = 512;
const MAX_WISHES = 100;
/** How long after its answer the old messages that a first subscription asked for may take. */
const SETTLING_MS = 1000;

type Any = Subscription<any>;

/** What is needed of the client. */
export interface Wire {
  send(frame: string): boolean;
  mark(): number;
  owner: Owner;
  positions: Positions;
  clock: Clock;
  backoff: Backoff;
  /** The backend has subscribed this connection. */
  subscribed(subscription: Any): void;
}

export class Subscriptions {
  #all = new Map<string, Any>();
  #wire: Wire;
  #retry: Timer;
  #wishes = 1;
  /** Whether those that have just come into being are about to be asked for. */
  #gathering = false;

  constructor(wire: Wire) {
    this.#wire = wire;
    this.#retry = new Timer(wire.clock);
  }

  /** Follows a channel; the same subscription, where it is followed already. */
  add(channel: string, options: SubscribeOptions): Any {
    const known = this.#all.get(channel);
    if (known) return known;
    const made: Any = new Subscription(channel, options, this.#wire.owner);
    made.position = position(options.since) ?? this.#wire.positions.load(channel);
    this.#all.set(channel, made);
    if (!this.#gathering) {
      this.#gathering = true;
      queueMicrotask(() => {
        this.#gathering = false;
        this.#ask();
      });
    }
    return made;
  }

  remove(subscription: Any): void {
    this.#end(subscription, "unsubscribed");
    this.#leave(subscription.channel);
  }

  opened(maxBytes: number): void {
    this.#wishes = Math.min(MAX_WISHES, Math.max(1, Math.floor(maxBytes / WISH_BYTES)));
    this.#ask();
  }

  /** The connection is gone, and with it what the backend had subscribed. */
  lost(): void {
    this.#retry.stop();
    for (const one of this.#all.values()) {
      const { join } = one;
      // The old messages that were asked for have perhaps not come: ask for them again.
      if (join.at !== undefined && this.#wire.clock.now() - join.at < SETTLING_MS) {
        one.position = undefined;
      }
      one.join = { tries: join.tries };
      if (join.foreign) this.#end(one, "lost");
      else if (one.state === "joined") one.turn({ state: "joining" });
    }
  }

  /** Takes a message about a channel: false, if it cannot be what it says. */
  receive(envelope: Envelope): boolean {
    const { type, channel } = envelope;
    const subscription = this.#all.get(channel ?? "");
    if (type === "subscribed" && channel) this.#subscribed(channel, field(envelope.data, "position"));
    // Before its answer, what comes belongs to an earlier subscription.
    if (subscription?.state !== "joined") return true;
    if (type === "unsubscribed") {
      this.#end(subscription, text(field(envelope.data, "reason")) ?? type);
    } else if (type === "message" || type === "gap" || type === "presence") {
      delete subscription.join.at;
      return subscription.receive(envelope);
    }
    return true;
  }

  /** Takes an answer, if it is one to a wish. An error without channel is for the whole list. */
  answered({ id, channel, data }: Envelope, error?: FanwireError): boolean {
    let taken = false;
    for (const one of [...this.#all.values()]) {
      if (one.join.id !== id || (channel ?? one.channel) !== one.channel) continue;
      delete one.join.id;
      if (error) this.#refused(one, error);
      else this.#joined(one, data);
      taken = true;
    }
    return taken;
  }

  #joined(subscription: Any, data: unknown): void {
    const { join, options } = subscription;
    join.tries = 0;
    const place = position(field(data, "position"));
    // With a position of our own, everything after that is still to come.
    if (subscription.position === undefined && place !== undefined) {
      subscription.reach(place);
      if (options.last) join.at = this.#wire.clock.now();
    }
    subscription.turn({ state: "joined", recovered: field(data, "recovered") === true });
  }

  #refused(subscription: Any, error: FanwireError): void {
    const again = error.code === "already_subscribed";
    subscription.emit("error", error);
    if (!error.temporary && !again) return this.#end(subscription, error.code);
    if (again) this.#leave(subscription.channel);
    const wait = Math.max(this.#wire.backoff.wait(subscription.join.tries++), error.retryAfterMs);
    this.#retry.start(wait, () => this.#ask());
  }

  #subscribed(channel: string, place: unknown): void {
    if (this.#all.has(channel)) return;
    const made = new Subscription(channel, {}, this.#wire.owner);
    this.#all.set(channel, made);
    made.join.foreign = true;
    made.position = position(place);
    made.turn({ state: "joined", recovered: true });
    this.#wire.subscribed(made);
  }

  #end(subscription: Any, reason: string): void {
    this.#all.delete(subscription.channel);
    subscription.turn({ state: "ended", reason });
  }

  #leave(channel: string): void {
    this.#wire.send(JSON.stringify({ type: "unsubscribe", id: this.#wire.mark(), channel }));
  }

  /** Asks for all channels that are neither joined nor asked for, in lists. */
  #ask(): void {
    const asked = [...this.#all.values()];
    const waiting = asked.filter(({ state, join }) => state === "joining" && join.id === undefined);
    for (let at = 0; at < waiting.length; at += this.#wishes) {
      const list = waiting.slice(at, at + this.#wishes);
      const id = this.#wire.mark();
      const channels = list.map(wish);
      if (!this.#wire.send(JSON.stringify({ type: "subscribe", id, data: { channels } }))) return;
      for (const one of list) one.join.id = id;
    }
  }
}

function wish({ channel, options, position }: Any): object {
  const { last, mode, maxRate, presence } = options;
  return { channel, since: position, last, mode, max_rate: maxRate, presence };
}
