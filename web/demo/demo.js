// What the demos share: the frame around a page, the connection with its state, and elements that
// take text, never markup. Each demo's own story stands in the script of its name.

import { Fanwire } from "/client.js";

const NAMES =
  "Ada Ben Cleo Dora Emil Fay Gus Hana Ivo June Kai Lea Milo Nora Otto Pia Rosa Sam Tove";
const PATHS = "M3 12h6l12-9M9 12h12M9 12l12 9";
const query = new URLSearchParams(location.search);

export const $ = (selector) => document.querySelector(selector);

/** The room of this page: `?room=`, so that one demo can go on in many places. */
export const room = query.get("room") || "lobby";

/** Who uses this tab. Nobody logs in here: on your site `from` would say who it is. */
export const me = {
  id: crypto.getRandomValues(new Uint32Array(1))[0].toString(36),
  name: query.get("name") || remembered("name", () => pick(NAMES.split(" "))),
};

function pick(list) {
  return list[Math.floor(Math.random() * list.length)];
}

function remembered(key, invent) {
  const value = sessionStorage.getItem(`demo.${key}`) ?? invent();
  sessionStorage.setItem(`demo.${key}`, value);
  return value;
}

/** A connection whose state stands at the top of the page. */
export function connect() {
  const fw = new Fanwire();
  const state = $("#state");
  fw.on("state", (now) => {
    state.dataset.state = now.state;
    if (now.state === "open") $("#problem").textContent = "";
    state.lastChild.textContent = now.reason ? `${now.state}: ${now.reason}` : now.state;
  });
  fw.on("error", problem);
  return fw;
}

/** Takes away the line that says how to start the backend: listen with it to what comes from there. */
export function heardBackend() {
  document.body.classList.remove("silent");
}

/** Says at the foot of the page what went wrong. */
export function problem(error) {
  $("#problem").textContent = `${error.code ?? "error"}: ${error.message}`;
}

/** Whether this is a number that can be drawn. */
export const isNumber = (value) => typeof value === "number" && Math.abs(value) < 1e15;

const CHECKS = {
  number: isNumber,
  array: Array.isArray,
  string: (value) => typeof value === "string",
  boolean: (value) => typeof value === "boolean",
};

/** Whether what a stranger sent is an object whose fields are of these types. */
export function fits(data, shape) {
  if (data === null || typeof data !== "object") return false;
  return Object.entries(shape).every(([field, type]) => CHECKS[type](data[field]));
}

/** An element with these properties and children; strings become text, never markup. */
export function make(name, properties, ...children) {
  const made = Object.assign(document.createElement(name), properties);
  made.append(...children);
  return made;
}

/** A copy of a <template>, with text put where these selectors point. */
export function copy(template, texts = {}) {
  const made = $(template).content.firstElementChild.cloneNode(true);
  for (const [selector, text] of Object.entries(texts)) {
    made.querySelector(selector).textContent = text;
  }
  return made;
}

/** Adds to the end of a list that keeps its newest lines only, and shows the end. */
export function append(list, item, most = 100) {
  list.append(item);
  while (list.childElementCount > most) list.firstElementChild.remove();
  list.scrollTop = list.scrollHeight;
}

/** Puts into a map that forgets its oldest entries. */
export function keep(map, key, value, most = 200) {
  map.delete(key);
  map.set(key, value);
  for (const oldest of map.keys()) {
    if (map.size <= most) break;
    map.delete(oldest);
  }
}

/** The `d` of a path through these values, in a box of this size. */
export function curve(
  values,
  width,
  height,
  low = Math.min(...values),
  high = Math.max(...values),
) {
  const x = (i) => (values.length < 2 ? 0 : (i / (values.length - 1)) * width);
  const y = (value) => height - ((value - low) / (high - low || 1)) * height;
  return values.map((v, i) => `${i ? "L" : "M"}${x(i).toFixed(1)} ${y(v).toFixed(1)}`).join("");
}

/** One of eight colours that belongs to this word, the same in every tab. */
export function colour(word) {
  let sum = 0;
  for (const letter of String(word)) sum = (sum * 31 + letter.codePointAt(0)) % 997;
  return `var(--hue-${sum % 8})`;
}

export const time = (ms) =>
  new Date(ms).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit" });

// The frame: where one is, how the connection is, and where the source can be read.
function frame() {
  const page = location.pathname.split("/").pop().replace(".html", "");
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.ariaHidden = "true";
  svg.append(document.createElementNS(svg.namespaceURI, "path"));
  svg.firstChild.setAttribute("d", PATHS);
  const state = make("p", { id: "state", className: "state", role: "status" });
  state.append(make("span", { className: "dot" }), "connecting");
  state.dataset.state = "connecting";
  const home = make("a", { className: "mark", href: "./", ariaLabel: "All demos" }, svg);
  const title = make("h1", {}, document.title.split(" · ")[0]);
  const second = make("a", { href: location.href, target: "_blank" }, "Open a second tab");
  const links = make("p", {}, second, " · ");
  links.append(make("a", { href: `${page}.js` }, "Source of this page"));
  document.body.prepend(make("header", { className: "top" }, home, title, state));
  document.body.classList.add("silent");
  const said = make("p", { id: "problem", className: "problem", role: "alert" });
  document.body.append(make("footer", {}, said, links));
}

frame();
