# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""libnftables: runs JSON commands as one transaction, all or nothing.

The library is called directly: its C interface is the same in every release of ``libnftables.so.1``, while Debian's
Python binding is bound to one Python and brings a JSON schema validator along.
"""

from __future__ import annotations

import ctypes
import json
from threading import Lock
from typing import Final

from egress_router.ruleset import Json

_OUTPUT_JSON: Final = 1 << 4


class NftablesError(OSError):
    """The kernel or the library refused a transaction; the text is libnftables' own."""


class Nftables:
    """Works in the network namespace in which it is called."""

    def __init__(self) -> None:
        self._library = _library()
        # The health port's thread reads counters while the main one may be loading.
        self._lock = Lock()

    def run(self, commands: Json) -> Json:
        """The answer to ``commands``; raise ``NftablesError``."""
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
