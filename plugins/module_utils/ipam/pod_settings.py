# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""``EgressCloud.spec.pods``: what the administrator sets of all egress pods, read strictly.

The schema keeps keys that it does not know, so that they are told here instead of being dropped without a word.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any, Callable, Collection, Dict, List, Mapping, NoReturn

from ..api.errors import InvalidInput
from .quantities import Quantity, read_quantity

RESOURCES = ("cpu", "memory", "ephemeral-storage")
DEFAULT_REQUESTS: Mapping[str, str] = {"cpu": "10m", "memory": "64Mi"}
"""A pod that requests nothing is BestEffort: the first one that a node short of memory ends."""
EFFECTS = ("NoExecute", "NoSchedule", "PreferNoSchedule")
PULL_POLICIES = ("Always", "IfNotPresent", "Never")

_LABEL_KEY = re.compile(r"([a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?/)?[A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?")
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)?")
_OBJECT_NAME = re.compile(r"(?=.{1,253}\Z)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")

PodFields = Dict[str, Any]
"""Fields of a pod's spec, or of one thing in it."""


@dataclass(frozen=True)
class PodSettings:
    """What all egress pods of a cloud have, in the words of a pod's spec."""

    resources: PodFields = field(default_factory=lambda: {"requests": dict(DEFAULT_REQUESTS)})
    image_pull_policy: str = "IfNotPresent"
    node_selector: Mapping[str, str] = field(default_factory=dict)
    """Beside that of the service."""
    tolerations: tuple[PodFields, ...] = ()
    """Beside those that every egress pod has."""
    topology_spread_constraints: tuple[PodFields, ...] = ()
    """Without the selector: each service spreads its own pods."""
    others: PodFields = field(default_factory=dict)
    """``priorityClassName`` and ``runtimeClassName``, as far as they are given."""


def read_pod_settings(subject: str, pods: Mapping[str, Any]) -> PodSettings:
    """The ``spec.pods`` of an EgressCloud; InvalidInput names the field that makes no sense."""
    return _Reader(subject).settings(pods)


