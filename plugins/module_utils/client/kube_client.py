# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The client of the API server: JSON in, JSON out, errors as sentences; nothing else here talks to it.

Objects stay plain dicts. The official client brings configuration, authentication, TLS and connection pooling, in the
same way from release 25 to 37; its models are left out, for they cost most of the time and memory of reading many
objects (docs/explanation).
"""

from __future__ import annotations

import json
import re
from contextlib import suppress
from dataclasses import dataclass
from threading import Lock
from time import monotonic, sleep
from typing import Any, Callable, Iterator, List, Mapping
from urllib.parse import urlencode

from ..api.errors import (
    AlreadyExists,
    ApiError,
    Conflict,
    Expired,
    Forbidden,
    NotFound,
    WebhookFailed,
    no_such_kind,
)
from ..api.resources import API_GROUP, KubeObject, Resource
from .connection import Connection, ConnectionFailed
from .decoder import STANDARD, Decoder, ListPage

MERGE_PATCH = "application/merge-patch+json"
REQUEST_TIMEOUT_SECONDS = 30
TOO_MANY_REQUESTS = 429
_NO_NAMESPACE = re.compile(r'namespaces "([^"]+)" not found')
_OF_RIGHTS = re.compile('[Uu]ser "[^"]*" (cannot|.*is attempting to grant)')
"""What an authorizer says of whoever asks; a quota and a policy refuse the request itself by the same status."""
_OF_WEBHOOK = re.compile("failed calling webhook|admission webhook .* denied the request")
_PASSING = re.compile(r"[0-9a-f.:\[\]]+->|(?<=current time )\S+ ")
"""Of a connection to a webhook the API server's end and the time: left out, so that the same stays the same."""
Timeouts = Mapping[str, float]
"""``connect``, ``read`` (between bytes), or ``total``, in seconds: those of ``urllib3.Timeout``."""

LIST_PAGE_SIZE = 500
"""Objects of a page at most, as client-go asks for: each page costs the API server and etcd a look of their own."""
LONGEST_PAGE = 8 * 1024 * 1024
"""Bytes: a page of more than one object that turns out to be longer is put away and asked for in halves."""


@dataclass(frozen=True)
class Selection:
    """The objects of one kind that a watch is about."""

    resource: Resource
    namespace: str | None = None
    labels: str | None = None
    fields: str | None = None


