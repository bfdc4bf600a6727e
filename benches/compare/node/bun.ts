// The peer Bun, which is uWebSockets inside: its own subscribe and publish.
//
// Made fast by: being written so; nothing is left to set. No `permessage-deflate` unless
// DEFLATE=1, and then as it is by default, for every message that is published. Its own pings and
// idle deadline are off.
//
// Unfair: it validates UTF-8 and reassembles fragments, which a floor does not. It has neither
// positions nor history; past 64 MiB of backpressure it drops what a slow reader should have had,
// in silence. Its many threads (garbage collection, compilation) count as its CPU time.
import type { Server } from 'bun';

type Data = { echo: boolean };

const deflate = process.env.DEFLATE === '1';

Bun.serve<Data>({
  hostname: '127.0.0.1',
  port: Number(process.env.PORT),
  fetch(request: Request, server: Server<Data>) {
    const echo = new URL(request.url).pathname === '/echo';
    if (server.upgrade(request, { data: { echo } })) return;
    return new Response('a WebSocket is expected', { status: 426 });
  },
  websocket: {
    perMessageDeflate: deflate,
    idleTimeout: 0,
    sendPings: false,
    maxPayloadLength: 8 << 20,
    backpressureLimit: 64 << 20,
    open(ws) {
      if (!ws.data.echo) ws.subscribe('m');
    },
    message(ws, message) {
      if (ws.data.echo) ws.send(message);
      else ws.publish('m', message, deflate);
    },
  },
});
console.log('ready');
