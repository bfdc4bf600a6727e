// The examples of docs/connecting.md do what they say, as they stand, against the real server.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { after, before, test } from "node:test";
import { Server, browser, pageAt } from "./world.mjs";

const home = new URL("../../", import.meta.url).pathname;
const document = readFileSync(join(home, "../docs/connecting.md"), "utf8");

let server;
let folder;

before(async () => {
  folder = mkdtempSync(join(tmpdir(), "fanwire-documents-"));
  mkdirSync(join(folder, "node_modules"));
  symlinkSync(home, join(folder, "node_modules/fanwire"));
  symlinkSync(join(home, "node_modules/ws"), join(folder, "node_modules/ws"));
});

after(async () => {
  await server?.kill();
  rmSync(folder, { recursive: true, force: true });
});

// The block of that kind, for the server of this test.
function example(kind) {
  const block = new RegExp(`\`\`\`${kind}\n(.*?)\n\`\`\``, "s").exec(document);
  assert.ok(block, kind);
  return block[1].replaceAll("127.0.0.1:3003", `127.0.0.1:${server.port}`);
}

async function heard(messages, word) {
  while (!messages.some((message) => message.includes(word))) {
    await new Promise((later) => setTimeout(later, 10));
  }
}

function listen(page) {
  const messages = [];
  page.on("console", (message) => messages.push(message.text()));
  return messages;
}

const publish = (text) =>
  fetch(`${server.origin}/channels/room.7`, { method: "POST", body: JSON.stringify({ text }) });

test("browser, without the library, over a restart", { timeout: 60_000 }, async () => {
  server = await Server.start();
  const chrome = await browser();
  try {
    const { page, complaints } = await pageAt(chrome, server.origin);
    const messages = listen(page);
    await page.evaluate(example("js browser"));
    const joined = async () =>
      (await (await fetch(`${server.origin}/channels/room.7`)).json()).subscribers === 1;
    while (!(await joined())) await new Promise((later) => setTimeout(later, 10));
    await publish("hello");
    await heard(messages, "hello");
    await server.kill();
    await server.start();
    await heard(messages, "gap");
    await publish("again");
    await heard(messages, "again");
    assert.deepEqual(complaints, []);
  } finally {
    await chrome.close();
  }
});

test("Node and curl", { timeout: 60_000 }, async () => {
  for (const [kind, said] of [
    ["js node library", "true hello from Node\n"],
    ["js node http", "true\n"],
  ]) {
    const file = join(folder, `${kind.replaceAll(" ", "-")}.mjs`);
    writeFileSync(file, example(kind));
    assert.equal(execFileSync(process.execPath, [file], { cwd: folder, encoding: "utf8" }), said);
  }
  const said = execFileSync("bash", ["-euc", example("sh")], { encoding: "utf8" });
  assert.match(said, /"receivers":.*hello from a shell.*"receivers":/s);
});

test("a page of another origin, which the server allows", { timeout: 60_000 }, async () => {
  const site = createServer((_, answer) => {
    answer.setHeader("Content-Type", "text/html");
    answer.end(example("html"));
  }).listen(0, "127.0.0.1");
  await once(site, "listening");
  const origin = `http://127.0.0.1:${site.address().port}`;
  await server.kill();
  server = await Server.start("--origins", origin, "--cors-origins", origin);
  const chrome = await browser();
  try {
    const page = await chrome.newPage();
    const messages = listen(page);
    await page.goto(origin);
    await heard(messages, "text: hello");
  } finally {
    await chrome.close();
    site.close();
  }
});
