# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The router: looks at the data path, makes it right, and opens the health port while it stands.

Level-triggered: whatever woke it, the same look at the whole state follows, so there is nothing to get out of step.
"""

from __future__ import annotations

import json
import logging
import random
import time
from ipaddress import IPv4Address
from pathlib import Path
from typing import Any, Final

from egress_router.arp import Arp
from egress_router.attach import AttachError, Attachment, Uplink
from egress_router.config import Config, ConfigError, ServedPort
from egress_router.conflict import PATIENCE, TERMINATION_LOG, Conflict
from egress_router.events import Events
from egress_router.family import Address
from egress_router.health import HealthPort, Page
from egress_router.lookups import Lookups
from egress_router.metrics import CONTENT_TYPE, Status, render
from egress_router.namespace import Namespace
from egress_router.nat import ConflictMark, Nat
from egress_router.ndp import Ndp
from egress_router.neighbours import Neighbours, Role, Sighting
from egress_router.netlink import NetlinkError
from egress_router.port_use import PortUse
from egress_router.resets import open_connections, reset
from egress_router.resolv_conf import ResolvConf
from egress_router.resolve import Resolver
from egress_router.ruleset import PodInterface, Route
from egress_router.verdicts import Choices, Verdicts

# All in seconds, alike for both families. RFC 5227 §1.1 has 3 probes 1 to 2 s apart; its footnote allows less on links
# known to be fast, and a take-over within a second is asked for here. RFC 4862 §5.1 has one probe and a wait of 1 s.
_PROBES: Final = 3
_PROBE_WAIT: Final = 0.15
_ANNOUNCE_AFTER: Final = (0.0, 0.2, 1.0, 2.0)
_DEFEND_INTERVAL: Final = 10.0
_FULL_CHECK: Final = 10.0
_RETRY_BROKEN: Final = 1.0
_DRAIN_LOOK: Final = 0.5
# A waiting router asks often at first, as its predecessor is most likely just leaving, and seldom later.
_SHORTEST_WAIT: Final = 0.3
_LONGEST_WAIT: Final = 2.0

log = logging.getLogger(__name__)


class _NotReady(Exception):
    """The router can't serve now: the text says why, ``retry`` is in seconds."""

    def __init__(self, reason: str, retry: float) -> None:
        super().__init__(reason)
        self.retry = retry


class _Held(_NotReady):
    """Another host has the address; ``mac`` is its six bytes."""

    def __init__(self, reason: str, retry: float, mac: bytes) -> None:
        super().__init__(reason, retry)
        self.mac = mac


