// The reporter at the field: four matches at a time, a minute every two seconds.

const MINUTE_MS = 2000;
const PLAY = 90;
const GAMES = [
  ["Northport", "Ashford"],
  ["River City", "Old Mill"],
  ["Highgate", "Saltmarsh"],
  ["Union East", "Lakeside"],
];
const CHANCES = [
  "hits the post",
  "forces a fine save",
  "wins a corner",
  "is flagged offside",
  "shoots wide",
];

const any = (list) => list[Math.floor(Math.random() * list.length)];

export async function run(fanwire, sleep) {
  for (;;) {
    const matches = GAMES.map(([home, away], i) => ({
      match: `m${i + 1}`,
      home,
      away,
      score: [0, 0],
      minute: 12 + i * 7,
      over: false,
    }));
    while (matches.some(({ over }) => !over)) {
      await fanwire.publish(...matches.flatMap(minute));
      await sleep(MINUTE_MS);
    }
    await sleep(MINUTE_MS * 3);
  }
}

// What one minute of a match is worth telling.
function minute(match) {
  if (match.over) return [];
  match.minute += 1;
  match.over = match.minute >= PLAY;
  const side = Math.random() < 0.5 ? 0 : 1;
  const team = [match.home, match.away][side];
  const title = `${match.home} – ${match.away}`;
  const items = [{ channel: "demo.scores", key: match.match, data: match }];
  if (Math.random() < 0.07) {
    match.score[side] += 1;
    items.push(event(match, title, `Goal for ${team}! ${match.score.join(" : ")}`, true));
  } else if (Math.random() < 0.2) {
    items.push(event(match, title, `${team} ${any(CHANCES)}.`, false));
  } else if (match.over) {
    items.push(event(match, title, `Full time, ${match.score.join(" : ")}.`, false));
  }
  return items;
}

function event(match, title, text, goal) {
  return { channel: "demo.scores.events", data: { minute: match.minute, title, text, goal } };
}
