// The buses of a small town, driving to and fro.

const STEP_MS = 500;
const LINES_EVERY = 60; // steps
const BUSES_PER_LINE = 3;
const LINES = {
  1: [
    [150, 60],
    [150, 300],
    [500, 300],
    [680, 300],
    [680, 140],
    [940, 140],
  ],
  2: [
    [40, 560],
    [330, 560],
    [330, 300],
    [330, 140],
    [60, 140],
  ],
  7: [
    [500, 60],
    [500, 300],
    [500, 560],
    [860, 560],
    [860, 320],
    [860, 60],
  ],
  5: [
    [60, 640],
    [500, 640],
    [680, 640],
    [680, 435],
    [500, 320],
    [150, 96],
  ],
};
const STOPS = ["Harbour", "Market", "Old Mill", "Station", "Park", "Museum", "Hospital", "Hill"];

export async function run(fanwire, sleep) {
  const buses = Object.entries(LINES).flatMap(([line, stops], row) =>
    Array.from({ length: BUSES_PER_LINE }, (_, i) => ({
      bus: `bus ${line}${i + 1}`,
      line,
      stops,
      row,
      at: (i * length(stops)) / BUSES_PER_LINE,
      way: 1,
    })),
  );
  for (let step = 0; ; step += 1) {
    const items = buses.map((bus) => ({ channel: "demo.map", key: bus.bus, data: drive(bus) }));
    if (step % LINES_EVERY === 0) {
      for (const [line, stops] of Object.entries(LINES)) {
        items.push({ channel: "demo.map.lines", key: line, data: { line, stops } });
      }
    }
    await fanwire.publish(...items);
    await sleep(STEP_MS);
  }
}

const far = ([ax, ay], [bx, by]) => Math.hypot(bx - ax, by - ay);
const length = (stops) => stops.slice(1).reduce((sum, stop, i) => sum + far(stops[i], stop), 0);

// Half a second on the way; at the end of the line it turns round.
function drive(bus) {
  const kmh = 24 + 14 * Math.sin(bus.at / 60 + bus.row);
  bus.at += (bus.way * kmh) / 2;
  const end = length(bus.stops);
  if (bus.at <= 0 || bus.at >= end) bus.way = -bus.way;
  bus.at = Math.min(Math.max(bus.at, 0), end);
  let [left, i] = [bus.at, 0];
  while (i < bus.stops.length - 2 && left > far(bus.stops[i], bus.stops[i + 1])) {
    left -= far(bus.stops[i], bus.stops[i + 1]);
    i += 1;
  }
  const [from, to] = [bus.stops[i], bus.stops[i + 1]];
  const part = left / far(from, to);
  const [x, y] = [0, 1].map((axis) => Math.round(from[axis] + (to[axis] - from[axis]) * part));
  const next = STOPS[(i + bus.row * 2 + (bus.way > 0 ? 1 : 0)) % STOPS.length];
  return { bus: bus.bus, line: bus.line, next, x, y, kmh };
}
