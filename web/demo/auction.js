// An auction: bids are wishes, the auctioneer's word is the state.

import { $, colour, connect, copy, fits, heardBackend, make, me, problem, time } from "./demo.js";

const RAISES = [10, 50, 100];
const LOT = {
  lot: "number",
  title: "string",
  price: "number",
  open_ms: "number",
  sold: "boolean",
  bids: "array",
};
const BID = { by: "string", name: "string", amount: "number", at: "number" };
const euros = (amount) => `€ ${amount.toLocaleString("en")}`;

const fw = connect();
const auction = fw.subscribe("demo.auction", { last: 1, mode: "latest" });
let lot = null;
let until = 0;

auction.on("message", heardBackend);
auction.on("message", ({ data, timestamp }) => {
  if (!fits(data, LOT)) return;
  lot = data;
  until = timestamp + data.open_ms;
  const bids = data.bids.filter((bid) => fits(bid, BID)).slice(0, 20);
  const who = bids[0] && (bids[0].by === me.id ? "You" : bids[0].name);
  $("#number").textContent = `Lot ${data.lot}`;
  $("#title").textContent = data.title;
  $("#price").textContent = euros(data.price);
  $("#leader").textContent = leader(who, data.sold);
  document.body.classList.toggle("sold", data.sold);
  $("#bids").replaceChildren(
    ...bids.map(({ by, name, amount, at }) => {
      const row = copy("#bid", {
        b: by === me.id ? "You" : name,
        p: time(at),
        ".value": euros(amount),
      });
      row.style.setProperty("--hue", colour(by));
      return row;
    }),
  );
  for (const button of $("#raises").children) button.disabled = data.sold || bids[0]?.by === me.id;
});

function leader(who, sold) {
  if (!who) return sold ? "Nobody wanted it" : "No bid yet";
  return sold ? `Sold to ${who}` : `${who} ${who === "You" ? "lead" : "leads"}`;
}

function bid(raise) {
  const amount = lot.price + raise;
  const said = { lot: lot.lot, by: me.id, name: me.name, amount };
  // With this key a repeat after a lost connection is no second bid.
  fw.publish("demo.auction.bids", said, { idempotencyKey: `${me.id}-${lot.lot}-${amount}` }).catch(
    problem,
  );
}

for (const raise of RAISES) {
  const button = make("button", { disabled: true }, `+ ${euros(raise)}`);
  button.addEventListener("click", () => bid(raise));
  $("#raises").append(button);
}

setInterval(() => {
  if (!lot) return;
  const left = lot.sold ? 0 : Math.max(0, until - Date.now());
  $("#left").value = left / Math.max(lot.open_ms, 1);
  $("#clock").textContent = lot.sold
    ? "The hammer has fallen"
    : `${(left / 1000).toFixed(1)} s left`;
}, 100);

$("#name").value = me.name;
$("#name").addEventListener("change", () => {
  me.name = $("#name").value.trim() || me.name;
});
