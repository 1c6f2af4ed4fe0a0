# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The ClusterRole that the role makes is the article's, in today's form and in its own."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import jinja2
import yaml

from tests.support.avirole import AVIROLE, LEGACY_API_VERSION

ROLE = Path(__file__).parents[3] / "roles/egress"
TODAYS_GROUPS = {
    "securitycontextconstraints": "security.openshift.io",
    "routes/status": "route.openshift.io",
    "daemonsets": "apps",
    "ingresses": "networking.k8s.io",
}


def cluster_role(**variables: Any) -> dict[str, Any]:
    """``avirole`` as Ansible renders it, with the role's defaults unless told otherwise."""
    environment = jinja2.Environment(trim_blocks=True, undefined=jinja2.StrictUndefined)
    environment.filters["bool"] = bool
    template = environment.from_string((ROLE / "templates/access.yaml.j2").read_text())
    defaults = yaml.safe_load((ROLE / "defaults/main.yml").read_text())
    found = list(yaml.safe_load_all(template.render({**defaults, **variables})))
    (role,) = [item for item in found if item["kind"] == "ClusterRole" and item["metadata"]["name"] == "avirole"]
    return dict(role)


def grants(role: dict[str, Any]) -> Counter[tuple[str, str, str]]:
    """Every right as group, resource and verb, with how often it is given."""
    return Counter(
        (group, resource, verb)
        for rule in role["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    )


def test_the_articles_form_is_the_article_field_by_field() -> None:
    assert cluster_role(egress_role_form="article") == {**AVIROLE, "apiVersion": LEGACY_API_VERSION}


def test_todays_form_has_the_articles_rights_each_in_todays_group() -> None:
    role = cluster_role()
    expected = Counter(
        {(TODAYS_GROUPS.get(right[1], right[0]), *right[1:]): times for right, times in grants(AVIROLE).items()}
    )
    assert grants(role) == expected
    assert {key: role[key] for key in ("apiVersion", "kind", "metadata")} == {
        "apiVersion": "rbac.authorization.k8s.io/v1",
        "kind": "ClusterRole",
        "metadata": {"name": "avirole"},
    }
    assert {key for rule in role["rules"] for key in rule} == {"apiGroups", "resources", "verbs"}


def test_every_form_that_the_role_takes_is_rendered() -> None:
    specs = yaml.safe_load((ROLE / "meta/argument_specs.yml").read_text())
    choices = specs["argument_specs"]["main"]["options"]["egress_role_form"]["choices"]
    assert {form: cluster_role(egress_role_form=form)["apiVersion"] for form in choices} == {
        "current": "rbac.authorization.k8s.io/v1",
        "article": LEGACY_API_VERSION,
    }
