# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Listers of the clouds and networks as the core reads them, once for each change of a spec."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Callable, Generic, Iterable, Mapping, TypeVar

from ansible_collections.avi.egress.plugins.module_utils.api.errors import InvalidInput
from ansible_collections.avi.egress.plugins.module_utils.api.resources import KubeObject
from ansible_collections.avi.egress.plugins.module_utils.ipam import allocatable
from ansible_collections.avi.egress.plugins.module_utils.ipam.cloud import EgressCloud, read_cloud
from ansible_collections.avi.egress.plugins.module_utils.ipam.network import EgressNetwork, read_network

from egress_controller.cache.caches import Caches
from egress_controller.cache.changed_locks import ChangedLocks
from egress_controller.cache.node_addresses import NodeAddresses
from egress_controller.runtime.informer import Informer

T = TypeVar("T")


class Lister(Generic[T]):
    """Objects of one kind, read; what can't be read is kept as its error. Thread-safe."""

    def __init__(self, informer: Informer, read: Callable[[KubeObject], T]) -> None:
        self._informer = informer
        self._read = read
        self._lock = threading.Lock()
        self._known: dict[str, tuple[object, T | InvalidInput]] = {}
        self._all: tuple[list[KubeObject], Mapping[str, T]] = ([], {})
        """Those that can be read, and of which objects."""

    def all(self) -> Mapping[str, T]:
        """Those that can be read, by name: one object until something changes, as each look at a service asks."""
        objects, (former, known) = [*self._informer.all()], self._all
        if objects != former:
            found = ((name, self.look_up(name)) for name in self._names())
            known = {name: value for name, value in found if value is not None and not isinstance(value, InvalidInput)}
            self._all = (objects, known)
        return known

    def errors(self) -> list[InvalidInput]:
        return [value for value in map(self.look_up, self._names()) if isinstance(value, InvalidInput)]

    def look_up(self, name: str) -> T | InvalidInput | None:
        obj = self._informer.get(name)
        if obj is None:
            return None
        stamp = (obj["metadata"]["uid"], obj["metadata"].get("generation"))
        with self._lock:
            known = self._known.get(name)
            if known is None or known[0] != stamp:
                known = self._known[name] = (stamp, self._try(obj))
            return known[1]

    def _try(self, obj: KubeObject) -> T | InvalidInput:
        try:
            return self._read(obj)
        except InvalidInput as error:
            return error

    def _names(self) -> list[str]:
        return sorted(obj["metadata"]["name"] for obj in self._informer.all())


class NetworkLister(Lister[EgressNetwork]):
    """The networks, each with the pool that is left of it; worked out anew only when something of it changed."""

    def __init__(
        self, informer: Informer, clouds: Lister[EgressCloud], nodes: NodeAddresses, locks: Informer, news: ChangedLocks
    ) -> None:
        super().__init__(informer, read_network)
        self._offered = Lister(informer, read_network)
        self._clouds = clouds
        self._nodes = nodes
        self._locks = locks
        self._news = news
        self._dividing = threading.Lock()
        self._stamp: object = None
        self._divided: Mapping[str, EgressNetwork] = {}
        self._strays: dict[str, KubeObject] = {}
        self._spared: Mapping[str, EgressNetwork] = {}

    def look_up(self, name: str) -> EgressNetwork | InvalidInput | None:
        found = self._offered.look_up(name)
        return self._divide().get(name) if isinstance(found, EgressNetwork) else found

    def all(self) -> Mapping[str, EgressNetwork]:
        return self._divide()

    def _divide(self) -> Mapping[str, EgressNetwork]:
        networks = self._offered.all()
        clouds = self._clouds.all()
        with self._dividing:
            changed = self._news.take()
            # Each is one object until it is read anew, so that comparing them costs nothing.
            stamp = (self._news.missed, self._nodes.revision, tuple(clouds.values()), tuple(networks.values()))
            is_new = self._stamp != stamp
            if is_new:
                self._stamp = stamp
                kept_back = allocatable.occupied(self._nodes.all(), clouds.values())
                self._divided = allocatable.divide(networks.values(), kept_back)
                self._strays, changed = {}, {lock["metadata"]["name"] for lock in self._locks.all()}
            if self._sort_out(changed) or is_new:
                self._spared = allocatable.spare(self._divided, self._strays.values())
            return self._spared

    def _sort_out(self, changed: Iterable[str]) -> bool:
        """Which of the changed locks are strays; whether there are others now."""
        former = set(self._strays)
        for name in changed:
            lock = self._locks.get(name)
            if lock and allocatable.is_stray(lock, self._divided):
                self._strays[name] = lock
            else:
                self._strays.pop(name, None)
        return former != self._strays.keys()


@dataclass(frozen=True)
class Listers:
    """What administrators have set up."""

    clouds: Lister[EgressCloud]
    networks: Lister[EgressNetwork]

    @classmethod
    def of(cls, caches: Caches) -> Listers:
        clouds = Lister(caches.clouds, read_cloud)
        nodes, locks, news = caches.node_addresses, caches.addresses, caches.changed_locks
        return cls(clouds, NetworkLister(caches.networks, clouds, nodes, locks, news))
