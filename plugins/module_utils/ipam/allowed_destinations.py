# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""``spec.allowedDestinations`` of an EgressNetwork: where its addresses may lead, by project.

What is inside the cluster stays refused, whatever a list says. A name is allowed by itself, not by where it leads: who
keeps its zone decides that.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Mapping, Sequence

from ..api import addresses
from ..api.address_spans import Spans, has, spans
from ..api.errors import InvalidInput
from ..api.host_names import is_host_name
from ..api.resources import KubeObject
from ..api.selectors import NamespaceSelector, read_selector

ANY_NAME = "*"
_BELOW = "*."


@dataclass(frozen=True)
class AllowedDestinations:
    """One entry of the list: the destinations that some projects, or all of them, may have."""

    namespaces: NamespaceSelector
    """Empty for all projects."""
    addresses: Spans
    names: frozenset[str]
    """Without a dot at the end: ``api.example.com``, ``*.example.com`` for all below it, ``*`` for every name."""

    def concerns(self, namespace: KubeObject) -> bool:
        return self.namespaces.empty or self.namespaces.matches(namespace)

    def has(self, host: str) -> bool:
        """Whether a destination is one of them: a canonical address, or a name in small letters."""
        if addresses.canonical(host):
            return has(self.addresses, host)
        name = host.removesuffix(".")
        labels = name.split(".")
        zones = (_BELOW + ".".join(labels[number:]) for number in range(1, len(labels)))
        return name in self.names or ANY_NAME in self.names or any(zone in self.names for zone in zones)


def first_excluded(lists: Sequence[AllowedDestinations], namespace: KubeObject, hosts: Sequence[str]) -> str | None:
    """The first host that no entry allows to a project; None if all are allowed."""
    concerned = [entry for entry in lists if entry.concerns(namespace)]
    return next((host for host in hosts if not any(entry.has(host) for entry in concerned)), None)


def read_allowed_destinations(subject: str, items: Sequence[Mapping[str, Any]]) -> tuple[AllowedDestinations, ...]:
    """The entries of a list; InvalidInput names the destination that is none."""
    return tuple(_read_entry(subject, f"spec.allowedDestinations[{index}]", item) for index, item in enumerate(items))


def _read_entry(subject: str, where: str, item: Mapping[str, Any]) -> AllowedDestinations:
    blocks, names = [], set()
    for index, text in enumerate(item["destinations"]):
        block = addresses.address_or_subnet(text)
        if block is not None:
            blocks.append(block)
        elif text == ANY_NAME or is_host_name(text.removeprefix(_BELOW)):
            names.add(text.lower().removesuffix("."))
        else:
            expected = "give an address, a CIDR, or a name such as api.example.com or *.example.com"
            raise InvalidInput(subject, f"{where}.destinations[{index}]", text, expected)
    return AllowedDestinations(read_selector(item.get("namespaces")), spans(blocks), frozenset(names))
