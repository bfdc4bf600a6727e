// The live page does what it shows: against the real server, in a real browser.

import assert from "node:assert/strict";
import { after, before, test as unlimited } from "node:test";
import { Server, launch, picture, visit } from "./stage.mjs";

const test = (name, body) => unlimited(name, { timeout: 60_000 }, body);

let server;
let browser;

before(async () => {
  server = await Server.start();
  browser = await launch();
});

after(async () => {
  await browser?.close();
  const code = await server?.stop();
  assert.equal(code, 0, "the server ends well on SIGTERM");
});

const lines = (page, type) => page.locator(`#log li.received[data-type="${type}"]`);
const chip = (page, channel) => page.locator(`#subscriptions [data-channel="${channel}"]`);

async function subscribe(page, channel) {
  await page.getByLabel("Channel to subscribe to").fill(channel);
  await page.getByRole("button", { name: "Subscribe", exact: true }).click();
  await chip(page, channel).waitFor();
}

async function publish(page, channel, data) {
  await page.getByLabel("Channel", { exact: true }).fill(channel);
  await page.getByLabel("Data, any JSON").fill(data);
  await page.getByRole("button", { name: "Publish", exact: true }).click();
}

// Waits until the page itself says that this holds.
const until = (page, expression, argument) => page.waitForFunction(expression, argument);

test("the page connects, says what it knows, and breaks no policy", async () => {
  const { page, complaints } = await visit(browser, server);
  await lines(page, "connection").waitFor();
  await until(page, () => /^[1-9]/.test(document.querySelector("#connections").textContent));
  await until(page, () => /^\d/.test(document.querySelector("#trip").textContent));
  const { headers } = await page.evaluate(async () => {
    const answer = await fetch("/");
    return { headers: Object.fromEntries(answer.headers) };
  });
  const policy = headers["content-security-policy"] ?? "";
  assert.match(policy, /default-src 'none'/);
  assert.doesNotMatch(policy, /unsafe/);
  assert.deepEqual(complaints, []);
});

test("one subscribes, publishes, and the envelope appears", async () => {
  const { page, complaints } = await visit(browser, server);
  await subscribe(page, "page.hello");
  await publish(page, "page.hello", '{"text": "good day"}');
  const message = lines(page, "message").filter({ hasText: "good day" });
  await message.waitFor();
  assert.match(await message.innerText(), /page\.hello/);
  await lines(page, "ack").nth(1).waitFor();
  await until(page, () => document.querySelector("#subscriptions b").textContent === "1");
  await page.locator('#channels [data-channel="page.hello"]').waitFor();
  await picture(page, "desktop");
  assert.deepEqual(complaints, []);
});

test("what the backend publishes appears, in order", async () => {
  const { page, complaints } = await visit(browser, server);
  await subscribe(page, "page.order");
  for (let n = 0; n < 50; n += 1) {
    assert.equal((await server.post("channels/page.order", `{"n":${n}}`)).status, 200);
  }
  await lines(page, "message").nth(49).waitFor();
  const shown = await lines(page, "message").locator("code").allInnerTexts();
  assert.deepEqual(
    shown.map((text) => Number(/"n":(\d+)/.exec(text)[1])),
    Array.from({ length: 50 }, (_, n) => n),
  );
  await page.getByRole("button", { name: "Broadcast to all" }).click();
  await lines(page, "broadcast").waitFor();
  assert.deepEqual(complaints, []);
});

test("markup stays text", async () => {
  const { page, complaints } = await visit(browser, server);
  const markup = '<img src=x onerror="document.title=1"><script>document.title=2</script>';
  await subscribe(page, "page.markup");
  await publish(page, "page.markup", JSON.stringify({ [markup]: markup }));
  const message = lines(page, "message").filter({ hasText: "<script>" });
  await message.waitFor();
  assert.match(await message.innerText(), /<img src=x onerror=/);
  assert.equal(await page.locator("#log img, #log script").count(), 0);
  assert.equal(await page.title(), "Fanwire, live");
  assert.deepEqual(complaints, []);
});

test("an error is shown, and what is not JSON is not sent", async () => {
  const { page, complaints } = await visit(browser, server);
  await publish(page, "page.error", "plain words");
  await page.getByText("This is not JSON yet").waitFor();
  assert.equal(await page.locator("#log li.sent").count(), 0);
  await publish(page, "a..b", "1");
  await lines(page, "error").filter({ hasText: "bad_channel" }).waitFor();
  assert.deepEqual(complaints, []);
});

test("one unsubscribes, disconnects and connects again", async () => {
  const { page, complaints } = await visit(browser, server);
  await subscribe(page, "page.leave");
  await page.getByRole("button", { name: "Unsubscribe from page.leave" }).click();
  await chip(page, "page.leave").waitFor({ state: "detached" });
  await subscribe(page, "page.stay");
  await page.getByRole("button", { name: "Disconnect" }).click();
  await page.locator('#state[data-state="closed"]').waitFor();
  await server.post("channels/page.stay", '"while away"');
  await page.getByRole("button", { name: "Connect" }).click();
  // The subscription is resumed where it was left: what came meanwhile is there.
  await lines(page, "message").filter({ hasText: "while away" }).waitFor();
  assert.deepEqual(complaints, []);
});

test("the log is bounded", async () => {
  const { page } = await visit(browser, server);
  await subscribe(page, "page.many");
  for (let n = 0; n < 6; n += 1) {
    const items = Array.from({ length: 100 }, (_, i) => ({
      channel: "page.many",
      data: { n: n * 100 + i },
    }));
    const { status } = await server.post("publish", JSON.stringify(items));
    assert.equal(status, 200);
  }
  await lines(page, "message").filter({ hasText: '"n":599}' }).waitFor();
  assert.equal(await page.locator("#log li").count(), 500);
});

test("the page comes back by itself when the server does", async () => {
  const first = await Server.start();
  const { page } = await visit(browser, first);
  await subscribe(page, "page.back");
  await first.stop();
  await page.locator('#state[data-state="waiting"]').waitFor();
  const second = await Server.start(first.port);
  await page.locator('#state[data-state="open"]').waitFor();
  await until(page, () => document.querySelectorAll("#subscriptions li").length === 1);
  await page.locator("#subscriptions button:not(:disabled)").waitFor();
  await lines(page, "ack").nth(1).waitFor();
  await second.post("channels/page.back", '"again"');
  await lines(page, "message").filter({ hasText: "again" }).waitFor();
  assert.equal(await second.stop(), 0);
});

test("it fits a phone and the dark, and is labelled", async () => {
  for (const [name, options] of [
    ["phone", { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true }],
    ["dark", { viewport: { width: 1280, height: 900 }, colorScheme: "dark" }],
  ]) {
    const { page, complaints } = await visit(browser, server, options);
    await subscribe(page, "page.looks");
    await publish(page, "page.looks", '{"bid": 1.0832, "ask": 1.0834}');
    await lines(page, "message").waitFor();
    const beyond = await page.evaluate(() => document.documentElement.scrollWidth - innerWidth);
    assert.ok(beyond <= 0, `${name}: ${beyond} pixels beyond the edge`);
    const unnamed = await page.evaluate(() =>
      [...document.querySelectorAll("input, textarea, button")]
        .filter((control) => !control.labels?.length && !control.ariaLabel && !control.innerText)
        .map((control) => control.outerHTML),
    );
    assert.deepEqual(unnamed, []);
    await picture(page, name);
    assert.deepEqual(complaints, []);
  }
});
