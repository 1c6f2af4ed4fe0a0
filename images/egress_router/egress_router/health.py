# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The health port: open while the data path stands, closed otherwise; it speaks HTTP if asked.

A tcpSocket probe, as the article's, needs no more than the connect. ``/readyz`` also tells names without an address,
which close no port: the other destinations are served. ``/metrics`` is in Prometheus' text format.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from threading import Thread
from typing import Any, Final

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from egress_router import ruleset
from egress_router.config import Destination, ServedPort
from egress_router.nat import Counters

# Seconds that one client may take; requests are answered one after the other.
_PATIENCE: Final = 1.0

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Status:
    """What the router tells of itself. ``problem`` is None when everything is served.

    ``lookup_failures``: by host name; the others count since start.
    """

    problem: str | None
    counters: Counters
    lookup_failures: Mapping[str, int]
    claims: int
    conflicts: int
    repairs: int


class StatusCollector(Collector):
    """The metrics, made from a fresh ``Status`` on each scrape."""

    def __init__(self, routes: Mapping[ServedPort, Destination], status: Callable[[], Status]) -> None:
        self._routes = routes
        self._status = status

    def collect(self) -> Iterator[Metric]:
        """Families in the order in which an operator reads them."""
        status = self._status()
        yield GaugeMetricFamily(
            "egress_router_ready", "1 if every destination is served.", value=float(status.problem is None)
        )
        yield from self._forwarded(status.counters)
        yield _dropped(status.counters.drops)
        yield CounterMetricFamily(
            "egress_router_claims", "Times the source address was taken over.", value=status.claims
        )
        yield CounterMetricFamily(
            "egress_router_conflicts", "Times another station used the address.", value=status.conflicts
        )
        yield CounterMetricFamily("egress_router_repairs", "Settings of the data path put back.", value=status.repairs)
        failures = CounterMetricFamily("egress_router_resolution_errors", "Failed look-ups.", labels=["name"])
        for name, count in status.lookup_failures.items():
            failures.add_metric([name], count)
        yield failures

    def _forwarded(self, counters: Counters) -> Iterator[Metric]:
        labels = ["port", "destination", "direction"]
        packets = CounterMetricFamily("egress_router_packets", "Packets forwarded.", labels=labels)
        octets = CounterMetricFamily("egress_router_bytes", "Bytes forwarded.", labels=labels)
        for port, to in self._routes.items():
            for direction, counted in (("request", counters.requests), ("reply", counters.replies)):
                of_port = counted.get(port, (0, 0))
                packets.add_metric([str(port), str(to), direction], of_port[0])
                octets.add_metric([str(port), str(to), direction], of_port[1])
        yield packets
        yield octets


def _dropped(drops: Mapping[str, int]) -> Metric:
    family = CounterMetricFamily("egress_router_dropped_packets", "Packets dropped by the rule set.", labels=["reason"])
    for name in ruleset.DROPS:
        family.add_metric([name.removeprefix("dropped_")], drops.get(name, 0))
    return family


class HealthPort:
    """A TCP listener on every address of the pod."""

    def __init__(self, port: int, routes: Mapping[ServedPort, Destination], status: Callable[[], Status]) -> None:
        self._port = port
        self._status = status
        self._registry = CollectorRegistry()
        self._registry.register(StatusCollector(routes, status))
        self._listener: socket.socket | None = None

    def open(self) -> None:
        """Listen, if not yet; raise OSError."""
        if self._listener is not None:
            return
        self._listener = _listen(self._port)
        Thread(target=self._serve, args=(self._listener,), name="health", daemon=True).start()
        log.info("health port open port=%d", self._port)

    def close(self) -> None:
        """Refuse connections from now on."""
        if self._listener is None:
            return
        # close() alone would leave accept() waiting in its thread, and with it the port open.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._listener = None
        log.info("health port closed port=%d", self._port)

    def _serve(self, listener: socket.socket) -> None:
        handler = _handler(self._readyz, self._metrics)
        while True:
            try:
                connection, client = listener.accept()
            except OSError:
                return
            with connection:
                connection.settimeout(_PATIENCE)
                try:
                    handler(connection, client, None)
                except OSError:
                    # A probe that connects and leaves is what this port is for.
                    continue

    def _readyz(self) -> tuple[int, str, bytes]:
        problem = self._status().problem
        text = "ok" if problem is None else problem
        return (200 if problem is None else 503), "text/plain; charset=utf-8", f"{text}\n".encode()

    def _metrics(self) -> tuple[int, str, bytes]:
        return 200, "text/plain; version=0.0.4; charset=utf-8", generate_latest(self._registry)


def _listen(port: int) -> socket.socket:
    if socket.has_dualstack_ipv6():
        return socket.create_server(("", port), family=socket.AF_INET6, dualstack_ipv6=True)
    return socket.create_server(("", port))


Page = Callable[[], tuple[int, str, bytes]]


def _handler(readyz: Page, metrics: Page) -> Any:
    """A request handler class with these two pages."""
    pages = {"/readyz": readyz, "/metrics": metrics}

    class Handler(BaseHTTPRequestHandler):
        """Answers one request; the status line and two headers, no more."""

        def do_GET(self) -> None:
            """Serve a page, or 404."""
            page = pages.get(self.path.partition("?")[0])
            status, kind, body = page() if page else (404, "text/plain", b"/readyz or /metrics\n")
            self.send_response(status)
            self.send_header("Content-Type", kind)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:
            """A line per probe would be all that the log holds."""

    return Handler
