// The live page: one connection to /ws, what it hears, and a console to speak with it. Everything
// that comes from outside enters the page as text, never as markup. Bounds: LOG_LINES lines of at
// most LINE_CHARS characters, MINUTE samples.

const LOG_LINES = 500;
const LINE_CHARS = 4000;
const MINUTE = 60;
const PING_MS = 5000;
const SILENCE_MS = 20000;
const POLL_MS = 4000;

const $ = (id) => document.getElementById(id);

function element(name, className, text) {
  const made = document.createElement(name);
  if (className) made.className = className;
  if (text !== undefined) made.textContent = text;
  return made;
}

const cut = (text) => (text.length > LINE_CHARS ? `${text.slice(0, LINE_CHARS)} …` : text);
const count = (n) => n.toLocaleString("en");

// ------------------------------------------------------------------------------ the connection

// The link to the server: connects, numbers requests, reconnects as the close codes ask, and
// resumes every subscription at the last position that was heard.
class Link {
  constructor(on) {
    this.on = on;
    this.socket = null;
    this.wanted = true;
    this.attempts = 0;
    this.nextId = 1;
    this.pings = new Map(); // id -> when it was sent
    this.positions = new Map(); // channel -> last position heard, or null
    this.asked = new Map(); // id -> request that waits for its answer
    this.allPosition = null;
    this.timer = 0;
    setInterval(() => this.watch(), PING_MS);
  }

  get open() {
    return this.socket?.readyState === WebSocket.OPEN;
  }

  connect() {
    this.wanted = true;
    clearTimeout(this.timer);
    this.on.state("waiting", "Connecting");
    const url = new URL("ws", location.href);
    url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
    url.search = this.allPosition ? `since=${encodeURIComponent(this.allPosition)}` : "";
    url.hash = "";
    const socket = new WebSocket(url);
    this.socket = socket;
    this.heard = performance.now();
    socket.onmessage = (event) => socket === this.socket && this.receive(event.data);
    socket.onclose = (event) => socket === this.socket && this.closed(event.code, event.reason);
  }

  disconnect() {
    this.wanted = false;
    this.allPosition = null;
    clearTimeout(this.timer);
    if (this.socket && this.socket.readyState <= WebSocket.OPEN) {
      this.on.state("waiting", "Closing");
      this.socket.close(1000);
    } else {
      this.on.state("closed", "Disconnected");
    }
  }

  // Sends a request; `raw`, where given, is the JSON of its `data`, passed on as it was written.
  request(fields, raw) {
    if (!this.open) return false;
    const id = this.nextId++;
    const body = JSON.stringify({ type: fields.type, id, ...fields });
    const text = raw === undefined ? body : `${body.slice(0, -1)},"data":${raw}}`;
    this.asked.set(id, fields);
    this.socket.send(text);
    this.on.sent(text, raw === undefined ? { id, ...fields } : { id, ...fields, data: JSON.parse(raw) });
    return true;
  }

  subscribe(channel) {
    const since = this.positions.get(channel);
    return this.request({ type: "subscribe", channel, ...(since && { data: { since } }) });
  }

  receive(text) {
    this.heard = performance.now();
    let message;
    try {
      message = JSON.parse(text);
    } catch {
      message = { type: "not JSON", data: text };
    }
    if (message.type === "pong" && this.pings.has(message.id)) {
      this.on.trip(this.heard - this.pings.get(message.id));
      this.pings.delete(message.id);
      return;
    }
    this.note(message);
    this.on.received(message, text);
  }

  // Keeps what is needed to resume, and who is subscribed to what.
  note(message) {
    const { type, id, channel, data } = message;
    if (type === "connection") {
      this.attempts = 0;
      this.allPosition ??= data?.position ?? null;
      this.on.state("open", `Connected to ${data?.node ?? "the server"}`);
      this.ping();
      for (const known of this.positions.keys()) this.subscribe(known);
    } else if (type === "broadcast") {
      this.allPosition = id ?? this.allPosition;
    } else if (type === "message") {
      if (this.positions.has(channel)) this.positions.set(channel, id);
    } else if (type === "gap") {
      if (this.positions.has(channel)) this.positions.set(channel, data?.to ?? null);
    } else if (type === "subscribed") {
      this.positions.set(channel, data?.position ?? null);
    } else if (type === "unsubscribed") {
      this.positions.delete(channel);
    } else if (type === "goaway") {
      this.leaveWithin(data?.reconnect_after_ms);
    } else if (type === "ack" || type === "error") {
      this.answered(this.asked.get(id), type === "ack", data);
      this.asked.delete(id);
    }
  }

