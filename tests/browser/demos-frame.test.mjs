// What holds for every demo: markup stays text, nonsense does no harm, it fits a phone and the
// dark, everything is labelled, and the scripts are as short as examples should be.

import assert from "node:assert/strict";
import { readFile, readdir } from "node:fs/promises";
import { after, before, test as unlimited } from "node:test";
import { HEARD, MARKUP, nonsense, withMarkup } from "./markup.mjs";
import { Server, launch, visit } from "./stage.mjs";

const test = (name, body) => unlimited(name, { timeout: 90_000 }, body);
const DEMOS = Object.keys(HEARD);
const FOLDER = new URL("../../web/demo/", import.meta.url);
const LINES = 120;

let server;
let browser;

before(async () => {
  server = await Server.start();
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

let marks = 0;

// Publishes these to a channel, and a last one without meaning: who has received that has received
// all.
async function publish(channel, all, { page, hears }) {
  const mark = `mark ${(marks += 1)}.`;
  // Each has a key of its own, so that none supersedes another.
  const items = [...all, mark].map((data, i) => ({ channel, data, key: `${mark}${i}` }));
  const { status } = await server.post("publish", JSON.stringify(items));
  assert.equal(status, 200);
  await hears(mark);
  await page.evaluate(() => new Promise((done) => requestAnimationFrame(done)));
}

// Opens a demo, and waits until it follows all its channels.
async function open(demo, room, query, options) {
  const path = `demo/${demo}.html?room=${room}${query}`;
  const visitor = await visit(browser, server, { path, ...options });
  const channels = HEARD[demo].map(([channel, data]) => [channel.replace("markup", room), data]);
  for (const [channel] of channels) {
    if (demo !== "telemetry") await visitor.hears(`"channel":"${channel}"`); // that is raw
  }
  return { ...visitor, channels };
}

for (const demo of DEMOS) {
  test(`${demo}: markup of strangers stays text, and nonsense does no harm`, async () => {
    const visitor = await open(demo, "markup", `&name=${encodeURIComponent(MARKUP)}`);
    const { page, complaints, channels } = visitor;
    for (const [channel, data] of channels) {
      await publish(channel, withMarkup(data), visitor);
      await publish(channel, nonsense(data), visitor);
      await publish(channel, [data], visitor);
    }
    const found = await page.evaluate(() => ({
      hacked: window.hacked,
      elements: document.querySelectorAll("body img, body script, [onload], [onerror]").length,
      state: document.querySelector("#state").dataset.state,
    }));
    assert.deepEqual(found, { hacked: undefined, elements: 0, state: "open" });
    assert.deepEqual(complaints, []);
    await page.context().close();
  });
}

test("markup is really shown, as the text that it is", async () => {
  for (const demo of ["auction", "chat", "map", "quiz", "support"]) {
    const visitor = await open(demo, "shown", "&role=agent");
    const [channel, data] = visitor.channels.at(demo === "map" ? 1 : 0);
    await publish(channel, withMarkup(data), visitor);
    const text = visitor.page.locator("main").filter({ hasText: "<img src=x onerror=" });
    await text.waitFor();
    await visitor.page.context().close();
  }
});

test("no script makes markup of text, and none is longer than an example should be", async () => {
  for (const name of await readdir(FOLDER)) {
    if (!name.endsWith(".js")) continue;
    const text = await readFile(new URL(name, FOLDER), "utf8");
    const ways =
      /\b(innerHTML|outerHTML|insertAdjacentHTML|document\.write|setHTML|eval|DOMParser)\b/;
    assert.doesNotMatch(text, ways, name);
    const lines = text.split("\n").length;
    if (DEMOS.includes(name.slice(0, -3))) assert.ok(lines <= LINES, `${name}: ${lines} lines`);
  }
});

test("the gallery leads to every demo", async () => {
  const context = await browser.newContext();
  const page = await context.newPage();
  await page.goto(`${server.url}demo/`);
  const links = await page.locator(".gallery a").evaluateAll((all) => all.map(({ href }) => href));
  assert.deepEqual(links.map((link) => /([a-z]+)\.html$/.exec(link)[1]).sort(), DEMOS);
  for (const link of links) assert.equal((await fetch(link)).status, 200, link);
  const live = await (await fetch(server.url)).text();
  assert.match(live, /href="demo\/"/);
});

test("every demo fits a phone, and is labelled, in light and dark", async () => {
  for (const options of [
    { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true },
    { viewport: { width: 320, height: 640 }, isMobile: true, colorScheme: "dark" },
  ]) {
    for (const demo of DEMOS) {
      const visitor = await open(demo, "fits", "", options);
      const { page, complaints, channels } = visitor;
      for (const [channel, data] of channels) await publish(channel, [data], visitor);
      const found = await page.evaluate(() => ({
        beyond: Math.max(0, document.documentElement.scrollWidth - innerWidth),
        unnamed: [...document.querySelectorAll("input, textarea, button")]
          .filter((one) => one.checkVisibility())
          .filter((one) => !one.labels?.length && !one.ariaLabel && !one.innerText.trim())
          .map((one) => one.outerHTML),
      }));
      assert.deepEqual(found, { beyond: 0, unnamed: [] }, demo);
      assert.deepEqual(complaints, []);
      await page.context().close();
    }
  }
});
