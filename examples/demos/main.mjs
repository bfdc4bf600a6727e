#!/usr/bin/env node
// The backend of the demos: what asks the questions, drives the buses and holds the hammer. Plain
// Node without packages; it speaks the HTTP API of Fanwire and opens no socket of its own.
//
//   node examples/demos/main.mjs [--url http://127.0.0.1:3003] [--only quiz,map] [--speed 2]
//
// An API key comes from FANWIRE_KEY; an open server on this machine needs none.

import { setTimeout as pause } from "node:timers/promises";
import { parseArgs } from "node:util";
import { Fanwire } from "./fanwire.mjs";

const PARTS = [
  ...["auction", "dashboard", "device", "map", "notifications"],
  ...["quiz", "scores", "telemetry", "ticker"],
];
const RETRY_MS = 2000;

const { values: flags } = parseArgs({
  options: {
    url: { type: "string", default: "http://127.0.0.1:3003" },
    only: { type: "string", default: PARTS.join(",") },
    speed: { type: "string", default: "1" },
  },
});
const speed = Number(flags.speed);
const wanted = flags.only.split(",");
const unknown = wanted.filter((part) => !PARTS.includes(part));
if (unknown.length || !(speed > 0)) {
  const what = unknown.length ? `no such demo: ${unknown.join(", ")}` : "--speed: a number above 0";
  console.error(`${what}\ndemos with a backend: ${PARTS.join(", ")}`);
  process.exit(2);
}

const fanwire = new Fanwire(flags.url, process.env.FANWIRE_KEY);
const sleep = (ms) => pause(ms / speed);
let down = false;

function trouble(error) {
  if (!down)
    console.error(`${error.message}${error.cause ? `: ${error.cause.message}` : ""}; trying again`);
  down = true;
}

// Each part runs until something fails, and begins anew: a server that is away comes back.
async function run(part) {
  const { run: play } = await import(`./${part}.mjs`);
  for (;;) {
    try {
      await play(fanwire, sleep, speed);
    } catch (error) {
      trouble(error);
      await pause(RETRY_MS);
      await fanwire.ask("GET", "/live").then(() => (down = false), trouble);
    }
  }
}

console.log(`${wanted.join(", ")}: see ${new URL("/demo/", flags.url)}`);
await Promise.all(wanted.map(run));
