# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What is wrong with variables and objects, and what the API server says of it, before anything is written."""

from __future__ import annotations

import re
from typing import Any

import pytest
from ansible_collections.avi.egress.plugins.plugin_utils.configuration import faults
from ansible_collections.avi.egress.plugins.plugin_utils.kubernetes_core import sentence
from ansible_collections.avi.egress.plugins.plugin_utils.values import faults as value_faults
from ansible_collections.avi.egress.plugins.plugin_utils.variables import misspelt, options
from ansible_collections.avi.egress.plugins.test.namespace_name import is_namespace_name

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


SUBNETS = [{"cidr": "10.0.0.0/24"}]


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("networks", "lan", " is 'lan'; give a list of dictionaries with name, subnets"),
        ("networks", ["lan"], "[0] is 'lan'; give a dictionary with name, subnets"),
        ("networks", [{"name": "lan"}], "[0].subnets is not there; give a list of dictionaries with cidr"),
        (
            "networks",
            [{"name": "lan", "subnets": [{"cidr": ""}]}],
            "[0].subnets[0].cidr is ''; give text",
        ),
        (
            "networks",
            [{"name": "lan", "subnets": SUBNETS, "quota": 1}],
            "[0].quota is 1, and there is no such key; give some of name, subnets, uplink, mode, allowedNamespaces, "
            "nodeSelector, allowedDestinations, quarantineSeconds, releaseBrakePercent, historySeconds, "
            "almostExhaustedPercent, reservations, addressesPerNamespace, quotas",
        ),
        (
            "networks",
            [{"name": "lan", "subnets": SUBNETS, "addressesPerNamespace": "2"}],
            "[0].addressesPerNamespace is '2'; give a whole number",
        ),
        ("allowed_images", "a/*", " is 'a/*'; give a list of texts"),
        ("allowed_images", [None], "[0] is null; give text"),
        (
            "pods",
            {"imagePullPolicy": "always"},
            ".imagePullPolicy is 'always'; give one of Always, IfNotPresent, Never",
        ),
        ("placement", "node", " is 'node'; give one of nothing, project, gateway"),
        ("controller_resources", "2Gi", " is '2Gi'; give a dictionary"),
        ("wait_timeout", "1m", " is '1m'; give a whole number"),
        ("uninstall_leases", "y", " is 'y'; give true or false"),
        ("uninstall_leases", 2, " is 2; give true or false"),
        ("namespace", 5, " is 5; give text, in quotes"),
        ("registry_password", ["hush"], " is a secret, and not shown; give text"),
    ],
)
def test_a_value_that_a_variable_cannot_have_is_told(name: str, value: Any, told: str) -> None:
    assert value_faults({f"egress_{name}": value}) == [f"egress_{name}{told}"]


@pytest.mark.parametrize("nothing", [None, ""])
def test_nothing_is_refused_where_the_default_is_something(nothing: Any) -> None:
    given = dict.fromkeys(options(), nothing)
    refused = {told.split(" ")[0] for told in value_faults(given)}
    meant = {"egress_pod_security"} if nothing == "" else set()
    assert refused == {name for name, option in options().items() if option.get("default")} - meant
    assert {"egress_include", "egress_admission_policy", "egress_namespace"} <= refused


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("wait", " False "),
        ("wait", 1),
        ("wait_timeout", "60"),
        ("include", {}),
        ("pod_security", ""),
        ("projects", "green, blue"),
        ("networks", [{"name": "lan", "subnets": SUBNETS, "uplink": None, "quotas": ""}]),
        ("of_somebody_else", object()),
    ],
)
def test_a_value_that_can_be_meant_is_not_refused(name: str, value: Any) -> None:
    assert value_faults({f"egress_{name}": value}) == []


def test_the_variables_of_a_playbook_are_held_to_what_it_says_of_them() -> None:
    assert value_faults({"egress_audit_strict": "perhaps"}, {"egress_audit_strict": {"type": "bool"}}) == [
        "egress_audit_strict is 'perhaps'; give true or false"
    ]


@pytest.mark.parametrize("name", ["a", "kube-system", "7", "a" * 63])
def test_a_name_that_a_namespace_can_have_is_one(name: str) -> None:
    assert is_namespace_name(name)


@pytest.mark.parametrize("name", ["", "A", "a.b", "-a", "a-", "a" * 64, "a\n", "a b", 7, None, ["a"]])
def test_other_names_and_what_is_no_text_are_none(name: Any) -> None:
    assert not is_namespace_name(name)


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
