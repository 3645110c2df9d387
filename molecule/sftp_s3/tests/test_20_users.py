"""Users come, change and go; those who stay notice nothing."""

from __future__ import annotations

import subprocess

from partner import OPTIONS, PORT, Partner, await_that, play, status, users

HOST = "sftp-02"


class Session:
    """A session that stays open."""

    def __init__(self, partner: Partner) -> None:
        self.process = subprocess.Popen(
            ["sftp", "-q", "-P", str(PORT), *partner.login, *OPTIONS, partner.target],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )
        assert "Remote working directory: /" in self.ask("pwd")

    def ask(self, command: str) -> str:
        """The first line of its answer; empty when the session is gone."""
        assert self.process.stdin and self.process.stdout
        try:
            self.process.stdin.write(command + "\n")
            self.process.stdin.flush()
        except BrokenPipeError:
            return ""
        while (line := self.process.stdout.readline()).startswith("sftp>"):
            pass
        return line

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


def test_a_user_comes_changes_and_goes_without_the_others_sessions(fleet, tmp_path):
    staying, leaving = Session(Partner(fleet, HOST, "p1")), Session(Partner(fleet, HOST, "p8"))
    before = fleet[HOST].check_output("docker inspect -f '{{.State.StartedAt}} {{.Id}}' sabakan-sftp")
    mounts = {name: mount["pid"] for name, mount in status(fleet, HOST)["mounts"].items()}
    others = [user for user in users(fleet, HOST) if user["name"] != "p8"]
    changed = [{**user, "delete": False} if user["name"] == "p2" else user for user in others]
    new = {**others[0], "name": "late", "uid": 5201}

    foretold = play(fleet, HOST, "--check", "--diff", sftp_s3_users=[*changed, new])
    assert foretold.returncode == 0, foretold.stdout[-3000:]
    assert '+   "name": "late"' in foretold.stdout and '-   "name": "p8"' in foretold.stdout
    assert "$6$" not in foretold.stdout
    assert "late" not in status(fleet, HOST)["users"]

    made = play(fleet, HOST, sftp_s3_users=[*changed, new])
    assert made.returncode == 0, made.stdout[-3000:]
    try:
        assert staying.ask("pwd") == "Remote working directory: /\n"
        assert {name: mount["pid"] for name, mount in status(fleet, HOST)["mounts"].items()} == mounts
        assert fleet[HOST].check_output("docker inspect -f '{{.State.StartedAt}} {{.Id}}' sabakan-sftp") == before
        Partner(fleet, HOST, "late").must("ls data")
        (tmp_path / "film").write_bytes(b"film")
        Partner(fleet, HOST, "p2").must(f"put {tmp_path}/film data/of-p2")
        Partner(fleet, HOST, "p2").must_not("rm data/of-p2")
        await_that("the session of the user who is gone ends", lambda: leaving.ask("pwd") != "Remote working directory: /\n")
        Partner(fleet, HOST, "p8").must_not("ls")
    finally:
        staying.close()
        leaving.close()


def test_again_nothing_changes_and_back_is_a_change_too(fleet):
    back = play(fleet, HOST, "--tags", "sftp_s3")
    assert back.returncode == 0, back.stdout[-3000:]
    assert "changed=0" not in back.stdout
    again = play(fleet, HOST, "--check", "--diff")
    assert "changed=0" in again.stdout and "failed=0" in again.stdout, again.stdout[-3000:]
    Partner(fleet, HOST, "p8").must("ls data")
    Partner(fleet, HOST, "late").must_not("ls")
