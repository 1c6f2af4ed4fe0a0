# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Refused pods of a service: why, and another try when its time has come."""

from __future__ import annotations

import logging
from typing import Sequence

from ansible_collections.avi.egress.plugins.module_utils.api.errors import ApiError, Refused
from ansible_collections.avi.egress.plugins.module_utils.api.resources import (
    POD,
    RETRIED_ANNOTATION,
    KubeObject,
    resource_of,
)
from ansible_collections.avi.egress.plugins.module_utils.api.timestamps import timestamp, utc_now
from ansible_collections.avi.egress.plugins.module_utils.workload import manifests, pod_refusals
from ansible_collections.avi.egress.plugins.module_utils.workload.pods import Refusal

from egress_controller.cache.caches import BY_NAME
from egress_controller.cache.context import Context
from egress_controller.runtime.keys import Key
from egress_controller.runtime.logs import line
from egress_controller.runtime.reconciler import Result

_log = logging.getLogger(__name__)


class Refusals:
    """Looks for them in what Kubernetes' controllers tell."""

    def __init__(self, context: Context) -> None:
        self._client = context.client
        self._caches = context.caches
        self._refused = context.refused
        self._tried: dict[Key, tuple[str | None, str | None]] = {}
        """Of pods that were tried: the rendering, and what was said; a look between two tries asks nothing."""

    def observe(
        self, key: Key, controller: KubeObject | None, pods: Sequence[KubeObject]
    ) -> tuple[Refusal | None, Result | None]:
        """Why the service's missing pods can't be made, and when to look again; has them tried when it is time."""
        found = self._refusal(controller, pods)
        if found is None or controller is None:
            return None, None
        attempt = self._refused.refused(key)
        if attempt.is_due:
            self._try_again(controller)
        again = attempt.again if found.is_lasting else min(attempt.again, pod_refusals.LASTING_SECONDS)
        return found, Result(again)

    def foresee(self, key: Key, pod: KubeObject) -> tuple[Refused | None, Result | None]:
        """Why a pod that is to take the place of one that runs would not be made, and when to look again."""
        attempt, rendering = self._refused.refused(key), manifests.rendering_of(pod)
        tried, words = self._tried.get(key, (None, None))
        if attempt.is_due or tried != rendering:
            words = self._try_out(pod)
            self._tried[key] = (rendering, words)
        if words is None:
            return None, None
        left = pod_refusals.LASTING_SECONDS - attempt.lasted
        found = pod_refusals.refused(key.namespace, key.name, words, is_lasting=left <= 0)
        return found, Result(min(attempt.again, left) if left > 0 else attempt.again)

    def _try_out(self, pod: KubeObject) -> str | None:
        try:
            self._client.create(POD, pod, dry_run=True)
        except ApiError as error:
            if not error.is_verdict:
                raise
            return pod_refusals.foreseen(error, pod)
        return None

    def forget(self, key: Key) -> None:
        self._refused.forget(key)
        self._tried.pop(key, None)

    def _refusal(self, controller: KubeObject | None, pods: Sequence[KubeObject]) -> Refusal | None:
        if controller is None:
            return None
        metadata = controller["metadata"]
        events = self._caches.failed_creates.of(BY_NAME, (metadata["namespace"], metadata["name"]))
        return pod_refusals.refusal_of(controller, pods, events, utc_now())

    def _try_again(self, controller: KubeObject) -> None:
        """Any change of it takes it out of the back-off of Kubernetes' controllers."""
        metadata = controller["metadata"]
        body = {"metadata": {"annotations": {RETRIED_ANNOTATION: timestamp(utc_now())}}}
        self._client.patch(resource_of(controller), metadata["name"], body, metadata["namespace"])
        _log.info(line("tried-again", what=f"{controller['kind']} {metadata['namespace']}/{metadata['name']}"))
