# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Loads the pod's nftables table and reads it back, by libnftables.

The library is called directly: its C interface is the same in every release of ``libnftables.so.1``, while Debian's
Python binding is bound to one Python and brings a JSON schema validator along. A transaction is all or nothing.
"""

from __future__ import annotations

import ctypes
import json
from collections.abc import Mapping
from ipaddress import IPv4Address
from threading import Lock
from typing import Final

from egress_router import ruleset
from egress_router.config import Config, ServedPort
from egress_router.ruleset import Json, PodInterface

_OUTPUT_JSON: Final = 1 << 4


class NftablesError(OSError):
    """The kernel or the library refused a transaction; the text is libnftables' own."""


class Nat:
    """The table ``inet egress`` of the namespace in which the calls are made."""

    def __init__(self, config: Config, pod: PodInterface) -> None:
        self._config = config
        self._pod = pod
        self._library = _library()
        # The health port's thread reads counters while the main one may be loading.
        self._lock = Lock()
        self._addresses: dict[ServedPort, IPv4Address] = {}
        self._fingerprint: Json = {}

    def load(self, addresses: Mapping[ServedPort, IPv4Address]) -> None:
        """Replace the whole table, atomically; raise ``NftablesError``."""
        self._run(ruleset.load(self._config, self._pod, addresses))
        self._remember(addresses)

    def redirect_to(self, addresses: Mapping[ServedPort, IPv4Address]) -> bool:
        """Change the destinations' addresses in place if they differ; whether they did."""
        if dict(addresses) == self._addresses:
            return False
        self._run(ruleset.redirect_to(addresses))
        self._remember(addresses)
        return True

    def addresses(self) -> Mapping[ServedPort, IPv4Address]:
        """Where each served port leads since the last transaction; refused ports are missing."""
        return self._addresses

    def is_intact(self) -> bool:
        """Whether the table is as it was when this object last wrote it."""
        try:
            return ruleset.fingerprint(self._run(ruleset.listing())) == self._fingerprint
        except NftablesError:
            return False

    def installed(self) -> dict[ServedPort, IPv4Address]:
        """The destinations' addresses in the table as it stands: after a restart, those of the router before."""
        try:
            return ruleset.addresses_in(self._run(ruleset.listing()))
        except NftablesError:
            return {}

    def counters(self) -> dict[str, tuple[int, int]]:
        """Packets and bytes by counter name; nothing if the table is gone."""
        try:
            return ruleset.counters_in(self._run(ruleset.listing()))
        except NftablesError:
            return {}

    def _remember(self, addresses: Mapping[ServedPort, IPv4Address]) -> None:
        self._addresses = dict(addresses)
        self._fingerprint = ruleset.fingerprint(self._run(ruleset.listing()))

    def _run(self, commands: Json) -> Json:
        with self._lock:
            # A context caches what it saw of the ruleset; a fresh one can't be stale.
            context = self._library.nft_ctx_new(0)
            try:
                return self._run_in(context, json.dumps(commands).encode())
            finally:
                self._library.nft_ctx_free(context)

    def _run_in(self, context: int, commands: bytes) -> Json:
        library = self._library
        library.nft_ctx_buffer_output(context)
        library.nft_ctx_buffer_error(context)
        library.nft_ctx_output_set_flags(context, _OUTPUT_JSON)
        if library.nft_run_cmd_from_buffer(context, commands) != 0:
            message = library.nft_ctx_get_error_buffer(context).decode(errors="replace")
            raise NftablesError(f"nftables: {' '.join(message.split())}")
        answer: Json = json.loads(library.nft_ctx_get_output_buffer(context) or b"{}")
        return answer


def _library() -> ctypes.CDLL:
    """libnftables(3), with the types of the functions used here."""
    library = ctypes.CDLL("libnftables.so.1")
    context = ctypes.c_void_p
    library.nft_ctx_new.argtypes = [ctypes.c_uint32]
    library.nft_ctx_new.restype = context
    library.nft_ctx_free.argtypes = [context]
    library.nft_ctx_free.restype = None
    library.nft_ctx_buffer_output.argtypes = [context]
    library.nft_ctx_buffer_error.argtypes = [context]
    library.nft_ctx_output_set_flags.argtypes = [context, ctypes.c_uint]
    library.nft_run_cmd_from_buffer.argtypes = [context, ctypes.c_char_p]
    library.nft_ctx_get_output_buffer.argtypes = [context]
    library.nft_ctx_get_output_buffer.restype = ctypes.c_char_p
    library.nft_ctx_get_error_buffer.argtypes = [context]
    library.nft_ctx_get_error_buffer.restype = ctypes.c_char_p
    return library
