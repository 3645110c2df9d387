# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""descriptor_info over made-up hosts: a directory in place of /."""

from __future__ import annotations

import json
import shutil
import time

import pytest
from ansible_collections.sabakan.vps.plugins.module_utils import _descriptor_report
from ansible_collections.sabakan.vps.plugins.module_utils._descriptor_host import Host

ID = "0123456789abcdef" * 4
NOTHING = {"units": [], "programs": [], "containers": [], "names": [], "all": False, "findings_only": False, "near": 80, "need": 0, "needs": {}}
LIMITS = "Limit                     Soft Limit           Hard Limit           Units     \nMax open files            {}  {}  files     \n"


class MadeUp:
    """A host below a directory, and what its commands answer."""

    def __init__(self, root):
        self.root = root
        self.answers = {}
        self.write("/proc/sys/fs/nr_open", "1048576\n")
        self.write("/proc/sys/fs/file-nr", "320\t0\t100000\n")
        self.write("/proc/net/tcp", "sl\n 0: 0100007F:0016 0100007F:9C40 06 0:0 0:0 0 0 0 0 1\n")
        self.process(1, "systemd", 0, (524288, 524288), "/init.scope")

    def write(self, path, text):
        target = self.root / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_text(text)

    def process(self, pid, name, parent, limits=(1024, 524288), cgroup="/", fds=(), cmdline="", environ="", uid=0):
        self.write(f"/proc/{pid}/stat", f"{pid} ({name}) S {parent} 0 0")
        self.write(f"/proc/{pid}/limits", LIMITS.format(*limits))
        self.write(f"/proc/{pid}/cgroup", f"0::{cgroup}\n")
        self.write(f"/proc/{pid}/cmdline", cmdline)
        self.write(f"/proc/{pid}/environ", environ)
        self.write(f"/proc/{pid}/status", f"Name:\t{name}\nUid:\t{uid}\t{uid}\t{uid}\t{uid}\n")
        directory = self.root / f"proc/{pid}/fd"
        directory.mkdir()
        for number, target in enumerate(fds):
            (directory / str(number)).symlink_to(target)

    def unit(self, name, soft=1024, hard=524288, text=""):
        self.write(f"/etc/systemd/system/{name}", text)
        shown = f"Id={name}\nLimitNOFILE={hard}\nLimitNOFILESoft={soft}\nFragmentPath=/etc/systemd/system/{name}\nDropInPaths="
        self.answers["systemctl"] = self.answers.get("systemctl", "") + shown + "\n\n"

    def run(self, program, *words):
        if program == "docker":
            program += f" {words[0]}"
        return self.answers.get(program, "")

    def report(self, **wanted):
        host = Host(self.run, str(self.root))
        host.scan()
        asked = {**NOTHING, **wanted}
        return _descriptor_report.report(host, _descriptor_report.selected(host, asked), asked)


@pytest.fixture(name="made_up")
def fixture_made_up(tmp_path):
    return MadeUp(tmp_path)


def story(made_up):
    made_up.unit("story.service")
    made_up.process(10, "supervisord", 1, cgroup="/system.slice/story.service", uid=1000,
                    cmdline="/usr/bin/python3\0/usr/bin/supervisord\0-n\0-c\0/srv/s.conf\0")
    made_up.write("/srv/s.conf", "[supervisord]\n")
    made_up.process(11, "crawler (1)\nx", 10, cgroup="/system.slice/story.service", environ="SUPERVISOR_PROCESS_NAME=crawler\0",
                    fds=["socket:[5]", "pipe:[6]", "/dev/null", "anon_inode:[eventfd]", "/srv/a b"])


@pytest.mark.parametrize("wanted", [{"programs": ["crawler"]}, {"names": ["crawler (1)\nx"]}])
def test_supervisord_is_named_as_the_link(made_up, wanted):
    story(made_up)
    (found,) = made_up.report(need=1500, **wanted)
    assert (found["unit"], found["program"], found["open"], found["soft"]) == ("story.service", "crawler", 5, 1024)
    assert found["kinds"] == {"socket other": 1, "pipe": 1, "device": 1, "eventfd": 1, "file": 1}
    assert [link["kind"] for link in found["chain"]] == ["kernel", "systemd", "unit", "supervisord", "process"]
    verdict = found["verdicts"][0]
    assert (verdict["verdict"], verdict["link"]) == ("below_need", "supervisord")
    assert "minfds in /srv/s.conf" in verdict["message"]
    assert "does not run as root" in verdict["message"]


