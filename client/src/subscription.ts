// One channel that is followed: its position, who listens, who is there. It outlives connections.
// What is to be said to the server about it stands in subscriptions.ts.

import type { Core } from "./core.js";
import { Emitter } from "./emitter.js";
import { type Envelope, type Gap, type Message, gap, publication } from "./envelope.js";
import { FanwireError } from "./error.js";
import { Members, type PresenceChange } from "./presence.js";

/** How to follow a channel. */
export interface SubscribeOptions {
  /** So many of the latest first; beside a position only when that is no longer known. */
  last?: number;
  /** The position to go on from. */
  since?: string;
  /** `latest`: only the newest of every key. */
  mode?: "all" | "latest";
  /** With `latest`: rounds a second. */
  maxRate?: number;
  /** Hear who comes and goes. */
  presence?: boolean;
}

/** How to publish. */
export interface PublishOptions {
  /** A later publication with the same key supersedes this one, for those who want the latest. */
  key?: string;
  /** Publishing twice with one key publishes once. Without one, the client makes one up. */
  idempotencyKey?: string;
  /** Not to this connection. */
  skipSelf?: boolean;
}

/** What the server says of a publish that it has taken. */
export interface Published {
  /** The position that it got. */
  id: string;
  /** It had been published before, with the same key. */
  duplicate?: boolean;
}

/** `joining` until the server has answered, on each connection anew. */
export interface SubscriptionState {
  state: "joining" | "joined" | "ended";
  /** Why it has ended. */
  reason?: string;
  /** When joined: whether everything since the position comes. */
  recovered?: boolean;
}

export interface SubscriptionEvents<T> {
  message: Message<T>;
  gap: Gap;
  presence: PresenceChange;
  state: SubscriptionState;
  error: FanwireError;
}

/** How far a subscription has come on this connection. @internal */
export interface Join {
  /** The request that has not been answered. */
  id?: number;
  /** Refusals in a row. */
  tries: number;
  /** When it was answered, until the first message. */
  at?: number;
  /** Made by the backend, for as long as the connection lives. */
  foreign?: boolean;
}

/** Publications to remember, so that none is told twice. */
const RECENT = 256;
/** Messages that may wait for `for await`. */
const UNREAD = 1024;

export class Subscription<T = unknown> extends Emitter<SubscriptionEvents<T>> {
  readonly channel: string;
  /** The options that it was made with. */
  readonly options: Readonly<SubscribeOptions>;
  /** Who is there, by user, or by connection where anonymous; when `presence` was asked for. */
  readonly members: Members = new Members();
  /** The place in the channel up to which everything has come, or was told as a gap. */
  position: string | undefined;
  state: SubscriptionState["state"] = "joining";
  /** Bookkeeping of subscriptions.ts. @internal */
  join: Join = { tries: 0 };
  #core: Core;
  #recent = new Set<string>();

  /** @internal */
  constructor(channel: string, options: SubscribeOptions, core: Core) {
    super();
    this.channel = channel;
    this.options = options;
    this.#core = core;
  }

  /** How many are there, as of the last presence message. */
  get count(): number {
    return this.members.count;
  }

  /** Publishes to this channel. */
  publish(data: T, options?: PublishOptions): Promise<Published> {
    return this.#core.publish(this.channel, data, options);
  }

  /** Leaves the channel for good. */
  unsubscribe(): void {
    if (this.state !== "ended") this.#core.subscriptions.remove(this);
  }

  /** Messages as they come, from now on, until the subscription ends. */
  async *[Symbol.asyncIterator](): AsyncGenerator<Message<T>, void, undefined> {
    const unread: Message<T>[] = [];
    let wake = (): void => {};
    const offs = [
      this.on("message", (message) => {
        if (unread.length <= UNREAD) unread.push(message);
        wake();
      }),
      this.on("state", () => wake()),
    ];
    try {
      for (;;) {
        // One more than there may be: others came behind it.
        if (unread.length > UNREAD) {
          throw new FanwireError("slow_reader", "too many unread", true, this.channel);
        }
        const next = unread.shift();
        if (next) yield next;
        else if (this.state === "ended") return;
        else await new Promise<void>((wakened) => (wake = wakened));
      }
    } finally {
      for (const off of offs) off();
    }
  }

  /** Goes on from `position`. @internal */
  reach(position: string): void {
    this.position = position;
    delete this.join.at;
    this.#core.positions.save(this.channel, position);
  }

  /** @internal */
  turn(state: SubscriptionState): void {
    this.state = state.state;
    this.emit("state", state);
  }

  /** Takes what the server says of this channel; false, if that cannot be it. @internal */
  receive(envelope: Envelope): boolean {
    if (envelope.type === "presence") {
      if (envelope.data?.count === undefined) return false;
      this.emit("presence", this.members.take(envelope.data));
    } else if (envelope.type === "gap") {
      const told = gap(envelope.data, this.channel);
      if (!told) return false;
      this.reach(told.to);
      this.emit("gap", told);
    } else {
      const message = publication(envelope, this.channel);
      if (!message) return false;
      if (this.#isNew(message.id)) {
        this.reach(message.id);
        this.emit("message", message as Message<T>);
      }
    }
    return true;
  }

  #isNew(id: string): boolean {
    if (this.#recent.has(id)) return false;
    const [oldest] = this.#recent.add(id);
    if (this.#recent.size > RECENT) this.#recent.delete(oldest!);
    return true;
  }
}
