# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""A cluster that lacks what the role needs is told in a sentence, before anything is written."""

from __future__ import annotations

from typing import Any

import jinja2
import pytest
import yaml

from tests.support.checkout import CHECKOUT

TASKS = CHECKOUT / "roles/egress/tasks"
WRITES = ("avi.egress.k8s", "avi.egress.k8s_json_patch")


def refusals(**found: Any) -> list[str]:
    """The messages of those tasks of ``requirements.yml`` that fail."""
    environment = jinja2.Environment()
    environment.filters["bool"] = bool
    given = {"egress_role_form": "current", "egress_admission_policy": True, **found}
    tasks = [
        task for task in yaml.safe_load((TASKS / "requirements.yml").read_text()) if "ansible.builtin.fail" in task
    ]
    return [
        task["ansible.builtin.fail"]["msg"]
        for task in tasks
        if environment.compile_expression(task["when"], undefined_to_none=False)(**given)
    ]


@pytest.mark.parametrize(
    ("policies", "served", "is_refused"), [(True, False, True), (True, True, False), (False, False, False)]
)
def test_a_cluster_without_admission_policies_is_refused_by_one_message(
    policies: bool, served: bool, is_refused: bool
) -> None:
    told = refusals(egress_admission_policy=policies, egress_admission_served=served)
    assert len(told) == is_refused
    for message in told:
        assert message.startswith("This cluster has no ValidatingAdmissionPolicy (Kubernetes before 1.30)")
        assert "egress_admission_policy: false" in message


def test_requirements_are_looked_at_before_anything_is_written() -> None:
    (block,) = [task["block"] for task in yaml.safe_load((TASKS / "main.yml").read_text()) if "block" in task]
    files = [task.get("ansible.builtin.import_tasks") for task in block]
    before = block[: files.index("requirements.yml")]
    assert not [task for task in before if any(module in task for module in WRITES)]
    for name in filter(None, files[: len(before)]):
        assert not [task for task in yaml.safe_load((TASKS / name).read_text()) if any(item in task for item in WRITES)]
