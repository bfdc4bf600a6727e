// docs/chat.md, followed word for word from an empty folder: its files are written, its commands
// run, and two browsers talk. Only the ports are others than it says, so that nothing is in the way.

import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test as unlimited } from "node:test";
import { freePort, launch } from "./stage.mjs";

const test = (name, body) => unlimited(name, { timeout: 120_000 }, body);
const GUIDE = readFileSync(new URL("../../docs/chat.md", import.meta.url), "utf8");
const folder = mkdtempSync(join(tmpdir(), "fanwire-guide-"));
const children = [];

let ports;
let env;
let browser;

// The block that is marked so, with the ports of this run.
function block(mark) {
  const found = [...GUIDE.matchAll(/^```\w+ (\S+)\n(.*?)^```$/gms)].find(
    ([, name]) => name === mark,
  );
  assert.ok(found, `docs/chat.md has a block ${mark}`);
  return found[2].replaceAll("3003", ports.fanwire).replaceAll("8080", ports.backend);
}

function run(mark) {
  const shell = spawnSync("sh", ["-ec", block(mark)], { cwd: folder, env, encoding: "utf8" });
  assert.equal(shell.status, 0, shell.stderr);
  return shell.stdout;
}

// Starts what goes on until it is ended, and waits until it says this.
async function serve(mark, ready) {
  const lines = block(mark).trimEnd().split("\n");
  const script = [...lines.slice(0, -1), `exec ${lines.at(-1)}`].join("\n");
  const child = spawn("sh", ["-ec", script], { cwd: folder, env });
  let said = "";
  await new Promise((done, failed) => {
    const hear = (text) => (said += text).includes(ready) && done();
    child.stdout.on("data", hear);
    child.stderr.on("data", hear);
    child.once("exit", () => failed(new Error(said)));
  });
  children.push(child);
  return child;
}

before(async () => {
  ports = { fanwire: await freePort(), backend: await freePort() };
  symlinkSync(process.env.FANWIRE, join(folder, "fanwire"));
  // The guide listens where the server does by itself; here that may be taken.
  env = { ...process.env, PATH: `${folder}:${process.env.PATH}` };
  for (const name of ["FANWIRE", "CHROMIUM", "SCREENSHOTS"]) delete env[name];
  env.FANWIRE_LISTEN = `127.0.0.1:${ports.fanwire}`;
  browser = await launch();
});

after(async () => {
  await browser?.close();
  for (const child of children) {
    child.kill();
    if (child.exitCode === null && child.signalCode === null) await once(child, "exit");
  }
  rmSync(folder, { recursive: true });
});

async function enter(user, password) {
  const page = await (await browser.newContext()).newPage();
  page.setDefaultTimeout(15_000);
  await page.goto(`http://localhost:${ports.backend}/`);
  await page.locator("#user").fill(user);
  await page.locator("#password").fill(password);
  await page.getByRole("button", { name: "Log in" }).click();
  return page;
}

async function say(page, text) {
  await page.locator("#text").fill(text);
  await page.getByRole("button", { name: "Send" }).click();
}

const reads = (page, text) => page.locator("#log li", { hasText: text }).waitFor();

test("the guide leads from an empty folder to a chat between two browsers", async () => {
  run("run");
  for (const file of ["fanwire.toml", "server.mjs", "chat.html"]) {
    writeFileSync(join(folder, file), block(file));
  }
  const server = await serve("fanwire", "clients need tokens");
  assert.match(run("try"), /"code":"unauthorized"/);
  await serve("backend", "http://localhost");

  const stranger = await enter("ann", "wrong");
  await stranger.locator("#problem", { hasText: "No." }).waitFor();
  const [ann, ben] = [await enter("ann", "apple"), await enter("ben", "bread")];
  for (const page of [ann, ben])
    await page.locator("#here", { hasText: /ann.*ben|ben.*ann/ }).waitFor();
  await say(ann, "Good day, Ben");
  await reads(ben, "ann: Good day, Ben");
  await say(ben, "<b>Good day</b>, Ann");
  await reads(ann, "ben: <b>Good day</b>, Ann");

  server.kill("SIGINT");
  await once(server, "exit");
  await ann.locator("#link", { hasText: "not connected" }).waitFor();
  await say(ann, "While it was away");
  await serve("fanwire", "clients need tokens");
  await reads(ben, "ann: While it was away");
  for (const page of [ann, ben]) await reads(page, "some messages are gone");
  await say(ann, "There again");
  await reads(ben, "ann: There again");

  run("say");
  await reads(ann, "Dinner is ready");
  run("door");
  await say(ann, "Where is Ben?");
  for (const page of [ann, ben]) await reads(page, "ann: Where is Ben?");
});
