# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""ServiceAccounts and SCC users of the projects; one at a time, as they all share an SCC's list of users."""

from __future__ import annotations

import threading
import time
from dataclasses import replace

from ansible_collections.avi.egress.plugins.module_utils.api.resources import (
    SECURITY_CONTEXT_CONSTRAINTS,
    SERVICE_ACCOUNT,
    KubeObject,
    account_name,
    scc_name,
)
from ansible_collections.avi.egress.plugins.module_utils.client.apply import apply
from ansible_collections.avi.egress.plugins.module_utils.client.kube_client import KubeClient
from ansible_collections.avi.egress.plugins.module_utils.workload.accounts import scc_projects, scc_users
from ansible_collections.avi.egress.plugins.module_utils.workload.plan import Observed, account_writes

from egress_controller.cache.caches import BY_CLOUD, Caches

PROBE_SECONDS = 60.0
"""How often a platform without SecurityContextConstraints is asked again whether it has them."""


class Accounts:
    """Thread-safe; writes to an SCC are one at a time and made on the server's own list of users."""

    def __init__(self, client: KubeClient, caches: Caches) -> None:
        self._client = client
        self._caches = caches
        self._lock = threading.Lock()
        self._has_scc = False
        self._probe_after = float("-inf")

    def ensure(self, uuid: str, namespace: str) -> KubeObject | None:
        """The project's ServiceAccount is there and in the SCC; gives the account as it was found."""
        if account := self._settled(uuid, namespace):
            return account
        with self._lock:
            found = self._observe(uuid, namespace)
            if account_writes(uuid, namespace, found) and found.has_scc:
                found = replace(found, scc=self._client.get(SECURITY_CONTEXT_CONSTRAINTS, scc_name(uuid)))
            stored = apply(self._client, account_writes(uuid, namespace, found))
        accounts = [obj for obj in stored if obj and obj["kind"] == SERVICE_ACCOUNT.kind]
        return accounts[0] if accounts else found.service_account

    def _settled(self, uuid: str, namespace: str) -> KubeObject | None:
        """The account, if the caches show that nothing is to be done: none of very many waits for its turn then."""
        account = self._caches.accounts.get(account_name(uuid), namespace)
        scc = self._caches.scc(scc_name(uuid)) if self._has_scc else None
        is_known = scc is not None if self._has_scc else time.monotonic() < self._probe_after
        if account is None or not is_known:
            return None
        found = Observed(service_account=account, scc=scc, has_scc=self._has_scc)
        return None if account_writes(uuid, namespace, found) else account

    def projects(self, uuid: str) -> set[str]:
        """The namespaces in which the cloud's account is known to be."""
        return {account["metadata"]["namespace"] for account in self._caches.accounts.of(BY_CLOUD, uuid)}

    def remove(self, uuid: str, namespaces: set[str]) -> None:
        """The account goes from projects that don't take part any more; first its right, then itself."""
        with self._lock:
            self._remove_users(uuid, namespaces)
        for namespace in sorted(namespaces):
            self._client.delete_named(SERVICE_ACCOUNT, account_name(uuid), namespace)

    def remove_cloud(self, uuid: str) -> None:
        """The cloud is gone: accounts, then the SCC."""
        for namespace in sorted(self.projects(uuid)):
            self._client.delete_named(SERVICE_ACCOUNT, account_name(uuid), namespace)
        if self._platform_has_scc() and self._caches.scc(scc_name(uuid)):
            self._client.delete_named(SECURITY_CONTEXT_CONSTRAINTS, scc_name(uuid))

    def stale_users(self, uuid: str, included: set[str]) -> set[str]:
        """Namespaces that the SCC still lists although they don't take part any more."""
        users = (self._caches.scc(scc_name(uuid)) or {}).get("users") or ()
        return scc_projects(users, uuid) - included

    def _observe(self, uuid: str, namespace: str) -> Observed:
        """From the caches; what they don't show is asked for, since they may lag and selectors may hide it."""
        account = self._caches.accounts.get(account_name(uuid), namespace)
        if account is None:
            account = self._client.get(SERVICE_ACCOUNT, account_name(uuid), namespace)
        if not self._platform_has_scc():
            return Observed(service_account=account)
        scc = self._caches.scc(scc_name(uuid)) or self._client.get(SECURITY_CONTEXT_CONSTRAINTS, scc_name(uuid))
        return Observed(service_account=account, scc=scc, has_scc=True)

    def _remove_users(self, uuid: str, namespaces: set[str]) -> None:
        if not self._platform_has_scc():
            return
        scc = self._client.get(SECURITY_CONTEXT_CONSTRAINTS, scc_name(uuid))
        users = (scc or {}).get("users") or []
        remaining = scc_users(users, uuid, absent=namespaces)
        if scc and remaining != users:
            self._client.patch(SECURITY_CONTEXT_CONSTRAINTS, scc_name(uuid), {"users": remaining})

    def _platform_has_scc(self) -> bool:
        if not self._has_scc and time.monotonic() >= self._probe_after:
            self._has_scc = self._client.serves(SECURITY_CONTEXT_CONSTRAINTS)
            self._probe_after = time.monotonic() + PROBE_SECONDS
            if self._has_scc:
                self._caches.watch_sccs()
        return self._has_scc
