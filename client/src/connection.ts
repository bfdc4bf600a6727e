// The connection: one WebSocket at a time, from the token to the welcome to the close, and what
// comes after. Says who listens what was heard; knows nothing of channels but the place in `$all`
// that the address carries.

import { Timer } from "./clock.js";
import { type Verdict, judge } from "./codes.js";
import type { Core } from "./core.js";
import { type Unchecked, number, parse, text } from "./envelope.js";
import { FanwireError } from "./error.js";
import { ask } from "./token.js";
import { Watch } from "./watch.js";

/** Where a client is: waiting before it tries again, or stopped until it is told otherwise. */
export type State = "connecting" | "open" | "waiting" | "stopped";

export interface StateChange {
  state: State;
  /** Why it waits or has stopped, in a word. */
  reason?: string;
  /** The close code; 1006 where there was none. */
  code?: number;
  /** How long it waits. */
  delay?: number;
}

/** What the library needs of a WebSocket: the browser's own, or that of the package `ws`. */
export interface Socket {
  onopen: ((event: never) => void) | null;
  onmessage: ((event: never) => void) | null;
  onclose: ((event: never) => void) | null;
  onerror: ((event: never) => void) | null;
  send(text: string): void;
  close(code?: number, reason?: string): void;
}
export type SocketClass = new (url: string, protocols: string[]) => Socket;

const WELCOME_MS = 20_000;
/** A connection that has lasted so long begins anew with the least wait. */
const LASTING_MS = 10_000;
const AUTH = "auth";

export class Connection {
  state: State = "stopped";
  #core: Core;
  #url: string;
  #socket: Socket | undefined;
  /** The attempt that is under way; what belongs to an earlier one is ignored. */
  #attempt = 0;
  /** Connections that have failed, since one that lasted. */
  #failures = 0;
  /** The next step: welcome, return, or the end of a trial. */
  #timer: Timer;
  #leave: Timer;
  #refresh: Timer;
  #watch: Watch;
  /** Whether the wait is the client's own choice, and may be cut short. */
  #impatient = false;

  constructor(core: Core, url: string) {
    this.#core = core;
    this.#url = url;
    this.#timer = new Timer(core.clock);
    this.#leave = new Timer(core.clock);
    this.#refresh = new Timer(core.clock);
    const ping = (): unknown => this.send('{"type":"ping"}');
    this.#watch = new Watch(core.clock, ping, () => this.lose("silent"));
  }

  connect(): void {
    if (this.state === "stopped") this.#failures = 0;
    else if (this.state !== "waiting") return;
    this.#timer.stop();
    void this.#connect();
  }

  close(): void {
    if (this.state !== "stopped") this.#end(judge(1000, "closed"), 1000);
  }

