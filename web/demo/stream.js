// A live stream: pictures through a raw channel, reactions, and a poll that needs no backend.

import { $, connect, copy, fits, keep, make, me, problem, room } from "./demo.js";

const [PICTURE_MS, RETRY_MS, SILENCE_MS, FLOAT_MS] = [125, 2000, 2000, 2400];
const SIGNS = ["♥", "★", "☺", "♪", "☀"];
const CHOICES = ["Dawn", "Ocean", "Ember", "Forest"]; // each is a hue
const HUES = [280, 205, 18, 140];

const fw = connect();
const reactions = fw.subscribe(`demo.stream.${room}.reactions`, { presence: true });
const poll = fw.subscribe(`demo.stream.${room}.poll`, { mode: "latest", last: 1000 });
const votes = new Map(); // voter -> choice
const pen = $("#screen").getContext("2d");
let film = null; // the raw channel
let [pictures, reacted, lastPicture, airing, winner] = [0, 0, 0, 0, 0];

function watch() {
  const url = new URL(`/channels/demo.stream.${room}.film?mode=latest&self=0`, location.href);
  url.protocol = url.protocol.replace("http", "ws");
  film = new WebSocket(url);
  film.binaryType = "blob";
  film.addEventListener("message", async ({ data }) => {
    const picture = await createImageBitmap(data).catch(() => null); // bytes of a stranger
    if (picture) show(picture);
  });
  film.addEventListener("close", () => setTimeout(watch, RETRY_MS * (1 + Math.random())));
}

function show(picture) {
  pen.drawImage(picture, 0, 0, 640, 360);
  pictures += 1;
  lastPicture = Date.now();
  $("#shown").textContent = `${pictures} pictures`;
}

// The studio: whatever draws on a canvas, or a camera, can be a film.
function paint() {
  const now = Date.now() / 1000;
  const canvas = make("canvas", { width: 640, height: 360 });
  const brush = canvas.getContext("2d");
  for (let i = 0; i < 9; i += 1) {
    brush.fillStyle = `hsl(${HUES[winner] + i * 4} 60% ${16 + i * 7}%)`;
    brush.beginPath();
    brush.moveTo(0, 360);
    for (let x = 0; x <= 640; x += 16)
      brush.lineTo(x, 40 + i * 36 + 22 * Math.sin(x / (70 + i * 9) + now * (1 + i / 9)));
    brush.lineTo(640, 360);
    brush.fill();
  }
  brush.fillStyle = "white";
  brush.font = "600 30px system-ui, sans-serif";
  brush.fillText(`${me.name}, ${new Date().toLocaleTimeString()}`, 24, 48);
  canvas.toBlob(
    (picture) => {
      if (film.readyState === WebSocket.OPEN && !film.bufferedAmount) film.send(picture);
      createImageBitmap(canvas).then(show);
    },
    "image/jpeg",
    0.6,
  );
}

$("#air").addEventListener("click", () => {
  airing = airing ? clearInterval(airing) : setInterval(paint, PICTURE_MS);
  $("#air").textContent = airing ? "Stop" : "Go live from this tab";
});

reactions.on("error", problem);
reactions.on("message", ({ data }) => {
  if (!fits(data, { sign: "string" })) return;
  const sign = make("span", { className: "float" }, data.sign.slice(0, 2));
  sign.style.left = `${10 + Math.random() * 80}%`;
  setTimeout(() => sign.remove(), FLOAT_MS);
  if ($("#floating").childElementCount < 60) $("#floating").append(sign);
  $("#total").textContent = `${++reacted} reactions`;
});
reactions.on("presence", () => {
  $("#viewers").textContent = `${reactions.count} watching`;
});

poll.on("message", ({ key, data }) => {
  if (!fits(data, { by: "string", choice: "number" }) || !(data.choice in CHOICES)) return;
  keep(votes, key ?? data.by, data.choice, 10_000);
  const counts = CHOICES.map((_, i) => [...votes.values()].filter((choice) => choice === i).length);
  winner = counts.indexOf(Math.max(...counts));
  [...$("#poll").children].forEach((button, i) => {
    button.querySelector("i").textContent = counts[i];
    button.style.setProperty("--part", counts[i] / votes.size);
    button.dataset.mark = votes.get(me.id) === i ? "chosen" : "";
  });
  $("#votes").textContent = `${votes.size} ${votes.size === 1 ? "vote" : "votes"}`;
});

for (const sign of SIGNS) {
  const button = make("button", { className: "plain", ariaLabel: `React with ${sign}` }, sign);
  button.addEventListener("click", () => reactions.publish({ sign }).catch(() => {}));
  $("#reactions").append(button);
}
CHOICES.forEach((name, choice) => {
  const button = copy("#option", { span: "ABCD"[choice], b: name, i: 0 });
  button.addEventListener("click", () =>
    poll.publish({ by: me.id, choice }, { key: me.id }).catch(problem),
  );
  $("#poll").append(button);
});
setInterval(() => {
  const on = Date.now() - lastPicture < SILENCE_MS;
  $("#live").textContent = on ? "live" : "off air";
  $("#live").classList.toggle("on", on);
}, 300);
watch();