@pytest.mark.parametrize(
    ("needs", "short"),
    [({"crawler": 1025}, True), ({"crawler": 1024}, False), ({"story.service": 4096, "crawler": 10}, True), ({"": 4096, "other": 4096}, False)],
)
def test_the_largest_need_that_a_process_belongs_to_counts(made_up, needs, short):
    story(made_up)
    found = made_up.report(programs=["crawler"], needs=needs)[0]["verdicts"]
    assert any(verdict["verdict"] == "below_need" for verdict in found) is short


def test_a_unit_brings_all_its_processes(made_up):
    story(made_up)
    assert {found["pid"] for found in made_up.report(units=["story.service"])} == {10, 11}


def test_minfds_that_was_chosen_is_no_accident(made_up):
    story(made_up)
    made_up.write("/srv/s.conf", "[supervisord]\nminfds=1024\n")
    assert made_up.report(programs=["crawler"])[0]["verdicts"] == []


@pytest.mark.parametrize(
    ("text", "verdicts"), [("", ["inherited"]), ("[Service]\nLimitNOFILE=1024:524288\n", []), ("[Service]\nLimitNOFILE=\n", ["inherited"])]
)
def test_a_soft_limit_that_the_unit_asks_for_is_no_accident(made_up, text, verdicts):
    made_up.unit("x.service", text=text)
    made_up.process(20, "x", 1, cgroup="/system.slice/x.service")
    assert [found["verdict"] for found in made_up.report(units=["x.service"])[0]["verdicts"]] == verdicts


def test_a_unit_above_the_machines_hard_limit_is_caught(made_up):
    made_up.write("/proc/1/limits", LIMITS.format(20000, 20000))
    made_up.unit("redis.service", 65536, 65536, "[Service]\nLimitNOFILE=65536\n")
    made_up.process(20, "redis-server", 1, (20000, 20000), "/system.slice/redis.service")
    (found,) = made_up.report(units=["redis.service"])
    assert [(v["verdict"], v["link"]) for v in found["verdicts"]] == [("clamped", "systemd")]
    made_up.write("/.dockerenv", "")
    assert made_up.report(units=["redis.service"])[0]["verdicts"][0]["link"] == "container runtime"


def with_container(made_up, own=None, now=(1048576, 1048576), merged=None):
    """own: its limit, as the engine keeps it. merged: what inspect tells, the default of the engine in it."""
    def config(limit):
        return {"Ulimits": [{"Name": "nofile", "Soft": limit[0], "Hard": limit[1]}] if limit else None}

    made_up.process(30, "containerd", 1, now, "/system.slice/containerd.service")
    made_up.process(31, "python3", 30, (1024, 4096), f"/system.slice/docker-{ID}.scope")
    directory = f"/srv/docker/containers/{ID}"
    made_up.write(f"{directory}/hostconfig.json", json.dumps(config(own)))
    made_up.answers["docker ps"] = ID + "\n"
    made_up.answers["docker inspect"] = json.dumps(
        [{"Id": ID, "Name": "/bot", "HostConfig": config(own or merged), "ResolvConfPath": f"{directory}/resolv.conf"}])


@pytest.mark.parametrize("container", ["bot", ID, ID[:12]])
def test_a_container_from_before_the_runtimes_default_changed_is_caught(made_up, container):
    with_container(made_up)
    (found,) = made_up.report(containers=[container])
    assert found["container"] == "bot"
    assert [v["verdict"] for v in found["verdicts"]] == ["stale"]
    assert "restart it" in found["verdicts"][0]["message"]


def with_default(made_up, soft, hard):
    made_up.write("/etc/docker/daemon.json", json.dumps({"default-ulimits": {"nofile": {"Name": "nofile", "Soft": soft, "Hard": hard}}}))


