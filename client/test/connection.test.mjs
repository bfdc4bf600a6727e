// Connecting, losing the link, coming back: states, waits, goaway, dead links.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Fanwire, Stage, WELCOME, follow, opened } from "./stage.mjs";

test("connects by itself, offers fanwire.v1, and is open with the welcome", async () => {
  const stage = new Stage();
  assert.equal(stage.fw.state, "connecting");
  await stage.settle();
  assert.equal(stage.socket.url.href, "ws://host/ws");
  assert.deepEqual(stage.socket.protocols, ["fanwire.v1"]);
  assert.equal(stage.fw.state, "connecting");
  stage.fw.on("state", () => assert.equal(stage.fw.user, "ann", "known when it is open"));
  stage.socket.welcomes({ user: "ann", connection: "c-9" });
  assert.equal(stage.fw.state, "open");
  assert.deepEqual([stage.fw.user, stage.fw.connection], ["ann", "c-9"]);
  assert.deepEqual(stage.heard("state"), [{ state: "open" }]);
});

test("addresses: http becomes ws, a bare host gets /ws, queries stay", async () => {
  for (const [given, used] of [
    ["https://host", "wss://host/ws"],
    ["http://host:3003/", "ws://host:3003/ws"],
    ["wss://host/behind/ws?a=b#c", "wss://host/behind/ws?a=b"],
  ]) {
    const stage = new Stage({}, given);
    await stage.settle();
    assert.equal(stage.socket.url.href, used);
  }
  assert.throws(() => new Stage({}, null), TypeError, "no page here whose host could be meant");
  globalThis.location = { href: "https://page.example/app/index.html" };
  try {
    const stage = new Stage({}, null);
    await stage.settle();
    assert.equal(stage.socket.url.href, "wss://page.example/ws");
  } finally {
    delete globalThis.location;
  }
});

test("without any WebSocket it says so", () => {
  const { WebSocket } = globalThis;
  delete globalThis.WebSocket;
  try {
    assert.throws(() => new Fanwire("ws://host/ws"), /give one in the options/);
  } finally {
    if (WebSocket) globalThis.WebSocket = WebSocket;
  }
});

test("an address that can never be used stops it, with the reason", async () => {
  const stage = new Stage({
    WebSocket: class {
      constructor() {
        throw new SyntaxError("no such address");
      }
    },
  });
  await stage.clock.pass(100_000);
  assert.equal(stage.state.state, "stopped");
  assert.equal(stage.state.reason, "bad_address");
  assert.equal(stage.heard("error")[0].message, "no such address");
});

test("waits are random moments of a range that doubles up to a bound", async () => {
  const stage = new Stage();
  const delays = [];
  for (let at = 0; at < 8; at++) {
    await stage.settle();
    stage.socket.drops();
    delays.push(stage.state.delay);
    await stage.clock.pass(stage.state.delay);
  }
  assert.deepEqual(delays, [500, 1000, 2000, 4000, 8000, 16_000, 20_000, 20_000]);
  stage.random = 0.25;
  stage.socket.drops();
  assert.equal(stage.state.delay, 5000);
});

test("the server names the range, and the application outweighs it", async () => {
  const stage = await opened({}, { reconnect: { min_ms: 50, max_ms: 60 } });
  stage.socket.drops();
  assert.equal(stage.state.delay, 50);
  await stage.clock.pass(50);
  stage.socket.drops();
  assert.equal(stage.state.delay, 60);

  const own = await opened({ minDelay: 7, maxDelay: 9 }, { reconnect: { min_ms: 50, max_ms: 60 } });
  own.socket.drops();
  assert.equal(own.state.delay, 7);
});

