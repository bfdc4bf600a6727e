// The auctioneer: takes the bids in the order of their channel, and says after each how it stands.

import { fits } from "./fanwire.mjs";

const OPEN_MS = 25_000;
const AGAIN_MS = 6000; // a bid in the last seconds gives everybody so long to think
const SHOW_MS = 5000;
const READ_MS = 150;
const LEAST = 10; // what a bid must add
const MOST = 1_000_000;
const LOTS = [
  ["A brass ship's clock, still keeping time", 120],
  ["Box of forty-five rotary telephones", 60],
  ["Map of the harbour, drawn by hand in 1887", 240],
  ["A bicycle for three", 90],
];

export async function run(fanwire, sleep, speed) {
  const read = await fanwire.reader("demo.auction.bids");
  for (let lot = 1; ; lot += 1) {
    const [title, start] = LOTS[(lot - 1) % LOTS.length];
    const state = { lot, title, price: start, bids: [], sold: false, open_ms: 0 };
    const tell = () => fanwire.publish({ channel: "demo.auction", key: "lot", data: state });
    let end = Date.now() + OPEN_MS / speed;
    state.open_ms = Math.round(end - Date.now());
    await tell();
    while (Date.now() < end) {
      await sleep(READ_MS);
      for (const { data, timestamp } of await read()) {
        if (!accept(state, data, timestamp)) continue;
        end = Math.max(end, Date.now() + AGAIN_MS / speed);
        state.open_ms = Math.round(end - Date.now());
        await tell();
      }
    }
    state.sold = true;
    await tell();
    await sleep(SHOW_MS);
  }
}

// The first of two equal bids has it: the second no longer adds anything.
function accept(state, data, at) {
  const shape = { lot: "number", by: "string", name: "string", amount: "number" };
  if (!fits(data, shape) || data.lot !== state.lot) return false;
  if (!(data.amount >= state.price + LEAST && data.amount <= MOST)) return false;
  state.price = data.amount;
  state.bids.unshift({ by: data.by, name: data.name.slice(0, 30), amount: data.amount, at });
  state.bids.length = Math.min(state.bids.length, 12);
  return true;
}
