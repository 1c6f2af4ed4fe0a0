# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""libnftables: runs a script of nft(8) as one transaction, all or nothing.

The library is called directly: its C interface is the same in every release of ``libnftables.so.1``, while Debian's
Python binding is bound to one Python and brings a JSON schema validator along.
"""

from __future__ import annotations

import ctypes
import json
import struct
from threading import Lock
from typing import Final

from egress_router import netlink
from egress_router.ruleset import Json

# nftables/libnftables.h
_OUTPUT_STATELESS: Final = 1 << 2
_OUTPUT_JSON: Final = 1 << 4
# linux/netfilter/nf_tables.h, nfnetlink.h: the subsystem is the upper byte of a message's type.
_GET_GENERATION: Final = 10 << 8 | 16
_GENERATION_ID: Final = 1


class NftablesError(OSError):
    """The kernel or the library refused a transaction; the text is libnftables' own."""


class Nftables:
    """Works in the network namespace in which it is called."""

    def __init__(self) -> None:
        self._library = _library()
        # The health port's thread reads counters while the main one may be loading.
        self._lock = Lock()

    def run(self, script: str) -> None:
        """Change the rule set; raise ``NftablesError``."""
        self._answer(script, 0)

    def check(self, script: str) -> None:
        """Have the kernel try a change and take it back; raise ``NftablesError`` if it refuses."""
        self._answer(script, 0, is_trial=True)

    def read(self, script: str) -> Json:
        """What the script lists, as libnftables-json(5); raise ``NftablesError``."""
        answer: Json = json.loads(self._answer(script, _OUTPUT_JSON) or b"{}")
        return answer

    def text(self, script: str) -> bytes:
        """What the script lists, without counts and handles: if equal, it is untouched; raise ``NftablesError``."""
        return self._answer(script, _OUTPUT_STATELESS)

    def _answer(self, script: str, flags: int, *, is_trial: bool = False) -> bytes:
        library = self._library
        with self._lock:
            # A context caches what it saw of the ruleset; a fresh one can't be stale.
            context = library.nft_ctx_new(0)
            try:
                library.nft_ctx_buffer_output(context)
                library.nft_ctx_buffer_error(context)
                library.nft_ctx_output_set_flags(context, flags)
                library.nft_ctx_set_dry_run(context, is_trial)
                if library.nft_run_cmd_from_buffer(context, script.encode()) != 0:
                    message = library.nft_ctx_get_error_buffer(context).decode(errors="replace")
                    # What follows is the script, with marks below it.
                    raise NftablesError(f"nftables: {message.partition(chr(10))[0].removeprefix('Error: ')}")
                return bytes(library.nft_ctx_get_output_buffer(context) or b"")
            finally:
                library.nft_ctx_free(context)


class Generation:
    """Tells by a number of the kernel's whether anything in the rule set of a network namespace has changed."""

    def __init__(self) -> None:
        """For the namespace in which this is called; raise OSError."""
        self._socket = netlink.NetlinkSocket(netlink.NETFILTER)

    def now(self) -> int:
        """Counts transactions, of whichever table; raise OSError."""
        for answer in self._socket.ask(_GET_GENERATION, bytes(4), 0):
            (number,) = struct.unpack("!I", netlink.attributes(answer[4:])[_GENERATION_ID])
            return int(number)
        raise OSError("the kernel told no generation of its rule set")


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
    library.nft_ctx_set_dry_run.argtypes = [context, ctypes.c_bool]
    library.nft_run_cmd_from_buffer.argtypes = [context, ctypes.c_char_p]
    library.nft_ctx_get_output_buffer.argtypes = [context]
    library.nft_ctx_get_output_buffer.restype = ctypes.c_char_p
    library.nft_ctx_get_error_buffer.argtypes = [context]
    library.nft_ctx_get_error_buffer.restype = ctypes.c_char_p
    return library
