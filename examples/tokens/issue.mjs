// Issues tokens for Fanwire with nothing but Node. Your backend calls `tokenFor` where it knows who
// asks: in an endpoint behind its own login. By hand:
//
//   FANWIRE_JWT_KEYS=hs256:... node issue.mjs ann 'room.*'

import { createHmac } from "node:crypto";
import { pathToFileURL } from "node:url";

const secret = process.env.FANWIRE_JWT_KEYS?.match(/^hs256:([^,@]+)/)?.[1];

const encode = (value) => Buffer.from(JSON.stringify(value)).toString("base64url");

// A token for this user, good for an hour: which channels to hear, which to publish to.
export function tokenFor(user, { subscribe = [], publish = [], seconds = 3600, ...more } = {}) {
  if (!secret) throw new Error("FANWIRE_JWT_KEYS has no secret that begins with hs256:");
  const now = Math.floor(Date.now() / 1000);
  const claims = { sub: user, iat: now, exp: now + seconds, subscribe, publish, ...more };
  const message = `${encode({ alg: "HS256", typ: "JWT" })}.${encode(claims)}`;
  return `${message}.${createHmac("sha256", secret).update(message).digest("base64url")}`;
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [user, ...channels] = process.argv.slice(2);
  if (!user) throw new Error("usage: node issue.mjs USER [CHANNEL...]");
  console.log(tokenFor(user, { subscribe: channels, publish: channels }));
}
