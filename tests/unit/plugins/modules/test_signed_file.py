# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What signed_file makes of a download that does not end as it should."""

from __future__ import annotations

import http.client
import io
from typing import Any

import pytest
from ansible_collections.sabakan.vps.plugins.modules import signed_file


class Ended(Exception):
    pass


class Module:
    params = {"timeout": 5}

    def fail_json(self, msg: str) -> None:
        raise Ended(msg)


class Breaking(io.BytesIO):
    """Ends with an error in the place of its end."""

    def __init__(self, data: bytes, error: Exception) -> None:
        super().__init__(data)
        self.error = error

    def read(self, size: int | None = -1) -> bytes:
        found = super().read(size)
        if not found:
            raise self.error
        return found


def download(monkeypatch: pytest.MonkeyPatch, path: Any, response: Any, **info: Any) -> None:
    monkeypatch.setattr(signed_file, "fetch_url", lambda *dummy, **more: (response, {"status": 200, "msg": "OK", **info}))
    signed_file.download(Module(), "https://vendor.example/tool.deb", str(path))


@pytest.mark.parametrize("error", [TimeoutError("timed out"), ConnectionResetError(104, "Connection reset by peer"), http.client.IncompleteRead(b"", 5)])
def test_a_download_that_breaks_off_is_told_with_its_address(monkeypatch, tmp_path, error):
    with pytest.raises(Ended, match=r"https://vendor\.example/tool\.deb broke off after 3 bytes.*nothing was changed"):
        download(monkeypatch, tmp_path / "x", Breaking(b"abc", error))


def test_one_that_is_short_is_refused(monkeypatch, tmp_path):
    with pytest.raises(Ended, match="after 3 of 9 bytes"):
        download(monkeypatch, tmp_path / "x", io.BytesIO(b"abc"), **{"content-length": "9"})


def test_the_length_of_what_came_compressed_is_not_that_of_the_file(monkeypatch, tmp_path):
    download(monkeypatch, tmp_path / "x", io.BytesIO(b"abc"), **{"content-length": "9", "content-encoding": "gzip"})
    assert (tmp_path / "x").read_bytes() == b"abc"
