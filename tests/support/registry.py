# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""A real registry (Debian's docker-registry) with TLS by an authority of its own and two users, and what it was asked.

It runs where it is told to: in the machine's network namespace on loopback, or in one of a cluster's.
"""

from __future__ import annotations

import re
import socket
import subprocess
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import yaml

from tests.cluster import pki
from tests.cluster.namespaces import inside

START_SECONDS = 20
LOOPBACK = "127.0.0.1"
OWN_NAMESPACE = Path("/proc/self/ns/net")
PUSHER, PUSHER_PASSWORD = "pusher", "push-secret"
PULLER, PULLER_PASSWORD = "puller", "pull-secret"
# bcrypt, the only kind that it takes, with few rounds: these passwords protect nothing.
_USERS = f"""\
{PUSHER}:$2b$04$udMSOvnuMO7.jNRXHNYWSeGefksv21SFL93atsj8cYrOnq2yUISOy
{PULLER}:$2b$04$IY4yyqXMM1n/VXz.bMoWk.on1o8ei9syPF4Fwx4EHBhQ//M75GVlG
"""
_LINE = re.compile(r'^(?P<client>\S+) - - \[.*?\] "(?P<method>[A-Z]+) (?P<path>\S+) HTTP/[\d.]+" (?P<status>\d+) ')


@dataclass(frozen=True)
class Request:
    """One line of its access log."""

    client: str
    method: str
    path: str
    status: int

    @property
    def writes(self) -> bool:
        return self.method in ("POST", "PUT", "PATCH", "DELETE")


class Registry:
    """The registry over a folder of images; several may serve one folder, one after the other."""

    def __init__(
        self,
        folder: Path,
        storage: Path,
        address: str = LOOPBACK,
        namespace: Path = OWN_NAMESPACE,
        names: Sequence[str] = (),
    ) -> None:
        self._folder, self._storage, self._address, self._namespace = folder, storage, address, namespace
        self.port = inside(namespace, lambda: free_port(address))
        self.host = f"{address}:{self.port}"
        self.ca = folder / "ca.crt"
        self._log = folder / "registry.log"
        self._configuration = folder / "registry.yml"
        self._process: subprocess.Popen[bytes] | None = None
        pki.create_server(folder, "registry of the tests", (address, *names))
        (folder / "users").write_text(_USERS)
        self._configuration.write_text(yaml.safe_dump(self._settings()))

    def start(self) -> None:
        # It dies with whoever started it, however that ends.
        apart = ["nsenter", f"--net={self._namespace}", "setpriv", "--pdeathsig", "KILL"]
        with self._log.open("wb") as log:
            self._process = _spawn([*apart, "docker-registry", "serve", str(self._configuration)], log)
        deadline = time.monotonic() + START_SECONDS
        while not inside(self._namespace, self._answers):
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise TimeoutError(f"the registry did not start: {self._log.read_text()[-2000:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        if self._process:
            self._process.terminate()
            self._process.wait(timeout=START_SECONDS)

    def requests(self) -> list[Request]:
        """All that it was asked since it was started."""
        lines = (_LINE.match(line) for line in self._log.read_text().splitlines())
        return [Request(line["client"], line["method"], line["path"], int(line["status"])) for line in lines if line]

    def has(self, repository: str, digest: str) -> bool:
        """Whether a manifest (by the hexadecimal digits of its digest) is among the files that it keeps."""
        revisions = self._storage / "docker/registry/v2/repositories" / repository / "_manifests/revisions/sha256"
        return (revisions / digest / "link").exists()

    def _answers(self) -> bool:
        try:
            with socket.create_connection((self._address, self.port), timeout=1):
                return True
        except OSError:
            return False

    def _settings(self) -> dict[str, object]:
        tls = {"certificate": str(self._folder / "server.crt"), "key": str(self._folder / "server.key")}
        return {
            "version": 0.1,
            "log": {"level": "info", "accesslog": {"disabled": False}},
            "storage": {"filesystem": {"rootdirectory": str(self._storage)}},
            "http": {"addr": self.host, "tls": tls},
            "auth": {"htpasswd": {"realm": "tests", "path": str(self._folder / "users")}},
        }


def _spawn(command: Sequence[str], log: IO[bytes]) -> subprocess.Popen[bytes]:
    return subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log)


def free_port(address: str) -> int:
    """A port that nobody listens on now."""
    with socket.create_server((address, 0)) as listener:
        return int(listener.getsockname()[1])
