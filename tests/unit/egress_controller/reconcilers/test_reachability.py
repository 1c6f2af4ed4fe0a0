# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What of the pods' words brings a service back to its reconciler: what the Service does not say already."""

from __future__ import annotations

import json
from types import SimpleNamespace
from typing import Any

from ansible_collections.avi.egress.plugins.module_utils.api.resources import KubeObject
from egress_controller.reconcilers.reachability import Reachability
from egress_controller.runtime.line_watches import Endpoint, Heard, Hears

from tests.support.builders import SOURCE, service

ENDPOINT = Endpoint("10.0.0.7", 4, "/destinations?watch")
READY = {"conditions": [{"type": "Ready", "status": "True"}], "podIP": ENDPOINT.address}


class Watches:
    """It has heard nothing yet; what it is asked to take for known is kept."""

    is_known: Any = None

    def follow(self, group: object, endpoints: frozenset[Endpoint], is_known: Any) -> Hears:
        self.is_known = is_known
        return dict.fromkeys(endpoints, Heard())


def is_known(said: dict[str, str], heard: Heard) -> bool:
    """Whether what a pod says is known of a Service that says this of its destination."""
    watches = Watches()
    context: Any = SimpleNamespace(watches=watches)
    environment = [{"name": "EGRESS_SOURCE", "value": SOURCE}]
    spec = {"containers": [{"name": "avi-egress-router", "env": environment}]}
    pod: KubeObject = {"metadata": {"name": "shop-avi-egress-pod-x"}, "spec": spec, "status": READY}
    obj: KubeObject = {"status": {"conditions": [{"type": "DestinationsReachable", **said}]}}
    desired = service({"destinations": {"10.10.20.20": {"80": 80}}})
    assert Reachability(context).observe(obj, desired, [SOURCE], [pod]) == {}, "nothing is taken back"
    return bool(watches.is_known({ENDPOINT: heard}))


def line(verdict: str) -> Heard:
    return Heard(json.dumps([{"port": "80/tcp", "destination": "10.10.20.20:80", "verdict": verdict}]).encode())


ANSWERS = {"status": "True", "reason": "DestinationsReachable", "message": f"1 destination answers {SOURCE}"}


def test_what_a_service_says_already_is_known() -> None:
    assert is_known(ANSWERS, line("Open"))


def test_what_a_service_does_not_say_is_news() -> None:
    assert not is_known(ANSWERS, line("Silent"))
    assert not is_known(ANSWERS, Heard(trouble="Connection refused"))
    assert not is_known({**ANSWERS, "message": "1 destination answers 10.70.112.99"}, line("Open"))
