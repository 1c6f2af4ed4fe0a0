# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""A state machine of everything that happens to leases, held to their guarantees (hypothesis, stateful).

The guarantees stand in docs/explanation/leases.md.


Services come and go, playbooks and the controller claim, reserve and transfer, administrators edit the network, and
the controller's own reconcilers collect garbage. Clients crash between any two requests, lose replies, believe stale
hints and caches, and pause in the middle of a claim for as long as it pleases. Any LeaseStore can stand under it.
"""

from __future__ import annotations

import copy
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from functools import partial
from types import SimpleNamespace
from typing import Any, ClassVar

from ansible_collections.avi.egress.plugins.module_utils.api.addresses import family_of
from ansible_collections.avi.egress.plugins.module_utils.api.errors import Conflict, PoolExhausted, Refused
from ansible_collections.avi.egress.plugins.module_utils.api.resources import (
    EGRESS_ADDRESS,
    EGRESS_LEASE,
    NETWORK_LABEL,
    KubeObject,
    Resource,
)
from ansible_collections.avi.egress.plugins.module_utils.ipam import lease_status, leases, locks, transfers
from ansible_collections.avi.egress.plugins.module_utils.ipam.leases import ADMINISTRATOR, CONTROLLER, Slot
from ansible_collections.avi.egress.plugins.module_utils.ipam.network import EgressNetwork, read_network
from ansible_collections.avi.egress.plugins.module_utils.ipam.store import LeaseStore
from egress_controller.cache.context import Context
from egress_controller.cache.listers import Lister
from egress_controller.cache.lock_cache import LockCache
from egress_controller.cache.refused_services import RefusedServices
from egress_controller.cache.written_leases import WrittenLeases
from egress_controller.ipam.claims import Claims
from egress_controller.ipam.suspects import Suspects
from egress_controller.reconcilers.address import AddressReconciler
from egress_controller.reconcilers.lease import UNFINISHED_GRACES, LeaseReconciler
from egress_controller.runtime.keys import Key
from egress_controller.runtime.work_queue import WorkQueue
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

QUARANTINE, HISTORY, GRACE = 100, 1000, 10
"""Of the machine's own time, in seconds."""
START = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)

V4 = {"cidr": "10.70.112.0/24", "ranges": [{"begin": "10.70.112.1", "end": "10.70.112.4"}]}
V6 = {"cidr": "fd70:112::/64", "ranges": [{"begin": "fd70:112::1", "end": "fd70:112::3"}]}
RESERVED = [
    {"address": "10.70.112.2", "namespace": "green"},
    {"address": "10.70.112.3", "namespace": "blue"},
    {"address": "fd70:112::2", "namespace": "green"},
]
EDITS: tuple[dict[str, Any], ...] = (
    {"subnets": [V4, V6]},
    {"subnets": [{**V4, "exclude": ["10.70.112.1"]}, V6]},
    {"subnets": [V4]},
    {"subnets": [V4, V6], "reservations": RESERVED},
    {"subnets": [V4, V6], "addressesPerNamespace": 1},
    {"subnets": [V4, V6], "addressesPerNamespace": 9, "quotas": [{"namespace": "blue", "addresses": 1}]},
)
"""What an administrator makes of the network."""

SERVICES = (("green", "a", 0), ("green", "a", 1), ("green", "b", 0), ("blue", "c", 0), ("blue", "d", 0))

services = st.sampled_from(SERVICES)
families = st.sampled_from(["IPv4", "IPv6"])
claimants = st.sampled_from([CONTROLLER, ADMINISTRATOR])


class LostConnection(Exception):
    """The request, or the answer to it, did not arrive; or the client is no more."""


class Troubled:
    """A LeaseStore on the way to which things go wrong, each thread for itself."""

    def __init__(self, inner: LeaseStore, written: Callable[[], None]) -> None:
        self.inner = inner
        self._written = written
        self._own = threading.local()

    def trouble(self, between: Callable[[str], None] | None = None, lose_reply_of_write: int | None = None) -> None:
        """For the calling thread: ``between`` is called before each of its requests."""
        self._own.between = between
        self._own.replies = lose_reply_of_write

    def get(self, resource: Resource, name: str) -> KubeObject | None:
        self._turn("get")
        return self.inner.get(resource, name)

    def list(self, resource: Resource, *, labels: str | None = None) -> list[KubeObject]:
        self._turn("list")
        return self.inner.list(resource, labels=labels)

    def create(self, resource: Resource, body: KubeObject) -> KubeObject:
        self._turn("create")
        return self._answer(self.inner.create(resource, body))

    def replace(self, resource: Resource, body: KubeObject, subresource: str | None = None) -> KubeObject:
        self._turn("replace")
        return self._answer(self.inner.replace(resource, body, subresource))

    def delete(self, resource: Resource, obj: KubeObject) -> None:
        self._turn("delete")
        self.inner.delete(resource, obj)
        self._answer({})

    def _turn(self, request: str) -> None:
        between = getattr(self._own, "between", None)
        if between:
            between(request)

    def _answer(self, stored: KubeObject) -> KubeObject:
        self._written()
        left = getattr(self._own, "replies", None)
        self._own.replies = None if left is None else left - 1
        if left == 1:
            raise LostConnection("the answer was lost")
        return stored


