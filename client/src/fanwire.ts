// The client: what an application holds in its hand. Puts the parts together and gives each message
// to the part that it is for.

import { Backoff } from "./backoff.js";
import { type Clock, systemClock } from "./clock.js";
import { Connection, type State, type StateChange } from "./connection.js";
import type { Core } from "./core.js";
import { Emitter } from "./emitter.js";
import { type Envelope, type Gap, type Message } from "./envelope.js";
import { type Unchecked, encode, number, position, publication, text } from "./envelope.js";
import { FanwireError } from "./error.js";
import { Positions, type PositionStorage } from "./positions.js";
import type { Member } from "./presence.js";
import { type Limits, Requests, WHY } from "./requests.js";
import { type PublishOptions, type Published, type SubscribeOptions } from "./subscription.js";
import { Subscription } from "./subscription.js";
import { Subscriptions } from "./subscriptions.js";
import type { TokenSource } from "./token.js";
import { onNetworkChange } from "./world.js";

export interface Options extends Limits {
  /** A token, or a function that gives one: called before a connection is made, and before the
   * token ends. `null` says that there is none, and stops the client. */
  token?: TokenSource;
  /** Bounds of the back-off, in milliseconds; without them the server's hold. */
  minDelay?: number;
  maxDelay?: number;
  /** Where there is no global one: `import { WebSocket } from "ws"`. */
  WebSocket?: unknown;
  /** Keeps positions over a reload of the page: `localStorage`, `sessionStorage`. */
  storage?: PositionStorage;
  /** For tests. */
  clock?: Clock;
  random?: () => number;
}

export interface Update {
  /** The server's time. */
  time: number;
  /** Connections of the node, where that is public. */
  connections?: number;
}

/** A page of history. */
export interface HistoryPage<T = unknown> {
  messages: Message<T>[];
  more: boolean;
  position: string;
}

/** A page of who is in a channel. */
export interface PresencePage {
  count: number;
  /** `null` where there are so many that only their number is told. */
  members: Member[] | null;
  next: string | null;
}

export interface FanwireEvents {
  state: StateChange;
  /** A publication to everybody. */
  broadcast: Message;
  /** Broadcasts that will not come. */
  gap: Gap;
  update: Update;
  /** The backend has subscribed this connection to a channel. */
  subscribed: Subscription;
  /** What went wrong and nobody else is told of. */
  error: FanwireError;
}

const ALL = "$all";

/** The payload types of channels by their names, for those who want them checked. */
export class Fanwire<Channels extends object = {}> extends Emitter<FanwireEvents> {
  /** The verified user of this connection. */
  user: string | null = null;
  /** The name of this connection, by which the backend may skip it. */
  connection: string | undefined;
  #core: Core;
  #key: string;
  #keys = 0;
  #deafen: (() => void) | undefined;

