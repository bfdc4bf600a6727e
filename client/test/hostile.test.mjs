// Whatever a server, a proxy, the network or a storage does: the client stays whole, comes back,
// and loses no publication in silence.

import assert from "node:assert/strict";
import { test } from "node:test";
import { WELCOME, follow, opened, Stage } from "./stage.mjs";

async function joined(options) {
  const stage = await opened(options);
  const room = follow(stage, "room");
  await stage.settle();
  stage.socket.joins("room");
  stage.socket.publishes("room", "p:1");
  return { stage, room };
}

const GARBAGE = [
  "",
  " ",
  "{",
  "null",
  "true",
  "7",
  '"message"',
  "[]",
  '[{"type":"message"}]',
  "{}",
  '{"type":7}',
  '{"type":null}',
  '{"type":"message","channel":"room","id":"p:2","data":', // cut
  "\u0000",
  "\ufeff{}",
  "<html>502 Bad Gateway</html>",
  "[".repeat(100_000),
];

test("what cannot be read may have been a publication: the client comes back and asks", async () => {
  for (const frame of [...GARBAGE, new ArrayBuffer(3), undefined]) {
    const { stage, room } = await joined();
    stage.socket.onmessage({ data: frame });
    assert.equal(stage.state.state, "waiting", String(frame).slice(0, 40));
    assert.equal(stage.state.reason, "garbage");
    assert.equal(stage.sockets[0].closed, 4000);
    // What follows garbage on that link is not believed.
    stage.socket.publishes("room", "p:3");
    await stage.clock.pass(500);
    stage.socket.welcomes();
    assert.equal(stage.socket.asked("subscribe")[0].data.channels[0].since, "p:1");
    stage.socket.joins("room");
    stage.socket.publishes("room", "p:2");
    stage.socket.publishes("room", "p:3");
    assert.deepEqual(room.ids(), ["p:1", "p:2", "p:3"]);
  }
});

test("so it is with publications and gaps that lack what they must have", async () => {
  for (const message of [
    { type: "message", channel: "room", data: 1 },
    { type: "message", channel: "room", id: 7, data: 1 },
    { type: "message", channel: "room", id: "", data: 1 },
    { type: "message", channel: "room", id: "p".repeat(65), data: 1 },
    { type: "message", channel: "room", id: "p 2", data: 1 },
    { type: "broadcast", data: 1 },
    { type: "gap", channel: "room" },
    { type: "gap", channel: "room", data: { to: null } },
    { type: "gap", channel: "$all", data: {} },
    { type: "presence", channel: "room" },
    { type: "presence", channel: "room", data: { joined: [] } },
  ]) {
    const { stage } = await joined();
    stage.socket.says(message);
    assert.equal(stage.state.reason, "garbage", JSON.stringify(message));
  }
});

test("a server that sends garbage each time makes no storm", async () => {
  const stage = new Stage();
  let attempts = 0;
  while (stage.clock.time < 600_000) {
    await stage.settle();
    if (stage.fw.state === "connecting") {
      attempts++;
      stage.socket.welcomes();
      stage.socket.says("{");
    }
    await stage.clock.pass(100);
  }
  assert.ok(attempts <= 40, `${attempts}`);
});

test("types and fields that it does not know, it does not mind", async () => {
  const { stage, room } = await joined();
  for (const type of ["rpc", "resume", "", "constructor", "__proto__", "toString", "ECHO"]) {
    stage.socket.says({ type, id: 1, channel: "room", data: { a: 1 }, new_field: [] });
  }
  for (const type of ["ack", "error", "echo", "pong", "update", "subscribed", "unsubscribed"]) {
    for (const data of [undefined, null, 7, "x", [], { position: 7, reason: 7 }]) {
      stage.socket.says({ type, data });
      if (type !== "unsubscribed") stage.socket.says({ type, channel: 7, data });
    }
  }
  stage.socket.says(
    '{"type":"message","channel":"room","id":"p:2","data":{"__proto__":{"x":1}},"new":1}',
  );
  assert.equal({}.x, undefined);
  assert.deepEqual(room.ids(), ["p:1", "p:2"]);
  assert.equal(stage.fw.state, "open");
});

test("channels may be called anything", async () => {
  const stage = await opened();
  for (const name of ["constructor", "__proto__", "hasOwnProperty", "$user", "a.b:c@d=e+f~41"]) {
    const room = follow(stage, name);
    await stage.settle();
    stage.socket.joins(name);
    stage.socket.publishes(name, "p:1");
    assert.deepEqual(room.ids(), ["p:1"], name);
  }
});

