# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""A reader of the fields of a pod's spec that say on which nodes it may be: node labels and tolerations."""

from __future__ import annotations

import re
from typing import Any, Dict

from .field_reader import FieldReader, at
from .host_names import DNS_LABEL

MAX_TOLERATIONS = 32
EFFECTS = ("NoExecute", "NoSchedule", "PreferNoSchedule")

LABEL_KEY = re.compile(
    rf"((?=[^/]{{1,253}}/){DNS_LABEL}(\.{DNS_LABEL})*/)?[A-Za-z0-9]([A-Za-z0-9_.-]{{0,61}}[A-Za-z0-9])?"
)
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")

PodFields = Dict[str, Any]
"""Fields of a pod's spec, or of one thing in it."""


class PodFieldReader(FieldReader):
    """Reads them as Kubernetes' API server would take them."""

    def node_selector(self, field: str, value: Any) -> dict[str, str]:
        if not isinstance(value, dict):
            self.refuse(field, value, 'give labels, such as {"external-accessible-node": "true"}')
        for key, label in value.items():
            if not LABEL_KEY.fullmatch(key):
                self.refuse(field, key, "this is no label key")
            self.matching(at(field, key), label, _LABEL_VALUE, "give a label value as a string")
        return dict(value)

    def tolerations(self, field: str, value: Any) -> tuple[PodFields, ...]:
        if not isinstance(value, list) or len(value) > MAX_TOLERATIONS:
            expected = 'give a list, such as [{"key": "dmz", "operator": "Exists"}], of up to'
            self.refuse(field, value, f"{expected} {MAX_TOLERATIONS}")
        return tuple(self._toleration(f"{field}[{index}]", item) for index, item in enumerate(value))

    def _toleration(self, field: str, value: Any) -> PodFields:
        if not isinstance(value, dict):
            self.refuse(field, value, 'give an object, such as {"key": "dmz", "operator": "Exists"}')
        self.known_keys(field, value, ("key", "operator", "value", "effect", "tolerationSeconds"))
        operator = self.one_of(at(field, "operator"), value.get("operator", "Equal"), ("Equal", "Exists"))
        if "key" in value or operator == "Equal":
            expected = "give the key of a taint, or operator Exists without a key for all"
            self.matching(at(field, "key"), value.get("key"), LABEL_KEY, expected)
        if "value" in value:
            if operator == "Exists":
                self.refuse(at(field, "value"), value["value"], "leave it out with operator Exists")
            self.matching(at(field, "value"), value["value"], _LABEL_VALUE, "give the taint's value as a string")
        if "effect" in value:
            self.one_of(at(field, "effect"), value["effect"], EFFECTS)
        if "tolerationSeconds" in value:
            self._seconds(at(field, "tolerationSeconds"), value)
        return dict(value)

    def _seconds(self, field: str, toleration: PodFields) -> None:
        seconds = self.integer(field, toleration["tolerationSeconds"], 0, 2**31)
        if toleration.get("effect") != "NoExecute":
            self.refuse(field, seconds, "this is for effect NoExecute; leave it out")