def test_the_default_of_daemon_json_counts_before_that_of_containerd_and_is_no_accident(made_up):
    with_container(made_up)
    with_default(made_up, 1024, 4096)
    assert made_up.report(containers=["bot"])[0]["verdicts"] == []


@pytest.mark.parametrize("default", [(2048, 4096), (1024, 8192)])
def test_a_container_that_is_behind_in_one_of_both_limits_is_caught(made_up, default):
    with_container(made_up)
    with_default(made_up, *default)
    assert [v["verdict"] for v in made_up.report(containers=["bot"])[0]["verdicts"]] == ["stale"]


@pytest.mark.parametrize(("merged", "link"), [((1024, 4096), "container"), ((2048, 4096), "process"), (None, "process")])
def test_an_engine_from_before_its_settings_changed_is_the_link(made_up, merged, link):
    """What inspect tells of a container without a limit is the default of the engine that runs."""
    with_container(made_up, merged=merged)
    with_default(made_up, 2048, 4096)
    found = made_up.report(containers=["bot"], needs={"bot": "2048:4096"})[0]["verdicts"]
    assert {verdict["verdict"]: verdict["link"] for verdict in found} == {"below_need": link, "stale": link}
    assert all(("restart docker.service" in verdict["message"]) is (link == "container") for verdict in found)


@pytest.mark.parametrize(("limit", "link"), [("1024:4096", ""), ("1024:8192", "container"), ("2048:4096", "container"), (1024, "")])
def test_a_need_may_be_of_both_limits(made_up, limit, link):
    with_container(made_up, (1024, 4096))
    found = made_up.report(containers=["bot"], needs={"bot": limit})[0]["verdicts"]
    assert [v["link"] for v in found if v["verdict"] == "below_need"] == ([link] if link else [])


def test_a_containers_own_ulimit_is_what_it_is_held_against(made_up):
    with_container(made_up, (1024, 4096))
    (found,) = made_up.report(containers=["bot"], need=2000)
    assert [(v["verdict"], v["link"]) for v in found["verdicts"]] == [("below_need", "container")]
    assert "its own --ulimit nofile" in found["verdicts"][0]["message"]


@pytest.mark.parametrize("answer", ["", "[", "[{}]", "[1]"])
def test_a_runtime_that_answers_nonsense_is_no_error(made_up, answer):
    with_container(made_up)
    made_up.answers["docker inspect"] = answer
    assert [found["container"] for found in made_up.report(all=True) if found["pid"] == 31] == [ID[:12]]


def test_a_worker_is_held_against_the_configuration_that_its_master_was_given(made_up):
    made_up.unit("nginx.service")
    made_up.process(40, "nginx", 1, cgroup="/system.slice/nginx.service", cmdline="nginx: master process nginx -c /srv/n.conf\0")
    made_up.process(41, "nginx", 40, cgroup="/system.slice/nginx.service", cmdline="nginx: worker process\0")
    made_up.write("/srv/n.conf", "include events.conf;")
    made_up.write("/srv/events.conf", "events { worker_connections 768; }")
    short = {found["pid"]: [v["message"] for v in found["verdicts"] if v["verdict"] == "below_need"] for found in made_up.report(names=["nginx"])}
    assert short[40] == []
    assert "1600 descriptors are needed (2 * worker_connections 768 + 64), its limit is 1024" in short[41][0]


