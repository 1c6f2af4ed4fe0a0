# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Loads the nftables tables and reads them back."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv6Address

from egress_router import ruleset
from egress_router.config import Config, ServedPort
from egress_router.family import Address
from egress_router.namespace import Namespace
from egress_router.nftables import Nftables, NftablesError
from egress_router.ruleset import Json, PodInterface


class Nat:
    """The table ``inet egress`` of the namespace in which the calls are made."""

    def __init__(self, config: Config, pod: PodInterface) -> None:
        self._config = config
        self._pod = pod
        self._nftables = Nftables()
        self._addresses: dict[ServedPort, Address] = {}
        self._fingerprint: Json = {}

    def load(self, addresses: Mapping[ServedPort, Address]) -> None:
        """Replace the whole table, atomically; raise ``NftablesError``."""
        self._nftables.run(ruleset.load(self._config, self._pod, addresses))
        self._remember(addresses)

    def redirect_to(self, addresses: Mapping[ServedPort, Address]) -> bool:
        """Change the destinations' addresses in place if they differ; whether they did."""
        if dict(addresses) == self._addresses:
            return False
        self._nftables.run(ruleset.redirect_to(addresses))
        self._remember(addresses)
        return True

    def addresses(self) -> Mapping[ServedPort, Address]:
        """Where each served port leads since the last transaction; refused ports are missing."""
        return self._addresses

    def is_intact(self) -> bool:
        """Whether the table is as it was when this object last wrote it."""
        try:
            return ruleset.fingerprint(self._nftables.run(ruleset.listing())) == self._fingerprint
        except NftablesError:
            return False

    def installed(self) -> dict[ServedPort, Address]:
        """The destinations' addresses in the table as it stands: after a restart, those of the router before."""
        try:
            return ruleset.addresses_in(self._nftables.run(ruleset.listing()))
        except NftablesError:
            return {}

    def counters(self) -> dict[str, tuple[int, int]]:
        """Packets and bytes by counter name; nothing if the table is gone."""
        try:
            return ruleset.counters_in(self._nftables.run(ruleset.listing()))
        except NftablesError:
            return {}

    def _remember(self, addresses: Mapping[ServedPort, Address]) -> None:
        self._addresses = dict(addresses)
        self._fingerprint = ruleset.fingerprint(self._nftables.run(ruleset.listing()))


class ConflictMark:
    """That the pod has told of a conflict, kept in the namespace in which the calls are made."""

    def __init__(self) -> None:
        self._nftables = Nftables()

    def is_set(self) -> bool:
        """Whether an earlier router of this pod has told."""
        try:
            self._nftables.run(ruleset.listing(ruleset.TOLD_TABLE))
        except NftablesError:
            return False
        return True

    def set(self) -> None:
        """From now on it has; raise ``NftablesError``."""
        self._nftables.run(ruleset.mark(ruleset.TOLD_TABLE))

    def remove(self) -> None:
        """It may tell again; raise ``NftablesError``."""
        self._nftables.run(ruleset.remove(ruleset.TOLD_TABLE))


class NodeGuard:
    """The node's table for an IPv6 source (``ruleset.guard_node``)."""

    def __init__(self, node: Namespace, link: str, source: IPv6Address) -> None:
        """``link``: the name of the veth's end on the node; the table has the same."""
        self._node = node
        self._link = link
        self._source = source
        self._nftables = Nftables()
        self._fingerprint: Json | None = None

    @property
    def is_loaded(self) -> bool:
        """Whether this object ever wrote the table."""
        return self._fingerprint is not None

    def load(self) -> None:
        """Replace the table, atomically; raise ``NftablesError``."""
        with self._node.entered():
            self._nftables.run(ruleset.guard_node(self._link, self._link, self._source))
        self._fingerprint = self._listed()

    def is_intact(self) -> bool:
        """Whether the table is as it was when this object last wrote it."""
        return self._fingerprint is not None and self._listed() == self._fingerprint

    def remove(self) -> None:
        """Leave nothing behind; raise ``NftablesError``."""
        with self._node.entered():
            self._nftables.run(ruleset.remove(self._link))
        self._fingerprint = None

    def _listed(self) -> Json | None:
        try:
            with self._node.entered():
                return ruleset.fingerprint(self._nftables.run(ruleset.listing(self._link)))
        except NftablesError:
            return None
