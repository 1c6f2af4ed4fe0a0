# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What the event source for Event-Driven Ansible tells of a cluster."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

from ansible_collections.avi.egress.plugins.plugin_utils import event_source

LIMIT_SECONDS = 60


def first_event(kubeconfig: Path, kind: str, **facts: Any) -> dict[str, Any]:
    """The first event of a kind that has these facts, as a rulebook gets it; TimeoutError if there is none."""

    async def listen() -> dict[str, Any]:
        queue: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
        source = asyncio.create_task(event_source.tell(queue, {"kubeconfig": str(kubeconfig), "kinds": [kind]}))
        try:
            async with asyncio.timeout(LIMIT_SECONDS):
                while not facts.items() <= (event := await queue.get()).items():
                    pass
        finally:
            source.cancel()
            await asyncio.gather(source, return_exceptions=True)
        return event

    return asyncio.run(listen())
