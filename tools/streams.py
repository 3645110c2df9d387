"""Posts toots at a front and takes the time until each arrives by websocket and by server-sent events.

Run with the environment's Python: `python tools/streams.py --address A --domain D --ca FILE --posts N --rate R`; prints
JSON: {posts, failed, websocket: {p50, p95, p99, missing}, sse: {...}}, times in milliseconds from the start of the POST.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import re
import ssl
import statistics
import time
import uuid
from typing import Any

import websockets

ARRIVAL = 30.0  # seconds to wait for what was posted
ANSWER = 20.0  # seconds to wait for the streams


def context(authority: str) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=authority)


async def request(options: argparse.Namespace, head: str, body: bytes = b"") -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    reader, writer = await asyncio.open_connection(
        options.address, 443, ssl=context(options.ca), server_hostname=options.domain,
    )
    writer.write(head.encode() + body)
    await writer.drain()
    return reader, writer


def arrived(payload: str, pending: dict[str, float], times: list[float]) -> None:
    """Notes the time of the toot whose marker is in a message."""
    for marker in [marker for marker in pending if marker in payload]:
        times.append((time.perf_counter() - pending.pop(marker)) * 1000)


async def follow_websocket(options: argparse.Namespace, pending: dict[str, float], times: list[float], ready: asyncio.Event) -> None:
    url = f"wss://{options.domain}/api/v1/streaming?stream=public"
    async with websockets.connect(url, host=options.address, port=443, ssl=context(options.ca), server_hostname=options.domain) as socket:
        ready.set()
        async for message in socket:
            arrived(str(message), pending, times)


async def follow_events(options: argparse.Namespace, pending: dict[str, float], times: list[float], ready: asyncio.Event) -> None:
    reader, writer = await request(
        options,
        f"GET /api/v1/streaming/public HTTP/1.1\r\nHost: {options.domain}\r\nAccept: text/event-stream\r\n\r\n",
    )
    status = await reader.readline()
    if b" 200 " not in status:
        raise RuntimeError(f"server-sent events: {status.decode().strip()}")
    ready.set()
    while line := await reader.readline():
        arrived(line.decode(errors="replace"), pending, times)
    writer.close()


async def read_body(reader: asyncio.StreamReader, head: str) -> None:
    """Reads a body to its end, by its length or by its chunks, so that the connection can be used again."""
    length = re.search(r"^content-length:\s*(\d+)", head, re.MULTILINE)
    if length:
        await reader.readexactly(int(length[1]))
        return
    size = -1
    while size:
        size = int(await reader.readuntil(b"\r\n"), 16)
        await reader.readexactly(size + 2)


class Poster:
    """Posts over kept connections; a connection is used by one post at a time."""

    def __init__(self, options: argparse.Namespace) -> None:
        self.options = options
        self.idle: list[tuple[asyncio.StreamReader, asyncio.StreamWriter]] = []
        self.failed = 0

    async def post(self, marker: str) -> None:
        body = json.dumps({"status": f"toot {marker}"}).encode()
        head = (
            f"POST /api/v1/statuses HTTP/1.1\r\nHost: {self.options.domain}\r\nContent-Type: application/json\r\n"
            f"Authorization: Bearer none\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        try:
            if self.idle:
                reader, writer = self.idle.pop()
                writer.write(head.encode() + body)
                await writer.drain()
            else:
                reader, writer = await request(self.options, head, body)
            answer = (await reader.readuntil(b"\r\n\r\n")).decode()
            await read_body(reader, answer.lower())
            self.failed += " 200 " not in answer.split("\r\n", 1)[0]
            self.idle.append((reader, writer))
        except (OSError, asyncio.IncompleteReadError):
            self.failed += 1


def percentiles(times: list[float], missing: int) -> dict[str, Any]:
    cuts = statistics.quantiles(times, n=100, method="inclusive") if len(times) > 1 else [*times, *times] * 50
    return {"p50": round(cuts[49], 1), "p95": round(cuts[94], 1), "p99": round(cuts[98], 1), "missing": missing} if times else {"missing": missing}


async def await_ready(followers: dict[str, asyncio.Task[None]], ready: dict[str, asyncio.Event]) -> None:
    """Returns when every stream is there; raises what one failed with, ConnectionError if one ended, TimeoutError if one is silent."""
    waiting = {asyncio.create_task(event.wait(), name=name) for name, event in ready.items()}
    deadline = time.monotonic() + ANSWER
    try:
        while waiting:
            await asyncio.wait([*waiting, *followers.values()], timeout=deadline - time.monotonic(), return_when=asyncio.FIRST_COMPLETED)
            for name, follower in followers.items():
                if follower.done():
                    follower.result()
                    raise ConnectionError(f"the stream by {name} ended")
            waiting = {event for event in waiting if not event.done()}
            if waiting and time.monotonic() > deadline:
                raise TimeoutError(f"no answer within {ANSWER:g} s: {', '.join(sorted(event.get_name() for event in waiting))}")
    finally:
        for event in waiting:
            event.cancel()


async def post_all(options: argparse.Namespace, pending: dict[str, dict[str, float]]) -> int:
    """Posts at the rate and waits until all have arrived or ARRIVAL is over; how many posts failed."""
    poster = Poster(options)
    posts, started = [], time.perf_counter()
    for number in range(options.posts):
        await asyncio.sleep(max(0.0, started + number / options.rate - time.perf_counter()))
        marker, now = uuid.uuid4().hex, time.perf_counter()
        for waiting in pending.values():
            waiting[marker] = now
        posts.append(asyncio.create_task(poster.post(marker)))
    await asyncio.gather(*posts)
    deadline = time.perf_counter() + ARRIVAL
    while any(pending.values()) and time.perf_counter() < deadline:
        await asyncio.sleep(0.05)
    for _, writer in poster.idle:
        writer.close()
    return poster.failed


async def measure(options: argparse.Namespace) -> dict[str, Any]:
    follow = {"websocket": follow_websocket, "sse": follow_events}
    pending: dict[str, dict[str, float]] = {name: {} for name in follow}
    times: dict[str, list[float]] = {name: [] for name in follow}
    ready = {name: asyncio.Event() for name in follow}
    followers = {name: asyncio.create_task(start(options, pending[name], times[name], ready[name])) for name, start in follow.items()}
    try:
        await await_ready(followers, ready)
        failed = await post_all(options, pending)
    finally:
        for follower in followers.values():
            follower.cancel()
        # Reads what each ended with: the garbage collector logs what nobody read, in the middle of whatever runs then.
        await asyncio.gather(*followers.values(), return_exceptions=True)
    return {"posts": options.posts, "failed": failed, **{name: percentiles(times[name], len(pending[name])) for name in follow}}


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--address", required=True)
    parser.add_argument("--domain", required=True)
    parser.add_argument("--ca", required=True)
    parser.add_argument("--posts", type=int, default=1)
    parser.add_argument("--rate", type=float, default=1.0, help="posts a second")
    result = asyncio.run(measure(parser.parse_args()))
    print(json.dumps(result))
    return 1 if result["failed"] or result["websocket"]["missing"] or result["sse"]["missing"] else 0


if __name__ == "__main__":
    raise SystemExit(main())
