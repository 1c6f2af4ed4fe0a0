# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Desired against observed: the smallest JSON merge patch (RFC 7386) that makes the difference go away."""

from __future__ import annotations

from typing import Any

from .resources import KubeObject

ATOMIC = frozenset({"selector", "podSelector", "namespaceSelector", "nodeSelector", "ingress"})
"""Fields that mean something only as a whole: one key too many, at any depth, is a difference (and may be an intruder).

Most are ``x-kubernetes-map-type: atomic``; in a NetworkPolicy's ``ingress`` every added key changes who is let in.
"""


def merge_patch(desired: KubeObject, observed: KubeObject) -> KubeObject:
    """The patch from what is observed to what is desired; empty when nothing is to be done.

    Only what ``desired`` names is compared, so what the server or others add stays theirs. A desired None means
    that the field is to be absent. A list is desired as a whole: it is in place when it is as long as desired and
    each item holds what is desired of it. An ATOMIC field is to be equal, where empty and absent are the same.
    """
    patch: KubeObject = {}
    for key, value in desired.items():
        current = observed.get(key)
        if value == current:  # Whole trees at once, as most are: key by key it takes many times as long.
            continue
        if isinstance(value, dict) and isinstance(current, dict) and key not in ATOMIC:
            inner = merge_patch(value, current)
            if inner:
                patch[key] = inner
        elif not _in_place(key, value, current):
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


def _in_place(key: str, desired: Any, observed: Any) -> bool:
    if isinstance(desired, (dict, list)) and observed is None:
        return not desired
    return bool(desired == observed) if key in ATOMIC else _satisfied(desired, observed)


def _satisfied(desired: Any, observed: Any) -> bool:
    if desired == observed:
        return True
    if isinstance(desired, dict):
        return isinstance(observed, dict) and all(
            _in_place(key, value, observed.get(key)) for key, value in desired.items()
        )
    if isinstance(desired, list):
        return (
            isinstance(observed, list)
            and len(desired) == len(observed)
            and all(_satisfied(wanted, found) for wanted, found in zip(desired, observed))
        )
    return False
