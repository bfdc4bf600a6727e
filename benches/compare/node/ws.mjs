// The peer ws: the loop over all clients of its README.
//
// Made fast by: `bufferutil`, which it names for that; no `permessage-deflate` unless DEFLATE=1,
// and then as it is by default.
//
// Unfair: it validates UTF-8 and reassembles fragments, which a floor does not. It has neither
// limits nor positions nor history; a slow reader costs it memory without end. Its many threads
// (garbage collection, compilation, compression) count as its CPU time.
import { WebSocket, WebSocketServer } from 'ws';

const wss = new WebSocketServer({
  host: '127.0.0.1',
  port: Number(process.env.PORT),
  backlog: 65_535,
  perMessageDeflate: process.env.DEFLATE === '1',
});

wss.on('listening', () => console.log('ready'));
wss.on('connection', (ws, request) => {
  ws.on('error', () => {}); // a connection that breaks is closed, and that is all
  if (request.url === '/echo') {
    ws.echoes = true;
    ws.on('message', (data, isBinary) => ws.send(data, { binary: isBinary }));
    return;
  }
  ws.on('message', (data, isBinary) => {
    for (const client of wss.clients) {
      if (client !== ws && !client.echoes && client.readyState === WebSocket.OPEN) {
        client.send(data, { binary: isBinary });
      }
    }
  });
});
