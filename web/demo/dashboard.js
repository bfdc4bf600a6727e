// A live dashboard of Fanwire itself: one backend reads the metrics, everybody sees them.

import { $, connect, copy, curve, fits, heardBackend } from "./demo.js";

const SAMPLES = 90;
const megabytes = (bytes) => `${(bytes / 1e6).toFixed(1)} MB`;
const whole = (value) => Math.round(value).toLocaleString("en");

// What stands in the channel, and how it is said.
const FIGURES = {
  connections: ["Connections", "open now", whole],
  subscriptions: ["Subscriptions", "of all connections", whole],
  channels: ["Channels", "in use", whole],
  delivered: ["Delivered", "messages a second", whole],
  published: ["Published", "messages a second", whole],
  sent: ["Sent", "bytes a second", whole],
  history: ["Histories", "kept for who comes late", megabytes],
  processor: ["Workers", "busy, of one core", (part) => `${(part * 100).toFixed(1)} %`],
};

const fw = connect();
const metrics = fw.subscribe("demo.dashboard", { last: SAMPLES });
const charts = new Map();

for (const [name, [title, note]] of Object.entries(FIGURES)) {
  const card = copy("#chart", { h2: title, ".number": "–", ".note": note });
  charts.set(name, { card, values: [] });
  $("#charts").append(card);
}

metrics.on("message", heardBackend);
metrics.on("message", ({ data }) => {
  for (const [name, { card, values }] of charts) {
    if (!fits(data, { [name]: "number" })) continue;
    values.push(data[name]);
    if (values.length > SAMPLES) values.shift();
    card.querySelector(".number").textContent = FIGURES[name][2](data[name]);
    const high = Math.max(...values) * 1.15 || 1;
    const d = curve(values, 300, 70, 0, high);
    card.querySelector(".line").setAttribute("d", d);
    card.querySelector(".area").setAttribute("d", `${d}L300 70L0 70Z`);
  }
});