class KubeClient:
    """A cluster's API, by resource. Counts its requests, and the writes among them, to hold promises of few against.

    Threads may share it. A server that is too busy is asked again when it says so, for ``patience`` seconds in all.
    ``decoder`` reads JSON, for those who have a faster one.
    """

    def __init__(self, connection: Connection, patience: float = 0, decoder: Decoder = STANDARD) -> None:
        self.connection = connection
        self._decoder = decoder
        self._client = connection.api_client()
        self._impersonation = connection.impersonation
        self._patience = patience
        self._counting = Lock()
        self.requests = 0
        self.writes = 0

    @property
    def host(self) -> str:
        return str(self._client.configuration.host)

    def get(self, resource: Resource, name: str, namespace: str | None = None) -> KubeObject | None:
        """The object, or None."""
        try:
            return self._request("GET", resource.path(namespace, name), resource)
        except NotFound:
            return None

    def list(
        self, resource: Resource, namespace: str | None = None, *, labels: str | None = None, fields: str | None = None
    ) -> List[KubeObject]:
        """All objects, each with its ``kind`` and ``apiVersion``, which the server leaves out of a list's items."""
        return self.list_with_version(resource, namespace, labels=labels, fields=fields)[0]

    def list_with_version(
        self,
        resource: Resource,
        namespace: str | None = None,
        *,
        labels: str | None = None,
        fields: str | None = None,
        keep: Callable[[KubeObject], Any] = lambda obj: obj,
    ) -> tuple[List[Any], str]:
        """What ``keep`` makes of each object, before the next page is read, and the resource version to watch from."""
        query = {"labelSelector": labels, "fieldSelector": fields, "limit": LIST_PAGE_SIZE}
        items: list[Any] = []
        while True:
            page = self._page(resource, namespace, query)
            items += (keep(typed(item, resource)) for item in page.items)
            if page.more is None:
                return items, page.version
            query["continue"] = page.more

    def watch(self, selection: Selection, *, version: str, timeout: float) -> Iterator[tuple[str, KubeObject]]:
        """Events (``ADDED``, ``MODIFIED``, ``DELETED``) after a version until ``timeout`` seconds are over.

        Raises Expired when the version is too old, ConnectionFailed when the connection breaks.
        """
        resource, response = selection.resource, self.open_watch(selection, version=version, timeout=timeout)
        try:
            for line in _lines(response):
                event = json.loads(line)
                if event["type"] == "ERROR":
                    raise _error(
                        event["object"].get("code", 500), event["object"].get("message", ""), "watch", resource
                    )
                yield event["type"], typed(event["object"], resource)
        finally:
            response.close()

    def open_watch(self, selection: Selection, *, version: str, timeout: float, bookmarks: bool = False) -> Any:
        """The streamed answer (urllib3's) to a watch: one JSON event a line; for an informer, which reads it itself."""
        query = {
            "watch": "true",
            "resourceVersion": version,
            "labelSelector": selection.labels,
            "fieldSelector": selection.fields,
            "timeoutSeconds": max(1, int(timeout)),
            "allowWatchBookmarks": "true" if bookmarks else None,
        }
        path = selection.resource.path(selection.namespace)
        response = self._send("GET", path, query, None, None, {"connect": 10, "read": timeout + 5})
        self._check(response, "GET", selection.resource)
        return response

    def create(self, resource: Resource, body: KubeObject, *, dry_run: bool = False) -> KubeObject:
        """The stored object; AlreadyExists if there is one of that name."""
        namespace = body["metadata"].get("namespace")
        return self._request("POST", resource.path(namespace), resource, _dry(dry_run), body)

    def patch(
        self,
        resource: Resource,
        name: str,
        body: KubeObject,
        namespace: str | None = None,
        *,
        subresource: str | None = None,
        dry_run: bool = False,
    ) -> KubeObject:
        """The stored object after a JSON merge patch (RFC 7386)."""
        path = resource.path(namespace, name, subresource)
        return self._request("PATCH", path, resource, _dry(dry_run), body, MERGE_PATCH)

    def replace(self, resource: Resource, body: KubeObject, subresource: str | None = None) -> KubeObject:
        """The stored object; Conflict unless ``metadata.resourceVersion`` is the current one, so also if it is gone."""
        metadata = body["metadata"]
        path = resource.path(metadata.get("namespace"), metadata["name"], subresource)
        try:
            return self._request("PUT", path, resource, None, body)
        except NotFound as error:
            raise Conflict(error.status, str(error)) from error

    def delete(self, resource: Resource, obj: KubeObject, *, dry_run: bool = False) -> None:
        """Delete exactly this version of an object; Conflict if there is another. Gone already is fine."""
        metadata = obj["metadata"]
        preconditions = {"uid": metadata["uid"], "resourceVersion": metadata["resourceVersion"]}
        self.delete_named(resource, metadata["name"], metadata.get("namespace"), preconditions, dry_run=dry_run)

    def delete_named(
        self,
        resource: Resource,
        name: str,
        namespace: str | None = None,
        preconditions: Mapping[str, str] | None = None,
        *,
        dry_run: bool = False,
    ) -> None:
        """Delete by name; its dependents follow in the background. Gone already is fine."""
        body: dict[str, Any] = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Background"}
        if preconditions:
            body["preconditions"] = dict(preconditions)
        if dry_run:  # said in the body, for a body makes the server pass over the query
            body["dryRun"] = ["All"]
        with suppress(NotFound):
            self._request("DELETE", resource.path(namespace, name), resource, None, body)

    def serves(self, resource: Resource) -> bool:
        """Whether the platform knows this kind of object, such as OpenShift's SecurityContextConstraints."""
        return resource.plural in self.served(resource.group, resource.version)

    def served(self, group: str, version: str) -> frozenset[str]:
        """The plural names of what the platform has of a group; none of a group that it does not know."""
        try:
            found = self._request("GET", f"/apis/{group}/{version}", Resource(group, version, "APIResourceList", ""))
        except NotFound:
            return frozenset()
        return frozenset(item["name"] for item in found.get("resources") or ())

    def _page(self, resource: Resource, namespace: str | None, query: dict[str, Any]) -> ListPage:
        """One page of a list. ``limit`` is halved until the page is not too long, and grows again for the next one."""
        path, timeouts = resource.path(namespace), {"total": REQUEST_TIMEOUT_SECONDS}
        while True:
            response = self._send("GET", path, query, None, None, timeouts)
            self._check(response, "GET", resource)
            text = response.read(LONGEST_PAGE)
            rest = response.read(1)
            if not rest or query["limit"] == 1:
                break
            response.close()
            query["limit"] //= 2
        if len(text) < LONGEST_PAGE // 4:
            query["limit"] = min(LIST_PAGE_SIZE, 2 * query["limit"])
        return self._decoder.page(text + rest + response.read())

    def _request(
        self,
        method: str,
        path: str,
        resource: Resource,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        content_type: str | None = None,
    ) -> KubeObject:
        response = self._send(method, path, query, body, content_type, {"total": REQUEST_TIMEOUT_SECONDS})
        self._check(response, method, resource)
        return self._decoder.document(response.read())  # type: ignore[no-any-return]

    def _send(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None,
        body: Any,
        content_type: str | None,
        timeout: Timeouts,
    ) -> Any:
        deadline = monotonic() + self._patience
        while True:
            response = self._send_once(method, path, query, body, content_type, timeout)
            pause = _pause(response)
            if pause is None or monotonic() + pause > deadline:
                return response
            response.read()  # or its connection could not be used again
            sleep(pause)

    def _send_once(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None,
        body: Any,
        content_type: str | None,
        timeout: Timeouts,
    ) -> Any:
        from urllib3 import HTTPHeaderDict, Timeout
        from urllib3.exceptions import HTTPError

        configuration = self._client.configuration
        headers = HTTPHeaderDict({"Accept": "application/json", "Content-Type": content_type or "application/json"})
        token = configuration.auth_settings().get("BearerToken")  # renewed where it is about to expire
        if token:
            headers["authorization"] = token["value"]
        elif configuration.username:
            headers["authorization"] = configuration.get_basic_auth_token()
        for name, value in self._impersonation:
            headers.add(name, value)
        given = {name: value for name, value in (query or {}).items() if value is not None}
        url = f"{self.host}{path}" + (f"?{urlencode(given)}" if given else "")
        data = None if body is None else json.dumps(body)
        with self._counting:
            self.requests += 1
            self.writes += method != "GET"
        try:
            # The pool itself: what the client has above it is called in another way by each of its generations.
            return self._client.rest_client.pool_manager.request(
                method, url, body=data, headers=headers, timeout=Timeout(**timeout), preload_content=False
            )
        except (HTTPError, OSError) as error:
            raise ConnectionFailed(f"the API server at {self.host} cannot be reached{_cause(error)}") from error

    def _check(self, response: Any, method: str, resource: Resource) -> None:
        if 200 <= response.status <= 299:
            return
        text = (response.read() or b"").decode("utf-8", "replace")
        raise refusal(response.status, text, method, resource)


