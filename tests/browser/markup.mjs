// What each demo hears, as messages that are right: the tests make wrong ones of them.

const LOT = { lot: 1, title: "A clock", price: 120, open_ms: 9000, sold: false };
const LINE = {
  colour: "red",
  width: 5,
  begun: 1,
  points: [
    [10, 10],
    [90, 90],
  ],
};
const QUESTION = { round: 1, question: "Which?", options: ["This", "That"] };
const GREENHOUSE = { celsius: 20, target: 21, heating: true, lamp: true, window: true, done: null };
const who = { by: "stranger", name: "Ann" };

/** By page: channels that it hears, each with messages in their order. */
export const HEARD = {
  auction: [["demo.auction", { ...LOT, bids: [{ ...who, amount: 120, at: 1 }] }]],
  board: [
    ["demo.board.markup", { ...who, ...LINE }],
    ["demo.board.markup.live", { ...who, ...LINE }],
  ],
  call: [["demo.call.markup", { by: "stranger", to: null, kind: "hello", body: { sdp: "v=0" } }]],
  chat: [
    ["demo.chat.markup", { ...who, connection: "c1", text: "Hello" }],
    ["demo.chat.markup.typing", { ...who, connection: "c1" }],
  ],
  dashboard: [["demo.dashboard", { connections: 1, history: 2, processor: 0.1 }]],
  device: [
    ["demo.device", GREENHOUSE],
    ["demo.device.commands", { ...who, set: "lamp", to: true }],
  ],
  editor: [["demo.editor.markup", { ...who, base: null, at: 0, cut: 0, add: "text" }]],
  game: [
    ["demo.game.markup.gems", { ...who, gem: 0 }],
    ["demo.game.markup.places", { ...who, x: 10, y: 10 }],
  ],
  map: [
    [
      "demo.map.lines",
      {
        line: "1",
        stops: [
          [1, 1],
          [9, 9],
        ],
      },
    ],
    ["demo.map", { bus: "bus 1", line: "1", next: "Park", x: 1, y: 2, kmh: 30 }],
  ],
  notifications: [
    ["demo.user.ann", { title: "Parcel", text: "is here" }],
    ["demo.user.ann", { read: ["k:1"] }],
  ],
  quiz: [
    ["demo.quiz", { ...QUESTION, open_ms: 9000 }],
    ["demo.quiz", { ...QUESTION, right: 0, votes: [1, 2], ranks: [{ ...who, points: 10 }] }],
  ],
  scores: [
    [
      "demo.scores",
      { match: "m1", minute: 9, home: "Ash", away: "Elm", score: [0, 1], over: false },
    ],
    ["demo.scores.events", { minute: 9, title: "Ash – Elm", text: "Goal", goal: true }],
  ],
  stream: [
    ["demo.stream.markup.reactions", { sign: "★" }],
    ["demo.stream.markup.poll", { by: "stranger", choice: 1 }],
  ],
  support: [
    ["demo.support.markup", { event: "asked", case: "c1", name: "Ann", topic: "Parcel" }],
    ["demo.support.markup", { event: "taken", case: "c1", agent: "a1", name: "Ben" }],
  ],
  telemetry: [["demo.telemetry", "<b>no bytes</b>"]],
  ticker: [
    ["demo.ticker", { symbol: "OIL", price: 70, open: 71 }],
    ["demo.blocks", { height: 1, hash: "cafe", transactions: 9 }],
  ],
};

/** Runs for whoever takes it for markup. */
export const MARKUP =
  '<img src=x onerror="window.hacked=1"><svg onload="window.hacked=2"></svg><script>window.hacked=3</script>';

const NONSENSE = [null, MARKUP, -1, 1e308, [], {}, [null], true, "__proto__", "constructor"];

/** Copies of `value` with one place in it replaced by each of `others`, if it is as `only` says. */
function* replaced(value, others, only = () => true) {
  if (only(value)) yield* others;
  if (value === null || typeof value !== "object") return;
  for (const field of Object.keys(value)) {
    for (const part of replaced(value[field], others, only)) {
      const copy = structuredClone(value);
      copy[field] = part;
      yield copy;
    }
  }
}

const isText = (value) => typeof value === "string" && !["asked", "taken", "hello"].includes(value);

/** Right but for markup in the place of one text. */
export const withMarkup = (data) => [...replaced(data, [MARKUP], isText)];

/** Wrong in one place each, or altogether. */
export const nonsense = (data) => [...replaced(data, NONSENSE)];
