// Publishing and asking: the queue, its bound, what is sent again and what is not.

import assert from "node:assert/strict";
import { test } from "node:test";
import { opened, Stage } from "./stage.mjs";

// The outcome of each promise, or undefined while there is none.
function outcomes(promises) {
  const all = promises.map(() => undefined);
  promises.forEach((promise, at) => {
    promise.then(
      (value) => (all[at] = value),
      (error) => (all[at] = error.code),
    );
  });
  return all;
}

async function again(stage, code = 1006, reason = "", fields) {
  stage.socket.drops(code, reason);
  await stage.clock.pass(stage.state.delay);
  stage.socket.welcomes(fields);
  await stage.settle();
}

const publishes = (socket) => socket.asked("publish");
const sent = (socket) => publishes(socket).map(({ data }) => data);

test("a publish is sent with its options, and resolves with its position", async () => {
  const stage = await opened();
  const room = stage.fw.subscribe("room");
  const promise = room.publish({ a: 1 }, { key: "k", idempotencyKey: "i", skipSelf: true });
  const [request] = publishes(stage.socket);
  assert.deepEqual(request, {
    type: "publish",
    id: request.id,
    channel: "room",
    key: "k",
    idempotency_key: "i",
    skip_self: true,
    data: { a: 1 },
  });
  stage.socket.acks(request, { id: "p:1", duplicate: true });
  assert.deepEqual(await promise, { id: "p:1", duplicate: true });
});

test("bytes, null, and what is not JSON", async () => {
  const stage = await opened();
  void stage.fw.publish("room", new Uint8Array([0, 255]));
  void stage.fw.publish("room", new Uint8Array([0, 255]).buffer);
  void stage.fw.publish("room", null);
  assert.deepEqual(
    publishes(stage.socket).map(({ data, encoding }) => [data, encoding]),
    [
      ["AP8=", "base64"],
      ["AP8=", "base64"],
      [null, undefined],
    ],
  );
  const circle = {};
  circle.circle = circle;
  for (const wrong of [undefined, () => {}, Symbol("s"), circle, 1n]) {
    await assert.rejects(stage.fw.publish("room", wrong), TypeError);
  }
});

test("what is published offline goes in its order, once connected", async () => {
  const stage = new Stage();
  const done = outcomes([1, 2, 3].map((data) => stage.fw.publish("room", data)));
  await stage.settle();
  stage.socket.welcomes();
  assert.deepEqual(sent(stage.socket), [1, 2, 3]);
  for (const request of publishes(stage.socket))
    stage.socket.acks(request, { id: `p:${request.data}` });
  await stage.settle();
  assert.deepEqual(done, [{ id: "p:1" }, { id: "p:2" }, { id: "p:3" }]);
});

test("what was not answered is sent again, in its order, with its key", async () => {
  const stage = await opened();
  const done = outcomes([1, 2, 3].map((data) => stage.fw.publish("room", data)));
  const first = publishes(stage.socket);
  stage.socket.acks(first[0], { id: "p:1" });
  await again(stage);
  const second = publishes(stage.socket);
  assert.deepEqual(second, first.slice(1));
  assert.equal(new Set(first.map(({ idempotency_key }) => idempotency_key)).size, 3);
  stage.socket.acks(second[0], { id: "p:2", duplicate: true });
  stage.socket.acks(second[1], { id: "p:3" });
  await stage.settle();
  assert.deepEqual(done, [{ id: "p:1" }, { id: "p:2", duplicate: true }, { id: "p:3" }]);
});

test("two clients make up different keys", async () => {
  const keys = [];
  for (let at = 0; at < 2; at++) {
    const stage = await opened({ random: Math.random });
    void stage.fw.publish("room", 1);
    keys.push(publishes(stage.socket)[0].idempotency_key);
  }
  assert.notEqual(keys[0], keys[1]);
  for (const key of keys) assert.match(key, /^[a-z0-9]{16,24}-0$/);
});

test("a server that has forgotten the keys is not sent what may have happened", async () => {
  const stage = await opened({}, { memory: "m1" });
  const done = outcomes([stage.fw.publish("room", 1), stage.fw.history("room")]);
  stage.socket.drops();
  const later = outcomes([stage.fw.publish("room", 2)]);
  await stage.clock.pass(500);
  stage.socket.welcomes({ memory: "m2" });
  await stage.settle();
  assert.deepEqual(done, ["outcome_unknown", undefined]);
  assert.deepEqual(sent(stage.socket), [2], "what was never sent is");
  assert.equal(stage.socket.asked("history").length, 1, "what may happen twice is");
  assert.deepEqual(later, [undefined]);
});

test("nor one that has kept them for too long, by whatever the clock says", async () => {
  for (const wait of [
    (clock) => clock.pass(240_001),
    (clock) => clock.jump(3_600_000),
    (clock) => clock.jump(-3_600_000),
  ]) {
    const stage = await opened();
    const done = outcomes([stage.fw.publish("room", 1), stage.fw.history("room")]);
    stage.socket.drops();
    const later = outcomes([stage.fw.publish("room", 2)]);
    await wait(stage.clock);
    while (stage.fw.state !== "connecting") await stage.clock.pass(500);
    stage.socket.welcomes();
    await stage.settle();
    assert.deepEqual([done, later], [["outcome_unknown", undefined], [undefined]]);
    assert.deepEqual(sent(stage.socket), [2]);
  }
});

