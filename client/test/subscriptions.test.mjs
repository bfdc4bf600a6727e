// Channels: how they are asked for, resumed, left; what is told of them, once and in order.

import assert from "node:assert/strict";
import { test } from "node:test";
import { follow, opened, Stage } from "./stage.mjs";

const wishes = (socket) => socket.asked("subscribe").flatMap(({ data }) => data.channels);

// A room that is joined.
async function joined(options, stageOptions) {
  const stage = await opened(stageOptions);
  const room = follow(stage, "room", options);
  await stage.settle();
  stage.socket.joins("room");
  return { stage, room };
}

// The next connection.
async function again(stage, code = 1006, reason) {
  stage.socket.drops(code, reason);
  await stage.clock.pass(stage.state.delay);
  stage.socket.welcomes();
  await stage.settle();
}

test("channels of one moment are asked for in one list, also before the connection", async () => {
  const stage = new Stage();
  follow(stage, "a", { last: 5 });
  follow(stage, "b", { since: "x:1", mode: "latest", maxRate: 2, presence: true });
  await stage.settle();
  stage.socket.welcomes();
  follow(stage, "c");
  follow(stage, "d");
  await stage.settle();
  assert.deepEqual(
    stage.socket.asked("subscribe").map(({ data }) => data.channels),
    [
      [
        { channel: "a", last: 5 },
        { channel: "b", since: "x:1", mode: "latest", max_rate: 2, presence: true },
      ],
      [{ channel: "c" }, { channel: "d" }],
    ],
  );
});

test("many channels go in lists that the server will read", async () => {
  const stage = await opened({}, { max_message_bytes: 4096 });
  for (let at = 0; at < 10; at++)
    follow(stage, `${at}`.padStart(128, "\u0000"), { since: "p".repeat(64) });
  await stage.settle();
  assert.deepEqual(
    stage.socket.asked("subscribe").map(({ data }) => data.channels.length),
    [4, 4, 2],
  );
  for (const request of stage.socket.sent) assert.ok(JSON.stringify(request).length <= 4096);
});

test("messages come typed, in order, each once; bytes as bytes, text as text", async () => {
  const { stage, room } = await joined();
  stage.socket.publishes("room", "p:1", { a: 1 }, { from: "ann", key: "k" });
  stage.socket.publishes("room", "p:2", "AP8=", { encoding: "base64" });
  stage.socket.publishes("room", "p:2", "AP8=", { encoding: "base64" });
  stage.socket.publishes("room", "p:3", "21 °C\n", { encoding: "text" });
  stage.socket.publishes("room", "p:4", "not base64", { encoding: "base64" });
  stage.socket.publishes("elsewhere", "p:5");
  assert.deepEqual(room.heard("message"), [
    { id: "p:1", channel: "room", from: "ann", key: "k", data: { a: 1 }, timestamp: 1 },
    { id: "p:2", channel: "room", data: new Uint8Array([0, 255]), timestamp: 1 },
    { id: "p:3", channel: "room", data: "21 °C\n", timestamp: 1 },
    { id: "p:4", channel: "room", data: "not base64", timestamp: 1 },
  ]);
  assert.deepEqual(room.heard("state"), [{ state: "joined", recovered: true }]);
});

test("resumes from the last message, the end of a gap, or the place where it began", async () => {
  const { stage, room } = await joined();
  await again(stage);
  assert.equal(wishes(stage.socket)[0].since, "p:0");
  stage.socket.joins("room", { position: "p:9" });
  await again(stage);
  assert.equal(wishes(stage.socket)[0].since, "p:0", "what came after it has not come yet");
  stage.socket.joins("room", { position: "p:9" });
  stage.socket.publishes("room", "p:4");
  await again(stage);
  assert.equal(wishes(stage.socket)[0].since, "p:4");
  stage.socket.joins("room", { position: "q:3", recovered: false, missed: null });
  const data = { after: "p:4", to: "q:3", reason: "epoch" };
  stage.socket.says({ type: "gap", channel: "room", data, timestamp: 1 });
  assert.deepEqual(room.heard("gap"), [{ channel: "room", ...data }]);
  await again(stage);
  assert.equal(wishes(stage.socket)[0].since, "q:3");
  assert.deepEqual(room.ids(), ["p:4"]);
});

test("what comes twice is told once, also over connections", async () => {
  const { stage, room } = await joined();
  for (let at = 1; at <= 200; at++) stage.socket.publishes("room", `p:${at}`);
  await again(stage);
  stage.socket.joins("room");
  for (let at = 100; at <= 220; at++) stage.socket.publishes("room", `p:${at}`);
  assert.deepEqual(
    room.ids(),
    Array.from({ length: 220 }, (_, at) => `p:${at + 1}`),
  );
});

test("before its answer, what comes belongs to an earlier subscription", async () => {
  const { stage, room } = await joined();
  room.unsubscribe();
  const next = follow(stage, "room", { last: 1 });
  await stage.settle();
  stage.socket.publishes("room", "p:1");
  assert.deepEqual(
    stage.socket.sent.map(({ type }) => type),
    ["subscribe", "unsubscribe", "subscribe"],
  );
  stage.socket.joins("room");
  stage.socket.publishes("room", "p:2");
  assert.deepEqual([room.ids(), next.ids()], [[], ["p:2"]]);
});

