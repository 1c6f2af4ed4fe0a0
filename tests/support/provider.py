# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Which cluster the demonstration uses: the caller's own, kind where an engine answers, else the local one."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from ipaddress import ip_network
from pathlib import Path
from typing import Iterable, Mapping, Protocol

from images.build import Image, build_all
from tests.cluster import Cluster
from tests.cluster.layout import Layout
from tests.cluster.tools import admits_by_sccs

from .outside import DemoError, Outside, read

KIND_VERSION = (0, 33)
"""The first that can load images into nodes of the image that the configuration pins."""
KIND_CONFIGURATION = Path(__file__).resolve().parents[2] / "extensions/molecule/default/files/kind.yaml"
LEASABLE = 50
"""How many addresses of an engine's network may be leased."""


@dataclass(frozen=True)
class Names:
    """What tells one use's clusters from another's."""

    kind: str
    """The cluster's name in kind, and the beginning of its remote application's."""
    local: str | None = None
    """The local cluster's name and port; by default those of its environment variables, else its own."""
    api_port: int | None = None


DEMO = Names("avi-egress-demo")


class Provider(Protocol):
    """A cluster with its outside; ``up`` and ``down`` may be called again at any time."""

    title: str
    disposable: bool
    """Whether the cluster is one that may be removed."""

    @property
    def kubeconfig(self) -> Path:
        """An administrator's."""

    def exists(self) -> bool:
        """Whether there is such a cluster, in whatever state."""

    def up(self) -> None:
        """Make it, or finish what an interrupted attempt has begun."""

    def images(self) -> Mapping[str, str]:
        """The names of ``avi-egress-router`` and ``avi-egress-controller``, ready to be run by the nodes."""

    def load(self, images: Iterable[Image]) -> None:
        """Let the nodes run built images."""

    def outside(self) -> Outside:
        """The network beyond the nodes."""

    def down(self) -> bool:
        """Remove the cluster; whether there was one."""


class LocalCluster:
    """The cluster of ``tests/cluster``."""

    title = "the local cluster"
    disposable = True

    def __init__(self, name: str | None = None, api_port: int | None = None) -> None:
        self._cluster = Cluster(name, api_port, report=lambda line: print(f"  {line}", flush=True))

    @property
    def kubeconfig(self) -> Path:
        return self._cluster.kubeconfig

    def exists(self) -> bool:
        return self._cluster.layout.state.exists()

    def up(self) -> None:
        self._cluster.up()

    def images(self) -> Mapping[str, str]:
        built = build_all()
        self.load(built.values())
        return {name: image.name for name, image in built.items()}

    def load(self, images: Iterable[Image]) -> None:
        self._cluster.load_images([image.archive for image in images])

    def outside(self) -> Outside:
        return outside_of(self._cluster.layout)

    def down(self) -> bool:
        existed = self.exists()
        self._cluster.down()
        return existed


class KindCluster:
    """kind on Docker or Podman; the outside is the engine's own network, the remote application a container on it."""

    disposable = True

    def __init__(self, engine: str, name: str) -> None:
        self.title = f"kind on {engine}"
        self._engine = engine
        self._name = name
        self._remote = f"{name}-remote"

    @property
    def kubeconfig(self) -> Path:
        return Path.home() / ".kube" / f"{self._name}.config"

    def exists(self) -> bool:
        return self._name in self._kind("get", "clusters").split()

    def up(self) -> None:
        self._require_version()
        if not self.exists():
            self._kind("create", "cluster", "--name", self._name, "--config", str(KIND_CONFIGURATION), "--wait", "120s")
        self.kubeconfig.parent.mkdir(exist_ok=True)
        self.kubeconfig.write_text(self._kind("get", "kubeconfig", "--name", self._name))
        self.kubeconfig.chmod(0o600)

    def images(self) -> Mapping[str, str]:
        built = build_all()
        self.load(built.values())
        self._start_remote(built["avi-egress-router"])
        return {name: image.name for name, image in built.items()}

    def load(self, images: Iterable[Image]) -> None:
        archives = [str(image.archive) for image in images]
        self._kind("load", "image-archive", *archives, "--name", self._name)

    def outside(self) -> Outside:
        network = json.loads(self._run(self._engine, "network", "inspect", "kind"))[0]
        subnets = network.get("IPAM", {}).get("Config") or network.get("subnets")
        subnet = next(item for item in subnets if ":" not in (item.get("Subnet") or item["subnet"]))
        cidr = subnet.get("Subnet") or subnet["subnet"]
        begin, end = free_range(cidr)
        template = "{{.NetworkSettings.Networks.kind.IPAddress}}"
        return Outside(
            subnet=cidr,
            gateway=subnet.get("Gateway") or subnet["gateway"],
            begin=begin,
            end=end,
            destination=self._run(self._engine, "inspect", "-f", template, self._remote).strip(),
            # The article's default would cover the engine's own networks.
            bridge_subnet="100.64.118.1/24",
        )

    def down(self) -> bool:
        existed = self.exists()
        subprocess.run([self._engine, "rm", "-f", self._remote], capture_output=True, check=False)
        if existed:
            self._kind("delete", "cluster", "--name", self._name)
        self.kubeconfig.unlink(missing_ok=True)
        return existed

    def _require_version(self) -> None:
        told = self._kind("version").split()
        numbers = re.match(r"v(\d+)\.(\d+)", told[1] if len(told) > 1 else "")
        if not numbers or tuple(map(int, numbers.groups())) < KIND_VERSION:
            wanted = ".".join(map(str, KIND_VERSION))
            raise DemoError(f"kind says that it is {' '.join(told)}: install kind {wanted} or newer")

    def _start_remote(self, image: Image) -> None:
        """The remote application as a container; it has Python from the router's image and no route to the pods."""
        there = subprocess.run([self._engine, "inspect", self._remote], capture_output=True, check=False)
        if there.returncode == 0:
            return
        if self._engine == "docker":
            self._run(self._engine, "load", "-i", str(image.archive))
        program = Path(__file__).resolve().parents[1] / "cluster/remote.py"
        mount = f"{program}:/remote.py:ro"
        self._run(
            *(self._engine, "run", "-d", "--name", self._remote, "--network", "kind", "-v", mount),
            *("--entrypoint", "python3", image.name, "/remote.py", "80"),
        )

    def _kind(self, *arguments: str) -> str:
        return self._run("kind", *arguments)

    def _run(self, *command: str) -> str:
        provider = {"KIND_EXPERIMENTAL_PROVIDER": self._engine}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env={**os.environ, **provider})
        if done.returncode:
            raise DemoError(f"{' '.join(command[:3])} failed: {done.stderr.strip().splitlines()[-1:]}")
        return done.stdout


