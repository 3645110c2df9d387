# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.sabakan.vps.plugins.module_utils._environment import environment_lint
from hypothesis import given
from hypothesis import strategies as st

GIVEN = {
    "LOCAL_DOMAIN": "friends.cafe",
    "SECRET_KEY_BASE": "s3cr3t",
    "VAPID_PRIVATE_KEY": "s3cr3t",
    "VAPID_PUBLIC_KEY": "key",
    "DB_HOST": "10.91.0.21",
    "REDIS_HOST": "10.91.0.31",
    "ACTIVE_RECORD_ENCRYPTION_PRIMARY_KEY": "s3cr3t",
    "ACTIVE_RECORD_ENCRYPTION_DETERMINISTIC_KEY": "s3cr3t",
    "ACTIVE_RECORD_ENCRYPTION_KEY_DERIVATION_SALT": "s3cr3t",
}


@pytest.mark.parametrize("version", ["4.4", "v4.5.15", "4.6.5"])
def test_a_complete_environment_passes(version: str) -> None:
    report = environment_lint(GIVEN, version)
    assert (report.errors, report.warnings) == ([], [])


@pytest.mark.parametrize(
    ("name", "last", "since"),
    [
        ("STREAMING_CLUSTER_NUM", "4.1", "4.2"),
        ("STATSD_ADDR", "4.2", "4.3"),
        ("OTP_SECRET", "4.3", "4.4"),
        ("REDIS_NAMESPACE", "4.3", "4.4"),
        ("REDIS_USERNAME", "4.3", "4.4"),
        ("FETCH_REPLIES_ENABLED", "4.4", "4.5"),
        ("MASTODON_USE_LIBVIPS", "4.5", "4.6"),
        ("MAGICK_CONFIGURE_PATH", "4.5", "4.6"),
        ("ENABLE_SIDEKIQ_UNIQUE_JOBS_UI", "4.5", "4.6"),
    ],
)
def test_a_removed_variable_is_refused_from_its_version_on(name: str, last: str, since: str) -> None:
    assert environment_lint({name: "x"}, last, complete=False).errors == []
    (error,) = environment_lint({name: "x"}, since, complete=False).errors
    assert error.startswith(f"{name} is not read since Mastodon {since}")
    assert "write instead" in error
    assert environment_lint({name: ""}, "9.0", complete=False).errors


@pytest.mark.parametrize("name", ["RAILS_ENV", "NODE_ENV", "BIND", "PORT", "SOCKET"])
def test_what_dotenv_cannot_give_is_refused(name: str) -> None:
    (error,) = environment_lint({**GIVEN, name: "x"}, "4.5").errors
    assert error.startswith(f"{name} cannot come from the environment file")


@pytest.mark.parametrize(
    ("name", "variable"),
    [
        ("WEB_CONCURRENCY", "puma_workers"), ("MAX_THREADS", "puma_threads"), ("MIN_THREADS", "puma_environment"),
        ("PERSISTENT_TIMEOUT", "puma_environment"), ("PROXY_PROTO_V1", "puma_environment"),
    ],
)
def test_what_puma_reads_before_the_file_is_refused_with_its_variable(name: str, variable: str) -> None:
    """Puma reads config/puma.rb before Mastodon, and with it dotenv, is loaded: there they said nothing and did nothing."""
    (error,) = environment_lint({**GIVEN, name: "4"}, "4.5").errors
    assert error.startswith(f"{name} cannot come from the environment file")
    assert variable in error


@pytest.mark.parametrize("name", sorted(GIVEN))
@pytest.mark.parametrize("value", [None, "", "  "])
def test_a_required_variable_is_asked_for(name: str, value: Any) -> None:
    (error,) = environment_lint({**GIVEN, name: value}, "4.5").errors
    assert name in error
    assert "required" in error


@pytest.mark.parametrize("instead", [{"DATABASE_URL": "x"}, {"REDIS_URL": "x"}, {"REDIS_SENTINELS": "x"}])
def test_one_of_the_alternatives_is_enough(instead: dict[str, str]) -> None:
    dropped = "DB_HOST" if "DATABASE_URL" in instead else "REDIS_HOST"
    environment = {key: value for key, value in GIVEN.items() if key != dropped}
    assert environment_lint(environment, "4.5").errors
    assert environment_lint({**environment, **instead}, "4.5").errors == []


def test_before_4_4_the_otp_secret_is_required_and_before_4_3_encryption_is_not() -> None:
    assert "OTP_SECRET" in environment_lint(GIVEN, "4.3").errors[0]
    old = {key: value for key, value in GIVEN.items() if not key.startswith("ACTIVE")}
    assert environment_lint({**old, "OTP_SECRET": "x"}, "4.2").errors == []


def test_a_deprecated_name_is_a_warning() -> None:
    report = environment_lint({**GIVEN, "WHITELIST_MODE": "true"}, "4.5")
    assert report.errors == []
    assert "LIMITED_FEDERATION_MODE" in report.warnings[0]


@pytest.mark.parametrize("environment", [None, [], "A=b", {1: "x"}])
def test_what_is_no_environment_is_refused(environment: Any) -> None:
    with pytest.raises(ValueError, match="environment"):
        environment_lint(environment, "4.5")


@given(st.dictionaries(st.sampled_from(["PORT", "OTP_SECRET", "X", "DB_HOST"]), st.just("s3cr3t")))
def test_no_value_is_ever_told(environment: dict[str, str]) -> None:
    assert "s3cr3t" not in str(environment_lint(environment, "4.5"))
