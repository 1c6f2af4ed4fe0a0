# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What the kernel says is read as it means it; requests with effects are shown in tests/e2e/test_router_*.py."""

from __future__ import annotations

import errno
import hashlib
import socket
import subprocess
import sys

import pytest
from egress_router.digest import sha256_hex
from egress_router.netlink import NetlinkError
from egress_router.rtnetlink import RouteNetlink


def test_the_loopback_interface_is_read() -> None:
    with RouteNetlink() as netlink:
        (link,) = netlink.link("get", ifname="lo")
        assert netlink.get_links(master=link["index"]) == [], "it has no ports"
        assert (link.get_attr("IFLA_IFNAME"), link.get_attr("IFLA_ADDRESS")) == ("lo", "00:00:00:00:00:00")
        assert link.get_attr("IFLA_MASTER") is None
        addresses = netlink.get_addr(family=socket.AF_INET, index=link["index"])
        assert ("127.0.0.1", 8) in [(found.get_attr("IFA_ADDRESS"), found["prefixlen"]) for found in addresses]
        (route,) = netlink.route("get", dst="127.0.0.1", family=socket.AF_INET)
        assert route.get_attr("RTA_OIF") == link["index"]


def test_tables_and_rules_are_read() -> None:
    with RouteNetlink() as netlink:
        local = netlink.get_routes(family=socket.AF_INET, table=255)
        assert "127.0.0.1" in [route.get_attr("RTA_DST") for route in local]
        assert netlink.get_routes(family=socket.AF_INET, table=987654) == []
        tables = [rule.get_attr("FRA_TABLE") for rule in netlink.get_rules(family=socket.AF_INET)]
        assert {254, 255} <= set(tables)


def test_a_refusal_has_the_kernels_error_number() -> None:
    with RouteNetlink() as netlink:
        with pytest.raises(NetlinkError) as caught:
            netlink.link("get", ifname="none-such")
        assert caught.value.code == errno.ENODEV
        assert netlink.link("get", ifname="lo"), "and the connection goes on"


def test_the_router_loads_nothing_but_the_standard_library() -> None:
    """Each of the libraries that it once had took more memory than all of the router."""
    script = "import sys, egress_router.main; print(*{name.partition('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True, text=True)
    loaded = set(done.stdout.split()) - set(sys.stdlib_module_names)
    heavy = {"ssl", "asyncio", "http", "email", "multiprocessing", "secrets", "hashlib"} & set(done.stdout.split())
    assert ({name for name in loaded if not name.startswith(("_", "sitecustomize"))}, heavy) == (
        {"egress_router"},
        set(),
    )


def test_a_digest_is_the_one_that_everybody_else_has() -> None:
    assert sha256_hex(b"\x0a\x46\x70\x9b") == hashlib.sha256(b"\x0a\x46\x70\x9b").hexdigest()
