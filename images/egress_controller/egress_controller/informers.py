# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The official client's SharedInformer, fed raw dicts.

Around it stands what it lacks: raw objects instead of models, the moment of the first list, a backoff between
connections, and deletions told only when its cache shows them (docs/explanation/controller.md).
"""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass
from typing import Any, Callable, Hashable, Mapping

from ansible_collections.avi.egress.plugins.module_utils.cluster import Cluster, Expired
from ansible_collections.avi.egress.plugins.module_utils.errors import EgressError
from ansible_collections.avi.egress.plugins.module_utils.resources import KubeObject, Resource
from kubernetes.client.exceptions import ApiException
from kubernetes.informer import ADDED, DELETED, MODIFIED, SharedInformer

from egress_controller.outages import Outages

BASE_DELAY_SECONDS = 0.25
MAX_DELAY_SECONDS = 5.0
SHORT_STREAM_SECONDS = 5.0
"""A watch that ends sooner counts as a failed connection."""
WATCH_SECONDS = (240, 300)
"""How long the server is asked to keep a watch open: a dead connection is noticed soon after."""

Notify = Callable[[str, KubeObject], None]
Trim = Callable[[KubeObject], None]


def drop_managed_fields(obj: KubeObject) -> None:
    """Who wrote which field is often longer than the object itself."""
    obj["metadata"].pop("managedFields", None)


class Stopped(Exception):
    """The informer was told to end while its list function waited."""


@dataclass(frozen=True)
class ListMeta:
    resource_version: str


@dataclass(frozen=True)
class ListAnswer:
    """A list as SharedInformer reads it: attributes outside, plain dicts inside."""

    items: list[KubeObject]
    metadata: ListMeta


class Index:
    """The cache keys of objects by a group they belong to, such as the leases of a network. Thread-safe."""

    def __init__(self, group_of: Callable[[KubeObject], Hashable]) -> None:
        self._group_of = group_of
        self._lock = threading.Lock()
        self._groups: dict[Hashable, str | set[str]] = {}
        """The only key itself where there is no other: of very many groups, such as the locks of each lease."""
        self._group: dict[str, Hashable] = {}

    def update(self, event: str, obj: KubeObject) -> None:
        """Take an event in. An object whose group is None is in none."""
        key = cache_key(obj)
        group = None if event == DELETED else self._group_of(obj)
        with self._lock:
            former = self._group.pop(key, None)
            if former is not None:
                self._leave(former, key)
            if group is not None:
                self._group[key] = group
                self._join(group, key)

    def keys(self, group: Hashable) -> list[str]:
        with self._lock:
            members = self._groups.get(group, set())
            return [members] if isinstance(members, str) else sorted(members)

    def _join(self, group: Hashable, key: str) -> None:
        members = self._groups.setdefault(group, key)
        if isinstance(members, set):
            members.add(key)
        elif members != key:
            self._groups[group] = {members, key}

    def _leave(self, group: Hashable, key: str) -> None:
        members = self._groups[group]
        if isinstance(members, set) and len(members) > 1:
            members.discard(key)
        else:
            del self._groups[group]


class Informer:
    """A warm copy of all objects of one resource (or of those that a selector picks)."""

    def __init__(
        self,
        cluster: Cluster,
        resource: Resource,
        outages: Outages,
        notify: Notify,
        *,
        labels: str | None = None,
        fields: str | None = None,
        indexes: Mapping[str, Callable[[KubeObject], Hashable]] | None = None,
        trim: Trim = drop_managed_fields,
    ) -> None:
        """``trim`` takes from each object, in place, what nobody here reads: a cluster may have very many."""
        self._trim = trim
        self._cluster = cluster
        self._resource = resource
        self._outages = outages
        self._notify = notify
        self._indexes = {name: Index(group_of) for name, group_of in (indexes or {}).items()}
        self._stopping = threading.Event()
        self._synced = threading.Event()
        self._listing = False
        self._gone: list[KubeObject] = []
        self._short_streams = 0
        self._opened_at = float("-inf")
        self._informer = SharedInformer(self.fetch, label_selector=labels, field_selector=fields)
        for event in (ADDED, MODIFIED, DELETED):
            self._informer.add_event_handler(event, self._handler(event))

    @property
    def synced(self) -> bool:
        """Whether the first list is in the cache."""
        return self._synced.is_set()

    def start(self) -> None:
        self._informer.start()

    def stop(self) -> None:
        """End it in the background: its thread may be waiting for the server."""
        self._stopping.set()
        threading.Thread(target=self._informer.stop, daemon=True).start()

    def get(self, name: str, namespace: str | None = None) -> KubeObject | None:
        """The object, to be read only: it is shared."""
        found: KubeObject | None = self._informer.cache.get_by_key(f"{namespace}/{name}" if namespace else name)
        return found

    def all(self) -> list[KubeObject]:
        return list(self._informer.cache.list())

    def of(self, index: str, group: Hashable) -> list[KubeObject]:
        """The objects of a group, in the order of their names."""
        found = (self._informer.cache.get_by_key(key) for key in self._indexes[index].keys(group))
        return [obj for obj in found if obj is not None]

    def fetch(
        self,
        label_selector: str | None = None,
        field_selector: str | None = None,
        resource_version: str = "0",
        watch: bool = False,
        _preload_content: bool = True,
    ) -> object:
        """The list function: a ListAnswer, or with ``watch`` the stream of events.

        Retries until it succeeds, so the informer never sees a failed request. The next line is for the client's
        Watch, which reads there that objects stay dicts (and keeps count of resource versions only if it is there).

        :rtype: object
        """
        if not watch:
            self._listing = True
            return self._insist(lambda: self._list(label_selector, field_selector))
        self._tell_listed()
        if time.monotonic() - self._opened_at < SHORT_STREAM_SECONDS:
            self._short_streams += 1
            self._wait(self._short_streams)
        else:
            self._short_streams = 0
        stream = self._insist(lambda: self._watch(label_selector, field_selector, resource_version))
        self._opened_at = time.monotonic()
        return stream

    def _list(self, labels: str | None, fields: str | None) -> ListAnswer:
        items, version = self._cluster.list_with_version(self._resource, labels=labels, fields=fields, trim=self._trim)
        return ListAnswer(items, ListMeta(version))

    def _watch(self, labels: str | None, fields: str | None, version: str) -> object:
        timeout = random.uniform(*WATCH_SECONDS)
        try:
            return self._cluster.open_watch(
                self._resource, version=version, labels=labels, fields=fields, timeout=timeout, bookmarks=True
            )
        except Expired as error:
            raise ApiException(status=error.status, reason=str(error)) from error

    def _insist(self, request: Callable[[], object]) -> object:
        for attempt in range(1, 1_000_000_000):
            if self._stopping.is_set():
                break
            try:
                answer = request()
            except EgressError as error:
                self._outages.report(error, self._resource)
                self._wait(attempt)
            else:
                self._outages.over(self._resource)
                return answer
        raise Stopped

    def _wait(self, attempt: int) -> None:
        """With jitter, so that ten informers don't return in one moment."""
        longest = min(MAX_DELAY_SECONDS, BASE_DELAY_SECONDS * 2 ** min(attempt, 10))
        self._stopping.wait(random.uniform(longest / 2, longest))

    def _tell_listed(self) -> None:
        """The list is in the cache now: what is missing in it may be told, and who waits for the first may go on."""
        self._listing = False
        gone, self._gone = self._gone, []
        for obj in gone:
            self._tell(DELETED, obj)
        self._synced.set()

    def _handler(self, event: str) -> Callable[[KubeObject], None]:
        def handle(obj: KubeObject) -> None:
            self._trim(obj)
            # SharedInformer tells what a new list lacks before it replaces its cache: whoever looked at once would
            # still see the object, and never be called again.
            if event == DELETED and self._listing:
                self._gone.append(obj)
            else:
                self._tell(event, obj)

        return handle

    def _tell(self, event: str, obj: KubeObject) -> None:
        for index in self._indexes.values():
            index.update(event, obj)
        self._notify(event, obj)


def cache_key(obj: KubeObject) -> str:
    """``namespace/name`` or ``name``, as the informer's cache calls an object."""
    metadata: Any = obj["metadata"]
    namespace = metadata.get("namespace")
    return f"{namespace}/{metadata['name']}" if namespace else str(metadata["name"])
