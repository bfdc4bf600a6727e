// A Node `ws` client on a string, for test_peers.py: commands as JSON lines on standard input, what
// happens as JSON lines on standard output.
//
//   node peer.mjs URL [--plain] [--protocol NAME]

import { createInterface } from "node:readline";
import { parseArgs } from "node:util";
import { WebSocket } from "ws";

const { positionals, values } = parseArgs({
  allowPositionals: true,
  options: { plain: { type: "boolean" }, protocol: { type: "string" } },
});

const tell = (event) => process.stdout.write(`${JSON.stringify(event)}\n`);
const payload = (data, binary) =>
  binary ? { binary: data.toString("base64") } : { text: data.toString("utf8") };

const socket = new WebSocket(positionals[0], values.protocol ? [values.protocol] : [], {
  perMessageDeflate: !values.plain,
});

socket.on("open", () =>
  tell({ event: "open", protocol: socket.protocol, extensions: socket.extensions }),
);
socket.on("message", (data, binary) => tell({ event: "message", ...payload(data, binary) }));
socket.on("pong", (data) => tell({ event: "pong", text: data.toString("utf8") }));
socket.on("unexpected-response", (_, answer) => tell({ event: "refused", code: answer.statusCode }));
socket.on("error", (error) => tell({ event: "error", text: String(error) }));
socket.on("close", (code, reason) => {
  tell({ event: "close", code, reason: reason.toString("utf8") });
  process.stdin.destroy();
});

createInterface({ input: process.stdin }).on("line", (line) => {
  const command = JSON.parse(line);
  if (command.do === "text") socket.send(command.text);
  if (command.do === "binary") socket.send(Buffer.from(command.binary, "base64"));
  if (command.do === "ping") socket.ping(command.text);
  if (command.do === "close") socket.close(command.code, command.reason);
});
