# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The ends of a client's connection that are not an answer."""

from __future__ import annotations

import socket
import struct

from aiohttp import web


def reset(request: web.Request) -> None:
    """As a machine that crashed and came back: RST, and what was not sent yet is lost."""
    if request.transport is not None:
        held = request.transport.get_extra_info("socket")
        held.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        request.transport.abort()


def close(request: web.Request) -> None:
    """As a load balancer that gave up: FIN."""
    if request.transport is not None:
        request.transport.close()
