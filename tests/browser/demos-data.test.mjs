// The demos that live from a backend: the real one, from examples/demos, and two browsers each.

import assert from "node:assert/strict";
import { after, before, test as unlimited } from "node:test";
import { Server, launch, pair, visit } from "./stage.mjs";

const test = (name, body) => unlimited(name, { timeout: 60_000 }, body);
const PARTS = ["auction", "dashboard", "device", "map", "quiz", "scores", "telemetry", "ticker"];

let server;
let browser;

before(async () => {
  server = await Server.start();
  server.backend(PARTS);
  browser = await launch();
});

after(async () => {
  await browser?.close();
  await server?.stop();
});

const says = (page, selector, text) =>
  page.locator(selector).filter({ hasText: text }).first().waitFor();

test("ticker: both see prices and blocks, and the slow half hears far less", async () => {
  const { a, b, done } = await pair(browser, server, "ticker");
  for (const page of [a, b]) {
    await says(page, "#quick tr", "BTC/EUR");
    await says(page, "#slow tr", "BTC/EUR");
    await says(page, "#blocks li", "#870");
    await page.waitForFunction(() => {
      const heard = (name) => parseInt(document.querySelector(`#${name}-heard`).textContent, 10);
      return heard("quick") > 3 * heard("slow") && heard("slow") > 8;
    });
    assert.equal(await page.locator(".backend").isVisible(), false);
  }
  await done();
});

test("scores: both see the same matches, and what happens in them", async () => {
  const { a, b, done } = await pair(browser, server, "scores");
  for (const page of [a, b]) {
    await page.locator(".match").nth(3).waitFor();
    await says(page, ".match", "Northport");
    await page.locator("#events li").first().waitFor();
  }
  await done();
});

test("telemetry: devices send bytes, and one tab can be a device for the other", async () => {
  const { a, b, done } = await pair(browser, server, "telemetry");
  await says(a, "#devices li", "Device 4");
  await a.getByRole("slider").fill("42");
  await a.getByRole("button", { name: "Start sending" }).click();
  await says(a, "#devices li", "You");
  await says(b, "#devices li", /Device 1\d\d.*42\.\d °C/);
  await says(b, "#bytes", /^([0-9a-f]{2} ?){12}$/);
  await a.getByRole("button", { name: "Stop sending" }).click();
  await done();
});

test("dashboard: figures of the server move on both", async () => {
  const { a, b, done } = await pair(browser, server, "dashboard");
  for (const page of [a, b]) {
    await says(page, ".figure:has-text('Published') .number", /^[1-9]/);
    await says(page, ".figure:has-text('Connections') .number", /^[1-9]/);
    await page.locator('.figure .line[d*="L"]').first().waitFor({ state: "attached" });
    for (const number of await page.locator(".number").allInnerTexts())
      assert.notEqual(number, "–");
  }
  await done();
});

test("device: a command of one is done by the device and seen by both", async () => {
  const { a, b, done } = await pair(browser, server, "device");
  await says(b, "#alive", "online");
  await a.getByRole("button", { name: "Lamp" }).click();
  for (const page of [a, b]) await page.locator("#house.lit").waitFor();
  await a.getByRole("slider").fill("33");
  for (const page of [a, b]) {
    await says(page, "#wanted", "33");
    await page.waitForFunction(() => document.querySelector("#target").value === "33");
  }
  await says(a, "#commands li", /You.*target 33.*done in \d+ ms/);
  await says(b, "#commands li", /Ann.*lamp true/);
  await done();
});

test("quiz: both are asked the same, answers count once, the right one is told afterwards", async () => {
  const { a, b, done } = await pair(browser, server, "quiz");
  for (const page of [a, b]) await page.locator(".option:not(:disabled)").first().waitFor();
  const question = (page) => page.locator("#question").innerText();
  await a.waitForFunction(
    (same) => document.querySelector("#question").textContent === same,
    await question(b),
  );
  await a.locator(".option").nth(0).click();
  await b.locator(".option").nth(1).click();
  // All of it is there only until the next question.
  const told = (page) => [
    page.locator('.option[data-mark="right"]').waitFor(),
    says(page, "#ranks li", "Ann"),
    says(page, "#ranks li", "Ben"),
    page.locator("#verdict:not(:empty)").waitFor(),
  ];
  await Promise.all([a, b].flatMap(told));
  await done();
});

test("auction: a bid moves the price on both, and the last one has the lot", async () => {
  const { a, b, done } = await pair(browser, server, "auction");
  const raise = (page, by) => page.getByRole("button", { name: `+ € ${by}`, exact: true });
  await raise(a, 10).click();
  await says(b, "#leader", "Ann leads");
  await says(a, "#leader", "You lead");
  await raise(b, 50).click();
  await says(a, "#leader", "Ben leads");
  await says(a, "#leader", "Sold to Ben");
  await says(b, "#leader", "Sold to You");
  await says(b, "#bids li", "Ann");
  assert.equal(await a.locator("#price").innerText(), await b.locator("#price").innerText());
  await done();
});

test("map: buses move on both, and one can be followed", async () => {
  const { a, b, done } = await pair(browser, server, "map");
  for (const page of [a, b]) {
    await page.locator(".bus").nth(11).waitFor();
    await page.locator("#lines polyline").nth(3).waitFor({ state: "attached" });
  }
  const place = (page) => page.locator(".bus").first().getAttribute("transform");
  const from = await place(a);
  await a.waitForFunction(
    (was) => document.querySelector(".bus").getAttribute("transform") !== was,
    from,
  );
  await a.getByRole("button", { name: "Follow" }).first().click();
  await a.waitForFunction(() => document.querySelector("#map").viewBox.baseVal.width < 700);
  await done();
});

test("notifications: what is read in one tab is read in the other", async () => {
  const open = () => visit(browser, server, { path: "demo/notifications.html?user=cleo" });
  const [one, two] = [await open(), await open()];
  await one.page.getByLabel("Text").fill("The parcel is here");
  await one.page.getByRole("button", { name: "Send" }).click();
  for (const { page } of [one, two]) {
    await says(page, "#list li", "The parcel is here");
    await says(page, "#unread", "1 new");
  }
  assert.equal(await two.page.title(), "(1) Notifications · Fanwire");
  await two.page.getByRole("button", { name: "Read all" }).click();
  for (const { page, complaints } of [one, two]) {
    await says(page, "#unread", "0 new");
    assert.deepEqual(complaints, []);
  }
});

test("a page says how to start the backend where there is none", async () => {
  const alone = await Server.start();
  const { page } = await visit(browser, alone, { path: "demo/quiz.html" });
  await page.locator(".backend").waitFor();
  alone.backend(["quiz"]);
  await page.locator(".backend").waitFor({ state: "hidden" });
  await alone.stop();
});

test("the backend comes back when the server does", async () => {
  const first = await Server.start();
  first.backend(["device"]);
  const { page } = await visit(browser, first, { path: "demo/device.html" });
  await says(page, "#alive", "online");
  const { backendChild } = first;
  first.backendChild = null;
  await first.stop();
  await says(page, "#alive", "no sign of life");
  const second = await Server.start(first.port);
  second.backendChild = backendChild;
  await says(page, "#alive", "online");
  await second.stop();
});
