# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The server itself: HTTP on loopback, AWX's paths, its answers, and what was asked of it."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Mapping
from urllib.parse import parse_qsl, urlencode, urlsplit

from .filters import matching
from .kinds import KINDS
from .objects import ENCRYPTED, NOT_FOUND, ROOT, Object, Objects, Refused, members_kind

TOKEN = "token-of-an-administrator"
PAGE, LARGEST_PAGE = 25, 200
SURVEYED = ("job_templates", "workflow_job_templates")
SHOWN_NAMES = ("organization", "project", "inventory", "execution_environment", "credential_type")
Answer = tuple[int, Any]


class AwxServer:
    """One AWX to be set up; ``with`` it, it listens."""

    def __init__(self, playbooks: Sequence[str]) -> None:
        self.objects = Objects()
        self.playbooks = tuple(playbooks)
        """What an update of a project finds in its repository."""
        self.branches: dict[str, str] = {"": "1" * 40}
        """The revisions of the repository's branches; the update of a project with another branch fails."""
        self.runs_jobs = True
        """Whether updates end; false for an AWX without capacity."""
        self.requests: list[tuple[str, str, Any]] = []
        """All requests, in order: method, path without the API's root, body."""
        self._updates: list[Object] = []
        self._lock = threading.Lock()

    def __enter__(self) -> AwxServer:
        awx = self

        class Handler(_Handler):
            server_of_objects = awx

        self._http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._http.daemon_threads = True
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.05,))
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._http.shutdown()
        self._thread.join()
        self._http.server_close()

    @property
    def environment(self) -> dict[str, str]:
        """What awx.awx finds it by."""
        return {
            "CONTROLLER_HOST": f"http://127.0.0.1:{self._http.server_port}",
            "CONTROLLER_OAUTH_TOKEN": TOKEN,
        }

    @property
    def writes(self) -> list[tuple[str, str, Any]]:
        """Those requests that are to change something."""
        return [request for request in self.requests if request[0] != "GET"]

    def one(self, endpoint: str, name: str) -> Object:
        """The one object of that name, as it is kept."""
        (found,) = [item for item in self.objects.all(endpoint) if item["name"] == name]
        return found

    def names(self, endpoint: str) -> list[str]:
        """Those of an endpoint, by age."""
        return [item["name"] for item in self.objects.all(endpoint)]

    def related(self, endpoint: str, name: str, members: str) -> list[str]:
        """The names of what is in an object's related list."""
        found = self.objects.members(endpoint, self.one(endpoint, name)["id"], members)
        return [str(item.get("name", item.get("identifier"))) for item in found]

    def answer(self, method: str, url: str, body: Any) -> Answer:
        """Status and body of the answer to one request."""
        parts = urlsplit(url)
        path = parts.path.removeprefix(ROOT).strip("/").split("/")
        with self._lock:
            self.requests.append((method, "/".join(path), body))
            try:
                return self._route(method, path, parse_qsl(parts.query, keep_blank_values=True), body)
            except Refused as refused:
                return refused.status, refused.body

    def _route(self, method: str, path: list[str], query: list[tuple[str, str]], body: Any) -> Answer:
        match path:
            case ["ping"]:
                answer: Answer = (200, {"version": "24.6.1"})
            case ["project_updates", number]:
                answer = (200, self._update(number))
            case ["project_updates", number, "events"]:
                events = [{"event": "runner_on_failed", "stdout": self._update(number)["result_stdout"]}]
                answer = (200, {"count": 1, "next": None, "previous": None, "results": events})
            case ["projects", number, "update"]:
                answer = (202, self._start_update(self.objects.get("projects", _id(number))))
            case [endpoint] if endpoint in KINDS or endpoint == "unified_job_templates":
                answer = self._collection(method, endpoint, query, body)
            case [endpoint, number] if endpoint in KINDS:
                answer = self._detail(method, endpoint, _id(number), body)
            case [endpoint, number, "survey_spec"] if endpoint in SURVEYED:
                answer = self._survey(method, endpoint, _id(number), body)
            case [endpoint, number, members] if endpoint in KINDS or endpoint == "roles":
                answer = self._members(method, (endpoint, _id(number), members), query, body)
            case _:
                raise NOT_FOUND
        return answer

    def _collection(self, method: str, endpoint: str, query: list[tuple[str, str]], body: Any) -> Answer:
        if method == "GET":
            return 200, self._page(endpoint, matching(self.objects, endpoint, self.objects.all(endpoint), query), query)
        if method == "POST" and endpoint in KINDS:
            return 201, self._shown(self.objects.create(endpoint, body))
        raise _not_allowed(method)

    def _detail(self, method: str, endpoint: str, number: int, body: Any) -> Answer:
        if method == "GET":
            return 200, self._shown(self.objects.get(endpoint, number))
        if method == "PATCH":
            return 200, self._shown(self.objects.update(endpoint, number, body))
        if method == "DELETE":
            self.objects.delete(endpoint, number)
            # AWX deletes an inventory's hosts later.
            return (202, {}) if endpoint == "inventories" else (204, None)
        raise _not_allowed(method)

    def _survey(self, method: str, endpoint: str, number: int, body: Any) -> Answer:
        if method == "GET":
            return 200, self.objects.survey(endpoint, number)
        if method in ("POST", "DELETE"):
            self.objects.set_survey(endpoint, number, body if method == "POST" else {})
            return 200, None
        raise _not_allowed(method)

    def _members(self, method: str, place: tuple[str, int, str], query: list[tuple[str, str]], body: Any) -> Answer:
        endpoint, number, name = place
        if method == "GET":
            members = self.objects.role_members(number, name) if endpoint == "roles" else self.objects.members(*place)
            target = members_kind(endpoint, name)
            return 200, self._page("/".join(map(str, place)), matching(self.objects, target, members, query), query)
        if method == "POST":
            self.objects.associate(endpoint, number, name, body)
            return 204, None
        raise _not_allowed(method)

    def _page(self, path: str, items: list[Object], query: list[tuple[str, str]]) -> dict[str, Any]:
        asked = dict(query)
        size = min(int(asked.get("page_size", PAGE)), LARGEST_PAGE)
        page = int(asked.get("page", 1))
        following = urlencode({**asked, "page": page + 1})
        return {
            "count": len(items),
            "next": f"{ROOT}/{path}/?{following}" if page * size < len(items) else None,
            "previous": None,
            "results": [self._shown(item) for item in items[(page - 1) * size : page * size]],
        }

    def _shown(self, item: Object) -> dict[str, Any]:
        """An object as AWX gives it: with links and names of what belongs to it, and without secrets."""
        endpoint = next(name for name, kind in KINDS.items() if kind.type == item["type"])
        kind, url = KINDS[endpoint], f"{ROOT}/{endpoint}/{item['id']}/"
        related = {name: f"{url}{name}/" for name in kind.lists}
        if endpoint in SURVEYED:
            related["survey_spec"] = f"{url}survey_spec/"
        if endpoint == "projects":
            related["update"] = f"{url}update/"
        if item.get("unified_job_template"):
            template = item["unified_job_template"]
            related["unified_job_template"] = f"{ROOT}/{self.objects.endpoint_of(template)}/{template}/"
        summary: dict[str, Any] = {
            "object_roles": {
                f"{role}_role": {"id": self.objects.role(endpoint, item["id"], role)} for role in kind.roles
            }
        }
        for name in SHOWN_NAMES:
            if item.get(name):
                target = kind.references.get(name, f"{name}s")
                summary[name] = {"id": item[name], "name": self.objects.get(target, item[name])["name"]}
        shown = {**item, "url": url, "related": related, "summary_fields": summary}
        shown.pop("playbook_files", None)
        if endpoint == "credentials":
            shown["inputs"] = self._without_secrets(item)
        return shown

    def _without_secrets(self, credential: Object) -> dict[str, Any]:
        fields = self.objects.get("credential_types", credential["credential_type"])["inputs"].get("fields", [])
        secret = {field["id"] for field in fields if field.get("secret")}
        return {name: ENCRYPTED if name in secret and value else value for name, value in credential["inputs"].items()}

    def _start_update(self, project: Object) -> dict[str, Any]:
        if not project["scm_type"]:
            raise _not_allowed("POST")
        branch = project["scm_branch"]
        revision = self.branches.get(branch)
        status = "pending" if not self.runs_jobs else "successful" if revision else "failed"
        number = len(self._updates) + 1
        update = {
            "id": number,
            "type": "project_update",
            "url": f"{ROOT}/project_updates/{number}/",
            "related": {"events": f"{ROOT}/project_updates/{number}/events/"},
            "status": status,
            "failed": status == "failed",
            "scm_revision": revision or "",
            "job_explanation": "",
            "elapsed": 0.0,
            "started": None,
            "finished": "2026-01-01T00:00:00Z" if status != "pending" else None,
            "event_processing_finished": status != "pending",
            "result_stdout": "" if revision else f"fatal: [localhost]: FAILED! => Failed to checkout branch {branch}",
        }
        self._updates.append(update)
        project["status"] = status
        if status == "successful":
            project.update(scm_revision=revision, playbook_files=self.playbooks)
        return {**update, "status": "pending"}

    def _update(self, number: str) -> Object:
        if not 0 < _id(number) <= len(self._updates):
            raise NOT_FOUND
        return self._updates[_id(number) - 1]


class _Handler(BaseHTTPRequestHandler):
    server_of_objects: AwxServer
    protocol_version = "HTTP/1.1"

    def _serve(self) -> None:
        length = int(self.headers.get("Content-Length") or 0)
        text = self.rfile.read(length)
        if self.headers.get("Authorization") != f"Bearer {TOKEN}":
            self._send(401, {"detail": "Authentication credentials were not provided."})
            return
        try:
            body = json.loads(text or b"{}")
        except ValueError as error:
            self._send(400, {"detail": f"JSON parse error - {error}"})
            return
        self._send(*self.server_of_objects.answer(self.command, self.path, body))

    do_GET = do_POST = do_PATCH = do_DELETE = _serve

    def _send(self, status: int, body: Mapping[str, Any] | None) -> None:
        content = b"" if body is None else json.dumps(body).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("X-API-Product-Name", "AWX")
        self.send_header("X-API-Product-Version", "24.6.1")
        if status != 204:
            self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Nothing: the requests are kept."""


def _id(text: str) -> int:
    if not text.isdigit():
        raise NOT_FOUND
    return int(text)


def _not_allowed(method: str) -> Refused:
    return Refused(405, {"detail": f'Method "{method}" not allowed.'})
