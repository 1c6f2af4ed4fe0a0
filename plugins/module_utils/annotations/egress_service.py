# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What a tenant asks for: a Service with its egress_pod annotation, parsed."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cached_property
from typing import Mapping

from ..api import addresses
from ..api.pod_fields import PodFields
from .avi_proxy import Policy
from .service_port import ServicePort

DEFAULT_HM_PORT = 4
DEFAULT_DRAIN_SECONDS = 25
"""Under ``ha``. With the 5 that the router has to end it makes the 30 that Kubernetes gives every pod by default, which
drains of nodes are used to."""


@dataclass(frozen=True)
class Destination:
    """One port of the service and where the router sends what arrives there."""

    port: int
    """In ``destinations`` the Service's port; in an EgressService's ``routes`` the pod's."""
    protocol: str
    """``TCP`` or ``UDP``, as Kubernetes spells it."""
    host: str
    """An address or a host name."""
    host_port: int


@dataclass(frozen=True)
class Probe:
    """How often the egress pod tries its TCP destinations, and how long each may take; an interval of 0 is never."""

    interval: int = 30
    timeout: int = 3


@dataclass(frozen=True)
class EgressPod:
    """The ``egress_pod`` annotation, parsed (article, "Creating a Secure Egress Service")."""

    destination_ip: str | None
    destinations: tuple[Destination, ...]
    """From ``destinations``; empty when ``destination_ip`` stands for every port of the service."""
    hm_port: int = DEFAULT_HM_PORT
    image: str | None = None
    node_selector: Mapping[str, str] = field(default_factory=dict)
    tolerations: tuple[PodFields, ...] = ()
    ha: bool = False
    network: str | None = None
    source_ips: tuple[str, ...] = ()
    """Addresses the tenant asks for; each must be reserved for its project."""
    resolve: str = "ttl"
    probe: Probe = Probe()
    drain_seconds: int = 0
    """For how long an egress pod that ends goes on forwarding; 0 without ``ha``."""

    @cached_property
    def ip_family(self) -> str | None:
        """The one family of all addresses in it; None if it has none, only host names."""
        literals = [*filter(addresses.canonical, self.hosts), *self.source_ips]
        return addresses.family_of(literals[0]) if literals else None

    @cached_property
    def hosts(self) -> tuple[str, ...]:
        """Every destination's host, once, in its order."""
        return tuple(dict.fromkeys([*filter(None, [self.destination_ip]), *(to.host for to in self.destinations)]))


@dataclass(frozen=True)
class EgressService:
    """A Service with an ``egress_pod`` annotation: the intent of one reconciliation."""

    namespace: str
    name: str
    uid: str
    egress_pod: EgressPod
    routes: tuple[Destination, ...]
    """Every served pod port with its destination, in the order of the Service's ports."""
    ports: tuple[ServicePort, ...] = ()
    policy: Policy | None = None
    """From ``avi_proxy``: who may connect; None admits the project's own namespace only."""
    ip_families: tuple[str, ...] = (addresses.IPV4,)
    """The Service's own: the families of its cluster IPs, the first of them preferred."""

    @property
    def ip_family(self) -> str:
        """The family of its source addresses and destinations: that of the addresses named, else the Service's first.

        Whether the Service has it too is not said; see ``plan.admit``.
        """
        return self.egress_pod.ip_family or self.ip_families[0]

    @property
    def slots(self) -> int:
        """How many source addresses it holds: 1, or 2 under ``ha``."""
        return 2 if self.egress_pod.ha else 1
