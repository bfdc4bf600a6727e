// Does every peer and floor do what is measured of it? 20 connections, one publishes, 19 hear it,
// in order and byte for byte; what is echoed comes back. No clock, no load.
//
//   node check.mjs [NAME...]      as `../serve` knows them; all of them when none is named
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createRequire } from 'node:module';
import { createServer } from 'node:net';
import { fileURLToPath } from 'node:url';

// The client that the floors know: a fixed key, masks of zeros.
const require = createRequire(import.meta.url);
require('node:crypto').randomBytes = (size) => Buffer.from('the sample nonce').subarray(0, size);
const WebSocket = require('ws');

const AUDIENCE = 19;
const SERVE = fileURLToPath(new URL('../serve', import.meta.url));

const plain = {
  path: '/',
  publish: '/',
  echo: '/echo',
  hello: async () => {},
  wrap: (text) => text,
  unwrap: (text) => text,
  sizes: [40, 128, 1024, 65_536, 1_048_576],
};
const socketio = {
  ...plain,
  path: '/socket.io/?EIO=4&transport=websocket',
  publish: '/socket.io/?EIO=4&transport=websocket',
  echo: null,
  hello: async (ws) => {
    if (!(await ws.next()).startsWith('0{')) throw new Error('no engine.io handshake');
    ws.send('40');
    if (!(await ws.next()).startsWith('40{')) throw new Error('no socket.io connection');
  },
  wrap: (text) => `42["m","${text}"]`,
  unwrap: (text) => JSON.parse(text.slice(2))[1],
};
const nats = {
  ...plain,
  echo: null,
  hello: async (ws, publishes) => {
    if (!(await ws.next()).startsWith('INFO ')) throw new Error('no INFO');
    ws.send(Buffer.from('CONNECT {"verbose":false,"echo":false}\r\nPING\r\n'));
    if ((await ws.next()) !== 'PONG\r\n') throw new Error('no PONG');
    if (!publishes) {
      ws.send(Buffer.from('SUB m 1\r\nPING\r\n'));
      if ((await ws.next()) !== 'PONG\r\n') throw new Error('not subscribed');
    }
  },
  wrap: (text) => Buffer.from(`PUB m ${text.length}\r\n${text}\r\n`),
  unwrap: (text) => text.slice(text.indexOf('\r\n') + 2, -2),
  stream: true,
};
const nchan = { ...plain, publish: '/pub', echo: null };
const SERVERS = {
  'floor-fanout': plain,
  'floor-burst': plain,
  'floor-echo': { ...plain, path: null },
  'floor-handshake': { ...plain, path: null, echo: null },
  'floor-idle': { ...plain, path: null, echo: null },
  axum: plain,
  fastwebsockets: plain,
  sockudo: plain,
  'tokio-tungstenite': plain,
  ws: plain,
  'ws-deflate': plain,
  bun: plain,
  'bun-deflate': plain,
  'socket.io': socketio,
  'socket.io-echo': { ...socketio, path: null, echo: socketio.path },
  nchan,
  nats,
};

class Client {
  constructor(url, options) {
    const generateMask = (mask) => mask.fill(0);
    this.ws = new WebSocket(url, { generateMask, perMessageDeflate: false, ...options });
    this.heard = [];
    this.waiting = null;
    this.ws.on('message', (data) => {
      this.heard.push(data.toString());
      this.waiting?.();
    });
    this.ws.on('close', () => {
      this.closed = true;
      this.waiting?.();
    });
    this.ws.on('error', (error) => (this.failed = error));
  }
  send(data) {
    this.ws.send(data);
  }
  // All of `data` in one write, as far as the socket takes it.
  batch(data) {
    this.ws._socket.cork();
    for (const one of data) this.ws.send(one);
    this.ws._socket.uncork();
  }
  async next() {
    while (this.heard.length === 0) {
      if (this.closed) throw new Error(`closed: ${this.failed ?? ''}`);
      await new Promise((heard) => (this.waiting = heard));
    }
    return this.heard.shift();
  }
  static async open(url, server, publishes = false, options = {}) {
    const client = new Client(url, options);
    await once(client.ws, 'open');
    await server.hello(client, publishes);
    return client;
  }
}

async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  return port;
}

