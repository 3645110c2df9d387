# Copyright (c) 2026 sabakan.vps contributors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from ansible_collections.sabakan.vps.plugins.module_utils import _s3_archive as archive
from hypothesis import given
from hypothesis import strategies as st

NOW = datetime(2026, 11, 21, 12, tzinfo=timezone.utc)
MD5, OTHER = '"d41d8cd98f00b204e9800998ecf8427e"', '"0cc175b9c0f1b6a831c399e269772661"'


def thing(key: str = "p/a", days: float = 10, kind: str = "STANDARD") -> archive.Thing:
    return archive.Thing(key, 5, MD5, NOW - timedelta(days=days), kind)


@pytest.mark.parametrize(("order", "message"), [
    (("b", "p/", "b", "q/", 1, []), ""),
    (("b", "", "c", "", None, ["*"]), ""),
    (("b", "p", "b", "q/", 1, []), "prefix 'p' does not end with a slash"),
    (("b", "p/", "b", "q", 1, []), "destination_prefix 'q' does not end"),
    (("b", "/p/", "b", "q/", 1, []), "begins with a slash"),
    (("b", "p/", "b", "p/", 1, []), "hold one another"),
    (("b", "p/", "b", "p/old/", 1, []), "hold one another"),
    (("b", "p/x/", "b", "p/", 1, []), "hold one another"),
    (("b", "", "b", "q/", 1, []), "hold one another"),
    (("b", "p/", "c", "p/", 1, []), ""),
    (("b", "p/", "b", "q/", None, []), "neither older_than nor patterns"),
    (("b", "p/", "b", "q/", -1, []), "older_than is -1"),
])
def test_an_order_that_makes_no_sense_is_refused(order, message):
    found = archive.complaint(*order)
    assert (message in found) if message else not found


@pytest.mark.parametrize(("one", "older_than", "patterns", "exclude", "goes"), [
    (thing(), 10, [], [], True),
    (thing(days=9.99), 10, [], [], False),
    (thing(), 7_776_000, [], [], False),  # who meant seconds; the year of that day is before the first
    (thing(days=0), None, ["a"], [], True),
    (thing("p/d/a.mov"), None, ["*.mov"], [], True),
    (thing("p/d/a.mov"), 30, ["*.mov"], [], False),
    (thing("p/d/a.mov"), 5, ["*.wav"], [], False),
    (thing("p/readme/x"), 5, [], ["readme/*"], False),
    (thing("p/"), 5, [], [], False),
    (thing("p/d/"), 5, [], [], False),
    (thing("p/A.MOV"), None, ["*.mov"], [], False),
])
def test_what_goes(one, older_than, patterns, exclude, goes):
    assert archive.is_wanted(one, "p/", NOW, older_than, patterns, exclude) is goes


def test_what_cannot_be_read_is_set_apart():
    assert archive.choose([thing(), thing("p/b", kind="GLACIER")], "p/", NOW, 1, [], []) == ([thing()], [thing("p/b", kind="GLACIER")])


@given(st.integers(1, 5 * 1024**4), st.integers(0, 12000), st.none() | st.integers(1, 6 * 1024**3))
def test_the_ranges_cover_an_object_once_and_within_the_limits(size, parts, first):
    part = archive.part_size(size, parts, first)
    if size // part > 20000:
        return
    reaches = [tuple(map(int, reach[6:].split("-"))) for reach in archive.ranges(size, part)]
    assert reaches[0][0] == 0 and reaches[-1][1] == size - 1
    assert all(one[1] + 1 == other[0] for one, other in zip(reaches, reaches[1:]))
    assert part <= archive.PART_LIMIT and (len(reaches) <= archive.PARTS or len(reaches) == parts)


@pytest.mark.parametrize(("size", "etag", "first", "by_parts", "part"), [
    (100, MD5, None, False, archive.PART),
    (6 * 1024**3, MD5, None, True, archive.PART),
    (20 * archive.MIB, f'{MD5[:-1]}-3"', 8 * archive.MIB, True, 8 * archive.MIB),
    (20 * archive.MIB, f'{MD5[:-1]}-3"', 5 * archive.MIB, False, archive.PART),
    (20 * archive.MIB, f'{MD5[:-1]}-3"', None, False, archive.PART),
])
def test_how_an_object_is_copied(size, etag, first, by_parts, part):
    assert archive.needs_parts(size, etag, first) is by_parts
    assert archive.part_size(size, archive.parts_of(etag), first) == part