  /** Sends, if the connection is open. */
  send(frame: string): boolean {
    if (this.state !== "open" || !this.#socket) return false;
    this.#socket.send(frame);
    return true;
  }

  /** The network may be back, or gone: looks, instead of waiting to be told. */
  check(): void {
    if (this.state === "open") this.#watch.check();
    if (this.state !== "waiting" || !this.#impatient) return;
    this.#impatient = false;
    const { backoff } = this.#core;
    this.#timer.start(backoff.wait(0), () => void this.#connect());
  }

  async #connect(): Promise<void> {
    const { clock, options } = this.#core;
    const { token } = options;
    const attempt = ++this.#attempt;
    this.#change({ state: "connecting" });
    let credential: string | null | undefined;
    try {
      // Waits in any case: who has just made the client shall hear what becomes of it.
      credential = await (token === undefined ? token : ask(token, clock));
    } catch (error) {
      if (attempt !== this.#attempt) return;
      this.#complain("token", error);
      if (typeof token === "function") this.#end(judge(1006, "token"));
      else this.#stop("token");
      return;
    }
    if (attempt !== this.#attempt) return;
    if (credential === null) this.#stop("token");
    else this.#open(credential);
  }

  #open(token: string | undefined): void {
    const { everybody, options } = this.#core;
    const WebSocket = (options.WebSocket ?? globalThis.WebSocket) as SocketClass;
    const address = new URL(this.#url);
    const place = everybody.position;
    if (place) address.searchParams.set("since", place);
    const protocols = ["fanwire.v1"];
    if (token !== undefined) protocols.push(`bearer.${token}`);
    let socket: Socket;
    try {
      socket = new WebSocket(address.href, protocols);
    } catch (error) {
      // It will never do.
      this.#complain("bad_address", error);
      return this.#stop("bad_address");
    }
    this.#socket = socket;
    this.#timer.start(WELCOME_MS, () => this.lose("late"));
    socket.onerror = () => {};
    socket.onmessage = ({ data }: { data: unknown }) => {
      if (socket === this.#socket) this.#hear(data);
    };
    socket.onclose = ({ code, reason }: { code: number; reason: unknown }) => {
      if (socket === this.#socket) this.#end(judge(code, reason));
    };
  }

  #hear(frame: unknown): void {
    this.#watch.heard();
    const envelope = parse(frame);
    // What cannot be read may have been a publication: come back and ask for it.
    if (envelope === undefined) return this.lose("garbage");
    const { type, id, data } = envelope;
    if (type === "connection") this.#welcome(data);
    else if (type === "goaway") this.#goAway(data);
    else if (type === "expiring") void this.#renew();
    else if (id === AUTH && type === "error") this.#core.emit("error", FanwireError.from(data));
    else if (id !== AUTH) this.#core.received(envelope);
  }

  #welcome(data: Unchecked): void {
    if (this.state === "open") return;
    const { backoff, options } = this.#core;
    const range = data?.reconnect;
    backoff.min = options.minDelay ?? Math.max(1, number(range?.min_ms, backoff.min));
    backoff.max = options.maxDelay ?? Math.max(backoff.min, number(range?.max_ms, backoff.max));
    this.#timer.start(LASTING_MS, () => (this.#failures = 0));
    const update = number(data?.update_interval_ms, 0);
    this.#watch.start(update, number(data?.pong_timeout_ms, 0));
    this.state = "open";
    this.#core.opened(data);
  }

  #goAway(data: Unchecked): void {
    const range = data?.reconnect_after_ms;
    const [from, to] = [number(range?.[0], 0), number(range?.[1], 5000)];
    const reason = text(data?.reason) ?? "goaway";
    this.#leave.start(this.#core.backoff.between(from, to), () => {
      this.#end(judge(1012, `${reason};retry=0-0`), 1000);
    });
  }

  /** Hands in a new token, before the old one ends. */
  async #renew(): Promise<void> {
    const { clock, backoff, options } = this.#core;
    const { token } = options;
    const attempt = this.#attempt;
    if (typeof token !== "function") return;
    try {
      const fresh = await ask(token, clock);
      if (fresh === null || attempt !== this.#attempt) return;
      this.send(JSON.stringify({ type: "auth", id: AUTH, data: { token: fresh } }));
    } catch (error) {
      if (attempt !== this.#attempt) return;
      this.#complain("token", error);
      this.#refresh.start(backoff.between(backoff.min, 5000), () => void this.#renew());
    }
  }

  /** Gives the link up. */
  lose(reason: string): void {
    this.#end(judge(1006, reason), 4000);
  }

  #stop(reason: string): void {
    this.#end({ ...judge(1006, reason), course: "stop" });
  }

  /** The end of an attempt or of a link, and what comes of it. */
  #end(verdict: Verdict, code?: number): void {
    const { backoff, options, requests, subscriptions } = this.#core;
    const socket = this.#socket;
    const attempt = ++this.#attempt;
    this.#socket = undefined;
    for (const timer of [this.#timer, this.#leave, this.#refresh, this.#watch]) timer.stop();
    // Its close may take long on a dead link: nobody waits for it.
    if (code !== undefined) socket?.close(code);
    const { code: closed, reason, pace, least } = verdict;
    if (verdict.course === "token" && typeof options.token !== "function") verdict.course = "stop";
    requests.lost(verdict);
    subscriptions.lost();
    // Whoever was told may have closed the client.
    if (attempt !== this.#attempt) return;
    if (verdict.course === "stop") return this.#change({ state: "stopped", reason, code: closed });
    // A pace spares the first wait, but not those that follow when it does not help.
    const own = pace && !this.#failures ? 0 : backoff.wait(this.#failures);
    this.#failures++;
    const delay = Math.max(least && least + own, own, pace ? backoff.between(...pace) : 0);
    this.#impatient = !pace && !least;
    this.#timer.start(delay, () => void this.#connect());
    this.#change({ state: "waiting", reason, code: closed, delay });
  }

  #complain(code: string, error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    this.#core.emit("error", new FanwireError(code, message, true));
  }

  #change(change: StateChange): void {
    this.state = change.state;
    this.#core.changed(change);
  }
}
