# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Uploads from their opening to their end, in a journal that survives the keeper and the container.

An upload is whole when its client closed it. It is truncated when a write of it failed or the session ended with it open
(sshd tells), when the session's process went without a word, when its mount died, or when the keeper did: then it is found
open at the next start.
"""

from __future__ import annotations

import json
import os
import posixpath
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from sabakan_sftp.config import User

KEPT = 200  # settled truncations that stay in the journal
LINES = 5000
WAIT = 30.0  # seconds that a mount may take to finish what a dropped session left
TOLD = 100  # bytes of a name in sshd's line of a write that failed
SLACK = 2.0  # seconds; S3 tells times in whole ones


def locate(user: User, prefix: str, path: str) -> str:
    """The object that a path of a session stands for; empty for one outside of the mount."""
    whole = posixpath.normpath("/" + posixpath.join("/", user.start, path).lstrip("/"))  # normpath leaves two slashes at the beginning
    root = f"/{user.directory}/"
    return prefix + whole[len(root):] if whole.startswith(root) and len(whole) > len(root) else ""


def place(record: Mapping[str, Any]) -> tuple[str, str]:
    """Where an upload's object is: users with other rights are on other mounts of the same bucket. A record of before has no bucket."""
    return record.get("bucket") or record["mount"], record["key"]


