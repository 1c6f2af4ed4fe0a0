# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""No two namespaces are given the same UIDs, and none is given others later."""

from __future__ import annotations

from typing import Any

from tests.cluster.allocator import GROUPS, LEVEL, UID_RANGE, Blocks


def namespace(uid: str, **annotations: str) -> dict[str, Any]:
    return {"metadata": {"name": uid, "uid": uid, "annotations": annotations}}


def test_a_block_is_as_openshift_writes_it() -> None:
    given = Blocks().give(namespace("a"))

    assert given == {UID_RANGE: "1000000000/10000", GROUPS: "1000000000/10000", LEVEL: "s0:c1,c0"}


def test_a_block_that_a_namespace_has_already_is_given_to_no_other() -> None:
    blocks = Blocks()

    assert blocks.has(namespace("old", **{UID_RANGE: "1000030000/10000"}))
    assert not blocks.has(namespace("new"))
    assert blocks.give(namespace("new"))[UID_RANGE] == "1000040000/10000"


def test_a_namespace_that_is_seen_again_without_its_block_keeps_it() -> None:
    blocks = Blocks()
    first = blocks.give(namespace("a"))
    blocks.give(namespace("b"))

    assert blocks.give(namespace("a")) == first