test("old messages that were asked for are asked for again, when the link went before them", async () => {
  const early = await joined({ last: 3 });
  await again(early.stage);
  assert.deepEqual(wishes(early.stage.socket)[0], { channel: "room", last: 3 });

  const watched = await joined({ last: 3, presence: true });
  const data = { snapshot: true, count: 0, members: [] };
  watched.stage.socket.says({ type: "presence", channel: "room", data, timestamp: 1 });
  await again(watched.stage);
  assert.equal(
    wishes(watched.stage.socket)[0].since,
    undefined,
    "who is there is not what was said",
  );

  // Nothing came for a while: there was nothing old, and what is new must not be missed.
  const late = await joined({ last: 3 });
  await late.stage.clock.pass(1000);
  await again(late.stage);
  assert.deepEqual(wishes(late.stage.socket)[0], { channel: "room", last: 3, since: "p:0" });

  // Also when the clock goes back meanwhile.
  const jumped = await joined({ last: 3 });
  await jumped.stage.clock.pass(5000);
  jumped.stage.clock.jump(-3_600_000);
  await again(jumped.stage);
  assert.equal(wishes(jumped.stage.socket)[0].since, "p:0");

  const begun = await joined({ last: 3 });
  begun.stage.socket.publishes("room", "p:1");
  await again(begun.stage);
  assert.equal(wishes(begun.stage.socket)[0].since, "p:1");
});

test("a temporary refusal is tried again, at the pace given; another one ends it", async () => {
  const stage = await opened();
  const room = follow(stage, "room");
  const other = follow(stage, "other");
  await stage.settle();
  const [request] = stage.socket.asked("subscribe");
  const refuse = (channel, ...rest) => stage.socket.refuses({ ...request, channel }, ...rest);
  refuse("room", "rate_limited", true, { retry_after_ms: 3000 });
  refuse("other", "forbidden");
  assert.equal(room.state, "joining");
  assert.equal(other.state, "ended");
  assert.equal(other.heard("state")[0].reason, "forbidden");
  assert.equal(other.heard("error")[0].code, "forbidden");
  await stage.clock.pass(2999);
  assert.equal(stage.socket.asked("subscribe").length, 1);
  await stage.clock.pass(1);
  assert.deepEqual(wishes(stage.socket).slice(2), [{ channel: "room" }]);
  stage.socket.joins("room");
  assert.equal(room.state, "joined");
  assert.notEqual(stage.fw.subscribe("other"), other, "a new one may be made");
});

test("a list that is refused whole is tried again whole", async () => {
  const stage = await opened();
  const rooms = ["a", "b"].map((name) => follow(stage, name));
  await stage.settle();
  stage.socket.refuses(stage.socket.asked("subscribe")[0], "overloaded", true);
  await stage.clock.pass(500);
  assert.equal(wishes(stage.socket).length, 4);
  assert.deepEqual(
    rooms.map(({ state }) => state),
    ["joining", "joining"],
  );
});

test("a name that can be none is refused here: it harms neither the link nor its neighbours", async () => {
  const stage = await opened();
  const names = ["x".repeat(129), "x".repeat(1e6), "x".repeat(128)];
  const rooms = names.map((name) => follow(stage, name));
  await stage.settle();
  assert.deepEqual(
    rooms.map(({ state }) => state),
    ["ended", "ended", "joining"],
  );
  assert.deepEqual(wishes(stage.socket), [{ channel: names[2] }]);
  const [error] = rooms[0].heard("error");
  assert.deepEqual([error.code, error.temporary, error.channel], ["bad_channel", false, names[0]]);
});

test("already_subscribed: leaves, and joins again from its own place", async () => {
  const stage = await opened();
  follow(stage, "room", { since: "p:7" });
  await stage.settle();
  stage.socket.refuses(
    { ...stage.socket.asked("subscribe")[0], channel: "room" },
    "already_subscribed",
  );
  await stage.clock.pass(500);
  assert.deepEqual(
    stage.socket.sent.map(({ type }) => type),
    ["subscribe", "unsubscribe", "subscribe"],
  );
  assert.equal(wishes(stage.socket)[1].since, "p:7");
});

test("unsubscribe: nothing more is heard, and no connection asks again", async () => {
  const { stage, room } = await joined();
  room.unsubscribe();
  room.unsubscribe();
  assert.equal(room.state, "ended");
  assert.equal(stage.socket.asked("unsubscribe").length, 1);
  stage.socket.acks(stage.socket.asked("unsubscribe")[0], { position: "p:0" });
  stage.socket.publishes("room", "p:1");
  await again(stage);
  assert.equal(wishes(stage.socket).length, 0);
  assert.deepEqual(room.ids(), []);
  assert.equal(stage.heard("error").length, 0);
});

test("one channel is one subscription", async () => {
  const { stage, room } = await joined();
  assert.equal(stage.fw.subscribe("room"), room);
});