class Paused:
    """A client that stops before one of its requests, until it is told to go on."""

    def __init__(self, store: Troubled, task: Callable[[], object], before_request: int) -> None:
        self._paused, self._resume = threading.Event(), threading.Event()
        self._left = before_request
        self.error: BaseException | None = None

        def between(_request: str) -> None:
            self._left -= 1
            if self._left == 0:
                self._paused.set()
                self._resume.wait()

        def run() -> None:
            store.trouble(between)
            try:
                task()
            except (Conflict, Refused, PoolExhausted):
                pass
            except BaseException as error:
                self.error = error
            self._paused.set()

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()
        self._paused.wait()

    def go_on(self) -> None:
        self._resume.set()
        self._thread.join()
        if self.error:
            raise self.error


class Snapshot:
    """A cache as it was at some moment."""

    def __init__(self, objects: list[KubeObject]) -> None:
        self._objects = {obj["metadata"]["name"]: obj for obj in objects}

    def get(self, name: str) -> KubeObject | None:
        return self._objects.get(name)

    def all(self) -> list[KubeObject]:
        return list(self._objects.values())

    def of(self, _index: str, _value: object) -> list[KubeObject]:
        return self.all()


class Silent:
    """Events that nobody reads."""

    def emit(self, *_told: object) -> None:
        """Tell nobody."""


def crash_at(request: int) -> Callable[[str], None]:
    """To be called before each request: the client is no more at the one of this number."""
    left = [request]

    def between(_request: str) -> None:
        left[0] -= 1
        if left[0] == 0:
            raise LostConnection("crashed")

    return between


