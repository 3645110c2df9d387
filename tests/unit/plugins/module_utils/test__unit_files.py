# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

import pytest
from ansible_collections.sabakan.vps.plugins.module_utils import _unit_files
from hypothesis import given
from hypothesis import strategies as st


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        (["[Service]\nLimitNOFILE=65536\n"], (65536, 65536)),
        (["[Service]\nLimitNOFILE=1024:524288\n"], (1024, 524288)),
        (["[Service]\nLimitNOFILE=infinity\n"], (-1, -1)),
        (["[Service]\nLimitNOFILE=64K\n"], (65536, 65536)),
        (["[Service]\nLimitNOFILE=1\n", "[Service]\nLimitNOFILE=2\n"], (2, 2)),
        (["[Service]\nLimitNOFILE=1\n", "[Service]\nLimitNOFILE=\n"], None),
        (["[Service]\nLimitNOFILE=\\\n# a comment between\n4096\n"], (4096, 4096)),
        (["[Unit]\nLimitNOFILE=1\n"], None),
        (["[Service]\n#LimitNOFILE=1\n;LimitNOFILE=2\n"], None),
        (["[Service]\nLimitNOFILE=many\n"], None),
        (["[Service]\nLimitNOFILE=1:2:3\n"], None),
        (["[Service]\nLimitNOFILE=-1\n"], None),
        (["[Service\nLimitNOFILE=1"], None),
        ([], None),
    ],
)
def test_the_last_of_a_unit_and_its_drop_ins_counts(texts, expected):
    assert _unit_files.wanted_nofile(texts) == expected


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("kernel: VFS: file-max limit 100 reached", "ENFILE"),
        ("OSError: [Errno 23] Too many open files in system", "ENFILE"),
        ("accept4() failed (23: Too many open files in system)", "ENFILE"),
        ("Error: ENFILE: file table overflow, open '/x'", "ENFILE"),
        ("OSError: [Errno 24] Too many open files", "EMFILE"),
        ("accept4() failed (24: Too many open files)", "EMFILE"),
        ("Error: EMFILE: too many open files, open '/x'", "EMFILE"),
        ("pgbouncer: kernel file descriptor limit: 1024", None),
        ("[Errno 240]", None),
        ("", None),
    ],
)
def test_a_process_limit_is_told_from_the_kernels(line, expected):
    assert _unit_files.descriptor_error(line) == expected


@given(st.text(max_size=300))
def test_no_text_is_an_error(text):
    _unit_files.wanted_nofile([text, "[Service]\n" + text])
    _unit_files.parse_limit(text)
    _unit_files.descriptor_error(text)
