# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""An administrator's word that a lease is meant to be given up, and so is no part of a mass release by accident.

It is about one holding of one lease: it is used up when that ends, and it is void after some minutes. Pure.
"""

from __future__ import annotations

from datetime import datetime, timedelta

from ..api.resources import RELEASE_CONFIRMED_ANNOTATION, KubeObject
from ..api.timestamps import parse_timestamp, timestamp
from . import lease_status

VALID = timedelta(minutes=10)
"""Long enough for pods to end and for the controller to be away meanwhile."""


def confirmation(now: datetime) -> dict[str, str]:
    """The annotations that say it of a lease."""
    return {RELEASE_CONFIRMED_ANNOTATION: timestamp(now)}


def is_confirmed(lease: KubeObject, now: datetime) -> bool:
    """Whether the holding of a lease, the present or the last one, was or is meant to end."""
    told = (lease["metadata"].get("annotations") or {}).get(RELEASE_CONFIRMED_ANNOTATION)
    holding = next(reversed(lease_status.of(lease)), None)
    if not told or holding is None:
        return False
    try:
        moment = parse_timestamp(told)
    except ValueError:
        return False
    end = min(holding.released_at or now, now)
    return holding.bound_at <= moment <= end and end - moment <= VALID