class LeaseMachine(RuleBasedStateMachine):
    """To be given a store by ``connect``."""

    steps: ClassVar[int] = 0
    """How many were taken, in all runs of the class."""
    looks_at_each_write: ClassVar[bool] = True
    """Whether the guarantees are checked after each write; else after each step."""

    def connect(self) -> LeaseStore:
        raise NotImplementedError

    def network_name(self) -> str:
        return "outside"

    def __init__(self) -> None:
        super().__init__()
        self.name = self.network_name()
        self.store = Troubled(self.connect(), self._look if self.looks_at_each_write else lambda: None)
        self.now = START
        self.spec: dict[str, Any] = EDITS[0]
        self.bound: dict[str, str] = {}
        """What each Bound lease holds: it must not change while it is Bound."""
        self.given_back: dict[str, tuple[str, datetime]] = {}
        """Which project gave an address back, and when."""
        self.handed_over: set[str] = set()
        """Addresses that an administrator has given to another project, whatever firewalls say."""
        self.strangers: set[str] = set()
        """Addresses that some host answers for which they were not leased to."""
        self.seen: list[KubeObject] = []
        """Leases as some client has seen them, perhaps long ago."""
        self.paused: list[Paused] = []
        self.snapshots: list[tuple[Snapshot, Snapshot]] = []
        self.suspects = [Suspects(GRACE, self), Suspects(GRACE * UNFINISHED_GRACES, self), Suspects(GRACE, self)]

    def __call__(self) -> float:
        """The clock of the suspects."""
        return (self.now - START).total_seconds()

    @property
    def network(self) -> EgressNetwork:
        return read_network(self._network_object())

    def slot(self, service: tuple[str, str, int]) -> Slot:
        return Slot(self.name, *service)

    def leases(self) -> list[KubeObject]:
        labels = f"{NETWORK_LABEL}={self.name}"
        return sorted(self.store.inner.list(EGRESS_LEASE, labels=labels), key=_name)

    def locks(self) -> list[KubeObject]:
        labels = f"{NETWORK_LABEL}={self.name}"
        return sorted(self.store.inner.list(EGRESS_ADDRESS, labels=labels), key=_name)

    # --- what happens ---

    @initialize(spec=st.sampled_from(EDITS))
    def begin(self, spec: dict[str, Any]) -> None:
        self.spec = spec
        self._finish_step()

    @invariant()
    def count(self) -> None:
        type(self).steps += 1

    @rule(service=services, family=families, start=st.integers(0, 3), staleness=st.integers(0, 3), who=claimants)
    def claim(self, service: tuple[str, str, int], family: str, start: int, staleness: int, who: str) -> None:
        slot, network, before = self.slot(service), self.network, {_name(o): o for o in self.leases()}
        held = {str(lock["spec"]["address"]): lock for lock in self.locks()}
        own = [a for a, lock in held.items() if lock["spec"]["lease"] == slot.lease and a not in self.strangers]
        hint = set(list(held)[staleness:])
        former = before.get(slot.lease)
        counted = lease_status.is_bound(former) or lease_status.is_released(former)
        try:
            draw = leases.at_random(hint, lambda size: start % size)
            found = leases.claim(self.store, network, leases.Claim(slot, None, family, who), draw, self.now)
        except PoolExhausted:
            pool = network.drawn.of(family)
            assert all(address in held for address in pool.candidates((), 0)), "as long as there is one, it is found"
            assert not [a for a in own if family_of(a) == family and network.leases(a, slot.namespace)]
            return
        except Refused as error:
            may_be = {"AddressFamilyMismatch"} if lease_status.is_bound(former) else {"QuotaExceeded"}
            assert {error.reason} == may_be  # noqa: PT017 - a Refused for the right reason is as good as an address
            return
        finally:
            self._finish_step()
        address = str(lease_status.address(found))
        self.seen.append(found)
        assert family_of(address) == family
        if lease_status.is_bound(former):
            assert address == lease_status.address(former), "an address never changes under a running service"
            return
        assert leases.claimed_by(found) == who
        assert network.leases(address, slot.namespace), "never outside the network, never another's reservation"
        assert address not in self.strangers, "never one that a stranger has"
        last = lease_status.address(former)
        if last in own and family_of(last or "") == family and network.leases(str(last), slot.namespace):
            assert address == last, "the same slot gets the same address again"
        quota = network.quota(slot.namespace)
        if quota is not None and not counted and not self.paused:
            assert self._count(slot.namespace) <= quota

    @rule(
        service=services,
        family=families,
        who=claimants,
        crash=st.none() | st.integers(1, 9),
        lost=st.none() | st.integers(1, 4),
        wanted=st.none() | st.sampled_from(["10.70.112.1", "10.70.112.2", "10.70.112.3", "fd70:112::2"]),
    )
    def claim_in_trouble(
        self,
        service: tuple[str, str, int],
        family: str,
        who: str,
        crash: int | None,
        lost: int | None,
        wanted: str | None,
    ) -> None:
        """As the shells claim: by take-over where nothing else is left, or one certain address."""
        task = self._claimant(self.slot(service), family, who, wanted)
        self._attempt(task, crash, lost)

    @precondition(lambda self: len(self.paused) < 3)
    @rule(service=services, family=families, who=claimants, request=st.integers(2, 9))
    def begin_a_claim(self, service: tuple[str, str, int], family: str, who: str, request: int) -> None:
        self.paused.append(Paused(self.store, self._claimant(self.slot(service), family, who, None), request))
        self._finish_step()

    @precondition(lambda self: self.paused)
    @rule(data=st.data())
    def go_on(self, data: st.DataObject) -> None:
        self.paused.pop(data.draw(st.integers(0, len(self.paused) - 1))).go_on()
        self._finish_step()

    @precondition(lambda self: self.bound)
    @rule(data=st.data())
    def release(self, data: st.DataObject) -> None:
        name = data.draw(st.sampled_from(sorted(self.bound)))
        lease = self.store.inner.get(EGRESS_LEASE, name)
        assert lease is not None
        self.seen.append(leases.release(self.store, lease, self.now, "Tested"))
        self._finish_step()

    @precondition(lambda self: self.seen)
    @rule(data=st.data(), lost=st.booleans())
    def release_what_was_seen(self, data: st.DataObject, lost: bool) -> None:
        lease = data.draw(st.sampled_from(self.seen))
        self._attempt(lambda: leases.release(self.store, lease, self.now, "Tested"), None, 1 if lost else None)

    @precondition(lambda self: self.leases())
    @rule(data=st.data(), service=services, who=claimants, crash=st.none() | st.integers(1, 8))
    def transfer(self, data: st.DataObject, service: tuple[str, str, int], who: str, crash: int | None) -> None:
        source = data.draw(st.sampled_from(self.leases()))
        slot, address = self.slot(service), lease_status.address(source)
        if address and self._check_wanted(slot, address):
            self.handed_over.add(address)
            self._attempt(lambda: transfers.transfer(self.store, source, slot, self.now, who), crash, None)

    @rule(seconds=st.sampled_from([1, GRACE, GRACE * UNFINISHED_GRACES, QUARANTINE, HISTORY]))
    def wait(self, seconds: int) -> None:
        self.now += timedelta(seconds=seconds)

    @rule(spec=st.sampled_from(EDITS))
    def edit_the_network(self, spec: dict[str, Any]) -> None:
        self.spec = spec

    @precondition(lambda self: self.locks())
    @rule(data=st.data(), there=st.booleans())
    def a_stranger_comes_or_goes(self, data: st.DataObject, there: bool) -> None:
        lock = data.draw(st.sampled_from(self.locks()))
        self._mark(lock, there)
        self._finish_step()

    @rule(first=st.integers(0, 3), second=st.integers(0, 3), crash=st.none() | st.integers(1, 6))
    def collect_garbage(self, first: int, second: int, crash: int | None) -> None:
        """The controller looks twice, a grace period apart, at caches that may be old."""
        for age in (first, second):
            self._collect(age, crash)
            self.now += timedelta(seconds=GRACE)

    @rule(service=services, family=families, who=claimants, request=st.integers(2, 7))
    def collect_garbage_while_a_claim_pauses(
        self, service: tuple[str, str, int], family: str, who: str, request: int
    ) -> None:
        """For so long that no quarantine and no grace period protects what it has locked."""
        claim = Paused(self.store, self._claimant(self.slot(service), family, who, None), request)
        self.now += timedelta(seconds=QUARANTINE)
        for _sighting in range(2):
            self._finish_step()
            self._collect(0, None)
            self.now += timedelta(seconds=GRACE)
        claim.go_on()
        self._finish_step()

    @rule()
    def all_is_well_when_everybody_is_done(self) -> None:
        """Nothing leaks: in the end each lock is a Bound lease's, and each lease is Bound or a record."""
        while self.paused:
            self.paused.pop().go_on()
        for lock in self.locks():
            if lock["spec"]["address"] in self.strangers:
                self._mark(lock, False)
        for seconds in (0, GRACE * UNFINISHED_GRACES, QUARANTINE, GRACE, GRACE):
            self.now += timedelta(seconds=seconds)
            self._finish_step()
            of_leases, of_locks = self._reconcilers(*self.snapshots[-1])
            for lease in self.leases():
                if lease_status.phase(lease) is None and leases.claimed_by(lease) == CONTROLLER:
                    leases.free(self.store, lease)  # Its service is gone, as that of a waiting one may be.
                else:
                    of_leases.reconcile(Key("lease", _name(lease)))
            for lock in self.locks():
                of_locks.reconcile(Key("address", _name(lock)))
        found = self.leases()
        assert {lease_status.phase(lease) for lease in found} <= {lease_status.BOUND, lease_status.EXPIRED}
        held = {lease_status.address(lease) for lease in found if lease_status.is_bound(lease)}
        assert {lock["spec"]["address"] for lock in self.locks()} == held

    def teardown(self) -> None:
        while self.paused:
            with suppress(AssertionError):
                self.paused.pop().go_on()

    # --- how it happens ---

    def _network_object(self) -> KubeObject:
        spec = {**self.spec, "quarantineSeconds": QUARANTINE, "historySeconds": HISTORY}
        return {"metadata": {"name": self.name, "uid": self.name, "generation": id(self.spec)}, "spec": spec}

    def _claimant(self, slot: Slot, family: str, who: str, wanted: str | None) -> Callable[[], object]:
        network, now = self.network, self.now
        draw = leases.at_random({str(lock["spec"]["address"]) for lock in self.locks()})
        kin = self.leases()

        def claim() -> object:
            family_asked = family_of(wanted) if wanted else family
            asked = leases.Claim(slot, wanted, family_asked, who)
            return transfers.claim(self.store, network, asked, draw, lambda: kin, max(now, self.now))

        return claim

    def _collect(self, age: int, crash: int | None) -> None:
        """One look of the controller at what its caches showed so many steps ago."""
        known_leases, known_locks = self.snapshots[-1 - age % len(self.snapshots)]
        of_leases, of_locks = self._reconcilers(known_leases, known_locks)
        for lease in known_leases.all():
            self._attempt(partial(of_leases.reconcile, Key("lease", _name(lease))), crash, None)
        for lock in known_locks.all():
            self._attempt(partial(of_locks.reconcile, Key("address", _name(lock))), crash, None)

    def _check_wanted(self, slot: Slot, address: str) -> bool:
        try:
            leases.check_wanted(self.network, slot.namespace, address)
        except Refused:
            return False
        return True

    def _attempt(self, task: Callable[[], object], crash: int | None, lost: int | None) -> None:
        self.store.trouble(crash_at(crash) if crash else None, lost)
        try:
            task()
        except (LostConnection, Conflict, Refused, PoolExhausted):
            pass
        finally:
            self.store.trouble()
            self._finish_step()

    def _mark(self, lock: KubeObject, there: bool) -> None:
        address = {lock["spec"]["address"]}
        self.strangers = self.strangers | address if there else self.strangers - address
        condition = {
            "type": locks.CONFLICT,
            "status": str(there),
            "reason": "Tested",
            "message": "a stranger",
            "lastTransitionTime": "2026-01-02T03:04:05Z",
        }
        self.store.inner.replace(EGRESS_ADDRESS, {**lock, "status": {"conditions": [condition]}}, "status")

    def _reconcilers(self, known_leases: Snapshot, known_locks: Snapshot) -> tuple[LeaseReconciler, AddressReconciler]:
        networks: Any = Snapshot([self._network_object()])
        known = LockCache(self)
        for lock in known_locks.all():
            known.update("ADDED", lock)
        caches: Any = SimpleNamespace(leases=known_leases, addresses=known_locks, networks=networks, lock_cache=known)
        caches.written_leases = WrittenLeases(self)
        listers: Any = SimpleNamespace(networks=Lister(networks, read_network))
        store: Any = self.store
        events: Any = Silent()
        nothing: Any = None
        context = Context(store, caches, listers, WorkQueue(self), events, nothing, "here", RefusedServices())
        of_leases, unfinished, of_locks = self.suspects
        claims = Claims(store, caches, lambda: self.now)
        return (
            LeaseReconciler(context, claims, of_leases, unfinished, lambda: self.now),
            AddressReconciler(context, of_locks, lambda: self.now),
        )

    def _count(self, namespace: str) -> int:
        found = [lease for lease in self.leases() if lease["spec"]["namespace"] == namespace]
        return sum(lease_status.is_bound(lease) or lease_status.is_released(lease) for lease in found)

    def _finish_step(self) -> None:
        self._look()
        self.snapshots.append((Snapshot(copy.deepcopy(self.leases())), Snapshot(copy.deepcopy(self.locks()))))
        del self.snapshots[:-4]

    # --- the guarantees ---

    def _look(self) -> None:
        found, locked = self.leases(), {str(lock["spec"]["address"]): lock for lock in self.locks()}
        held = [lease for lease in found if lease_status.is_bound(lease) or lease_status.is_released(lease)]
        addresses = [str(lease_status.address(lease)) for lease in held]
        assert len(addresses) == len(set(addresses)), "no two leases hold one address"
        for lease, address in zip(held, addresses):
            assert address in locked, "what a lease holds is locked"
            assert locks.is_holder(locked[address], lease), "and locked for it"
        for lease in found:
            assert len((lease.get("status") or {}).get("history") or ()) <= lease_status.HISTORY_LENGTH
        for lease in found:
            self._look_at(lease)
        self.bound = {_name(lease): str(lease_status.address(lease)) for lease in found if lease_status.is_bound(lease)}

    def _look_at(self, lease: KubeObject) -> None:
        name, address, namespace = _name(lease), str(lease_status.address(lease)), lease["spec"]["namespace"]
        if lease_status.is_released(lease):
            self.given_back[address] = (namespace, lease_status.released_at(lease))
        if not lease_status.is_bound(lease):
            return
        assert self.bound.get(name, address) == address, "an address never changes under a Bound lease"
        if name not in self.bound and address in self.given_back and address not in self.handed_over:
            by, when = self.given_back[address]
            over = when + timedelta(seconds=QUARANTINE) <= self.now
            assert namespace == by or over, "another project gets an address after its quarantine only"
        self.given_back.pop(address, None)
        self.handed_over.discard(address)


def _name(obj: KubeObject) -> str:
    return str(obj["metadata"]["name"])