test("a server that closes at once, a hundred times: no storm", async () => {
  const stage = new Stage();
  const starts = [];
  let seed = 1;
  // A fixed sequence of numbers that look random.
  Object.defineProperty(stage, "random", {
    get: () => (seed = (seed * 16807) % 2147483647) / 2147483647,
  });
  for (let at = 0; at < 100; at++) {
    const before = stage.sockets.length;
    while (stage.sockets.length === before && at > 0) await stage.clock.pass(10);
    await stage.settle();
    starts.push(stage.clock.time);
    stage.socket.welcomes();
    stage.socket.drops(1011, "internal");
  }
  const waits = starts.slice(1).map((start, at) => start - starts[at]);
  const last = waits.slice(-50);
  const mean = last.reduce((sum, wait) => sum + wait, 0) / last.length;
  console.log(`# waits in ms: ${waits.slice(0, 10).join(" ")} ... mean of the last fifty ${mean}`);
  assert.ok(Math.min(...waits) >= 5000, "1011 waits five seconds at least");
  assert.ok(mean > 12_000 && mean < 18_000, `${mean}`);

  // Without a pace of its own: a lost link.
  const lost = new Stage();
  let attempts = 0;
  while (lost.clock.time < 600_000) {
    await lost.settle();
    if (lost.fw.state === "connecting") {
      attempts++;
      lost.socket.drops();
    }
    await lost.clock.pass(100);
  }
  assert.ok(attempts <= 40, `${attempts} attempts in ten minutes`);
});

test("a connection that lasted begins with the least wait again", async () => {
  const stage = new Stage();
  for (const expected of [500, 1000, 2000]) {
    await stage.settle();
    stage.socket.welcomes();
    stage.socket.drops();
    assert.equal(stage.state.delay, expected);
    await stage.clock.pass(expected);
  }
  stage.socket.welcomes();
  await stage.clock.pass(10_000);
  stage.socket.drops();
  assert.equal(stage.state.delay, 500);
});

test("goaway: leaves at a moment of the range, and comes back at once, resuming", async () => {
  const stage = await opened();
  const room = follow(stage, "room");
  await stage.settle();
  stage.socket.joins("room");
  stage.random = 0.5;
  const data = { reason: "restart", reconnect_after_ms: [1000, 3000], closes_in_ms: 5000 };
  stage.socket.says({ type: "goaway", data, timestamp: 1 });
  await stage.clock.pass(1999);
  assert.equal(stage.sockets.length, 1);
  stage.socket.publishes("room", "p:1");
  await stage.clock.pass(1);
  assert.equal(stage.sockets[0].closed, 1000);
  assert.equal(stage.state.reason === undefined && stage.state.state, "connecting");
  assert.equal(stage.sockets.length, 2);
  // What the old one still says is not heard.
  stage.sockets[0].publishes("room", "p:2");
  stage.socket.welcomes();
  assert.equal(stage.socket.asked("subscribe")[0].data.channels[0].since, "p:1");
  assert.deepEqual(room.ids(), ["p:1"]);
});

test("goaway that says nothing is goaway within five seconds; a close comes first", async () => {
  for (const data of [
    undefined,
    null,
    {},
    { reconnect_after_ms: "x" },
    { reconnect_after_ms: [9] },
  ]) {
    const stage = await opened();
    stage.socket.says({ type: "goaway", data, timestamp: 1 });
    await stage.clock.pass(5000);
    assert.equal(stage.sockets.length, 2);
  }
  const early = await opened();
  early.socket.says({ type: "goaway", data: { reconnect_after_ms: [0, 4000] }, timestamp: 1 });
  early.socket.drops(1012, "restart;retry=50-50");
  await early.clock.pass(50);
  early.socket.welcomes();
  await early.clock.pass(10_000);
  assert.equal(early.sockets.length, 2, "the goaway of the old link is forgotten");
});

test("a silent link is asked, and left when it does not answer", async () => {
  const stage = await opened();
  await stage.clock.pass(37_499);
  assert.equal(stage.socket.asked("ping").length, 0);
  await stage.clock.pass(1);
  assert.equal(stage.socket.asked("ping").length, 1);
  await stage.clock.pass(9_999);
  assert.equal(stage.fw.state, "open");
  await stage.clock.pass(1);
  assert.equal(stage.state.reason, "silent");
  assert.equal(stage.sockets[0].closed, 4000);
});

