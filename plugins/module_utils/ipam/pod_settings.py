# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""``EgressCloud.spec.pods``: what the administrator sets of all egress pods, read strictly.

The schema keeps keys that it does not know, so that they are told here instead of being dropped without a word.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Callable, Collection, Mapping, Sequence

from ..api.field_reader import at
from ..api.pod_fields import LABEL_KEY, PodFieldReader, PodFields
from .quantities import Quantity, read_quantity

RESOURCES = ("cpu", "memory", "ephemeral-storage")
DEFAULT_REQUESTS: Mapping[str, Quantity] = {
    "cpu": Quantity(Decimal("0.01"), "10m"),
    "memory": Quantity(Decimal(64 * 1024**2), "64Mi"),
}
"""A pod that requests nothing is BestEffort: the first one that a node short of memory ends."""
PULL_POLICIES = ("Always", "IfNotPresent", "Never")
MAX_SKEW = 1000

_OBJECT_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


@dataclass(frozen=True)
class PodSettings:
    """What all egress pods of a cloud have, in the words of a pod's spec."""

    resources: PodFields = field(default_factory=lambda: {"requests": _texts(DEFAULT_REQUESTS)})
    image_pull_policy: str = "IfNotPresent"
    node_selector: Mapping[str, str] = field(default_factory=dict)
    """Beside that of the service."""
    tolerations: tuple[PodFields, ...] = ()
    """Beside those that every egress pod has."""
    topology_spread_constraints: tuple[PodFields, ...] = ()
    """Without the selector: each service spreads its own pods."""
    others: PodFields = field(default_factory=dict)
    """``priorityClassName`` and ``runtimeClassName``, as far as they are given."""


def read_pod_settings(subject: str, pods: Any) -> PodSettings:
    """The ``spec.pods`` of an EgressCloud; InvalidInput names the field that makes no sense."""
    return _Reader(subject, "spec.pods").settings(pods)


def read_node_selector(subject: str, selector: Any) -> Mapping[str, str]:
    """The ``spec.nodeSelector`` of an EgressNetwork; InvalidInput names the label that is none."""
    return PodFieldReader(subject, "spec").node_selector("nodeSelector", selector)


class _Reader(PodFieldReader):
    """Reads the keys of ``spec.pods``."""

    def settings(self, pods: Any) -> PodSettings:
        readers: dict[str, Callable[[str, Any], Any]] = {
            "resources": self._resources,
            "priorityClassName": self._name,
            "runtimeClassName": self._name,
            "imagePullPolicy": lambda field, value: self.one_of(field, value, PULL_POLICIES),
            "nodeSelector": self.node_selector,
            "tolerations": self.tolerations,
            "topologySpreadConstraints": self._spreads,
        }
        self.known_keys("", pods, readers)
        read = {key: readers[key](key, value) for key, value in pods.items() if value is not None}
        return PodSettings(
            resources=read.get("resources") or self._resources("resources", {}),
            image_pull_policy=read.get("imagePullPolicy", "IfNotPresent"),
            node_selector=read.get("nodeSelector", {}),
            tolerations=read.get("tolerations", ()),
            topology_spread_constraints=read.get("topologySpreadConstraints", ()),
            others={key: read[key] for key in ("priorityClassName", "runtimeClassName") if key in read},
        )

    def _name(self, field: str, value: Any) -> str:
        return self.matching(field, value, _OBJECT_NAME, "give the name of one, in lower case")

    def _spreads(self, field: str, value: Any) -> tuple[PodFields, ...]:
        if not isinstance(value, list):
            self.refuse(field, value, 'give a list, such as [{"topologyKey": "topology.kubernetes.io/zone"}]')
        spreads = tuple(self._spread(f"{field}[{index}]", item) for index, item in enumerate(value))
        self._unlike(field, spreads)
        return spreads

    def _unlike(self, field: str, spreads: Sequence[PodFields]) -> None:
        """Refuse what the API server would refuse in the pods of each service."""
        first: dict[tuple[str, str], int] = {}
        for index, spread in enumerate(spreads):
            key, when = spread["topologyKey"], spread["whenUnsatisfiable"]
            former = first.setdefault((key, when), index)
            if former != index:
                told = f"[{former}] has it with whenUnsatisfiable {when} already; leave one of the two out"
                self.refuse(at(f"{field}[{index}]", "topologyKey"), key, told)

    def _spread(self, field: str, value: Any) -> PodFields:
        content = self._object(field, value, ("topologyKey", "maxSkew", "whenUnsatisfiable"))
        known = ("DoNotSchedule", "ScheduleAnyway")
        when = content.get("whenUnsatisfiable", known[1])
        return {
            "maxSkew": self.integer(at(field, "maxSkew"), content.get("maxSkew", 1), 1, MAX_SKEW),
            "topologyKey": self.matching(
                at(field, "topologyKey"), content.get("topologyKey"), LABEL_KEY, "give the key of a node label"
            ),
            "whenUnsatisfiable": self.one_of(at(field, "whenUnsatisfiable"), when, known),
        }

    def _resources(self, field: str, value: Any) -> PodFields:
        """With requests in any case, at most the limits."""
        content = self._object(field, value, ("requests", "limits"))
        limits = self._quantities(at(field, "limits"), content.get("limits"))
        requests = self._quantities(at(field, "requests"), content.get("requests"))
        for name, limit in limits.items():
            if name in requests and requests[name].amount > limit.amount:
                told = f"give at most the limit, which is {limit.text}"
                self.refuse(at(at(field, "requests"), name), requests[name].text, told)
        for name, default in DEFAULT_REQUESTS.items():
            own = [limits[name]] if name in limits else []
            requests.setdefault(name, min([default, *own], key=lambda quantity: quantity.amount))
        found = {"requests": requests, **({"limits": limits} if limits else {})}
        return {kind: _texts(items) for kind, items in found.items()}

    def _quantities(self, field: str, value: Any) -> dict[str, Quantity]:
        found: dict[str, Quantity] = {}
        for name, item in self._object(field, value or {}, RESOURCES).items():
            quantity = read_quantity(item)
            if quantity is None or not quantity.amount:
                self.refuse(at(field, name), item, "give a quantity above 0, such as 50m or 64Mi")
            found[name] = quantity
        return found

    def _object(self, field: str, value: Any, known: Collection[str]) -> PodFields:
        if not isinstance(value, dict):
            self.refuse(field, value, f"give an object of {', '.join(known)}")
        self.known_keys(field, value, known)
        return value


def _texts(quantities: Mapping[str, Quantity]) -> PodFields:
    return {name: quantity.text for name, quantity in quantities.items()}
