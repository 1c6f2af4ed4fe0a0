# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""AWX's rules for a schedule's rrule, which are narrower than iCalendar's."""

from __future__ import annotations

import re
from collections.abc import Iterator

from dateutil.rrule import rrulestr


def rule_error(rule: str) -> str | None:
    """Why AWX takes no such rule; None if it does."""
    return next(_errors(rule), None)


def _errors(rule: str) -> Iterator[str]:
    starts = re.findall(r"DTSTART(?:;TZID=[^:]+)?:\d{8}T\d{6}Z?", rule)
    if not starts:
        yield "Valid DTSTART required in rrule. Value should start with: DTSTART:YYYYMMDDTHHMMSSZ"
    if len(starts) > 1:
        yield "Multiple DTSTART is not supported."
    if "RRULE:" not in rule:
        yield "One or more rule required in rrule."
    if re.search(r"DTSTART:\d{8}T\d{6}(?!Z)\b", rule):
        yield "DTSTART cannot be a naive datetime. Require ;TZINFO= or YYYYMMDDTHHMMSSZZ."
    if "INTERVAL" not in rule:
        yield "INTERVAL required in rrule."
    if "SECONDLY" in rule:
        yield "SECONDLY is not supported."
    if "COUNT" in rule and "UNTIL" in rule:
        yield "RRULE may not contain both COUNT and UNTIL"
    try:
        rrulestr(rule.replace(" ", "\n"))
    except ValueError as error:
        yield f"rrule parsing failed validation: {error}"
