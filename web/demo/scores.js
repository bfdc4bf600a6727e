// A scoreboard: the present state of every match, and what happened, line by line.

import { $, append, colour, connect, copy, fits, heardBackend, keep } from "./demo.js";

const fw = connect();
const scores = fw.subscribe("demo.scores", { mode: "latest", last: 50 });
const events = fw.subscribe("demo.scores.events", { last: 30 });
const matches = new Map(); // match -> its card

const SCORE = { match: "string", minute: "number", home: "string", away: "string", score: "array" };

scores.on("message", heardBackend);
scores.on("message", ({ data }) => {
  if (!fits(data, SCORE)) return;
  const card = matches.get(data.match) ?? copy("#match");
  keep(matches, data.match, card, 12);
  const [a, b] = [card.querySelector(".side-a"), card.querySelector(".side-b")];
  card.querySelector(".minute").textContent = data.over ? "full time" : `${data.minute}'`;
  card.classList.toggle("over", Boolean(data.over));
  show(a, data.home, data.score[0]);
  show(b, data.away, data.score[1]);
  const sorted = [...matches.keys()].sort().map((match) => matches.get(match));
  if (card.parentNode !== $("#matches")) $("#matches").replaceChildren(...sorted);
});

function show(side, team, goals) {
  const number = side.querySelector(".number");
  const scored = number.textContent !== "" && number.textContent !== String(goals);
  side.querySelector("b").textContent = team;
  side.style.setProperty("--hue", colour(team));
  number.textContent = goals;
  if (scored) side.classList.add("scored");
  if (scored) setTimeout(() => side.classList.remove("scored"), 2000);
}

events.on("message", ({ data }) => {
  if (!fits(data, { minute: "number", title: "string", text: "string" })) return;
  const line = copy("#event", { time: `${data.minute}'`, b: data.title, p: data.text });
  line.classList.toggle("goal", data.goal === true);
  $("#events").prepend(line);
  while ($("#events").childElementCount > 30) $("#events").lastChild.remove();
});

events.on("gap", ({ missed }) => {
  append($("#events"), copy("#event", { b: "Earlier", p: `${missed ?? "Some"} lines are gone` }));
});
