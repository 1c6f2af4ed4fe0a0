# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""resolv.conf(5): the name servers, and the names that stand for a name which may be incomplete.

Pure: text in, values out.
"""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import ip_address
from typing import Final

# As libc: more name servers than these are not asked.
_MOST_SERVERS: Final = 3
_LOCAL: Final = "127.0.0.1"
_LONGEST_NAME: Final = 253


@dataclass(frozen=True)
class ResolvConf:
    """``servers`` are addresses, never empty; ``search`` are suffixes without dots around; ``ndots`` as in its page."""

    servers: tuple[str, ...]
    search: tuple[str, ...] = ()
    ndots: int = 1


def parse(text: str) -> ResolvConf:
    """Read the file's text; what can't be understood is left out, as libc does."""
    servers: list[str] = []
    search: tuple[str, ...] = ()
    ndots = 1
    for line in text.splitlines():
        keyword, *values = line.split() or [""]
        if keyword == "nameserver" and values and _is_address(values[0]):
            servers.append(values[0])
        elif keyword in ("search", "domain"):
            # The last of them counts.
            search = tuple(value.strip(".").lower() for value in values if value.strip("."))
        elif keyword == "options":
            given = [value.removeprefix("ndots:") for value in values if value.startswith("ndots:")]
            ndots = int(given[-1]) if given and given[-1].isdecimal() else ndots
    return ResolvConf(tuple(servers[:_MOST_SERVERS]) or (_LOCAL,), search, ndots)


def candidates(name: str, conf: ResolvConf) -> tuple[str, ...]:
    """The absolute names that ``name`` may stand for, in the order in which they are asked.

    One with a dot stands for itself first, whatever ``ndots`` says, and one that ends in a dot for nothing else. Else
    somebody who may name a namespace and a Service could take over a name outside: ``host.Service.namespace`` is one
    of the names that a cluster's search list makes of ``host``.
    """
    if name.endswith("."):
        return (name.removesuffix("."),)
    searched = tuple(full for suffix in conf.search if len(full := f"{name}.{suffix}") <= _LONGEST_NAME)
    return (name, *searched) if is_complete(name) or conf.ndots == 0 else (*searched, name)


def is_complete(name: str) -> bool:
    """Whether a name has more than one label, and so most probably means itself."""
    return "." in name


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
