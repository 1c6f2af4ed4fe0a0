# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Errors whose text is one sentence for the operator.

Every error is one sentence that names the object, the field, the value seen and what would be right.
"""

from __future__ import annotations

from typing import Any

from .reasons import Reason


class EgressError(Exception):
    """The base of every error this collection raises on purpose; its text is the operator's sentence."""

    reason: Reason = Reason.FAILED
    """The CamelCase word for a condition's or an Event's ``reason``."""
    changed = False
    """Whether something had been changed before it happened."""


class InvalidInput(EgressError):
    """A field of some object holds a value that cannot be accepted."""

    reason = Reason.INVALID_INPUT

    def __init__(self, subject: str, field: str, value: Any, expected: str) -> None:
        super().__init__(f"{subject}: {field} is {shown(value)}; {expected}")
        self.subject = subject
        self.field = field
        self.value = value
        self.expected = expected


class InvalidAnnotation(InvalidInput):
    """An ``egress_pod`` or ``avi_proxy`` annotation was refused whole: nothing of it is guessed."""

    reason = Reason.INVALID_ANNOTATION


class Refused(EgressError):
    """The request is well formed, but this cloud, network or project does not admit it."""

    def __init__(self, reason: Reason, message: str) -> None:
        super().__init__(message)
        self.reason = reason


class PoolExhausted(EgressError):
    """Every address that the network has of a family (``IPv4`` or ``IPv6``) is held."""

    reason = Reason.POOL_EXHAUSTED

    def __init__(self, network: str, ip_family: str, size: int) -> None:
        told = f"spec.subnets has no {ip_family} addresses to lease; add an {ip_family} subnet"
        if size:
            told = (
                f"all {size} {ip_family} addresses are held or in quarantine; "
                "add a range to spec.subnets or release a lease"
            )
        super().__init__(f"EgressNetwork {network}: {told}")
        self.size = size


class ApiError(EgressError):
    """The API server refused a request. ``words`` are its own, where the message says more."""

    reason = Reason.API_ERROR

    def __init__(self, status: int, message: str, words: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.words = words or message

    @property
    def is_verdict(self) -> bool:
        """Whether the server refused the request itself (a quota, an invalid field), which its owner must know."""
        return self.status in (400, 403, 422)

    @property
    def is_lasting(self) -> bool:
        """Whether it stands until somebody changes something."""
        return self.is_verdict


class WebhookFailed(ApiError):
    """A webhook that has to admit the request can't be asked, or failed (HTTP 500); it may be back at any time."""

    @property
    def is_verdict(self) -> bool:
        return True

    @property
    def is_lasting(self) -> bool:
        return False


class NotFound(ApiError):
    """There is no such object, or no such kind of object."""


class Conflict(ApiError):
    """The object is gone, or not the one or not the version that the write was decided on."""

    @property
    def is_verdict(self) -> bool:
        return False


class AlreadyExists(ApiError):
    """A create met an object of that name."""


class Forbidden(ApiError):
    """The rights of the account that asks do not reach so far, or a quota or policy refuses what it asks for."""


class Expired(ApiError):
    """A watch's resource version is too old; list again (HTTP 410)."""


def no_such_kind(kind: str) -> str:
    """What there is to say of a kind of ours that the cluster does not have."""
    return f"the cluster has no {kind}: avi.egress is not installed there, or not whole; run avi.egress.site"


def shown(value: Any) -> str:
    """The value as a person sees it in one line: quoted, cut at 80 characters, for it may be hostile."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
