# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Questions and answers are what dnspython makes of them, and nothing that is cut or forged is taken for one."""

from __future__ import annotations

import random
from ipaddress import IPv4Address, IPv6Address

import dns.flags
import dns.message
import dns.rcode
import dns.rrset
import pytest
from egress_router.dns_message import Code, Reply, question, reply
from egress_router.family import IPV4, IPV6, Family

NAME = "dest.example"
ASKED = question(7, NAME, IPV4, extended=True)


def answer(*records: str, rcode: dns.rcode.Rcode = dns.rcode.NOERROR, asked: bytes = ASKED) -> bytes:
    """What a server would send; each record as ``owner ttl type data``."""
    message = dns.message.make_response(dns.message.from_wire(asked))
    message.set_rcode(rcode)
    for record in records:
        owner, ttl, kind, data = record.split()
        message.answer.append(dns.rrset.from_text(owner, int(ttl), "IN", kind, data))
    return message.to_wire()


@pytest.mark.parametrize(("family", "kind"), [(IPV4, "A"), (IPV6, "AAAA")])
def test_a_question_is_understood_by_others(family: Family, kind: str) -> None:
    read = dns.message.from_wire(question(7, NAME, family, extended=True))
    assert (read.id, str(read.question[0]), read.payload) == (7, f"{NAME}. IN {kind}", 1232)
    assert read.flags == dns.flags.RD
    assert dns.message.from_wire(question(7, NAME, family, extended=False)).edns == -1


def test_addresses_come_in_the_servers_order_with_the_smallest_ttl() -> None:
    records = [f"{NAME}. 30 A 10.0.0.2", f"{NAME}. 30 A 10.0.0.1"]
    found = reply(answer(*records), ASKED, IPV4)
    assert found == Reply(Code.NOERROR, (IPv4Address("10.0.0.2"), IPv4Address("10.0.0.1")), 30)
    asked = question(7, NAME, IPV6, extended=True)
    assert reply(answer(f"{NAME}. 30 AAAA fd00::1", asked=asked), asked, IPV6) == Reply(
        Code.NOERROR, (IPv6Address("fd00::1"),), 30
    )


def test_aliases_are_followed_in_whatever_order_they_come() -> None:
    records = ["b.example. 20 A 10.0.0.1", "a.example. 5 CNAME b.example.", f"{NAME}. 60 CNAME a.example."]
    assert reply(answer(*records), ASKED, IPV4) == Reply(Code.NOERROR, (IPv4Address("10.0.0.1"),), 5)


def test_the_case_of_an_answer_does_not_matter() -> None:
    shouted = answer(f"{NAME}. 5 A 10.0.0.1").replace(b"dest", b"DeSt")
    assert reply(shouted, ASKED, IPV4) == Reply(Code.NOERROR, (IPv4Address("10.0.0.1"),), 5)


@pytest.mark.parametrize("records", [[], ["other.example. 5 A 10.0.0.1"], [f"{NAME}. 5 CNAME {NAME}."]])
def test_what_leads_to_no_address_is_no_data(records: list[str]) -> None:
    assert reply(answer(*records), ASKED, IPV4) == Reply(Code.NODATA)


@pytest.mark.parametrize("code", [Code.SERVFAIL, Code.NXDOMAIN, Code.REFUSED, Code.FORMERR, Code.NOTIMP])
def test_a_servers_refusal_is_told_by_its_name(code: Code) -> None:
    assert reply(answer(rcode=dns.rcode.Rcode(code.value)), ASKED, IPV4) == Reply(code)


def test_answers_to_other_questions_are_not_taken() -> None:
    good = answer(f"{NAME}. 5 A 10.0.0.1")
    for other in (question(8, NAME, IPV4, extended=True), question(7, "desu.example", IPV4, extended=True), b"\0" * 12):
        assert reply(good, other, IPV4) is None
    assert reply(good, question(7, NAME, IPV6, extended=True), IPV6) is None
    assert reply(ASKED, ASKED, IPV4) is None, "a question is no answer"


def test_nothing_malformed_does_harm() -> None:
    good = answer(f"{NAME}. 60 CNAME a.example.", "a.example. 5 A 10.0.0.1")
    for length in range(len(good) - 11):  # the last record tells of extensions only
        cut = reply(good[:length], ASKED, IPV4)
        assert cut is None or cut.code is not Code.NOERROR
    chance = random.Random(4)
    for _number in range(3000):
        bent = bytearray(good)
        for _change in range(chance.randint(1, 4)):
            bent[chance.randrange(len(bent))] = chance.randrange(256)
        reply(bytes(bent), ASKED, IPV4)
