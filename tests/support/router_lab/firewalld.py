# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""A node with firewalld, the daemon itself, and a message bus of its own for it."""

from __future__ import annotations

from typing import Final

from tests.support.router_lab.lab import Lab
from tests.support.router_lab.node import Node
from tests.support.router_lab.services import Services

# Root alone is in these namespaces, so a session's bus, which lets everybody do everything, does for the system's.
# The zone `external` masquerades; as it comes, IPv4 alone.
_START: Final = r"""
for folder in /run /var/log; do mount -t tmpfs tmpfs $folder; done
cp -r /etc/firewalld /run/configuration
mount --bind /run/configuration /etc/firewalld
sed 's|</zone>|<rule family="ipv6"><masquerade/></rule></zone>|' /usr/lib/firewalld/zones/external.xml \
  >/etc/firewalld/zones/external.xml
mkdir /run/dbus
dbus-daemon --session --address=unix:path=/run/dbus/system_bus_socket --fork --nopidfile
firewalld --nopid
until firewall-cmd --state; do sleep 0.1; done
"""


def start_firewalld(lab: Lab, node: Node) -> Services:
    """With the configuration of the package: all interfaces are in the default zone, which doesn't masquerade."""
    return lab.services(node, _START)


def put_in_zone(firewalld: Services, zone: str) -> None:
    """Assign the uplink to a zone, by the configuration that is kept, and have it reloaded."""
    for command in (("--permanent", f"--zone={zone}", "--change-interface=up0"), ("--reload",)):
        firewalld.run("firewall-cmd", *command)
