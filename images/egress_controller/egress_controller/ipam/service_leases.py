# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The leases of one service: all of one network, which they stay in."""

from __future__ import annotations

from typing import Collection, Sequence

from ansible_collections.avi.egress.plugins.module_utils.annotations.egress_service import EgressService
from ansible_collections.avi.egress.plugins.module_utils.api.errors import (
    PoolExhausted,
    Refused,
)
from ansible_collections.avi.egress.plugins.module_utils.api.reasons import Reason
from ansible_collections.avi.egress.plugins.module_utils.api.resources import (
    KubeObject,
)
from ansible_collections.avi.egress.plugins.module_utils.ipam import lease_status
from ansible_collections.avi.egress.plugins.module_utils.ipam.network import EgressNetwork
from ansible_collections.avi.egress.plugins.module_utils.workload import source_ips

from egress_controller.cache.waiting_services import WaitingServices
from egress_controller.ipam.claims import Claims
from egress_controller.runtime.keys import service_key

SHORT = (Reason.POOL_EXHAUSTED, Reason.QUOTA_EXCEEDED)
"""Why a network has no address for a service that another may have one for."""


class ServiceLeases:
    """Claims the leases of a service."""

    def __init__(self, claims: Claims, waiting: WaitingServices) -> None:
        self._claims = claims
        self._waiting = waiting

    def claim(
        self, desired: EgressService, networks: Sequence[EgressNetwork], annotated: Collection[str]
    ) -> tuple[EgressNetwork, Sequence[KubeObject]]:
        """All the service's leases, of one network: the one it has them of already, or the first that has room."""
        networks = self._reserving(desired, networks)
        key = service_key(desired.namespace, desired.name)
        self._waiting.add(key)  # Before the attempt, so that an address coming free meanwhile is not missed.
        wanted = dict(enumerate(desired.egress_pod.source_ips))
        refused: list[PoolExhausted | Refused] = []
        in_use = self._in_use(desired, annotated)
        for network in self._preferred(desired, networks):
            try:
                leases = [
                    self._claims.claim(network, slot, desired.ip_family, annotated, wanted.get(slot.number))
                    for slot in source_ips.slots(desired, network)
                ]
            except (PoolExhausted, Refused) as error:
                if error.reason not in SHORT or network.name in in_use:
                    raise  # What runs stays in its network.
                refused.append(error)
            else:
                self._waiting.discard(key)
                return network, leases
        # A network that has none of this family is reported only where no other has.
        raise next((error for error in refused if not isinstance(error, PoolExhausted) or error.size), refused[0])

    def _reserving(self, desired: EgressService, networks: Sequence[EgressNetwork]) -> Sequence[EgressNetwork]:
        """The one in which the addresses of ``source_ip`` are its own or its project's; all if it names none."""
        if not desired.egress_pod.source_ips:
            return networks
        return [source_ips.network_of(desired, networks, self._claims.holds)]

    def _in_use(self, desired: EgressService, annotated: Collection[str]) -> Collection[str]:
        """The networks of the addresses that the service has been given."""
        bound = filter(lease_status.is_bound, self._claims.of_service(desired.namespace, desired.name))
        return {lease["spec"]["network"] for lease in bound if lease_status.address(lease) in annotated}

    def _preferred(self, desired: EgressService, networks: Sequence[EgressNetwork]) -> Sequence[EgressNetwork]:
        """The network that the service holds a lease of comes first, then one that it last held, then as given."""
        leases = filter(lease_status.address, self._claims.of_service(desired.namespace, desired.name))
        held = {lease["spec"]["network"]: lease for lease in leases}

        def order(network: EgressNetwork) -> int:
            lease = held.get(network.name)
            return 2 if lease is None else int(not lease_status.is_bound(lease))

        return sorted(networks, key=order)
