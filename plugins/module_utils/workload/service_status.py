# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What the status of an egress Service says."""

from __future__ import annotations

from typing import Sequence

from ..api.conditions import Condition, find
from ..api.reasons import Reason
from ..api.resources import (
    REACHABLE_CONDITION,
    READY_CONDITION,
    SERVED_CONDITION,
    WIDENED_CONDITION,
    KubeObject,
)

CONDITIONS = (READY_CONDITION, SERVED_CONDITION, REACHABLE_CONDITION, WIDENED_CONDITION)
"""The types of all that a Service may say."""


def service_conditions(condition: Condition | None, sources: Sequence[str] = ()) -> dict[str, Condition | None]:
    """What a Service says, by type: whether it is ready (None: not a word), and once it was, with which addresses."""
    if condition is None:
        return dict.fromkeys(CONDITIONS)
    served = {SERVED_CONDITION: _served(sources)} if condition.ready else {}
    return {READY_CONDITION: condition, **served}


def has_served(service: KubeObject, sources: Sequence[str]) -> bool:
    """Whether a Service says that it has been ready with these addresses."""
    served = find(service, SERVED_CONDITION)
    return served is not None and bool(served["message"] == _served(sources).message)


def _served(sources: Sequence[str]) -> Condition:
    return Condition(True, Reason.HAS_BEEN_READY, f"traffic has left from {','.join(sources)}")
