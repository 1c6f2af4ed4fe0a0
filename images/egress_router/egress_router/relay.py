# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Loads the node's tables that pass frames between uplink and link, and reads them back."""

from __future__ import annotations

from contextlib import suppress

from egress_router import relay_rules
from egress_router.namespace import Namespace
from egress_router.nftables import Nftables, NftablesError
from egress_router.relay_rules import Relay
from egress_router.rtnetlink import RouteNetlink


class RelayTables:
    """The tables ``netdev av…`` and ``inet av…`` of the node, named like the link's end there."""

    def __init__(self, node: Namespace, name: str) -> None:
        self._node = node
        self._name = name
        self._nftables = Nftables()
        self._loaded: Relay | None = None
        self._texts: list[bytes] = []

    def is_there(self) -> bool:
        """Whether the node has the table that passes frames, whatever is in it: while it has, the address is held."""
        return bool(self._listed(relay_rules.listings(self._name)[:1]))

    def is_intact(self, relay: Relay) -> bool:
        """Whether the tables are for this relay, and as they were when this object last wrote them."""
        if self._loaded != relay or not self._texts:
            return False
        return self._listed(relay_rules.listings(self._name)) == self._texts

    def refusal(self, relay: Relay) -> str | None:
        """What the kernel says if it can't load such tables; nothing is changed by asking."""
        try:
            with self._node.entered():
                self._nftables.check(relay_rules.trial(relay))
        except NftablesError as error:
            return str(error)
        return None

    def load(self, relay: Relay) -> None:
        """Replace the tables, atomically; raise ``NftablesError``."""
        self._run(relay_rules.load(relay))
        self._loaded = relay
        self._texts = self._listed(relay_rules.listings(self._name))

    def remove(self) -> None:
        """Leave nothing behind; raise ``NftablesError``."""
        self._run(relay_rules.remove(self._name))
        self._loaded = None

    def _listed(self, scripts: list[str]) -> list[bytes]:
        """What the scripts list; nothing unless all of it is there."""
        try:
            with self._node.entered():
                return [self._nftables.text(script) for script in scripts]
        except NftablesError:
            return []

    def _run(self, script: str) -> None:
        with self._node.entered():
            self._nftables.run(script)


def remove_orphans(node: Namespace, netlink: RouteNetlink) -> list[str]:
    """Remove the tables of links that are gone, as killed pods leave them; the links' names; raise OSError.

    ``netlink``: into the node's namespace. A router makes its link before its tables, so what is listed and has no link
    is nobody's; what is loaded after that is another table, by its handle.
    """
    nftables = Nftables()
    with node.entered():
        tables = relay_rules.handles_in(nftables.read(relay_rules.listing_of_all()))
        gone = {link for link in {table.link for table in tables} if netlink.find_link(link) is None}
        for table in tables:
            if table.link in gone:
                # Another router that looks at the same time may be faster.
                with suppress(NftablesError):
                    nftables.run(relay_rules.remove_exactly(table))
    return sorted(gone)
