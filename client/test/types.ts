// Compiled by package.test.mjs against the installed package: what is right compiles, and what is
// wrong does not.

import { Fanwire, FanwireError } from "fanwire";
import type { Gap, Message, Options, Published, Subscription } from "fanwire";

interface Chat {
  text: string;
}

interface Channels {
  [room: `room.${string}`]: Chat;
  prices: { gold: number };
}

const options: Options = { token: async () => null, maxQueue: 10, storage: localStorage };
export const fw = new Fanwire<Channels>("wss://example.com/ws", options);

// By the name of the channel.
const room = fw.subscribe("room.7", { last: 50, presence: true });
room.on("message", ({ data, from }) => `${from ?? "somebody"}: ${data.text.trim()}`);
export const prices: Subscription<{ gold: number }> = fw.subscribe("prices", { mode: "latest" });
export const sent: Promise<Published> = fw.publish("room.7", { text: "hello" });
// @ts-expect-error not what goes into this channel
void fw.publish("prices", { gold: "much" });
// @ts-expect-error nor there
void room.publish({ txt: "hello" });

// By hand, where names are not known.
const scores = fw.subscribe<{ home: number }>("match.3");
scores.on("message", ({ data }) => data.home + 1);
// @ts-expect-error there is no such event
scores.on("massage", () => {});
// @ts-expect-error nor such a mode
fw.subscribe("x", { mode: "newest" });

const off: () => void = fw.on("state", ({ state, reason, delay = 0 }) => [
  state,
  reason,
  delay / 2,
]);
off();
fw.on("broadcast", (message: Message) => message.id);
fw.on("gap", ({ after, to, missed }: Gap) => [after, to, missed ?? 0]);
fw.on("error", (error) => error instanceof FanwireError && error.code);

export async function read(): Promise<string> {
  for await (const { data } of room) return data.text;
  const { messages } = await fw.history<Chat>("room.7", { limit: 10 });
  const { count, members } = await fw.presence("room.7");
  return `${messages[0]?.data.text} ${count} ${members?.[0]?.user} ${room.members.get("ann")?.user}`;
}

// An untyped client takes everything.
export const loose = new Fanwire();
void loose.publish("anything", [1, 2, new Date()]);
loose.subscribe("anything").on("message", ({ data }) => data.whatever.there.is);
