# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Names are looked up as libc does it, side by side; the name servers are real ones, on loopback."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from ipaddress import IPv4Address

import dns.message
import dns.rcode
import dns.rrset
import pytest
from egress_router import lookups as module
from egress_router.family import IPV4, Address
from egress_router.lookups import Answer, LookupFailed, Lookups
from egress_router.resolv_conf import ResolvConf

ONE = IPv4Address("10.0.0.1")
FOUND = Answer((ONE,), 5.0)
SERVERS = ("127.0.0.53", "127.0.0.54")


class Server:
    """Answers as ``says`` has it by name: an address, a code, or nothing for None; other names don't exist."""

    def __init__(self, address: str, port: int = 0) -> None:
        self.says: dict[str, str | dns.rcode.Rcode | None] = {}
        self.asked: list[str] = []
        self.understands_edns = True
        self._socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._socket.bind((address, port))
        self.port: int = self._socket.getsockname()[1]
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def close(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._thread.join(2)
        self._socket.close()

    def _run(self) -> None:
        with suppress(OSError):
            while True:
                data, client = self._socket.recvfrom(2048)
                if client is None or not data:
                    return
                question = dns.message.from_wire(data)
                name = question.question[0].name.to_text(omit_final_dot=True)
                self.asked.append(name)
                said = self.says.get(name, dns.rcode.NXDOMAIN)
                if said is not None:
                    self._socket.sendto(self._answer(question, name, said), client)

    def _answer(self, question: dns.message.Message, name: str, said: str | dns.rcode.Rcode) -> bytes:
        answer = dns.message.make_response(question)
        if not self.understands_edns and question.edns >= 0:
            answer = dns.message.make_response(question)
            answer.use_edns(-1)
            answer.set_rcode(dns.rcode.FORMERR)
        elif isinstance(said, dns.rcode.Rcode):
            answer.set_rcode(said)
        else:
            answer.answer.append(dns.rrset.from_text(f"{name}.", 5, "IN", "A", said))
        return answer.to_wire()


@pytest.fixture(autouse=True)
def hurried(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_NEXT_TRY", 0.1)
    monkeypatch.setattr(module, "_PATIENCE", 0.3)


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server(SERVERS[0])
    yield made
    made.close()


@pytest.fixture
def second(server: Server) -> Iterator[Server]:
    made = Server(SERVERS[1], server.port)
    yield made
    made.close()


def nothing(_address: Address) -> None:
    return None


def lookups(
    server: Server,
    *search: str,
    servers: tuple[str, ...] = SERVERS[:1],
    objection: Callable[[Address], str | None] = nothing,
) -> Lookups:
    return Lookups(ResolvConf(servers, search, ndots=5), IPV4, objection, server.port)


def look_up(made: Lookups, name: str) -> Answer | LookupFailed:
    made.start(name)
    ((told, outcome),) = made.wait(10)
    assert told == name
    return outcome


@pytest.mark.parametrize("said", [dns.rcode.SERVFAIL, dns.rcode.REFUSED, dns.rcode.NOERROR, dns.rcode.NXDOMAIN, None])
def test_a_suffix_that_does_not_help_does_not_end_the_look_up(server: Server, said: dns.rcode.Rcode | None) -> None:
    server.says = {"remote.bad": said, "remote.good": "10.0.0.1"}
    assert look_up(lookups(server, "bad", "good"), "remote") == FOUND


@pytest.mark.parametrize("said", [dns.rcode.SERVFAIL, dns.rcode.REFUSED, None])
def test_a_complete_name_is_not_handed_to_a_suffix_by_an_outage(server: Server, said: dns.rcode.Rcode | None) -> None:
    server.says = {"remote.outside.test": said, "remote.outside.test.svc.local": "10.0.0.66"}
    outcome = look_up(lookups(server, "svc.local"), "remote.outside.test")
    assert isinstance(outcome, LookupFailed)
    assert str(outcome) == f"remote.outside.test: {'no answer' if said is None else said.name}"
    assert set(server.asked) == {"remote.outside.test"}


def test_a_complete_name_that_does_not_exist_is_searched(server: Server) -> None:
    server.says = {"db.green.svc.local": "10.0.0.1"}
    assert look_up(lookups(server, "svc.local"), "db.green") == FOUND
    assert server.asked == ["db.green", "db.green.svc.local"]


def test_a_name_that_ends_in_a_dot_is_never_searched(server: Server) -> None:
    server.says = {"remote.local": "10.0.0.66"}
    assert str(look_up(lookups(server, "local"), "remote.")) == "remote: NXDOMAIN"


def test_names_without_an_answer_hold_up_no_other_and_each_other(server: Server) -> None:
    """Twenty dead ones cost one time-out: all are asked before any is asked again."""
    dead = [f"dead{number}.example" for number in range(20)]
    server.says = {**dict.fromkeys(dead), "live.example": "10.0.0.1"}
    made = lookups(server)
    for name in [*dead, "live.example"]:
        made.start(name)
    assert made.wait(10) == [("live.example", FOUND)]
    ended: set[str] = set()
    while len(made):
        ended |= {name for name, _outcome in made.wait(10)}
    assert ended == set(dead)
    assert set(server.asked[:21]) == {*dead, "live.example"}


def test_the_next_server_is_asked_when_one_refuses(server: Server, second: Server) -> None:
    server.says = {"dest.example": dns.rcode.SERVFAIL}
    second.says = {"dest.example": "10.0.0.1"}
    assert look_up(lookups(server, servers=SERVERS), "dest.example") == FOUND


def test_the_next_server_is_asked_when_one_does_not_answer(server: Server, second: Server) -> None:
    server.says = {"dest.example": None}
    second.says = {"dest.example": "10.0.0.1"}
    assert look_up(lookups(server, servers=SERVERS), "dest.example") == FOUND


def test_a_closed_port_is_told(server: Server) -> None:
    made = Lookups(ResolvConf(("127.0.0.55",)), IPV4, nothing, server.port)
    assert str(look_up(made, "dest.example")) == "dest.example: Connection refused"


def test_a_server_without_extensions_is_asked_without_them(server: Server) -> None:
    server.understands_edns = False
    server.says = {"dest.example": "10.0.0.1"}
    assert look_up(lookups(server), "dest.example") == FOUND


def test_an_address_that_is_no_destination_is_refused_with_its_reason(server: Server) -> None:
    server.says = {"dest.example": "10.0.0.1"}
    made = lookups(server, objection=lambda _address: "is the cluster's")
    assert str(look_up(made, "dest.example")) == "dest.example: 10.0.0.1 is the cluster's"


def test_waiting_ends_when_woken(server: Server) -> None:
    made = lookups(server)
    threading.Timer(0.05, made.wake).start()
    assert made.wait(None) == []
