# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The ``avi_proxy`` annotation's ``networksecuritypolicy``: its rules, read and checked.

In Avi's words ("Network security policy" of its SDK): in ascending ``index`` the first enabled rule whose ``match`` is
true decides; kinds of one match are ANDed, entries of one kind ORed; an empty match is always true. What becomes of the
rules is told by ``workload.network_policy``.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Callable, Mapping, Sequence

from ..api import addresses
from ..api.address_spans import Spans, spans
from ..api.errors import InvalidAnnotation
from ..api.field_reader import FieldReader, at
from ..api.resources import AVI_PROXY_ANNOTATION
from .annotation_json import load_json

if TYPE_CHECKING:
    import netaddr


ALLOW = "ALLOW"
DENY = "DENY"
RATE_LIMIT = "RATE_LIMIT"

MAX_RULES = 64

_ACTION = "NETWORK_SECURITY_POLICY_ACTION_TYPE_"
_GROUP_REF = re.compile(r"/api/microservicegroup/?\?name=([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)-avi-microservicegroup")


@dataclass(frozen=True)
class Clients:
    """``client_ip``: the addresses named by addrs, prefixes and ranges together."""

    is_in: bool
    addresses: Spans
    group_refs: tuple[str, ...] = ()
    """Address groups, which live in Avi and nowhere else."""


@dataclass(frozen=True)
class Group:
    """``microservice``: the pods of one project."""

    is_in: bool
    ref: str

    @cached_property
    def project(self) -> str | None:
        """The namespace whose pods the group reflects; None for a group that this project does not keep."""
        match = _GROUP_REF.fullmatch(self.ref)
        return match[1] if match else None


@dataclass(frozen=True)
class Ports:
    """``vs_port``: ports of the Service, of any protocol."""

    is_in: bool
    numbers: frozenset[int]


@dataclass(frozen=True)
class Rule:
    """One rule; a kind of match that it does not have is None and true of everybody."""

    index: int
    name: str
    enable: bool
    action: str
    clients: Clients | None = None
    group: Group | None = None
    ports: Ports | None = None
    log: bool = False
    age: int = 0
    """Minutes after which the rule ends; 0 for never."""
    has_rate: bool = False

    def __str__(self) -> str:
        return f"rule {self.index} {self.name!r:.80}"

    def concerns(self, port: int) -> bool:
        return self.ports is None or (port in self.ports.numbers) == self.ports.is_in

    def includes(self, project: str | None) -> bool:
        """Whether a project's pods (None: pods in no group) meet its ``microservice``."""
        return self.group is None or (self.group.project == project) == self.group.is_in


@dataclass(frozen=True)
class Policy:
    """The rules of a ``networksecuritypolicy``, in ascending index."""

    rules: tuple[Rule, ...]


def parse_avi_proxy(text: str, subject: str = "Service") -> Policy | None:
    """The annotation's policy, None if it holds none; InvalidAnnotation says what is wrong and where.

    ``virtualservice`` and ``pool``, which the original also reads there, have no meaning for egress.
    """
    value = load_json(text, subject, AVI_PROXY_ANNOTATION)
    reader = _Reader(subject, AVI_PROXY_ANNOTATION)
    reader.known_keys("", value, ("networksecuritypolicy", "virtualservice", "pool"))
    return (
        reader.policy("networksecuritypolicy", value["networksecuritypolicy"])
        if "networksecuritypolicy" in value
        else None
    )


