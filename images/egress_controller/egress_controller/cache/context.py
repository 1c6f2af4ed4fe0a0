# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What all reconcilers work with."""

from __future__ import annotations

from dataclasses import dataclass

from ansible_collections.avi.egress.plugins.module_utils.client.kube_client import KubeClient

from egress_controller.cache.caches import Caches
from egress_controller.cache.listers import Listers
from egress_controller.cache.refused_services import RefusedServices
from egress_controller.runtime.event_recorder import EventRecorder
from egress_controller.runtime.keys import Key
from egress_controller.runtime.line_watches import LineWatches
from egress_controller.runtime.work_queue import WorkQueue


@dataclass(frozen=True)
class Context:
    """Each of them is shared by all threads."""

    client: KubeClient
    caches: Caches
    listers: Listers
    queue: WorkQueue[Key]
    """For other keys than the one that is reconciled: to come back to its own, a reconciler returns a Result."""
    events: EventRecorder
    watches: LineWatches[Key]
    """Of the egress pods of each service: what they tell by themselves."""
    namespace: str
    """The controller's own."""
    refused: RefusedServices
