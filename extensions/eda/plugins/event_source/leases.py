# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""An event source of Event-Driven Ansible: what happens to the leases of a cluster."""

from __future__ import annotations

DOCUMENTATION = r"""
name: leases
short_description: Tell what happens to the leases of a cluster
version_added: 0.2.0
author:
  - avi.egress contributors (@avi-egress)
description:
  - Watches a cluster, and tells each event once, however often the watch breaks off or has to begin again.
  - When it starts, it tells the present state of everything there is. C(event.meta.uuid) is made from what an event
    tells, so it is the same whoever tells it and whenever.
  - It needs ansible-core, and the libraries that the modules need, in the Python that runs ansible-rulebook.
options:
  kinds:
    description:
      - Which events are wanted.
      - V(bound) and V(released) are about a lease, V(conflict) about an address that another host on the outside LAN
        answers for, V(exhausted) about an EgressNetwork without a free address, V(not_ready) about a secure egress
        service.
    type: list
    elements: str
    choices: [bound, released, conflict, exhausted, not_ready]
    default: [bound, released, conflict, exhausted, not_ready]
extends_documentation_fragment:
  - avi.egress.connection
notes:
  - The account has to list and watch EgressLeases for V(bound) and V(released), EgressAddresses for V(conflict),
    EgressNetworks for V(exhausted) and Services for V(not_ready).
"""

EXAMPLES = r"""
- avi.egress.leases:
    kinds: [bound, released]
"""

import asyncio
import sys
from pathlib import Path
from typing import Any

COLLECTIONS = Path(__file__).absolute().parents[7]
"""The folder of the folder ansible_collections, where this one is installed: ansible-rulebook tells Python of none."""


async def main(queue: asyncio.Queue[Any], args: dict[str, Any]) -> None:
    """What ansible-rulebook calls; it runs until it is cancelled."""
    sys.path.insert(0, str(COLLECTIONS))
    try:
        from ansible_collections.avi.egress.plugins.plugin_utils.event_source import tell
    except ImportError as error:
        raise RuntimeError(
            f"avi.egress.leases needs ansible-core beside ansible-rulebook in {sys.executable}: {error}"
        ) from error
    await tell(queue, args)
