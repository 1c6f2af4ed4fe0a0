# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What the side of the firewall asks for: the lookup source_ips and the inventory leases."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.avi.egress.plugins.module_utils.api.resources import (
    EGRESS_LEASE,
    EGRESS_NETWORK,
    NAMESPACE,
    NETWORK_LABEL,
    SERVICE,
    KubeObject,
    Resource,
)
from ansible_collections.avi.egress.plugins.module_utils.client.kube_client import KubeClient
from ansible_collections.avi.egress.plugins.module_utils.ipam.leases import CONTROLLER, Slot, lease_object

from tests.support.ansible_run import Ansible
from tests.support.api_server import TENANT_TOKEN, ApiServer
from tests.support.checkout import CHECKOUT

PAGE = (CHECKOUT / "docs/how-to/firewall.md").read_text(encoding="utf-8")
PLAYS = re.findall(r"```yaml\n(- hosts.*?)```", PAGE, re.DOTALL)
INVENTORY = re.findall(r"```yaml\n(plugin: .*?)```", PAGE, re.DOTALL)[0]
PLUGIN = "ansible_collections.avi.egress.plugins.inventory.leases"
LOOKUP = "ansible_collections.avi.egress.plugins.lookup.source_ips"
GREEN, GREEN_6, BLUE = "10.70.112.155", "fd70:112::9b", "10.70.112.17"


def put(cluster: KubeClient, resource: Resource, name: str, **body: Any) -> None:
    metadata = {"name": name, **body.pop("metadata", {})}
    cluster.create(resource, {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, **body})


def bind(cluster: KubeClient, slot: Slot, address: str, **status: Any) -> KubeObject:
    """A lease with a status as the controller would have written it."""
    cluster.create(EGRESS_LEASE, lease_object(slot, CONTROLLER))
    held = {"phase": "Bound", "address": address, "boundAt": "2026-11-01T00:00:00Z", **status}
    return cluster.patch(EGRESS_LEASE, slot.lease, {"status": held}, subresource="status")


@pytest.fixture(scope="module")
def leases(cluster: KubeClient) -> Iterator[None]:
    """The projects of the page and of the examples, with what they hold and held; the network is gone afterwards."""
    for project in ("green", "blue"):
        put(cluster, NAMESPACE, project, metadata={"labels": {"stage": "production"}})
    put(cluster, NAMESPACE, "bare")
    put(cluster, EGRESS_NETWORK, "dmz", spec={"subnets": [{"cidr": "10.70.112.0/24"}], "uplink": "dmz"})
    metadata = {"namespace": "green", "labels": {"tier": "web"}, "annotations": {"egress_pod": "{}"}}
    put(cluster, SERVICE, "secure-egress-service", metadata=metadata, spec={"ports": [{"port": 80}]})
    service = "secure-egress-service"
    bind(cluster, Slot("dmz", "green", service, 0), GREEN)
    bind(cluster, Slot("dmz", "green", service, 1), GREEN_6)
    bind(cluster, Slot("dmz", "blue", "x", 0), BLUE)
    over = {"releasedAt": "2026-11-25T00:00:00Z", "reason": "ServiceDeleted"}
    bind(cluster, Slot("dmz", "green", "old", 0), "10.70.112.20", phase="Released", **over)
    yield
    cluster.delete_named(EGRESS_NETWORK, "dmz")
    for lease in cluster.list(EGRESS_LEASE, labels=f"{NETWORK_LABEL}=dmz"):
        cluster.delete_named(EGRESS_LEASE, lease["metadata"]["name"])


def said(ansible: Ansible, *expressions: str, **variables: Any) -> list[Any]:
    """What each expression is, or says as an error."""
    tasks = [{"ansible.builtin.set_fact": {"told": f"{{{{ {expression} }}}}"}} for expression in expressions]
    results = ansible.tasks(*tasks, variables=variables)
    return [item["msg"] if item.get("failed") else item["ansible_facts"]["told"] for item in results]


def query(*arguments: str) -> str:
    return f"query('avi.egress.source_ips', {', '.join(arguments)})"


@pytest.mark.usefixtures("leases")
def test_the_page_asks_for_what_it_says(ansible: Ansible) -> None:
    expressions = re.findall(r"^\|[^|]*\| `(query\(.*\))` \|$", PAGE, re.MULTILINE)

    *now, then, quarantined = said(ansible, *expressions)

    both, production = [GREEN, GREEN_6], [BLUE, GREEN, GREEN_6]
    assert now == [both, both, production, production, both, both]
    assert then == quarantined == ["10.70.112.20", GREEN, GREEN_6]


@pytest.mark.usefixtures("leases")
def test_the_page_and_the_examples_write_a_firewalls_set(ansible: Ansible) -> None:
    (play,) = yaml.safe_load(PLAYS[0])
    examples = yaml.safe_load(importlib.import_module(LOOKUP).EXAMPLES)

    results = ansible.tasks(*play["tasks"], *examples)

    assert [item["msg"] for item in results if item.get("failed")] == []
    written = [Path(ansible.folder, name).read_text().split("\n", 1)[1] for name in ("green.nft", "egress_sources.nft")]
    assert written[0] == f"add element inet filter green_v4 {{ {GREEN} }}\n"
    of_both = (f"add element inet filter egress_sources {{ {address} }}\n" for address in (BLUE, GREEN))
    assert written[1] == "".join(of_both)
    assert [item["msg"] for item in results if "msg" in item][-1] == ["10.70.112.20", GREEN, GREEN_6]


