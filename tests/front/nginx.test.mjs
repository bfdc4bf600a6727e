// Thousands of WebSockets through nginx: each hears what is broadcast, compressed; the server knows
// the clients' own addresses; a reload of nginx changes nothing for those who are there.

import assert from "node:assert/strict";
import { once } from "node:events";
import { createRequire } from "node:module";
import { join } from "node:path";
import { test } from "node:test";

import { Nginx, Server, certificate } from "./stage.mjs";

const require = createRequire(new URL("../interop/package.json", import.meta.url));
const WebSocket = require("ws");

const CLIENTS = Number(process.env.CLIENTS ?? 5000);
const ADDRESSES = 10;
const AT_ONCE = 100;
const PER_ADDRESS = CLIENTS / ADDRESSES;
const TEXT = "again and again ".repeat(100);
const addressOf = (number) => `127.0.0.${2 + (number % ADDRESSES)}`;

class Client {
  constructor(url, address, headers = {}) {
    this.heard = [];
    this.socket = new WebSocket(`wss://${url}/ws`, {
      ca: certificate,
      localAddress: address,
      headers: { Origin: `https://${url}`, ...headers },
    });
    this.socket.on("message", (text) => this.take(JSON.parse(text)));
    this.welcomed = new Promise((done, fail) => {
      this.welcome = done;
      this.socket.on("error", fail);
      this.socket.on("close", (code) => (this.closed = code));
    });
  }

  take(message) {
    if (message.type === "connection") this.welcome(message);
    if (message.type !== "broadcast") return;
    this.heard.push(message.data.number);
    this.news?.();
  }

  // Resolves when this many broadcasts have come.
  async has(count) {
    while (this.heard.length < count) await new Promise((done) => (this.news = done));
  }
}

// Status of a handshake that must be refused.
async function refused(url, address, headers) {
  const socket = new WebSocket(`wss://${url}/ws`, { ca: certificate, localAddress: address, headers });
  socket.on("error", () => {});
  const [, response] = await once(socket, "unexpected-response");
  response.resume();
  return response.statusCode;
}

// Opens all clients, a number of them at a time.
async function openAll(url) {
  const clients = [];
  const lane = async () => {
    while (clients.length < CLIENTS) {
      const client = new Client(url, addressOf(clients.length));
      clients.push(client);
      await client.welcomed;
    }
  };
  await Promise.all(Array.from({ length: AT_ONCE }, lane));
  return clients;
}

async function broadcastIsHeard(server, clients, number) {
  const { receivers } = JSON.parse(await server.broadcast({ number, text: TEXT }));
  assert.equal(receivers, clients.length);
  await Promise.all(clients.map((client) => client.has(client.expected + 1)));
  for (const client of clients) {
    assert.equal(client.heard.at(-1), number);
    client.expected += 1;
    assert.equal(client.heard.length, client.expected);
  }
}

async function everythingThrough(server, nginx) {
  const { url } = nginx;
  const clients = await openAll(url);
  clients.forEach((client) => (client.expected = 0));
  const deflated = clients.filter(({ socket }) => socket.extensions.includes("permessage-deflate"));
  assert.equal(deflated.length, CLIENTS);
  await broadcastIsHeard(server, clients, 1);

  // Their own addresses, each with as many as it may have; what a client claims does not help.
  const expected = Array.from({ length: ADDRESSES }, (_, number) => [addressOf(number), PER_ADDRESS]);
  assert.deepEqual([...(await server.addresses())].sort(), expected.sort());
  const limited = `fanwire_limits_total{limit="max_connections_per_address"}`;
  const before = await server.counter(limited);
  assert.equal(await refused(url, addressOf(0)), 503);
  assert.equal(await refused(url, addressOf(0), { "X-Forwarded-For": "203.0.113.1" }), 503);
  assert.equal(await refused(url, addressOf(0), { Forwarded: "for=203.0.113.1" }), 503);
  assert.equal(await server.counter(limited), before + 3);
  const foreign = { Origin: "https://evil.example", "X-Forwarded-Host": "evil.example" };
  assert.equal(await refused(url, "127.0.0.99", foreign), 403);

  // Those who are there stay with the old processes of nginx; new ones come by the new ones.
  await nginx.reload();
  const late = new Client(url, "127.0.0.99");
  late.expected = 0;
  await late.welcomed;
  await broadcastIsHeard(server, [...clients, late], 2);
  assert.deepEqual(clients.filter((client) => client.closed), []);
  for (const { socket } of [...clients, late]) socket.terminate();
  return clients.length;
}

for (const kind of ["TCP", "unix socket"]) {
  test(`${CLIENTS} clients through nginx by ${kind}`, { timeout: 120_000 }, async () => {
    const path = join(process.env.FOLDER, "fanwire.sock");
    const server = await Server.start(
      ...["--listen", `unix:${path}`, "--unix-mode", "0666"],
      ...["--trusted-proxies", kind === "TCP" ? "127.0.0.1" : "unix"],
      ...["--max-connections-per-address", String(PER_ADDRESS)],
    );
    const nginx = await Nginx.start(kind === "TCP" ? `127.0.0.1:${server.port}` : `unix:${path}`);
    try {
      await everythingThrough(server, nginx);
      assert.equal(server.child.exitCode, null);
    } finally {
      await nginx.stop();
      await server.stop();
    }
  });
}
