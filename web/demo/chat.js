// A chat room: history for who comes late, presence, and who is typing.

import {
  $,
  append,
  colour,
  connect,
  copy,
  fits,
  keep,
  make,
  me,
  problem,
  room,
  time,
} from "./demo.js";

const TYPING_MS = 3000;
const WHO = { by: "string", name: "string", connection: "string" };

const fw = connect();
const chat = fw.subscribe(`demo.chat.${room}`, { last: 50, presence: true });
const typing = fw.subscribe(`demo.chat.${room}.typing`, { mode: "latest" });
const typists = new Map(); // id -> name and until when
const guests = new Map(); // connection -> the name that it gave itself
let told = 0;

const who = () => ({ by: me.id, name: me.name, connection: fw.connection });
const nameOf = ({ user, connection }) =>
  connection === fw.connection ? `${me.name} (you)` : (user ?? guests.get(connection) ?? "Guest");

chat.on("message", ({ data, from, timestamp }) => {
  if (!fits(data, { ...WHO, text: "string" })) return;
  const texts = { b: from ?? data.name, p: data.text, time: time(timestamp) };
  const bubble = copy("#bubble", texts);
  bubble.classList.toggle("mine", data.by === me.id);
  bubble.style.setProperty("--hue", colour(data.name));
  append($("#log"), bubble);
  typists.delete(data.by);
  showTypists();
  meet(data);
});

chat.on("error", problem);
chat.on("gap", () =>
  append($("#log"), make("li", { className: "note" }, "Some messages are gone.")),
);

// Members carry what they have proved to be. Nobody logs in here: of guests we know the connection,
// and from what they have said how they call themselves.
function showMembers() {
  $("#count").textContent = chat.count;
  const members = [...chat.members.values()].slice(0, 50);
  $("#members").replaceChildren(...members.map((one) => make("li", {}, nameOf(one))));
}
chat.on("presence", showMembers);

function meet({ connection, name }) {
  keep(guests, connection, name, 500);
  showMembers();
}

typing.on("message", ({ data, timestamp }) => {
  if (!fits(data, WHO) || data.by === me.id) return;
  keep(typists, data.by, { name: data.name, until: timestamp + TYPING_MS }, 20);
  meet(data);
  showTypists();
});

function showTypists() {
  for (const [id, { until }] of typists) if (until < Date.now()) typists.delete(id);
  const names = [...typists.values()].map(({ name }) => name);
  $("#typing").textContent = names.length ? `${names.join(", ")} typing …` : "";
}
setInterval(showTypists, 500);

$("#text").addEventListener("input", () => {
  if (Date.now() - told < TYPING_MS / 2) return;
  told = Date.now();
  typing.publish(who(), { key: me.id }).catch(() => {}); // a hint, no more
});

$("#say").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = $("#text").value.trim();
  if (!text) return;
  $("#text").value = "";
  told = 0;
  chat.publish({ ...who(), text }).catch(problem);
});

$("#name").value = me.name;
$("#name").addEventListener("change", () => {
  me.name = $("#name").value.trim() || me.name;
});
