# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Finds the pod's first interface, by which clients come in."""

from __future__ import annotations

from ipaddress import ip_address
from typing import Final

from egress_router.family import IPV4, Family
from egress_router.link import LinkError
from egress_router.namespace import Namespace
from egress_router.ruleset import PodInterface

_RT_SCOPE_LINK: Final = 253
# linux/if_addr.h: a deprecated address, one that is not usable yet or never was.
_IFA_F_DADFAILED: Final = 0x08
_IFA_F_DEPRECATED: Final = 0x20
_IFA_F_TENTATIVE: Final = 0x40


def pod_interface(pod: Namespace, family: Family) -> PodInterface:
    """The interface of the pod's default route and its address; raise ``LinkError`` if there is none."""
    unusable = _IFA_F_DADFAILED | _IFA_F_DEPRECATED | _IFA_F_TENTATIVE
    with pod.netlink() as netlink:
        indexes = [
            route.get_attr("RTA_OIF")
            for route in netlink.get_routes(family=family.socket, table=254)
            if route["dst_len"] == 0 and route.get_attr("RTA_OIF") is not None
        ]
        for index in indexes:
            for address in netlink.get_addr(family=family.socket, index=index):
                # Every IPv6 interface has a link-local address, which no Service leads to.
                is_local = family is not IPV4 and address["scope"] == _RT_SCOPE_LINK
                if not is_local and not address["flags"] & unusable:
                    name = netlink.link("get", index=index)[0].get_attr("IFLA_IFNAME")
                    return PodInterface(name, ip_address(address.get_attr("IFA_ADDRESS")))
    raise LinkError(f"the pod has no interface with an {family} address and a default route: check its pod network")
