# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Debian's Prometheus on loopback, which scrapes what it is told to."""

from __future__ import annotations

import json
import re
import socket
import subprocess
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from tests.support.waiting import wait_for


class Prometheus:
    """A running server; it is asked by its HTTP API."""

    def __init__(self, port: int) -> None:
        self._url = f"http://127.0.0.1:{port}/api/v1"

    def query(self, expression: str) -> list[dict[str, Any]]:
        """The samples of an instant query; AssertionError with the server's sentence if it refuses it."""
        try:
            answer = self._get("query", query=expression)
        except urllib.error.HTTPError as error:
            raise AssertionError(f"{expression}: {error.read().decode()}") from None
        found: list[dict[str, Any]] = answer["data"]["result"]
        return found

    def ready(self) -> bool:
        try:
            return bool(self._get("status/runtimeinfo")["status"] == "success")
        except OSError:
            return False

    def _get(self, path: str, **parameters: str) -> dict[str, Any]:
        with urllib.request.urlopen(f"{self._url}/{path}?{urllib.parse.urlencode(parameters)}", timeout=10) as answer:
            found: dict[str, Any] = json.load(answer)
        return found


def job(name: str, target: str, relabelings: Sequence[Mapping[str, Any]] = (), **labels: str) -> dict[str, Any]:
    """Of one target with the labels that its discovery would give it; ``relabelings`` are those of a PodMonitor."""
    snake = [{_snake(key): value for key, value in item.items()} for item in relabelings]
    static = [{"targets": [target], "labels": labels}]
    return {"job_name": name, "static_configs": static, "relabel_configs": snake}


def _snake(key: str) -> str:
    """The Prometheus Operator's word for a setting as Prometheus' own."""
    return re.sub("[A-Z]", lambda found: f"_{found[0].lower()}", key)


@contextmanager
def prometheus(folder: Path, jobs: Sequence[Mapping[str, Any]]) -> Iterator[Prometheus]:
    """One that scrapes by ``jobs`` (as in its ``scrape_configs``) each second, and ends with the block."""
    config = folder / "prometheus.yml"
    config.write_text(yaml.safe_dump({"global": {"scrape_interval": "1s"}, "scrape_configs": list(jobs)}))
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = int(probe.getsockname()[1])
    command = ["prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder / 'tsdb'}"]
    command += [f"--web.listen-address=127.0.0.1:{port}", "--log.level=error"]
    with (folder / "prometheus.log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            server = Prometheus(port)
            wait_for("Prometheus to answer", server.ready)
            yield server
        finally:
            process.terminate()
