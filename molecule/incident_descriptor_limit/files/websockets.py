#!/usr/bin/python3
"""Opens websockets at once and holds them until all are answered; prints as JSON how many opened."""

from __future__ import annotations

import argparse
import asyncio
import json

TIMEOUT = 30  # seconds for one to open

REQUEST = (
    "GET /api/v1/streaming?stream=public HTTP/1.1\r\nHost: {host}:{port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: c2FiYWthbiBzYWJha2FuIQ==\r\n\r\n"
)


async def open_one(host: str, port: int) -> asyncio.StreamWriter | None:
    """The open connection, or None where it was hung up on or not answered."""
    try:
        async with asyncio.timeout(TIMEOUT):
            reader, writer = await asyncio.open_connection(host, port)
            writer.write(REQUEST.format(host=host, port=port).encode())
            head = await reader.readuntil(b"\r\n\r\n")
    except (OSError, asyncio.IncompleteReadError, TimeoutError):
        return None
    return writer if head.startswith(b"HTTP/1.1 101 ") else None


async def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("host")
    parser.add_argument("port", type=int)
    parser.add_argument("--count", type=int, required=True)
    options = parser.parse_args()
    found = await asyncio.gather(*(open_one(options.host, options.port) for _ in range(options.count)))
    held = [writer for writer in found if writer]
    print(json.dumps({"asked": options.count, "open": len(held), "hung_up": options.count - len(held)}))


if __name__ == "__main__":
    asyncio.run(main())
