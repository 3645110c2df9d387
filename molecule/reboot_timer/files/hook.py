#!/usr/bin/python3
"""Takes what is posted to it: a line of path and body each, in /run/received."""

from __future__ import annotations

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"])).decode()
        with open("/run/received", "a", encoding="utf-8") as file:
            file.write(f"{self.path} {body}\n")
        self.send_response(204)
        self.end_headers()


ThreadingHTTPServer((sys.argv[1], 9001), Handler).serve_forever()
