// The demos in which people meet: each in two browsers, that see what the other does.

import assert from "node:assert/strict";
import { after, before, test as unlimited } from "node:test";
import { Server, ink, launch, pair, visit } from "./stage.mjs";

const test = (name, body) => unlimited(name, { timeout: 60_000 }, body);

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

const says = (page, selector, text) =>
  page.locator(selector).filter({ hasText: text }).first().waitFor();
test("chat: what one says the other reads, who types is seen, who comes late has it all", async () => {
  const { a, b, done } = await pair(browser, server, "chat");
  await a.getByLabel("Message", { exact: true }).pressSequentially("Good day");
  await says(b, "#typing", "Ann typing");
  await a.getByRole("button", { name: "Send" }).click();
  await says(b, ".bubble", "Good day");
  await says(a, ".bubble.mine", "Good day");
  await b.locator("#typing:empty").waitFor({ state: "attached" });
  const late = await visit(browser, server, { path: "demo/chat.html?room=test&name=Cleo" });
  await says(late.page, ".bubble", "Good day");
  await done();
});

test("chat: all know who is there, and who has left", async () => {
  const { a, b, done } = await pair(browser, server, "chat", "presence");
  const path = "demo/chat.html?room=presence&name=Cleo";
  const third = await visit(browser, server, { path });
  for (const page of [a, b, third.page]) {
    await says(page, "#count", "3");
    await page.locator("#members li").nth(2).waitFor();
  }
  await third.page.context().close();
  for (const page of [a, b]) await says(page, "#count", "2");
  await done();
});

test("support: of two agents who pick up at once, both see the same one win", async () => {
  const path = (role, who) => `demo/support.html?role=${role}&room=desk&name=${who}`;
  const open = (role, who) => visit(browser, server, { path: path(role, who) });
  const [visitor, first, second] = [
    await open("visitor", "Vera"),
    await open("agent", "Abe"),
    await open("agent", "Bea"),
  ];
  await visitor.page.getByLabel("What is it about?").fill("My parcel");
  await visitor.page.getByRole("button", { name: "Ask" }).click();
  await says(visitor.page, "#place", "You are number 1");
  const pick = ({ page }) => page.getByRole("button", { name: "Pick up" });
  await Promise.all([pick(first).waitFor(), pick(second).waitFor()]);
  // Whoever is later finds no button any more: one click lands, and nobody knows whose.
  await Promise.any([pick(first).click(), pick(second).click()]);
  await says(visitor.page, "#place", "is with you");
  const agent = (await visitor.page.locator("#place").innerText()).split(" ")[0];
  const [winner, loser] = agent === "Abe" ? [first, second] : [second, first];
  await says(winner.page, "#yours li", "Vera");
  assert.equal(await loser.page.locator("#yours li").count(), 0);
  await winner.page.getByLabel("Message").fill("How can I help?");
  await winner.page.getByRole("button", { name: "Send" }).click();
  await says(visitor.page, ".bubble", "How can I help?");
  await winner.page.getByRole("button", { name: "Close" }).click();
  await says(visitor.page, "#subject", "No conversation");
  for (const { complaints, page } of [visitor, first, second]) {
    assert.deepEqual(complaints, []);
    await page.context().close();
  }
});

test("call: two browsers agree through the server and then speak past it", async () => {
  const { a, b, done } = await pair(browser, server, "call");
  for (const page of [a, b]) await page.locator("#step-direct[aria-current]").waitFor();
  await a.getByLabel("Message").fill("directly");
  await a.getByRole("button", { name: "Send" }).click();
  await says(b, ".bubble", "directly");
  await says(b, "#signals li", "offer");
  await says(a, "#signals li", "answer");
  const history = await fetch(`${server.url}channels/demo.call.test/history`);
  assert.doesNotMatch(await history.text(), /directly/);
  await a.getByRole("button", { name: "Hang up" }).click();
  for (const page of [a, b]) await page.locator("#step-alone[aria-current]").waitFor();

  // Both call at once, unless the other's call has come already.
  const moment = Date.now() + 200;
  const call = (moment) => {
    const button = document.querySelector("#call");
    setTimeout(() => button.textContent === "Call" && button.click(), moment - Date.now());
  };
  for (const page of [a, b]) await page.evaluate(call, moment);
  for (const page of [a, b]) await page.locator("#step-direct[aria-current]").waitFor();
  await done();
});

