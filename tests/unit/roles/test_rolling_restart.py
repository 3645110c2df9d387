# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""A restart out of the rotation where one of two balancers is down."""

from __future__ import annotations

from pathlib import Path

from role_run import ROLES, play


def test_no_balancer_takes_a_server_out_before_all_of_them_answer(tmp_path: Path) -> None:
    """Its host is out of the play with the first that does not answer, and would stay out of the rotation of those that did."""
    balancers = {"front-01": {"ansible_connection": "local"}, "front-02": {"ansible_connection": "ssh", "ansible_host": "127.0.0.1", "ansible_port": 1}}
    tasks = [{"ansible.builtin.add_host": {"name": name, **how}} for name, how in balancers.items()]
    tasks.append({"ansible.builtin.include_tasks": str(ROLES / "haproxy" / "tasks" / "restart_out_of_rotation.yml")})
    variables = {
        "haproxy_rolling_balancers": list(balancers), "haproxy_rolling_addresses": ["10.91.0.11:3000"], "haproxy_rolling_units": [],
        "haproxy_rolling_timeout": 1, "haproxy_rolling_drain_timeout": 1,
    }
    code, output = play(tmp_path, "haproxy", tasks, variables)
    assert code != 0 and "(item=front-01)" in output and "UNREACHABLE" in output, output
    assert "TASK [Take it out of the rotation]" not in output


def test_what_one_balancer_has_taken_out_comes_back_when_another_refuses(tmp_path: Path) -> None:
    """Each has a view of its own of who else serves; the host would stay out of one rotation until somebody ran this again."""
    interpreter = tmp_path / "python"
    interpreter.write_text(f"""#!/bin/sh
echo "$1" >> {tmp_path}/calls
if [ $(wc -l < {tmp_path}/calls) = 2 ]; then
  echo '{{"failed": true, "msg": "web/app-01: no other server of the backend answers"}}'
else
  echo '{{"changed": false, "served": true}}'
fi
""")
    interpreter.chmod(0o755)
    balancers = {"front-01": {}, "front-02": {"ansible_python_interpreter": str(interpreter)}}
    tasks = [{"ansible.builtin.add_host": {"name": name, "ansible_connection": "local", **how}} for name, how in balancers.items()]
    tasks.append({"ansible.builtin.include_tasks": str(ROLES / "haproxy" / "tasks" / "restart_out_of_rotation.yml")})
    variables = {
        "haproxy_rolling_balancers": list(balancers), "haproxy_rolling_addresses": ["10.91.0.11:3000"], "haproxy_rolling_units": [],
        "haproxy_rolling_timeout": 1, "haproxy_rolling_drain_timeout": 1,
    }
    code, output = play(tmp_path, "haproxy", tasks, variables)
    assert code != 0 and "TASK [Restart it]" not in output, output
    back = output.index("TASK [Bring it back where it was taken out]")
    assert "front-01" in output[back:] and "no other server of the backend answers" in output[back:]
    assert len((tmp_path / "calls").read_text().splitlines()) == 3
