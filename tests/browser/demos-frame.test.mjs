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

async function publish(channel, all) {
  for (let from = 0; from < all.length; from += 500) {
    const items = all.slice(from, from + 500).map((data) => ({ channel, data }));
    const { status } = await server.post("publish", JSON.stringify(items));
    assert.equal(status, 200);
  }
}

// Everything that has been published has been heard when the last of it has.
async function settled(page) {
  await page.evaluate(async () => {
    const { Fanwire } = await import("/client.js");
    const fw = new Fanwire();
    await fw.publish("demo.settled", 1);
    fw.close();
    await new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
  });
}

for (const demo of DEMOS) {
  test(`${demo}: markup of strangers stays text, and nonsense does no harm`, async () => {
    const path = `demo/${demo}.html?room=markup&name=${encodeURIComponent(MARKUP)}`;
    const { page, complaints } = await visit(browser, server, { path });
    await settled(page);
    for (const [channel, data] of HEARD[demo]) await publish(channel, withMarkup(data));
    await settled(page);
    for (const [channel, data] of HEARD[demo]) await publish(channel, nonsense(data));
    await settled(page);
    for (const [channel, data] of HEARD[demo]) await publish(channel, [data]);
    await settled(page);
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
  const shows = {
    chat: "#log",
    support: "#queue",
    quiz: "#question",
    map: "#list",
    auction: "#title",
  };
  for (const [demo, selector] of Object.entries(shows)) {
    const path = `demo/${demo}.html?room=shown&role=agent`;
    const { page } = await visit(browser, server, { path });
    for (const [channel, data] of HEARD[demo].slice(0, demo === "map" ? 2 : 1)) {
      const here = channel.replace("markup", "shown");
      await settled(page);
      await publish(here, withMarkup(data));
      await page
        .locator(selector)
        .filter({ hasText: "<img src=x onerror=" })
        .waitFor()
        .catch((error) => {
          if (channel !== "demo.map.lines") throw error;
        });
    }
    await page.context().close();
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
      const path = `demo/${demo}.html?room=fits`;
      const { page, complaints } = await visit(browser, server, { path, ...options });
      for (const [channel, data] of HEARD[demo]) {
        await publish(channel.replace("markup", "fits"), [data]);
      }
      await settled(page);
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
