# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Loads the node's table that passes frames between uplink and link, and reads it back."""

from __future__ import annotations

from contextlib import suppress

from egress_router import relay_rules
from egress_router.namespace import Namespace
from egress_router.nftables import Nftables, NftablesError
from egress_router.relay_rules import Relay
from egress_router.rtnetlink import RouteNetlink


class RelayTable:
    """The table ``netdev av…`` of the node, named like the link's end there."""

    def __init__(self, node: Namespace, name: str) -> None:
        self._node = node
        self._name = name
        self._nftables = Nftables()
        self._loaded: Relay | None = None
        self._text: bytes | None = None

    def is_there(self) -> bool:
        """Whether the node has the table, whatever is in it: while it has, the address is held."""
        return self._listed() is not None

    def is_intact(self, relay: Relay) -> bool:
        """Whether the table is for this relay, and as it was when this object last wrote it."""
        return self._loaded == relay and self._listed() == self._text

    def refusal(self, relay: Relay) -> str | None:
        """What the kernel says if it can't load such a table; nothing is changed by asking."""
        try:
            with self._node.entered():
                self._nftables.check(relay_rules.trial(relay))
        except NftablesError as error:
            return str(error)
        return None

    def load(self, relay: Relay) -> None:
        """Replace the table, atomically; raise ``NftablesError``."""
        self._run(relay_rules.load(relay))
        self._loaded = relay
        self._text = self._listed()

    def remove(self) -> None:
        """Leave nothing behind; raise ``NftablesError``."""
        self._run(relay_rules.remove(self._name))
        self._loaded = self._text = None

    def _listed(self) -> bytes | None:
        try:
            with self._node.entered():
                return self._nftables.text(relay_rules.listing(self._name))
        except NftablesError:
            return None

    def _run(self, script: str) -> None:
        with self._node.entered():
            self._nftables.run(script)


def remove_orphans(node: Namespace, netlink: RouteNetlink) -> list[str]:
    """Remove the tables of links that are gone, as killed pods leave them; their names; raise OSError.

    ``netlink``: into the node's namespace. A router makes its link before its table, so what is listed and has no link
    is nobody's; what is loaded after that is another table, by its handle.
    """
    nftables = Nftables()
    with node.entered():
        tables = relay_rules.handles_in(nftables.read(relay_rules.listing_of_all()))
        orphans = [name for name in tables if netlink.find_link(name) is None]
        for name in orphans:
            # Another router that looks at the same time may be faster.
            with suppress(NftablesError):
                nftables.run(relay_rules.remove_exactly(tables[name]))
    return orphans