test("unsubscribed: a rule or the backend ended it, and it stays ended", async () => {
  const { stage, room } = await joined();
  const data = { reason: "forbidden", position: "p:0" };
  stage.socket.says({ type: "unsubscribed", channel: "room", data, timestamp: 1 });
  assert.deepEqual(room.heard("state").at(-1), { state: "ended", reason: "forbidden" });
  await again(stage);
  assert.equal(wishes(stage.socket).length, 0);
});

test("subscribed: the backend's channels live as long as the connection", async () => {
  const stage = await opened();
  let made;
  stage.fw.on("subscribed", (one) => (made = one));
  stage.socket.says({
    type: "subscribed",
    channel: "call.7",
    data: { position: "p:1" },
    timestamp: 1,
  });
  const told = [];
  made.on("message", ({ id }) => told.push(id));
  stage.socket.publishes("call.7", "p:2");
  assert.deepEqual([made.channel, made.state, told], ["call.7", "joined", ["p:2"]]);
  stage.socket.says({
    type: "subscribed",
    channel: "call.7",
    data: { position: "p:1" },
    timestamp: 1,
  });
  assert.equal(stage.heard("subscribed").length, 1);
  await again(stage);
  assert.equal(made.state, "ended");
  assert.equal(wishes(stage.socket).length, 0);
});

test("who subscribes to a channel of the backend's follows it, also on the next connection", async () => {
  const stage = await opened();
  const data = { position: "p:1" };
  stage.socket.says({ type: "subscribed", channel: "call.7", data, timestamp: 1 });
  const own = stage.fw.subscribe("call.7");
  assert.equal(own, stage.heard("subscribed")[0]);
  stage.socket.publishes("call.7", "p:2");
  await again(stage);
  assert.equal(own.state, "joining");
  assert.deepEqual(wishes(stage.socket), [{ channel: "call.7", since: "p:2" }]);
});

test("$all is resumed like any channel, in the address", async () => {
  const stage = await opened({}, { position: "a:5" });
  stage.socket.says({ type: "broadcast", id: "a:6", data: "hear", timestamp: 1 });
  assert.deepEqual(stage.heard("broadcast"), [
    { id: "a:6", channel: "$all", data: "hear", timestamp: 1 },
  ]);
  await again(stage);
  assert.equal(stage.socket.url.searchParams.get("since"), "a:6");
  stage.socket.says({ type: "broadcast", id: "a:6", data: "hear", timestamp: 1 });
  assert.equal(stage.heard("broadcast").length, 1);
  const data = { after: "a:6", to: "b:2", reason: "epoch" };
  stage.socket.says({ type: "gap", channel: "$all", data, timestamp: 1 });
  assert.equal(stage.heard("gap")[0].to, "b:2");
  await again(stage);
  assert.equal(stage.socket.url.searchParams.get("since"), "b:2");
  // With nothing heard, from where the first welcome said.
  const quiet = await opened({}, { position: "a:5" });
  await again(quiet);
  assert.equal(quiet.socket.url.searchParams.get("since"), "a:5");
});

test("$user is followed like any channel", async () => {
  const stage = await opened();
  const own = follow(stage, "$user");
  await stage.settle();
  stage.socket.joins("$user");
  stage.socket.publishes("$user", "u:1", "you have mail");
  assert.deepEqual(own.ids(), ["u:1"]);
});

test("a listener that throws harms nobody; off takes one listener off", async () => {
  const reported = [];
  globalThis.reportError = (error) => reported.push(error);
  try {
    const { stage, room } = await joined();
    const heard = [];
    room.on("message", () => {
      throw new Error("mine");
    });
    const listener = ({ id }) => heard.push(id);
    const off = room.on("message", listener);
    room.on("message", listener);
    stage.socket.publishes("room", "p:1");
    off();
    off();
    stage.socket.publishes("room", "p:2");
    assert.deepEqual(heard, ["p:1", "p:1", "p:2"]);
    assert.deepEqual(
      reported.map(({ message }) => message),
      ["mine", "mine"],
    );
    await again(stage);
    assert.equal(wishes(stage.socket)[0].since, "p:2");
  } finally {
    delete globalThis.reportError;
  }
});

test("for await: messages as they come, until the end", async () => {
  const { stage, room } = await joined();
  const read = [];
  const reader = (async () => {
    for await (const { id } of room) read.push(id);
    return "ended";
  })();
  stage.socket.publishes("room", "p:1");
  stage.socket.publishes("room", "p:2");
  await stage.settle();
  stage.socket.publishes("room", "p:3");
  room.unsubscribe();
  assert.equal(await reader, "ended");
  assert.deepEqual(read, ["p:1", "p:2", "p:3"]);
});

test("for await: who reads too slowly is told, and holds no more than a bound", async () => {
  const { stage, room } = await joined();
  const messages = room[Symbol.asyncIterator]();
  const first = messages.next();
  stage.socket.publishes("room", "first");
  assert.equal((await first).value.id, "first");
  for (let at = 0; at < 1025; at++) stage.socket.publishes("room", `p:${at}`);
  await assert.rejects(messages.next(), { code: "slow_reader", channel: "room" });
  assert.equal((await messages.next()).done, true);
});