  answered(request, granted, data) {
    if (request?.type === "subscribe") {
      const { channel } = request;
      // Behind the position of the answer comes what was missed; without it we start there.
      if (granted && !request.data) this.positions.set(channel, data?.position ?? null);
      else if (!granted && data?.code !== "already_subscribed") this.positions.delete(channel);
    } else if (request?.type === "unsubscribe" && granted) {
      this.positions.delete(request.channel);
    }
  }

  // The server wants us elsewhere: we go at a random moment of those that it gives, so that not all
  // come back at once. If its Close comes first, that decides.
  leaveWithin(range) {
    const [least, most] = Array.isArray(range) ? range : [0, 0];
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.drop(4007, "moved"), least + Math.random() * (most - least));
  }

  // Gives this connection up, as if it had been closed so.
  drop(code, reason) {
    const left = this.socket;
    this.socket = null;
    left.close(1000);
    this.closed(code, reason);
  }

  closed(code, reason) {
    clearTimeout(this.timer);
    this.pings.clear();
    this.asked.clear();
    this.on.closed(code, reason);
    const word = reason.split(";")[0] || (code === 1006 ? "connection lost" : "");
    const said = `Disconnected${word && code !== 1000 ? `: ${word}` : ""}`;
    const stop = code === 1003 || code === 1008 || (code >= 4400 && code < 4500);
    if (!this.wanted || stop) {
      this.wanted = false;
      this.on.state("closed", said);
      return;
    }
    const pace = /retry=(\d+)-(\d+)/.exec(reason);
    const [least, most] = pace ? [+pace[1], +pace[2]] : [300, 500 * 2 ** Math.min(this.attempts, 6)];
    const wait = least + Math.random() * Math.max(0, most - least);
    this.attempts += 1;
    this.on.state("waiting", `${said}; again in ${Math.max(1, Math.round(wait / 1000))} s`);
    this.timer = setTimeout(() => this.connect(), wait);
  }

  ping() {
    const id = this.nextId++;
    this.pings.set(id, performance.now());
    this.socket.send(JSON.stringify({ type: "ping", id }));
  }

  // A browser does not tell when a link has died without a word: silence does.
  watch() {
    if (!this.open) return;
    if (performance.now() - this.heard < SILENCE_MS) {
      this.ping();
      return;
    }
    this.drop(1006, "no answer");
  }
}

// ------------------------------------------------------------------------------ the log

// Shows the newest LOG_LINES entries, once per drawn frame, however fast they come: who, where and
// what, or the envelope just as it went over the wire.
class Log {
  constructor(list, { pause, raw, newest }) {
    Object.assign(this, { list, pause, raw, newest });
    this.entries = [];
    this.fresh = 0; // how many of them are not drawn yet
    this.drawing = false;
    this.follow = true;
    list.addEventListener("scroll", () => this.scrolled());
    newest.addEventListener("click", () => this.toEnd());
    pause.addEventListener("change", () => this.schedule());
    raw.addEventListener("change", () => this.redraw());
  }

  // `message` is what `text` says, where it is an envelope.
  add(way, type, text, message) {
    const { channel, id, data } = message ?? {};
    const said = data === undefined ? "" : JSON.stringify(data);
    const entry = { way, type, at: new Date(), text: cut(text), plain: !message };
    if (message) Object.assign(entry, { channel, id, said: cut(said) });
    this.entries.push(entry);
    this.fresh += 1;
    if (this.entries.length > LOG_LINES) this.entries.shift();
    this.schedule();
  }

  clear() {
    this.entries = [];
    this.redraw();
    this.toEnd();
  }

  redraw() {
    this.list.replaceChildren();
    this.fresh = this.entries.length;
    this.draw();
  }

  schedule() {
    if (this.drawing || this.pause.checked) return;
    this.drawing = true;
    requestAnimationFrame(() => {
      this.drawing = false;
      if (!this.pause.checked) this.draw();
    });
  }

  draw() {
    const fresh = this.fresh && this.entries.slice(-this.fresh);
    this.fresh = 0;
    if (fresh) this.list.append(...fresh.map((entry) => this.line(entry)));
    while (this.list.childElementCount > LOG_LINES) this.list.firstElementChild.remove();
    if (this.follow) this.list.scrollTop = this.list.scrollHeight;
    this.newest.hidden = this.follow;
  }

  line({ way, type, at, text, plain, channel, id, said }) {
    const line = element("li", way);
    line.dataset.type = type;
    const clock = `${at.toTimeString().slice(0, 8)}.${String(at.getMilliseconds()).padStart(3, "0")}`;
    const arrow = element("span", "way", way === "sent" ? "↑" : "↓");
    arrow.title = way;
    const what = element("code");
    if (plain || this.raw.checked) {
      what.append(text);
    } else {
      if (channel !== undefined) what.append(element("b", "", channel), " ");
      what.append(said);
      if (id !== undefined) what.append(" ", element("i", "", `#${id}`));
    }
    line.append(element("time", "", clock), arrow, element("span", "type", type), what);
    return line;
  }

