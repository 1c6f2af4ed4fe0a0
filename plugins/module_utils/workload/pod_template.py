# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""A controller's pod template compared as a whole: each key in it may be a container, a right or a way in."""

from __future__ import annotations

from typing import Any, Mapping

from ..api.resources import KubeObject

_DEFAULTS: Mapping[str, Any] = {
    "dnsPolicy": "ClusterFirst",
    "procMount": "Default",
    "restartPolicy": "Always",
    "schedulerName": "default-scheduler",
    "scheme": "HTTP",
    "successThreshold": 1,
    "terminationMessagePath": "/dev/termination-log",
    "terminationMessagePolicy": "File",
}
"""What the API server adds to a pod template by itself, beside empty maps."""


def is_exact(desired: KubeObject, observed: KubeObject) -> bool:
    """Whether a template holds what is desired of it and, beside what the API server adds, nothing else."""
    return _is_exact(desired, observed)


def replacement(desired: Any, observed: Any) -> Any:
    """The merge patch (RFC 7386) of a template that leaves nothing in it but what is desired."""
    if not (isinstance(desired, dict) and isinstance(observed, dict)):
        return desired
    gone = {key: None for key in observed if key not in desired and observed[key] is not None}
    return {**gone, **{key: replacement(value, observed.get(key)) for key, value in desired.items()}}


def _is_exact(desired: Any, observed: Any) -> bool:
    if desired == observed:  # Whole trees at once, as most are.
        return True
    if isinstance(desired, dict) and isinstance(observed, dict):
        added = observed.keys() - desired.keys()
        return all(_is_default(key, observed[key]) for key in added) and all(
            _is_exact(value, observed.get(key)) for key, value in desired.items()
        )
    if isinstance(desired, list) and isinstance(observed, list):
        return len(desired) == len(observed) and all(map(_is_exact, desired, observed))
    return observed is None and desired in ({}, [])


def _is_default(key: str, value: Any) -> bool:
    return value in (None, {}, []) or (key in _DEFAULTS and value == _DEFAULTS[key])
