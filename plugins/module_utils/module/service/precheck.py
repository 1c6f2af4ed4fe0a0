# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The controller's refusals, made before a Service is written: networks and addresses that options name.

And destinations that the network so named does not allow.
"""

from __future__ import annotations

from typing import Iterable

from ...api.errors import Forbidden
from ...client.kube_client import KubeClient
from ...workload import admission, source_ips
from ..lease.view import LeasingView
from . import definition
from .bulk import ServiceRequest, Step, naming_item


def refuse_unavailable(cluster: KubeClient, steps: Iterable[Step]) -> None:
    """Refused where ``network`` is none, or an address of ``source_ip`` is not for the project.

    Two lists at most, and none for Services that name neither or stay as they are; one more where such a network has
    ``spec.allowedDestinations``. Whoever may not read them hears it from the controller, after the write.
    """
    naming = [step for step in steps if step.write and _names_something(step.request)]
    view = LeasingView(cluster, {step.request.options["namespace"] for step in naming})
    for step in naming:
        with naming_item(step.request):
            try:
                _check(view, step)
            except Forbidden:
                return


def _names_something(request: ServiceRequest) -> bool:
    return bool(request.asked_addresses or (request.present and request.options["network"]))


def _check(view: LeasingView, step: Step) -> None:
    service = definition.intent(step.request.options, step.before)
    admission.check_named(service, view.network_objects)
    wanted = service.egress_pod.network
    possible = [network for network in view.readable.values() if wanted in (None, network.name)]
    if any(network.destinations is not None for network in possible):
        admission.leading_there(service, possible, view.namespace(service.namespace))
    if not service.egress_pod.source_ips:
        return
    networks = [view.network(wanted)] if wanted else possible
    source_ips.network_of(service, networks, view.holds)
