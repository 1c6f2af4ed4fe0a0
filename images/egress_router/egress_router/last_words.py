# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What lastingly keeps a router from serving is told once, by its termination message.

The pod has no way to the API server. But the kubelet reads what a container leaves in its termination log when it
ends, and shows it in the pod's status, which the controller watches. So the router ends, once for each kind of
trouble, and is started anew at once; as it did not serve, nothing is lost. A mark in the pod's network namespace, which
outlives the container, has the next one wait in silence: a router that ended again and again would be held back by the
kubelet, longer each time.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Protocol

from egress_router.family import Address
from egress_router.faults import Fault, Reason

# Seconds. A predecessor is gone within the 5 s that its pod has to end; its successor must not complain of it.
PATIENCE: Final = 20.0
# Kubernetes' default for terminationMessagePath. The kubelet makes the file; elsewhere there is none.
TERMINATION_LOG: Final = Path("/dev/termination-log")

CONFLICT: Final = "conflict"
_KINDS: Final = (CONFLICT, *(reason.value for reason in Reason))

log = logging.getLogger(__name__)


class Told(Exception):
    """The router has to end now, so that what it left is read. The text is what it left."""


@dataclass(frozen=True)
class Trouble:
    """What keeps the router from serving: its kind, and the termination message."""

    kind: str
    message: str


class Mark(Protocol):
    """What is there or not, and outlives the router."""

    def is_set(self) -> bool:
        """Whether it is there."""

    def set(self) -> None:
        """Put it there; raise OSError."""

    def remove(self) -> None:
        """Take it away, if it is there; raise OSError."""


class LastWords:
    """How long the same kind of trouble has lasted without a break, and which kinds have been told."""

    def __init__(
        self,
        termination_log: Path,
        patience: float,
        mark: Callable[[str], Mark],
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """``patience``: seconds for which trouble may last before it is told. ``mark``: that of a kind."""
        self._log = termination_log
        self._patience = patience
        self._marks = {kind: mark(kind) for kind in _KINDS}
        self._clock = clock
        self._kind: str | None = None
        self._since = 0.0
        self._told = {kind for kind, one in self._marks.items() if one.is_set()}

    def troubled(self, trouble: Trouble) -> None:
        """There is this trouble now; raise ``Told`` if it is to be told."""
        now = self._clock()
        if trouble.kind != self._kind:
            self._kind, self._since = trouble.kind, now
        if trouble.kind not in self._told and now - self._since >= self._patience:
            self._told.add(trouble.kind)
            self._tell(trouble)

    def untroubled(self) -> None:
        """Whatever keeps the router from serving now, it is none of these."""
        self._kind = None

    def over(self, *kinds: str) -> None:
        """Trouble of these kinds, or of all, is over; should it come again, it is to be told again; raise OSError."""
        self._kind = None
        for kind in self._told & set(kinds or _KINDS):
            self._marks[kind].remove()
            self._told.remove(kind)

    def _tell(self, trouble: Trouble) -> None:
        try:
            # Never made here: without a kubelet nobody would read it, nor start the router anew.
            with self._log.open("r+", encoding="ascii") as file:
                # Before the words: a router that told twice would do harm, one that doesn't only waits.
                self._marks[trouble.kind].set()
                file.write(trouble.message)
        except OSError as error:
            log.warning("%s; the cluster can't be told: %s", trouble.message, error)
        else:
            raise Told(trouble.message)


def conflict(source: Address, mac: bytes) -> Trouble:
    """Another host has the address; the controller parses exactly this message."""
    return Trouble(CONFLICT, f"conflict address={source} held-by={mac.hex(':')}")


def of_fault(fault: Fault) -> Trouble:
    """The message of a fault: ``message`` is all that follows, a sentence (docs/explanation/data-path.md)."""
    words = f"{fault.what}; {fault.remedy}"
    return Trouble(fault.reason.value, f"fault reason={fault.reason} address={fault.source} message={words}")
