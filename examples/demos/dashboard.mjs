// Reads the metrics once a second and publishes what a dashboard shows. One reader for any number
// of dashboards.

const EVERY_MS = 1000;
const GAUGES = {
  connections: "fanwire_connections",
  subscriptions: "fanwire_subscriptions",
  history: "fanwire_history_bytes",
  channels: "fanwire_channels",
};
const RATES = {
  delivered: "fanwire_deliveries_total",
  published: "fanwire_publications_total",
  sent: "fanwire_bytes_sent_total",
  processor: "fanwire_worker_busy_seconds_total",
};

// A line of the Prometheus text is a name, perhaps labels, and a number; labels are summed up.
function totals(text) {
  const found = new Map();
  for (const [, name, value] of text.matchAll(/^([a-z_]+)(?:\{.*\})? (\S+)$/gm)) {
    found.set(name, (found.get(name) ?? 0) + Number(value));
  }
  return found;
}

export async function run(fanwire, sleep) {
  let before = null;
  let beforeMs = 0;
  for (;;) {
    const now = totals(await fanwire.ask("GET", "/metrics"));
    const nowMs = performance.now();
    const data = {};
    for (const [word, name] of Object.entries(GAUGES)) data[word] = now.get(name);
    for (const [word, name] of Object.entries(RATES)) {
      if (before) data[word] = ((now.get(name) - before.get(name)) * 1000) / (nowMs - beforeMs);
    }
    if (before) await fanwire.publish({ channel: "demo.dashboard", data });
    [before, beforeMs] = [now, nowMs];
    await sleep(EVERY_MS);
  }
}