test("editor: two who write at once come to the same text, and so does who comes late", async () => {
  const { a, b, done } = await pair(browser, server, "editor");
  const [left, right] = [a.locator("#text"), b.locator("#text")];
  await left.fill("One. Two.");
  await b.waitForFunction(() => document.querySelector("#text").value === "One. Two.");
  await left.press("Home");
  await right.press("End");
  await Promise.all([left.pressSequentially("Zero. "), right.pressSequentially(" Three.")]);
  const together = "Zero. One. Two. Three.";
  const agreed = (text) =>
    document.querySelector("#text").value === text &&
    document.querySelector("#saved").textContent === "everybody has this";
  for (const page of [a, b]) await page.waitForFunction(agreed, together);
  const late = await visit(browser, server, { path: "demo/editor.html?room=test" });
  await late.page.waitForFunction(agreed, together);
  await done();
});

test("editor: many edits, more than the history holds, and who comes late still has the text", async () => {
  const path = "demo/editor.html?room=long";
  const writer = await visit(browser, server, { path });
  const text = "All work and no play makes a dull test of a text that is long. ".repeat(3);
  await writer.page.locator("#text").pressSequentially(text);
  await says(writer.page, "#saved", "everybody has this");
  const late = await visit(browser, server, { path });
  await late.page.waitForFunction((all) => document.querySelector("#text").value === all, text);
});

test("board: a line appears with the other while it is drawn, and stays for who comes late", async () => {
  const { a, b, done } = await pair(browser, server, "board");
  const box = await a.locator("#canvas").boundingBox();
  await a.mouse.move(box.x + 50, box.y + 50);
  await a.mouse.down();
  for (let i = 0; i < 20; i += 1) await a.mouse.move(box.x + 50 + i * 20, box.y + 50 + i * 8);
  await says(b, "#drawing", "Ann is drawing");
  await b.waitForFunction(ink);
  await a.mouse.up();
  await says(b, "#drawing", "Draw with mouse");
  const late = await visit(browser, server, { path: "demo/board.html?room=test" });
  await late.page.waitForFunction(ink);
  await b.getByRole("button", { name: "Wipe" }).click();
  for (const page of [a, b, late.page]) await page.waitForFunction(ink, true);
  await done();
});

test("game: who reaches the gem has it, on both screens", async () => {
  const { a, b, done } = await pair(browser, server, "game");
  // The first gem lies where its number says.
  const box = await a.locator("#field").boundingBox();
  const [x, y] = [60 + (401 % 780), 60 + (197 % 480)];
  await a.mouse.click(box.x + (x / 900) * box.width, box.y + (y / 600) * box.height);
  await says(a, "#scores li", "Ann (you)");
  await says(b, "#scores li", "Ann");
  assert.match(await b.locator("#scores li").first().innerText(), /1/);
  await done();
});

test("stream: pictures reach the other, a reaction floats, a second vote replaces the first", async () => {
  const { a, b, done } = await pair(browser, server, "stream");
  await a.getByRole("button", { name: "Go live from this tab" }).click();
  await says(b, "#live.on", "live");
  await b.waitForFunction(() => parseInt(document.querySelector("#shown").textContent, 10) > 2);
  assert.equal(await b.evaluate(ink), 640 * 360, "the picture is drawn");
  await b.getByRole("button", { name: "React with ♥" }).click();
  await says(a, "#total", "1 reactions");
  await b.getByRole("button", { name: "Ocean" }).click();
  await says(a, "#votes", "1 vote");
  await b.getByRole("button", { name: "Forest" }).click();
  await says(a, '.option:has-text("Forest") i', "1");
  await says(a, '.option:has-text("Ocean") i', "0");
  await says(b, '.option[data-mark="chosen"]', "Forest");
  const late = await visit(browser, server, { path: "demo/stream.html?room=test" });
  await says(late.page, "#votes", "1 vote");
  await done();
});

test("stream: both know how many watch", async () => {
  const { a, b, done } = await pair(browser, server, "stream", "presence");
  for (const page of [a, b]) await says(page, "#viewers", "2 watching");
  await done();
});

test("a room that cannot be is refused in words", async () => {
  for (const demo of ["board", "call", "chat", "editor", "game", "stream", "support"]) {
    const { page } = await visit(browser, server, { path: `demo/${demo}.html?room=a..b` });
    await says(page, "#problem", "bad_channel");
    await page.context().close();
  }
});
