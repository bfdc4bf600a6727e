// Issues tokens for Fanwire with a private key, by the library `jose` (npm install jose): the server
// has the public key only, and can verify tokens but not make any. By hand:
//
//   node issue-es256.mjs private.pem fanwire ann 'room.*'

import { readFile } from "node:fs/promises";
import { pathToFileURL } from "node:url";
import { SignJWT, importPKCS8 } from "jose";

// A token for this user, good for an hour, for the server whose jwt_audience this is.
export async function tokenFor(user, { privateKey, audience, subscribe = [], publish = [] }) {
  return new SignJWT({ subscribe, publish })
    .setProtectedHeader({ alg: "ES256", typ: "JWT" })
    .setSubject(user)
    .setAudience(audience)
    .setIssuedAt()
    .setExpirationTime("1h")
    .sign(await importPKCS8(privateKey, "ES256"));
}

if (import.meta.url === pathToFileURL(process.argv[1]).href) {
  const [file, audience, user, ...channels] = process.argv.slice(2);
  if (!user) throw new Error("usage: node issue-es256.mjs FILE AUDIENCE USER [CHANNEL...]");
  const privateKey = await readFile(file, "utf8");
  const rights = { subscribe: channels, publish: channels };
  console.log(await tokenFor(user, { privateKey, audience, ...rights }));
}
