# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What the machine must have before `up` may begin, as data and as a check."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from tests.cluster.errors import ClusterError

# Program -> Debian package. The Makefile installs the packages; `up` only looks.
PROGRAMS = {
    "etcd": "etcd-server",
    "containerd": "containerd",
    "ctr": "containerd",
    "runc": "runc",
    "nft": "nftables",
    "iptables": "iptables",
    "ipset": "ipset",
    "conntrack": "conntrack",
    "mount": "mount",
}
CNI_PLUGINS = Path("/usr/lib/cni")
CNI_PACKAGE = "containernetworking-plugins"
CNI_PROGRAMS = ("bridge", "host-local", "loopback", "portmap")

DEBIAN_PACKAGES = tuple(sorted({*PROGRAMS.values(), CNI_PACKAGE}))

# The administrator's folders are missing from the PATH of some shells.
SEARCH_PATH = os.pathsep.join([os.environ.get("PATH", "/usr/bin:/bin"), "/usr/local/sbin", "/usr/sbin", "/sbin"])


def check_root() -> None:
    if os.geteuid() != 0:
        raise ClusterError(
            "The local cluster makes network namespaces and mounts, which only root may do: run it with sudo."
        )


def check() -> None:
    """Raise a ClusterError for the first thing that is missing."""
    check_root()
    absent = {package for program, package in PROGRAMS.items() if not shutil.which(program, path=SEARCH_PATH)}
    absent |= {CNI_PACKAGE for program in CNI_PROGRAMS if not os.access(CNI_PLUGINS / program, os.X_OK)}
    if absent:
        names = " ".join(sorted(absent))
        raise ClusterError(
            f"Programs from these Debian packages are missing: {names}; install them with `apt-get install {names}`."
        )
    if not Path("/proc/net/if_inet6").exists():
        raise ClusterError("The kernel has no IPv6, and the cluster is dual-stack: boot without `ipv6.disable=1`.")
    if not Path("/proc/sys/net/bridge/bridge-nf-call-iptables").exists():
        raise ClusterError(
            "The kernel does not show bridged packets to netfilter, which NetworkPolicy needs: "
            "run `modprobe br_netfilter`."
        )
