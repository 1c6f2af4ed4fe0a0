# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Errors in a task about many objects: which item of its list they are about, and what was changed before."""

from __future__ import annotations

from typing import Sequence

from ..api.errors import EgressError

SHOWN = 5


def of_item(item: str, subject: str, error: EgressError) -> EgressError:
    """The error with the item of the list (``services[3]``) and the object it is about, which it may begin with."""
    text = str(error)
    return _retold(f"{item}, {text if text.startswith(subject) else f'{subject}: {text}'}", error)


def after_changes(changed: Sequence[str], error: EgressError) -> EgressError:
    """The error with the names of what had been changed before it."""
    told = _retold(f"{error}; changed already: {some(changed)}", error)
    told.changed = True
    return told


def some(told: Sequence[str]) -> str:
    """The first few of them, and how many more there are."""
    more = f" and {len(told) - SHOWN} more" if len(told) > SHOWN else ""
    return ", ".join(told[:SHOWN]) + more


def _retold(sentence: str, error: EgressError) -> EgressError:
    told = EgressError(sentence)
    told.reason, told.changed = error.reason, error.changed
    return told