def head(**values):
    return {"ContentLength": 5, "ETag": MD5, **values}


@pytest.mark.parametrize(("source", "copy", "result"), [
    (head(), head(), "same"),
    (head(), head(ContentLength=6), "different"),
    (head(), head(ETag=OTHER), "different"),
    (head(ETag=f'{MD5[:-1]}-2"'), head(ETag=f'{MD5[:-1]}-2"'), "same"),
    (head(ETag=f'{MD5[:-1]}-2"'), head(ETag=f'{OTHER[:-1]}-2"'), "unknown"),
    (head(ETag=f'{MD5[:-1]}-2"'), head(), "unknown"),
    (head(ServerSideEncryption="aws:kms"), head(ServerSideEncryption="aws:kms"), "unknown"),
    (head(ServerSideEncryption="AES256"), head(), "same"),
    (head(SSECustomerAlgorithm="AES256"), head(), "unknown"),
    (head(ChecksumSHA256="x", ETag="a"), head(ChecksumSHA256="x", ETag="b"), "same"),
    (head(ChecksumSHA256="x"), head(ChecksumSHA256="y"), "different"),
    (head(ChecksumCRC32="x-2", ETag="a"), head(ChecksumCRC32="x-2", ETag="b"), "unknown"),
    (head(ChecksumCRC32="x", ChecksumType="COMPOSITE", ETag="a"), head(ChecksumCRC32="x", ETag="b"), "unknown"),
    (head(ChecksumCRC32="x"), head(ChecksumSHA1="x"), "same"),
    (head(ETag=""), head(ETag=""), "unknown"),
])
def test_what_proves_a_copy(source, copy, result):
    assert archive.compare(source, copy)[0] == result


def test_the_metadata_of_a_copy():
    source = head(ContentType="text/plain", CacheControl="x", Metadata={"a": "b"}, StorageClass="STANDARD_IA")
    assert archive.carried(source, True, "") == {"ContentType": "text/plain", "CacheControl": "x", "Metadata": {"a": "b"}, "StorageClass": "STANDARD_IA"}
    assert archive.carried(source, False, "GLACIER_IR") == {"ContentType": "text/plain", "StorageClass": "GLACIER_IR"}
    assert archive.carried(source, False, "STANDARD") == {"ContentType": "text/plain"}


RULE = archive.rule("r", "p/", 2)
FOREIGN = {"ID": "x", "Status": "Enabled", "Filter": {"Prefix": ""}, "Expiration": {"Days": 9}}


@pytest.mark.parametrize(("rules", "present", "good"), [
    ([RULE], True, True), ([FOREIGN, RULE], True, True), ([], True, False), ([FOREIGN], False, True), ([RULE], False, False),
    ([{**RULE, "Status": "Disabled"}], True, False), ([archive.rule("r", "p/", 3)], True, False), ([archive.rule("r", "q/", 2)], True, False),
    ([{"ID": "r", "Prefix": "p/", "Status": "Enabled", "AbortIncompleteMultipartUpload": {"DaysAfterInitiation": 2}}], True, True),
    ([{**RULE, "Expiration": {"Days": 1}}], True, False),
])
def test_whether_the_rule_is_in_force(rules, present, good):
    assert archive.is_in_force(rules, RULE, present) is good
    after = archive.merged(rules, RULE, present)
    assert archive.is_in_force(after, RULE, present) and [one for one in after if one["ID"] == "x"] == [one for one in rules if one["ID"] == "x"]


def test_only_old_uploads_are_stale():
    uploads = [{"Key": "a", "Initiated": NOW - timedelta(days=2)}, {"Key": "b", "Initiated": NOW - timedelta(days=1.9)}]
    assert [one["Key"] for one in archive.stale(uploads, NOW, 2)] == ["a"]
