# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Network namespaces that a test run owns, and what is in them."""

from __future__ import annotations

import json
import os
import re
import subprocess

PREFIX = "avirt-"


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


def mac_of(namespace: str) -> str:
    """Of its interface on the LAN."""
    mac: str = json.loads(run("ip", "-n", namespace, "-j", "link", "show", "up0"))[0]["address"]
    return mac


def tables(namespace: str) -> set[str]:
    """Names of the nftables tables in a namespace."""
    listed = json.loads(run("ip", "netns", "exec", namespace, "nft", "--json", "list", "tables"))
    return {item["table"]["name"] for item in listed["nftables"] if "table" in item}
