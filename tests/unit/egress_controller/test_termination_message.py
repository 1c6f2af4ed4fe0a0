# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What counts as a router's report that another host has its address."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.avi.egress.plugins.module_utils.workload.termination_message import report_of, source_of

from tests.unit.egress_controller.fakes import ADDRESS, MAC, OTHER, WORDS, ended, pod


@pytest.mark.parametrize(
    "message",
    [
        None,
        "",
        WORDS + "\n",
        " " + WORDS,
        WORDS.upper(),
        f"{WORDS}\nconflict address={OTHER} held-by={MAC}",
        f"conflict address={OTHER} held-by={MAC}",
        f"conflict address={ADDRESS} held-by=02:00:00:00:00",
        f"conflict address={ADDRESS} held-by={MAC}:01",
        f"conflict address={ADDRESS} held-by=<b>{MAC}</b>",
        "conflict address=10.70.112.999 held-by=02:00:00:00:00:01",
        "conflict address=10.70.112.01 held-by=02:00:00:00:00:01",
        "conflict address=::ffff:10.70.112.1 held-by=02:00:00:00:00:01",
        "conflict address= held-by=02:00:00:00:00:01",
    ],
)
def test_other_words_than_the_routers_about_its_own_address_say_nothing(message: str | None) -> None:
    assert report_of(pod(message)) is None


@pytest.mark.parametrize(
    ("status", "told", "first"),
    [
        ({}, True, True),
        ({"state": ended(WORDS), "lastState": {}, "restartCount": 0}, True, True),
        ({"state": {"waiting": {"reason": "CrashLoopBackOff"}}}, True, True),
        ({"restartCount": 2}, True, False),
        ({"state": ended(WORDS), "lastState": ended(None)}, True, False),
        # It has had the address since, whatever became of it then.
        ({"started": True}, False, False),
        ({"state": ended(None), "restartCount": 2}, False, False),
        ({"lastState": {}, "restartCount": 0}, False, False),
    ],
)
def test_only_the_routers_last_words_count_and_only_until_it_gets_the_address(
    status: dict[str, Any], told: bool, first: bool
) -> None:
    found = report_of(pod(**status))
    assert (found is not None, found is not None and found.first_run) == (told, first)


def test_another_containers_words_say_nothing() -> None:
    sidecar = pod()
    sidecar["status"]["containerStatuses"][0]["name"] = "sidecar"
    assert report_of(sidecar) is None


def test_an_ipv6_address_is_the_same_however_it_is_written() -> None:
    words = f"conflict address=fd70:112::1 held-by={MAC}"
    assert report_of(pod(words, source="fd70:0112:0::0001")) is not None


@pytest.mark.parametrize(
    ("name", "source", "found"),
    [
        ("web-avi-egress-pod-x1", ADDRESS, ADDRESS),
        ("web-avi-egress-pod-0", f"{ADDRESS},{OTHER}", ADDRESS),
        ("web-avi-egress-pod-1", f"{ADDRESS},{OTHER}", OTHER),
        ("web-avi-egress-pod-2", f"{ADDRESS},{OTHER}", None),
        ("web-avi-egress-pod-x", f"{ADDRESS},{OTHER}", None),
    ],
)
def test_each_pod_of_two_has_an_address_of_its_own(name: str, source: str, found: str | None) -> None:
    assert source_of(pod(name=name, source=source)) == found
