# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Leases as hosts of an inventory: what the inventory plugin ``leases`` reads of a cluster."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping

from ...api.addresses import family_of
from ...api.errors import InvalidInput
from ...api.resources import EGRESS_LEASE, EGRESS_NETWORK, NETWORK_LABEL
from ...client.kube_client import KubeClient
from ...ipam.lease_status import BOUND, RELEASED
from ..argument_specs import ArgumentSpec, refuse_empty
from .ipam_lease_info import PHASES, Told, tell

SUBJECT = "leases"

SPEC = ArgumentSpec(
    {
        "network": {"type": "str"},
        "phases": {"type": "list", "elements": "str", "choices": list(PHASES), "default": [BOUND, RELEASED]},
    }
)

Options = Mapping[str, Any]


@dataclass(frozen=True)
class Host:
    """A lease by the name of its object, which stays the same as long as the service has it or comes back to it."""

    name: str
    groups: tuple[str, ...]
    """As they come: Ansible makes names of them that it allows."""
    variables: Told


def validate(options: Options) -> None:
    """Refuse a filter that would be taken for none."""
    refuse_empty(SUBJECT, options, ("network",))
    if not options["phases"]:
        raise InvalidInput(SUBJECT, "phases", options["phases"], "give some, or leave it out for the usual ones")


def hosts(cluster: KubeClient, options: Options) -> list[Host]:
    """The leases that are in one of the phases, by name; a network that nothing is known of is InvalidInput."""
    network = options["network"]
    leases = cluster.list(EGRESS_LEASE, labels=f"{NETWORK_LABEL}={network}" if network else None)
    if network and not leases and cluster.get(EGRESS_NETWORK, network) is None:
        raise InvalidInput(SUBJECT, "network", network, "there is no such EgressNetwork")
    found = [_host(lease["metadata"]["name"], tell(lease)) for lease in leases]
    chosen = (host for host in found if host.variables["phase"] in options["phases"] and host.variables["address"])
    return sorted(chosen, key=lambda host: host.name)


def _host(name: str, told: Told) -> Host:
    groups = (f"project_{told['namespace']}", f"network_{told['network']}", f"phase_{str(told['phase']).lower()}")
    kept = ("address", "network", "service", "slot", "phase", "claimed_by", "bound_at", "released_at", "reason")
    variables = {key: told[key] for key in kept}
    family = family_of(told["address"]) if told["address"] else None
    own = {"ansible_host": told["address"], "project": told["namespace"], "ip_family": family}
    return Host(name, groups, {**variables, **own})
