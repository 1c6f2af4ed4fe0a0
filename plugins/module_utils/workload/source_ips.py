# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""``source_ip``: the addresses that a service asks for by name, and in which network it may have them.

A tenant may only ask for what an administrator has reserved for the project, or leased for the service ahead: else he
could pick the address that another project's firewalls still trust.
"""

from __future__ import annotations

from typing import Callable, Sequence

from ..annotations.egress_service import EgressService
from ..api.errors import Refused
from ..api.reasons import Reason
from ..ipam.leases import Slot
from ..ipam.network import EgressNetwork

Holds = Callable[[Slot, str], bool]
"""Whether a slot's lease is for an address."""


def slots(service: EgressService, network: EgressNetwork) -> Sequence[Slot]:
    """What the service holds its addresses of a network by, in the order of ``source_ip``."""
    return [Slot(network.name, service.namespace, service.name, number) for number in range(service.slots)]


def network_of(service: EgressService, networks: Sequence[EgressNetwork], holds: Holds) -> EgressNetwork:
    """The first network in which all addresses that the service names are its own or its project's; Refused if none."""
    for network in networks:
        asked = zip(slots(service, network), service.egress_pod.source_ips, strict=True)
        if all(network.reservations.get(address) == slot.namespace or holds(slot, address) for slot, address in asked):
            return network
    raise _not_reserved(service, networks)


def _not_reserved(service: EgressService, networks: Sequence[EgressNetwork]) -> Refused:
    asked = service.egress_pod.source_ips
    outside = [address for address in asked if not any(address in network.pool for network in networks)]
    if outside and networks:
        names = ", ".join(sorted(network.name for network in networks))
        told = f"{', '.join(outside)} is none of the leasable addresses of EgressNetwork {names}"
    else:
        told = "no lease of this service holds that, and no EgressNetwork reserves it for its project"
    return Refused(
        Reason.ADDRESS_NOT_RESERVED,
        f"Service {service.namespace}/{service.name}: egress_pod.source_ip is {', '.join(asked)}; {told}; have one "
        "acquired by avi_ipam_lease or reserved in spec.reservations first, or remove the key",
    )
