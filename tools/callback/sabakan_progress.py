# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A line a task while a playbook runs, and of a failure the host, the task, the message and what was tried."""

from __future__ import annotations

DOCUMENTATION = """
name: sabakan_progress
type: stdout
short_description: A line a task
description: A line a task while a playbook runs; of a failure the host, the task and the message.
"""

import json
import os
import time

from ansible.plugins.callback import CallbackBase

SHOWN = ("msg", "stderr", "journal", "reason")
LINES = 40  # of each
DEBUG = ("ansible.builtin.debug", "debug")


class CallbackModule(CallbackBase):
    CALLBACK_VERSION = 2.0
    CALLBACK_TYPE = "stdout"
    CALLBACK_NAME = "sabakan_progress"

    def __init__(self):
        super().__init__()
        self.started = self.task_started = time.monotonic()
        self.play = self.task = ""
        self.counts = {}
        self.tasks = []
        self.failures = []

    def _line(self, text):
        self._display.display(f"[{time.monotonic() - self.started:5.0f} s] {text}")

    def _flush(self):
        if self.task and sum(self.counts.values()) > self.counts.get("skipped", 0):
            seconds = time.monotonic() - self.task_started
            self.tasks.append({"play": self.play, "task": self.task, "seconds": round(seconds, 2), **self.counts})
            changed = self.counts.get("changed", 0)
            hosts = sum(self.counts.values()) - self.counts.get("skipped", 0)
            self._line(f"{self.play} · {self.task} ({hosts} host{'s' * (hosts > 1)}{f', {changed} changed' if changed else ''})")
        self.task, self.counts = "", {}

    def _count(self, kind):
        self.counts[kind] = self.counts.get(kind, 0) + 1

    def v2_playbook_on_play_start(self, play):
        self._flush()
        self.play = play.get_name()

    def v2_playbook_on_task_start(self, task, is_conditional):
        self._flush()
        self.task, self.task_started = task.get_name().split(" : ")[-1], time.monotonic()

    def v2_playbook_on_handler_task_start(self, task):
        self.v2_playbook_on_task_start(task, False)

    def v2_runner_on_ok(self, result):
        self._count("changed" if result._result.get("changed") else "ok")
        if result._task.action in DEBUG and result._result.get("msg"):
            message = result._result["msg"]
            for line in message if isinstance(message, list) else str(message).splitlines():
                self._display.display(f"          {line}")

    def v2_runner_on_skipped(self, result):
        self._count("skipped")

    def _fail(self, result, kind):
        host, found = result._host.get_name(), result._result
        failed = [one for one in found.get("results", []) if one.get("failed")] or [found]
        self.failures.append({"host": host, "task": self.task, "msg": str(failed[0].get("msg") or found.get("msg") or "")})
        self._display.display(f"\n{kind} on {host}: {self.task} ({self.play})", color="red")
        for one in failed:
            values = [one.get(key) or (found.get(key) if one is failed[0] else None) for key in SHOWN]
            if not one.get("stderr"):  # Yarn's reasons are in the other, at its end
                values.append("\n".join(str(one.get("stdout") or "").splitlines()[-LINES:]))
            for value in filter(None, values):
                text = json.dumps(value, indent=2, ensure_ascii=False) if isinstance(value, (dict, list)) else str(value)
                self._display.display("\n".join(f"    {line}" for line in text.splitlines()[:LINES]), color="red")

    def v2_runner_on_failed(self, result, ignore_errors=False):
        if ignore_errors:
            self._count("ok")
            return
        self._count("failed")
        self._fail(result, "FAILED")

    def v2_runner_on_unreachable(self, result):
        self._count("failed")
        self._fail(result, "UNREACHABLE")

    def v2_playbook_on_stats(self, stats):
        self._flush()
        changed = sum(stats.changed.values())
        hosts = sorted(stats.processed)
        self._line(f"{len(self.tasks)} tasks on {len(hosts)} host{'s' * (len(hosts) != 1)}, {changed} changed, {len(self.failures)} failed")
        path = os.environ.get("SABAKAN_STATISTICS")
        if path:
            with open(path, "w", encoding="utf-8") as stream:
                json.dump({
                    "seconds": round(time.monotonic() - self.started, 1), "changed": changed,
                    "tasks": self.tasks, "failures": self.failures,
                }, stream, indent=1)
