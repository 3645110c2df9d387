#!/usr/bin/python3
"""An object store that compares before it sets, as S3 does with If-Match and If-None-Match; in memory, for one test."""

from __future__ import annotations

import hashlib
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

OBJECTS: dict[str, tuple[str, bytes]] = {}
LOCK = threading.Lock()


class Handler(BaseHTTPRequestHandler):
    def answer(self, status: int, body: bytes = b"", etag: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(body)))
        self.send_header("ETag", etag)
        self.end_headers()
        self.wfile.write(body)

    def do_GET(self) -> None:
        etag, body = OBJECTS.get(self.path, ("", b""))
        self.answer(200 if etag else 404, body, etag)

    def do_PUT(self) -> None:
        body = self.rfile.read(int(self.headers["Content-Length"]))
        with LOCK:
            there = OBJECTS.get(self.path, ("", b""))[0]
            if (self.headers["If-None-Match"] and there) or self.headers.get("If-Match", there) != there:
                return self.answer(412)
            etag = f'"{hashlib.sha256(body).hexdigest()}"'
            OBJECTS[self.path] = (etag, body)
        return self.answer(200, b"", etag)


ThreadingHTTPServer((sys.argv[1], 9000), Handler).serve_forever()
