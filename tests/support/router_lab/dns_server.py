# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""A name server for the names of destinations."""

from __future__ import annotations

import socket
import threading
from contextlib import suppress

import dns.flags
import dns.message
import dns.rcode
import dns.rdatatype
import dns.rrset

from tests.support.capture import inside
from tests.support.router_lab.net import Net


class DnsServer:
    """Answers a question of the family with ``address`` and a TTL of one second, or with SERVFAIL while it is None.

    Several addresses have blanks between them. For the other family there is no address.
    """

    def __init__(self, namespace: str, net: Net) -> None:
        self.address: str | None = net.remote
        self._net = net
        self.asked = 0
        # Names that begin so get no answer.
        self.silent_for: str | None = None
        self.names: list[str] = []
        with inside(namespace):
            self._socket = socket.socket(net.family, socket.SOCK_DGRAM)
            self._socket.bind((net.client, 53))
        threading.Thread(target=self._run, daemon=True).start()

    def close(self) -> None:
        with suppress(OSError):
            self._socket.shutdown(socket.SHUT_RDWR)
        self._socket.close()

    def _run(self) -> None:
        with suppress(OSError):
            while True:
                data, client = self._socket.recvfrom(2048)
                if client is None:  # closed
                    return
                self.asked += 1
                self.names.append(dns.message.from_wire(data).question[0].name.to_text(omit_final_dot=True))
                if self.silent_for is not None and self.names[-1].startswith(self.silent_for):
                    continue
                self._socket.sendto(self._answer(data), client)

    def _answer(self, data: bytes) -> bytes:
        answer = dns.message.make_response(dns.message.from_wire(data))
        if self.address is None:
            answer.set_rcode(dns.rcode.SERVFAIL)
        elif dns.rdatatype.to_text(answer.question[0].rdtype) == self._net.record:
            found = dns.rrset.from_text(answer.question[0].name, 1, "IN", self._net.record, *self.address.split())
            answer.answer.append(found)
        return answer.to_wire()