class Router:
    """One router of one pod."""

    def __init__(
        self,
        config: Config,
        pod: Namespace,
        node: Namespace,
        interface: PodInterface,
        resolv_conf: ResolvConf,
        termination_log: Path = TERMINATION_LOG,
        patience: float = PATIENCE,
    ) -> None:
        """Load the rule set at once, before anything else is touched; raise OSError or ``ConfigError``.

        ``patience``: seconds for which another host may have the address before that is told by ``termination_log``.
        """
        self._config = config
        self._node = node
        self._nat = Nat(config, interface)
        # After a restart in a running pod, names keep the addresses that were found before.
        installed = self._nat.installed()
        known: dict[str, Address | None] = {name: None for name in config.names()}
        known |= {
            to.host: installed[port]
            for port, to in config.routes.items()
            if isinstance(to.host, str) and port in installed
        }
        self._nat.load(self._addresses({name: address for name, address in known.items() if address is not None}))
        log.info("rule set loaded interface=%s address=%s source=%s", interface.name, interface.address, config.source)
        self._events = Events(pod, node, config.family)
        self._attachment = Attachment(config, pod, node)
        # Asked for now so that a node without the network ends the router with a sentence instead of a retry.
        self._uplink: Uplink | None = self._attachment.uplink()
        own = frozenset({config.source, config.bridge.ip, interface.address})
        lookups = Lookups(resolv_conf, config.family, lambda address: config.objection(address, own))
        self._resolver = Resolver(known, config.resolve, lookups, self._events.wake)
        self._port_use = PortUse(config.family, config.source, self._events.wake)
        self._verdicts = Verdicts(config.source, config.probe, self._choices, self._prefer)
        pages = {"/readyz": self._readyz, "/metrics": self._metrics, "/destinations": self._destinations}
        self._health = HealthPort(config.health_port, pages)
        self._pod_address = interface.address
        self._neighbours: Neighbours[Any] | None = None
        self._announcements: list[float] = []
        self._next_look = 0.0
        self._reason: str | None = "starting"
        self._wakes_on_change = True
        self._waiting_since: float | None = None
        self._defended = -_DEFEND_INTERVAL
        self._conflict = Conflict(config.source, termination_log, patience, ConflictMark())
        self._claims = self._conflicts = self._repairs = 0

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT, then give the address up; raise ``ConflictTold`` while there is none."""
        self._resolver.start()
        self._port_use.start()
        self._verdicts.start()
        only_neighbours = False
        while not self._events.stopping:
            seconds = self._settle(only_neighbours)
            neighbours = self._neighbours if self._reason is None else None
            only_neighbours = self._events.wait(seconds, bells=self._wakes_on_change, neighbours=neighbours)
        self._stop()

    def _problem(self) -> str | None:
        return self._reason or self._unresolved() or self._port_use.problem()

    def _readyz(self) -> Page:
        """Also tells names without an address, which close no port: the other destinations are served."""
        problem = self._problem()
        return Page(200, "ok\n") if problem is None else Page(503, f"{problem}\n")

    def _metrics(self) -> Page:
        status = Status(
            problem=self._problem(),
            counters=self._nat.counters(),
            lookup_failures=self._resolver.failures(),
            connections=self._port_use.statistics(),
            source_ports=self._port_use.by_remote(),
            findings=self._verdicts.findings(),
            claims=self._claims,
            conflicts=self._conflicts,
            repairs=self._repairs,
        )
        return Page(200, render(self._config.routes, status), CONTENT_TYPE)

    def _destinations(self) -> Page:
        """What became of the last attempt at each destination."""
        findings = self._verdicts.findings()
        told = [
            {
                "port": str(port),
                "destination": str(to),
                "address": str(found.address) if found.address else None,
                "verdict": found.verdict.value,
                "by": found.by,
            }
            for port, to in self._config.routes.items()
            if (found := findings.get(port)) is not None
        ]
        return Page(200, json.dumps(told, indent=2) + "\n", "application/json")

    def _choices(self) -> Choices | None:
        """What to try: nothing while the address isn't ours."""
        if self._reason is not None:
            return None
        served = self._nat.addresses()
        choices: dict[ServedPort, tuple[Route, ...]] = {}
        for port, to in self._config.routes.items():
            current = served.get(port)
            others = self._resolver.choices(to.host) if isinstance(to.host, str) else ()
            addresses = [] if current is None else [current, *(other for other in others if other != current)]
            choices[port] = tuple((address, to.port) for address in addresses)
        return choices

    def _prefer(self, port: ServedPort, address: Address) -> None:
        host = self._config.routes[port].host
        if isinstance(host, str):
            self._resolver.prefer(host, address)

    def _settle(self, only_neighbours: bool) -> float:
        """Make the data path right as far as possible; seconds until it should be looked at again.

        ``only_neighbours``: there is news on the wire only, so the rest is not looked at before its time. Another
        router that waits for the address asks several times a second.
        """
        self._wakes_on_change = False
        # Asked before the look, so that what is known by then is in the rule set when the port opens.
        has_asked_all = self._resolver.has_asked_all()
        try:
            if only_neighbours and self._neighbours is not None and time.monotonic() < self._next_look:
                self._watch(self._neighbours)
            else:
                self._stand()
                self._next_look = time.monotonic() + _FULL_CHECK
            if not has_asked_all:
                raise _NotReady("waiting for the first look-up of the destinations' names", _RETRY_BROKEN)
            if not self._nat.addresses():
                # Nothing is served yet, so no client may be sent here. Once there is an address, it stays.
                raise _NotReady(self._unresolved() or "nothing to serve", _RETRY_BROKEN)
            return self._serve()
        except _Held as error:
            seconds = self._down(str(error), error.retry)
            self._conflict.held_by(error.mac)
            return seconds
        except _NotReady as error:
            self._conflict.not_held()
            return self._down(str(error), error.retry)
        except (AttachError, ConfigError, NetlinkError, OSError) as error:
            self._conflict.not_held()
            return self._down(str(error), _RETRY_BROKEN)

    def _serve(self) -> float:
        """Say that the data path stands; seconds until it should be looked at again."""
        self._reason = None
        self._waiting_since = None
        self._wakes_on_change = True
        self._health.open()
        return self._announce_when_due()

    def _down(self, reason: str, retry: float) -> float:
        self._health.close()
        if reason != self._reason and not self._events.stopping:
            log.warning("not ready: %s", reason)
        self._reason = reason
        return retry

    def _stand(self) -> None:
        """One look at everything, in the order in which safety needs it; raise on what can't be put right now."""
        self._keep_rules()
        uplink = self._find_uplink()
        self._leave_if_cut_off(uplink)
        self._attachment.check_node(uplink)
        neighbours = self._neighbours_on(uplink)
        if not self._attachment.is_held():
            self._health.close()
            self._claim(uplink, neighbours)
        else:
            self._watch(neighbours)
        self._note_repairs(self._attachment.repair(uplink))

    def _keep_rules(self) -> None:
        wanted = self._addresses(self._resolver.addresses())
        if not self._nat.is_intact():
            self._nat.load(wanted)
            self._note_repairs(["rule set"])
        elif self._nat.redirect_to(wanted):
            log.info("destinations changed addresses=%s", ",".join(f"{port}={to}" for port, to in wanted.items()))

    def _addresses(self, names: dict[str, Address]) -> dict[ServedPort, Address]:
        """Where each served port leads, as far as known."""
        named = {
            port: names[to.host]
            for port, to in self._config.routes.items()
            if isinstance(to.host, str) and to.host in names
        }
        return self._config.literals() | named

    def _find_uplink(self) -> Uplink:
        self._uplink = None
        uplink = self._uplink = self._attachment.uplink()
        return uplink

    def _leave_if_cut_off(self, uplink: Uplink) -> None:
        """Give the address up while the uplink has no carrier, and probe again when it is back (RFC 5227 §2.1).

        Meanwhile a successor on another node may have taken it; this node's kernel would answer for it at once.
        """
        if uplink.connected:
            return
        self._attachment.withdraw(uplink)
        # The kernel tells when the carrier is back.
        self._wakes_on_change = True
        raise _NotReady(f"uplink {uplink.name} has no carrier; gave {self._config.source} up", _RETRY_BROKEN)

    def _neighbours_on(self, uplink: Uplink) -> Neighbours[Any]:
        if self._neighbours is None or not self._neighbours.is_on(uplink.index, uplink.mac):
            if self._neighbours is not None:
                self._neighbours.close()
                self._neighbours = None
            source = self._config.source
            with self._node.entered():
                if isinstance(source, IPv4Address):
                    self._neighbours = Arp(uplink.name, uplink.index, uplink.mac, source)
                else:
                    self._neighbours = Ndp(uplink.name, uplink.index, uplink.mac, source)
        return self._neighbours

    def _claim(self, uplink: Uplink, neighbours: Neighbours[Any]) -> None:
        """Take the address if nobody holds it; raise ``_NotReady`` otherwise."""
        if self._attachment.is_taken():
            # The kernel tells when that pod's veth goes.
            self._wakes_on_change = True
            raise _NotReady(
                f"another pod on this node holds {self._config.source}; waiting for it to go", _RETRY_BROKEN
            )
        self._make_sure(uplink, neighbours)
        self._attachment.plug(uplink)
        try:
            self._attachment.prepare(uplink)
            # On a busy node that takes long enough for another to probe meanwhile and hear no answer.
            while list(neighbours.sightings()):
                self._make_sure(uplink, neighbours)
        except _NotReady:
            self._attachment.withdraw(uplink)
            raise
        self._attachment.repair(uplink)
        self._claims += 1
        self._announce_from_now()
        self._announce_when_due()
        log.info("address claimed source=%s uplink=%s mac=%s", self._config.source, uplink.name, uplink.mac.hex(":"))
        self._conflict.over()

    def _make_sure(self, uplink: Uplink, neighbours: Neighbours[Any]) -> None:
        """Raise ``_NotReady`` if another station holds or claims the address."""
        other = self._probe(uplink, neighbours)
        if self._events.stopping:
            raise _NotReady("stopping", 0.0)
        if other is not None:
            address, seconds = self._config.source, self._backoff()
            if other.role is Role.HOLDS:
                raise _Held(f"address {address} is held by {other}; waiting", seconds, other.mac)
            raise _NotReady(f"address {address} is being claimed by {other}; waiting", seconds)

    def _probe(self, uplink: Uplink, neighbours: Neighbours[Any]) -> Sighting | None:
        """Another station that holds or claims the address, if there is one (RFC 5227 §2.1.1, RFC 4862 §5.4)."""
        for _stale in neighbours.sightings():
            pass
        for _number in range(_PROBES):
            neighbours.probe(uplink.address)
            deadline = time.monotonic() + _PROBE_WAIT * random.uniform(0.9, 1.1)
            while self._events.wait_for_neighbours(deadline - time.monotonic(), neighbours):
                for seen in neighbours.sightings():
                    # Two that probe at once would defer to each other for ever: the lower MAC address goes on.
                    if seen.role is Role.HOLDS or seen.mac < uplink.mac:
                        return seen
            if self._events.stopping:
                return None
        return None

    def _backoff(self) -> float:
        now = time.monotonic()
        if self._waiting_since is None:
            self._waiting_since = now
        steady = max(_SHORTEST_WAIT, min(_LONGEST_WAIT, (now - self._waiting_since) / 30.0))
        # Two that began together must not meet again.
        return steady * random.uniform(0.5, 1.0)

    def _watch(self, neighbours: Neighbours[Any]) -> None:
        """Answer those that probe for the address, defend it once, then yield (RFC 5227 §2.4, choice b)."""
        for seen in neighbours.sightings():
            if seen.role is Role.PROBES:
                neighbours.answer(seen)
                continue
            self._conflicts += 1
            now = time.monotonic()
            if now - self._defended < _DEFEND_INTERVAL:
                self._attachment.withdraw(self._uplink)
                raise _NotReady(f"address {self._config.source} is also used by {seen}; gave it up", self._backoff())
            self._defended = now
            neighbours.announce()
            log.warning("address conflict source=%s other=%s; defended once", self._config.source, seen)

    def _note_repairs(self, names: list[str]) -> None:
        if not names:
            return
        self._repairs += len(names)
        self._announce_from_now()
        log.warning("data path repaired: %s", ", ".join(names))

    def _announce_from_now(self) -> None:
        now = time.monotonic()
        self._announcements = [now + after for after in _ANNOUNCE_AFTER]

    def _announce_when_due(self) -> float:
        """Send the announcements that are due; seconds until there is something to do."""
        now = time.monotonic()
        due = [at for at in self._announcements if at <= now]
        self._announcements = [at for at in self._announcements if at > now]
        if due and self._neighbours is not None:
            self._neighbours.announce()
        return max(0.0, min([self._next_look, *self._announcements]) - now)

    def _unresolved(self) -> str | None:
        served = self._nat.addresses()
        names = sorted({str(to.host) for port, to in self._config.routes.items() if port not in served})
        told = [f"{name} ({problem})" if (problem := self._resolver.problem(name)) else name for name in names]
        return f"no address known for {', '.join(told)}" if told else None

    def _stop(self) -> None:
        self._health.close()
        for part in (self._resolver, self._port_use, self._verdicts):
            part.stop()
        if self._attachment.is_held():
            self._end_connections()
        self._attachment.withdraw(self._uplink)
        log.info("address given up source=%s", self._config.source)

    def _end_connections(self) -> None:
        """Forward the clients' connections for as long as they may drain, and reset those that are left.

        Nobody would tell the clients else: what they send to a pod that is gone is lost, for some 15 minutes.
        """
        family, end = self._config.family, time.monotonic() + self._config.drain
        try:
            while time.monotonic() < end and open_connections(family):
                if self._neighbours is not None:
                    self._watch(self._neighbours)
                time.sleep(_DRAIN_LOOK)
            self._nat.end_connections()
            log.info("connections ended count=%d", reset(family, self._pod_address))
        except (_NotReady, OSError) as error:
            log.warning("connections were not ended: %s", error)