async function hear(client, server, texts) {
  if (server.stream) {
    const whole = texts.reduce((sum, text) => sum + `MSG m 1 ${text.length}\r\n${text}\r\n`, '');
    let heard = '';
    while (heard.length < whole.length) heard += (await client.next()).replace('PING\r\n', '');
    if (heard !== whole) throw new Error('something else was heard');
    return;
  }
  for (const text of texts) {
    const heard = server.unwrap(await client.next());
    if (heard !== text) throw new Error(`heard ${heard.slice(0, 60)} and not ${text.slice(0, 60)}`);
  }
}

const payload = (index, size) => `FW${String(index).padStart(32, '0')}`.padEnd(size, 'x');

async function fanOut(origin, server, options) {
  const audience = [];
  for (let i = 0; i < AUDIENCE; i++) {
    audience.push(await Client.open(origin + server.path, server, false, options));
  }
  const publisher = await Client.open(origin + server.publish, server, true);
  let sent = 0;
  for (const size of server.sizes) {
    const texts = Array.from({ length: 16 }, () => payload(sent++, size));
    const alone = texts.shift();
    publisher.send(server.wrap(alone));
    await Promise.all(audience.map((client) => hear(client, server, [alone])));
    publisher.batch(texts.map(server.wrap));
    await Promise.all(audience.map((client) => hear(client, server, texts)));
  }
  if (server.path === '/' && server.publish === '/' && !server.stream) {
    publisher.send(Buffer.from([1, 2, 3]));
    await Promise.all(audience.map((client) => hear(client, server, ['\x01\x02\x03'])));
  }
  if (server.publish === '/pub') {
    const method = 'POST';
    await fetch(`http${origin.slice(2)}/pub`, { method, body: 'by HTTP' });
    await Promise.all(audience.map((client) => hear(client, server, ['by HTTP'])));
  } else if (publisher.heard.length > 0) {
    throw new Error('the publisher hears itself');
  }
  if (options?.perMessageDeflate && !audience[0].ws.extensions.includes('deflate')) {
    throw new Error('compression was not agreed on');
  }
  // This nats-server answers a Close with a code that must not be sent, 1005.
  if (!server.stream) {
    audience[0].ws.close();
    await once(audience[0].ws, 'close');
  }
  audience[0].ws.terminate();
  audience[1].ws.terminate();
  publisher.send(server.wrap('after some left'));
  const others = audience.slice(2);
  await Promise.all(others.map((client) => hear(client, server, ['after some left'])));
  return `fan-out to ${AUDIENCE}`;
}

async function echo(origin, server) {
  const clients = [];
  for (let i = 0; i < 4; i++) clients.push(await Client.open(origin + server.echo, server));
  for (const size of [40, 125, 1024, 65_536]) {
    const texts = Array.from({ length: 16 }, (_, i) => payload(i, size));
    for (const client of clients) client.batch(texts.map(server.wrap));
    await Promise.all(clients.map((client) => hear(client, server, texts)));
  }
  return 'echo';
}

async function held(origin, server) {
  for (let i = 0; i < 4; i++) await Client.open(`${origin}/`, server);
  return 'handshake';
}

async function check(name) {
  const server = SERVERS[name];
  const PORT = String(await freePort());
  const options = { stdio: ['ignore', 'pipe', 'inherit'], env: { ...process.env, PORT } };
  const running = spawn(SERVE, [name], options);
  let said = '';
  for await (const chunk of running.stdout.setEncoding('utf8')) {
    said += chunk;
    if (said.includes('ready')) break;
  }
  try {
    if (!said.includes('ready')) throw new Error('it did not start');
    const origin = `ws://127.0.0.1:${PORT}`;
    const deflate = name.endsWith('-deflate') ? { perMessageDeflate: true } : {};
    const done = [];
    if (server.path) done.push(await fanOut(origin, server, deflate));
    if (server.echo) done.push(await echo(origin, server));
    if (done.length === 0) done.push(await held(origin, server));
    console.log(`ok      ${name}: ${done.join(', ')}`);
  } finally {
    running.kill('SIGTERM');
  }
}

let failed = 0;
const names = process.argv.slice(2);
for (const name of names.length > 0 ? names : Object.keys(SERVERS)) {
  const limit = new Promise((_, late) => setTimeout(late, 20_000, new Error('20 s are over')).unref());
  try {
    await Promise.race([check(name), limit]);
  } catch (error) {
    failed++;
    console.log(`FAILED  ${name}: ${error.message}`);
  }
}
process.exit(failed === 0 ? 0 : 1);