@pytest.mark.usefixtures("leases")
def test_what_the_lookup_cannot_answer_is_an_error_of_one_sentence(ansible: Ansible, api: ApiServer) -> None:
    unreadable = Path(ansible.folder, "unreadable.yml")
    unreadable.write_text("{")
    token = {"host": api.host, "validate_certs": False, "kubeconfig": None}
    calls = {
        query("'gren'"): "_terms is 'gren'; there is no such project, and no lease of one",
        query("'green/web'"): "there is no such secure egress service, and no lease of one",
        query("'green'", "as_off='2026-11-20T03:14:15Z'"): "as_off",
        query("'green'", "label_selector='tier in'"): "label_selector is 'tier in'; it is no label selector",
        query("'green'", f"kubeconfig='{unreadable}'"): "it cannot be read as a kubeconfig",
        query("'green'", "kubeconfig='/no/such/file'"): "kubeconfig is '/no/such/file'; there is no such file",
        query("'green'", "context='none'"): "has no such context",
        query("'green'", "api_key='expired'", "**token"): "does not know these credentials; the token may have expired",
        query("'green'", f"api_key='{TENANT_TOKEN}'", "**token"): "permission is missing",
        query("'green'", "context='admin'", f"host='{api.host}'"): "which may be two clusters; give one of them",
        query("'green'", "api_key='x'", f"client_cert='{api.client_cert}'"): "which may be two users; give one of them",
    }

    told = said(ansible, query("'bare'"), *calls, token=token)

    assert told[0] == []
    missing = [(call, text) for call, text in zip(calls, told[1:], strict=True) if calls[call] not in text]
    assert missing == []
    assert all("\n" not in text.strip() for text in told[1:]), told


def listed(ansible: Ansible, text: str, name: str = "firewall.egress_leases.yml") -> dict[str, Any]:
    """What ansible-inventory tells of a file; AssertionError with what it says where it fails."""
    path = Path(ansible.folder, name)
    path.write_text(text)
    program = str(Path(ansible.program[0]).with_name("ansible-inventory"))
    asked = replace(ansible, program=(program, "--list", "-i"))
    done = asked.finished(str(path), environment={"ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "true"})
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def unsafe(value: Any) -> Any:
    """As ansible-inventory writes text that is never a template."""
    return {"__ansible_unsafe": value} if isinstance(value, str) else value


@pytest.mark.usefixtures("leases")
def test_hosts_of_the_inventory_are_leases_in_groups(ansible: Ansible) -> None:
    first, second = (f"dmz.green.secure-egress-service.{slot}" for slot in (0, 1))

    page = listed(ansible, f"{INVENTORY}network: dmz\n")
    example = listed(ansible, importlib.import_module(PLUGIN).EXAMPLES)

    groups = {name: sorted(group["hosts"]) for name, group in page.items() if "hosts" in group}
    assert groups == {
        "egress_leases": ["dmz.blue.x.0", "dmz.green.old.0", first, second],
        "network_dmz": ["dmz.blue.x.0", "dmz.green.old.0", first, second],
        "phase_bound": ["dmz.blue.x.0", first, second],
        "phase_released": ["dmz.green.old.0"],
        "project_blue": ["dmz.blue.x.0"],
        "project_green": ["dmz.green.old.0", first, second],
        "service_old": ["dmz.green.old.0"],
        "service_secure_egress_service": [first, second],
        "service_x": ["dmz.blue.x.0"],
    }
    known = {
        "address": "10.70.112.20",
        "ansible_host": "10.70.112.20",
        "bound_at": "2026-11-01T00:00:00Z",
        "claimed_by": "controller",
        "ip_family": "IPv4",
        "network": "dmz",
        "phase": "Released",
        "project": "green",
        "reason": "ServiceDeleted",
        "released_at": "2026-11-25T00:00:00Z",
        "service": "old",
        "slot": 0,
    }
    hosts = page["_meta"]["hostvars"]
    assert hosts["dmz.green.old.0"] == {key: unsafe(value) for key, value in known.items()}
    assert hosts[first]["reason"] is None
    assert example["ipv6"]["hosts"] == [second]
    assert example["_meta"]["hostvars"][second]["rule"] == unsafe("green/secure-egress-service")
    assert "phase_released" not in example


@pytest.mark.usefixtures("leases")
def test_a_playbook_writes_rules_from_the_inventory(ansible: Ansible) -> None:
    inventory, playbook = Path(ansible.folder, "firewall.egress_leases.yml"), Path(ansible.folder, "rules.yml")
    inventory.write_text(f"{INVENTORY}network: dmz\n")
    playbook.write_text(PLAYS[1])

    run = ansible.playbook(str(playbook), "-i", str(inventory))

    assert run.failure == ""
    rules = Path(ansible.folder, "leases.nft").read_text()
    assert f'ip saddr {GREEN} accept comment "green/secure-egress-service"' in rules
    assert f'ip6 saddr {GREEN_6} accept comment "green/secure-egress-service"' in rules
    assert rules.count("\n") == 3


@pytest.mark.usefixtures("leases")
@pytest.mark.parametrize(
    ("lines", "told"),
    [
        ("network: dnz", "leases: network is 'dnz'; there is no such EgressNetwork"),
        ("kubeconfig: /no/such/file", "kubeconfig is '/no/such/file'; there is no such file"),
        ("netwrok: dmz", "netwrok"),
    ],
)
def test_an_inventory_that_cannot_be_told_is_an_error(ansible: Ansible, lines: str, told: str) -> None:
    with pytest.raises(AssertionError, match=re.escape(told)):
        listed(ansible, f"plugin: avi.egress.leases\n{lines}\n")
