// A greenhouse that does what it is told, and tells how it is.

import { fits } from "./fanwire.mjs";

const STEP_MS = 200;
const STEPS_PER_REPORT = 5;
const OUTSIDE = 9;

export async function run(fanwire, sleep) {
  const state = { celsius: 18.5, target: 21, heating: false, lamp: false, window: false };
  const read = await fanwire.reader("demo.device.commands");
  const tell = (done) => fanwire.publish({ channel: "demo.device", data: { ...state, done } });
  for (let step = 0; ; step += 1) {
    for (const { id, data } of await read()) {
      obey(state, data);
      await tell(id);
    }
    live(state);
    if (step % STEPS_PER_REPORT === 0) await tell(null);
    await sleep(STEP_MS);
  }
}

// What is not a command of ours changes nothing.
function obey(state, data) {
  if (!fits(data, { set: "string" })) return;
  const { set, to } = data;
  if (set === "target" && typeof to === "number") state.target = Math.min(Math.max(to, 5), 40);
  if ((set === "lamp" || set === "window") && typeof to === "boolean") state[set] = to;
}

function live(state) {
  if (state.celsius < state.target - 0.3) state.heating = true;
  if (state.celsius > state.target + 0.3) state.heating = false;
  const leak = (state.celsius - OUTSIDE) * (state.window ? 0.012 : 0.003);
  const warmth = (state.heating ? 0.16 : 0) + (state.lamp ? 0.02 : 0);
  state.celsius += warmth - leak + (Math.random() - 0.5) / 20;
}
