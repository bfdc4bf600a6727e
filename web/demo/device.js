// Remote control: commands one way, telemetry the other. What is shown is what the device says.

import { $, append, connect, copy, curve, fits, heardBackend, keep, me, problem } from "./demo.js";

const SAMPLES = 120;
const SILENCE_MS = 4000;
const STATE = {
  celsius: "number",
  target: "number",
  heating: "boolean",
  lamp: "boolean",
  window: "boolean",
};

const fw = connect();
const telemetry = fw.subscribe("demo.device", { last: 60 });
const commands = fw.subscribe("demo.device.commands");
const waiting = new Map(); // position of a command -> its line, and when it was given
const values = [];
let last = null;
let held = false; // the slider
let heard = 0;

telemetry.on("message", heardBackend);
telemetry.on("message", ({ data, timestamp }) => {
  if (!fits(data, STATE)) return;
  last = data;
  heard = timestamp;
  values.push(data.celsius);
  if (values.length > SAMPLES) values.shift();
  $("#celsius").textContent = `${data.celsius.toFixed(1)}°`;
  $("#wanted").textContent = `${data.target}°`;
  if (!held) wish(data.target);
  $("#heater").textContent = data.heating ? "on" : "off";
  $("#house").classList.toggle("lit", data.lamp);
  $("#house").classList.toggle("open", data.window);
  $("#house").classList.toggle("warm", data.heating);
  $("#lamp").ariaPressed = String(data.lamp);
  $("#window").ariaPressed = String(data.window);
  $("#line").setAttribute(
    "d",
    curve(values, 600, 120, Math.min(...values) - 1, Math.max(...values) + 1),
  );
  const done = waiting.get(data.done);
  if (done) done.line.querySelector("small").textContent = `done in ${timestamp - done.at} ms`;
  waiting.delete(data.done);
});

commands.on("message", ({ id, data, timestamp }) => {
  if (!fits(data, { by: "string", name: "string", set: "string" })) return;
  const line = copy("#command", {
    b: data.by === me.id ? "You" : data.name,
    span: `${data.set} ${data.to}`,
    small: "sent",
  });
  keep(waiting, id, { line, at: timestamp }, 20);
  append($("#commands"), line, 20);
});

function command(set, to) {
  commands.publish({ by: me.id, name: me.name, set, to }).catch(problem);
}

function wish(celsius) {
  $("#target").value = celsius;
  $("#shown").textContent = `${$("#target").value} °C`;
}

$("#target").addEventListener("input", () => {
  held = true;
  wish($("#target").value);
});
$("#target").addEventListener("change", () => {
  held = false;
  command("target", Number($("#target").value));
});
for (const part of ["lamp", "window"]) {
  $(`#${part}`).addEventListener("click", () => command(part, !last?.[part]));
}

setInterval(() => {
  const alive = Date.now() - heard < SILENCE_MS;
  $("#alive").textContent = alive ? "online" : "no sign of life";
  $("#alive").classList.toggle("some", alive);
}, 500);
