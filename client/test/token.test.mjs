// Tokens: when the provider is called, and what becomes of one that fails, hangs, or gives an old
// token.

import assert from "node:assert/strict";
import { test } from "node:test";
import { Stage, opened } from "./stage.mjs";

test("a token goes beside fanwire.v1, and the provider is asked before each connection", async () => {
  let calls = 0;
  const stage = await opened({ token: async () => `t.${++calls}` });
  assert.deepEqual(stage.socket.protocols, ["fanwire.v1", "bearer.t.1"]);
  assert.equal(stage.socket.url.search, "", "never in the address");
  stage.socket.drops();
  await stage.clock.pass(500);
  assert.deepEqual(stage.socket.protocols, ["fanwire.v1", "bearer.t.2"]);
  const fixed = await opened({ token: "a.b-c_d" });
  assert.deepEqual(fixed.socket.protocols, ["fanwire.v1", "bearer.a.b-c_d"]);
});

test("a provider that fails is asked again, later and later, and is heard of", async () => {
  for (const token of [
    async () => {
      throw new Error("no network");
    },
    () => {
      throw new Error("no network");
    },
    async () => {
      throw "no network";
    },
  ]) {
    const stage = new Stage({ token });
    const delays = [];
    for (let at = 0; at < 8; at++) {
      await stage.settle();
      delays.push(stage.state.delay);
      assert.equal(stage.state.reason, "token");
      await stage.clock.pass(stage.state.delay);
    }
    assert.deepEqual(delays, [500, 1000, 2000, 4000, 8000, 16_000, 20_000, 20_000]);
    assert.equal(stage.sockets.length, 0);
    assert.equal(stage.heard("error")[0].message, "no network");
    assert.equal(stage.heard("error")[0].code, "token");
  }
});

test("a provider that hangs is given up, and its late answer is not used", async () => {
  let answer;
  let calls = 0;
  const stage = new Stage({
    token: () => (++calls === 1 ? new Promise((done) => (answer = done)) : "second"),
  });
  await stage.clock.pass(19_999);
  assert.equal(stage.fw.state, "connecting");
  await stage.clock.pass(1);
  assert.equal(stage.state.reason, "token");
  answer("first");
  await stage.clock.pass(500);
  assert.equal(stage.sockets.length, 1);
  assert.equal(stage.socket.protocols[1], "bearer.second");
});

test("no token, no client; and connect asks again", async () => {
  let token = null;
  const stage = new Stage({ token: async () => token });
  await stage.clock.pass(60_000);
  assert.equal(stage.state.state, "stopped");
  assert.equal(stage.state.reason, "token");
  assert.equal(stage.sockets.length, 0);
  token = "t";
  stage.fw.connect();
  await stage.settle();
  assert.equal(stage.sockets.length, 1);
});

test("what is no token is a failure of the provider; a fixed one stops", async () => {
  for (const wrong of [undefined, "", 7, {}, "two words", "a,b", "x\r\ny", "ü"]) {
    const stage = new Stage({ token: async () => wrong });
    await stage.settle();
    assert.equal(stage.state.state, "waiting");
    assert.equal(stage.heard("error")[0].code, "token");
    assert.equal(stage.sockets.length, 0);
  }
  const fixed = new Stage({ token: "two words" });
  await fixed.settle();
  assert.equal(fixed.state.state, "stopped");
});

test("a provider whose tokens are always expired makes no storm", async () => {
  let calls = 0;
  const stage = new Stage({ token: async () => `old.${++calls}` });
  while (stage.clock.time < 600_000) {
    await stage.settle();
    if (stage.fw.state === "connecting") {
      stage.socket.says({ type: "error", data: { code: "token_expired", message: "over" } });
      stage.socket.drops(4101, "expired");
    }
    await stage.clock.pass(100);
  }
  assert.equal(stage.heard("error")[0].code, "token_expired");
  assert.ok(calls <= 40, `${calls} tokens in ten minutes`);
  assert.equal(stage.state.reason, "expired");
});

test("41xx gets a new token; the provider may give up", async () => {
  const tokens = ["first", "second", null];
  const stage = await opened({ token: async () => tokens.shift() });
  stage.socket.drops(4103, "revoked");
  await stage.clock.pass(500);
  assert.equal(stage.socket.protocols[1], "bearer.second");
  stage.socket.welcomes();
  stage.socket.drops(4102, "bad_token");
  await stage.clock.pass(20_000);
  assert.deepEqual(stage.state, { state: "stopped", reason: "token", code: 1006 });
});

const expiring = { type: "expiring", data: { expires_in_ms: 60_000 }, timestamp: 1 };

test("expiring: a new token is handed in on the same connection", async () => {
  const tokens = ["first", "second"];
  const stage = await opened({ token: async () => tokens.shift() });
  stage.socket.says(expiring);
  await stage.settle();
  const [auth] = stage.socket.asked("auth");
  assert.deepEqual(auth.data, { token: "second" });
  stage.socket.acks(auth, { user: "ann", expires_in_ms: 3_600_000 });
  assert.equal(stage.fw.state, "open");
  assert.equal(stage.heard("error").length, 0);
});

test("expiring: a provider that fails is asked again before the end", async () => {
  const answers = ["first", new Error("no network"), new Error("no network"), "second"];
  const stage = await opened({
    token: async () => {
      const answer = answers.shift();
      if (answer instanceof Error) throw answer;
      return answer;
    },
  });
  stage.socket.says(expiring);
  await stage.clock.pass(12_000);
  assert.deepEqual(stage.socket.asked("auth")[0].data, { token: "second" });
  assert.equal(stage.heard("error").length, 2);
});

test("expiring: refused, hanging, none, and a connection that ends meanwhile", async () => {
  const refused = await opened({ token: async () => "t" });
  refused.socket.says(expiring);
  await refused.settle();
  refused.socket.refuses(refused.socket.asked("auth")[0], "forbidden");
  assert.equal(refused.heard("error")[0].code, "forbidden");
  assert.equal(refused.fw.state, "open", "the old token holds until it ends");

  let answer;
  const answers = ["first", new Promise((done) => (answer = done)), "third", null];
  const stage = await opened({ token: async () => answers.shift() });
  stage.socket.says(expiring);
  await stage.settle();
  stage.socket.drops(4101, "expired");
  await stage.clock.pass(500);
  stage.socket.welcomes();
  answer("late");
  await stage.clock.pass(30_000);
  assert.equal(stage.socket.asked("auth").length, 0, "the third came with the handshake");
  assert.equal(stage.socket.protocols[1], "bearer.third");
  stage.socket.says(expiring);
  await stage.settle();
  assert.equal(stage.socket.asked("auth").length, 0);
  assert.equal(stage.fw.state, "open");

  const fixed = await opened({ token: "t" });
  fixed.socket.says(expiring);
  await fixed.settle();
  assert.equal(fixed.socket.asked("auth").length, 0);
});

test("closing while the provider is asked connects nobody", async () => {
  let answer;
  const stage = new Stage({ token: () => new Promise((done) => (answer = done)) });
  await stage.settle();
  stage.fw.close();
  answer("t");
  await stage.clock.pass(60_000);
  assert.equal(stage.sockets.length, 0);
  assert.equal(stage.fw.state, "stopped");
});
