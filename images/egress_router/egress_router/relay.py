# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Loads the node's table that passes frames between uplink and link, and reads it back."""

from __future__ import annotations

from egress_router import relay_rules
from egress_router.namespace import Namespace
from egress_router.nftables import Nftables, NftablesError
from egress_router.relay_rules import Relay


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
