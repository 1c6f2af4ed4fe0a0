# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The workers: threads that take keys off the queue, have them reconciled, and bring them back where that is due."""

from __future__ import annotations

import logging
import threading
import time
import traceback
from typing import Callable, Mapping

from ansible_collections.avi.egress.plugins.module_utils.api.errors import AlreadyExists, ApiError, Conflict, NotFound
from ansible_collections.avi.egress.plugins.module_utils.client.connection import ConnectionFailed

from egress_controller.runtime.errors import NotYet, StillWaiting
from egress_controller.runtime.keys import Key
from egress_controller.runtime.logs import line
from egress_controller.runtime.metrics import Metrics
from egress_controller.runtime.outages import Outages
from egress_controller.runtime.reconciler import Reconciler
from egress_controller.runtime.work_queue import MAX_DELAY_SECONDS, WorkQueue

NOT_YET_SECONDS = 0.1
REFUSED_SECONDS = 300.0
"""How seldom a key comes back in the end that the API server refuses until somebody changes something (a quota)."""

_log = logging.getLogger(__name__)

Reconcilers = Mapping[str, Reconciler]
"""By a key's kind."""


class Workers:
    """Reconcile keys. One key's failure is its own: it backs off, the others go on."""

    def __init__(
        self,
        queue: WorkQueue[Key],
        reconcilers: Reconcilers,
        outages: Outages,
        metrics: Metrics,
        on_error: Callable[[Key, str], None],
    ) -> None:
        self._queue = queue
        self._reconcilers = reconcilers
        self._outages = outages
        self._metrics = metrics
        self._on_error = on_error
        """Called with the key and the sentence of an unexpected error."""
        self._threads: list[threading.Thread] = []
        self._lock = threading.Lock()
        self._logged: dict[Key, str] = {}
        """The last traceback of each failing key, so that it is logged once."""

    def start(self, count: int) -> None:
        for number in range(count):
            thread = threading.Thread(target=self._work, name=f"worker-{number}", daemon=True)
            self._threads.append(thread)
            thread.start()

    def finish(self, seconds: float) -> bool:
        """Hand out no more keys; whether all reconciliations ended in time."""
        self._queue.shut_down()
        end = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, end - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    @property
    def alive(self) -> bool:
        return all(thread.is_alive() for thread in self._threads)

    def _work(self) -> None:
        while (key := self._queue.get()) is not None:
            started = time.monotonic()
            result = self.handle(key)
            seconds = time.monotonic() - started
            self._metrics.reconciled(key.kind, result, seconds)
            if _log.isEnabledFor(logging.DEBUG):
                _log.debug(line("reconciled", key=key, result=result, seconds=seconds))

    def handle(self, key: Key) -> str:
        """Reconcile a key that ``get`` gave; gives how that ended."""
        try:
            return self._attempt(key)
        finally:
            self._queue.done(key)

    def _attempt(self, key: Key) -> str:
        try:
            result = self._reconcilers[key.kind].reconcile(key)
        except NotYet as reason:
            if isinstance(reason, StillWaiting):
                self._queue.retry(key)
            else:
                self._queue.add_after(key, NOT_YET_SECONDS)
            return "deferred"
        except ConnectionFailed as error:
            self._outages.report(error)
            self._queue.retry(key)
            return "unreachable"
        except (Conflict, AlreadyExists, NotFound) as error:
            # Another client was faster, or a cache is behind: what is there now is looked at shortly.
            _log.debug(line("overtaken", key=key, error=error))
            self._queue.retry(key)
            return "conflict"
        except ApiError as error:
            longest = REFUSED_SECONDS if error.is_lasting else MAX_DELAY_SECONDS
            _log.warning(line("refused", key=key, error=error, again_in=self._queue.retry(key, longest)))
            return "error"
        except Exception as error:
            self._unexpected(key, error)
            return "error"
        self._queue.forget(key)
        if result:
            self._queue.add_after(key, result.requeue_after)
        with self._lock:
            self._logged.pop(key, None)
        return "ok"

    def _unexpected(self, key: Key, error: Exception) -> None:
        """A defect of ours: traceback once, and the others go on."""
        text = "".join(traceback.format_exception(error))
        with self._lock:
            news = self._logged.get(key) != text
            self._logged[key] = text
        message = f"{type(error).__name__}: {error}"
        delay = self._queue.retry(key)
        _log.error(line("reconcile-error", key=key, error=message, again_in=delay), exc_info=error if news else None)
        self._on_error(key, message)
