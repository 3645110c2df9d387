'use strict';

// An object store that takes its time, so that connections to it stay open for a while.
const body = Buffer.alloc(4096, 'x');
require('node:http').createServer((request, response) => {
  setTimeout(() => response.writeHead(200, { 'Content-Type': 'image/png', 'Content-Length': body.length }).end(body), 50);
}).listen(8090, '127.0.0.1');