test("its age counts from the first time that it was sent", async () => {
  const stage = await opened();
  const done = outcomes([stage.fw.publish("room", 1)]);
  for (const age of [200_000, 41_000]) {
    for (let passed = 0; passed < age; passed += 20_000) {
      stage.socket.says({ type: "update", data: {}, timestamp: 1 });
      await stage.clock.pass(Math.min(20_000, age - passed));
    }
    await again(stage);
  }
  assert.deepEqual(done, ["outcome_unknown"]);
  assert.equal(stage.sockets.length, 3);
  assert.equal(publishes(stage.socket).length, 0);
});

test("the doubt stays until the answer, over several connections", async () => {
  const stage = await opened({}, { memory: "m1" });
  const done = outcomes([stage.fw.publish("room", 1)]);
  stage.socket.drops();
  await stage.clock.pass(500);
  stage.socket.drops();
  await stage.clock.pass(1000);
  stage.socket.welcomes({ memory: "m2" });
  await stage.settle();
  assert.deepEqual(done, ["outcome_unknown"]);
  assert.equal(publishes(stage.socket).length, 0);
});

test("a temporary refusal is sent again at its pace, with all behind it, in their order", async () => {
  const stage = await opened();
  const done = outcomes([1, 2].map((data) => stage.fw.publish("room", data)));
  for (const request of publishes(stage.socket)) {
    stage.socket.refuses(request, "rate_limited", true, { retry_after_ms: 4000 });
  }
  void stage.fw.publish("room", 3);
  await stage.clock.pass(3999);
  assert.deepEqual(sent(stage.socket), [1, 2]);
  await stage.clock.pass(1);
  assert.deepEqual(sent(stage.socket), [1, 2, 1, 2, 3]);
  assert.deepEqual(done, [undefined, undefined]);
});

test("a refusal that stays is told after ten times; one that is final at once", async () => {
  const stage = await opened();
  const done = outcomes([1, 2].map((data) => stage.fw.publish("room", data)));
  stage.socket.refuses(publishes(stage.socket)[1], "forbidden");
  for (let at = 0; at < 10; at++) {
    stage.socket.refuses(publishes(stage.socket).at(at ? -1 : 0), "engine_unavailable", true);
    await stage.clock.pass(20_000);
    stage.socket.says({ type: "update", data: {}, timestamp: 1 });
  }
  assert.deepEqual(done, ["engine_unavailable", "forbidden"]);
  assert.equal(publishes(stage.socket).length, 11);
});

test("outcome_unknown is repeated with the same key; on another memory it is told", async () => {
  const stage = await opened();
  const done = outcomes([stage.fw.publish("room", 1)]);
  stage.socket.refuses(publishes(stage.socket)[0], "outcome_unknown", true);
  await stage.clock.pass(1000);
  const [first, second] = publishes(stage.socket);
  assert.deepEqual(first, second);
  stage.socket.refuses(second, "outcome_unknown", true);
  await again(stage, 1006, "", { memory: "m2" });
  assert.deepEqual(done, ["outcome_unknown"]);
});

test("the queue has a bound", async () => {
  const stage = new Stage({ maxQueue: 3 });
  const done = outcomes([1, 2, 3, 4].map((data) => stage.fw.publish("room", data)));
  await stage.settle();
  assert.deepEqual(done, [undefined, undefined, undefined, "queue_full"]);
  const error = await stage.fw.publish("room", 5).catch((failed) => failed);
  assert.deepEqual([error.name, error.temporary, error.channel], ["FanwireError", true, "room"]);
  const usual = new Stage();
  const many = outcomes(Array.from({ length: 1001 }, (_, at) => usual.fw.publish("room", at)));
  await usual.settle();
  assert.deepEqual(many.slice(-2), [undefined, "queue_full"]);
});

test("what has gathered goes at a rate that the server takes", async () => {
  const stage = new Stage();
  for (let at = 0; at < 200; at++) void stage.fw.publish("room", at);
  await stage.settle();
  stage.socket.welcomes();
  const begun = stage.clock.time;
  const counts = [];
  while (publishes(stage.socket).length < 200) {
    counts.push(publishes(stage.socket).length);
    await stage.clock.pass(500);
  }
  assert.deepEqual(counts, [45, 90, 135, 180]);
  assert.equal(stage.clock.time - begun, 2000);
  assert.deepEqual(
    sent(stage.socket),
    Array.from({ length: 200 }, (_, at) => at),
  );
  const fast = await opened({ maxRate: 1000 });
  for (let at = 0; at < 500; at++) void fast.fw.publish("room", at);
  assert.equal(publishes(fast.socket).length, 500);
});

