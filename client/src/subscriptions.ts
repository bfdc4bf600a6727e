// All channels that are followed: what is said to the server about them, on each connection anew,
// and which of them a message is for. Each goes on from its own position.

import { Timer } from "./clock.js";
import type { Core } from "./core.js";
import { type Envelope, type Unchecked, position, text } from "./envelope.js";
import { FanwireError } from "./error.js";
import { type SubscribeOptions, Subscription } from "./subscription.js";

/** No channel has a longer name: one that has is not asked for, it would spoil the whole list. */
const LONGEST_NAME = 128;
/** The longest that one wish can be: a name, with six bytes for each letter that JSON escapes, a
 * position, and what is around them. */
const WISH_BYTES = 1024;
const MAX_WISHES = 100;
/** How long after its answer the old messages that a first subscription asked for may take. */
const SETTLING_MS = 1000;

/** In the place of a request's id: it was refused, and is to wait. */
const LATER = 0;

type Any = Subscription<any>;

export class Subscriptions {
  #all = new Map<string, Any>();
  #core: Core;
  #retry: Timer;
  #wishes = 1;

  constructor(core: Core) {
    this.#core = core;
    this.#retry = new Timer(core.clock);
  }

  /** Follows a channel; the same subscription, where it is followed already. */
  add(channel: string, options: SubscribeOptions): Any {
    const known = this.#all.get(channel);
    if (known) {
      // Asked for: no longer only the backend's.
      delete known.join.foreign;
      return known;
    }
    const made: Any = new Subscription(channel, options, this.#core);
    made.position = position(options.since) ?? this.#core.positions.load(channel);
    this.#all.set(channel, made);
    // With the others of this moment, in one list.
    queueMicrotask(() => this.#ask());
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
      // The old messages that were asked for have perhaps not come: ask for them again. A clock that
      // was set back does not make them new.
      if (Math.abs(this.#core.clock.now() - join.at!) < SETTLING_MS) one.position = undefined;
      one.join = { tries: join.tries };
      if (join.foreign) this.#end(one, "lost");
      else if (one.state === "joined") one.turn({ state: "joining" });
    }
  }

  /** Takes a message about a channel: false, if it cannot be what it says. */
  receive(envelope: Envelope): boolean {
    const { type, channel } = envelope;
    const subscription = this.#all.get(channel);
    if (type === "subscribed" && text(channel)) this.#subscribed(channel, envelope.data?.position);
    // Before its answer, what comes belongs to an earlier subscription.
    if (subscription?.state !== "joined") return true;
    if (type === "unsubscribed") {
      this.#end(subscription, text(envelope.data?.reason) ?? type);
    } else if (type === "message" || type === "gap" || type === "presence") {
      return subscription.receive(envelope);
    }
    return true;
  }

  /** Takes an answer, if it is one to a wish. An error without channel is for the whole list. */
  answered({ id, channel, data }: Envelope, error?: FanwireError): boolean {
    let taken = false;
    for (const one of [...this.#all.values()]) {
      if (!id || one.join.id !== id || (channel ?? one.channel) !== one.channel) continue;
      delete one.join.id;
      if (error) this.#refused(one, error);
      else this.#joined(one, data);
      taken = true;
    }
    return taken;
  }

  #joined(subscription: Any, data: Unchecked): void {
    const { join, options } = subscription;
    join.tries = 0;
    const place = position(data?.position);
    // With a position of our own, everything after that is still to come.
    if (!subscription.position && place) {
      subscription.reach(place);
      if (options.last) join.at = this.#core.clock.now();
    }
    subscription.turn({ state: "joined", recovered: data?.recovered === true });
  }

  #refused(subscription: Any, error: FanwireError): void {
    const again = error.code === "already_subscribed";
    subscription.emit("error", error);
    if (!error.temporary && !again) return this.#end(subscription, error.code);
    if (again) this.#leave(subscription.channel);
    const { join } = subscription;
    join.id = LATER;
    const wait = Math.max(this.#core.backoff.wait(join.tries++), error.retryAfterMs);
    this.#retry.start(wait, () => {
      for (const { join } of this.#all.values()) if (join.id === LATER) delete join.id;
      this.#ask();
    });
  }

  #subscribed(channel: string, place: unknown): void {
    if (this.#all.has(channel)) return;
    const made = new Subscription(channel, {}, this.#core);
    this.#all.set(channel, made);
    made.join.foreign = true;
    made.position = position(place);
    made.turn({ state: "joined", recovered: true });
    this.#core.emit("subscribed", made);
  }

  #end(subscription: Any, reason: string): void {
    this.#all.delete(subscription.channel);
    subscription.turn({ state: "ended", reason });
  }

  #leave(channel: string): void {
    const id = this.#core.requests.mark();
    this.#core.link.send(JSON.stringify({ type: "unsubscribe", id, channel }));
  }

  /** Asks for all channels that are neither joined nor asked for, in lists. */
  #ask(): void {
    const waiting = [...this.#all.values()].filter((one) => {
      if (one.channel.length > LONGEST_NAME) {
        this.#refused(one, new FanwireError("bad_channel", "too long", false, one.channel));
      }
      return one.state === "joining" && one.join.id === undefined;
    });
    for (let at = 0; at < waiting.length; at += this.#wishes) {
      const list = waiting.slice(at, at + this.#wishes);
      const id = this.#core.requests.mark();
      const data = { channels: list.map(wish) };
      if (!this.#core.link.send(JSON.stringify({ type: "subscribe", id, data }))) return;
      for (const one of list) one.join.id = id;
    }
  }
}

function wish({ channel, options, position }: Any): object {
  const { last, mode, maxRate, presence } = options;
  return { channel, since: position, last, mode, max_rate: maxRate, presence };
}
