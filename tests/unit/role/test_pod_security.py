# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What the role learns of Pod Security from how a pod is refused that no level but ``privileged`` admits."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

TASKS = Path(__file__).parents[3] / "roles/egress/tasks/enforced.yml"
FORBIDDEN = (
    'Failed to create object: {"kind":"Status","apiVersion":"v1","metadata":{},"status":"Failure","message":"pods '
    '\\"tried\\" is forbidden: %s","reason":"Forbidden","code":403}\n'
)
"""As kubernetes.core tells it."""


def learnt(*refusals: str | None) -> list[str]:
    """The role's own expressions, given what has become of a pod in each project; None if it was let in."""
    tasks = yaml.safe_load(TASKS.read_text())
    (said,) = [item["vars"] for item in tasks if item["name"] == "Read the answers"]
    assert "\\" not in said["egress_levels"], "Ansible's versions don't agree with Jinja about backslashes"
    environment = jinja2.Environment()
    environment.filters["regex_replace"] = lambda value, pattern, by: re.sub(pattern, by, value)
    several = [{"result": {}, "error": {"msg": item}} if item else {"result": {"kind": "Pod"}} for item in refusals]
    result: Any = several[0] if len(several) == 1 else {"result": {"results": several}}
    texts = environment.compile_expression(inner(said["egress_refusals"]))(egress_pods_tried=result)
    levels: list[str] = environment.compile_expression(inner(said["egress_levels"]))(egress_refusals=texts)
    return levels


def inner(template: str) -> str:
    return template.strip().removeprefix("{{").removesuffix("}}")


@pytest.mark.parametrize(
    ("refusal", "level"),
    [
        (None, "privileged"),
        (FORBIDDEN % 'violates PodSecurity \\"baseline:latest\\": forbidden AppArmor profile', "baseline"),
        (FORBIDDEN % 'violates PodSecurity \\"restricted:v1.30\\": forbidden AppArmor profile', "restricted"),
        (FORBIDDEN % "exceeded quota: few, requested: pods=1, used: pods=0, limited: pods=0", "privileged"),
        (FORBIDDEN % "failed quota: few: must specify limits.cpu for: tried", "privileged"),
        (FORBIDDEN % "ValidatingAdmissionPolicy 'x' with binding 'x' denied request: no", "privileged"),
    ],
)
def test_the_level_is_read_from_what_refuses_the_pod(refusal: str | None, level: str) -> None:
    assert learnt(refusal) == [level]
    assert learnt(None, refusal) == ["privileged", level]


@pytest.mark.parametrize(
    "refusal",
    [
        FORBIDDEN % "minimum cpu usage per Pod is 1. No request is specified",
        FORBIDDEN % "unable to validate against any security context constraint: []",
        'admission webhook \\"mutate.example\\" denied the request: baseline',
        "Failed to create object: b'namespaces \\\"x\\\" not found'",
    ],
)
def test_a_refusal_that_tells_nothing_of_it_is_no_level(refusal: str) -> None:
    assert learnt(refusal)[0] not in ("privileged", "baseline", "restricted")