test("a link with updates is never asked; one that answers is kept", async () => {
  const stage = await opened();
  for (let at = 0; at < 10; at++) {
    await stage.clock.pass(30_000);
    stage.socket.says({ type: "update", data: { time: at, connections: 3 }, timestamp: 1 });
  }
  assert.equal(stage.socket.asked("ping").length, 0);
  assert.equal(stage.heard("update").length, 10);
  await stage.clock.pass(40_000);
  stage.socket.says({ type: "pong", timestamp: 1 });
  await stage.clock.pass(30_000);
  assert.equal(stage.fw.state, "open");
  assert.equal(stage.socket.asked("ping").length, 1);
});

test("a server without updates is asked about every forty seconds", async () => {
  const stage = await opened({}, { update_interval_ms: 0, pong_timeout_ms: 0 });
  await stage.clock.pass(37_500);
  assert.equal(stage.socket.asked("ping").length, 1);
  await stage.clock.pass(10_000);
  assert.equal(stage.state.reason, "silent");
});

test("a clock that jumps costs a ping, never a good link", async () => {
  for (const jump of [86_400_000, -86_400_000, 40_000, -40_000]) {
    const stage = await opened();
    stage.socket.alive = true;
    for (let at = 0; at < 6; at++) {
      stage.clock.jump(at % 2 ? -jump : jump);
      await stage.clock.pass(29_000);
      stage.socket.says({ type: "update", data: { time: 1 }, timestamp: 1 });
    }
    assert.equal(stage.sockets.length, 1, `${jump}`);
    // And a dead link is found, wherever the clock stands.
    stage.socket.alive = false;
    stage.clock.jump(jump);
    await stage.clock.pass(100_000);
    assert.ok(stage.sockets.length > 1, `${jump}`);
  }
});

test("a server that takes the connection and says nothing is left", async () => {
  const stage = new Stage();
  await stage.clock.pass(19_999);
  assert.equal(stage.fw.state, "connecting");
  await stage.clock.pass(1);
  assert.equal(stage.state.reason, "late");
  assert.equal(stage.sockets[0].closed, 4000);
});

test("online and a page that is seen again: a waiting client comes back, an open one looks", async () => {
  const heard = new EventTarget();
  globalThis.document = Object.assign(new EventTarget(), { hidden: false });
  globalThis.addEventListener = heard.addEventListener.bind(heard);
  try {
    const stage = new Stage();
    for (let at = 0; at < 6; at++) {
      await stage.settle();
      stage.socket.drops();
      if (at < 5) await stage.clock.pass(stage.state.delay);
    }
    assert.equal(stage.state.delay, 16_000);
    for (let at = 0; at < 100; at++) heard.dispatchEvent(new Event("online"));
    await stage.clock.pass(499);
    assert.equal(stage.sockets.length, 6, "still at a random moment of the least range");
    await stage.clock.pass(1);
    assert.equal(stage.sockets.length, 7, "once");
    stage.socket.welcomes();
    globalThis.document.hidden = true;
    globalThis.document.dispatchEvent(new Event("visibilitychange"));
    assert.equal(stage.socket.asked("ping").length, 0);
    globalThis.document.hidden = false;
    for (let at = 0; at < 9; at++) globalThis.document.dispatchEvent(new Event("visibilitychange"));
    assert.equal(stage.socket.asked("ping").length, 1);
    await stage.clock.pass(10_000);
    assert.equal(stage.state.reason, "silent");

    // A server that said when to come is not surprised.
    const paced = await opened();
    paced.socket.drops(1012, "restart;retry=9000-9000");
    heard.dispatchEvent(new Event("online"));
    await paced.clock.pass(8999);
    assert.equal(paced.sockets.length, 1);

    // Who has stopped hears nothing any more.
    stage.fw.close();
    const before = stage.sockets.length;
    heard.dispatchEvent(new Event("online"));
    await stage.clock.pass(60_000);
    assert.equal(stage.sockets.length, before);
  } finally {
    delete globalThis.document;
    delete globalThis.addEventListener;
  }
});

