# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Rules of an ``avi_proxy`` annotation, compiled into the ingress rules of one NetworkPolicy.

How rules decide is told by ``annotations.avi_proxy``. Where no rule decides, Avi's documents are silent: here the
client is denied. A service without rules, be it without the annotation or without ``networksecuritypolicy`` in it,
admits its own project only.

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

from dataclasses import dataclass
from itertools import islice
from typing import Iterable, Sequence

from ..annotations.avi_proxy import ALLOW, RATE_LIMIT, Clients, Policy, Rule
from ..annotations.service_port import ServicePort
from ..api.errors import Refused
from ..api.reasons import Reason
from ..api.resources import KubeObject
from . import address_partition

MAX_BLOCKS = 256
"""Address blocks for one port; each costs every node a rule, and all ports together must fit into one object."""
METADATA_NAME_LABEL = "kubernetes.io/metadata.name"
"""Set by the API server on each namespace since Kubernetes 1.22; nobody can change it."""


@dataclass(frozen=True)
class _Admitted:
    """Who may connect to one port: projects whole, and addresses."""

    projects: frozenset[str]
    everybody: bool
    blocks: tuple[str, ...]

    @property
    def anybody(self) -> bool:
        return bool(self.everybody or self.projects or self.blocks)


@dataclass(frozen=True)
class Project:
    """The project that a service is of."""

    name: str
    pods: KubeObject
    """All of its pods, as a peer of a NetworkPolicy where the egress pods are."""


def ingress_rules(policy: Policy, project: Project, ports: Sequence[ServicePort], subject: str) -> list[KubeObject]:
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
        self._space = address_partition.Partition(rule.clients.addresses for rule in rules if rule.clients)
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
                Reason.POLICY_NOT_SUPPORTED,
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
    return Refused(Reason.POLICY_NOT_SUPPORTED, f"{subject}: avi_proxy {rule}: {why}")


def _ingress_rule(admitted: _Admitted, project: Project, ports: Sequence[ServicePort]) -> KubeObject:
    """One ingress rule; without ``from`` it admits everybody, without ``ports`` to every port."""
    own = [project.pods] if project.name in admitted.projects else []
    rule: KubeObject = {}
    if not admitted.everybody:
        rule["from"] = [
            *own,
            *(namespace_peer(name) for name in sorted(admitted.projects - {project.name})),
            *({"ipBlock": {"cidr": block}} for block in admitted.blocks),
        ]
    if ports:
        rule["ports"] = [{"protocol": port.protocol, "port": port.pod_port} for port in ports]
    return rule


def namespace_peer(name: str) -> KubeObject:
    """All pods of a namespace, as a peer of a NetworkPolicy."""
    return {"namespaceSelector": {"matchLabels": {METADATA_NAME_LABEL: name}}}
