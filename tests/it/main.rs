//! Integration: the built program over real sockets. `wire` is a client that says exactly what a
//! test wants, `peer` one that is well-behaved (tungstenite); each other module is one subject.
//! Everything waits for events with a deadline; nothing sleeps.

mod backend; // what hooks call
mod peer; // a client of fanwire.v1 on tungstenite
mod server; // the program under test
mod token; // a backend that issues tokens
mod wire; // a client of bytes

mod addresses; // how many connections one address may have
mod api; // what a backend does over HTTP
mod auth; // who a client is: logins, refreshes, ends of tokens
mod bench; // `fanwire bench` measures it, and counts what others do wrong
mod bench_storm; // its storms, readers that stand still, and several processes
mod bounds; // rates, totals of the node, who dawdles
mod classes; // bugs that others had, by their names
mod close; // how connections end: codes, order, last words
mod connections; // who is connected, and closing one of them
mod deflate; // permessage-deflate as it is negotiated and spoken
mod drain; // how a node stops, and how connections of age go
mod frames; // frames and messages, valid and not
mod handshake; // what becomes a WebSocket, and what does not
mod hooks; // the backend is asked and told
mod hostile; // floods, bombs, and who does not read
mod http; // requests, bodies, limits, and what is no second request
mod keys; // API keys: scopes, channels, guesses
mod latest; // the newest of every key, and rules for slow readers
mod listeners; // unix sockets, sockets that are handed over, `api_listen`
mod logs; // what is logged, and how often
mod metrics; // what is counted, and how it is shown
mod origins; // pages of other sites
mod permissions; // what rules let clients do
mod pings; // who is silent, and what comes by the clock
mod presence; // who is in a channel
mod protocol; // requests and their answers
mod proxies; // who the client is behind proxies
mod raw; // bare payloads, and `/echo`
mod recovery; // resuming, and gaps
mod refusals; // every error
mod reload; // SIGHUP
mod replay; // the examples of docs/protocol.md, word for word
mod rights; // what tokens and rules let clients do, cell by cell
mod slow; // who reads late
mod start; // what ends the start, and what does not
mod token_command; // `fanwire token`, and files of keys that change
mod users; // connections of a user, `$user`, and what the backend does to them
