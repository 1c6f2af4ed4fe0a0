# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What is read from resolv.conf, and which names a name stands for."""

from __future__ import annotations

import pytest
from egress_router.resolv_conf import ResolvConf, candidates, parse

CLUSTER = "green.svc.cluster.local svc.cluster.local cluster.local"


def test_a_pods_file_is_read() -> None:
    text = f"# by the kubelet\nnameserver 172.30.0.10\nsearch {CLUSTER}\noptions ndots:5 timeout:2\n"
    assert parse(text) == ResolvConf(("172.30.0.10",), tuple(CLUSTER.split()), 5)


@pytest.mark.parametrize(
    ("text", "read"),
    [
        ("", ResolvConf(("127.0.0.1",))),
        ("nameserver nonsense\nnameserver fd00::10\nnameserver", ResolvConf(("fd00::10",))),
        ("nameserver ::1\n" * 5, ResolvConf(("::1",) * 3)),
        ("search a b\ndomain C.\noptions ndots:x", ResolvConf(("127.0.0.1",), ("c",), 1)),
    ],
)
def test_what_can_not_be_understood_is_left_out(text: str, read: ResolvConf) -> None:
    assert parse(text) == read


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("remote", ("remote.a.local", "remote.local", "remote")),
        ("remote.outside.test", ("remote.outside.test", "remote.outside.test.a.local", "remote.outside.test.local")),
        ("remote.outside.test.", ("remote.outside.test",)),
        ("remote.", ("remote",)),
    ],
)
def test_a_name_with_a_dot_stands_for_itself_first(name: str, asked: tuple[str, ...]) -> None:
    assert candidates(name, ResolvConf(("::1",), ("a.local", "local"), ndots=5)) == asked


def test_without_ndots_every_name_stands_for_itself_first() -> None:
    assert candidates("remote", ResolvConf(("::1",), ("local",), ndots=0)) == ("remote", "remote.local")


def test_a_suffix_that_makes_a_name_too_long_is_not_asked() -> None:
    assert candidates("a" * 63, ResolvConf(("::1",), (".".join(["b" * 63] * 3),))) == ("a" * 63,)
