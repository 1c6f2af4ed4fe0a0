# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The router: looks at the data path, makes it right, and says that it is ready while it stands.

Level-triggered: whatever woke it, the same look at the whole state follows, so there is nothing to get out of step.
"""

from __future__ import annotations

import json
import logging
import time
from contextlib import suppress
from typing import Final

from egress_router import faults
from egress_router.config import Config, ConfigError, ServedPort
from egress_router.conflict_detection import ConflictDetection
from egress_router.conntrack import Remote
from egress_router.departure import Target
from egress_router.events import Events
from egress_router.family import Address
from egress_router.faults import Fault, Faulty, Reason
from egress_router.health import HealthPort, Page
from egress_router.host_route import ROUTE_PROTOCOL, HostRoute
from egress_router.last_words import CONFLICT, LastWords, Trouble, conflict, of_fault
from egress_router.link import Link, Path
from egress_router.lookups import Lookups
from egress_router.metrics import CONTENT_TYPE, Status, render
from egress_router.namespace import Namespace
from egress_router.nat import Nat
from egress_router.netlink import NetlinkError
from egress_router.not_ready import Held, NotReady
from egress_router.path import path_of
from egress_router.port_use import PortUse
from egress_router.proof import Proof
from egress_router.resets import is_used, reset
from egress_router.resolv_conf import ResolvConf
from egress_router.resolve import Resolver
from egress_router.ruleset import PodInterface
from egress_router.uplink import Uplink, Uplinks
from egress_router.verdicts import Choice, Choices, Finding, Verdict, Verdicts
from egress_router.watch import Watch

# All in seconds.
_FULL_CHECK: Final = 10.0
_RETRY_BROKEN: Final = 1.0
_DRAIN_LOOK: Final = 1.0
# What left with another source, or by another interface, must not be tried again often.
_RETRY_UNSAFE: Final = 10.0

log = logging.getLogger(__name__)


class Router:
    """One router of one pod."""

    def __init__(
        self,
        config: Config,
        pod: Namespace,
        node: Namespace,
        interface: PodInterface,
        resolv_conf: ResolvConf,
        words: LastWords,
    ) -> None:
        """Load the rule set at once, before anything else is touched; raise OSError or ``ConfigError``.

        ``words``: to be told what lastingly keeps the router from serving.
        """
        self._config = config
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
        self._link = Link(config, pod, node)
        self._uplinks = Uplinks(config, node.netlink())
        wait = self._events.wait_for_neighbours
        self._detection = ConflictDetection(config, node, wait, lambda: self._events.stopping)
        # Asked for now so that a node without the network ends the router with a sentence instead of a retry.
        with suppress(Faulty):
            self._uplinks.find()
        self._route = HostRoute(config, node.netlink()) if config.is_routed else None
        self._proof = Proof(config, pod, node, wait)
        own = frozenset({config.source, config.bridge.ip, interface.address})
        lookups = Lookups(resolv_conf, config.family, lambda address: config.objection(address, own))
        self._resolver = Resolver(known, config.resolve, lookups, self._events.wake)
        watch = Watch(self._news)
        self._port_use = PortUse(config.family, config.source, watch.tell)
        self._verdicts = Verdicts(config.source, config.probe, self._choices, self._resolver.prefer, watch.tell)
        pages = {"/readyz": self._readyz, "/metrics": self._metrics, "/destinations": self._destinations}
        self._health = HealthPort(config.health_port, pages, {"/destinations": watch})
        self._pod_address = interface.address
        self._next_look = 0.0
        self._reason: str | None = "starting"
        # What is wrong with some of the destinations, while others are served.
        self._partly: Fault | None = None
        # Cut off from the gateway: another may have the address by now. An earlier router of the pod may have been.
        self._away = not config.is_routed and self._link.is_held()
        self._wakes_on_change = True
        # Asked to end, and there may still be connections.
        self._is_ending = False
        self._words = words
        self._claims = self._repairs = 0

    def run(self) -> None:
        """Serve until SIGTERM or SIGINT, then give the address up; raise ``Told`` while it doesn't serve."""
        self._resolver.start()
        self._port_use.start()
        self._verdicts.start()
        is_quiet = False
        while not self._events.stopping:
            is_quiet = self._wait(self._settle(is_quiet))
        self._stop()

    def _wait(self, seconds: float) -> bool:
        """For what calls for another look; whether there was nothing but the neighbours' talk."""
        neighbours = self._detection.neighbours if self._reason is None or self._away else None
        return self._events.wait(seconds, bells=self._wakes_on_change, neighbours=neighbours)

    def _readyz(self) -> Page:
        """Whether clients may be sent here; and what is wrong with some of the destinations while others are served."""
        return Page(200 if self._is_ready() else 503, f"{self._problem() or 'ok'}\n")

    def _is_ready(self) -> bool:
        return self._reason is None and not self._is_ending

    def _metrics(self) -> Page:
        try:
            connections, source_ports = self._port_use.statistics(), self._port_use.by_remote()
        except OSError:
            # A kernel without ctnetlink; the rest can be told all the same.
            connections, source_ports = None, {}
        status = Status(
            problem=self._problem(),
            counters=self._nat.counters(),
            lookup_failures=self._resolver.failures(),
            connections=connections,
            source_ports=source_ports,
            findings=self._findings(),
            claims=self._claims,
            conflicts=self._detection.conflicts,
            repairs=self._repairs,
        )
        return Page(200, render(self._config.routes, status), CONTENT_TYPE)

    def _destinations(self) -> Page:
        return Page(200, json.dumps(self._found(), indent=2) + "\n", "application/json")

    def _news(self) -> str | None:
        """The same in one line, once there is something."""
        found = self._found() if self._is_ready() else None
        return json.dumps(found) if found else None

    def _found(self) -> list[dict[str, str | None]]:
        """What became of the last attempt at each destination."""
        findings = self._findings()
        return [
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

    def _findings(self) -> dict[ServedPort, Finding]:
        """The last verdict of each port, but where hardly any source ports are left."""
        found, used_up = dict(self._verdicts.findings()), self._port_use.used_up()
        for port, finding in found.items():
            if finding.address and Remote(port.protocol, finding.address, self._config.routes[port].port) in used_up:
                found[port] = Finding(Verdict.PORTS_EXHAUSTED, finding.address)
        return found

    def _choices(self) -> Choices | None:
        """What to try: nothing while the address isn't ours."""
        if self._reason is not None:
            return None
        served = self._nat.addresses()
        choices: dict[ServedPort, Choice] = {}
        for port, to in self._config.routes.items():
            current, name = served.get(port), to.host if isinstance(to.host, str) else None
            others = () if name is None else self._resolver.choices(name)
            addresses = [] if current is None else [current, *(other for other in others if other != current)]
            choices[port] = Choice(name, tuple((address, to.port) for address in addresses))
        return choices

    def _settle(self, is_quiet: bool) -> float:
        """Make the data path right as far as possible; seconds until it should be looked at again.

        ``is_quiet``: nothing has changed, so the rest is not looked at before its time. Another router that waits for
        the address asks several times a second.
        """
        self._wakes_on_change = False
        # Asked before the look, so that what is known by then is in the rule set when the port opens.
        has_asked_all = self._resolver.has_asked_all()
        try:
            self._health.open()
            if not (is_quiet and self._is_still_right()):
                self._stand()
                self._next_look = time.monotonic() + _FULL_CHECK
            if not has_asked_all:
                raise NotReady("waiting for the first look-up of the destinations' names", _RETRY_BROKEN)
            if not self._nat.addresses():
                # Nothing is served yet, so no client may be sent here. Once there is an address, it stays.
                raise Faulty(faults.name_unknown(self._config.source, self._unresolved()))
            return self._serve()
        except Held as error:
            seconds = self._down(str(error), error.retry)
            self._tell(conflict(self._config.source, error.mac))
            return seconds
        except Faulty as error:
            return self._down_with(error.fault)
        except NotReady as error:
            self._words.untroubled()
            return self._down(str(error), error.retry)
        except OSError as error:
            return self._down_with(faults.failed(self._config.source, str(error)))

    def _is_still_right(self) -> bool:
        """Whether nothing that comes by the wire calls for a look at the rest, whose time has not come yet."""
        if self._reason is not None or time.monotonic() >= self._next_look:
            return False
        try:
            self._watch()
            return self._proof.ask_gateway()
        except OSError:
            # As of an uplink that went down, which the look at everything calls by its name.
            return False

    def _down_with(self, fault: Fault) -> float:
        """Serve no more for the sake of a fault; seconds until that should be looked at again."""
        if fault.is_unsafe:
            self._give_up()
        # Also what a router left that served before it in this pod.
        self._withdraw_route()
        seconds = self._down(str(fault), _RETRY_UNSAFE if fault.is_unsafe else _RETRY_BROKEN)
        self._tell(of_fault(fault))
        return seconds

    def _tell(self, trouble: Trouble) -> None:
        """Raise ``Told`` if the cluster is to be told."""
        if not self._is_ending:
            self._words.troubled(trouble)

    def _serve(self) -> float:
        """Say that the data path stands; seconds until it should be looked at again."""
        self._offer_route()
        if self._reason is not None:
            self._words.over()
        self._reason = None
        self._detection.served()
        self._wakes_on_change = True
        announcement = self._detection.announce_when_due()
        dues = [self._proof.next_question(self._next_look), self._next_look]
        return max(0.0, min(dues if announcement is None else [*dues, announcement]) - time.monotonic())

    def _down(self, reason: str, retry: float) -> float:
        before, self._reason = self._reason, reason
        if before is None:
            self._health.hang_up()
            self._withdraw_route()
        # Last: who reads it finds it so.
        if reason != before and not self._events.stopping:
            log.warning("not ready: %s", reason)
        return retry

    def _offer_route(self) -> None:
        """Have a routed address announced, now that it is served; raise ``NetlinkError``."""
        index = self._link.node_index() if self._route is not None else None
        if self._route is None or index is None or self._route.is_there(index):
            return
        self._route.put(index)
        if self._reason is None:
            self._note_repairs([f"route to {self._config.source}"])
        else:
            log.info("route offered to=%s protocol=%d", self._config.source, ROUTE_PROTOCOL)

    def _withdraw_route(self) -> None:
        """Have a routed address announced no more: what is sent to it is not served."""
        index = self._link.node_index() if self._route is not None else None
        if self._route is None or index is None:
            return
        try:
            self._route.withdraw(index)
        except NetlinkError as error:
            log.warning("the route to %s is not withdrawn: %s", self._config.source, error)

    def _stand(self) -> None:
        """One look at everything, in the order in which safety needs it; raise on what can't be put right now."""
        self._keep_rules()
        wanted = self._addresses(self._resolver.addresses())
        uplink = self._find_uplink()
        self._leave_if_cut_off(uplink)
        path = self._path(uplink, frozenset(wanted.values()))
        self._detection.listen_on(uplink)
        if not self._link.is_held():
            if self._reason is None:
                self._down(f"the link of {self._config.source} is gone; taking it anew", 0.0)
            self._claim(path, self._targets(wanted))
        else:
            self._watch()
        repaired = self._link.repair(path)
        self._prove(path, self._targets(wanted), again=bool(repaired))
        self._come_back(uplink)
        self._note_repairs(repaired)
        self._link.remove_orphans()
        # Last: no client's packet goes where it wasn't proved that it gets there as it should.
        if self._nat.redirect_to(wanted):
            log.info("destinations changed addresses=%s", ",".join(f"{port}={to}" for port, to in wanted.items()))

    def _keep_rules(self) -> None:
        if not self._nat.is_intact():
            self._nat.load(self._nat.addresses())
            self._note_repairs(["rule set"])

    def _targets(self, addresses: dict[ServedPort, Address]) -> frozenset[Target]:
        """What the served ports lead to."""
        return frozenset(Target(address, self._config.routes[port].port) for port, address in addresses.items())

    def _path(self, uplink: Uplink, destinations: frozenset[Address]) -> Path:
        """How packets are to go; raise ``Faulty`` if no destination is to be reached so."""
        try:
            path, self._partly = path_of(self._config, self._uplinks, uplink, destinations)
        except Faulty:
            self._give_up()
            raise
        return path

    def _prove(self, path: Path, targets: frozenset[Target], *, again: bool) -> None:
        """Raise ``Faulty`` if packets don't leave as they should."""
        try:
            fault = self._proof.check(path, self._link.index(), targets, again)
        except Faulty as error:
            self._away = self._away or error.fault.reason is Reason.GATEWAY_SILENT
            raise
        self._partly = self._partly or fault

    def _come_back(self, uplink: Uplink) -> None:
        """After a time without the gateway: see whether another has the address by now; raise ``NotReady`` if so."""
        if not self._away:
            return
        try:
            self._make_sure(uplink)
        except (NotReady, Faulty):
            self._give_up()
            raise
        self._away = False
        self._detection.announce_from_now()

    def _give_up(self) -> None:
        self._link.withdraw()
        self._proof.forget()
        self._away = False

    def _addresses(self, names: dict[str, Address]) -> dict[ServedPort, Address]:
        """Where each served port leads, as far as known."""
        named = {
            port: names[to.host]
            for port, to in self._config.routes.items()
            if isinstance(to.host, str) and to.host in names
        }
        return self._config.literals() | named

    def _find_uplink(self) -> Uplink:
        try:
            return self._uplinks.find()
        except (ConfigError, Faulty) as error:
            # What was an uplink is none any more. When it is back, another may have the address.
            self._give_up()
            self._wakes_on_change = True
            if isinstance(error, ConfigError):
                raise Faulty(faults.uplink_unusable(self._config.source, str(error))) from error
            raise

    def _leave_if_cut_off(self, uplink: Uplink) -> None:
        """Give the address up while the uplink has no carrier, and probe again when it is back (RFC 5227 §2.1).

        Meanwhile a successor on another node may have taken it; this node's kernel would answer for it at once.
        """
        if uplink.connected:
            return
        self._give_up()
        # The kernel tells when the carrier is back.
        self._wakes_on_change = True
        raise Faulty(faults.no_carrier(self._config.source, uplink.name))

    def _claim(self, path: Path, targets: frozenset[Target]) -> None:
        """Take the address if nobody holds it; raise ``NotReady`` or ``Faulty`` otherwise."""
        if self._link.is_taken():
            # The kernel tells when that pod's veth goes.
            self._wakes_on_change = True
            raise NotReady(f"another pod on this node holds {self._config.source}; waiting for it to go", _RETRY_BROKEN)
        uplink = path.uplink
        refusal = self._link.refusal(path)
        if refusal is not None:
            raise Faulty(faults.node_kernel(self._config.source, uplink.name, refusal))
        self._proof.forget()
        self._away = False
        self._make_sure(uplink)
        self._link.plug(uplink)
        try:
            self._link.prepare(path)
            # On a busy node that takes long enough for another to probe meanwhile and hear no answer.
            while self._detection.has_heard():
                self._make_sure(uplink)
            self._link.join(path)
            self._prove(path, targets, again=True)
        except (NotReady, Faulty, OSError):
            self._give_up()
            raise
        self._link.repair(path)
        self._claims += 1
        self._detection.announce_from_now()
        self._detection.announce_when_due()
        log.info("address claimed source=%s uplink=%s mac=%s", self._config.source, uplink.name, uplink.mac.hex(":"))
        self._words.over(CONFLICT, Reason.LAN_PROXY)

    def _make_sure(self, uplink: Uplink) -> None:
        """Raise ``NotReady`` if another has or claims the address, ``Faulty`` if one station answers for all."""
        if self._config.is_routed:
            self._make_sure_of_routes()
        else:
            self._detection.make_sure(uplink)

    def _make_sure_of_routes(self) -> None:
        """Raise ``NotReady`` if the node has learnt from its routing daemon that another node has a routed address."""
        other = None if self._route is None else self._route.of_another()
        if other is not None:
            # The kernel tells when that route goes.
            self._wakes_on_change = True
            raise NotReady(
                f"another has {self._config.source}: the node has a route to it {other}; waiting for it to go",
                _RETRY_BROKEN,
            )

    def _watch(self) -> None:
        """Defend the address against another that uses it, or give it up; raise ``NotReady`` then."""
        try:
            self._detection.defend(self._away)
        except NotReady:
            self._give_up()
            raise

    def _note_repairs(self, names: list[str]) -> None:
        if not names:
            return
        self._repairs += len(names)
        self._detection.announce_from_now()
        log.warning("data path repaired: %s", ", ".join(names))

    def _problem(self) -> str | None:
        """What isn't served, if anything."""
        if not self._is_ready():
            return self._reason or "ending"
        unresolved = self._unresolved()
        partly = self._partly or (faults.name_unknown(self._config.source, unresolved) if unresolved else None)
        return str(partly) if partly else self._port_use.problem()

    def _unresolved(self) -> dict[str, str | None]:
        """The names without an address, each with why, as far as is known."""
        served = self._nat.addresses()
        names = {str(to.host) for port, to in self._config.routes.items() if port not in served}
        return {name: self._resolver.problem(name) for name in names}

    def _stop(self) -> None:
        self._is_ending = True
        self._health.hang_up()
        self._verdicts.stop()
        self._end_connections()
        for part in (self._resolver, self._port_use):
            part.stop()
        self._link.withdraw()
        self._health.close()
        log.info("address given up source=%s", self._config.source)

    def _end_connections(self) -> None:
        """Forward the clients' connections for as long as they may drain, and reset those that are left.

        Nobody would tell the clients else: what they send to a pod that is gone is lost, for some 15 minutes.
        """
        try:
            self._drain()
            self._nat.end_connections()
            log.info("connections ended count=%d", reset(self._config.family, self._pod_address))
        except OSError as error:
            log.warning("connections were not ended: %s", error)

    def _drain(self) -> None:
        """Go on as before until no connection is left, the time is over, or the address is another's; raise OSError."""
        self._events.go_on()
        end = time.monotonic() + self._config.drain
        is_quiet = False
        while not self._events.stopping and self._link.is_held() and is_used(self._config.family):
            if (left := end - time.monotonic()) <= 0:
                break
            is_quiet = self._wait(min(self._settle(is_quiet), left, _DRAIN_LOOK))
