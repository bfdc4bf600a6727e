// Pictures of the running demos, with something going on in them: those that are named, as
// chat-desktop, map-dark or quiz-phone, or all. `make screenshots` makes those of the documents.
//
// FANWIRE, CHROMIUM and SCREENSHOTS (where they go) as for the tests.

import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { Server, launch, visit } from "./stage.mjs";

const DESKTOP = { viewport: { width: 1200, height: 800 } };
const DARK = { ...DESKTOP, colorScheme: "dark" };
const PHONE = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true };
const PARTS = ["auction", "dashboard", "device", "map", "notifications", "quiz", "scores"];

const server = await Server.start();
server.backend([...PARTS, "telemetry", "ticker"], 1);
const browser = await launch();
mkdirSync(process.env.SCREENSHOTS, { recursive: true });

const wait = (ms) => new Promise((done) => setTimeout(done, ms));
const send = async (page, text) => {
  await page.locator("#text").fill(text);
  await page.locator("#say button").click();
};

async function doodle(page, hue, points) {
  await page.locator("#colours button").nth(hue).click();
  const box = await page.locator("#canvas").boundingBox();
  const at = ([x, y]) => [box.x + x * box.width, box.y + y * box.height];
  await page.mouse.move(...at(points[0]));
  await page.mouse.down();
  for (const point of points) await page.mouse.move(...at(point), { steps: 3 });
  await page.mouse.up();
}

const wave = (row, part) =>
  Array.from({ length: 40 }, (_, i) => [
    0.06 + i * 0.022,
    row + 0.09 * Math.sin(i / 4 + part) * Math.cos(i / 11),
  ]);

// What the first and the second visitor do before the picture is taken of the first.
const SCENES = {
  async auction(a, b) {
    await a.getByRole("button", { name: "+ € 10", exact: true }).click();
    await b.getByRole("button", { name: "+ € 50", exact: true }).click();
    await a.locator("#leader", { hasText: "Ben" }).waitFor();
    await a.getByRole("button", { name: "+ € 100", exact: true }).click();
    await a.locator("#leader", { hasText: "You" }).waitFor();
  },
  async board(a, b) {
    await doodle(a, 0, wave(0.25, 0));
    await doodle(b, 1, wave(0.45, 1));
    await doodle(a, 3, wave(0.65, 2));
    await doodle(b, 4, wave(0.82, 3));
  },
  async call(a, b) {
    await a.locator("#step-direct[aria-current]").waitFor();
    await send(b, "Can you hear me?");
    await send(a, "Loud and clear, and past the server.");
    await wait(1500);
  },
  async chat(a, b) {
    await send(a, "Has anybody seen the plan for tomorrow?");
    await send(b, "It's on the whiteboard, second row.");
    await send(a, "Found it. Shall we begin at nine?");
    await send(b, "Nine is fine. I'll bring the bread.");
    await b.locator("#text").pressSequentially("And ");
  },
  async device(a, b) {
    await a.getByRole("button", { name: "Lamp" }).click();
    await b.getByRole("slider").fill("27");
    await wait(1500);
    await a.getByRole("button", { name: "Window" }).click();
    await wait(1500);
  },
  async editor(a, b) {
    await a.locator("#text").fill("Things to bring\n\n- bread\n- the long rope\n");
    await wait(300);
    await b.locator("#text").press("Control+End");
    await b.locator("#text").pressSequentially("- a second map\n- lamps");
    await wait(300);
    await a.locator("#text").press("Control+End");
    await a.locator("#text").pressSequentially(" and matches");
  },
  async game(a, b) {
    const box = await a.locator("#field").boundingBox();
    for (const [page, x, y] of [
      [a, 0.51, 0.43],
      [b, 0.2, 0.6],
      [b, 0.7, 0.7],
      [a, 0.3, 0.3],
    ]) {
      await page.locator("#field").click({ position: { x: box.width * x, y: box.height * y } });
      await wait(1200);
    }
  },
  async notifications(a) {
    await a.locator("#send button").click();
    await a.locator("#list li").first().waitFor();
    await a.locator("#read-all").click();
    await a.locator("#text").fill("It has been delivered");
    await a.locator("#send button").click();
    await a.locator("#unread", { hasText: "1 new" }).waitFor();
  },
  async quiz(a, b) {
    await a.locator(".option:not(:disabled)").nth(1).click({ timeout: 20_000 });
    await b.locator(".option:not(:disabled)").nth(0).click();
    await a.locator('.option[data-mark="right"]').waitFor({ timeout: 20_000 });
  },
  async stream(a, b) {
    await b.getByRole("button", { name: "Go live" }).click();
    await a.getByRole("button", { name: "Ocean" }).click();
    await b.getByRole("button", { name: "Ocean" }).click();
    await wait(1500);
    for (const sign of ["♥", "★", "♥", "☺", "♪"]) {
      await b.getByRole("button", { name: `React with ${sign}` }).click();
      await wait(150);
    }
    await wait(500);
  },
  async support(a, b) {
    await b.goto(`${server.url}demo/support.html?name=Vera&room=pictures`);
    await b.locator("#topic").fill("My parcel has not come");
    await b.locator("#ask button").click();
    await a.goto(`${server.url}demo/support.html?name=Ann&role=agent&room=pictures`);
    await a.getByRole("button", { name: "Pick up" }).last().click();
    await a.locator("#say button:enabled").waitFor();
    await send(a, "Good day, Vera. Which number does it have?");
    await send(b, "It is 4711.");
    await a.locator(".bubble").nth(1).waitFor();
  },
  async telemetry(a) {
    await a.getByRole("button", { name: "Start sending" }).click();
    await wait(3000);
  },
  async dashboard() {},
  async map() {},
  async scores() {},
  async ticker() {},
};

const LOOKS = { desktop: DESKTOP, dark: DARK, phone: PHONE };

// JPEG: a third of the bytes of PNG, and no eye sees it at this size.
const picture = (page, name, look) =>
  page.screenshot({
    path: join(process.env.SCREENSHOTS, `${name}-${look}.jpg`),
    type: "jpeg",
    quality: 82,
    fullPage: look === "phone",
  });

async function shoot(name, look) {
  if (name === "gallery") {
    const page = await (await browser.newContext(LOOKS[look])).newPage();
    await page.goto(`${server.url}demo/`);
    return picture(page, name, look);
  }
  const at = (who) => `demo/${name}.html?room=pictures-${look}&name=${who}`;
  const a = await visit(browser, server, { path: at("Ann"), ...LOOKS[look] });
  const b = await visit(browser, server, { path: at("Ben"), ...DESKTOP });
  await SCENES[name](a.page, b.page);
  await wait(700);
  await picture(a.page, name, look);
  await a.page.context().close();
  await b.page.context().close();
}

const all = Object.keys(SCENES).flatMap((name) => [`${name}-desktop`, `${name}-phone`]);
const named = process.argv.slice(2);
await wait(3000); // so that there is a past to be shown
for (const wanted of named.length ? named : ["gallery-desktop", "gallery-phone", ...all]) {
  await shoot(...wanted.split("-"));
  console.log(wanted);
}
await browser.close();
await server.stop();
