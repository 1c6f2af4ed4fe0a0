# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Informer: the official client's SharedInformer with what it lacks.

That is raw objects instead of models, the moment of the first list, a backoff between connections, and deletions that
are dispatched only when the cache shows them (docs/explanation/controller.md).
"""

from __future__ import annotations

import random
import threading
import time
from dataclasses import dataclass
from typing import Any, Callable, Hashable, Iterator, Mapping

from ansible_collections.avi.egress.plugins.module_utils.api.errors import EgressError, Expired
from ansible_collections.avi.egress.plugins.module_utils.api.resources import KubeObject
from ansible_collections.avi.egress.plugins.module_utils.client.kube_client import KubeClient, Selection
from kubernetes.client.exceptions import ApiException
from kubernetes.informer import ADDED, BOOKMARK, DELETED, MODIFIED, SharedInformer

from egress_controller.runtime.outages import Outages

BASE_DELAY_SECONDS = 0.25
MAX_DELAY_SECONDS = 5.0
SHORT_STREAM_SECONDS = 5.0
"""A watch that ends sooner counts as a failed connection."""
WATCH_SECONDS = (240, 300)
"""How long the server is asked to keep a watch open: a dead connection is noticed soon after."""

Notify = Callable[[str, KubeObject], None]
Indexes = Mapping[str, Callable[[KubeObject], Hashable]]
"""By an index's name, the group that an object belongs to; None for none."""


@dataclass(frozen=True)
class Form:
    """How a cache keeps the objects of one resource: without what is never read, for there may be very many."""

    pack: Callable[[KubeObject], Any]
    """What is kept of an object: a dict, or anything smaller that is none and has its ``cache_key`` as ``key``."""
    unpack: Callable[[Any], KubeObject]
    """The object as it is read, from what is kept of it."""


def drop_managed_fields(obj: KubeObject) -> KubeObject:
    """The very object without its managed fields, which are often longer than all the rest."""
    obj["metadata"].pop("managedFields", None)
    return obj


AS_IT_IS = Form(drop_managed_fields, lambda kept: kept)


class Stopped(Exception):
    """The informer was stopped while its list function waited."""


@dataclass(frozen=True)
class ListMeta:
    resource_version: str


