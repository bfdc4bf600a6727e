// A support desk: visitors queue, agents pick up. The order of the channel decides who was first.

import { $, append, colour, connect, copy, fits, keep, me, problem, room, time } from "./demo.js";

const agent = new URLSearchParams(location.search).get("role") === "agent";
const fw = connect();
const desk = fw.subscribe(`demo.support.${room}`, { last: 100 });
const cases = new Map(); // id -> {name, topic, agent}
let mine = null; // the case of this visitor, or the one that this agent has open
let talk = null; // its channel

desk.on("error", problem);
desk.on("message", ({ data }) => {
  if (!fits(data, { event: "string", case: "string" })) return;
  const known = cases.get(data.case);
  if (data.event === "asked" && !known && fits(data, { name: "string", topic: "string" })) {
    keep(cases, data.case, { name: data.name, topic: data.topic, agent: null });
  } else if (data.event === "taken" && known && fits(data, { agent: "string", name: "string" })) {
    known.agent ??= { id: data.agent, name: data.name }; // the first one has it
  } else if (data.event === "closed") {
    cases.delete(data.case);
    if (data.case === mine) leave();
  }
  draw();
});

function tell(event, id, more) {
  desk.publish({ event, case: id, ...more }).catch(problem);
}

function draw() {
  const all = [...cases].map(([id, known]) => ({ id, ...known }));
  const queue = all.filter((known) => !known.agent);
  const line = (known, does, act) => {
    const row = copy("#case", { b: known.name, p: known.topic, button: does });
    row.style.setProperty("--hue", colour(known.name));
    row.lastChild.addEventListener("click", act);
    return row;
  };
  $("#waiting").textContent = queue.length;
  $("#queue").replaceChildren(
    ...queue.map((known) =>
      line(known, "Pick up", () => tell("taken", known.id, { agent: me.id, name: me.name })),
    ),
  );
  const yours = all.filter((known) => known.agent?.id === me.id);
  $("#yours").replaceChildren(
    ...yours.map((known) => line(known, "Close", () => tell("closed", known.id))),
  );
  if (agent && yours.length && !yours.some(({ id }) => id === mine)) open(yours.at(-1).id);
  const place = queue.findIndex(({ id }) => id === mine);
  const helper = cases.get(mine)?.agent?.name;
  if (!agent && mine) {
    $("#place").textContent = helper ? `${helper} is with you` : `You are number ${place + 1}`;
  }
}

function open(id) {
  leave();
  mine = id;
  talk = fw.subscribe(`demo.support.${room}.${id}`, { last: 50 });
  talk.on("message", ({ data, timestamp }) => {
    if (!fits(data, { by: "string", name: "string", text: "string" })) return;
    const bubble = copy("#bubble", { b: data.name, p: data.text, time: time(timestamp) });
    bubble.classList.toggle("mine", data.by === me.id);
    append($("#log"), bubble);
  });
  $("#subject").textContent = cases.get(id)?.topic ?? $("#topic").value;
  for (const control of $("#say").elements) control.disabled = false;
}

function leave() {
  talk?.unsubscribe();
  talk = mine = null;
  $("#log").replaceChildren();
  $("#subject").textContent = "No conversation";
  $("#place").textContent = "";
  for (const control of $("#say").elements) control.disabled = true;
}

$("#ask").addEventListener("submit", (event) => {
  event.preventDefault();
  me.name = $("#name").value;
  open(`${me.id}-${Date.now().toString(36)}`);
  tell("asked", mine, { name: me.name, topic: $("#topic").value });
});

$("#say").addEventListener("submit", (event) => {
  event.preventDefault();
  talk.publish({ by: me.id, name: me.name, text: $("#text").value }).catch(problem);
  $("#text").value = "";
});

$("#name").value = me.name;
document.body.classList.add(agent ? "is-agent" : "is-visitor");
$(agent ? "#as-agent" : "#as-visitor").ariaCurrent = "page";
for (const link of document.querySelectorAll(".tabs a"))
  link.href += `&room=${encodeURIComponent(room)}`;
