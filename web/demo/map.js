// A map with buses: each is a key, and only where it is now matters.

import { $, colour, connect, copy, fits, heardBackend, isNumber, keep } from "./demo.js";

const SVG = "http://www.w3.org/2000/svg";
const GLIDE = 0.06;
const BUS = {
  bus: "string",
  line: "string",
  next: "string",
  x: "number",
  y: "number",
  kmh: "number",
};

const fw = connect();
const lines = fw.subscribe("demo.map.lines", { mode: "latest", last: 20 });
const buses = fw.subscribe("demo.map", { mode: "latest", last: 100, maxRate: 4 });
const routes = new Map(); // line -> its path
const known = new Map(); // bus -> what it said, where it is shown, its mark and row
let followed = null;

function shape(name, attributes, parent) {
  const made = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  parent?.append(made);
  return made;
}

lines.on("message", ({ data }) => {
  if (!fits(data, { line: "string", stops: "array" })) return;
  const path = shape("polyline", { points: data.stops.flat().filter(isNumber).join(" ") });
  path.style.setProperty("--hue", colour(data.line));
  keep(routes, data.line, path, 20);
  $("#lines").replaceChildren(...routes.values());
});

buses.on("message", heardBackend);
buses.on("message", ({ data }) => {
  if (!fits(data, BUS)) return;
  const bus = known.get(data.bus) ?? arrive(data);
  bus.said = data;
  bus.row.querySelector(".note").textContent = `${Math.round(data.kmh)} km/h to ${data.next}`;
});

function arrive({ bus: name, line, x, y }) {
  const mark = shape("g", { class: "bus" });
  shape("circle", { r: 17 }, mark);
  shape("text", {}, mark).textContent = line.slice(0, 3);
  const row = copy("#bus", { b: `Line ${line}, ${name}` });
  for (const part of [mark, row]) part.style.setProperty("--hue", colour(line));
  row.lastChild.addEventListener("click", () => follow(name));
  const bus = { mark, row, x, y };
  keep(known, name, bus, 60);
  $("#vehicles").replaceChildren(...[...known.values()].map((each) => each.mark));
  $("#list").replaceChildren(...[...known.keys()].sort().map((each) => known.get(each).row));
  return bus;
}

function follow(name) {
  followed = followed === name ? null : name;
  for (const [each, { row, mark }] of known) {
    row.lastChild.textContent = each === followed ? "Let go" : "Follow";
    mark.classList.toggle("followed", each === followed);
  }
}

let box = [0, 0, 1000, 700];

function frame() {
  for (const bus of known.values()) {
    bus.x += (bus.said.x - bus.x) * GLIDE;
    bus.y += (bus.said.y - bus.y) * GLIDE;
    bus.mark.setAttribute("transform", `translate(${bus.x.toFixed(1)} ${bus.y.toFixed(1)})`);
  }
  const { x, y } = known.get(followed) ?? {};
  const wanted = followed ? [x - 250, y - 175, 500, 350] : [0, 0, 1000, 700];
  box = box.map((value, i) => value + (wanted[i] - value) * GLIDE);
  $("#map").setAttribute("viewBox", box.map((value) => value.toFixed(1)).join(" "));
  requestAnimationFrame(frame);
}
requestAnimationFrame(frame);
