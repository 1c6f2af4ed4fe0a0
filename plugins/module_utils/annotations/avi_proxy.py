# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The ``avi_proxy`` annotation's ``networksecuritypolicy``, compiled into the ingress rules of one NetworkPolicy.

The rules, in Avi's words (avi-facts, "Network security policy"): in ascending ``index`` the first enabled rule whose
``match`` is true decides; kinds of one match are ANDed, entries of one kind ORed; an empty match is always true.
Where no rule decides, the facts are silent: here the client is denied. A service without rules, be it without the
annotation or without ``networksecuritypolicy`` in it, admits its own project only.

A NetworkPolicy only adds up who is allowed: pods by namespace, and addresses by block. So rules are turned into
sets: for each port and each project that a rule names, the addresses from which that project's pods are allowed, and
the same for every other client. A pod's own address is nothing to build on, and whether a block applies to pods is up
to the network (most match any packet's source, some spare pods). So a project's pods are expressed where

- all of their addresses are allowed: by the namespace, or
- the same addresses are allowed as for everybody: by the blocks alone. A network whose blocks spare pods then denies
  these pods more than the rules do, never less.

Every other set depends on both at once, such as "this project except that address", and is refused, as is everything
else that a NetworkPolicy has no words for: rates, logs, ageing rules, groups that this project does not keep.
The address is that of the packet at the egress pod: what rewrites it on the way (``externalTrafficPolicy: Cluster``)
is seen instead of the client.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import islice
from typing import TYPE_CHECKING, Any, Callable, Iterable, Mapping, Sequence

from ..api import addresses
from ..api.errors import Refused
from ..api.resources import AVI_PROXY_ANNOTATION, KubeObject
from .field_reader import FieldReader, at, load_json
from .service_port import ServicePort

if TYPE_CHECKING:
    import netaddr


ALLOW = "ALLOW"
DENY = "DENY"
RATE_LIMIT = "RATE_LIMIT"

MAX_RULES = 64
MAX_BLOCKS = 256
"""Address blocks for one port; each costs every node a rule, and all ports together must fit into one object."""

_ACTION = "NETWORK_SECURITY_POLICY_ACTION_TYPE_"
_NAMESPACE_LABEL = "kubernetes.io/metadata.name"
"""Set by the API server on each namespace since Kubernetes 1.22; nobody can change it."""
_GROUP_REF = re.compile(r"/api/microservicegroup/?\?name=([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?)-avi-microservicegroup")


@dataclass(frozen=True)
class Clients:
    """``client_ip``: the addresses named by addrs, prefixes and ranges together."""

    is_in: bool
    addresses: netaddr.IPSet
    group_refs: tuple[str, ...] = ()
    """Address groups, which live in Avi and nowhere else."""


@dataclass(frozen=True)
class Group:
    """``microservice``: the pods of one project."""

    is_in: bool
    ref: str

    @property
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
        """Whether a project's pods (None: whoever is in no group) meet its ``microservice``."""
        return self.group is None or (self.group.project == project) == self.group.is_in


@dataclass(frozen=True)
class Policy:
    """The rules of a ``networksecuritypolicy``, in ascending index."""

    rules: tuple[Rule, ...]


@dataclass(frozen=True)
class _Admitted:
    """Who may connect to one port: projects whole, and addresses."""

    projects: frozenset[str]
    everybody: bool
    blocks: tuple[str, ...]

    @property
    def anybody(self) -> bool:
        return bool(self.everybody or self.projects or self.blocks)


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


def ingress(policy: Policy, project: str, ports: Sequence[ServicePort], subject: str) -> list[KubeObject]:
    """NetworkPolicy ``spec.ingress`` for a service of a project; Refused (PolicyNotSupported) names the rule."""
    rules = [rule for rule in policy.rules if rule.enable]
    for rule in rules:
        obstacle = _obstacle(rule)
        if obstacle:
            raise _not_supported(subject, rule, obstacle)
    compiler = _Compiler(rules, subject)
    if all(rule.ports is None for rule in rules):
        verdicts: dict[_Admitted, list[ServicePort]] = {compiler.admitted(rules): []}
    else:
        verdicts = compiler.by_verdict(ports)
    return [_ingress_rule(verdict, project, some) for verdict, some in verdicts.items() if verdict.anybody]


class _Compiler:
    """Turns the rules of one policy into sets of addresses, each an integer of a Partition."""

    def __init__(self, rules: Sequence[Rule], subject: str) -> None:
        self._rules = rules
        self._subject = subject
        self._space = addresses.Partition(rule.clients.addresses for rule in rules if rule.clients)
        self._reach = {rule.index: self._reach_of(rule.clients) for rule in rules}

    def by_verdict(self, ports: Sequence[ServicePort]) -> dict[_Admitted, list[ServicePort]]:
        """The pod's ports, each once, by who may connect to them."""
        known: dict[tuple[int, ...], _Admitted] = {}
        seen: dict[tuple[int, str], tuple[ServicePort, _Admitted]] = {}
        found: dict[_Admitted, list[ServicePort]] = {}
        for port in ports:
            concerned = [rule for rule in self._rules if rule.concerns(port.port)]
            key = tuple(rule.index for rule in concerned)
            if key not in known:
                known[key] = self.admitted(concerned)
            other, verdict = seen.setdefault((port.pod_port, port.protocol), (port, known[key]))
            if verdict != known[key]:
                raise self._same_target(other, port)
            if other is port:
                found.setdefault(verdict, []).append(port)
        return found

    def admitted(self, rules: Sequence[Rule]) -> _Admitted:
        """Who may connect by these rules; Refused where a project's pods cannot be expressed."""
        others = self._allowed(rules, None)
        projects = set()
        for project in sorted({rule.group.project for rule in rules if rule.group and rule.group.project}):
            own = self._allowed(rules, project)
            if own not in (others, self._space.everything):
                raise _not_supported(
                    self._subject,
                    self._first_inexpressible(rules, project),
                    f"after the rules before it, it judges pods of project {project} by group and by address at once, "
                    "and a NetworkPolicy cannot except addresses from a project or a project from addresses",
                )
            if own != others:
                projects.add(project)
        everybody = others == self._space.everything
        return _Admitted(frozenset(projects), everybody, () if everybody else self._blocks(others))

    def _allowed(self, rules: Iterable[Rule], project: str | None) -> int:
        """Where a project's pods are allowed from: each rule decides on what those before it left open."""
        undecided, allowed = self._space.everything, 0
        for rule in rules:
            decided = undecided & self._reach[rule.index] if rule.includes(project) else 0
            undecided -= decided
            allowed |= decided if rule.action == ALLOW else 0
        return allowed

    def _reach_of(self, clients: Clients | None) -> int:
        """The addresses that meet a ``client_ip``; all where there is none."""
        if clients is None:
            return self._space.everything
        named = self._space.mask(clients.addresses)
        return named if clients.is_in else self._space.everything - named

    def _blocks(self, allowed: int) -> tuple[str, ...]:
        found = tuple(islice(self._space.blocks(allowed), MAX_BLOCKS + 1))
        if len(found) > MAX_BLOCKS:
            raise Refused(
                "PolicyNotSupported",
                f"{self._subject}: avi_proxy: its rules come to more than {MAX_BLOCKS} address blocks; "
                "name prefixes rather than single addresses",
            )
        return found

    def _first_inexpressible(self, rules: Sequence[Rule], project: str) -> Rule:
        """The rule from which on the project's pods cannot be expressed any more; without it they could be."""
        for count in range(len(rules) - 1, 0, -1):
            former = rules[:count]
            if self._allowed(former, project) in (self._allowed(former, None), self._space.everything):
                return rules[count]
        return rules[0]

    def _same_target(self, one: ServicePort, other: ServicePort) -> Refused:
        rule = next(rule for rule in self._rules if rule.concerns(one.port) != rule.concerns(other.port))
        return _not_supported(
            self._subject,
            rule,
            f"ports {one.port} and {other.port} lead to the same targetPort {other.pod_port}, which does not tell "
            "them apart; give each its own",
        )


def _obstacle(rule: Rule) -> str | None:
    """What of a rule no NetworkPolicy has a word for."""
    if rule.action == RATE_LIMIT or rule.has_rate:
        return "a NetworkPolicy cannot limit a rate; remove the rule, or allow or deny"
    if rule.log:
        return "a NetworkPolicy cannot log; set log to false"
    if rule.age:
        return f"a NetworkPolicy cannot end after {rule.age} minutes; set age to 0"
    if rule.clients and rule.clients.group_refs:
        return f"its address group {rule.clients.group_refs[0]!r:.120} is not known here; name its addresses"
    if rule.group and rule.group.project is None:
        return (
            f"its group {rule.group.ref!r:.120} is not known here; "
            "give /api/microservicegroup/?name=PROJECT-avi-microservicegroup"
        )
    return None


def _not_supported(subject: str, rule: Rule, why: str) -> Refused:
    return Refused("PolicyNotSupported", f"{subject}: avi_proxy {rule}: {why}")


def _ingress_rule(admitted: _Admitted, project: str, ports: Sequence[ServicePort]) -> KubeObject:
    """One ingress rule; without ``from`` it admits everybody, without ``ports`` to every port."""
    own: list[KubeObject] = [{"podSelector": {}}] if project in admitted.projects else []
    rule: KubeObject = {}
    if not admitted.everybody:
        rule["from"] = [
            *own,
            *(_namespace(name) for name in sorted(admitted.projects - {project})),
            *({"ipBlock": {"cidr": block}} for block in admitted.blocks),
        ]
    if ports:
        rule["ports"] = [{"protocol": port.protocol, "port": port.pod_port} for port in ports]
    return rule


def _namespace(name: str) -> KubeObject:
    return {"namespaceSelector": {"matchLabels": {_NAMESPACE_LABEL: name}}}


class _Reader(FieldReader):
    """Reads ``networksecuritypolicy``."""

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
        named = addresses.no_addresses()
        for key, read in (("addrs", self._one), ("prefixes", self._prefix), ("ranges", self._range)):
            for block in self._list(at(field, key), content.get(key, []), read):
                named.add(block)
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