test("frames cut anywhere in a session: never a throw, and the link is given up", async () => {
  const whole = [
    { type: "connection", data: WELCOME, timestamp: 1 },
    { type: "ack", id: 1, channel: "room", data: { position: "p:0", recovered: true, missed: 0 } },
    {
      type: "message",
      id: "p:1",
      channel: "room",
      from: "ann",
      data: { text: "hello" },
      timestamp: 1,
    },
    { type: "gap", channel: "room", data: { after: "p:1", to: "p:2", missed: 1, reason: "slow" } },
    { type: "presence", channel: "room", data: { snapshot: true, count: 1, members: [] } },
    { type: "goaway", data: { reason: "age", reconnect_after_ms: [0, 10], closes_in_ms: 50 } },
    { type: "expiring", data: { expires_in_ms: 5 } },
  ].map((message) => JSON.stringify(message));
  for (const frame of whole) {
    for (let end = 0; end < frame.length; end++) {
      const { stage } = await joined({ token: async () => "t" });
      stage.socket.says(frame.slice(0, end));
      assert.equal(stage.state.reason, "garbage");
      stage.fw.close();
    }
  }
});

// A storage that holds and does what it likes.
function lying(held, failing = false) {
  const written = [];
  return {
    written,
    getItem(key) {
      if (failing) throw new Error("SecurityError");
      return typeof held === "function" ? held(key) : held;
    },
    setItem(key, value) {
      if (failing) throw new Error("QuotaExceededError");
      written.push([key, value]);
    },
  };
}

test("positions are kept, and found again by the next page", async () => {
  const kept = new Map();
  const storage = {
    getItem: (key) => kept.get(key) ?? null,
    setItem: (key, value) => void kept.set(key, value),
  };
  const { stage } = await joined({ storage });
  stage.socket.says({ type: "broadcast", id: "a:1", data: 1, timestamp: 1 });
  stage.socket.says({
    type: "gap",
    channel: "room",
    data: { after: "p:1", to: "p:5", reason: "slow" },
  });
  assert.deepEqual(
    [...kept],
    [
      ["fanwire:$all", "a:1"],
      ["fanwire:room", "p:5"],
    ],
  );

  const next = await opened({ storage });
  assert.equal(next.socket.url.searchParams.get("since"), "a:1");
  follow(next, "room", { last: 3 });
  follow(next, "other");
  await next.settle();
  assert.deepEqual(next.socket.asked("subscribe")[0].data.channels, [
    { channel: "room", since: "p:5", last: 3 },
    { channel: "other" },
  ]);
  const told = await opened({ storage });
  follow(told, "room", { since: "p:3" });
  await told.settle();
  assert.equal(
    told.socket.asked("subscribe")[0].data.channels[0].since,
    "p:3",
    "what is said counts",
  );
});

test("a storage that lies is not believed where that can be seen, and harms nothing else", async () => {
  for (const held of [
    null,
    undefined,
    "",
    7,
    {},
    "p".repeat(65),
    "two words",
    "<script>alert(1)</script> ".repeat(9),
    "p\u0000q",
    "ü",
  ]) {
    const stage = await opened({ storage: lying(held) });
    const room = follow(stage, "room");
    await stage.settle();
    assert.equal(stage.socket.url.search, "", String(held));
    assert.deepEqual(stage.socket.asked("subscribe")[0].data.channels, [{ channel: "room" }]);
    stage.socket.joins("room");
    stage.socket.publishes("room", "p:1");
    assert.deepEqual(room.ids(), ["p:1"]);
  }
  // A position that never was: the server says so, and the gap is told.
  const stage = await opened({ storage: lying("zz:99") });
  const room = follow(stage, "room");
  await stage.settle();
  assert.equal(stage.socket.url.searchParams.get("since"), "zz:99");
  stage.socket.joins("room", { position: "p:4", recovered: false, missed: null });
  const data = { after: "zz:99", to: "p:4", reason: "epoch" };
  stage.socket.says({ type: "gap", channel: "room", data });
  assert.equal(room.position, "p:4");
  assert.deepEqual(room.heard("gap"), [{ channel: "room", ...data }]);
});

test("a storage that fails keeps nothing, and nothing else fails", async () => {
  const { stage, room } = await joined({ storage: lying(null, true) });
  stage.socket.drops();
  await stage.clock.pass(500);
  stage.socket.welcomes();
  assert.equal(stage.socket.asked("subscribe")[0].data.channels[0].since, "p:1");
  assert.deepEqual(room.ids(), ["p:1"]);
});

test("errors that say nothing are errors", async () => {
  for (const data of [undefined, null, 7, "x", [], { code: 7, message: {}, retry_after_ms: -1 }]) {
    const stage = await opened();
    const done = stage.fw.publish("room", 1).catch((error) => error);
    stage.socket.says({ type: "error", id: stage.socket.asked("publish")[0].id, data });
    const error = await done;
    assert.deepEqual([error.code, error.temporary, error.retryAfterMs], ["internal", false, 0]);
  }
});
