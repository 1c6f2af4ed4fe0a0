# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The route to a routed EGRESS_SOURCE in the node's main table: into the link, by a protocol number of its own.

It is there for a routing daemon of the node (FRR, BIRD) to redistribute, while the router is ready; packets don't need
it. It goes with the link: when the pod's network namespace goes, the kernel removes both.
"""

from __future__ import annotations

import errno
from typing import Any, Final

from egress_router.config import Config
from egress_router.netlink import NetlinkError

# Beside those of /etc/iproute2/rt_protos and of linux/rtnetlink.h; MARK is 16726.
ROUTE_PROTOCOL: Final = 167
# Before a routing daemon's own, which have 20 (FRR) or 32 (BIRD). For IPv6 0 stands for 1024.
_METRIC: Final = 1
# linux/rtnetlink.h: the entry of the table, not what becomes of a packet.
_RTM_F_FIB_MATCH: Final = 0x2000
_RT_SCOPE_LINK: Final = 253
_NO_ROUTE: Final = (errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EACCES, errno.EINVAL, errno.ESRCH)


class HostRoute:
    """The route of one router, on one node."""

    def __init__(self, config: Config, node: Any) -> None:
        """``node``: a route netlink connection into the node's namespace."""
        self._source = config.source
        self._family = config.family
        self._netlink = node

    def is_there(self, index: int) -> bool:
        """Whether the node has the route by the interface with that index."""
        route = self._entry(oif=index)
        return route is not None and route["proto"] == ROUTE_PROTOCOL

    def put(self, index: int) -> None:
        """Have the node offer the address by that interface; raise ``NetlinkError``."""
        self._netlink.route("replace", **self._route(index))

    def withdraw(self, index: int) -> None:
        """Have the node offer it no more; raise ``NetlinkError``."""
        if self.is_there(index):
            self._netlink.route("del", **self._route(index))

    def of_another(self) -> str | None:
        """Another's route to this one address, such as a routing daemon learns from another node; None if none is.

        To be asked while this one's own is not there.
        """
        route = self._entry()
        if route is None:
            return None
        name = self._netlink.link("get", index=route.get_attr("RTA_OIF"))[0].get_attr("IFLA_IFNAME")
        gateway = route.get_attr("RTA_GATEWAY")
        return f"{f'by {name}' if gateway is None else f'via {gateway}'}, protocol {route['proto']}"

    def _route(self, index: int) -> dict[str, Any]:
        return {
            "dst": self._family.host(self._source),
            "family": self._family.socket,
            "oif": index,
            "priority": _METRIC,
            "protocol": ROUTE_PROTOCOL,
            "scope": _RT_SCOPE_LINK,
        }

    def _entry(self, **more: int) -> Any | None:
        """The node's route to this address alone, if that is what a packet to it would follow."""
        try:
            (route,) = self._netlink.route(
                "get", dst=str(self._source), family=self._family.socket, flags=_RTM_F_FIB_MATCH, **more
            )
        except NetlinkError as error:
            if error.code in _NO_ROUTE:
                return None
            raise
        return route if route["dst_len"] == self._family.bits and route.get_attr("RTA_OIF") else None
