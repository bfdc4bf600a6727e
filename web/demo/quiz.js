// A quiz: the master's questions to all, everybody's answers to the master.

import { $, colour, connect, copy, fits, heardBackend, me, problem } from "./demo.js";

const fw = connect();
const quiz = fw.subscribe("demo.quiz", { last: 1 });
const answers = "demo.quiz.answers"; // only the master needs to hear these
let asked = null;
let chosen = null;

quiz.on("message", heardBackend);
quiz.on("message", ({ data, timestamp }) => {
  if (fits(data, { round: "number", question: "string", options: "array", open_ms: "number" })) {
    ask(data, timestamp);
  } else if (fits(data, { round: "number", right: "number", votes: "array", ranks: "array" })) {
    tell(data);
  }
});

function ask(question, timestamp) {
  asked = { ...question, until: timestamp + question.open_ms };
  chosen = null;
  $("#round").textContent = `Question ${question.round}`;
  $("#question").textContent = question.question;
  $("#verdict").textContent = "";
  const buttons = question.options.slice(0, 6).map((text, choice) => {
    const button = copy("#option", { span: "ABCDEF"[choice], b: text });
    button.addEventListener("click", () => answer(choice));
    return button;
  });
  $("#options").replaceChildren(...buttons);
}

function answer(choice) {
  if (chosen !== null) return;
  chosen = choice;
  mark((i) => (i === choice ? "chosen" : "other"));
  const said = { round: asked.round, by: me.id, name: me.name, choice };
  // The key makes a repeat harmless: after a lost connection the first answer counts, once.
  const idempotencyKey = `${me.id}-${asked.round}`;
  fw.publish(answers, said, { idempotencyKey }).catch(problem);
}

function mark(word) {
  [...$("#options").children].forEach((button, i) => {
    button.disabled = true;
    button.dataset.mark = word(i);
  });
}

function tell({ round, right, votes, ranks, question, options }) {
  if (
    round !== asked?.round &&
    fits({ question, options }, { question: "string", options: "array" })
  ) {
    ask({ round, question, options, open_ms: 0 }, Date.now()); // who comes now sees how it ended
  }
  asked.until = 0;
  mark((i) => (i === right ? "right" : i === chosen ? "wrong" : "other"));
  const all = votes.reduce((sum, n) => sum + Number(n), 0);
  [...$("#options").children].forEach((button, i) => {
    button.querySelector("i").textContent = votes[i] ?? 0;
    button.style.setProperty("--part", all ? (votes[i] ?? 0) / all : 0);
  });
  if (chosen !== null) $("#verdict").textContent = chosen === right ? "Right!" : "Not this time.";
  const rows = ranks
    .slice(0, 10)
    .filter((rank) => fits(rank, { by: "string", name: "string", points: "number" }));
  $("#ranks").replaceChildren(
    ...rows.map(({ by, name, points }) => {
      const row = copy("#rank", { b: by === me.id ? `${name} (you)` : name, ".value": points });
      row.style.setProperty("--hue", colour(by));
      return row;
    }),
  );
}

setInterval(() => {
  const left = asked ? (asked.until - Date.now()) / asked.open_ms : 0;
  $("#left").value = Math.min(1, Math.max(0, left || 0));
}, 100);

$("#name").value = me.name;
$("#name").addEventListener("change", () => {
  me.name = $("#name").value.trim() || me.name;
});
