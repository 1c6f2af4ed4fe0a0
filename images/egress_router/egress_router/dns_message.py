# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""DNS messages (RFC 1035 §4): a question for addresses, and what a name server answers.

Pure: values in, bytes out, and back. An answer is hostile until it is parsed.
"""

from __future__ import annotations

import struct
from dataclasses import dataclass
from enum import Enum
from ipaddress import IPv4Address, IPv6Address
from typing import Final

from egress_router.family import IPV4, Address, Family

# The largest datagram that crosses every path unfragmented (RFC 6891 §6.2.5).
LARGEST: Final = 1232

_HEADER: Final = struct.Struct("!HHHHHH")
_RECORD: Final = struct.Struct("!HHIH")
_INTERNET: Final = 1
_CNAME: Final = 5
_OPT: Final = 41
_RESPONSE, _RECURSION_DESIRED = 0x8000, 0x0100
# A chain longer than that is a loop.
_LONGEST_CHAIN: Final = 16


class Code(Enum):
    """What a name server says of a question: RFC 1035 §4.1.1, and NODATA for a name without such a record."""

    NOERROR = 0
    FORMERR = 1
    SERVFAIL = 2
    NXDOMAIN = 3
    NOTIMP = 4
    REFUSED = 5
    NODATA = 256
    OTHER = 257


@dataclass(frozen=True)
class Reply:
    """An answer: ``addresses`` in the server's order, with the smallest TTL on the way to them in seconds."""

    code: Code
    addresses: tuple[Address, ...] = ()
    ttl: int = 0


def question(number: int, name: str, family: Family, *, extended: bool) -> bytes:
    """Ask for the addresses of the absolute ``name``; ``extended``: say that larger answers can be taken (RFC 6891)."""
    option = bytes([0]) + _RECORD.pack(_OPT, LARGEST, 0, 0) if extended else b""
    header = _HEADER.pack(number, _RECURSION_DESIRED, 1, 0, 0, 1 if extended else 0)
    return header + _question_section(name, family) + option


def reply(data: bytes, asked: bytes, family: Family) -> Reply | None:
    """What ``data`` says to the question ``asked``; None if it is no answer to that or can't be read."""
    try:
        return _reply(data, asked, family)
    except (struct.error, IndexError, ValueError):
        return None


def _reply(data: bytes, asked: bytes, family: Family) -> Reply | None:
    number, flags, questions, answers, _authorities, _more = _HEADER.unpack_from(data)
    (wanted,) = struct.unpack_from("!H", asked)
    if number != wanted or not flags & _RESPONSE or questions != 1:
        return None
    name, at = _name(data, _HEADER.size)
    own_name, own_end = _name(asked, _HEADER.size)
    if name != own_name or data[at : at + 4] != asked[own_end : own_end + 4]:
        return None
    code = _code(flags & 0xF)
    if code is not Code.NOERROR:
        return Reply(code)
    addresses, ttl = _follow(name, _records(data, at + 4, answers), family)
    return Reply(Code.NOERROR, addresses, ttl) if addresses else Reply(Code.NODATA)


@dataclass(frozen=True)
class _Record:
    """``target``: of a CNAME record; ``address``: of one that has the wanted type."""

    owner: bytes
    ttl: int
    target: bytes | None
    data: bytes
    kind: int


def _records(data: bytes, at: int, count: int) -> list[_Record]:
    found = []
    for _number in range(count):
        owner, at = _name(data, at)
        kind, klass, ttl, length = _RECORD.unpack_from(data, at)
        at += _RECORD.size
        if at + length > len(data):
            raise ValueError("a record is cut off")
        if klass == _INTERNET:
            target = _name(data, at)[0] if kind == _CNAME else None
            # RFC 2181 §8: a TTL with its first bit set is zero.
            found.append(_Record(owner, 0 if ttl >> 31 else ttl, target, data[at : at + length], kind))
        at += length
    return found


def _follow(name: bytes, records: list[_Record], family: Family) -> tuple[tuple[Address, ...], int]:
    """The addresses at the end of the chain of CNAME records that begins with ``name``, and the smallest TTL."""
    shortest = 0x7FFFFFFF
    for _step in range(_LONGEST_CHAIN):
        addresses = [record for record in records if record.owner == name and record.kind == family.record_type]
        if addresses:
            shortest = min(shortest, *(record.ttl for record in addresses))
            make = IPv4Address if family is IPV4 else IPv6Address
            return tuple(make(record.data) for record in addresses), shortest
        alias = next((record for record in records if record.owner == name and record.target is not None), None)
        if alias is None or alias.target is None:
            return (), 0
        name, shortest = alias.target, min(shortest, alias.ttl)
    return (), 0


def _question_section(name: str, family: Family) -> bytes:
    labels = [label.encode("ascii") for label in name.removesuffix(".").split(".")]
    encoded = b"".join(bytes([len(label)]) + label for label in labels) + b"\0"
    return encoded + struct.pack("!HH", family.record_type, _INTERNET)


def _name(data: bytes, at: int) -> tuple[bytes, int]:
    """The name at an offset, in lower case with a dot behind each label, and the offset after it."""
    labels = b""
    end = None
    while True:
        length = data[at]
        if length == 0:
            return labels.lower(), at + 1 if end is None else end
        if length >= 0xC0:
            # Only backwards, so no pointer is followed twice (RFC 1035 §4.1.4).
            target = (length & 0x3F) << 8 | data[at + 1]
            if target >= at:
                raise ValueError("a name points forward")
            end, at = at + 2 if end is None else end, target
            continue
        if length > 63 or len(labels) + length > 254 or at + 1 + length > len(data):
            raise ValueError("a name is too long")
        labels += data[at + 1 : at + 1 + length] + b"."
        at += 1 + length


def _code(number: int) -> Code:
    return Code(number) if number <= Code.REFUSED.value else Code.OTHER
