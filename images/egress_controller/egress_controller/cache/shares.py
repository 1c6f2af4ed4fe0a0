# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Whose work a key is: the projects take turns, so that none waits for all that another asks for."""

from __future__ import annotations

from egress_controller.runtime.keys import Key

_ADMINISTRATORS = ("cloud", "network")


def share_of(key: Key) -> str:
    """The project of a service or lease; each cloud and network has a share of its own, and all addresses have one."""
    if key.namespace:
        return f"project:{key.namespace}"
    if key.kind == "lease":
        _network, _dot, rest = key.name.partition(".")  # <network>.<namespace>.<service>.<slot>
        return f"project:{rest.partition('.')[0]}"
    return str(key) if key.kind in _ADMINISTRATORS else key.kind