class _Reader:
    def __init__(self, subject: str) -> None:
        self._subject = subject

    def settings(self, pods: Mapping[str, Any]) -> PodSettings:
        readers: dict[str, Callable[[str, Any], Any]] = {
            "resources": self._resources,
            "priorityClassName": self._name,
            "runtimeClassName": self._name,
            "imagePullPolicy": lambda where, value: self._one_of(where, value, PULL_POLICIES),
            "nodeSelector": self._node_selector,
            "tolerations": lambda where, value: self._list(where, value, self._toleration),
            "topologySpreadConstraints": lambda where, value: self._list(where, value, self._spread),
        }
        self._known_keys("spec.pods", pods, readers)
        read = {key: readers[key](f"spec.pods.{key}", value) for key, value in pods.items() if value is not None}
        return PodSettings(
            resources=read.get("resources") or self._resources("", {}),
            image_pull_policy=read.get("imagePullPolicy", "IfNotPresent"),
            node_selector=read.get("nodeSelector", {}),
            tolerations=tuple(read.get("tolerations", ())),
            topology_spread_constraints=tuple(read.get("topologySpreadConstraints", ())),
            others={key: read[key] for key in ("priorityClassName", "runtimeClassName") if key in read},
        )

    def _refuse(self, where: str, value: Any, expected: str) -> NoReturn:
        raise InvalidInput(self._subject, where, value, expected)

    def _known_keys(self, where: str, value: Any, known: Collection[str]) -> None:
        if not isinstance(value, dict):
            self._refuse(where, value, f"give an object of {', '.join(known)}")
        for key, item in value.items():
            if key not in known:
                self._refuse(f"{where}.{key}", item, f"this key is not known; known are {', '.join(known)}")

    def _list(self, where: str, value: Any, read: Callable[[str, Any], PodFields]) -> List[PodFields]:
        if not isinstance(value, list):
            self._refuse(where, value, "give a list")
        return [read(f"{where}[{index}]", item) for index, item in enumerate(value)]

    def _one_of(self, where: str, value: Any, known: Collection[str]) -> str:
        if value not in known:
            self._refuse(where, value, f"give one of {', '.join(known)}")
        return str(value)

    def _matching(self, where: str, value: Any, pattern: re.Pattern[str], expected: str) -> str:
        if not isinstance(value, str) or not pattern.fullmatch(value):
            self._refuse(where, value, expected)
        return value

    def _name(self, where: str, value: Any) -> str:
        return self._matching(where, value, _OBJECT_NAME, "give the name of one, in lower case")

    def _node_selector(self, where: str, value: Any) -> PodFields:
        if not isinstance(value, dict):
            self._refuse(where, value, "give labels of nodes")
        for key, label in value.items():
            self._matching(f"{where}.{key}", key, _LABEL_KEY, "this is no label key")
            self._matching(f"{where}.{key}", label, _LABEL_VALUE, "give a label value as a string")
        return dict(value)

    def _toleration(self, where: str, value: Any) -> PodFields:
        self._known_keys(where, value, ("key", "operator", "value", "effect", "tolerationSeconds"))
        operator = self._one_of(f"{where}.operator", value.get("operator", "Equal"), ("Equal", "Exists"))
        key = value.get("key")
        if key is not None or operator == "Equal":
            self._matching(f"{where}.key", key, _LABEL_KEY, "give the key of a taint, or operator Exists for all")
        if "value" in value:
            expected = "leave it out with operator Exists, else give the taint's value as a string"
            is_plain = operator == "Equal" and isinstance(value["value"], str)
            self._matching(f"{where}.value", value["value"] if is_plain else None, _LABEL_VALUE, expected)
        if "effect" in value:
            self._one_of(f"{where}.effect", value["effect"], EFFECTS)
        seconds = value.get("tolerationSeconds")
        is_number = isinstance(seconds, int) and not isinstance(seconds, bool)
        if "tolerationSeconds" in value and not (is_number and value.get("effect") == "NoExecute"):
            self._refuse(f"{where}.tolerationSeconds", seconds, "give a number of seconds, with effect NoExecute")
        return dict(value)

    def _spread(self, where: str, value: Any) -> PodFields:
        self._known_keys(where, value, ("topologyKey", "maxSkew", "whenUnsatisfiable"))
        key = value.get("topologyKey")
        self._matching(f"{where}.topologyKey", key, _LABEL_KEY, "give the key of a node label")
        skew = value.get("maxSkew", 1)
        if not isinstance(skew, int) or isinstance(skew, bool) or skew < 1:
            self._refuse(f"{where}.maxSkew", skew, "give a number from 1")
        known = ("DoNotSchedule", "ScheduleAnyway")
        when = self._one_of(f"{where}.whenUnsatisfiable", value.get("whenUnsatisfiable", known[1]), known)
        return {"maxSkew": skew, "topologyKey": key, "whenUnsatisfiable": when}

    def _resources(self, where: str, value: Any) -> PodFields:
        """With requests in any case, at most the limits."""
        self._known_keys(where, value, ("requests", "limits"))
        limits = self._quantities(f"{where}.limits", value.get("limits") or {})
        requests = self._quantities(f"{where}.requests", value.get("requests") or {})
        for name, limit in limits.items():
            if name in requests and requests[name].amount > limit.amount:
                told = f"give at most the limit, which is {limit.text}"
                self._refuse(f"{where}.requests.{name}", requests[name].text, told)
        for name, text in DEFAULT_REQUESTS.items():
            default = read_quantity(text)
            assert default is not None
            own = [limits[name]] if name in limits else []
            requests.setdefault(name, min([default, *own], key=lambda quantity: quantity.amount))
        found = {"requests": requests, **({"limits": limits} if limits else {})}
        return {kind: {name: item.text for name, item in items.items()} for kind, items in found.items()}

    def _quantities(self, where: str, value: Any) -> dict[str, Quantity]:
        self._known_keys(where, value, RESOURCES)
        found = {name: read_quantity(item) for name, item in value.items()}
        for name, quantity in found.items():
            if quantity is None or not quantity.amount:
                self._refuse(f"{where}.{name}", value[name], "give a quantity above 0, such as 50m or 64Mi")
        return {name: quantity for name, quantity in found.items() if quantity is not None}
