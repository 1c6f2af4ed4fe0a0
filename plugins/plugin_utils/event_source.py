# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
# GNU General Public License v3.0+ (see https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tells a rulebook what happens to leases: threads follow the cluster, and the event loop of asyncio passes it on."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from threading import Event as Flag
from threading import Thread
from typing import Any, Callable, Mapping, Protocol

from ansible_collections.avi.egress.plugins.module_utils.api.errors import EgressError, InvalidInput
from ansible_collections.avi.egress.plugins.module_utils.client.connection import Connection, remove_keys
from ansible_collections.avi.egress.plugins.module_utils.client.kube_client import KubeClient
from ansible_collections.avi.egress.plugins.module_utils.module.argument_specs import ArgumentSpec
from ansible_collections.avi.egress.plugins.module_utils.module.events.follower import Follower
from ansible_collections.avi.egress.plugins.module_utils.module.events.history import TOLD_BY, Event
from ansible_collections.avi.egress.plugins.module_utils.module.runner import PATIENCE_SECONDS
from ansible_collections.avi.egress.plugins.plugin_utils.questions import options_of

SUBJECT = "leases"
SPEC = ArgumentSpec(
    {"kinds": {"type": "list", "elements": "str", "choices": list(TOLD_BY), "default": list(TOLD_BY)}},
)
OF_RULEBOOKS = "eda_feedback_queue"
"""What ansible-rulebook adds to the arguments of a source whose rulebook asks for feedback."""


class Queue(Protocol):
    """Where a rulebook takes its events from; it is full as long as the rulebook is busy."""

    async def put(self, event: dict[str, Any]) -> None:
        """Wait until there is room, and hand one over."""


async def tell(queue: Queue, args: Mapping[str, Any]) -> None:
    """Tell all events of the kinds asked for until it is cancelled; EgressError, one sentence, where it can't.

    Each kind of object is followed by a thread, which waits while the queue is full: so no more is in memory than what
    the ledgers keep.
    """
    options = options_of({name: value for name, value in args.items() if name != OF_RULEBOOKS}, SPEC)
    kinds = options["kinds"]
    if not kinds:
        raise InvalidInput(SUBJECT, "kinds", kinds, f"give some of {', '.join(TOLD_BY)}, or leave it out for all")
    connection = Connection.from_options(options)
    loop, stopping = asyncio.get_running_loop(), Flag()
    putting: set[asyncio.Task[Any]] = set()

    def connect() -> KubeClient:
        return KubeClient(connection, PATIENCE_SECONDS)

    async def put(event: Event) -> None:
        task = asyncio.current_task()
        if task and not stopping.is_set():
            putting.add(task)
            await queue.put(event.content)
            putting.discard(task)

    def pass_on(event: Event) -> None:
        if event.kind in kinds and not stopping.is_set():
            asyncio.run_coroutine_threadsafe(put(event), loop).result()

    connect()  # what leads nowhere is told before anything starts, and keys are written by one thread
    resources = {TOLD_BY[kind].plural: TOLD_BY[kind] for kind in kinds}.values()
    followers = [Follower(connect, resource, pass_on, stopping) for resource in resources]
    try:
        await asyncio.gather(*(_in_thread(follower.run, loop) for follower in followers))
    finally:
        stopping.set()
        for task in putting:  # or its thread would wait for a rulebook that is gone
            task.cancel()
        remove_keys()


def _in_thread(work: Callable[[], None], loop: asyncio.AbstractEventLoop) -> asyncio.Future[None]:
    """The end of some work that runs beside the loop; the process does not wait for it when it ends."""
    ended: asyncio.Future[None] = loop.create_future()

    def end(error: BaseException | None) -> None:
        if not ended.done():
            ended.set_exception(error) if error else ended.set_result(None)

    def run() -> None:
        error: BaseException | None = None
        try:
            work()
        except EgressError as told:
            error = told.with_traceback(None)  # ansible-rulebook would print it, and the sentence says it all
        except BaseException as caught:  # whatever it is, the loop is to know
            error = caught
        with suppress(RuntimeError):  # the loop is closed, so nobody waits
            loop.call_soon_threadsafe(end, error)

    Thread(target=run, daemon=True).start()
    return ended
