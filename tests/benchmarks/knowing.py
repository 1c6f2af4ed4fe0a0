# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What it costs a controller to know many addresses as taken: memory, and its own part of a claim.

In a process of its own: the controller's cache of EgressAddresses with its indexes, read from pages of JSON as the API
server writes them, but without the server, which would need minutes to store as many.
"""

from __future__ import annotations

import gc
import json
import multiprocessing
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from multiprocessing.connection import Connection as Pipe
from typing import Any

from ansible_collections.avi.egress.plugins.module_utils.api.addresses import IPV4
from ansible_collections.avi.egress.plugins.module_utils.api.errors import Expired
from ansible_collections.avi.egress.plugins.module_utils.api.resources import KubeObject, Resource
from ansible_collections.avi.egress.plugins.module_utils.client.kube_client import LIST_PAGE_SIZE, KubeClient, typed
from ansible_collections.avi.egress.plugins.module_utils.ipam.leases import Slot
from ansible_collections.avi.egress.plugins.module_utils.ipam.locks import address_object
from egress_controller.cache.caches import Caches
from egress_controller.ipam.claims import Claims
from egress_controller.runtime.outages import Outages

from tests.benchmarks.claimants import network_of, some_addresses
from tests.benchmarks.machine import resident_megabytes

NETWORK, CIDR = "known", "10.8.0.0/15"
CLAIMS = 20


@dataclass(frozen=True)
class Cost:
    """Memory in megabytes (2^20 bytes): what the process grew by since its imports were done."""

    addresses: int
    json_bytes: int
    """Of one address, as the server lists it."""
    grown: float
    relisted: float
    """By how much it has grown after a second list, in which nothing is new."""
    peak: float
    empty: float
    """What the process has before it knows any."""
    load_seconds: float
    claim_milliseconds: float
    """Processor time of one claim in the client, all requests left out."""


class _Paper(KubeClient):
    """A cluster that lists so many addresses, twice, is silent after that, and takes every write."""

    def __init__(self, template: KubeObject, count: int) -> None:
        self._template = template
        self._addresses = some_addresses(NETWORK, CIDR, count)
        """Made before anything is measured: they are the server's, not the controller's."""
        self.expire = threading.Event()
        """Set to end the first watch, so that the informer lists again."""
        self.listed = threading.Semaphore(0)

    def list_with_version(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        labels: str | None = None,
        fields: str | None = None,
        keep: Callable[[KubeObject], Any] = lambda obj: obj,
    ) -> tuple[list[Any], str]:
        items: list[Any] = []
        for page in self._pages():
            items += (keep(typed(item, resource)) for item in json.loads(page)["items"])
        return items, "1"

    def open_watch(self, *_arguments: object, **_options: object) -> object:
        self.listed.release()
        self.expire.wait()
        self.expire.clear()
        raise Expired(410, "too old")

    def get(self, resource: Resource, name: str, namespace: str | None = None) -> KubeObject | None:
        return None

    def create(self, resource: Resource, body: KubeObject, *, dry_run: bool = False) -> KubeObject:
        return {**body, "metadata": {**body["metadata"], "uid": str(uuid.uuid4()), "resourceVersion": "1"}}

    def replace(self, resource: Resource, body: KubeObject, subresource: str | None = None) -> KubeObject:
        return body

    def _pages(self) -> Iterator[bytes]:
        numbers = range(len(self._addresses))
        for first in numbers[::LIST_PAGE_SIZE]:
            items = [self.item(number, self._addresses[number]) for number in numbers[first:][:LIST_PAGE_SIZE]]
            yield b'{"items":[' + b",".join(items) + b"]}"

    def item(self, number: int, address: str) -> bytes:
        uid, holder_uid = (str(uuid.uuid5(uuid.NAMESPACE_OID, f"{kind} {number}")) for kind in ("address", "lease"))
        holder = {"metadata": {"name": f"{NETWORK}.project.service-{number}.0", "uid": holder_uid}}
        body = address_object(NETWORK, address, holder)
        metadata = {**self._template["metadata"], **body["metadata"], "uid": uid}
        metadata["resourceVersion"] = str(1_000_000 + number)
        return json.dumps({"metadata": metadata, "spec": body["spec"]}, separators=(",", ":")).encode()


class _Nobody:
    def changed(self, resource: Resource, event: str, obj: KubeObject) -> None:
        """Nothing follows from it here."""


def measure(template: KubeObject, count: int) -> Cost:
    """The cost of knowing ``count`` addresses like ``template``, which the API server made."""
    context = multiprocessing.get_context("spawn")
    ours, theirs = context.Pipe()
    process = context.Process(target=_measure, args=(theirs, template, count))
    process.start()
    theirs.close()
    try:
        cost: Cost = ours.recv()
        return cost
    finally:
        process.join()


def _measure(pipe: Pipe, template: KubeObject, count: int) -> None:
    paper, network = _Paper(template, count), network_of(NETWORK, CIDR)
    size = len(paper.item(0, "10.8.0.1"))
    caches = Caches(paper, Outages(), _Nobody())
    gc.collect()
    before, begin = resident_megabytes(), time.monotonic()
    caches.addresses.start()
    paper.listed.acquire()
    seconds = time.monotonic() - begin
    gc.collect()
    after = resident_megabytes()
    paper.expire.set()
    paper.listed.acquire()
    gc.collect()
    relisted = resident_megabytes()
    claims, begin = Claims(paper, caches), time.process_time()
    for number in range(CLAIMS):
        claims.claim(network, Slot(NETWORK, "new", f"service-{number}", 0), IPV4)
    own_part = (time.process_time() - begin) / CLAIMS * 1000
    peak = resident_megabytes("VmHWM")
    pipe.send(Cost(count, size, after - before, relisted - before, peak - before, before, seconds, own_part))
