# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What the ready egress pods of a service tell of its destinations: watched at their health ports."""

from __future__ import annotations

from typing import Sequence

from ansible_collections.avi.egress.plugins.module_utils.annotations.egress_service import EgressService
from ansible_collections.avi.egress.plugins.module_utils.api.addresses import canonical
from ansible_collections.avi.egress.plugins.module_utils.api.conditions import Condition, find, says
from ansible_collections.avi.egress.plugins.module_utils.api.resources import REACHABLE_CONDITION, KubeObject
from ansible_collections.avi.egress.plugins.module_utils.workload.manifests import tried_destinations
from ansible_collections.avi.egress.plugins.module_utils.workload.pods import is_ready
from ansible_collections.avi.egress.plugins.module_utils.workload.reachability import Asked, reachability
from ansible_collections.avi.egress.plugins.module_utils.workload.termination_message import source_of

from egress_controller.cache.context import Context
from egress_controller.runtime.keys import Key, service_key
from egress_controller.runtime.line_watches import Endpoint, Hears

PATH = "/destinations?watch"


class Reachability:
    """Follows the pods of services; news of them bring the service back to its reconciler."""

    def __init__(self, context: Context) -> None:
        self._watches = context.watches

    def observe(
        self, obj: KubeObject, service: EgressService, sources: Sequence[str], pods: Sequence[KubeObject]
    ) -> dict[str, Condition | None]:
        """What the Service is to say of its destinations, by condition type; see the core's ``reachability``.

        ``obj`` is that Service: a leader that has just come up hears of all pods what it says already.
        """
        endpoints = _endpoints(service, sources, pods) if tried_destinations(service) else {}
        former = find(obj, REACHABLE_CONDITION) or {}

        def told(heard: Hears) -> dict[str, Condition | None]:
            found = {source: heard[endpoint] for source, endpoint in endpoints.items()}
            return reachability(service, sources, {key: Asked(item.line, item.trouble) for key, item in found.items()})

        def is_known(heard: Hears) -> bool:
            return all(says(former, condition) for condition in told(heard).values())

        key = service_key(service.namespace, service.name)
        return told(self._watches.follow(key, frozenset(endpoints.values()), is_known))

    def forget(self, key: Key) -> None:
        """The service is gone, or asks for egress no longer."""
        self._watches.follow(key, frozenset())


def _endpoints(service: EgressService, sources: Sequence[str], pods: Sequence[KubeObject]) -> dict[str, Endpoint]:
    """Where the ready pods answer, by their source address."""
    found = {}
    for pod in filter(is_ready, pods):
        source, address = source_of(pod), canonical(str(pod["status"].get("podIP")))
        if source and source in sources and address:
            found[source] = Endpoint(address, service.egress_pod.hm_port, PATH)
    return found
