# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Moments as the API writes them."""

from __future__ import annotations

from datetime import UTC, datetime

from .errors import InvalidInput


def utc_now() -> datetime:
    """This moment, in UTC."""
    return datetime.now(UTC)


def timestamp(moment: datetime) -> str:
    """RFC 3339 in UTC, whole seconds."""
    return moment.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def parse_timestamp(text: str) -> datetime:
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def given_timestamp(text: str) -> datetime | None:
    """A moment as people write it: RFC 3339 with a zone, for without one it is another moment on each machine."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else None


def read_moment(subject: str, field: str, text: str) -> datetime:
    """The moment that a field gives; InvalidInput where there is no telling which one."""
    moment = given_timestamp(text)
    if moment is None:
        raise InvalidInput(subject, field, text, "give a moment with its zone, such as 2026-11-23T06:31:00Z")
    return moment
