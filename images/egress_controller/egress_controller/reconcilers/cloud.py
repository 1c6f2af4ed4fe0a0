# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The reconciler of EgressClouds: the cloud's account in every included project, and nowhere else."""

from __future__ import annotations

from dataclasses import replace
from typing import Hashable

from ansible_collections.avi.egress.plugins.module_utils.api import conditions
from ansible_collections.avi.egress.plugins.module_utils.api.conditions import Condition
from ansible_collections.avi.egress.plugins.module_utils.api.errors import InvalidInput
from ansible_collections.avi.egress.plugins.module_utils.api.reasons import Reason
from ansible_collections.avi.egress.plugins.module_utils.api.resources import EGRESS_CLOUD, KubeObject, object_key
from ansible_collections.avi.egress.plugins.module_utils.ipam.cloud import EgressCloud

from egress_controller.cache.caches import BY_NAMESPACE
from egress_controller.cache.context import Context
from egress_controller.reconcilers.accounts import Accounts
from egress_controller.runtime.event_recorder import WARNING
from egress_controller.runtime.keys import Key
from egress_controller.runtime.status import write_status

READY = "Ready"


class CloudReconciler:
    """Reconciles the clouds of one uuid (there is one, unless an administrator erred)."""

    def __init__(self, context: Context, accounts: Accounts) -> None:
        self._client = context.client
        self._caches = context.caches
        self._clouds = context.listers.clouds
        self._events = context.events
        self._accounts = accounts
        self._namespace = context.namespace

    def reconcile(self, key: Key) -> None:
        """The key's name is the clouds' uuid."""
        uuid = key.name
        clouds = [cloud for cloud in self._caches.clouds.all() if cloud["spec"]["uuid"] == uuid]
        # That a cloud is gone is believed only when the server confirms it: everything it made goes with it.
        if not clouds and not any(cloud["spec"]["uuid"] == uuid for cloud in self._client.list(EGRESS_CLOUD)):
            self._accounts.remove_cloud(uuid)
        for cloud in clouds:
            self._onboard(cloud)

    def _onboard(self, obj: KubeObject) -> None:
        cloud = self._clouds.look_up(obj["metadata"]["name"])
        if isinstance(cloud, InvalidInput):
            self._report(obj, Condition(False, cloud.reason, str(cloud)), {})
            return
        if cloud is None:
            return
        included = {
            namespace["metadata"]["name"]
            for namespace in self._caches.namespaces.all()
            if cloud.includes(namespace) and "deletionTimestamp" not in namespace["metadata"]
        }
        gateway = replace(cloud, controller_namespace=self._namespace).gateway
        wanted = included if gateway is None else {gateway}
        if cloud.secure_egress_mode:
            for namespace in sorted(wanted):
                self._accounts.ensure(cloud.uuid, namespace)
        wanted |= self._in_use(cloud.uuid) & (included | {self._namespace})
        surplus = self._accounts.projects(cloud.uuid) - wanted | self._accounts.stale_users(cloud.uuid, wanted)
        if surplus:
            self._accounts.remove(cloud.uuid, surplus)
        self._report(obj, _condition(cloud, gateway), {"projects": len(included), "gateway": gateway})

    def _in_use(self, uuid: str) -> set[Hashable]:
        """Where egress pods of the cloud are: those of the former placement need their account until they move."""
        pods = self._caches.pods(uuid)
        return set(pods.groups(BY_NAMESPACE) if pods else self._accounts.projects(uuid))

    def _report(self, obj: KubeObject, condition: Condition, figures: dict[str, int | str | None]) -> None:
        former = conditions.find(obj, READY)
        write_status(self._client, EGRESS_CLOUD, obj, {READY: condition}, figures)
        if condition.reason == InvalidInput.reason and (former or {}).get("message") != condition.message:
            self._events.emit(obj, WARNING, condition.reason, condition.message)


def _condition(cloud: EgressCloud, gateway: str | None) -> Condition:
    if cloud.secure_egress_mode and gateway:
        return Condition(True, Reason.PROJECTS_ONBOARDED, f"the egress pods of all projects are in namespace {gateway}")
    if cloud.secure_egress_mode:
        return Condition(True, Reason.PROJECTS_ONBOARDED, "every included project has its ServiceAccount")
    message = f"{object_key({'kind': 'EgressCloud', 'metadata': {'name': cloud.name}})}: spec.secureEgressMode is false"
    return Condition(False, Reason.SECURE_EGRESS_MODE_OFF, f"{message}; set it to true for egress pods")
