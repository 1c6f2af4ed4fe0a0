# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""How many addresses a network has, and how many of them are left."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction
from typing import Iterable, Sequence

from ..api.addresses import IP_FAMILIES
from .network import EgressNetwork


@dataclass(frozen=True)
class PoolUsage:
    """What a network has of one family for claims to draw from; reserved addresses are beside it."""

    ip_family: str
    size: int
    free: int
    reserved: int

    @property
    def held(self) -> int:
        return self.size - self.free

    def __str__(self) -> str:
        return f"{self.size} {self.ip_family} addresses"


def usage_of(network: EgressNetwork, locked: Sequence[str]) -> list[PoolUsage]:
    """Of each family, IPv4 first; ``locked`` are the addresses that are held."""
    return [_usage(network, ip_family, locked) for ip_family in IP_FAMILIES]


def scarcest(found: Iterable[PoolUsage]) -> PoolUsage | None:
    """Neither family can stand in for the other, so of two the scarcer one counts; None if there are no addresses."""
    drawn = (usage for usage in found if usage.size)
    return min(drawn, key=lambda usage: Fraction(usage.free, usage.size), default=None)


def _usage(network: EgressNetwork, ip_family: str, locked: Sequence[str]) -> PoolUsage:
    drawn = network.drawn.of(ip_family)
    held = sum(address in drawn for address in locked)
    return PoolUsage(ip_family, drawn.size, drawn.size - held, network.pool.of(ip_family).size - drawn.size)
