// Positions that never were and names that can be none: what the real server makes of them.

import assert from "node:assert/strict";
import { after, before, test as unlimited } from "node:test";
import { WebSocket } from "ws";
import { Fanwire } from "../../dist/index.js";
import { Server } from "./world.mjs";

const test = (name, body) => unlimited(name, { timeout: 60_000 }, body);
const LIES = ["zz:99", "k3:1042", "!!!!", "x".repeat(64), "%00", "-1:-1", "::", "&=#?/+"];
LIES.push('"\\"', "99999999999999999999:1", "0:0", "__proto__");

let server;

before(async () => {
  server = await Server.start();
});

after(() => server?.kill());

const state = (room, wanted) =>
  new Promise((done) => room.on("state", (change) => change.state === wanted && done(change)));

test("a storage that lies: a gap says so, and all that is new comes", async () => {
  for (const lie of LIES) {
    const storage = { getItem: () => lie, setItem() {} };
    const fw = new Fanwire(server.origin, { WebSocket, storage });
    const gaps = [];
    const all = new Promise((told) => fw.on("gap", told));
    const room = fw.subscribe("room.lies");
    room.on("gap", (gap) => gaps.push(gap));
    const heard = new Promise((done) => room.on("message", done));
    await state(room, "joined");
    const { id } = await room.publish(lie);
    const message = await heard;
    assert.deepEqual([message.id, message.data], [id, lie]);
    assert.deepEqual(
      gaps.map(({ reason }) => reason),
      ["epoch"],
      lie,
    );
    assert.equal((await all).reason, "epoch", lie);
    fw.close();
  }
});

test("names that can be none end alone", async () => {
  const fw = new Fanwire(server.origin, { WebSocket });
  const good = ["room.1", "room.2"].map((name) => fw.subscribe(name));
  const bad = ["", "a b", "a..b", "$nope", "ü", "x".repeat(129), "x".repeat(100_000)];
  const ends = bad.map((name) => state(fw.subscribe(name), "ended"));
  await Promise.all(good.map((room) => state(room, "joined")));
  for (const { reason } of await Promise.all(ends)) assert.equal(reason, "bad_channel");
  assert.equal(fw.state, "open");
  fw.close();
});
