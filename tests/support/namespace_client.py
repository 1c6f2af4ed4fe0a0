# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""A client that is no pod: a program in a network namespace, such as a node's."""

from __future__ import annotations

import http.client
import json

from tests.support.capture import inside
from tests.support.client import Answer

CONNECT_SECONDS = 2


def request(namespace: str, host: str, port: int = 80) -> Answer:
    """What ``http://host:port/json`` answers to a program in a network namespace."""
    connection = http.client.HTTPConnection(host, port, timeout=CONNECT_SECONDS)
    with inside(namespace):
        try:
            connection.request("GET", "/json")
            return Answer(json.loads(connection.getresponse().read())["peer"], None)
        except OSError as error:
            return Answer(None, str(error).lower())
        finally:
            connection.close()
