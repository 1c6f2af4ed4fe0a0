# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Where the role has the egress pods of a cloud, and what it labels its own namespace with for that."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jinja2
import pytest
import yaml

ROLE = Path(__file__).parents[3] / "roles/egress"


def evaluated(text: str, **variables: Any) -> str:
    environment = jinja2.Environment(trim_blocks=True)
    environment.filters["bool"] = bool
    return environment.from_string(text).render(variables).strip()


def effective(existing: list[dict[str, Any]], **variables: Any) -> str:
    tasks = yaml.safe_load((ROLE / "tasks/cloud_uuid.yml").read_text())
    (fact,) = [item["ansible.builtin.set_fact"] for item in tasks if "Pick the cloud" in item["name"]]
    given = {"egress_placement": "", "egress_access": PLAIN}
    return evaluated(fact["egress_effective_placement"], egress_same_name=existing, **{**given, **variables})


PLAIN, OPENSHIFT = {"absent": ["securitycontextconstraints.security.openshift.io"]}, {"absent": []}


@pytest.mark.parametrize(
    ("existing", "variables", "expected"),
    [
        ([], {}, "gateway"),
        ([], {"egress_access": OPENSHIFT}, "project"),
        ([], {"egress_placement": "project"}, "project"),
        ([], {"egress_access": OPENSHIFT, "egress_placement": "gateway"}, "gateway"),
        ([{"spec": {}}], {}, "project"),
        ([{"spec": {"placement": "project"}}], {}, "project"),
        ([{"spec": {"placement": "gateway"}}], {"egress_access": OPENSHIFT}, "gateway"),
        ([{"spec": {"placement": "gateway"}}], {"egress_placement": "project"}, "project"),
        ([{"spec": {"placement": "project"}}], {"egress_placement": "gateway"}, "gateway"),
    ],
)
def test_a_cloud_keeps_its_placement_and_a_new_one_has_the_platforms(
    existing: list[dict[str, Any]], variables: dict[str, Any], expected: str
) -> None:
    assert effective(existing, **variables) == expected


@pytest.mark.parametrize(
    ("wanted", "others", "level"),
    [
        ("project", [], "restricted"),
        ("gateway", [], "privileged"),
        ("project", [{"spec": {"placement": "gateway"}}], "privileged"),
        ("project", [{"spec": {}}], "restricted"),
    ],
)
def test_the_controllers_namespace_admits_privileged_pods_only_for_a_gateway(
    wanted: str, others: list[dict[str, Any]], level: str
) -> None:
    variables = {
        **yaml.safe_load((ROLE / "defaults/main.yml").read_text()),
        "egress_effective_placement": wanted,
        "egress_all_clouds_found": {"resources": others},
    }
    text = yaml.safe_load((ROLE / "vars/main.yml").read_text())["egress_has_gateway"]
    has_gateway = evaluated(text, **variables) == "True"
    template = (ROLE / "templates/access.yaml.j2").read_text()
    namespace = next(yaml.safe_load_all(evaluated(template, **variables, egress_has_gateway=has_gateway)))
    labels = namespace["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == level
    assert labels["egress.avi.dev/pod-security"] == "restricted"
