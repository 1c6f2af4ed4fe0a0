# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What variables really give: a key without a value is as good as no key."""

from __future__ import annotations

from typing import Any

LABELS = frozenset({"matchLabels", "nodeSelector"})
"""Taken as they are: a label without a value is a condition, too, and without it a selector is one for all."""

REFUSED_EMPTY = frozenset({"allowedDestinations", "namespaces"})
"""Stay where they are there and empty, for without them all is allowed: the API server refuses them then."""


def given(value: Any) -> Any:
    """The value without those of its keys, at any depth, that are null, or an empty text, dictionary or list.

    Server-side apply has no such thing as a field that is there and empty: a dictionary that loses its last key becomes
    null, which the API server refuses then, and a list that loses its last item goes, and is back with the next run.
    """
    if isinstance(value, dict):
        items = {key: item if key in LABELS else given(item) for key, item in value.items()}
        return {
            key: item
            for key, item in items.items()
            if item not in (None, "", {}, []) or (key in REFUSED_EMPTY and value[key] not in (None, ""))
        }
    if isinstance(value, list):
        return [given(item) for item in value]
    return value