def typed(item: KubeObject, resource: Resource) -> KubeObject:
    """The object with its ``apiVersion`` and ``kind`` in it."""
    item.setdefault("apiVersion", resource.api_version)
    item.setdefault("kind", resource.kind)
    return item


def refusal(status: int, text: str, verb: str, resource: Resource) -> ApiError:
    """What the body of an answer other than 2xx says."""
    try:
        message = str(json.loads(text).get("message") or text)
    except (ValueError, AttributeError):
        message = text.strip()
    return _error(status, message, verb, resource)


def _error(status: int, message: str, verb: str, resource: Resource) -> ApiError:
    """The server's answer as the sentence an operator can act on."""
    if status == 404:
        if resource.group == API_GROUP and "not found" in message and resource.plural not in message:
            message = no_such_kind(resource.kind)
        elif resource.namespaced and (project := _NO_NAMESPACE.fullmatch(message)):
            message = f"project {project[1]} does not exist; create the namespace first"
        return NotFound(status, message)
    if status == 409:
        return (AlreadyExists if "already exists" in message else Conflict)(status, message)
    if status == 410:
        return Expired(status, message)
    if status == 401:
        return ApiError(status, "the API server does not know these credentials; the token may have expired")
    return _told(status, message, f"{verb} {resource.kind}")


def _told(status: int, message: str, asked: str) -> ApiError:
    """An answer that is repeated in the server's own words, after what was asked of it."""
    if status == 403:
        known = "permission is missing" if _OF_RIGHTS.search(message) else asked
        return Forbidden(status, f"{known}: {message}", message)
    if status >= 500 and _OF_WEBHOOK.search(message):
        words = _PASSING.sub("", message)
        return WebhookFailed(status, f"{asked}: {words}", words)
    words = message or f"HTTP {status}"
    return ApiError(status, f"{asked}: {words}", words)


def _pause(response: Any) -> float | None:
    """After how many seconds a server that was too busy, and so did nothing of a request, is to be asked again."""
    if response.status != TOO_MANY_REQUESTS:
        return None
    told = str(response.headers.get("Retry-After", ""))
    return float(told) if told.isdecimal() else 1.0


def _lines(response: Any) -> Iterator[bytes]:
    """The lines of a streamed body, each as soon as it is whole."""
    from urllib3.exceptions import HTTPError

    buffer = b""
    try:
        for chunk in response.stream(amt=None, decode_content=False):
            *lines, buffer = (buffer + chunk).split(b"\n")
            yield from (line for line in lines if line)
    except (HTTPError, OSError) as error:
        raise ConnectionFailed(f"the watch broke off{_cause(error)}") from error


def _cause(error: BaseException) -> str:
    """``: `` and the innermost reason in one line, without the layers that libraries wrap around it."""
    from urllib3.exceptions import ProxyError

    where = " through the proxy" if isinstance(error, ProxyError) else ""
    while inner := error.__cause__ or error.__context__:
        error = inner
    if untrusted := getattr(error, "verify_message", None):
        return f"{where}: its certificate is not valid here: {untrusted}"
    told = getattr(error, "strerror", None) or getattr(error, "reason", None) or error
    return f"{where}: {' '.join(str(told).split())}"


def _dry(dry_run: bool) -> dict[str, str] | None:
    return {"dryRun": "All"} if dry_run else None
