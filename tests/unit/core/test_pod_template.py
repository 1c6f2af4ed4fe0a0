# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Nothing that somebody put into a controller's pod template stays there."""

from __future__ import annotations

import copy
from dataclasses import replace
from typing import Any

import pytest
from ansible_collections.avi.egress.plugins.module_utils.api.merge_patch import patched
from ansible_collections.avi.egress.plugins.module_utils.workload.pod_template import is_exact, replacement

from tests.support.observed import carried_out, running, served

TEMPLATE = {
    "metadata": {"labels": {"name": "x"}},
    "spec": {"containers": [{"name": "c", "env": [], "startupProbe": {"httpGet": {"port": 4}}}], "volumes": []},
}
FOREIGN: list[tuple[tuple[Any, ...], dict[str, Any]]] = [
    (("spec",), {"initContainers": [{"name": "root", "securityContext": {"privileged": True}}]}),
    (("spec",), {"ephemeralContainers": [{"name": "root"}]}),
    (("spec",), {"hostPID": True}),
    (("spec",), {"restartPolicy": "Never"}),
    (("spec",), {"securityContext": {"runAsUser": 0}}),
    (("spec", "containers", 0), {"command": ["sh"]}),
    (("spec", "containers", 0), {"envFrom": [{"secretRef": {"name": "s"}}]}),
    (("spec", "volumes"), [{"name": "root", "hostPath": {"path": "/"}}]),
    (("spec", "containers"), [{"name": "root"}]),
    (("metadata",), {"annotations": {"a": "b"}}),
    (("metadata", "labels"), {"app": "sly"}),
]


def with_foreign(template: dict[str, Any], place: tuple[Any, ...], added: Any) -> dict[str, Any]:
    changed = copy.deepcopy(template)
    part: Any = changed
    for step in place:
        part = part[step]
    if isinstance(part, list):
        part.extend(added)
    else:
        part.update(added)
    return changed


@pytest.mark.parametrize(("place", "added"), FOREIGN)
def test_one_key_too_many_is_a_difference_and_goes(place: tuple[Any, ...], added: Any) -> None:
    observed = with_foreign(TEMPLATE, place, added)
    assert not is_exact(TEMPLATE, observed)
    assert patched(observed, replacement(TEMPLATE, observed)) == TEMPLATE


def test_what_the_server_adds_is_no_difference() -> None:
    observed = copy.deepcopy(TEMPLATE)
    observed["metadata"]["creationTimestamp"] = None
    spec: dict[str, Any] = observed["spec"]
    spec.update(restartPolicy="Always", dnsPolicy="ClusterFirst", schedulerName="default-scheduler", securityContext={})
    del spec["volumes"]
    (container,) = spec["containers"]
    container.update(terminationMessagePath="/dev/termination-log", terminationMessagePolicy="File", resources={})
    container["startupProbe"]["successThreshold"] = 1
    container["startupProbe"]["httpGet"]["scheme"] = "HTTP"
    assert is_exact(TEMPLATE, observed)


@pytest.mark.parametrize(("place", "added"), FOREIGN)
def test_the_plan_puts_a_changed_template_right(place: tuple[Any, ...], added: Any) -> None:
    observed = running()
    assert observed.controller is not None
    template = observed.controller["spec"]["template"]
    spec = {**observed.controller["spec"], "template": with_foreign(template, place, added)}
    changed = replace(observed, controller={**observed.controller, "spec": spec})
    after = carried_out(changed, served(changed).writes)
    assert after.controller is not None
    assert after.controller["spec"]["template"] == template
    assert served(after).writes == ()
