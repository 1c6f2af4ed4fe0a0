# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""People and accounts as the API server knows them, and what it answers each of them."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from http import HTTPStatus
from typing import Any, Mapping

import requests

from tests.support import client_certificate
from tests.support.api_server import ApiServer

MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_MERGE_PATCH = "application/strategic-merge-patch+json"
SERVER_SIDE_APPLY = "application/apply-patch+yaml"
REQUEST_SECONDS = 30


@dataclass(frozen=True)
class Request:
    """One request, which changes nothing unless it is ``kept``: the server admits it all the same."""

    method: str
    path: str
    body: Any = None
    content_type: str = "application/json"
    query: Mapping[str, str] = field(default_factory=dict)
    kept: bool = False

    def dry(self) -> Mapping[str, str]:
        return self.query if self.kept else {**self.query, "dryRun": "All"}


@dataclass(frozen=True)
class Answer:
    """What the server said."""

    status: int
    message: str
    body: Any

    @property
    def forbidden(self) -> bool:
        return self.status == HTTPStatus.FORBIDDEN


@dataclass(frozen=True)
class User:
    """Somebody with credentials."""

    server: ApiServer
    headers: Mapping[str, str] = field(default_factory=dict)
    certificate: tuple[str, str] | None = None

    @classmethod
    def by_certificate(cls, server: ApiServer, name: str, group: str = "tenants") -> User:
        paths = client_certificate.sign(server.client_cert.parent, name, group)
        return cls(server, certificate=(str(paths[0]), str(paths[1])))

    @classmethod
    def by_token(cls, server: ApiServer, token: str) -> User:
        return cls(server, {"Authorization": f"Bearer {token}"})

    def acting_as(self, name: str, *groups: str) -> User:
        """The same one, impersonating somebody."""
        headers = {**self.headers, "Impersonate-User": name}
        return replace(self, headers={**headers, "Impersonate-Group": ",".join(groups)} if groups else headers)

    def ask(self, request: Request) -> Answer:
        answer = requests.request(
            request.method,
            f"{self.server.host}{request.path}",
            params=dict(request.dry()),
            json=request.body,
            headers={**self.headers, "Content-Type": request.content_type},
            cert=self.certificate,
            verify=str(self.server.ca_cert),
            timeout=REQUEST_SECONDS,
        )
        try:
            body = answer.json()
        except ValueError:
            return Answer(answer.status_code, answer.text, None)
        return Answer(answer.status_code, str(body.get("message", "")), body)
