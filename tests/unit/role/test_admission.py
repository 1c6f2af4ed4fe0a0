# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The template of the admission policies comes to all of them, each with its binding, however blocks are trimmed."""

from __future__ import annotations

from typing import Any

import jinja2
import pytest
import yaml
from ansible_collections.avi.egress.plugins.plugin_utils.audit import ADMISSION_POLICIES

from tests.support.checkout import CHECKOUT

TEMPLATE = CHECKOUT / "roles/egress/templates/admission.yaml.j2"


@pytest.mark.parametrize("trim_blocks", [True, False], ids=["as Ansible has it", "as Jinja has it"])
def test_every_policy_is_there_and_bound(trim_blocks: bool) -> None:
    template = jinja2.Environment(trim_blocks=trim_blocks).from_string(TEMPLATE.read_text())
    bodies: list[dict[str, Any]] = list(yaml.safe_load_all(template.render(egress_namespace="avi-egress")))
    policies = [body["metadata"]["name"] for body in bodies if body["kind"] == "ValidatingAdmissionPolicy"]
    bound = [body["spec"]["policyName"] for body in bodies if body["kind"] == "ValidatingAdmissionPolicyBinding"]
    assert sorted(policies) == sorted(bound) == sorted(ADMISSION_POLICIES)
    assert len(policies) + len(bound) == len(bodies)
