// The source of the ticker: prices that wander, and now and then a block.

import { randomBytes } from "node:crypto";

const TICK_MS = 100;
const TICKS_PER_BLOCK = 60;
const MARKET = {
  "BTC/EUR": 58_420,
  "ETH/EUR": 2310,
  "EUR/USD": 1.0832,
  "EUR/JPY": 162.4,
  GOLD: 2381.5,
  OIL: 78.12,
  DAX: 18_402,
  CORN: 4.512,
};

export async function run(fanwire, sleep) {
  const prices = { ...MARKET };
  let height = 870_000;
  for (let tick = 0; ; tick += 1) {
    const symbols = Object.keys(MARKET).filter(() => Math.random() < 0.6);
    const items = symbols.map((symbol) => {
      prices[symbol] *=
        1 + (Math.random() - 0.5) / 700 + (1 - prices[symbol] / MARKET[symbol]) / 500;
      const data = { symbol, price: Number(prices[symbol].toPrecision(6)), open: MARKET[symbol] };
      return { channel: "demo.ticker", key: symbol, data };
    });
    if (tick % TICKS_PER_BLOCK === 0) {
      const transactions = 900 + Math.floor(Math.random() * 2600);
      const data = { height: height++, hash: randomBytes(16).toString("hex"), transactions };
      items.push({ channel: "demo.blocks", data });
    }
    if (items.length) await fanwire.publish(...items);
    await sleep(TICK_MS);
  }
}
