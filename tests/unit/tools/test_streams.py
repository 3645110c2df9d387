# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the measuring client does with a front that is not there."""

from __future__ import annotations

import argparse
import asyncio
import gc
import logging
import ssl

import pytest

pytest.importorskip("websockets")
from tools import streams  # noqa: E402


@pytest.fixture()
def options(monkeypatch):
    monkeypatch.setattr(streams, "context", lambda authority: ssl.create_default_context())
    return argparse.Namespace(address="127.0.0.1", domain="friends.cafe", ca="", posts=1, rate=1.0)


def test_both_streams_refused_are_one_error_that_nothing_logs_later(options, caplog):
    """An exception that nobody reads is logged by the garbage collector, in the middle of whatever runs then: an import that
    it hit failed with SystemError."""
    caplog.set_level(logging.ERROR)
    with pytest.raises(OSError):
        asyncio.run(streams.measure(options))
    gc.collect()
    assert [record.getMessage() for record in caplog.records] == []


def test_streams_that_do_not_answer_are_named(options, monkeypatch):
    async def silent(options, pending, times, ready):
        await asyncio.Event().wait()

    monkeypatch.setattr(streams, "ANSWER", 0.2)
    monkeypatch.setattr(streams, "follow_websocket", silent)
    monkeypatch.setattr(streams, "follow_events", silent)
    with pytest.raises(TimeoutError, match=r"no answer within 0\.2 s: sse, websocket"):
        asyncio.run(streams.measure(options))


def test_a_stream_that_ends_at_once_is_an_error(options, monkeypatch):
    async def ends(options, pending, times, ready):
        return

    monkeypatch.setattr(streams, "follow_websocket", ends)
    monkeypatch.setattr(streams, "follow_events", ends)
    with pytest.raises(ConnectionError, match="by websocket ended"):
        asyncio.run(streams.measure(options))
