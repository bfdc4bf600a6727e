// A whiteboard: lines that are being drawn are fleeting, lines that are done are kept.

import { $, connect, fits, keep, make, me, problem, room } from "./demo.js";

const REST = $("#drawing").textContent;
const COLOURS = ["#12836f", "#2563c9", "#7a48c8", "#c2367a", "#c2410c", "#b0820a", "#3a4a44"];
const LIVE_MS = 50;
const POINTS = 600;
const LINE = { colour: "string", width: "number", begun: "number", points: "array" };

const fw = connect();
const lines = fw.subscribe(`demo.board.${room}`, { last: 100 });
const live = fw.subscribe(`demo.board.${room}.live`, { mode: "latest", maxRate: 20 });
const canvas = $("#canvas");
const brush = canvas.getContext("2d");
const done = new Map(); // position -> line
const pens = new Map(); // who -> the line that this pen draws now
let colour = COLOURS[0];
let mine = null;
let told = 0;

function stroke({ colour: ink, width, points }) {
  brush.strokeStyle = ink;
  brush.lineWidth = Math.min(Math.max(width, 1), 40);
  brush.lineCap = brush.lineJoin = "round";
  brush.beginPath();
  for (const [x, y] of points.slice(0, POINTS)) brush.lineTo(x, y);
  if (points.length === 1) brush.lineTo(points[0][0] + 0.1, points[0][1]);
  brush.stroke();
}

function draw() {
  brush.clearRect(0, 0, canvas.width, canvas.height);
  for (const line of [...done.values(), ...pens.values()]) stroke(line);
  if (mine) stroke(mine);
}

const soon = () => requestAnimationFrame(draw);
// A piece of a line may come after the whole: order is kept within a channel, not between two.
const isDone = ({ by, begun }) =>
  [...done.values()].some((line) => line.by === by && line.begun === begun);
const clean = (line) => ({ ...line, points: line.points.filter(Array.isArray) });

lines.on("error", problem);
lines.on("message", ({ id, data }) => {
  if (data?.wipe === true) {
    done.clear();
    pens.clear();
  } else if (fits(data, { by: "string", ...LINE })) {
    pens.delete(data.by);
    keep(done, id, clean(data), 100);
  }
  if (pens.size === 0) $("#drawing").textContent = REST;
  soon();
});

live.on("message", ({ data }) => {
  if (!fits(data, { by: "string", name: "string", ...LINE })) return;
  if (data.by === me.id || isDone(data)) return;
  keep(pens, data.by, clean(data), 30);
  $("#drawing").textContent = `${data.name} is drawing`;
  soon();
});

function point(event) {
  const box = canvas.getBoundingClientRect();
  const scale = canvas.width / box.width;
  return [event.clientX - box.left, event.clientY - box.top].map((v) => Math.round(v * scale));
}

canvas.addEventListener("pointerdown", (event) => {
  canvas.setPointerCapture(event.pointerId);
  const width = Number($("#width").value);
  const points = [point(event)];
  mine = { by: me.id, name: me.name, colour, width, begun: Date.now(), points };
  soon();
});

canvas.addEventListener("pointermove", (event) => {
  if (!mine || mine.points.length >= POINTS) return;
  mine.points.push(point(event));
  soon();
  if (performance.now() - told < LIVE_MS) return;
  told = performance.now();
  live.publish(mine, { key: me.id, skipSelf: true }).catch(() => {}); // fleeting
});

for (const end of ["pointerup", "pointercancel"]) {
  canvas.addEventListener(end, () => {
    if (!mine) return;
    lines.publish(mine).catch(problem);
    pens.set(me.id, mine); // until it comes back
    mine = null;
  });
}

for (const ink of COLOURS) {
  const swatch = make("button", {
    role: "radio",
    ariaLabel: ink,
    ariaChecked: String(ink === colour),
  });
  swatch.style.background = ink;
  swatch.addEventListener("click", () => {
    colour = ink;
    for (const other of $("#colours").children) other.ariaChecked = String(other === swatch);
  });
  $("#colours").append(swatch);
}

$("#clear").addEventListener("click", () => lines.publish({ wipe: true }).catch(problem));
