// The real server on a free port, the demos' backend and a real Chromium, for the tests beside this
// file.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { createWriteStream } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const READY_MS = 15_000;
const FRAME_CHARS = 200;
const BACKEND = fileURLToPath(new URL("../../examples/demos/main.mjs", import.meta.url));
const { FANWIRE, CHROMIUM, SCREENSHOTS, SERVER_LOG = "/dev/null" } = process.env;

export async function freePort() {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address();
  probe.close();
  await once(probe, "close");
  return port;
}

// The server. `stop` ends it as an operator would, and gives its exit code.
export class Server {
  static async start(port, ...flags) {
    const server = new Server();
    server.port = port ?? (await freePort());
    server.url = `http://127.0.0.1:${server.port}/`;
    const log = createWriteStream(SERVER_LOG, { flags: "a" });
    server.child = spawn(FANWIRE, ["--listen", `127.0.0.1:${server.port}`, ...flags]);
    server.child.stdout.pipe(log);
    server.child.stderr.pipe(log);
    server.ended = once(server.child, "exit");
    await server.ready();
    return server;
  }

  async ready() {
    const deadline = Date.now() + READY_MS;
    for (;;) {
      try {
        await fetch(`${this.url}live`);
        return;
      } catch (error) {
        if (this.child.exitCode !== null)
          throw new Error(`the server ended: ${this.child.exitCode}`);
        if (Date.now() > deadline) throw new Error("the server did not answer", { cause: error });
      }
    }
  }

  async post(path, body) {
    const answer = await fetch(this.url + path, { method: "POST", body });
    return { status: answer.status, ...(await answer.json()) };
  }

  // The backend of the demos, faster than in life.
  backend(parts, speed = 4) {
    const flags = ["--url", this.url, "--only", parts.join(","), "--speed", String(speed)];
    this.backendChild = spawn(process.execPath, [BACKEND, ...flags], { stdio: "inherit" });
  }

  async stop(signal = "SIGTERM") {
    this.backendChild?.kill();
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill(signal);
    const [code] = await this.ended;
    return code;
  }
}

export function launch() {
  const args = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"];
  args.push("--disable-background-networking", "--disable-component-update", "--disable-sync");
  // Two browsers on one machine without multicast find each other by address.
  args.push("--disable-features=WebRtcHideLocalIpsWithMdns");
  return chromium.launch({ executablePath: CHROMIUM, headless: true, args });
}

// Opens the live page, or what stands at `path`, in a context of its own, and gives it with the
// list of everything that it complained about.
export async function visit(browser, server, { path = "", ...options } = {}) {
  const context = await browser.newContext(options);
  const page = await context.newPage();
  const complaints = [];
  const frames = []; // the beginnings of what the page has received
  const waiting = new Set();
  page.on("websocket", (socket) => {
    socket.on("framereceived", ({ payload }) => {
      frames.push(String(payload).slice(0, FRAME_CHARS));
      for (const look of waiting) look();
    });
  });
  // Resolves when the page has received a frame in which this stands.
  const hears = (text) =>
    new Promise((done) => {
      const look = () => {
        if (!frames.some((frame) => frame.includes(text))) return;
        waiting.delete(look);
        done();
      };
      waiting.add(look);
      look();
    });
  page.setDefaultTimeout(15_000);
  page.on("pageerror", (error) => complaints.push(String(error)));
  page.on("console", (message) => {
    // Chromium reports what a Content-Security-Policy refuses here as an error, too.
    if (["error", "warning"].includes(message.type())) complaints.push(message.text());
  });
  page.on("request", (request) => {
    const { protocol, host } = new URL(request.url());
    if (protocol !== "data:" && host !== new URL(server.url).host) {
      complaints.push(`asks elsewhere: ${request.url()}`);
    }
  });
  await page.goto(server.url + path);
  await page.locator('#state[data-state="open"]').waitFor();
  return { page, complaints, hears };
}

// Opens a demo in two contexts, as two people in one room would.
export async function pair(browser, server, name, room = "test") {
  const path = (who) => `demo/${name}.html?room=${room}&name=${who}`;
  const a = await visit(browser, server, { path: path("Ann") });
  const b = await visit(browser, server, { path: path("Ben") });
  const done = async () => {
    assert.deepEqual([...a.complaints, ...b.complaints], []);
    await Promise.all([a.page.context().close(), b.page.context().close()]);
  };
  return { a: a.page, b: b.page, done };
}

// How many pixels of the page's canvas somebody has drawn on; or whether there are `none`.
export const ink = (none) => {
  const canvas = document.querySelector("canvas");
  const copy = new OffscreenCanvas(canvas.width, canvas.height);
  const brush = copy.getContext("2d", { willReadFrequently: true });
  brush.drawImage(canvas, 0, 0);
  const { data } = brush.getImageData(0, 0, canvas.width, canvas.height);
  const drawn = data.reduce((sum, byte, i) => sum + (i % 4 === 3 && byte ? 1 : 0), 0);
  return none ? drawn === 0 : drawn;
};

export const picture = (page, name) =>
  page.screenshot({ path: join(SCREENSHOTS, `${name}.png`), fullPage: true });
