// Who is there: snapshots, differences, counts alone.

import assert from "node:assert/strict";
import { test } from "node:test";
import { follow, opened } from "./stage.mjs";

async function watched() {
  const stage = await opened();
  const room = follow(stage, "room", { presence: true });
  await stage.settle();
  stage.socket.joins("room");
  room.hears = (data) =>
    stage.socket.says({ type: "presence", channel: "room", data, timestamp: 1 });
  room.names = () => [...room.members.keys()];
  return { stage, room };
}

const ann = { user: "ann", info: { age: 7 } };
const someone = { connection: "n-1" };

test("a snapshot, then who comes and goes", async () => {
  const { room } = await watched();
  assert.deepEqual([room.count, room.names()], [0, []]);
  room.hears({ snapshot: true, count: 2, members: [ann, someone] });
  assert.deepEqual([room.count, room.names()], [2, ["ann", "n-1"]]);
  assert.deepEqual(room.members.get("ann"), ann);
  room.hears({ count: 2, joined: [{ user: "bob" }], left: [someone] });
  assert.deepEqual([room.count, room.names()], [2, ["ann", "bob"]]);
  room.hears({ count: 2, joined: [{ user: "ann", info: 8 }], left: [] });
  assert.equal(room.members.get("ann").info, 8);
  assert.deepEqual(room.heard("presence")[1], {
    snapshot: false,
    count: 2,
    joined: [{ user: "bob" }],
    left: [someone],
  });
});

test("who leaves and comes within one message is there", async () => {
  const { room } = await watched();
  room.hears({ snapshot: true, count: 1, members: [ann] });
  room.hears({ count: 1, joined: [ann], left: [ann] });
  assert.deepEqual(room.names(), ["ann"]);
});

test("a slow reader's second snapshot, and that of a new connection, replace what was", async () => {
  const { stage, room } = await watched();
  room.hears({ snapshot: true, count: 2, members: [ann, someone] });
  room.hears({ snapshot: true, count: 1, members: [{ user: "bob" }] });
  assert.deepEqual(room.names(), ["bob"]);
  stage.socket.drops();
  assert.deepEqual(room.names(), ["bob"], "as far as is known");
  await stage.clock.pass(500);
  stage.socket.welcomes();
  assert.equal(stage.socket.asked("subscribe")[0].data.channels[0].presence, true);
  stage.socket.joins("room");
  room.hears({ snapshot: true, count: 1, members: [ann] });
  assert.deepEqual(room.names(), ["ann"]);
});

test("too many for names: only how many", async () => {
  const { room } = await watched();
  room.hears({ snapshot: true, count: 2, members: [ann, someone] });
  room.hears({ count: 5000 });
  assert.deepEqual([room.count, room.names()], [5000, []]);
  room.hears({ snapshot: true, count: 5001 });
  room.hears({ snapshot: true, count: 5002, members: null });
  assert.deepEqual([room.count, room.names()], [5002, []]);
  room.hears({ snapshot: true, count: 1, members: [ann] });
  assert.deepEqual(room.names(), ["ann"]);
});

test("members without a name, and lists that are none, are left out", async () => {
  const { room } = await watched();
  room.hears({
    snapshot: true,
    count: "x",
    members: [null, 7, {}, { user: 7 }, ["a"], ann, "bob"],
  });
  assert.deepEqual([room.count, room.names()], [1, ["ann"]]);
  room.hears({ count: -1, joined: "ann", left: { user: "ann" } });
  assert.deepEqual([room.count, room.names()], [1, ["ann"]]);
});

test("where presence is not to be had, the error says so and the channel is not followed", async () => {
  const stage = await opened();
  const room = follow(stage, "room", { presence: true });
  await stage.settle();
  stage.socket.refuses({ ...stage.socket.asked("subscribe")[0], channel: "room" }, "not_enabled");
  assert.equal(room.state, "ended");
  assert.equal(room.heard("error")[0].code, "not_enabled");
});
