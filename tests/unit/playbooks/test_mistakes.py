# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What is wrong with variables and objects, and what the API server says of it, before anything is written."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible_collections.avi.egress.plugins.plugin_utils.configuration import faults
from ansible_collections.avi.egress.plugins.plugin_utils.kubernetes_core import sentence
from ansible_collections.avi.egress.plugins.plugin_utils.variables import misspelt

from tests.support.checkout import files

PAGES = files("docs/**/*.md", "extensions/**/*.yml")
ANSWER = '{"kind":"Status","status":"Failure","message":"Namespace \\"green\\" is invalid: x","code":422}'


def network(name: str = "lan", **spec: Any) -> dict[str, Any]:
    return {"kind": "EgressNetwork", "metadata": {"name": name}, "spec": spec}


@pytest.mark.parametrize(
    ("given", "meant"),
    [
        ("egress_projets", "egress_projects"),
        ("egress_network", "egress_networks"),
        ("egress_audit_stric", "egress_audit_strict"),
        ("egress_service_destinations_ip", "egress_service_destination_ip"),
        ("egress_awx_secret", "egress_awx_secrets"),
        ("egress_subdomain", "egress_sub_domain"),
    ],
)
def test_a_misspelt_variable_is_told_with_what_is_meant(given: str, meant: str) -> None:
    assert misspelt([given]) == {given: meant}


def test_other_variables_are_left_alone() -> None:
    assert misspelt(["egress_vault_password", "egress_stage", "egress_projects", "egress_networks_found"]) == {}


def test_no_page_has_a_variable_that_would_be_refused() -> None:
    named = {name for path in PAGES for name in re.findall(r"\begress_[a-z0-9_]+\b", path.read_text())}
    assert named
    assert misspelt(named) == {}


def test_a_subnet_that_is_none_is_told_before_it_is_written() -> None:
    assert faults([network(subnets=[{"cidr": "10.0.0.0/33"}]), network(subnets=[{"cidr": "10.0.0.0/24"}])]) == [
        "EgressNetwork lan: spec.subnets[0].cidr is '10.0.0.0/33'; give a subnet, such as 10.70.112.0/24"
    ]


def test_a_name_that_no_object_can_have_is_told() -> None:
    (told,) = faults([network("Lan!", subnets=[])])
    assert told == (
        "EgressNetwork: metadata.name is 'Lan!'; give a name of up to 63 lower-case letters, digits and hyphens"
    )


def test_wrong_types_are_left_to_the_api_server() -> None:
    assert faults([network(subnets="10.0.0.0/24"), {"kind": "Deployment", "metadata": {"name": "X!"}}]) == []


@pytest.mark.parametrize(
    ("told", "said"),
    [
        (f"Failed to patch object: {ANSWER}\n", 'Namespace "green" is invalid: x'),
        (f"Failed to create object: b'{ANSWER}'", 'Namespace "green" is invalid: x'),
        ("Failed to apply object: name is required", "Failed to apply object: name is required"),
        ("kubeconfig is '{'; there is no such file", "kubeconfig is '{'; there is no such file"),
        ('Failed to create object: {"message": "not held:\\n{a}\\n{b}"}', "not held: {a} {b}"),
        ("Failed to apply object: {}", "Failed to apply object: {}"),
    ],
)
def test_what_the_api_server_refuses_is_told_by_its_sentence(told: str, said: str) -> None:
    assert sentence(told).startswith(said)