  /** Connects to `url`, `/ws` of the page's own host where it is left out. */
  constructor(url?: string | URL, options: Options = {}) {
    super();
    if (!(options.WebSocket ?? globalThis.WebSocket)) {
      throw new TypeError("no WebSocket here: give one in the options");
    }
    const { clock = systemClock, random = Math.random, storage, minDelay, maxDelay } = options;
    const core = (this.#core = {
      options,
      clock,
      backoff: new Backoff(random, minDelay, maxDelay),
      positions: new Positions(storage),
      emit: this.emit.bind(this),
      publish: this.publish.bind(this),
      changed: this.#changed.bind(this),
      opened: this.#opened.bind(this),
      received: this.#received.bind(this),
    } as Core);
    core.requests = new Requests(core);
    core.subscriptions = new Subscriptions(core);
    core.everybody = new Subscription(ALL, {}, core);
    core.everybody.position = core.positions.load(ALL);
    core.everybody.on("message", (message) => this.emit("broadcast", message));
    core.everybody.on("gap", (gap) => this.emit("gap", gap));
    core.link = new Connection(core, address(url));
    this.#key = [random(), random()].map((part) => part.toString(36).slice(2)).join("");
    this.connect();
  }

  get state(): State {
    return this.#core.link.state;
  }

  /** Connects again after `close`, or at once where the client waits. */
  connect(): void {
    this.#deafen ??= onNetworkChange(() => this.#core.link.check());
    this.#core.link.connect();
  }

  /** Stops. Subscriptions stay, for `connect`; what waits for an answer fails with `closed`. */
  close(): void {
    this.#core.link.close();
  }

  /** Follows a channel. A second call for the same channel gives the same subscription. */
  subscribe<Name extends keyof Channels & string>(
    channel: Name,
    options?: SubscribeOptions,
  ): Subscription<Channels[Name]>;
  subscribe<T = any>(channel: string, options?: SubscribeOptions): Subscription<T>;
  subscribe(channel: string, options: SubscribeOptions = {}): Subscription<any> {
    return this.#core.subscriptions.add(channel, options);
  }

  /** Publishes: now, or once connected, once. Bytes go as bytes. */
  async publish<Name extends string>(
    channel: Name,
    data: Name extends keyof Channels ? Channels[Name] : unknown,
    options: PublishOptions = {},
  ): Promise<Published> {
    const { json, encoding } = encode(data);
    const fields = {
      type: "publish",
      encoding,
      key: options.key,
      idempotency_key: options.idempotencyKey ?? `${this.#key}-${this.#keys++}`,
      skip_self: options.skipSelf,
    };
    return { id: "", ...(await this.#ask(channel, true, fields, json)) };
  }

  /** Reads what the server keeps of a channel, oldest first. */
  async history<T = any>(
    channel: string,
    options: { since?: string; before?: string; limit?: number } = {},
  ): Promise<HistoryPage<T>> {
    const answer = await this.#ask(channel, false, { type: "history" }, JSON.stringify(options));
    const list = answer?.messages;
    const messages = Array.isArray(list) ? list.map((one) => publication(one, channel)) : [];
    return {
      more: false,
      position: "",
      ...answer,
      messages: messages.filter(Boolean) as Message<T>[],
    };
  }

  /** Reads who is in a channel. */
  async presence(
    channel: string,
    options: { limit?: number; cursor?: string } = {},
  ): Promise<PresencePage> {
    const answer = await this.#ask(channel, false, { type: "presence" }, JSON.stringify(options));
    return { count: 0, members: [], next: null, ...answer };
  }

  #ask(channel: string, once: boolean, fields: object, json: string): Promise<Unchecked> {
    if (this.state !== "stopped") return this.#core.requests.ask(channel, once, fields, json);
    return Promise.reject(new FanwireError("closed", WHY.closed, false, channel));
  }

  #changed(change: StateChange): void {
    if (change.state === "stopped") {
      this.#deafen?.();
      this.#deafen = undefined;
    }
    this.emit("state", change);
  }

  #opened(welcome: Unchecked): void {
    this.user = text(welcome?.user) ?? null;
    this.connection = text(welcome?.connection);
    const place = position(welcome?.position);
    if (!this.#core.everybody.position && place) this.#core.everybody.reach(place);
    this.#changed({ state: "open" });
    const maxBytes = number(welcome?.max_message_bytes, Infinity) || Infinity;
    this.#core.subscriptions.opened(maxBytes);
    this.#core.requests.opened(maxBytes, welcome?.memory);
  }

  #received(envelope: Envelope): void {
    const { type, channel, data } = envelope;
    const error = type === "error" ? FanwireError.from(data, channel) : undefined;
    if (type === "ack" || error) {
      if (this.#core.requests.answered(envelope, error)) return;
      if (this.#core.subscriptions.answered(envelope, error)) return;
      if (error) return this.emit("error", error);
    }
    if (type === "update") this.emit("update", data as Update);
    const own = type === "broadcast" || (type === "gap" && channel === ALL);
    const understood = own
      ? this.#core.everybody.receive(envelope)
      : this.#core.subscriptions.receive(envelope);
    // A publication that cannot be read would be lost: come back and ask for it.
    if (!understood) this.#core.link.lose("garbage");
  }
}

function address(url: string | URL | undefined): string {
  const found = new URL(url ?? "/ws", globalThis.location?.href);
  if (found.pathname === "/") found.pathname = "/ws";
  found.protocol = found.protocol.replace("http", "ws");
  found.hash = "";
  return found.href;
}