@dataclass(frozen=True)
class ListAnswer:
    """A list as SharedInformer reads it: attributes outside, plain dicts inside."""

    items: list[Any]
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
        members = self._groups.get(group)
        if members is None:
            return []
        if isinstance(members, str):  # Without the lock, as most are: see ``_look_up``.
            return [members]
        with self._lock:
            return sorted(members)

    def groups(self) -> list[Hashable]:
        with self._lock:
            return list(self._groups)

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
        client: KubeClient,
        selection: Selection,
        outages: Outages,
        notify: Notify,
        *,
        indexes: Indexes | None = None,
        form: Form = AS_IT_IS,
    ) -> None:
        self._form = form
        self._client = client
        self._resource = selection.resource
        self._namespace = selection.namespace
        self._outages = outages
        self._notify = notify
        self._indexes = {name: Index(group_of) for name, group_of in (indexes or {}).items()}
        self._stopping = threading.Event()
        self._synced = threading.Event()
        self._listing = False
        self._gone: list[KubeObject] = []
        self._short_streams = 0
        self._opened_at = float("-inf")
        self._informer = SharedInformer(
            self.fetch,
            label_selector=selection.labels,
            field_selector=selection.fields,
            key_func=lambda kept: cache_key(kept) if isinstance(kept, dict) else kept.key,
        )
        self._informer.add_event_handler(BOOKMARK, self._count)
        for event in (ADDED, MODIFIED, DELETED):
            self._informer.add_event_handler(event, self._count)
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
        return self._look_up(f"{namespace}/{name}" if namespace else name)

    def all(self) -> Iterator[KubeObject]:
        """Those that are there now, one after the other: all at once they may take more room than the cache."""
        return map(self._read, self._informer.cache.list())

    def of(self, index: str, group: Hashable) -> list[KubeObject]:
        """The objects of a group, in the order of their names."""
        found = (self._look_up(key) for key in self._indexes[index].keys(group))
        return [obj for obj in found if obj is not None]

    def groups(self, index: str) -> list[Hashable]:
        """The groups that any objects are in."""
        return self._indexes[index].groups()

    def fetch(
        self,
        label_selector: str | None = None,
        field_selector: str | None = None,
        resource_version: str = "0",
        watch: bool = False,
        _preload_content: bool = True,
    ) -> object:
        """The list function: a ListAnswer, or with ``watch`` the stream of events.

        Retries until it succeeds, so the informer never sees a failed request.
        """
        if not watch:
            self._listing = True
            return self._retry_until_done(lambda: self._list(label_selector, field_selector))
        self._end_listing()
        if time.monotonic() - self._opened_at < SHORT_STREAM_SECONDS:
            self._short_streams += 1
            self._wait(self._short_streams)
        else:
            self._short_streams = 0
        stream = self._retry_until_done(lambda: self._watch(label_selector, field_selector, resource_version))
        self._opened_at = time.monotonic()
        return stream

    def _list(self, labels: str | None, fields: str | None) -> ListAnswer:
        items, version = self._client.list_with_version(
            self._resource, self._namespace, labels=labels, fields=fields, keep=self._keep_unchanged
        )
        return ListAnswer(items, ListMeta(version))

    def _watch(self, labels: str | None, fields: str | None, version: str) -> object:
        timeout = random.uniform(*WATCH_SECONDS)
        try:
            return self._client.open_watch(
                Selection(self._resource, self._namespace, labels, fields),
                version=version,
                timeout=timeout,
                bookmarks=True,
            )
        except Expired as error:
            raise ApiException(status=error.status, reason=str(error)) from error

    def _retry_until_done(self, request: Callable[[], object]) -> object:
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

    def _end_listing(self) -> None:
        """The list is in the cache now: dispatch the deletions that it showed; the informer is synced."""
        self._listing = False
        gone, self._gone = self._gone, []
        for obj in gone:
            self._dispatch(DELETED, obj)
        self._synced.set()

    def _count(self, given: Any) -> None:
        """Tell the client's Watch from where it is to go on.

        It reads that by itself only where it is to build models, for which it would write and read each event's JSON
        once more.
        """
        watch = self._informer._watch
        if watch is not None and isinstance(given, dict):
            watch.resource_version = given["metadata"]["resourceVersion"]

    def _handler(self, event: str) -> Callable[[Any], None]:
        def handle(given: Any) -> None:
            obj = self._read(self._keep(given, event) if isinstance(given, dict) else given)
            # SharedInformer dispatches what a new list lacks before it replaces its cache: a fast worker would still
            # see the object, and never be called again.
            if event == DELETED and self._listing:
                self._gone.append(obj)
            else:
                self._dispatch(event, obj)

        return handle

    def _keep_unchanged(self, obj: KubeObject) -> Any:
        """What is kept of an object that is listed: the former, if that is the same; a new list then needs no room."""
        kept = self._form.pack(obj)
        former = self._informer.cache.get_by_key(cache_key(obj))
        return former if former == kept else kept

    def _keep(self, obj: KubeObject, event: str) -> Any:
        """What is kept of an object that a watch has shown, and SharedInformer put into its cache whole."""
        kept = self._form.pack(obj)
        if kept is not obj and event != DELETED:
            self._informer.cache._put(kept)
        return kept

    def _look_up(self, key: str) -> KubeObject | None:
        # Without the cache's lock, which a dict needs not for this. Each look at a service asks some thirty times: a
        # worker that has to give up the interpreter within the lock keeps it meanwhile, all others queue up behind it,
        # and from then on each of these questions is a switch of threads.
        kept = self._informer.cache._objects.get(key)
        return None if kept is None else self._read(kept)

    def _read(self, kept: Any) -> KubeObject:
        return kept if isinstance(kept, dict) else self._form.unpack(kept)

    def _dispatch(self, event: str, obj: KubeObject) -> None:
        for index in self._indexes.values():
            index.update(event, obj)
        self._notify(event, obj)


def cache_key(obj: KubeObject) -> str:
    """``namespace/name`` or ``name``, as the informer's cache calls an object."""
    metadata: Any = obj["metadata"]
    namespace = metadata.get("namespace")
    return f"{namespace}/{metadata['name']}" if namespace else str(metadata["name"])
