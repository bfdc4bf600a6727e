// Prices for a quick reader and for a slow one, and blocks of which none may be missing.

import { $, append, connect, copy, curve, fits, heardBackend, keep, time } from "./demo.js";

const POINTS = 60;

// Shows what one connection hears of the prices, at most `maxRate` rounds a second.
function board(name, maxRate) {
  const fw = connect();
  const prices = fw.subscribe("demo.ticker", { mode: "latest", last: 100, maxRate });
  const rows = new Map(); // symbol -> its row and what it was worth
  let heard = 0;
  prices.on("message", heardBackend);
  prices.on("message", ({ data }) => {
    if (!fits(data, { symbol: "string", price: "number", open: "number" })) return;
    heard += 1;
    $(`#${name}-heard`).textContent = `${heard} heard`;
    if (!rows.has(data.symbol)) {
      const row = copy("#price", { th: data.symbol });
      keep(rows, data.symbol, { row, values: [] }, 20);
      $(`#${name}`).replaceChildren(...[...rows.keys()].sort().map((key) => rows.get(key).row));
    }
    draw(rows.get(data.symbol), data);
  });
  return fw;
}

function draw({ row, values }, { price, open }) {
  const up = price >= (values.at(-1) ?? open);
  values.push(price);
  if (values.length > POINTS) values.shift();
  const change = (price / open - 1) * 100;
  row.querySelector(".value").textContent = price.toFixed(price < 10 ? 4 : 2);
  row.querySelector(".change").textContent = `${change < 0 ? "" : "+"}${change.toFixed(2)} %`;
  row.querySelector("path").setAttribute("d", curve(values, 90, 24));
  row.dataset.trend = change < 0 ? "down" : "up";
  row.classList.remove("rose", "fell");
  requestAnimationFrame(() => row.classList.add(up ? "rose" : "fell"));
}

const quick = board("quick", 10);
board("slow", 0.5);

const blocks = quick.subscribe("demo.blocks", { last: 12 });
blocks.on("message", ({ data, timestamp }) => {
  if (!fits(data, { height: "number", hash: "string", transactions: "number" })) return;
  const texts = { b: `#${data.height}`, span: `${data.transactions} transactions` };
  append(
    $("#blocks"),
    copy("#block", { ...texts, small: `${data.hash.slice(0, 8)} ${time(timestamp)}` }),
    12,
  );
  $("#blocks").scrollLeft = $("#blocks").scrollWidth;
});
blocks.on("gap", ({ missed }) =>
  append($("#blocks"), copy("#block", { b: `${missed ?? "some"} missed` }), 12),
);
