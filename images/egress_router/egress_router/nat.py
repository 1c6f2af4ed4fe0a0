# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Loads the nftables tables and reads them back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from egress_router import ruleset
from egress_router.config import Config, ServedPort
from egress_router.family import Address
from egress_router.nftables import Generation, Nftables, NftablesError
from egress_router.ruleset import PodInterface, Route

Counted = Mapping[ServedPort, tuple[int, int]]


@dataclass(frozen=True)
class Counters:
    """Packets and bytes by served port, and packets dropped by the counter's name."""

    requests: Counted = field(default_factory=dict)
    replies: Counted = field(default_factory=dict)
    drops: Mapping[str, int] = field(default_factory=dict)


class Nat:
    """The table ``inet egress`` of the namespace in which the calls are made."""

    def __init__(self, config: Config, pod: PodInterface) -> None:
        self._config = config
        self._pod = pod
        self._nftables = Nftables()
        self._generation = Generation()
        self._seen: int | None = None
        self._addresses: dict[ServedPort, Address] = {}
        self._text = b""

    def load(self, addresses: Mapping[ServedPort, Address]) -> None:
        """Replace the whole table, atomically; raise ``NftablesError``."""
        self._nftables.run(ruleset.load(self._config, self._pod, self._routes(addresses)))
        self._remember(addresses)

    def redirect_to(self, addresses: Mapping[ServedPort, Address]) -> bool:
        """Change the destinations' addresses in place if they differ; whether they did."""
        if dict(addresses) == self._addresses:
            return False
        self._nftables.run(ruleset.redirect(self._routes(self._addresses), self._routes(addresses)))
        self._remember(addresses)
        return True

    def end_connections(self) -> None:
        """Answer every segment of a client with a reset from now on; raise ``NftablesError``."""
        self._nftables.run(ruleset.end_connections())

    def addresses(self) -> Mapping[ServedPort, Address]:
        """Where each served port leads since the last transaction; refused ports are missing."""
        return self._addresses

    def is_intact(self) -> bool:
        """Whether the table is as it was when this object last wrote it.

        It is read only if there was a transaction since, so a look costs the same for one port as for a thousand.
        """
        try:
            generation = self._generation.now()
            if generation != self._seen:
                if self._nftables.text(ruleset.listing()) != self._text:
                    return False
                self._seen = generation
        except NftablesError:
            return False
        return True

    def installed(self) -> dict[ServedPort, Address]:
        """The destinations' addresses in the table as it stands: after a restart, those of the router before."""
        try:
            return ruleset.addresses_in(self._nftables.read(ruleset.reading("map", ruleset.DESTINATIONS)))
        except NftablesError:
            return {}

    def counters(self) -> Counters:
        """What was counted so far; nothing if the table is gone."""
        read = self._nftables.read
        try:
            return Counters(
                ruleset.counted_in(read(ruleset.reading("set", ruleset.REQUESTS))),
                ruleset.counted_in(read(ruleset.reading("set", ruleset.REPLIES))),
                ruleset.drops_in(read(ruleset.reading_drops())),
            )
        except NftablesError:
            return Counters()

    def _routes(self, addresses: Mapping[ServedPort, Address]) -> dict[ServedPort, Route]:
        return {port: (address, self._config.routes[port].port) for port, address in addresses.items()}

    def _remember(self, addresses: Mapping[ServedPort, Address]) -> None:
        self._addresses = dict(addresses)
        # In this order: what changes in between is seen at the next look.
        self._seen = self._generation.now()
        self._text = self._nftables.text(ruleset.listing())


class ToldMark:
    """That the pod has told of one kind of trouble, kept in the namespace in which the calls are made."""

    def __init__(self, kind: str) -> None:
        self._table = f"{ruleset.TOLD_TABLE}_{kind.lower()}"
        self._nftables = Nftables()

    def is_set(self) -> bool:
        """Whether an earlier router of this pod has told."""
        try:
            self._nftables.text(ruleset.listing(self._table))
        except NftablesError:
            return False
        return True

    def set(self) -> None:
        """From now on it has; raise ``NftablesError``."""
        self._nftables.run(ruleset.mark(self._table))

    def remove(self) -> None:
        """It may tell again; raise ``NftablesError``."""
        self._nftables.run(ruleset.remove(self._table))