  scrolled() {
    const { scrollTop, scrollHeight, clientHeight } = this.list;
    this.follow = scrollHeight - scrollTop - clientHeight < 24;
    if (this.follow) this.newest.hidden = true;
  }

  toEnd() {
    this.follow = true;
    this.newest.hidden = true;
    this.list.scrollTop = this.list.scrollHeight;
  }
}

// ------------------------------------------------------------------------------ the rate

class Rate {
  constructor() {
    this.samples = new Array(MINUTE).fill(0);
    this.now = 0;
    this.total = 0;
    setInterval(() => this.second(), 1000);
    this.draw();
  }

  heard() {
    this.now += 1;
    this.total += 1;
  }

  second() {
    this.samples.push(this.now);
    this.samples.shift();
    this.now = 0;
    this.draw();
  }

  draw() {
    const peak = Math.max(...this.samples);
    const top = Math.max(peak, 4);
    const x = (i) => ((i / (MINUTE - 1)) * 300).toFixed(1);
    const y = (n) => (77 - (n / top) * 72).toFixed(1);
    const line = this.samples.map((n, i) => `${i ? "L" : "M"}${x(i)} ${y(n)}`).join("");
    $("spark").querySelector(".line").setAttribute("d", line);
    $("spark").querySelector(".area").setAttribute("d", `${line}L300 80L0 80Z`);
    $("rate").textContent = count(this.samples.at(-1));
    $("total").textContent = count(this.total);
    $("peak").textContent = peak ? `peak ${count(peak)}` : "";
  }
}

// ------------------------------------------------------------------------------ the page

const log = new Log($("log"), { pause: $("pause"), raw: $("raw"), newest: $("newest") });
const rate = new Rate();
const heardOn = new Map(); // channel -> messages heard since it was subscribed to
let chipsDue = false;

const link = new Link({
  state(state, text) {
    $("state").dataset.state = state;
    $("state-text").textContent = text;
    $("toggle").textContent = link.wanted ? "Disconnect" : "Connect";
    if (state !== "open") $("trip").textContent = "–";
    drawChips();
  },
  sent(text, request) {
    log.add("sent", request.type, text, request);
  },
  received(message, text) {
    rate.heard();
    log.add("received", String(message.type), text, message);
    if (message.type === "update") showConnections(message.data?.connections);
    if (message.type === "connection") welcome(message.data ?? {});
    if (message.type === "message") {
      heardOn.set(message.channel, (heardOn.get(message.channel) ?? 0) + 1);
    }
    if (message.type !== "broadcast") drawChips();
  },
  trip(ms) {
    $("trip").textContent = ms < 10 ? ms.toFixed(1) : String(Math.round(ms));
  },
  closed(code, reason) {
    log.add("received", "closed", `${code} ${reason}`.trim());
  },
});

function welcome({ server, node, connection }) {
  $("about").textContent = [server ?? "Fanwire", node, connection && `connection ${connection}`]
    .filter(Boolean)
    .join(" · ");
  poll();
}

function showConnections(n) {
  if (Number.isInteger(n)) $("connections").textContent = count(n);
}

// At most once per drawn frame, and only what has changed.
function drawChips() {
  if (chipsDue) return;
  chipsDue = true;
  requestAnimationFrame(() => {
    chipsDue = false;
    const list = $("subscriptions");
    const shown = new Map([...list.children].map((chip) => [chip.dataset.channel, chip]));
    for (const [channel, chip] of shown) if (!link.positions.has(channel)) chip.remove();
    for (const channel of heardOn.keys()) if (!link.positions.has(channel)) heardOn.delete(channel);
    for (const channel of link.positions.keys()) {
      if (!shown.has(channel)) list.append(chipOf(channel));
    }
    for (const chip of list.children) {
      chip.querySelector("b").textContent = count(heardOn.get(chip.dataset.channel) ?? 0);
      chip.querySelector("button").disabled = !link.open;
    }
  });
}

function chipOf(channel) {
  const chip = element("li");
  chip.dataset.channel = channel;
  const leave = element("button", "", "×");
  leave.type = "button";
  leave.setAttribute("aria-label", `Unsubscribe from ${channel}`);
  leave.addEventListener("click", () => link.request({ type: "unsubscribe", channel }));
  chip.append(element("span", "", channel), element("b"), leave);
  return chip;
}

