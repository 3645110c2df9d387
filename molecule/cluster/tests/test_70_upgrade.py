"""The next release, over a run that is killed in its middle, while somebody posts."""

import json
import os
import signal
import subprocess
import threading
import time

import pytest
from stack import APPLICATION, ENVIRONMENT, ROOT, await_that

NEXT = "v2"
HOSTS = ["app-01", "app-02", "lankiq-01", "wankiq-01"]
COLUMNS = "SELECT string_agg(column_name, ' ' ORDER BY column_name) FROM information_schema.columns WHERE table_name = 'statuses'"


class Poster(threading.Thread):
    """Posts until it is told to stop, and keeps what failed."""

    def __init__(self, stack) -> None:
        super().__init__(daemon=True)
        self.stack, self.posted, self.failed, self.over = stack, 0, [], threading.Event()

    def run(self) -> None:
        while not self.over.wait(0.25):
            try:
                self.stack.post("While the release changes")
                self.posted += 1
            except Exception as error:
                self.failed.append(f"{time.strftime('%X')} {error}")


@pytest.fixture(scope="module")
def upgrade(stack):
    """The words of the run to the next release."""
    overlay = {"group_vars/all.yml": {"stack_release": {**stack.release, "ref": NEXT}}}
    return {"words": APPLICATION, "overlay": overlay}


@pytest.fixture(scope="module")
def before(stack):
    return {host: stack.run(host, "readlink -f /home/mastodon/current").strip() for host in HOSTS}


def test_a_run_that_is_killed_while_it_builds_leaves_the_old_release_serving(stack, before, upgrade):
    log = stack.scratch / "killed.log"
    with log.open("w") as stream:
        process = subprocess.Popen(
            stack.command(*upgrade["words"], overlay=upgrade["overlay"]), cwd=ROOT, stdin=subprocess.DEVNULL, stdout=stream,
            stderr=subprocess.STDOUT, start_new_session=True, env=ENVIRONMENT,
        )
    try:
        await_that("the run installs gems", lambda: "Install the gems" in log.read_text() or process.poll() is not None, 120)
    finally:
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
    assert "Install the gems" in log.read_text(), log.read_text()[-3000:]
    assert {host: stack.run(host, "readlink -f /home/mastodon/current").strip() for host in HOSTS} == before
    stack.assert_service()


def failed_connections(stack):
    """Of HAProxy to each puma: failed, tried again, given to another."""
    return {name: (row["econ"], row["wretr"], row["wredis"]) for name, row in stack.balancer().items() if name[0] == "puma"}


def who_did(output, task):
    """The hosts that a task of the playbook has changed."""
    _before, found, after = output.partition(f"TASK [sabakan.vps.mastodon : {task}] ")
    assert found, f"no task {task!r}: {output[-2000:]}"
    return [line.removeprefix("changed: [").partition("]")[0] for line in after.partition("\n\n")[0].splitlines() if line.startswith("changed: [")]


@pytest.fixture(scope="module")
def run(stack, before, upgrade):
    """The run to the next release, while somebody posts."""
    poster, connections = Poster(stack), failed_connections(stack)
    poster.start()
    found = stack.playbook(*upgrade["words"], overlay=upgrade["overlay"])
    poster.over.set()
    poster.join(20)
    return found, poster, connections


def test_the_next_run_brings_the_new_release_and_no_request_fails(stack, run):
    found, poster, connections = run
    assert found.returncode == 0, found.stdout[-4000:]
    assert poster.posted > 20
    assert poster.failed == []
    # Each was out of the rotation before it stopped, so none was even tried in vain.
    assert failed_connections(stack) == connections


@pytest.mark.parametrize("task", ["Build the assets", "Run the migrations that the new code needs", "Run the post-deployment migrations"])
def test_one_host_builds_and_migrates_for_all(run, task):
    assert who_did(run[0].stdout, task) == ["app-01"]


def test_both_phases_of_the_migrations_have_run(stack, run):
    columns = stack.query("rdb-01", COLUMNS).split()
    assert "language" in columns, "the migration before the new code"
    assert "application_name" not in columns, "the migration after it"


@pytest.mark.parametrize("name", HOSTS)
def test_every_process_runs_the_new_release_and_the_old_one_is_kept(stack, before, name):
    current = stack.run(name, "readlink -f /home/mastodon/current").strip()
    assert current != before[name]
    stack.run(name, f"test -e {before[name]}/.sabakan-complete")
    units = "systemctl show -P MainPID 'mastodon-*.service' | grep -vx -e 0 -e ''"
    places = stack.run(name, f"for pid in $({units}); do readlink /proc/$pid/cwd; done").split()
    assert places and set(places) == {current}


def test_the_new_release_serves(stack):
    stack.assert_service()
    assert json.loads(stack.request("GET", "/api/v2/instance").body)["version"].startswith("4.5.15")
