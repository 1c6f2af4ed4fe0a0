# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The tutorial, run as it stands: its commands in their order, in an empty folder, with what they print compared."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.cluster import Cluster
from tests.support.checkout import compiled
from tests.support.kubectl import Kubectl

CHECKOUT = Path(__file__).parents[2]
PAGE = CHECKOUT / "docs/tutorial.md"
NOT_RUN = "<!-- not run by the test"
BLOCK = re.compile(r"^((?:<!--[^\n]*-->\n)?)```(console|yaml)\n(.*?)^```$", re.M | re.S)
OWN = {"CHECKOUT": str(CHECKOUT)}
"""What a reader sets to something of their own."""
ADDRESS = re.compile(r"10\.70\.112\.21\d")
"""Any that the tutorial's network leases: which one is drawn is chance."""
COMMAND_SECONDS = 300
LEASED, SEEN = "egress\\.avi\\.dev/source-ips", "http://shop.tutorial.svc"
"""The commands that tell which address was leased, and which one was seen."""


@dataclass(frozen=True)
class Step:
    """A command, and what the page says that it prints (None if it says nothing)."""

    command: str
    printed: str | None


def steps(block: str) -> Iterator[Step]:
    for text in re.split(r"^\$ ", block, flags=re.M)[1:]:
        command, _newline, printed = text.partition("\n")
        name = re.match(r"export (\w+)=", command)
        if name and name[1] in OWN:
            command = f"export {name[1]}={shlex.quote(OWN[name[1]])}"
        yield Step(command, printed or None)


def environment(cluster: Cluster, kubectl: Kubectl, folder: Path) -> dict[str, str]:
    """A reader's shell, with kubectl in it, whose local cluster is the tests' own."""
    wanted = ("HOME", "LANG", "XDG_CACHE_HOME", "EGRESS_KUBERNETES")
    kept = {name: os.environ[name] for name in wanted if name in os.environ}
    tools = folder / "tools"
    tools.mkdir()
    (tools / "kubectl").symlink_to(kubectl.program)
    layout = cluster.layout
    own = {"EGRESS_CLUSTER_NAME": layout.name, "EGRESS_CLUSTER_API_PORT": str(layout.api_port)}
    return {**kept, **own, "PATH": f"{tools}:{os.environ['PATH']}", **compiled()}


def run(command: str, folder: Path, variables: dict[str, str]) -> str:
    """What a command prints; what it exports is there for the next one."""
    kept = folder.parent / "environment"
    script = f"set -euo pipefail\n[ ! -e {kept} ] || . {kept}\n{command}\nexport -p > {kept}\n"
    done = subprocess.run(
        ["bash", "-c", script],
        cwd=folder,
        env=variables,
        capture_output=True,
        text=True,
        check=False,
        timeout=COMMAND_SECONDS,
    )
    assert done.returncode == 0, f"$ {command}\n{done.stdout}{done.stderr}"
    return done.stdout


@pytest.fixture
def folder(tmp_path: Path, kubectl: Kubectl) -> Iterator[Path]:
    """An empty one; the tutorial's projects are gone before and after, wherever it broke off."""
    gone = ("delete", "namespace", "tutorial", "visitor", "--ignore-not-found")
    kubectl.run(*gone)
    path = tmp_path / "folder"
    path.mkdir()
    yield path
    kubectl.run(*gone, "--wait=false")


def test_the_tutorial_holds_line_by_line(product: Path, cluster: Cluster, kubectl: Kubectl, folder: Path) -> None:
    variables, printed = environment(cluster, kubectl, folder.parent), {}

    for comment, language, block in BLOCK.findall(PAGE.read_text()):
        if comment.startswith(NOT_RUN):
            continue
        if language == "yaml":
            (folder / block.partition("\n")[0].removeprefix("# ")).write_text(block)
            continue
        for step in steps(block):
            printed[step.command] = run(step.command, folder, variables)
            if step.printed is not None:
                told, wanted = (ADDRESS.sub("10.70.112.21x", text) for text in (printed[step.command], step.printed))
                assert told == wanted, step.command

    (leased,) = [text for command, text in printed.items() if LEASED in command]
    (seen,) = [text for command, text in printed.items() if SEEN in command and "tutorial exec" in command]
    assert ADDRESS.fullmatch(leased.strip())
    assert seen == leased
