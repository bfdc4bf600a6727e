// Telemetry over a raw channel: twelve bytes a message, by the browser's own WebSocket.

import { $, colour, copy, curve, heardBackend, keep, problem } from "./demo.js";

const BYTES = 12;
const POINTS = 150;
const SEND_MS = 200;
const RETRY_MS = 2000;

const devices = new Map(); // number -> its tile, line and values
let socket = null;
let heard = 0;
let sequence = 0;
let sending = 0;
const self = 100 + Math.floor(Math.random() * 100);

function connect() {
  const url = new URL("/channels/demo.telemetry?last=60", location.href);
  url.protocol = url.protocol.replace("http", "ws");
  socket = new WebSocket(url);
  socket.binaryType = "arraybuffer";
  socket.addEventListener("open", () => state("open"));
  socket.addEventListener("message", ({ data }) => data.byteLength === BYTES && receive(data));
  socket.addEventListener("close", ({ reason }) => {
    state(reason || "waiting");
    setTimeout(connect, RETRY_MS * (1 + Math.random())); // not all at the same moment
  });
}

function state(word) {
  $("#state").dataset.state = word;
  $("#state").lastChild.textContent = word;
}

function receive(data) {
  const view = new DataView(data);
  const [number, celsius] = [view.getUint8(0), view.getFloat32(4)];
  if (!(Math.abs(celsius) < 1000)) return;
  heard += 1;
  if (number < 100) heardBackend();
  const device = devices.get(number) ?? arrive(number);
  device.values.push(celsius);
  if (device.values.length > POINTS) device.values.shift();
  device.tile.querySelector(".value").textContent = `${celsius.toFixed(1)} °C`;
  device.tile.querySelector("small").textContent =
    `${view.getFloat32(8).toFixed(0)} % · no. ${view.getUint16(2)}`;
  const bytes = [...new Uint8Array(data)].map((byte) => byte.toString(16).padStart(2, "0"));
  $("#bytes").textContent = bytes.join(" ");
}

function arrive(number) {
  const tile = copy("#device", { b: number === self ? "You" : `Device ${number}` });
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  const device = { tile, path, values: [] };
  for (const part of [tile, path]) part.style.setProperty("--hue", colour(number));
  keep(devices, number, device, 12);
  $("#devices").replaceChildren(...[...devices.values()].map((known) => known.tile));
  $("#chart").replaceChildren(...[...devices.values()].map((known) => known.path));
  return device;
}

function draw() {
  const all = [...devices.values()].flatMap(({ values }) => values);
  const [low, high] = [Math.min(...all) - 1, Math.max(...all) + 1];
  for (const { path, values } of devices.values()) {
    const width = (600 * (values.length - 1)) / (POINTS - 1);
    path.setAttribute("d", curve(values, width, 260, low, high));
    path.setAttribute("transform", `translate(${600 - width} 0)`); // the newest at the right
  }
}

function send() {
  const view = new DataView(new ArrayBuffer(BYTES));
  view.setUint8(0, self);
  view.setUint16(2, sequence++ % 65536);
  view.setFloat32(4, Number($("#celsius").value) + Math.random() / 5);
  view.setFloat32(8, 50);
  if (socket.readyState === WebSocket.OPEN) socket.send(view.buffer);
  else problem({ code: "offline", message: "what is measured now is lost" });
}

$("#send").addEventListener("click", () => {
  sending = sending ? clearInterval(sending) : setInterval(send, SEND_MS);
  $("#send").ariaPressed = String(Boolean(sending));
  $("#send").textContent = sending ? "Stop sending" : "Start sending";
});

$("#celsius").addEventListener("input", () => {
  $("#shown").textContent = `${$("#celsius").value} °C`;
});

setInterval(() => {
  $("#rate").textContent = `${heard} messages a second`;
  heard = 0;
}, 1000);
setInterval(draw, 100);
connect();