@pytest.mark.parametrize(
    ("name", "cmdline", "path", "text", "need"),
    [
        ("haproxy", "haproxy\0-Ws\0-f\0/srv/h.cfg\0", "/srv/h.cfg", "global\n maxconn 4000\n nbthread 2", 8038),
        ("pgbouncer", "/usr/sbin/pgbouncer\0/srv/p.ini\0", "/srv/p.ini", "[pgbouncer]\nmax_client_conn=2000", 2064),
        ("redis-server", "/usr/bin/redis-server 127.0.0.1:6379\0", "/etc/redis/redis.conf", "maxclients 4000", 4032),
        ("postgres", "postgres\0-D\0/srv/pg\0", "/srv/pg/postgresql.conf", "max_files_per_process = 2000", 2000),
        ("postgres", "postgres\0-D\0/x\0-c\0config_file=/srv/pg.conf\0", "/srv/pg.conf", "max_files_per_process = 2000", 2000),
    ],
)
def test_a_daemon_is_held_against_its_own_configuration(made_up, name, cmdline, path, text, need):
    made_up.process(50, name, 1, cmdline=cmdline)
    made_up.write(path, text)
    messages = [v["message"] for v in made_up.report(names=[name])[0]["verdicts"] if v["verdict"] == "below_need"]
    assert f"{need} descriptors are needed" in messages[0]


@pytest.mark.parametrize(("file_max", "short"), [(99_999, True), (100_000, False), (0, False)])
def test_all_of_postgresql_is_held_against_what_the_kernel_has(made_up, file_max, short):
    made_up.write("/proc/sys/fs/file-nr", f"320\t0\t{file_max}\n")
    made_up.write("/srv/pg/postgresql.conf", "max_connections = 200\nmax_files_per_process = 500\n")
    made_up.process(50, "postgres", 1, cmdline="/usr/lib/postgres\0-D\0/srv/pg\0")
    made_up.process(51, "postgres", 50, cmdline="postgres: checkpointer\0")
    found = {process["pid"]: [v["message"] for v in process["verdicts"] if "max_connections" in v["message"]] for process in made_up.report(names=["postgres"])}
    assert (len(found[50]), len(found[51])) == (int(short), 0)
    assert not short or ("100000 descriptors may be needed" in found[50][0] and "sysctl fs.file-max, or max_connections" in found[50][0])


def test_processes_that_vanish_while_read_are_left_out(made_up):
    for pid in range(60, 70):
        made_up.process(pid, "brief", 1, fds=["/dev/null"])
    shutil.rmtree(made_up.root / "proc/60/fd")
    (made_up.root / "proc/61/limits").unlink()
    (made_up.root / "proc/62/stat").write_text("62 (bri")
    (made_up.root / "proc/63/cgroup").unlink()
    host = Host(made_up.run, str(made_up.root))
    host.scan()
    shutil.rmtree(made_up.root / "proc/64")
    asked = {**NOTHING, "names": ["brief"]}
    found = {process["pid"] for process in _descriptor_report.report(host, _descriptor_report.selected(host, asked), asked)}
    assert found == {63, 65, 66, 67, 68, 69}


def test_the_kernels_own_processes_and_the_dead_are_left_out(made_up):
    made_up.process(2, "kthreadd", 0)
    made_up.process(70, "kworker/0:1", 2)
    made_up.process(71, "dead", 1)
    made_up.write("/proc/71/stat", "71 (dead) Z 1 0")
    assert [found["pid"] for found in made_up.report(all=True)] == [1]


def test_parents_in_a_circle_are_no_error(made_up):
    made_up.process(80, "a", 81)
    made_up.process(81, "b", 80)
    assert len(made_up.report(all=True)) == 3


def test_the_host_as_a_whole(made_up):
    host = Host(made_up.run, str(made_up.root))
    assert _descriptor_report.system(host) == {"open": 320, "file_max": 100000, "nr_open": 1048576}
    assert _descriptor_report.tcp(host) == {"time_wait": 1}
    lines = ["kernel: VFS: file-max limit 9 reached", "x: [Errno 24] Too many open files", "fine"]
    errors = _descriptor_report.errors_of(lines)
    assert errors == {"EMFILE": lines[1:2], "ENFILE": lines[:1]}


def test_five_thousand_processes_take_less_than_two_seconds(made_up):
    made_up.unit("many.service")
    for pid in range(1000, 6000):
        made_up.process(pid, "many", 1, cgroup="/system.slice/many.service", fds=["socket:[1]", "pipe:[2]", "/dev/null", "/srv/x"])
    # The processor's time, so that a busy machine is no reason.
    before = time.process_time()
    assert len(made_up.report(all=True)) == 5001
    assert time.process_time() - before < 2