test("what is longer than the server takes is refused here, whenever that becomes known", async () => {
  const stage = new Stage();
  const done = outcomes(
    ["ü".repeat(300), "ok", "x".repeat(450)].map((data) => stage.fw.publish("r", data)),
  );
  await stage.settle();
  stage.socket.welcomes({ max_message_bytes: 512 });
  await stage.settle();
  assert.deepEqual(done, ["too_large", undefined, "too_large"]);
  assert.deepEqual(sent(stage.socket), ["ok"]);
});

test("1009: the longest is dropped, not repeated; the others are", async () => {
  const stage = await opened();
  const done = outcomes(["a", "b".repeat(5000), "c"].map((data) => stage.fw.publish("r", data)));
  await again(stage, 1009, "too_large");
  assert.deepEqual(done, [undefined, "too_large", undefined]);
  assert.deepEqual(sent(stage.socket), ["a", "c"]);
  // With nothing unanswered there is nothing to drop.
  const idle = await opened();
  await again(idle, 1009, "too_large");
  assert.equal(idle.fw.state, "open");
});

test("1002 and 1007: what was sent is dropped, what was not is sent", async () => {
  for (const [code, word] of [
    [1002, "protocol"],
    [1007, "bad_data"],
  ]) {
    const stage = await opened();
    const done = outcomes([stage.fw.publish("r", 1)]);
    stage.socket.drops(code, word);
    void stage.fw.publish("r", 2);
    await stage.clock.pass(500);
    stage.socket.welcomes();
    await stage.settle();
    assert.deepEqual(done, ["outcome_unknown"]);
    assert.deepEqual(sent(stage.socket), [2]);
  }
});

test("a client that stops, stops what waits; one that has stopped takes nothing", async () => {
  for (const stop of [
    (stage) => stage.fw.close(),
    (stage) => stage.socket.drops(4403, "forbidden"),
  ]) {
    const stage = await opened();
    const done = outcomes([stage.fw.publish("r", 1), stage.fw.history("r")]);
    stop(stage);
    const late = outcomes([stage.fw.publish("r", 2), stage.fw.presence("r")]);
    await stage.settle();
    assert.deepEqual(done, ["closed", "closed"]);
    assert.deepEqual(late, ["closed", "closed"]);
  }
});

test("a publish from a listener of the loss is not taken for sent", async () => {
  const stage = await opened();
  const room = stage.fw.subscribe("room");
  await stage.settle();
  stage.socket.joins("room");
  room.on("state", ({ state }) => state === "joining" && void room.publish("lost?"));
  await again(stage);
  assert.deepEqual(sent(stage.socket), ["lost?"]);
});

test("history and presence", async () => {
  const stage = await opened();
  const history = stage.fw.history("log", { since: "p:1", limit: 2 });
  const [request] = stage.socket.asked("history");
  assert.deepEqual(request.data, { since: "p:1", limit: 2 });
  const page = [
    { type: "message", id: "p:2", channel: "log", data: "AP8=", encoding: "base64", timestamp: 1 },
    { type: "message", channel: "log", data: "no position" },
    null,
  ];
  stage.socket.acks(request, { messages: page, more: true, position: "p:9" });
  assert.deepEqual(await history, {
    messages: [{ id: "p:2", channel: "log", data: new Uint8Array([0, 255]), timestamp: 1 }],
    more: true,
    position: "p:9",
  });

  const presence = stage.fw.presence("room", { limit: 1 });
  const members = [{ user: "ann" }];
  stage.socket.acks(stage.socket.asked("presence")[0], { count: 2, members, next: "u:ann" });
  assert.deepEqual(await presence, { count: 2, members, next: "u:ann" });

  for (const nonsense of [undefined, null, 7, "x", []]) {
    const empty = stage.fw.history("log");
    stage.socket.acks(stage.socket.asked("history").at(-1), nonsense);
    assert.deepEqual((await empty).messages, []);
    const nobody = stage.fw.presence("room");
    stage.socket.acks(stage.socket.asked("presence").at(-1), nonsense);
    assert.equal((await nobody).count, 0);
  }
});

test("answers that nobody asked for are nobody's", async () => {
  const stage = await opened();
  const done = outcomes([stage.fw.publish("r", 1)]);
  const [request] = publishes(stage.socket);
  for (const id of [undefined, null, 0, -1, "1", "auth", {}, request.id + 1]) {
    stage.socket.says({ type: "ack", id, data: { id: "p:9" } });
  }
  await stage.settle();
  assert.deepEqual(done, [undefined]);
  // An error without a request is the application's to hear.
  stage.socket.says({ type: "error", data: { code: "bad_json", message: "m" } });
  stage.socket.says({ type: "error", id: 99 });
  assert.deepEqual(
    stage.heard("error").map(({ code }) => code),
    ["bad_json", "internal"],
  );
  // Twice the same answer is one.
  stage.socket.acks(request, { id: "p:1" });
  stage.socket.acks(request, { id: "p:2" });
  await stage.settle();
  assert.deepEqual(done, [{ id: "p:1" }]);
});
