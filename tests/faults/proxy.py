# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The server: one request after another to the real API server, but for what the plan has in store for it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from http import HTTPStatus
from pathlib import Path
from types import TracebackType

import aiohttp
from aiohttp import web
from multidict import CIMultiDict
from yarl import URL

from tests.faults import statuses
from tests.faults.connections import close, reset
from tests.faults.journal import Journal
from tests.faults.plan import Plan
from tests.faults.requests import READS, ApiRequest
from tests.faults.rules import Delay, Fault, Gone, LoseReply, Refuse, Reset, Rule, Stale
from tests.faults.upstream import Upstream, kubeconfig_for
from tests.faults.watches import Expired, Watches

START_SECONDS = 10
STOP_SECONDS = 10
CLOSING_SECONDS = 0.5
"""How long requests that are under way at the end may take."""
LONGEST_LINE = 4 * 2**20
"""An event is one line, and etcd keeps no object of more than 1.5 MiB."""
LARGEST_BODY = 16 * 2**20

# RFC 9110, 7.6.1; the length is the library's to say, which sends a body that it has whole.
_OUR_OWN = frozenset(
    {"connection", "keep-alive", "te", "trailer", "transfer-encoding", "upgrade", "host", "content-length", "expect"}
)
_NOT_OURS_TO_SAY = ("Accept", "Accept-Encoding", "Content-Type", "User-Agent")
"""What the library would add where the client leaves it out."""


class FaultProxy:
    """Plain HTTP on a port of loopback, in a thread of its own. Its methods are for the test's threads.

    A client without an Authorization header of its own is whom the given kubeconfig names. Upgrades (exec,
    port-forward) and followed logs are not for it.
    """

    def __init__(self, kubeconfig: Path, folder: Path) -> None:
        """``kubeconfig`` is the way to the API server; the attribute of that name is the way to this proxy."""
        self.journal = Journal()
        self._upstream = Upstream.of(kubeconfig)
        self.kubeconfig = folder / "faults.kubeconfig"
        self._plan = Plan((), 0)
        self._answers: dict[tuple[str, str | None], web.Response] = {}
        self._expired = Expired()
        self._watches = Watches(self._expired)
        self._started: Future[tuple[asyncio.AbstractEventLoop, asyncio.Event, int]] = Future()
        self._thread = threading.Thread(target=self._run, name="fault-proxy", daemon=True)

    def __enter__(self) -> FaultProxy:
        self._thread.start()
        self._started.result(START_SECONDS)
        kubeconfig_for(self.url, self.kubeconfig)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        loop, ended, _port = self._started.result()
        loop.call_soon_threadsafe(ended.set)
        self._thread.join(STOP_SECONDS)
        if self._thread.is_alive():
            raise TimeoutError(f"the proxy has not ended within {STOP_SECONDS} s")

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._started.result()[2]}"

    def use(self, *rules: Rule, seed: int = 0) -> None:
        """From now on these rules, counted from their beginning; none of them: no faults."""
        plan = Plan(rules, seed)
        self._in_loop(lambda: self._replace(plan))

    def cut_watches(self) -> None:
        """Reset the connections of all who watch now."""
        self._in_loop(self._watches.cut)

    def _replace(self, plan: Plan) -> None:
        self._plan = plan
        self._answers.clear()

    def _in_loop(self, action: Callable[[], None]) -> None:
        async def act() -> None:
            action()

        asyncio.run_coroutine_threadsafe(act(), self._started.result()[0]).result(START_SECONDS)

    def _run(self) -> None:
        try:
            asyncio.run(self._serve())
        except BaseException as error:
            if self._started.done():
                raise
            self._started.set_exception(error)

    async def _serve(self) -> None:
        ended = asyncio.Event()
        application = web.Application(client_max_size=LARGEST_BODY)
        application.router.add_route("*", "/{path:.*}", self._handle)
        # A client that goes away ends its request, and with it the watch that the API server keeps for it.
        runner = web.AppRunner(application, handler_cancellation=True, shutdown_timeout=CLOSING_SECONDS)
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        port = int(runner.addresses[0][1])
        self._session = aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(limit=0),
            timeout=aiohttp.ClientTimeout(total=None),
            auto_decompress=False,
            read_bufsize=LONGEST_LINE,
        )
        async with self._session:
            self._started.set_result((asyncio.get_running_loop(), ended, port))
            await ended.wait()
            self._watches.cut()
            await runner.cleanup()

    async def _handle(self, request: web.Request) -> web.StreamResponse:
        await request.read()  # All of it, so that each client is at the same point when something happens to it.
        asked = ApiRequest.of(request.method, request.path, request.query)
        fault = Gone() if self._expired.has(asked, request) else self._plan.decide(asked)
        self.journal.add(asked, fault.name if fault else None)
        try:
            return await self._answer(request, asked, fault)
        except aiohttp.ClientError:
            close(request)  # What the API server leaves without an answer has none here either.
            return web.Response()

    async def _answer(self, request: web.Request, asked: ApiRequest, fault: Fault | None) -> web.StreamResponse:
        match fault:
            case Refuse():
                return statuses.refusal(fault)
            case Gone(events=None):
                self._expired.add(request)
                return statuses.gone()
            case Reset():
                reset(request)
                return web.Response()
            case Delay():
                await asyncio.sleep(fault.seconds)
            case Stale() if (known := self._answers.get(_key(request))) is not None:
                return _copy(known)
        response = await self._forward(request, asked, fault)
        if isinstance(fault, LoseReply):
            close(request)
        return response

    async def _forward(self, request: web.Request, asked: ApiRequest, fault: Fault | None) -> web.StreamResponse:
        headers = _passed_on(request.headers)
        own = "Authorization" not in headers
        if own:
            headers.update(self._upstream.headers)
        async with self._session.request(
            request.method,
            URL(self._upstream.host + request.raw_path, encoded=True),
            headers=headers,
            skip_auto_headers=_NOT_OURS_TO_SAY,
            data=await request.read() or None,
            ssl=self._upstream.tls if own else self._upstream.anonymous_tls,
            allow_redirects=False,
        ) as answer:
            if asked.verb == "watch" and answer.status == HTTPStatus.OK:
                return await self._watches.carry(request, answer, fault)
            response = web.Response(status=answer.status, headers=_passed_on(answer.headers), body=await answer.read())
        if asked.verb == "list" and answer.status == HTTPStatus.OK:
            self._expired.listed(request)
        if asked.verb in READS and self._plan.has(Stale):
            self._answers[_key(request)] = _copy(response)
        return response


def _passed_on(headers: Mapping[str, str]) -> CIMultiDict[str]:
    """The headers that are about the request or the answer, not about one connection."""
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in _OUR_OWN)


def _key(request: web.Request) -> tuple[str, str | None]:
    return request.raw_path, request.headers.get("Authorization")


def _copy(response: web.Response) -> web.Response:
    """An answer is sent once."""
    return web.Response(status=response.status, headers=response.headers, body=response.body)
