# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The streams of watches, and what can happen to them. JSON only: one event a line."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from aiohttp import ClientResponse, web

from tests.faults.connections import reset
from tests.faults.requests import ApiRequest
from tests.faults.rules import CutWatch, Fault, Gone, HoldWatch
from tests.faults.statuses import gone_event

_Selection = tuple[str, str | None, str | None]


class Expired:
    """The watches that were told 410, until their objects have been listed anew."""

    def __init__(self) -> None:
        self._selections: set[_Selection] = set()

    def add(self, request: web.Request) -> None:
        self._selections.add(_selection(request))

    def listed(self, request: web.Request) -> None:
        self._selections.discard(_selection(request))

    def has(self, asked: ApiRequest, request: web.Request) -> bool:
        return asked.verb == "watch" and _selection(request) in self._selections


class Watches:
    """Carries events from the API server's answers to those who watch."""

    def __init__(self, expired: Expired) -> None:
        self._expired = expired
        self._open: list[web.Request] = []

    def cut(self) -> None:
        """Reset the connections of all who watch now."""
        for request in list(self._open):
            reset(request)

    async def carry(self, request: web.Request, answer: ClientResponse, fault: Fault | None) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": answer.headers["Content-Type"]})
        await response.prepare(request)
        self._open.append(request)
        try:
            if isinstance(fault, HoldWatch):
                await _hold(answer, response, fault.seconds)
            elif isinstance(fault, CutWatch):
                await self._cut(request, answer, response, fault.events)
            elif isinstance(fault, Gone):
                await self._expire(request, answer, response, fault.events or 0)
            else:
                async for line in answer.content:
                    await response.write(line)
        finally:
            self._open.remove(request)
        return response

    async def _cut(
        self, request: web.Request, answer: ClientResponse, response: web.StreamResponse, events: int
    ) -> None:
        async for number, line in _numbered(answer):
            if number == events:
                await response.write(line[: len(line) // 2])
                reset(request)
                return
            await response.write(line)

    async def _expire(
        self, request: web.Request, answer: ClientResponse, response: web.StreamResponse, events: int
    ) -> None:
        if events:
            async for number, line in _numbered(answer):
                await response.write(line)
                if number + 1 == events:
                    break
            else:
                return
        self._expired.add(request)
        await response.write(gone_event())


async def _hold(answer: ClientResponse, response: web.StreamResponse, seconds: float) -> None:
    """Each line is written ``seconds`` after it came, however many came meanwhile."""
    clock = asyncio.get_running_loop().time
    held: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

    async def read() -> None:
        async for line in answer.content:
            held.put_nowait((clock() + seconds, line))
        held.put_nowait((clock(), b""))

    reading = asyncio.create_task(read())
    try:
        while True:
            due, line = await held.get()
            await asyncio.sleep(due - clock())
            if not line:
                await reading  # for its exception, if that was the end
                return
            await response.write(line)
    finally:
        reading.cancel()


async def _numbered(answer: ClientResponse) -> AsyncIterator[tuple[int, bytes]]:
    number = 0
    async for line in answer.content:
        yield number, line
        number += 1


def _selection(request: web.Request) -> _Selection:
    return request.path, request.query.get("labelSelector"), request.query.get("fieldSelector")
