// A world for the library that a test holds in its hand: a clock that goes when it is told to, and
// sockets that say what the test lets them say. What is tested is the very file that is served.

import { Fanwire } from "../../web/client.js";

export * from "../../web/client.js";

const settled = () => new Promise((done) => setImmediate(done));

// Time stands still but for `pass`. `jump` sets the clock without letting timers know.
export class FakeClock {
  #timers = new Map();
  #next = 1;
  #time = 0;
  #jumped = 0;
  longest = 0;

  now() {
    return this.#time + this.#jumped;
  }

  get time() {
    return this.#time;
  }

  get waiting() {
    return this.#timers.size;
  }

  setTimeout(run, ms) {
    this.longest = Math.max(this.longest, ms);
    this.#timers.set(this.#next, { at: this.#time + ms, run });
    return this.#next++;
  }

  clearTimeout(timer) {
    this.#timers.delete(timer);
  }

  jump(ms) {
    this.#jumped += ms;
  }

  async pass(ms) {
    const end = this.#time + ms;
    for (;;) {
      await settled();
      const [next] = [...this.#timers].sort(([, a], [, b]) => a.at - b.at);
      if (!next || next[1].at > end) break;
      this.#timers.delete(next[0]);
      this.#time = next[1].at;
      next[1].run();
    }
    this.#time = end;
  }
}

export const WELCOME = {
  connection: "c-1",
  user: null,
  server: "fanwire/0",
  node: "n1",
  memory: "m1",
  protocol: 1,
  features: [],
  position: "a:0",
  ping_interval_ms: 25_000,
  pong_timeout_ms: 10_000,
  update_interval_ms: 30_000,
  max_message_bytes: 65_536,
  expires_in_ms: null,
  reconnect: { min_ms: 500, max_ms: 20_000 },
};

class FakeSocket {
  sent = [];
  closed = undefined;

  constructor(url, protocols) {
    this.url = new URL(url);
    this.protocols = protocols;
  }

  // Whether pings are answered.
  alive = false;

  send(text) {
    const message = JSON.parse(text);
    this.sent.push(message);
    if (this.alive && message.type === "ping") {
      queueMicrotask(() => this.says({ type: "pong", timestamp: 1 }));
    }
  }

  close(code) {
    this.closed = code;
  }

  // --- what the test lets the server do

  says(message) {
    this.onmessage({ data: typeof message === "string" ? message : JSON.stringify(message) });
  }

  welcomes(fields = {}) {
    this.says({ type: "connection", data: { ...WELCOME, ...fields }, timestamp: 1 });
  }

  drops(code = 1006, reason = "") {
    this.onclose({ code, reason });
  }

  publishes(channel, id, data = id, more = {}) {
    this.says({ type: "message", id, channel, data, timestamp: 1, ...more });
  }

  // Answers the latest request of that type, or a given one.
  acks(request, data = {}) {
    this.says({ type: "ack", id: request.id, channel: request.channel, data, timestamp: 1 });
  }

  refuses(request, code, temporary = false, more = {}) {
    const data = { code, message: `no: ${code}`, temporary, ...more };
    this.says({ type: "error", id: request.id, channel: request.channel, data, timestamp: 1 });
  }

  joins(channel, data = {}) {
    const { id } = this.sent.findLast(
      ({ type, data }) =>
        type === "subscribe" && data.channels.some((one) => one.channel === channel),
    );
    this.says({
      type: "ack",
      id,
      channel,
      data: { position: "p:0", recovered: true, missed: 0, ...data },
      timestamp: 1,
    });
  }

  asked(type) {
    return this.sent.filter((request) => request.type === type);
  }
}

// A client in its world. `socket` is the latest one, `told` what the client has said.
export class Stage {
  sockets = [];
  told = [];
  clock = new FakeClock();
  random = 1;

  // `null` stands for no address at all.
  constructor(options = {}, url = "ws://host/ws") {
    const { sockets } = this;
    const WebSocket = class extends FakeSocket {
      constructor(...all) {
        super(...all);
        sockets.push(this);
      }
    };
    const random = () => this.random;
    this.fw = new Fanwire(url ?? undefined, { WebSocket, clock: this.clock, random, ...options });
    for (const event of ["state", "broadcast", "gap", "update", "subscribed", "error"]) {
      this.fw.on(event, (value) => this.told.push([event, value]));
    }
  }

  get socket() {
    return this.sockets.at(-1);
  }

  heard(event) {
    return this.told.filter(([name]) => name === event).map(([, value]) => value);
  }

  get state() {
    return this.heard("state").at(-1);
  }

  async settle() {
    await this.clock.pass(0);
  }

  // The next connection, welcomed.
  async open(fields) {
    const before = this.sockets.length;
    while (this.sockets.length === before) await this.clock.pass(1000);
    this.socket.welcomes(fields);
    await this.settle();
    return this.socket;
  }
}

// A stage whose client is connected.
export async function opened(options, fields) {
  const stage = new Stage(options);
  await stage.settle();
  stage.socket.welcomes(fields);
  await stage.settle();
  return stage;
}

// A subscription that writes down what it is told.
export function follow(stage, channel, options) {
  const room = stage.fw.subscribe(channel, options);
  room.told = [];
  for (const event of ["message", "gap", "presence", "state", "error"]) {
    room.on(event, (value) => room.told.push([event, value]));
  }
  room.heard = (event) => room.told.filter(([name]) => name === event).map(([, value]) => value);
  room.ids = () => room.heard("message").map(({ id }) => id);
  return room;
}
