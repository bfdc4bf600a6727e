// Close codes: what each asks of the client, and when it comes back.

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { opened } from "./stage.mjs";

const BACK = ["waiting", 500];
const STOP = ["stopped", undefined];
const CLOSES = [
  [1000, "", STOP, "lost"],
  [1001, "", BACK, "lost"],
  [1002, "protocol", BACK, "protocol"],
  [1003, "unsupported", STOP, "unsupported"],
  [1005, "", BACK, "lost"],
  [1006, "", BACK, "lost"],
  [1007, "bad_data", BACK, "bad_data"],
  [1008, "policy", STOP, "policy"],
  [1009, "too_large", BACK, "too_large"],
  [1011, "internal", ["waiting", 5500], "internal"],
  [1012, "restart;retry=700-5000", ["waiting", 5000], "restart"],
  [1013, "overloaded;retry=9000-9000", ["waiting", 9000], "overloaded"],
  [1013, "overloaded", BACK, "overloaded"],
  [1015, "", BACK, "lost"],
  [3000, "own", BACK, "own"],
  [4001, "slow", BACK, "slow"],
  [4002, "no_pong", BACK, "no_pong"],
  [4003, "too_late", BACK, "too_late"],
  [4004, "flood", BACK, "flood"],
  [4005, "idle", BACK, "idle"],
  [4006, "lost", BACK, "lost"],
  [4007, "moved;retry=10-20", ["waiting", 20], "moved"],
  [4099, "", BACK, "4099"],
  [4101, "expired", STOP, "expired"],
  [4102, "bad_token", STOP, "bad_token"],
  [4103, "revoked", STOP, "revoked"],
  [4199, "", STOP, "4199"],
  [4401, "token_needed", STOP, "token_needed"],
  [4403, "forbidden", STOP, "forbidden"],
  [4409, "replaced", STOP, "replaced"],
  [4410, "disconnected", STOP, "disconnected"],
  [4429, "", STOP, "4429"],
  [4499, "new word", STOP, "new"],
  [4500, "", BACK, "4500"],
];
for (const [code, reason, [state, delay], word] of CLOSES) {
  test(`close ${code} ${reason}: ${state}, and with a token provider`, async () => {
    const stage = await opened();
    stage.socket.drops(code, reason);
    assert.equal(stage.state.state, state);
    assert.equal(stage.state.reason, word);
    assert.equal(stage.state.code, code);
    assert.equal(stage.state.delay, delay);
    await stage.clock.pass(10_000);
    assert.equal(stage.sockets.length, state === "stopped" ? 1 : 2);

    // Who can get a new token comes back from 41xx; from everything else as before.
    const able = await opened({ token: async () => "t" });
    able.socket.drops(code, reason);
    const renewable = code >= 4100 && code < 4200;
    assert.equal(able.state.state, renewable ? "waiting" : state);
  });
}

test("each close code of the protocol is among these, and does what is written there", () => {
  const protocol = readFileSync(new URL("../../docs/protocol.md", import.meta.url), "utf8");
  const [table] = protocol.split("\n## Close codes\n")[1].split("\n## ");
  const rows = [...table.matchAll(/^\| ([\d, ]+) \|.*\| ([^|]+) \|$/gm)];
  assert.ok(rows.length > 20);
  for (const [, codes, written] of rows) {
    for (const code of codes.split(", ").map(Number)) {
      const found = CLOSES.filter(([known]) => known === code);
      assert.ok(found.length, `${code}`);
      const stops = written.startsWith("stops") || written.startsWith("gets a new token");
      for (const [, , [state]] of found) assert.equal(state === "stopped", stops, `${code}`);
      assert.equal(written.startsWith("gets a new token"), Math.floor(code / 100) === 41);
    }
  }
});

test("paces that make no sense are not obeyed", async () => {
  for (const reason of [
    "restart;retry=99999999999-99999999999",
    "restart;retry=-5-5",
    "restart;retry=a-b",
    "restart;retry=5",
    ";;;",
    undefined,
    null,
    7,
  ]) {
    const stage = await opened();
    stage.socket.drops(1012, reason);
    assert.equal(stage.state.delay, 500, reason);
  }
  const turned = await opened();
  turned.socket.drops(1012, "restart;retry=900-100");
  assert.equal(turned.state.delay, 900);
});

test("a pace that does not help is followed by the client's own waits", async () => {
  const stage = await opened();
  const delays = [];
  for (let at = 0; at < 5; at++) {
    stage.socket.drops(1012, "restart;retry=0-100");
    delays.push(stage.state.delay);
    await stage.clock.pass(stage.state.delay);
    stage.socket.welcomes();
  }
  assert.deepEqual(delays, [100, 1000, 2000, 4000, 8000]);
});