class Journal:
    """Lines of JSON; each batch is on the disk before anything is done about it."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.count = 0

    def load(self) -> list[dict[str, Any]]:
        """All that can be read: of a line that was cut by a crash nothing is known."""
        try:
            lines = self.path.read_text(encoding="utf-8", errors="surrogateescape").splitlines()
        except FileNotFoundError:
            return []
        found = []
        for text in lines:
            try:
                entry = json.loads(text)
            except ValueError:
                continue
            if isinstance(entry, dict) and "id" in entry and "event" in entry:
                found.append(entry)
        self.count = len(lines)
        return found

    def append(self, entries: list[dict[str, Any]]) -> None:
        with open(self.path, "ab+") as stream:
            stream.seek(max(stream.tell() - 1, 0))
            # Of a line that a full disk or a crash has cut, so that it does not take the next with it.
            cut = stream.read(1) not in (b"", b"\n")
            stream.write(("\n" * cut + "".join(f"{json.dumps(entry)}\n" for entry in entries)).encode("ascii"))
            stream.flush()
            os.fsync(stream.fileno())
        self.count += len(entries)

    def replace(self, entries: list[dict[str, Any]]) -> None:
        temporary = self.path.with_suffix(".new")
        with open(temporary, "w", encoding="ascii") as stream:
            stream.write("".join(f"{json.dumps(entry)}\n" for entry in entries))
            stream.flush()
            os.fsync(stream.fileno())
        temporary.replace(self.path)
        directory = os.open(self.path.parent, os.O_RDONLY)
        os.fsync(directory)
        os.close(directory)
        self.count = len(entries)


class Uploads:
    """What is open, and what was truncated. Changes gather in `fresh` until they are written."""

    def __init__(self) -> None:
        self.open: dict[str, dict[str, Any]] = {}
        self.truncated: dict[str, dict[str, Any]] = {}
        self.fresh: list[dict[str, Any]] = []
        self.total = 0

    def restore(self, entries: list[dict[str, Any]], now: float) -> dict[tuple[str, str], float]:
        """What an earlier keeper left: its open uploads are truncated. Returns when each object was opened last, as far as is known."""
        last: dict[tuple[str, str], float] = {}
        for entry in entries:
            kind, name = entry["event"], entry["id"]
            if kind == "open":
                self.open[name] = entry
                last[place(entry)] = entry["time"]
            elif kind == "close":
                closed = self.open.pop(name, None)
                if closed and entry.get("refused") and last.get(place(closed)) == closed["time"]:
                    last[place(closed)] = closed["before"]
            elif kind == "truncated":
                self.open.pop(name, None)
                self.truncated[name] = entry
            elif kind == "settled" and name in self.truncated:
                self.truncated[name] = {**self.truncated[name], **{key: entry.get(key) for key in ("outcome", "detail", "settled")}}
        self.total = len(self.truncated)
        for record in list(self.open.values()):
            self._truncate(record, "the keeper or its container ended", None, now, finishing=False)
        return last

    def snapshot(self) -> list[dict[str, Any]]:
        """The journal that says the same in fewer lines."""
        settled = [record for record in self.truncated.values() if "outcome" in record]
        for record in settled[:-KEPT]:
            del self.truncated[record["id"]]
        made = list(self.open.values())
        for record in self.truncated.values():
            made.append({key: value for key, value in record.items() if key not in ("outcome", "detail", "settled")})
            if "outcome" in record:
                made.append({"event": "settled", **{key: record[key] for key in ("id", "outcome", "detail", "settled")}})
        return made

    def opened(self, pid: int, user: User, mount: str, key: str, path: str, flags: list[str], now: float, before: float = 0.0,
               bucket: str = "") -> dict[str, Any]:
        """before: when the same object was opened for writing before."""
        record: dict[str, Any] = {
            "event": "open", "id": os.urandom(8).hex(), "time": now, "pid": pid, "user": user.name, "mount": mount, "bucket": bucket,
            "key": key, "path": path, "whole": bool({"TRUNCATE", "EXCL"} & set(flags)), "before": before,
        }
        self.open[record["id"]] = record
        self.fresh.append(record)
        return record

    def closed(self, pid: int, path: str, written: int | None, forced: bool, now: float, is_cut: bool = False) -> dict[str, Any] | None:
        """The end of the upload that has been open longest under this name in this session; the record if it is truncated.

        is_cut: the path is only the beginning of the name.
        """
        record = next((one for one in self.open.values() if one["pid"] == pid
                       and (one["path"] == path or (is_cut and one["path"].startswith(path)))), None)
        if record is None:
            return None
        if forced:
            return self._truncate(record, "the session ended with the file open", written, now)
        if record.get("failed"):
            return self._truncate({**record, "closed": True}, "a write of it failed", written, now)
        self._close(record["id"], written, now)
        return None

    def failed(self, pid: int, start: str) -> None:
        """A write failed; some drivers make an object of the rest all the same. start: of the name, as much as sshd tells of it."""
        cut = start.encode("utf-8", "surrogateescape")
        for record in self.of(pid):
            if record["path"].encode("utf-8", "surrogateescape")[:TOLD] == cut:
                record["failed"] = True

    def refused(self, name: str, now: float) -> None:
        """Its open failed, so that nothing came of it: what is there under its name is another's."""
        self._close(name, 0, now, refused=True)

    def _close(self, name: str, written: int | None, now: float, **more: Any) -> None:
        del self.open[name]
        self.fresh.append({"event": "close", "id": name, "time": now, "written": written, **more})

    def of(self, pid: int) -> list[dict[str, Any]]:
        return [record for record in self.open.values() if record["pid"] == pid]

    def ended(self, pid: int, now: float) -> list[dict[str, Any]]:
        """The session's process is gone: what it had open went with it."""
        return [self._truncate(record, "the session's process was killed", None, now) for record in self.of(pid)]

    def lost(self, mount: str, now: float) -> list[dict[str, Any]]:
        """The mount died: whatever its sessions still write goes nowhere."""
        return [self._truncate(record, "the mount died", None, now, finishing=False)
                for record in list(self.open.values()) if record["mount"] == mount]

    def _truncate(self, record: dict[str, Any], reason: str, written: int | None, now: float, finishing: bool = True) -> dict[str, Any]:
        """finishing: the mount lives and may still make an object of what it has."""
        self.open.pop(record["id"], None)
        made = {**record, "event": "truncated", "ended": now, "reason": reason, "written": written, "finishing": finishing}
        self.truncated[record["id"]] = made
        self.fresh.append(made)
        self.total += 1
        return made

    def settle(self, name: str, outcome: str, detail: str, now: float) -> None:
        told = {"outcome": outcome, "detail": detail, "settled": now}
        self.truncated[name].update(told)
        self.fresh.append({"event": "settled", "id": name, **told})

    def unsettled(self) -> list[dict[str, Any]]:
        return [record for record in self.truncated.values() if "outcome" not in record]

    def superseded(self, record: Mapping[str, Any], last: Mapping[tuple[str, str], float]) -> bool:
        """Whether the same object was opened for writing again after this upload. last: when each object was opened last."""
        return last.get(place(record), 0.0) > record["time"]


def verdict(record: Mapping[str, Any], found: Mapping[str, Any], now: float) -> str:
    """Whether an object is what a truncated upload left: `proven` by its size, `likely` by its time alone, or `other`.

    whole: whatever is in the object is of this upload. scp opens without truncating, so that it may have had something before:
    what was written tells then, as one that is resumed or overwritten in part has more bytes than that.
    """
    if found["age"] is None or found["age"] > now - record["time"] + SLACK or not (record["whole"] or record["written"]):
        return "other"
    if record["written"] is None:
        return "likely"
    return "proven" if found["size"] == record["written"] else "other"


def action(policy: str, judged: str) -> str:
    """Removal cannot be taken back, so that it asks for proof; without it the object is put aside."""
    if judged == "other" or policy == "record":
        return "record"
    return "quarantine" if policy == "remove" and judged != "proven" else policy
