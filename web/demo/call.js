// Call signalling: two tabs agree on a WebRTC data channel through a channel of Fanwire.

import { $, append, connect, copy, fits, me, problem, room } from "./demo.js";

const PATIENCE_MS = 10_000;

const fw = connect();
const signals = fw.subscribe(`demo.call.${room}`);
let peer = null; // the RTCPeerConnection
let other = null; // with whom
let wire = null; // the data channel
let turn = Promise.resolve(); // signals are dealt with one after the other

function show(way, { kind, body }) {
  const bytes = `${JSON.stringify(body ?? "").length} bytes`;
  append($("#signals"), copy("#signal", { b: way, span: kind, small: bytes }), 40);
}

function signal(kind, body, to = other) {
  const said = { by: me.id, to, kind, body };
  show("→", said);
  signals.publish(said, { skipSelf: true }).catch(problem);
}

function step(name) {
  for (const item of $("#steps").children)
    item.ariaCurrent = item.id === `step-${name}` ? "step" : null;
  for (const control of $("#say").elements) control.disabled = name !== "direct";
  $("#call").textContent = name === "alone" ? "Call" : "Hang up";
}

function begin(id) {
  other = id;
  peer = new RTCPeerConnection();
  peer.onicecandidate = ({ candidate }) => candidate && signal("candidate", candidate);
  peer.ondatachannel = ({ channel }) => talkOver(channel);
  peer.onconnectionstatechange = () => peer?.connectionState === "failed" && end();
  step("signal");
  const begun = peer;
  setTimeout(() => begun === peer && wire?.readyState !== "open" && end(), PATIENCE_MS);
}

function talkOver(channel) {
  wire = channel;
  wire.onopen = () => step("direct");
  wire.onclose = end;
  wire.onmessage = ({ data }) => {
    const { ping, pong, text } = JSON.parse(data);
    if (ping) wire.send(JSON.stringify({ pong: ping }));
    if (pong) $("#trip").textContent = (performance.now() - pong).toFixed(1);
    if (text) append($("#log"), copy("#bubble", { p: text }));
  };
}

function end() {
  peer?.close();
  peer = other = wire = null;
  $("#trip").textContent = "–";
  step("alone");
}

async function describe() {
  await peer.setLocalDescription();
  signal(peer.localDescription.type, peer.localDescription);
}

async function heard({ by, to, kind, body }) {
  if (kind === "hello" && !peer && me.id < by) {
    if (!to) signal("hello", null, by); // of two, one makes the offer: the greater
  } else if (kind === "hello" && !peer) {
    begin(by);
    talkOver(peer.createDataChannel("talk"));
    await describe();
  } else if (kind === "offer" && !peer) {
    begin(by);
    await peer.setRemoteDescription(body);
    await describe();
  } else if (by !== other) {
    return; // a third one: this line is busy
  } else if (kind === "answer") {
    await peer.setRemoteDescription(body);
  } else if (kind === "candidate") {
    await peer.addIceCandidate(body);
  } else if (kind === "bye") {
    end();
  }
}

signals.on("error", problem);
signals.on("message", ({ data }) => {
  if (!fits(data, { by: "string", kind: "string" }) || data.by === me.id) return;
  if (data.to && data.to !== me.id) return;
  show("←", data);
  turn = turn
    .then(() => heard(data))
    .catch((error) => {
      problem(error);
      end();
    });
});

$("#say").addEventListener("submit", (event) => {
  event.preventDefault();
  const text = $("#text").value;
  wire.send(JSON.stringify({ text }));
  append($("#log"), copy("#mine", { p: text }));
  $("#text").value = "";
});

$("#call").addEventListener("click", () => {
  signal(peer ? "bye" : "hello");
  if (peer) end();
});

setInterval(() => {
  if (wire?.readyState === "open") wire.send(JSON.stringify({ ping: performance.now() }));
}, 1000);
step("alone");
signal("hello");
