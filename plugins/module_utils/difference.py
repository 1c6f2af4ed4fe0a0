# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Desired against observed: the smallest JSON merge patch (RFC 7386) that makes the difference go away."""

from __future__ import annotations

from typing import Any

from .resources import KubeObject

ATOMIC_MAPS = frozenset({"selector", "podSelector", "namespaceSelector", "nodeSelector"})
"""Maps that mean something only as a whole (``x-kubernetes-map-type: atomic``): a key too many is a difference."""


def merge_patch(desired: KubeObject, observed: KubeObject) -> KubeObject:
    """The patch from what is observed to what is desired; empty when nothing is to be done.

    Only what ``desired`` names is compared, so what the server or others add stays theirs. A desired None means
    that the field is to be absent. A list is desired as a whole: it is in place when it is as long as desired and
    each item holds what is desired of it.
    """
    patch: KubeObject = {}
    for key, value in desired.items():
        current = observed.get(key)
        if isinstance(value, dict) and isinstance(current, dict) and key not in ATOMIC_MAPS:
            inner = merge_patch(value, current)
            if inner:
                patch[key] = inner
        elif not _satisfied(value, current, atomic=key in ATOMIC_MAPS):
            patch[key] = _whole(value, current)
    return patch


def patched(observed: KubeObject, patch: KubeObject) -> KubeObject:
    """The object after the merge patch, as RFC 7386 §2 has it; for check mode and diffs."""
    result = dict(observed)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            current = result.get(key)
            result[key] = patched(current if isinstance(current, dict) else {}, value)
        else:
            result[key] = value
    return result


def _whole(desired: Any, observed: Any) -> Any:
    """The value that replaces what is there: a merge patch takes a map's key away by None, at every depth."""
    if not (isinstance(desired, dict) and isinstance(observed, dict)):
        return desired
    kept = {key: _whole(value, observed.get(key)) for key, value in desired.items()}
    return {**{key: None for key in observed if key not in desired}, **kept}


def _satisfied(desired: Any, observed: Any, atomic: bool = False) -> bool:
    if isinstance(desired, (dict, list)) and observed is None:
        return not desired
    if isinstance(desired, dict):
        if not isinstance(observed, dict) or (atomic and set(observed) - set(desired)):
            return False
        return all(_satisfied(value, observed.get(key), atomic or key in ATOMIC_MAPS) for key, value in desired.items())
    if isinstance(desired, list):
        return (
            isinstance(observed, list)
            and len(desired) == len(observed)
            and all(_satisfied(wanted, found, atomic) for wanted, found in zip(desired, observed))
        )
    return bool(desired == observed)
