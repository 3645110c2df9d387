'use strict';

const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');
const { WebSocketServer } = require('ws');
const { subscribe } = require('./redis');

const CHANNELS = { public: 'timeline:public' };
const THUMP_MS = 15_000;
const PING_MS = 30_000;

// .env.production of the release; what the environment holds already wins.
function loadDotenv() {
  const file = path.join(__dirname, '..', process.env.NODE_ENV === 'production' ? '.env.production' : '.env');
  if (!fs.existsSync(file)) return;
  for (const line of fs.readFileSync(file, 'utf8').split('\n')) {
    const match = line.match(/^\s*(?:export\s+)?([A-Za-z_]\w*)\s*=\s*(?:'([^']*)'|"([^"]*)"|([^#]*?))\s*(?:#.*)?$/);
    if (match) process.env[match[1]] ??= match[2] ?? match[3] ?? match[4];
  }
}

loadDotenv();

const listeners = new Map(Object.keys(CHANNELS).map((stream) => [stream, new Set()]));
const counters = { connected: { websocket: 0, eventsource: 0 }, sent: { websocket: 0, eventsource: 0 }, received: 0 };

const redis = subscribe(process.env, Object.values(CHANNELS), (channel, message) => {
  counters.received += 1;
  const stream = Object.keys(CHANNELS).find((name) => CHANNELS[name] === channel);
  if (!listeners.get(stream).size) return;
  const { event, payload } = JSON.parse(message);
  const text = typeof payload === 'object' ? JSON.stringify(payload) : String(payload);
  for (const send of listeners.get(stream)) send(stream, event, text);
});

function metrics() {
  const lines = ['websocket', 'eventsource'].flatMap((type) => [
    `connected_clients{type="${type}"} ${counters.connected[type]}`,
    `messages_sent_total{type="${type}"} ${counters.sent[type]}`,
  ]);
  return `${[
    ...lines,
    `redis_messages_received_total ${counters.received}`,
    `redis_connected ${redis.connected ? 1 : 0}`,
    `process_open_fds ${fs.readdirSync('/proc/self/fd').length}`,
  ].join('\n')}\n`;
}

const reply = (response, status, type, body) => response.writeHead(status, { 'Content-Type': type }).end(body);

function streamOf(url) {
  const name = url.pathname.replace(/^\/api\/v1\/streaming\/?/, '').replaceAll('/', ':') || url.searchParams.get('stream');
  return listeners.has(name) ? name : null;
}

function serveEvents(request, response, stream) {
  response.writeHead(200, { 'Content-Type': 'text/event-stream', 'Cache-Control': 'private, no-store' });
  response.write(':)\n');
  const send = (_stream, event, payload) => {
    counters.sent.eventsource += 1;
    response.write(`event: ${event}\ndata: ${payload}\n\n`);
  };
  const thump = setInterval(() => response.write(':thump\n'), THUMP_MS);
  listeners.get(stream).add(send);
  counters.connected.eventsource += 1;
  response.on('close', () => {
    clearInterval(thump);
    listeners.get(stream).delete(send);
    counters.connected.eventsource -= 1;
  });
}

const server = http.createServer((request, response) => {
  const url = new URL(request.url, 'http://localhost');
  if (url.pathname === '/api/v1/streaming/health') return reply(response, 200, 'text/plain', 'OK');
  if (url.pathname === '/metrics') return reply(response, 200, 'text/plain; version=0.0.4', metrics());
  const stream = url.pathname.startsWith('/api/v1/streaming') && streamOf(url);
  if (!stream) return reply(response, 404, 'application/json', '{"error":"Unknown stream type"}');
  return serveEvents(request, response, stream);
});

const sockets = new WebSocketServer({ server });

sockets.on('connection', (socket, request) => {
  const send = (stream, event, payload) => {
    counters.sent.websocket += 1;
    socket.send(JSON.stringify({ stream: [stream], event, payload }));
  };
  const initial = streamOf(new URL(request.url, 'http://localhost'));
  if (initial) listeners.get(initial).add(send);
  counters.connected.websocket += 1;
  socket.alive = true;
  socket.on('pong', () => { socket.alive = true; });
  socket.on('error', () => socket.terminate());
  socket.on('message', (data) => {
    let message = {};
    try { message = JSON.parse(data) ?? {}; } catch { /* the answer below says so */ }
    const wanted = listeners.get(message.stream);
    if (wanted && message.type === 'subscribe') wanted.add(send);
    else if (wanted && message.type === 'unsubscribe') wanted.delete(send);
    else socket.send(JSON.stringify({ error: 'Unknown stream type', status: 400 }));
  });
  socket.on('close', () => {
    for (const set of listeners.values()) set.delete(send);
    counters.connected.websocket -= 1;
  });
});

setInterval(() => {
  for (const socket of sockets.clients) {
    if (!socket.alive) socket.terminate();
    socket.alive = false;
    socket.ping();
  }
}, PING_MS).unref();

function stop() {
  redis.close();
  for (const socket of sockets.clients) socket.close(1001);
  server.close(() => process.exit(0));
  server.closeAllConnections();
  setTimeout(() => process.exit(0), 1000).unref();
}

process.on('SIGTERM', stop);
process.on('SIGINT', stop);
server.on('error', (error) => {
  console.error(error.message);
  process.exit(1);
});

const { SOCKET, BIND = '127.0.0.1', PORT = '4000' } = process.env;
if (SOCKET) {
  server.listen(SOCKET, () => {
    fs.chmodSync(SOCKET, 0o666);
    console.log(`Streaming API now listening on ${SOCKET}`);
  });
} else {
  server.listen(Number(PORT), BIND, () => console.log(`Streaming API now listening on ${BIND}:${PORT}`));
}
