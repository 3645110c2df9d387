'use strict';

const find = (id) => document.getElementById(id);
const element = (tag, properties) => Object.assign(document.createElement(tag), properties);
const shown = new Set();

function render(toot) {
  const item = element('li', { className: 'toot', id: `toot-${toot.id}` });
  const date = new Date(toot.created_at);
  item.append(
    element('time', { dateTime: toot.created_at, textContent: date.toLocaleTimeString() }),
    element('strong', { textContent: toot.account.display_name }),
    element('p', { textContent: toot.text }),
  );
  for (const media of toot.media_attachments) {
    item.append(media.type === 'image'
      ? element('img', { src: media.url, alt: media.description || '' })
      : element('a', { href: media.url, textContent: media.type }));
  }
  return item;
}

function show(toot) {
  if (shown.has(toot.id)) return null;
  shown.add(toot.id);
  const item = render(toot);
  find('timeline').prepend(item);
  return item;
}

function arrive(payload) {
  show(JSON.parse(payload))?.classList.add('new');
}

async function call(path, options) {
  const response = await fetch(path, options);
  const body = await response.json().catch(() => ({ error: `The server answered ${response.status}` }));
  if (!response.ok) throw new Error(body.error);
  return body;
}

// After every (re)connection, so that nothing is missed in between.
async function live(transport) {
  find('connection').textContent = `live by ${transport}`;
  find('connection').classList.add('live');
  const toots = await call('/api/v1/timelines/public');
  toots.reverse().forEach(show);
}

function lost() {
  find('connection').textContent = 'reconnecting';
  find('connection').classList.remove('live');
}

function connect() {
  const socket = new WebSocket(`${location.origin.replace(/^http/, 'ws')}/api/v1/streaming?stream=public`);
  let opened = false;
  socket.onopen = () => { opened = true; live('websocket'); };
  socket.onmessage = ({ data }) => {
    const { event, payload } = JSON.parse(data);
    if (event === 'update') arrive(payload);
  };
  socket.onclose = () => {
    lost();
    if (opened) setTimeout(connect, 1000);
    else listen();
  };
}

function listen() {
  const source = new EventSource('/api/v1/streaming/public');
  source.onopen = () => live('server-sent events');
  source.onerror = lost;
  source.addEventListener('update', ({ data }) => arrive(data));
}

async function post() {
  const form = new FormData();
  form.append('status', find('status').value);
  const [file] = find('media').files;
  if (file) {
    const upload = new FormData();
    upload.append('file', file);
    form.append('media_ids[]', (await call('/api/v2/media', { method: 'POST', body: upload })).id);
  }
  await call('/api/v1/statuses', { method: 'POST', body: form });
}

find('compose').addEventListener('submit', async (event) => {
  event.preventDefault();
  const button = event.target.querySelector('button');
  button.disabled = true;
  find('error').textContent = '';
  try {
    await post();
    event.target.reset();
  } catch (error) {
    find('error').textContent = error.message;
  }
  button.disabled = false;
});

call('/api/v1/timelines/public').then((toots) => toots.reverse().forEach(show)).catch(() => {}).finally(connect);
