// Users, their tokens, and who is there: against the real server.

import assert from "node:assert/strict";
import { createHmac } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test as unlimited } from "node:test";
import { WebSocket } from "ws";
import { Fanwire } from "../../dist/index.js";
import { Server } from "./world.mjs";

const test = (name, body) => unlimited(name, { timeout: 60_000 }, body);

const SECRET = "a-secret-of-the-tests-of-32-bytes-or-more";
const KEY = "a-key-of-the-backend-long-enough";
const SETTINGS = `
jwt_keys = ["hs256:${SECRET}"]
jwt_leeway = "0s"
anonymous = false
api_keys = ["backend:${KEY}:admin"]
presence_interval = "0s"
presence_leave_delay = "0s"

[[rule]]
pattern = "room.*"
subscribe = "user"
publish = "user"
presence = "full"
`;

let server;
let folder;
const clients = [];

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "fanwire-people-"));
  writeFileSync(join(folder, "fanwire.toml"), SETTINGS);
  server = await Server.start("--config", join(folder, "fanwire.toml"));
});

after(async () => {
  for (const client of clients) client.close();
  await server?.kill();
  rmSync(folder, { recursive: true, force: true });
});

// A token of that user, for so many seconds.
function token(user, seconds = 3600) {
  const part = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");
  const now = Math.floor(Date.now() / 1000);
  const body = { sub: user, iat: now, exp: now + seconds, info: { name: user.toUpperCase() } };
  const signed = `${part({ alg: "HS256" })}.${part(body)}`;
  return `${signed}.${createHmac("sha256", SECRET).update(signed).digest("base64url")}`;
}

// A client that writes down its states and errors.
function client(provider) {
  const fw = new Fanwire(server.origin, { token: provider, WebSocket, minDelay: 5, maxDelay: 50 });
  fw.states = [];
  fw.errors = [];
  fw.on("state", (change) => fw.states.push(change));
  fw.on("error", ({ code }) => fw.errors.push(code));
  clients.push(fw);
  return fw;
}

const backend = async (method, path, body) => {
  const headers = { Authorization: `Bearer ${KEY}` };
  const answer = await fetch(server.origin + path, { method, headers, body: JSON.stringify(body) });
  assert.ok(answer.ok, `${method} ${path}: ${answer.status} ${await answer.clone().text()}`);
  return answer.json();
};

async function until(holds) {
  while (!holds()) await new Promise((later) => setTimeout(later, 10));
}

const opens = (fw) => fw.states.filter(({ state }) => state === "open").length;
const joined = (room) => until(() => room.state === "joined");

test("who publishes is known; a user's own channel is heard in all tabs", async () => {
  const [one, other] = [client(() => token("ann")), client(() => token("ann"))];
  const heard = [];
  for (const fw of [one, other]) {
    const own = fw.subscribe("$user");
    own.on("message", ({ channel, data }) => heard.push([channel, data]));
    await joined(own);
    assert.equal(fw.user, "ann");
  }
  const room = other.subscribe("room.who");
  const said = [];
  room.on("message", ({ from, data }) => said.push([from, data]));
  await joined(room);
  await one.publish("room.who", "hello");
  await backend("POST", "/users/ann", { mail: 1 });
  await until(() => said.length === 1 && heard.length === 2);
  assert.deepEqual(said, [["ann", "hello"]]);
  assert.deepEqual(heard, Array(2).fill(["$user", { mail: 1 }]));
  await assert.rejects(one.publish("elsewhere", 1), { code: "forbidden", temporary: false });
});

test("who is there: a snapshot, who comes, who goes, and the page of it", async () => {
  const ann = client(() => token("ann"));
  const room = ann.subscribe("room.presence", { presence: true });
  await until(() => room.members.has("ann"));
  const bob = client(() => token("bob"));
  await joined(bob.subscribe("room.presence"));
  await until(() => room.count === 2);
  assert.deepEqual(room.members.get("bob").info, { name: "BOB" });
  const { count, members, next } = await ann.presence("room.presence");
  assert.deepEqual(
    [count, members.map(({ user }) => user).sort(), next],
    [2, ["ann", "bob"], null],
  );
  bob.close();
  await until(() => room.count === 1);
  assert.deepEqual([...room.members.keys()], ["ann"]);
  await assert.rejects(ann.presence("elsewhere"), { code: "forbidden" });
});

test("a token is renewed in time, on the same connection", async () => {
  let tokens = 0;
  const fw = client(async () => (tokens++, token("ann", 3)));
  const room = fw.subscribe("room.renewed");
  await joined(room);
  await until(() => tokens === 4);
  await room.publish("still here");
  assert.equal(opens(fw), 1);
  assert.deepEqual(fw.errors, []);
});

test("an old token is told, and a new one brings the client back, from where it was", async () => {
  let tokens = 0;
  const fw = client(async () => token("ann", ++tokens < 4 ? -5 : 3600));
  const room = fw.subscribe("room.late");
  await joined(room);
  assert.equal(tokens, 4);
  assert.deepEqual(fw.errors, Array(3).fill("token_expired"));
  const closes = fw.states.filter(({ state }) => state === "waiting").map(({ code }) => code);
  assert.deepEqual(closes, Array(3).fill(4101));
});

test("a token that was taken back: a new one, or the end", async () => {
  let given = token("eve");
  const fw = client(async () => given);
  const room = fw.subscribe("room.revoked");
  await joined(room);
  given = null;
  await backend("POST", "/revocations", { user: "eve" });
  await until(() => fw.state === "stopped");
  assert.equal(fw.states.find(({ state }) => state === "waiting").code, 4103);
  assert.equal(fw.states.at(-1).reason, "token");
  await assert.rejects(room.publish(1), { code: "closed" });
});

test("the backend disconnects, subscribes and unsubscribes", async () => {
  const fw = client(() => token("zoe"));
  await until(() => fw.state === "open");
  const made = [];
  fw.on("subscribed", (room) => made.push(room));
  await backend("PUT", "/users/zoe/subscriptions/call.7");
  await until(() => made.length === 1);
  const heard = [];
  made[0].on("message", ({ data }) => heard.push(data));
  await backend("POST", "/channels/call.7", "ring");
  await until(() => heard.length === 1);
  await backend("DELETE", "/users/zoe/subscriptions/call.7");
  await until(() => made[0].state === "ended");
  await backend("DELETE", "/users/zoe/connections");
  await until(() => fw.state === "stopped");
  assert.equal(fw.states.at(-1).code, 4410);
});

test("a token that is none stops a client that has no other", async () => {
  const bad = client("not.a.token");
  await until(() => bad.state === "stopped");
  assert.deepEqual(bad.errors, ["unauthorized"]);
  assert.equal(bad.states.at(-1).code, 4102);
});
