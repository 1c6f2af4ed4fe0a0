# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What the other tests rest on: what they read without kubectl is what kubectl prints."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.kubectl import Kubectl
from tests.support.waiting import wait_for


@pytest.mark.parametrize(
    "words",
    [
        "get namespaces",
        "get egressclouds",
        "get egresscloud default",
        "get clusterrole avirole",
        "get securitycontextconstraints",
        "get services -A --field-selector=metadata.name=kubernetes",
        "-n default get endpoints kubernetes",
        "-n avi-egress get events",
        "-n avi-egress get deployment/avi-egress-controller",
        "-n avi-egress get pods -l app.kubernetes.io/name=avi-egress-controller",
        "-n avi-egress get serviceaccounts,poddisruptionbudgets,networkpolicies",
    ],
)
def test_what_is_read_without_kubectl_is_what_it_prints(product: Path, kubectl: Kubectl, words: str) -> None:
    arguments = words.split()

    def is_the_same() -> bool:
        printed = json.loads(kubectl.run(*arguments, "-o", "json"))
        if printed["kind"] == "List":
            del printed["metadata"]  # which is empty
        return bool(printed == kubectl.json(*arguments))

    # What is read may change between the two.
    wait_for("both see the same", is_the_same)