class _Reader(FieldReader):
    """Reads ``networksecuritypolicy``."""

    error = InvalidAnnotation

    def policy(self, field: str, value: Any) -> Policy:
        content = self._object(field, value, ("rules",), required=("rules",))
        items = self._list(at(field, "rules"), content["rules"], self._rule)
        if len(items) > MAX_RULES:
            self.refuse(at(field, "rules"), len(items), f"give at most {MAX_RULES} rules")
        rules = {rule.index: rule for rule in items}
        if len(rules) != len(items):
            indexes = [rule.index for rule in items]
            self.refuse(at(field, "rules"), indexes, "two rules have the same index, and the order decides")
        return Policy(tuple(rules[index] for index in sorted(rules)))

    def _rule(self, field: str, value: Any) -> Rule:
        required = ("index", "enable", "name", "match", "action")
        content = self._object(field, value, (*required, "log", "rl_param", "age"), required)
        match = self._object(at(field, "match"), content["match"], ("client_ip", "microservice", "vs_port"))
        kinds: Mapping[str, Callable[[str, Any], Any]] = {
            "client_ip": self._clients,
            "microservice": self._group,
            "vs_port": self._ports,
        }
        read = {key: kinds[key](f"{field}.match.{key}", item) for key, item in match.items()}
        if "rl_param" in content:
            self._rate(at(field, "rl_param"), content["rl_param"])
        return Rule(
            index=self.integer(at(field, "index"), content["index"], 0, 2**32 - 1),
            name=self._text(at(field, "name"), content["name"]),
            enable=self.boolean(at(field, "enable"), content["enable"]),
            action=self._action(at(field, "action"), content["action"]),
            clients=read.get("client_ip"),
            group=read.get("microservice"),
            ports=read.get("vs_port"),
            log=self.boolean(at(field, "log"), content.get("log", False)),
            age=self.integer(at(field, "age"), content.get("age", 0), 0, 2**32 - 1),
            has_rate="rl_param" in content,
        )

    def _rate(self, field: str, value: Any) -> None:
        content = self._object(field, value, ("max_rate", "burst_size"))
        for key, item in content.items():
            self.integer(at(field, key), item, 0 if key == "burst_size" else 1, 2**32 - 1)

    def _action(self, field: str, value: Any) -> str:
        return self.one_of(field, value, [_ACTION + word for word in (ALLOW, DENY, RATE_LIMIT)]).removeprefix(_ACTION)

    def _clients(self, field: str, value: Any) -> Clients:
        kinds = ("addrs", "prefixes", "ranges", "group_refs")
        content = self._object(field, value, ("match_criteria", *kinds), ("match_criteria",))
        named = spans(
            block
            for key, read in (("addrs", self._one), ("prefixes", self._prefix), ("ranges", self._range))
            for block in self._list(at(field, key), content.get(key, []), read)
        )
        refs = self._list(at(field, "group_refs"), content.get("group_refs", []), self._text)
        if not named and not refs:
            self.refuse(field, value, f"give at least one of {', '.join(kinds)}")
        return Clients(self._is_in(field, content), named, tuple(refs))

    def _group(self, field: str, value: Any) -> Group:
        required = ("match_criteria", "group_ref")
        content = self._object(field, value, required, required)
        return Group(self._is_in(field, content), self._text(at(field, "group_ref"), content["group_ref"]))

    def _ports(self, field: str, value: Any) -> Ports:
        required = ("match_criteria", "ports")
        content = self._object(field, value, required, required)
        numbers = frozenset(self._list(at(field, "ports"), content["ports"], self.port))
        if not numbers:
            self.refuse(at(field, "ports"), content["ports"], "give at least one port")
        return Ports(self._is_in(field, content), numbers)

    def _is_in(self, field: str, content: Mapping[str, Any]) -> bool:
        return self.one_of(at(field, "match_criteria"), content["match_criteria"], ("IS_IN", "IS_NOT_IN")) == "IS_IN"

    def _one(self, field: str, value: Any) -> netaddr.IPNetwork:
        return addresses.address_or_subnet(self._address(field, value))

    def _prefix(self, field: str, value: Any) -> netaddr.IPNetwork:
        content = self._object(field, value, ("ip_addr", "mask"), ("ip_addr", "mask"))
        address = self._address(at(field, "ip_addr"), content["ip_addr"])
        mask = self.integer(at(field, "mask"), content["mask"], 0, 128 if ":" in address else 32)
        return addresses.subnet(f"{address}/{mask}")

    def _range(self, field: str, value: Any) -> netaddr.IPRange:
        content = self._object(field, value, ("begin", "end"), ("begin", "end"))
        begin, end = (self._address(at(field, key), content[key]) for key in ("begin", "end"))
        found = addresses.address_range(begin, end)
        if found is None:
            self.refuse(field, f"{begin}-{end}", "give two addresses of one family, the lower one first")
        return found

    def _address(self, field: str, value: Any) -> str:
        """An address as Avi writes it, {addr, type}, or its text alone."""
        if isinstance(value, dict):
            content = self._object(field, value, ("addr", "type"), ("addr", "type"))
            found = self.address(at(field, "addr"), content["addr"])
            kind = self.one_of(at(field, "type"), content["type"], ("V4", "V6"))
            if (kind == "V6") != (":" in found):
                self.refuse(at(field, "type"), kind, f"{found} is of the other type")
        else:
            found = self.address(field, value)
        if addresses.is_ipv4_in_ipv6(found):
            self.refuse(field, found, "packets carry this as an IPv4 address; write it as one")
        return found

    def _text(self, field: str, value: Any) -> str:
        if isinstance(value, str):
            return value
        self.refuse(field, value, "give a string")

    def _object(self, field: str, value: Any, known: Sequence[str], required: Sequence[str] = ()) -> dict[str, Any]:
        if not isinstance(value, dict):
            self.refuse(field, value, f"give an object with {', '.join(known)}")
        self.known_keys(field, value, known)
        for key in required:
            if key not in value:
                self.refuse(at(field, key), None, "this key is missing; give it")
        return value

    def _list(self, field: str, value: Any, read: Callable[[str, Any], Any]) -> list[Any]:
        if not isinstance(value, list):
            self.refuse(field, value, "give a list")
        return [read(f"{field}[{number}]", item) for number, item in enumerate(value)]
