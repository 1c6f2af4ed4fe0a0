# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The interface of reconcilers, and what one of them returns (controller-runtime's ``Reconciler`` and ``Result``)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from egress_controller.runtime.keys import Key


@dataclass(frozen=True)
class Result:
    """When a key is to be reconciled again, although no change calls for it."""

    requeue_after: float
    """In seconds."""


class Reconciler(Protocol):
    """Makes what a key names as it should be."""

    def reconcile(self, key: Key) -> Result | None:
        """None: only a change brings the key back. NotYet and errors of the API server bring it back by themselves."""


def soonest(*results: Result | None) -> Result | None:
    """The one of several results that comes first; None if none of them asks to come back."""
    found = [result for result in results if result]
    return min(found, key=lambda result: result.requeue_after, default=None)