// ------------------------------------------------------------------------------ what HTTP tells

const refused = new Set(); // paths that need a key here: asked once

async function ask(path) {
  if (refused.has(path)) return null;
  try {
    const answer = await fetch(path, { cache: "no-store" });
    if ([401, 403, 404].includes(answer.status)) refused.add(path);
    return answer.ok ? await answer.json() : null;
  } catch {
    return null;
  }
}

async function poll() {
  if (document.hidden) return;
  const [status, channels] = await Promise.all([ask("status"), ask("channels?limit=100")]);
  if (status) showConnections(status.connections);
  if (channels) drawChannels(channels);
  else if (refused.has("channels?limit=100")) $("channel-note").textContent = "the list needs a key";
}

function drawChannels({ channels = [], next }) {
  $("channel-count").textContent = count(channels.length) + (next ? "+" : "");
  $("known").hidden = channels.length === 0;
  const row = ({ channel, subscribers }) => {
    const item = element("li");
    const button = element("button");
    button.type = "button";
    button.dataset.channel = channel;
    button.title = `Subscribe to ${channel}`;
    const ears = Number.isInteger(subscribers) ? count(subscribers) : "";
    button.append(element("span", "", channel), element("span", "", ears));
    item.append(button);
    return item;
  };
  const list = $("channels");
  const focused = list.contains(document.activeElement) && document.activeElement.dataset.channel;
  const scroll = list.scrollTop;
  list.replaceChildren(...channels.map(row));
  list.scrollTop = scroll;
  if (focused) list.querySelector(`[data-channel="${CSS.escape(focused)}"]`)?.focus();
}

// ------------------------------------------------------------------------------ what one can do

// The data as it was written when it is JSON, else null, and says so beside the field.
function writtenData() {
  const raw = $("publish-data").value.trim();
  let problem = "";
  try {
    JSON.parse(raw);
  } catch {
    problem = 'This is not JSON yet. Plain text needs quotes: "hello"';
  }
  $("publish-problem").textContent = problem;
  $("publish-data").setAttribute("aria-invalid", String(problem !== ""));
  return problem ? null : raw;
}

function offline() {
  $("publish-problem").textContent = "Not connected.";
}

function drawCurl() {
  const channel = $("publish-channel").value.trim() || "room.7";
  const url = new URL(`channels/${encodeURIComponent(channel)}`, location.href);
  const quoted = $("publish-data").value.trim().replaceAll("'", "'\\''");
  $("curl").textContent = `curl ${url.origin}${url.pathname} \\\n  -d '${quoted}'`;
}

$("toggle").addEventListener("click", () => (link.wanted ? link.disconnect() : link.connect()));
$("clear").addEventListener("click", () => log.clear());

$("subscribe").addEventListener("submit", (event) => {
  event.preventDefault();
  const channel = $("subscribe-channel").value.trim();
  if (!link.subscribe(channel)) offline();
});

$("channels").addEventListener("click", (event) => {
  const { channel } = event.target.closest("button")?.dataset ?? {};
  if (!channel) return;
  $("publish-channel").value = channel;
  drawCurl();
  if (!link.positions.has(channel) && !link.subscribe(channel)) offline();
});

$("publish").addEventListener("submit", (event) => {
  event.preventDefault();
  const raw = writtenData();
  if (raw === null) return;
  const channel = $("publish-channel").value.trim();
  if (!link.request({ type: "publish", channel }, raw)) offline();
});

$("publish-data").addEventListener("keydown", (event) => {
  if (event.key === "Enter" && (event.ctrlKey || event.metaKey)) $("publish").requestSubmit();
});

$("publish").addEventListener("input", () => {
  if ($("publish-problem").textContent) writtenData();
  drawCurl();
});

$("broadcast").addEventListener("click", async () => {
  const raw = writtenData();
  if (raw === null) return;
  log.add("sent", "POST", `/broadcast ${raw}`);
  try {
    const answer = await fetch("broadcast", { method: "POST", body: raw });
    log.add("received", answer.ok ? "POST" : "error", `${answer.status} ${await answer.text()}`);
  } catch {
    log.add("received", "error", "the server did not answer");
  }
});

$("copy").addEventListener("click", async () => {
  try {
    await navigator.clipboard.writeText($("curl").textContent);
    $("copy").textContent = "Copied";
  } catch {
    getSelection().selectAllChildren($("curl"));
    $("copy").textContent = "Selected";
  }
  setTimeout(() => ($("copy").textContent = "Copy"), 1500);
});

document.addEventListener("visibilitychange", poll);
setInterval(poll, POLL_MS);
drawCurl();
link.connect();
