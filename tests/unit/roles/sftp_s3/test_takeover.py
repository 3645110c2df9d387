# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sabakan_sftp import accounts, mounts
from sabakan_sftp.takeover import Takeover

from .documents import MOUNT, USER, document

OTHER = {**USER, "name": "store2", "uid": 5002, "gid": 5002}


class Homes:
    """Notes who is let in and who is known."""

    def __init__(self) -> None:
        self.known: set[str] = set()
        self.shut: list[str] = []

    def home(self, user: str) -> Path:
        return Path("/home") / user

    def let(self, user: str, allowed: bool) -> None:
        self.shut.append(user)

    def apply(self, users: dict[str, Any]) -> None:
        self.known = set(users)

    def prepare(self, user: Any) -> None: ...
    def forget(self, user: str, directory: str) -> None: ...


class Place:
    """A takeover over nothing, with a configuration file."""

    def __init__(self, path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.path, self.homes, self.ended, self.heard, self.told = path, Homes(), [], set(), []
        self.sshd_says = ""
        sshd = SimpleNamespace(check=lambda command: self.sshd_says, configure=lambda *words: None)
        never = SimpleNamespace(done=False, cancel=lambda: None)
        world = SimpleNamespace(counters={}, withdraw=lambda mount: None, clean=lambda mount: "", check_store=lambda mount: never)
        monkeypatch.setattr(accounts, "end", lambda names, number=15: self.ended.append((set(names), int(number))) or len(names))
        self.takeover = Takeover(path, self.homes, sshd, lambda config: world, lambda kind, **values: self.told.append(kind),
                                 lambda name, log: self.heard.add(name), self.heard.discard)

    def take(self, **changes: Any) -> str:
        self.path.write_bytes(document(**changes))
        self.ended.clear()
        return self.takeover.reload(100.0)


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Place:
    made = Place(tmp_path / "config.json", monkeypatch)
    assert made.take(users=[USER, OTHER]) == ""
    return made


def test_at_first_all_are_known_and_the_mount_is_begun(place):
    assert place.heard == place.homes.known == {"store1", "store2"} and list(place.takeover.keepings) == ["partners"]
    assert place.ended == [(set(), 15)] and place.told == ["config-in-force"]


def test_a_user_who_goes_ends_no_other_session(place):
    before = place.takeover.keepings["partners"]
    assert place.take(users=[USER]) == ""
    assert place.ended == [({"store2"}, 15)] and place.heard == place.homes.known == {"store1"}
    assert place.takeover.keepings["partners"] is before and not place.takeover.leaving
    place.takeover.tick(101.0, False)
    assert len(place.ended) == 1
    place.takeover.tick(102.1, False)
    assert place.ended[1:] == [({"store2"}, 9)]


@pytest.mark.parametrize("change", [{"password_hash": "$y$x"}, {"keys": ["ssh-ed25519 x"]}])
def test_a_new_way_to_log_in_ends_nothing(place, change):
    assert place.take(users=[{**USER, **change}, OTHER]) == "" and place.ended[0][0] == set()


@pytest.mark.parametrize("change", [{"read_only": True}, {"delete": True}, {"uid": 5009, "gid": 5009}, {"directory": "other"}])
def test_another_view_ends_the_sessions_of_that_user(place, change):
    assert place.take(users=[{**USER, **change}, OTHER]) == "" and place.ended[0][0] == {"store1"}


@pytest.mark.parametrize("change", [{"command": ["s3fs"]}, {"secrets_digest": "new"}, {"s3": {"bucket": "c", "prefix": "p/"}}])
def test_another_mount_ends_the_sessions_on_it_and_begins_when_its_former_self_is_gone(place, change):
    before = place.takeover.keepings["partners"]
    before.pid = 7
    assert place.take(mounts=[{**MOUNT, **change}], users=[USER, OTHER]) == ""
    assert place.ended[0][0] == {"store1", "store2"}
    assert place.takeover.leaving == [before] and not place.takeover.keepings
    place.takeover.exited(7, 0, 101.0)
    place.takeover.tick(101.0, False)
    assert not place.takeover.leaving and place.takeover.keepings["partners"] is not before


@pytest.mark.parametrize("change", [{"probe_interval": 9}, {"on_truncated": "remove"}])
def test_what_is_only_kept_in_mind_changes_without_a_new_mount(place, change):
    before = place.takeover.keepings["partners"]
    assert place.take(mounts=[{**MOUNT, **change}], users=[USER, OTHER]) == ""
    assert place.takeover.keepings["partners"] is before and place.ended[0][0] == set()
    assert before.mount == place.takeover.config.mounts["partners"]


def test_a_configuration_that_is_refused_changes_nothing(place):
    before = place.takeover.config
    assert "version is not 1" in place.take(version=2)
    assert place.takeover.config is before and not place.ended and place.homes.known == {"store1", "store2"}
    place.sshd_says = "line 3: Bad"
    assert "sshd refuses its configuration: line 3: Bad" in place.take(users=[], sshd={"config_digest": "new"})
    assert place.takeover.config is before and not place.ended and place.told[-2:] == ["config-refused"] * 2
    place.sshd_says = ""
    assert place.take(users=[USER, OTHER]) == "" and place.takeover.error == ""


def test_at_the_end_all_sessions_go_and_the_mounts_are_awaited(place):
    keeping = place.takeover.keepings["partners"]
    assert isinstance(keeping, mounts.Keeping)
    keeping.pid = 7
    place.ended.clear()
    place.takeover.stop(200.0)
    assert place.ended == [({"store1", "store2"}, 15)] and place.takeover.leaving == [keeping] and not place.takeover.keepings
