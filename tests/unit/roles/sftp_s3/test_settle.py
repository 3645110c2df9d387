# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from sabakan_sftp import settle, uploads

RECORD = {"id": "0123456789abcdef", "key": "p/x", "time": 1000.0, "ended": 1010.0, "written": 50, "whole": True, "mount": "m"}


@pytest.mark.parametrize(("record", "found", "judged"), [
    ({}, {"size": 50, "age": 5.0}, "proven"),
    ({}, {"size": 51, "age": 5.0}, "other"),
    ({}, {"size": 50, "age": 500.0}, "other"),
    ({}, {"size": 50, "age": None}, "other"),
    ({"whole": False}, {"size": 50, "age": 5.0}, "proven"),
    ({"whole": False}, {"size": 90, "age": 5.0}, "other"),
    ({"whole": False}, {"size": 50, "age": 500.0}, "other"),
    ({"whole": False, "written": 0}, {"size": 0, "age": 5.0}, "other"),
    ({"whole": False, "written": None}, {"size": 7, "age": 5.0}, "other"),
    ({"written": None}, {"size": 7, "age": 5.0}, "likely"),
    ({"written": None}, {"size": 7, "age": 50.0}, "other"),
])
def test_whether_an_object_is_what_the_upload_left(record, found, judged):
    assert uploads.verdict({**RECORD, **record}, found, 1012.0) == judged


@pytest.mark.parametrize(("policy", "judged", "done"), [
    ("record", "proven", "record"), ("quarantine", "proven", "quarantine"), ("quarantine", "likely", "quarantine"), ("quarantine", "other", "record"),
    ("remove", "proven", "remove"), ("remove", "likely", "quarantine"), ("remove", "other", "record"),
])
def test_nothing_is_removed_without_proof(policy, judged, done):
    assert uploads.action(policy, judged) == done


class Store:
    def __init__(self, **objects: dict[str, Any]) -> None:
        self.objects = {f"p/{name}": found for name, found in objects.items()}
        self.after_copy: dict[str, Any] | None = None

    def head(self, key):
        return self.objects.get(key)

    def copy(self, source, target, found):
        self.objects[target] = dict(self.objects[source])
        if self.after_copy:
            self.objects[source] = self.after_copy

    def delete(self, key, found):
        del self.objects[key]
        return True


FOUND = {"size": 50, "age": 5.0, "etag": '"a"', "version": ""}


def settled(store: Store, policy: str, **changes: Any) -> dict[str, str]:
    return settle.settle(store, {**RECORD, **changes}, policy, "quarantine/", 0, lambda: 1012.0, lambda seconds: None)


@pytest.mark.parametrize(("store", "policy", "changes", "outcome", "keys"), [
    (Store(), "quarantine", {}, "absent", []),
    (Store(x=FOUND), "record", {}, "recorded", ["p/x"]),
    (Store(x=FOUND), "quarantine", {}, "quarantined", ["quarantine/p/x.19700101T001650Z-01234567"]),
    (Store(x=FOUND), "remove", {}, "removed", []),
    (Store(x=FOUND), "remove", {"written": None}, "quarantined", ["quarantine/p/x.19700101T001650Z-01234567"]),
    (Store(x={**FOUND, "size": 99}), "remove", {}, "other", ["p/x"]),
])
def test_what_becomes_of_a_truncated_upload(store, policy, changes, outcome, keys):
    assert settled(store, policy, **changes)["outcome"] == outcome
    assert sorted(store.objects) == keys


def test_an_object_that_was_replaced_meanwhile_stays():
    store = Store(x=FOUND)
    store.after_copy = {**FOUND, "etag": '"b"'}
    assert settled(store, "quarantine")["outcome"] == "replaced"
    assert store.objects["p/x"]["etag"] == '"b"'


def test_a_quarantine_that_was_interrupted_after_its_end_is_told_as_done():
    store = Store(x=FOUND)
    settled(store, "quarantine")
    assert settled(store, "quarantine")["outcome"] == "quarantined"
