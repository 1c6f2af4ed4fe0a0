# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The clouds and networks as the core understands them, each read once for each change of its spec."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from typing import Callable, Generic, TypeVar

from ansible_collections.avi.egress.plugins.module_utils.errors import InvalidInput
from ansible_collections.avi.egress.plugins.module_utils.model import (
    EgressCloud,
    EgressNetwork,
    read_cloud,
    read_network,
)
from ansible_collections.avi.egress.plugins.module_utils.resources import KubeObject

from egress_controller.caches import Caches
from egress_controller.informers import Informer

T = TypeVar("T")


class Shelf(Generic[T]):
    """Objects of one kind, read; what can't be read is kept as the error that says why. Thread-safe."""

    def __init__(self, informer: Informer, read: Callable[[KubeObject], T]) -> None:
        self._informer = informer
        self._read = read
        self._lock = threading.Lock()
        self._known: dict[str, tuple[object, T | InvalidInput]] = {}

    def all(self) -> dict[str, T]:
        """Those that can be read, by name."""
        found = ((name, self.look_up(name)) for name in self._names())
        return {name: value for name, value in found if value is not None and not isinstance(value, InvalidInput)}

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


@dataclass(frozen=True)
class Inventory:
    """What administrators have set up."""

    clouds: Shelf[EgressCloud]
    networks: Shelf[EgressNetwork]

    @classmethod
    def of(cls, caches: Caches) -> Inventory:
        return cls(Shelf(caches.clouds, read_cloud), Shelf(caches.networks, read_network))
