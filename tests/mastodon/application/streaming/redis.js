'use strict';

const net = require('node:net');

const RETRY_MS = 500;

const command = (...words) => `*${words.length}\r\n${words.map((word) => `$${Buffer.byteLength(word)}\r\n${word}\r\n`).join('')}`;

// One reply of the protocol (RESP2) from `at`: [value, next position], or null if it is not whole yet.
function parse(buffer, at) {
  const end = buffer.indexOf('\r\n', at);
  if (end < 0) return null;
  const type = String.fromCharCode(buffer[at]);
  const head = buffer.toString('utf8', at + 1, end);
  let next = end + 2;
  if (type === '-') return [new Error(head), next];
  if (type === '$') {
    const length = Number(head);
    if (length < 0) return [null, next];
    return buffer.length < next + length + 2 ? null : [buffer.toString('utf8', next, next + length), next + length + 2];
  }
  if (type !== '*') return [head, next];
  const items = [];
  while (items.length < Number(head)) {
    const item = parse(buffer, next);
    if (!item) return null;
    items.push(item[0]);
    next = item[1];
  }
  return [items, next];
}

function parameters(env) {
  const url = new URL(env.REDIS_URL || `redis://${env.REDIS_HOST || '127.0.0.1'}:${env.REDIS_PORT || 6379}`);
  const password = env.REDIS_PASSWORD || decodeURIComponent(url.password);
  const user = env.REDIS_USER || decodeURIComponent(url.username);
  return { host: url.hostname, port: Number(url.port || 6379), login: password && [user, password].filter(Boolean) };
}

// Keeps one connection subscribed to `channels`, whatever happens to the server.
exports.subscribe = (env, channels, onMessage) => {
  const { host, port, login } = parameters(env);
  const state = { connected: false, close: () => {} };
  const connect = () => {
    let pending = Buffer.alloc(0);
    const socket = net.connect({ host, port, noDelay: true, keepAlive: true, keepAliveInitialDelay: 10_000 });
    socket.on('connect', () => {
      if (login) socket.write(command('AUTH', ...login));
      socket.write(command('SUBSCRIBE', ...channels));
    });
    socket.on('data', (chunk) => {
      pending = Buffer.concat([pending, chunk]);
      let at = 0;
      for (let reply = parse(pending, at); reply; reply = parse(pending, at)) {
        const [value, next] = reply;
        at = next;
        if (value instanceof Error) socket.destroy(value);
        else if (value[0] === 'subscribe') state.connected = true;
        else if (value[0] === 'message') onMessage(value[1], value[2]);
      }
      pending = pending.subarray(at);
    });
    socket.on('error', (error) => console.error(`Redis ${host}:${port}: ${error.message}`));
    const retry = () => {
      state.connected = false;
      setTimeout(connect, RETRY_MS);
    };
    socket.on('close', retry);
    state.close = () => {
      socket.off('close', retry);
      socket.destroy();
    };
  };
  connect();
  return state;
};
