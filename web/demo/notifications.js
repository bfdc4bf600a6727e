// Notifications to a user, however many tabs that user has. What is read in one is read in all.

import { $, connect, copy, fits, keep, make, problem, time } from "./demo.js";

const USERS = ["ann", "ben", "cleo"];
const user = new URLSearchParams(location.search).get("user") ?? USERS[0];

const fw = connect();
// With tokens: fw.subscribe("$user", { last: 50 }), and nobody else can hear it.
const notes = fw.subscribe(`demo.user.${user}`, { last: 50 });
const known = new Map(); // position -> {title, text, timestamp, read}

notes.on("error", problem);
notes.on("message", ({ id, data, timestamp }) => {
  if (fits(data, { title: "string", text: "string" })) {
    keep(known, id, { ...data, timestamp, read: false }, 50);
  } else if (fits(data, { read: "array" })) {
    for (const position of data.read) {
      if (known.has(position)) known.get(position).read = true;
    }
  }
  draw();
});

function draw() {
  const unread = [...known.values()].filter(({ read }) => !read).length;
  $("#unread").textContent = `${unread} new`;
  $("#unread").classList.toggle("some", unread > 0);
  document.title = `${unread ? `(${unread}) ` : ""}Notifications · Fanwire`;
  const rows = [...known].reverse().map(([id, { title, text, timestamp, read }]) => {
    const row = copy("#note", { b: title, p: `${text} · ${time(timestamp)}` });
    row.classList.toggle("read", read);
    row.lastChild.hidden = read;
    row.lastChild.addEventListener("click", () => markRead([id]));
    return row;
  });
  $("#list").replaceChildren(...rows);
}

function markRead(positions) {
  if (positions.length) notes.publish({ read: positions }).catch(problem);
}

$("#read-all").addEventListener("click", () => {
  markRead([...known].filter(([, { read }]) => !read).map(([id]) => id));
});

// What a backend does, here done by the page: only an open server lets it.
const body = () => JSON.stringify({ title: "From the shop", text: $("#text").value });
const path = () => `/channels/demo.user.${encodeURIComponent($("#to").value)}`;

function showCommand() {
  $("#curl").textContent =
    `curl ${location.origin}${path()} \\\n  -d '${body().replaceAll("'", "'\\''")}'`;
}

$("#send").addEventListener("input", showCommand);
$("#send").addEventListener("submit", async (event) => {
  event.preventDefault();
  const answer = await fetch(path(), { method: "POST", body: body() });
  if (!answer.ok) problem((await answer.json()).error);
});

$("#who").textContent = $("#to").value = user;
for (const name of USERS) {
  const link = make(
    "a",
    { href: `?user=${name}`, ariaCurrent: name === user ? "page" : null },
    name,
  );
  $("#users").append(link);
}
showCommand();
