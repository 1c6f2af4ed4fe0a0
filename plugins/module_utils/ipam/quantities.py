# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Kubernetes' resource quantities, in the canonical form that the API server keeps them in.

Another form of the same would differ from what is stored for ever, and be written again and again.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

_TEXT = re.compile(r"([0-9]{1,15}(?:\.[0-9]{1,3})?)(m|k|M|G|T|Ki|Mi|Gi|Ti)?")
_DECIMAL = ("m", "", "k", "M", "G", "T")
_BINARY = ("", "Ki", "Mi", "Gi", "Ti")


@dataclass(frozen=True)
class Quantity:
    """An amount, and its canonical form: the largest unit of its kind that leaves no fraction."""

    amount: Decimal
    text: str


def read_quantity(value: Any) -> Quantity | None:
    """A quantity as a text or a number; None for what is none, or is finer than a thousandth."""
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    match = _TEXT.fullmatch(str(value)) if isinstance(value, str) or is_number else None
    if match is None:
        return None
    number, unit = Decimal(match[1]), match[2] or ""
    if unit.endswith("i"):
        amount = number * 1024 ** _BINARY.index(unit)
        return Quantity(amount, _canonical(amount, 1024, _BINARY)) if amount == int(amount) else None
    thousandths = number * 1000 ** _DECIMAL.index(unit)
    if thousandths != int(thousandths):
        return None
    return Quantity(thousandths / 1000, _canonical(thousandths, 1000, _DECIMAL))


def _canonical(amount: Decimal, base: int, units: tuple[str, ...]) -> str:
    whole, place = int(amount), 0
    while whole and whole % base == 0 and place < len(units) - 1:
        whole, place = whole // base, place + 1
    return f"{whole}{units[place]}" if whole else "0"
