// A text that many write at once. The channel's order is the only judge: everybody shifts every
// edit by those that its writer had not seen, in the same order, and so comes to the same text.

import { $, append, connect, copy, fits, me, problem, room } from "./demo.js";

const IDLE_MS = 1500;
const WHOLE_EVERY = 30;
const MOST = 4000;
const EDIT = { by: "string", at: "number", cut: "number", add: "string" };

const area = $("#text");
const fw = connect();
const paper = fw.subscribe(`demo.editor.${room}`, { last: 100 });
let agreed = ""; // the text after all edits that were heard
let seen = []; // these edits: position, and where they fell
let flying = false; // one edit of ours is on its way
let edits = 0;
let idle = 0;

const patch = (text, { at, cut, add }) =>
  (text.slice(0, at) + add + text.slice(at + cut)).slice(0, MOST);

// What has to be done to `from` to have `to`.
function difference(from, to) {
  let at = 0;
  while (at < from.length && at < to.length && from[at] === to[at]) at += 1;
  let same = 0;
  const most = Math.min(from.length, to.length) - at;
  while (same < most && from.at(-1 - same) === to.at(-1 - same)) same += 1;
  return { at, cut: from.length - at - same, add: to.slice(at, to.length - same) };
}

// Where a place is after an edit: behind what was put in before it.
function shift(place, { at, cut, add }, before) {
  if (place < at || (place === at && before)) return place;
  return place >= at + cut ? place + add.length - cut : at + add.length;
}

function after(edit, earlier) {
  const first = !edit.cut && edit.by < earlier.by; // of two who put something in at one place
  const at = shift(edit.at, earlier, first);
  const end = edit.cut ? shift(edit.at + edit.cut, earlier, true) : at;
  return { ...edit, at, cut: Math.max(0, end - at) };
}

paper.on("message", ({ id, data }) => {
  if (fits(data, { by: "string", text: "string" })) return whole(data);
  if (!fits(data, EDIT)) return;
  const from = seen.findIndex(({ position }) => position === data.base) + 1;
  const edit = seen.slice(from).reduce(after, data);
  const own = data.by === me.id;
  const mine = { by: me.id, ...difference(agreed, area.value) };
  agreed = patch(agreed, edit);
  seen = [...seen, { ...edit, position: id }].slice(-200);
  if (own) flying = false;
  else show(patch(agreed, after(mine, edit)), edit);
  note(own ? "You" : data.name, edit.add ? `wrote “${edit.add}”` : `took out ${edit.cut}`);
  edits += 1;
  clearTimeout(idle);
  if (own) idle = setTimeout(tellWhole, edits % WHOLE_EVERY ? IDLE_MS : 0);
  write();
});

// Somebody wrote down all of it: who has just come has that, and the edits since. Whoever was here
// has the same already.
function whole({ base, text }) {
  const since = seen.findIndex(({ position }) => position === base) + 1;
  const now = seen.slice(since).reduce(patch, text.slice(0, MOST));
  if (now === agreed) return;
  agreed = now;
  show(agreed);
}

function show(text, edit) {
  const places = [area.selectionStart, area.selectionEnd];
  const [start, end] = places.map((place) => (edit ? shift(place, edit, true) : place));
  area.value = text;
  if (document.activeElement === area) area.setSelectionRange(start, end);
}

// Sends what was typed since: one edit at a time, so that all of ours before it have been heard.
function write() {
  const edit = difference(agreed, area.value);
  const nothing = !edit.cut && !edit.add;
  $("#size").textContent = `${area.value.length} characters`;
  $("#saved").textContent = nothing ? "everybody has this" : "sending";
  if (flying || nothing) return;
  flying = true;
  const base = seen.at(-1)?.position ?? null;
  paper.publish({ by: me.id, name: me.name, base, ...edit }).catch((error) => {
    flying = false;
    problem(error);
  });
}

function tellWhole() {
  const base = seen.at(-1)?.position ?? null;
  paper.publish({ by: me.id, base, text: agreed }, { skipSelf: true }).catch(problem);
}

function note(name, what) {
  append($("#edits"), copy("#edit", { b: name, span: what }), 40);
}

area.addEventListener("input", write);
paper.on("error", problem);
paper.on("state", ({ state }) => {
  if (state === "joined") area.disabled = false;
});
