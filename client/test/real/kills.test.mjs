// The server is killed and started anew, twenty times under traffic. Its memory goes with it, so
// what it had taken and not delivered is lost, and a gap says so. Nothing comes twice or out of
// order, and what the last server has acknowledged comes.

import assert from "node:assert/strict";
import { test } from "node:test";
import { faults, traffic } from "./traffic.mjs";
import { Server, browser, pageAt } from "./world.mjs";

for (const [name, kills, how] of [
  ["from its position alone", 20, {}],
  ["with the latest beside it", 20, { last: 1000 }],
  ["by one that comes back after all is said", 2, { late: true }],
]) {
  test(`followed ${name}`, { timeout: 120_000 }, async () => {
    const server = await Server.start("--messages-per-second", "0", "--history-count", "5000");
    const chrome = await browser();
    try {
      const { page, complaints } = await pageAt(chrome, server.origin);
      await page.evaluate(traffic, how);
      const more = (list) => page.evaluate((list) => globalThis.traffic.more(list, 5), list);
      for (let at = 0; at < kills; at++) {
        await more("story");
        await server.kill();
        await server.start();
      }
      await more("acked");
      const account = await page.evaluate(() => globalThis.traffic.end());
      const { story, acked, doubtful, published, connections } = account;
      const gaps = story.filter((entry) => !Array.isArray(entry));
      console.log(
        `# ${published} published, ${acked.length} acknowledged, ${doubtful.length} unknown, ` +
          `${story.length - gaps.length} came, ${gaps.length} gaps, ${connections} connections`,
      );
      assert.deepEqual(faults(account, { gaps: true }), []);
      assert.equal(acked.length + doubtful.length, published, "each has an outcome");
      assert.ok(gaps.every(({ reason }) => reason === "epoch"));
      if (how.last) {
        // What the last life has acknowledged, it also delivers.
        const epoch = (id) => id.split(":")[0];
        const latest = epoch(acked.at(-1)[1]);
        const came = new Set(story.filter(Array.isArray).map(([n]) => n));
        for (const [n, id] of acked) assert.ok(epoch(id) !== latest || came.has(n), `${n}`);
      }
      assert.deepEqual(complaints, []);
    } finally {
      await chrome.close();
      await server.kill();
    }
  });
}
