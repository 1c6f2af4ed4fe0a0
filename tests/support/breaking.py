# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""A client whose connection breaks at a chosen write."""

from __future__ import annotations

from typing import Any

from ansible_collections.avi.egress.plugins.module_utils.api.resources import KubeObject
from ansible_collections.avi.egress.plugins.module_utils.client.connection import Connection, ConnectionFailed
from ansible_collections.avi.egress.plugins.module_utils.client.kube_client import KubeClient

from tests.support.api_server import ADMIN_TOKEN, ApiServer


class BreakingCluster(KubeClient):
    """Its ``number``-th write fails: before it is made, or (``made``) after it, when only the answer is lost."""

    def __init__(self, api: ApiServer, number: int, *, made: bool) -> None:
        super().__init__(Connection(host=api.host, api_key=ADMIN_TOKEN, validate_certs=False))
        self._left = number
        self._made = made

    def _request(self, method: str, *arguments: Any) -> KubeObject:
        self._left -= method != "GET"
        if method == "GET" or self._left:
            return super()._request(method, *arguments)
        if self._made:
            super()._request(method, *arguments)
        raise ConnectionFailed("the connection broke")
