"""supervisord as an ordinary user with its defaults: its program dies at 1024, and no TCP setting helps."""

import time

# As the story had them.
TCP_SETTINGS = {
    "tcp_fin_timeout": "30", "tcp_keepalive_time": "300", "tcp_syncookies": "1", "tcp_tw_reuse": "1", "tcp_tw_recycle": "1",
    "ip_local_port_range": "5000 65000",
}
CONTROL = "supervisorctl -c /srv/bots/supervisord.conf"


def crawler_after_a_start(bots):
    """The last line of a crawler that is started anew."""
    bots.run(f"{CONTROL} stop crawler; truncate -s 0 /srv/bots/log/crawler.log; {CONTROL} start crawler")
    for _ in range(50):
        lines = bots.check_output("cat /srv/bots/log/crawler.log").splitlines()
        if lines and ("Errno" in lines[-1] or "holds" in lines[-1]):
            return lines[-1]
        time.sleep(0.2)
    return "nothing"


def test_the_program_dies_of_too_many_open_files(bots):
    assert "[Errno 24] Too many open files" in crawler_after_a_start(bots)


def test_a_shell_of_its_user_has_plenty(bots):
    assert bots.check_output("su bots -s /bin/sh -c 'ulimit -n'") == "16384"


def test_the_tcp_settings_of_the_story_do_not_help(bots):
    bots.check_output("mount -o remount,rw /proc/sys")
    refused = [
        name for name, value in TCP_SETTINGS.items() if bots.run(f"sysctl -w 'net.ipv4.{name}={value}'").rc
    ]
    assert refused == ["tcp_tw_recycle"]
    assert "[Errno 24] Too many open files" in crawler_after_a_start(bots)


def test_descriptor_info_names_supervisord_as_the_link(descriptors):
    found = descriptors(programs=["keeper"], need=1500)
    (process,) = found["processes"]
    verdicts = {verdict["verdict"]: verdict for verdict in process["verdicts"]}
    assert (process["soft"], process["unit"]) == (1024, "bots.service")
    assert verdicts["below_need"]["link"] == verdicts["inherited"]["link"] == "supervisord"
    assert "minfds in /srv/bots/supervisord.conf" in verdicts["below_need"]["message"]
    assert "does not run as root" in verdicts["below_need"]["message"]


def test_connections_in_time_wait_are_told_beside_and_cleared_of_it(descriptors):
    found = descriptors(programs=["keeper"])
    assert found["tcp"]["time_wait"] > 500
    assert "uses no descriptor" in found["tcp_note"]


def test_a_unit_above_the_machines_limit_is_caught_although_systemd_repeats_its_figure(bots, descriptors):
    assert bots.check_output("systemctl show -P LimitNOFILE clamped") == "1000000"
    (process,) = descriptors(units=["clamped.service"])["processes"]
    assert process["hard"] < 1000000
    assert [verdict["verdict"] for verdict in process["verdicts"]] == ["clamped"]
    assert process["verdicts"][0]["link"] == "container runtime"
