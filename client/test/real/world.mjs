// The real server, a network that can be cut, a real Chromium.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { connect, createServer } from "node:net";
import { chromium } from "playwright-core";

const READY_MS = 15_000;
const { FANWIRE, CHROMIUM } = process.env;

async function freePort() {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address();
  probe.close();
  await once(probe, "close");
  return port;
}

// The server; `start` after `kill` is a new life on the same port.
export class Server {
  #flags;

  constructor(port, flags) {
    this.port = port;
    this.#flags = flags;
    this.origin = `http://127.0.0.1:${port}`;
  }

  static async start(...flags) {
    const server = new Server(await freePort(), flags);
    await server.start();
    return server;
  }

  async start() {
    const listen = ["--listen", `127.0.0.1:${this.port}`, "--log-level", "error"];
    this.child = spawn(FANWIRE, [...listen, ...this.#flags], {
      stdio: ["ignore", "ignore", "inherit"],
    });
    const deadline = Date.now() + READY_MS;
    for (;;) {
      try {
        await fetch(`${this.origin}/live`);
        return;
      } catch (error) {
        if (this.child.exitCode !== null || Date.now() > deadline) throw error;
      }
    }
  }

  async kill(signal = "SIGKILL") {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return;
    const ended = once(this.child, "exit");
    this.child.kill(signal);
    await ended;
  }
}

// A network between client and server. `cut` ends all connections that go through it, each in the
// midst of what is under way: `reset` with a RST, `short` after half of the next bytes.
export class Network {
  #pairs = new Set();
  cuts = 0;

  static async to(port) {
    const network = new Network();
    network.listener = createServer((near) => network.#pair(near, connect(port, "127.0.0.1")));
    network.listener.listen(0, "127.0.0.1");
    await once(network.listener, "listening");
    network.port = network.listener.address().port;
    network.origin = `http://127.0.0.1:${network.port}`;
    return network;
  }

  #pair(near, far) {
    const pair = { near, far, short: false };
    this.#pairs.add(pair);
    const end = () => {
      this.#pairs.delete(pair);
      near.destroy();
      far.destroy();
    };
    for (const [from, to] of [
      [near, far],
      [far, near],
    ]) {
      from.on("data", (bytes) => {
        if (!pair.short) return void to.write(bytes);
        to.write(bytes.subarray(0, bytes.length >> 1), end);
        pair.short = false;
        from.pause();
      });
      from.on("error", end);
      from.on("close", end);
    }
  }

  // How many connections were cut.
  cut(how) {
    const pairs = [...this.#pairs];
    for (const pair of pairs) {
      if (how === "short") pair.short = true;
      else if (how === "reset") pair.near.resetAndDestroy();
      else pair.near.destroy();
    }
    this.cuts += pairs.length > 0;
    return pairs.length;
  }

  close() {
    this.listener.close();
    this.cut();
  }
}

export function browser() {
  const args = ["--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"];
  args.push("--disable-background-networking", "--disable-component-update", "--disable-sync");
  return chromium.launch({ executablePath: CHROMIUM, headless: true, args });
}

// A page of this origin, on which `/client.js` can be imported.
export async function pageAt(chrome, origin) {
  const page = await (await chrome.newContext()).newPage();
  const complaints = [];
  page.on("pageerror", (error) => complaints.push(String(error)));
  await page.goto(`${origin}/openapi.json`);
  return { page, complaints };
}