class ExistingCluster:
    """The cluster that KUBECONFIG names; nothing of it is made or removed, only the product is installed in it."""

    title = "the cluster of KUBECONFIG"
    disposable = False

    def __init__(self) -> None:
        path = os.environ.get("KUBECONFIG", "")
        if not path or not Path(path).exists():
            raise DemoError(f"EGRESS_DEMO_KUBECONFIG=1 asks for the cluster of KUBECONFIG, which is {path!r}: no file")
        described = os.environ.get("EGRESS_DEMO_OUTSIDE")
        if not described:
            raise DemoError("set EGRESS_DEMO_OUTSIDE to a YAML file that describes the outside LAN (docs/demo.md)")
        self._kubeconfig = Path(path)
        self._outside, self._images = read(Path(described))

    @property
    def kubeconfig(self) -> Path:
        return self._kubeconfig

    def exists(self) -> bool:
        return True

    def up(self) -> None:
        """The cluster is there already."""

    def images(self) -> Mapping[str, str]:
        return {f"avi-egress-{role}": self._images[f"{role}_image"] for role in ("router", "controller")}

    def load(self, images: Iterable[Image]) -> None:
        names = ", ".join(image.name for image in images)
        raise DemoError(f"{names}: images that were built here cannot be loaded into a cluster that was not made here")

    def outside(self) -> Outside:
        return self._outside

    def down(self) -> bool:
        return False


def outside_of(layout: Layout) -> Outside:
    """The local cluster's outside LAN; its remote application has the article's own destination address."""
    return Outside(
        subnet=str(layout.lan),
        gateway=str(layout.remote.ip),
        begin=str(layout.lan[100]),
        end=str(layout.lan[199]),
        destination=str(layout.remote_loopbacks[0]),
    )


def outside_v6_of(layout: Layout) -> Outside:
    """The same LAN and application over IPv6."""
    return Outside(
        subnet=str(layout.lan_v6),
        gateway=str(layout.remote_v6.ip),
        begin=str(layout.lan_v6[0x100]),
        end=str(layout.lan_v6[0x1FF]),
        destination=str(layout.remote_loopbacks_v6[0]),
        bridge_subnet="fd00:172:18::1/64",
    )


def free_range(cidr: str) -> tuple[str, str]:
    """The first and the last of the addresses to lease in an engine's network.

    Engines hand out their addresses from the beginning, so these are near the end.
    """
    last = ip_network(cidr).broadcast_address - 1
    return str(last - LEASABLE + 1), str(last)


def choose(names: Names = DEMO) -> Provider:
    """The provider for this machine, by the caller's word first; DemoError if that word leads nowhere."""
    if os.environ.get("EGRESS_DEMO_KUBECONFIG") == "1":
        return ExistingCluster()
    if os.environ.get("EGRESS_CLUSTER_NAME"):
        return LocalCluster()
    if admits_by_sccs():
        return LocalCluster(names.local, names.api_port)
    for engine in ("docker", "podman"):
        answers = (
            shutil.which(engine) and subprocess.run([engine, "info"], capture_output=True, check=False).returncode == 0
        )
        if answers and shutil.which("kind"):
            return KindCluster(engine, names.kind)
    return LocalCluster(names.local, names.api_port)
