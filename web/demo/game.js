// A game without a referee: of all who say that they have the gem, the channel's first is right.

import { $, colour, connect, copy, fits, keep, me, problem, room } from "./demo.js";

const [WIDTH, HEIGHT, SPEED, REACH, TELL_MS, GONE_MS] = [900, 600, 260, 34, 50, 5000];

const fw = connect();
const gems = fw.subscribe(`demo.game.${room}.gems`, { last: 100 });
const places = fw.subscribe(`demo.game.${room}.places`, { mode: "latest", last: 50, maxRate: 20 });
const pen = $("#field").getContext("2d");
const style = getComputedStyle(document.documentElement);
const players = new Map(); // id -> name, place, where it is shown, until when
const scores = new Map(); // id -> name and gems
const keys = new Set();
let self = { x: 100 + Math.random() * 700, y: 100 + Math.random() * 400 };
let target = null;
let number = 0; // of the gem that lies there
let claimed = -1;
let before = performance.now();

// Where a gem lies follows from its number, so nobody has to say it.
const gem = (n) => ({
  x: 60 + ((n * 7919 + 401) % (WIDTH - 120)),
  y: 60 + ((n * 104_729 + 197) % (HEIGHT - 120)),
});

gems.on("error", problem);
gems.on("message", ({ data }) => {
  if (!fits(data, { by: "string", name: "string", gem: "number" })) return;
  if (data.gem < number) return; // somebody else was first
  number = data.gem + 1;
  const gathered = (scores.get(data.by)?.gathered ?? 0) + 1;
  keep(scores, data.by, { name: data.name, gathered }, 50);
  const ranks = [...scores].sort(([, a], [, b]) => b.gathered - a.gathered).slice(0, 10);
  $("#scores").replaceChildren(
    ...ranks.map(([id, { name, gathered: many }]) => {
      const row = copy("#rank", { b: id === me.id ? `${name} (you)` : name, ".value": many });
      row.style.setProperty("--hue", colour(id));
      return row;
    }),
  );
});

places.on("message", ({ data, timestamp }) => {
  if (!fits(data, { by: "string", name: "string", x: "number", y: "number" }) || data.by === me.id)
    return;
  const shown = players.get(data.by)?.shown ?? { x: data.x, y: data.y };
  keep(players, data.by, { ...data, shown, until: timestamp + GONE_MS }, 50);
});

function move(seconds) {
  let [x, y] = [
    keys.has("ArrowRight") - keys.has("ArrowLeft"),
    keys.has("ArrowDown") - keys.has("ArrowUp"),
  ];
  if (x || y) target = null;
  else if (target) [x, y] = [target.x - self.x, target.y - self.y];
  const far = Math.hypot(x, y);
  const step = target ? Math.min(SPEED * seconds, far) : SPEED * seconds;
  if (far) self = { x: self.x + (x / far) * step, y: self.y + (y / far) * step };
  self.x = Math.min(Math.max(self.x, 20), WIDTH - 20);
  self.y = Math.min(Math.max(self.y, 20), HEIGHT - 20);
  const { x: gx, y: gy } = gem(number);
  if (claimed >= number || Math.hypot(gx - self.x, gy - self.y) > REACH) return;
  claimed = number;
  gems.publish({ by: me.id, name: me.name, gem: number }).catch(problem);
}

function circle({ x, y }, id, name) {
  pen.fillStyle = style.getPropertyValue(colour(id).slice(4, -1));
  pen.beginPath();
  pen.arc(x, y, 20, 0, 2 * Math.PI);
  pen.fill();
  pen.fillStyle = style.getPropertyValue("--ink");
  pen.fillText(name.slice(0, 20), x, y - 30);
}

function frame(now) {
  move(Math.min((now - before) / 1000, 0.1));
  before = now;
  pen.clearRect(0, 0, WIDTH, HEIGHT);
  // No smaller than can be read, however small the field is shown.
  const letters = Math.max(17, (12 * WIDTH) / $("#field").clientWidth);
  pen.font = `600 ${letters}px system-ui, sans-serif`;
  pen.textAlign = "center";
  const { x, y } = gem(number);
  const size = 13 + 2 * Math.sin(now / 200);
  pen.fillStyle = style.getPropertyValue("--accent");
  pen.beginPath();
  for (const [dx, dy] of [
    [0, -1.4],
    [1, 0],
    [0, 1.4],
    [-1, 0],
  ])
    pen.lineTo(x + dx * size, y + dy * size);
  pen.fill();
  for (const [id, player] of players) {
    if (player.until < Date.now()) players.delete(id);
    for (const axis of ["x", "y"]) player.shown[axis] += (player[axis] - player.shown[axis]) * 0.3;
    circle(player.shown, id, player.name);
  }
  circle(self, me.id, "you");
  requestAnimationFrame(frame);
}

setInterval(() => {
  const place = { by: me.id, name: me.name, x: Math.round(self.x), y: Math.round(self.y) };
  places.publish(place, { key: me.id, skipSelf: true }).catch(() => {}); // the next one says it again
}, TELL_MS);

addEventListener("keydown", ({ key }) => keys.add(key));
addEventListener("keyup", ({ key }) => keys.delete(key));
$("#field").addEventListener("pointerdown", ({ offsetX, offsetY }) => {
  const scale = WIDTH / $("#field").clientWidth;
  target = { x: offsetX * scale, y: offsetY * scale };
});
requestAnimationFrame(frame);
