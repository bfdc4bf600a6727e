// The real server and Debian's nginx in front of it, with the configuration that is shipped.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { openSync, readFileSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";

const { FANWIRE, FOLDER } = process.env;
const READY_MS = 15_000;
const CONFIGURATION = new URL("../../deploy/nginx.conf", import.meta.url);

export const SECRET = "0123456789abcdef0123456789abcdef";
export const certificate = readFileSync(join(FOLDER, "certificate.pem"));

async function freePort() {
  const probe = createServer().listen(0, "127.0.0.1");
  await once(probe, "listening");
  const { port } = probe.address();
  probe.close();
  await once(probe, "close");
  return port;
}

// Asks until the answer is as wanted; whatever `question` waits for is the pace.
export async function until(question, what) {
  const deadline = Date.now() + READY_MS;
  for (;;) {
    if (await question()) return;
    if (Date.now() > deadline) throw new Error(`not within ${READY_MS} ms: ${what}`);
  }
}

// What a test starts; ended by its own id.
class Program {
  constructor(name, command, args) {
    this.log = join(FOLDER, `${name}.log`);
    this.child = spawn(command, args, { stdio: ["ignore", "pipe", openSync(this.log, "a")] });
    this.ended = once(this.child, "exit");
  }

  async stop(signal = "SIGTERM") {
    if (this.child.exitCode === null && this.child.signalCode === null) this.child.kill(signal);
    const [code] = await this.ended;
    return code;
  }
}

export class Server extends Program {
  static async start(...flags) {
    const keys = ["--api-keys", `backend:${SECRET}:publish,read,metrics`];
    const listen = ["--listen", "127.0.0.1:0"];
    const server = new Server("fanwire", FANWIRE, [...listen, ...keys, ...flags]);
    for await (const line of createInterface({ input: server.child.stdout })) {
      const found = /listening +http:\/\/127\.0\.0\.1:(\d+)/.exec(line);
      if (found) server.port = Number(found[1]);
      if (server.port) return server;
    }
    throw new Error(`the server ended: ${readFileSync(server.log, "utf8")}`);
  }

  // A request to the server itself, past nginx.
  async ask(path, options = {}) {
    const headers = { Authorization: `Bearer ${SECRET}` };
    const answer = await fetch(`http://127.0.0.1:${this.port}${path}`, { headers, ...options });
    const text = await answer.text();
    if (!answer.ok) throw new Error(`${path}: ${answer.status} ${text}`);
    return text;
  }

  broadcast(data) {
    return this.ask("/broadcast", { method: "POST", body: JSON.stringify(data) });
  }

  // How many connections each address has.
  async addresses() {
    const counts = new Map();
    let cursor = "";
    do {
      const list = JSON.parse(await this.ask(`/connections?limit=1000${cursor}`));
      for (const { address } of list.connections) counts.set(address, (counts.get(address) ?? 0) + 1);
      cursor = list.next && `&cursor=${encodeURIComponent(list.next)}`;
    } while (cursor);
    return counts;
  }

  async counter(name) {
    const line = (await this.ask("/metrics")).split("\n").find((line) => line.startsWith(`${name} `));
    return Number(line.slice(name.length + 1));
  }
}

export class Nginx extends Program {
  // `upstream` is what stands behind "server" in the group of servers.
  static async start(upstream) {
    const port = await freePort();
    const file = join(FOLDER, "nginx.conf");
    writeFileSync(file, configuration(port, upstream));
    // In the foreground, and so our child.
    const nginx = new Nginx("nginx", "nginx", ["-p", FOLDER, "-c", file, "-g", "daemon off;"]);
    nginx.url = `localhost:${port}`;
    await until(() => nginx.answers(port), "nginx listens");
    return nginx;
  }

  async answers(port) {
    if (this.child.exitCode !== null) {
      throw new Error(`nginx ended: ${readFileSync(this.log, "utf8")}`);
    }
    try {
      await fetch(`http://127.0.0.1:${port}/`); // a 400, for it is to be https
      return true;
    } catch {
      return false;
    }
  }

  // New processes take new connections; the old ones keep theirs.
  async reload() {
    const before = this.workers();
    this.child.kill("SIGHUP");
    const fresh = () => this.workers().filter((pid) => !before.includes(pid)).length;
    await until(() => new Promise((done) => setImmediate(done, fresh() >= before.length)), "reload");
  }

  workers() {
    const { pid } = this.child;
    return readFileSync(`/proc/${pid}/task/${pid}/children`, "utf8").trim().split(" ");
  }
}

// The configuration that is shipped, with the ports and paths of this test.
function configuration(port, upstream) {
  let text = readFileSync(CONFIGURATION, "utf8");
  const temporary = ["client_body", "proxy", "fastcgi", "uwsgi", "scgi"];
  const paths = temporary.map((name) => `${name}_temp_path ${FOLDER}/${name};`).join(" ");
  for (const [from, to] of [
    ["listen 443 ssl", `listen 127.0.0.1:${port} ssl`],
    ["server unix:/run/fanwire/fanwire.sock;", `server ${upstream};`],
    ["server_name chat.example.org;", "server_name localhost;"],
    ["/etc/fanwire/certificate.pem", `${FOLDER}/certificate.pem`],
    ["/etc/fanwire/certificate.key", `${FOLDER}/certificate.key`],
    ["pid /run/nginx.pid;", `pid ${FOLDER}/nginx.pid;`],
    ["/var/log/nginx/error.log", `${FOLDER}/nginx-error.log`],
    ["/var/log/nginx/fanwire.log", `${FOLDER}/nginx-access.log`],
    ["http {", `http { ${paths}`],
  ]) {
    if (text.split(from).length !== 2) throw new Error(`deploy/nginx.conf has not one ${from}`);
    text = text.replace(from, to);
  }
  return text;
}
