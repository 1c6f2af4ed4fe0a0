# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Tasks of the collection's modules as playbooks have them, and the items of their lists."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ansible_collections.avi.egress.plugins.module_utils.module.service import egress_service

UUID = "bfff9603-1ffd-4bcc-aef6-118268e5f2b5"
SOURCE = "10.70.112.100"


def service(project: str, **options: Any) -> dict[str, Any]:
    """A task; ``wait`` only where it is asked for."""
    egress = {} if {"destination_ip", "destinations"} & set(options) else {"destination_ip": "10.10.10.200"}
    ports = [{"name": "foo", "port": 80}]
    defaults = {"name": "x", "namespace": project, "wait": False, "ports": ports, **egress}
    return {"avi.egress.avi_egress_service": {**defaults, **options}}


def deleted_service(project: str, **options: Any) -> dict[str, Any]:
    return {"avi.egress.avi_egress_service": {"name": "x", "namespace": project, "state": "absent", **options}}


def account(*projects: str, **options: Any) -> dict[str, Any]:
    return {"avi.egress.avi_scc_account": {"uuid": UUID, "projects": list(projects), **options}}


def lease(network: str, project: str, service: str = "x", **options: Any) -> dict[str, Any]:
    return {
        "avi.egress.avi_ipam_lease": {"network": network, "namespace": project, "service": service, **options},
    }


def services(*items: dict[str, Any], **options: Any) -> dict[str, Any]:
    return {"avi.egress.avi_egress_service": {"wait": False, "services": list(items), **options}}


def leases_info(**options: Any) -> dict[str, Any]:
    return {"avi.egress.avi_ipam_lease_info": options}


def lease_item(network: str, project: str, service: str, **options: Any) -> dict[str, Any]:
    """One of a list, as the module gets it from Ansible."""
    given = {"network": network, "namespace": project, "service": service, "slot": 0, "state": "present"}
    return {**given, "address": None, "ip_family": None, "transfer_from": None, **options}


def service_item(project: str, name: str, **options: Any) -> dict[str, Any]:
    """One of a list of services."""
    return {"namespace": project, "name": name, "destination_ip": "10.10.10.200", "ports": [{"port": 80}], **options}


def as_given(item: dict[str, Any]) -> dict[str, Any]:
    """One of a list of services, as the module gets it from Ansible."""
    options = egress_service.SPEC.options["services"]["options"]
    ports = [{"name": None, "target_port": None, "protocol": "TCP", **port} for port in item["ports"]]
    return {**{name: option.get("default") for name, option in options.items()}, **item, "ports": ports}


def checked(task: dict[str, Any]) -> dict[str, Any]:
    return {**task, "check_mode": True}


def changed(results: list[dict[str, Any]]) -> list[bool]:
    failures = [item["msg"] for item in results if item.get("failed")]
    assert not failures
    return [item["changed"] for item in results]


def service_options(items: Sequence[Mapping[str, Any]], *, wait: bool = False) -> dict[str, Any]:
    """The options of ``avi_egress_service`` for a list of Services, as the module has them after Ansible's defaults."""
    return {"services": items, "wait": wait, "wait_for": "ready", "wait_timeout": 60}
