# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Network namespaces that a test run owns, and what is in them."""

from __future__ import annotations

import json
import os
import re
import subprocess
from typing import Any

from tests.support.waiting import wait_for

PREFIX = "avirt-"
_OF_THE_CARRIER = ("LOWER_UP", "NO-CARRIER", "linkdown")


def run(*command: str) -> str:
    """Output of a command of the lab's construction; raise CalledProcessError with its message in the test's report."""
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=30)
    assert done.returncode == 0, f"{' '.join(command)}: {done.stderr.strip()}"
    return done.stdout


def sweep() -> None:
    """Remove what test runs left behind whose process is gone."""
    for name in os.listdir("/run/netns") if os.path.isdir("/run/netns") else ():
        owner = re.fullmatch(PREFIX + r"(\d+)-.*", name)
        if owner and not os.path.isdir(f"/proc/{owner[1]}"):
            run("ip", "netns", "del", name)


def links(namespace: str) -> set[str]:
    """Names of the interfaces in a namespace."""
    return {link["ifname"] for link in json.loads(run("ip", "-n", namespace, "-j", "link", "show"))}


def mac_of(namespace: str, interface: str = "up0") -> str:
    """Of its interface on the LAN, unless told otherwise."""
    mac: str = json.loads(run("ip", "-n", namespace, "-j", "link", "show", interface))[0]["address"]
    return mac


def tables(namespace: str) -> set[str]:
    """Names of the nftables tables in a namespace."""
    listed = json.loads(run("ip", "netns", "exec", namespace, "nft", "--json", "list", "tables"))
    return {item["table"]["name"] for item in listed["nftables"] if "table" in item}


def settings(namespace: str) -> dict[str, Any]:
    """What a machine's owner has set there: addresses, routes, rules, entries of neighbours, the kernel's switches.

    Without what belongs to the routers' own interfaces, and without the state of entries, which changes by itself.
    """
    tentative = ("ip", "-6", "-n", namespace, "address", "show", "tentative")
    wait_for("duplicate address detection to end", lambda: not run(*tentative))
    shown = {
        f"{family} {what}": [
            _without_state(entry)
            for entry in json.loads(run("ip", f"-{family}", "-n", namespace, "-j", *what.split()))
            if not str(entry.get("dev", entry.get("ifname", ""))).startswith("av")
        ]
        for family in ("4", "6")
        for what in (
            "address show",
            "route show table all",
            "rule show",
            "neigh show nud permanent",
            "neigh show proxy",
        )
    }
    lines = run(
        "ip", "netns", "exec", namespace, "sysctl", "-a", "--pattern", r"^net\.ipv[46]\.(conf|neigh|ip_forward)"
    )
    return shown | {"sysctl": [line for line in lines.splitlines() if ".av" not in line]}


def _without_state(entry: dict[str, Any]) -> dict[str, Any]:
    """An entry of ``ip`` without what a cable that is put in or out makes of it, a moment later."""
    flags = [flag for flag in entry.get("flags", ()) if flag not in _OF_THE_CARRIER]
    return {**entry, "flags": flags, "operstate": None}
