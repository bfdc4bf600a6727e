// A hundred cuts under traffic: nothing is lost, doubled or out of order.

import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { WebSocket } from "ws";
import { Fanwire } from "../../dist/index.js";
import { faults, traffic } from "./traffic.mjs";
import { Network, Server, browser, pageAt } from "./world.mjs";

const CUTS = 100;
const HOW = ["close", "reset", "short"];

let server;
let network;

before(async () => {
  server = await Server.start("--messages-per-second", "0", "--history-count", "5000");
  network = await Network.to(server.port);
});

after(async () => {
  network?.close();
  await server?.kill();
});

// Cuts again and again, each time after something has come since the cut before.
async function cutUnderTraffic(cuts, more) {
  for (let at = 0; at < cuts; at++) {
    await more();
    while (network.cut(HOW[at % HOW.length]) === 0) {
      await new Promise((later) => setTimeout(later, 5));
    }
  }
}

function judge(account) {
  const { story, acked, published, doubtful, connections } = account;
  console.log(`# ${published} published, ${story.length} came, ${connections} connections`);
  assert.deepEqual(faults(account, { gaps: false }), []);
  assert.equal(story.length, published, "each came");
  assert.equal(acked.length, published, "each was acknowledged");
  assert.deepEqual(doubtful, []);
  const positions = new Map(story);
  for (const [n, id] of acked) assert.equal(positions.get(n), id, "under the position of its ack");
}

test("in Chromium", { timeout: 120_000 }, async () => {
  const chrome = await browser();
  try {
    const { page, complaints } = await pageAt(chrome, network.origin);
    await page.evaluate(traffic, {});
    await cutUnderTraffic(CUTS, () => page.evaluate(() => globalThis.traffic.more("story", 3)));
    judge(await page.evaluate(() => globalThis.traffic.end()));
    assert.deepEqual(complaints, []);
  } finally {
    await chrome.close();
  }
});

test("in Node with ws", { timeout: 120_000 }, async () => {
  const url = `${network.origin}/ws`;
  await traffic({ url }, { Fanwire, WebSocket });
  await cutUnderTraffic(CUTS, () => globalThis.traffic.more("story", 3));
  judge(await globalThis.traffic.end());
});
