# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What ``kubectl get -o json`` prints, read over a connection that stays: a look costs no process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import kubernetes
from urllib3.exceptions import HTTPError

from .outside import DemoError
from .query import Query

ANSWER_SECONDS = 120
Json = dict[str, Any]


@dataclass(frozen=True)
class _Kind:
    """Where the API server has the objects of a kind."""

    version: str
    """The path of its group's version."""
    plural: str
    is_namespaced: bool

    def path(self, query: Query) -> str:
        """Of all objects of the kind that the query may mean."""
        if not self.is_namespaced or query.all_namespaces:
            return f"{self.version}/{self.plural}"
        if not query.namespace:
            raise DemoError(f"say in which namespace to look for {self.plural}")
        return f"{self.version}/namespaces/{query.namespace}/{self.plural}"


class ApiReader:
    """The objects of one cluster, with the credentials of a kubeconfig."""

    def __init__(self, kubeconfig: Path) -> None:
        self._client = kubernetes.config.new_client_from_config(str(kubeconfig))
        self._kinds: dict[str, _Kind] = {}

    def get(self, query: Query) -> Json:
        """The object of that name, or a List of all that there are; DemoError where kubectl would fail."""
        kinds = [self._kind(word) for word in query.kinds]
        if query.name:
            return _as_printed(self._read(f"{kinds[0].path(query)}/{query.name}"))
        selectors = {"labelSelector": query.selector, "fieldSelector": query.field_selector}
        lists = [self._read(kind.path(query), selectors) for kind in kinds]
        items = [_as_printed(item, of=one) for one in lists for item in one["items"]]
        return {"apiVersion": "v1", "kind": "List", "items": items}

    def _kind(self, word: str) -> _Kind:
        """The kind whose plural or singular the word is; where two have it, that of the group which comes first."""
        if word not in self._kinds:
            self._look_for(word)
        if word not in self._kinds:
            raise DemoError(f"the API server has no resources that are called {word}")
        return self._kinds[word]

    def _look_for(self, word: str) -> None:
        """Read what kinds there are until one has the word: a group that is of no interest here may not be served."""
        for version in self._versions():
            for item in self._read(version)["resources"]:
                if "/" not in item["name"]:  # a subresource
                    kind = _Kind(version, item["name"], item["namespaced"])
                    self._kinds.setdefault(item["name"], kind)
                    self._kinds.setdefault(item["singularName"] or item["kind"].lower(), kind)
            if word in self._kinds:
                return

    def _versions(self) -> Iterator[str]:
        yield "/api/v1"
        for group in self._read("/apis")["groups"]:
            yield f"/apis/{group['preferredVersion']['groupVersion']}"

    def _read(self, path: str, query: dict[str, str | None] | None = None) -> Json:
        given = [(key, value) for key, value in (query or {}).items() if value]
        head = {"Accept": "application/json"}
        request = self._client.param_serialize("GET", path, None, given, head, auth_settings=["BearerToken"])
        try:
            response = self._client.call_api(*request, _request_timeout=ANSWER_SECONDS)
            body: Json = json.loads(response.read())
        except (HTTPError, ValueError) as error:
            raise DemoError(f"{path}: {error}") from error
        if response.status != HTTPStatus.OK:
            raise DemoError(f"{path}: {body.get('message')}")
        return body


def _as_printed(item: Json, *, of: Json | None = None) -> Json:
    """With the kind that an item of a list leaves out, and without what kubectl keeps to itself."""
    head = {"apiVersion": of["apiVersion"], "kind": of["kind"].removesuffix("List")} if of else {}
    metadata = {key: value for key, value in item["metadata"].items() if key != "managedFields"}
    return {**head, **item, "metadata": metadata}
