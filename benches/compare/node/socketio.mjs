// The peer socket.io: event `m` goes to all others, or back with ROLE=echo.
//
// Made fast by: `transports: ['websocket']`, so that nothing is polled first; no compression of
// either kind; `bufferutil` under its `ws`; the request of the handshake is let go of, as its page
// on memory says; a broadcast is encoded once by itself.
//
// Unfair: its messages are JSON arrays, read and written again, on a protocol of two layers, with
// pings of its own; it does more than the others, as Fanwire's envelope does.
import { createServer } from 'node:http';
import { Server } from 'socket.io';

const http = createServer();
const io = new Server(http, {
  transports: ['websocket'],
  perMessageDeflate: false,
  httpCompression: false,
  serveClient: false,
  maxHttpBufferSize: 8 << 20,
});

io.engine.on('connection', (raw) => {
  raw.request = null;
});
io.on('connection', (socket) => {
  if (process.env.ROLE === 'echo') {
    socket.on('m', (data) => socket.emit('m', data));
  } else {
    socket.on('m', (data) => socket.broadcast.emit('m', data));
  }
});
http.listen({ host: '127.0.0.1', port: Number(process.env.PORT), backlog: 65_535 }, () => {
  console.log('ready');
});
