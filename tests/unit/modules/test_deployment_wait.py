# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What ``avi.egress.k8s`` says of a Deployment that it has waited for in vain."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.avi.egress.plugins.action.k8s import ActionModule
from ansible_collections.avi.egress.plugins.plugin_utils.in_process import InProcess

TIMED_OUT = '"Deployment" "avi-egress-controller": Timed out waiting on resource'
REFUSED = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota: small"}
GOES_ON = {"type": "Progressing", "status": "True", "reason": "ReplicaSetUpdated", "message": "it goes on"}


def failed(kind: str, *conditions: dict[str, Any]) -> dict[str, Any]:
    return {"failed": True, "msg": TIMED_OUT, "result": {"kind": kind, "status": {"conditions": list(conditions)}}}


@pytest.mark.parametrize(
    ("result", "told"),
    [
        (failed("Deployment", GOES_ON, REFUSED), f"{TIMED_OUT}; FailedCreate: exceeded quota: small"),
        (failed("Deployment", GOES_ON), TIMED_OUT),
        (failed("EgressNetwork", REFUSED), TIMED_OUT),
        ({"failed": True, "msg": "no such file", "result": ""}, "no such file"),
        ({"failed": True, "msg": "no such file"}, "no such file"),
    ],
)
def test_a_wait_in_vain_says_why_the_pods_are_refused(
    monkeypatch: pytest.MonkeyPatch, result: dict[str, Any], told: str
) -> None:
    monkeypatch.setattr(InProcess, "_execute_module", lambda *_args, **_keywords: result)
    action = ActionModule.__new__(ActionModule)
    assert action._execute_module()["msg"] == told