test("close and connect: everything is followed again; no timer stays behind", async () => {
  const stage = await opened();
  const room = follow(stage, "room");
  await stage.settle();
  stage.socket.joins("room");
  stage.socket.publishes("room", "p:1");
  stage.fw.close();
  assert.equal(stage.socket.closed, 1000);
  assert.deepEqual(stage.state, { state: "stopped", reason: "closed", code: 1000 });
  assert.equal(stage.clock.waiting, 0);
  stage.fw.close();
  stage.socket.publishes("room", "p:2");
  stage.socket.drops(1006);
  await stage.clock.pass(100_000);
  assert.equal(stage.sockets.length, 1);

  stage.fw.connect();
  stage.fw.connect();
  await stage.settle();
  assert.equal(stage.sockets.length, 2);
  stage.socket.welcomes();
  assert.equal(stage.socket.asked("subscribe")[0].data.channels[0].since, "p:1");
  assert.deepEqual(room.ids(), ["p:1"]);
});

test("connect does not wait for the end of a wait", async () => {
  const stage = await opened();
  stage.socket.drops();
  stage.fw.connect();
  await stage.settle();
  assert.equal(stage.sockets.length, 2);
  await stage.clock.pass(5000);
  assert.equal(stage.sockets.length, 2);
});

test("a listener may close the client at any change", async () => {
  for (const when of ["connecting", "open", "waiting", "stopped"]) {
    const stage = new Stage();
    stage.fw.on("state", ({ state }) => state === when && stage.fw.close());
    const room = follow(stage, "room");
    room.on("state", ({ state }) => when === "joining" && state === "joining" && stage.fw.close());
    await stage.settle();
    stage.socket.welcomes();
    await stage.settle();
    if (stage.fw.state === "open") stage.socket.drops();
    await stage.clock.pass(1000);
    if (when === "stopped") stage.fw.close();
    assert.equal(stage.fw.state, "stopped", when);
    assert.equal(stage.clock.waiting, 0, when);
  }
  // While the loss itself is being told.
  const stage = await opened();
  const room = follow(stage, "room");
  room.on("state", ({ state }) => state === "joining" && stage.fw.close());
  await stage.settle();
  stage.socket.joins("room");
  stage.socket.drops();
  await stage.clock.pass(60_000);
  assert.equal(stage.fw.state, "stopped");
  assert.equal(stage.sockets.length, 1);
});

test("no timer is ever longer than 2^31-1 ms", async () => {
  const huge = 1e15;
  const stage = await opened(
    {},
    {
      update_interval_ms: huge,
      pong_timeout_ms: huge,
      reconnect: { min_ms: huge, max_ms: huge },
    },
  );
  stage.socket.says({ type: "goaway", data: { reconnect_after_ms: [huge, huge] }, timestamp: 1 });
  const room = follow(stage, "room");
  await stage.settle();
  stage.socket.refuses(stage.socket.asked("subscribe")[0], "overloaded", true, {
    retry_after_ms: huge,
  });
  void room.publish(1).catch(() => {});
  stage.socket.refuses(stage.socket.asked("publish")[0], "overloaded", true, {
    retry_after_ms: huge,
  });
  stage.socket.drops();
  assert.equal(stage.clock.longest, 2 ** 31 - 1);
});

test("a second welcome, and one without sense, change nothing that matters", async () => {
  const stage = await opened();
  stage.socket.welcomes({ ...WELCOME, position: "b:7" });
  assert.equal(stage.heard("state").length, 1);
  for (const data of [undefined, null, 7, [], { reconnect: { min_ms: "x", max_ms: -1 } }]) {
    const odd = new Stage();
    await odd.settle();
    odd.socket.says({ type: "connection", data });
    assert.equal(odd.fw.state, "open");
    odd.socket.drops();
    assert.equal(odd.state.delay, 500);
  }
});
