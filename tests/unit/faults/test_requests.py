# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The verb of a request, which rules and counts go by."""

from __future__ import annotations

import pytest

from tests.faults.requests import ApiRequest

NAMED = "/apis/egress.avi.dev/v1/egressleases/a.b.c.0"
SERVICES = "/api/v1/namespaces/green/services"


@pytest.mark.parametrize(
    ("method", "path", "query", "verb"),
    [
        ("GET", "/apis/egress.avi.dev/v1/egressleases", {}, "list"),
        ("GET", "/apis/egress.avi.dev/v1/egressleases", {"watch": "true"}, "watch"),
        ("GET", "/apis/egress.avi.dev/v1/egressleases", {"watch": "1"}, "watch"),
        ("GET", "/apis/egress.avi.dev/v1/egressleases", {"watch": "false"}, "list"),
        ("GET", NAMED, {}, "get"),
        ("PUT", f"{NAMED}/status", {}, "update"),
        ("POST", "/apis/egress.avi.dev/v1/egressleases", {}, "create"),
        ("GET", SERVICES, {}, "list"),
        ("GET", f"{SERVICES}/web", {}, "get"),
        ("PATCH", f"{SERVICES}/web/status", {}, "patch"),
        ("DELETE", f"{SERVICES}/web", {}, "delete"),
        ("DELETE", SERVICES, {}, "deletecollection"),
        ("GET", "/api/v1/namespaces", {}, "list"),
        ("GET", "/api/v1/namespaces/green", {}, "get"),
        ("GET", "/api/v1/namespaces/green/status", {}, "get"),
        ("PUT", "/api/v1/namespaces/green/finalize", {}, "update"),
        ("GET", "/apis/egress.avi.dev/v1", {}, "get"),
        ("GET", "/api/v1", {}, "get"),
        ("GET", "/version", {}, "get"),
    ],
)
def test_the_verb_is_the_api_servers(method: str, path: str, query: dict[str, str], verb: str) -> None:
    assert ApiRequest.of(method, path, query) == ApiRequest(verb, path)
