# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The calls of a client pod, by the program that stays in it; here it runs beside the test."""

from __future__ import annotations

import json
import socket
import subprocess
import uuid
from collections.abc import Iterator
from http.server import ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from tests.support.client import Answer, fetch, page
from tests.support.json_handler import JsonHandler
from tests.support.kubectl import Kubectl
from tests.support.outside import DemoError

HOST = "127.0.0.1"


class Remote(ThreadingHTTPServer):
    """The remote application, which remembers who has called: a connection's own port each time."""

    callers: list[int]


class Handler(JsonHandler):
    server: Remote

    def do_GET(self) -> None:
        self.server.callers.append(self.client_address[1])
        self.answer(200 if self.path == "/json" else 404, {"peer": self.client_address[0]})


@pytest.fixture
def remote() -> Iterator[Remote]:
    with Remote((HOST, 0), Handler) as server:
        server.callers = []
        thread = Thread(target=server.serve_forever, args=[0.01])
        thread.start()
        yield server
        server.shutdown()
        thread.join()


class Beside(Kubectl):
    """Runs beside the test what it is told to run in a pod, and notes each process."""

    @property
    def log(self) -> Path:
        return self.kubeconfig

    def command(self, *arguments: str) -> list[str]:
        program = arguments[arguments.index("--") + 1 :]
        return [
            "sh",
            "-c",
            'echo $$ >> "$0"; [ -e "$0.gone" ] && { echo no such pod >&2; exit 1; }; exec "$@"',
            str(self.log),
            *program,
        ]

    def processes(self) -> list[int]:
        return [int(line) for line in self.log.read_text().split()]


@pytest.fixture
def kubectl(tmp_path: Path) -> Beside:
    return Beside(tmp_path / uuid.uuid4().hex)


def free_port() -> int:
    with socket.create_server((HOST, 0)) as probe:
        return int(probe.getsockname()[1])


def test_a_pod_calls_again_and_again_by_one_process(kubectl: Beside, remote: Remote) -> None:
    answers = [fetch(kubectl, "green", HOST, remote.server_port) for _time in range(3)]
    assert answers == [Answer(HOST, None)] * 3
    assert len(kubectl.processes()) == 1


def test_each_call_is_a_connection_of_its_own(kubectl: Beside, remote: Remote) -> None:
    for _time in range(3):
        fetch(kubectl, "green", HOST, remote.server_port)
    assert len(set(remote.callers)) == 3


def test_each_pod_calls_by_a_process_of_its_own(kubectl: Beside, remote: Remote) -> None:
    for namespace, pod in (("green", "client"), ("blue", "client"), ("green", "other"), ("green", "client")):
        fetch(kubectl, namespace, HOST, remote.server_port, pod)
    assert len(kubectl.processes()) == 3


def test_a_refusal_is_told_and_the_next_call_is_free_of_it(kubectl: Beside, remote: Remote) -> None:
    assert fetch(kubectl, "green", HOST, free_port()).refused
    assert fetch(kubectl, "green", HOST, remote.server_port).seen == HOST
    assert len(kubectl.processes()) == 1


def test_a_name_that_does_not_resolve_is_no_refusal(kubectl: Beside) -> None:
    answer = fetch(kubectl, "green", "nobody.invalid")
    assert answer.error
    assert not answer.refused


def test_a_pod_that_has_been_replaced_is_called_from_anew(kubectl: Beside, remote: Remote) -> None:
    fetch(kubectl, "green", HOST, remote.server_port)
    (former,) = kubectl.processes()
    subprocess.run(["kill", "-KILL", str(former)], check=True)
    assert fetch(kubectl, "green", HOST, remote.server_port).seen == HOST
    assert len(kubectl.processes()) == 2


def test_a_pod_that_is_not_there_is_told_as_kubectl_tells_it(kubectl: Beside, remote: Remote) -> None:
    Path(f"{kubectl.log}.gone").touch()
    with pytest.raises(DemoError, match="-n green exec client: no such pod"):
        fetch(kubectl, "green", HOST, remote.server_port)


def test_a_page_is_what_is_there_and_an_error_where_there_is_none(kubectl: Beside, remote: Remote) -> None:
    url = f"http://{HOST}:{remote.server_port}"
    assert page(kubectl, "green", "client", f"{url}/json", 5) == json.dumps({"peer": HOST})
    with pytest.raises(DemoError, match=r"green/client: Not Found"):
        page(kubectl, "green", "client", f"{url}/missing", 5)
