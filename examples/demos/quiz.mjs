// The quiz master: asks, counts the first answer of every player, tells who was right.

import { fits } from "./fanwire.mjs";

const OPEN_MS = 10_000;
const SHOW_MS = 4000;
const READ_MS = 250;
const POINTS = 10;
const KEPT = 10_000; // players whose points are known; beyond it the longest known go
const QUESTIONS = [
  ["Which planet turns the fastest?", ["Earth", "Jupiter", "Mars", "Venus"], 1],
  [
    "How many bytes has the head of a short WebSocket frame from the server?",
    ["2", "6", "8", "14"],
    0,
  ],
  ["Which of these is not a prime number?", ["89", "91", "97", "101"], 1],
  ["Where was the first public telephone exchange?", ["Paris", "London", "New Haven", "Vienna"], 2],
  ["Which metal is liquid at 30 °C?", ["Gallium", "Tin", "Zinc", "Lead"], 0],
  ["What does HTTP status 429 say?", ["Gone", "Teapot", "Too early", "Too many requests"], 3],
];

export async function run(fanwire, sleep, speed) {
  const players = new Map(); // id -> name and points
  const read = await fanwire.reader("demo.quiz.answers");
  for (let round = 1; ; round += 1) {
    const [question, options, right] = QUESTIONS[(round - 1) % QUESTIONS.length];
    const open_ms = Math.round(OPEN_MS / speed);
    await fanwire.publish({ channel: "demo.quiz", data: { round, question, options, open_ms } });
    const answers = new Map(); // player -> choice
    for (const end = Date.now() + open_ms; Date.now() < end;) {
      await sleep(READ_MS);
      for (const { data } of await read()) answer(data, round, options, answers, players);
    }
    for (const [by, choice] of answers) {
      if (choice === right) players.get(by).points += POINTS;
    }
    const votes = options.map(
      (_, i) => [...answers.values()].filter((choice) => choice === i).length,
    );
    const best = [...players].sort(([, a], [, b]) => b.points - a.points).slice(0, 10);
    const ranks = best.map(([by, player]) => ({ by, ...player }));
    await fanwire.publish({
      channel: "demo.quiz",
      data: { round, question, options, right, votes, ranks },
    });
    await sleep(SHOW_MS);
  }
}

function answer(data, round, options, answers, players) {
  if (!fits(data, { round: "number", by: "string", name: "string", choice: "number" })) return;
  const { by, name, choice } = data;
  if (data.round !== round || answers.has(by) || options[choice] === undefined) return;
  answers.set(by, choice);
  const points = players.get(by)?.points ?? 0;
  players.delete(by);
  players.set(by, { name: name.slice(0, 30), points });
  if (players.size > KEPT) players.delete(players.keys().next().value);
}
