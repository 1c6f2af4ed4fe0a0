# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Which cluster the demonstration uses: the caller's own, kind where an engine answers, else the local one."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Mapping, Protocol

from images.build import Image, build_all
from tests.cluster import Cluster
from tests.cluster.layout import Layout

from .outside import DemoError, Outside, read

KIND_NAME = "avi-egress-demo"
KIND_CONFIGURATION = Path(__file__).resolve().parents[2] / "extensions/molecule/default/kind.yaml"
REMOTE_CONTAINER = "avi-egress-demo-remote"


class Provider(Protocol):
    """A cluster with its outside; ``up`` and ``down`` may be called again at any time."""

    title: str
    disposable: bool
    """Whether the demonstration made the cluster, and may remove it."""

    @property
    def kubeconfig(self) -> Path: ...

    def up(self) -> None: ...

    def images(self) -> Mapping[str, str]:
        """The names of ``avi-egress-router`` and ``avi-egress-controller``, ready to be run by the nodes."""

    def outside(self) -> Outside: ...

    def down(self) -> bool:
        """Remove the cluster; whether there was one."""


class LocalCluster:
    """The cluster of ``tests/cluster``."""

    title = "the local cluster"
    disposable = True

    def __init__(self) -> None:
        self._cluster = Cluster(report=lambda line: print(f"  {line}", flush=True))

    @property
    def kubeconfig(self) -> Path:
        return self._cluster.kubeconfig

    def up(self) -> None:
        self._cluster.up()

    def images(self) -> Mapping[str, str]:
        built = build_all()
        self._cluster.load_images([image.archive for image in built.values()])
        return {name: image.name for name, image in built.items()}

    def outside(self) -> Outside:
        return outside_of(self._cluster.layout)

    def down(self) -> bool:
        existed = self._cluster.layout.state.exists()
        self._cluster.down()
        return existed


class KindCluster:
    """kind on Docker or Podman; the outside is the engine's own network, the remote application a container on it."""

    disposable = True

    def __init__(self, engine: str) -> None:
        self.title = f"kind on {engine}"
        self._engine = engine

    @property
    def kubeconfig(self) -> Path:
        return Path.home() / ".kube" / f"{KIND_NAME}.config"

    def up(self) -> None:
        if KIND_NAME not in self._kind("get", "clusters").split():
            self._kind("create", "cluster", "--name", KIND_NAME, "--config", str(KIND_CONFIGURATION), "--wait", "120s")
        self.kubeconfig.parent.mkdir(exist_ok=True)
        self.kubeconfig.write_text(self._kind("get", "kubeconfig", "--name", KIND_NAME))
        self.kubeconfig.chmod(0o600)

    def images(self) -> Mapping[str, str]:
        built = build_all()
        for image in built.values():
            self._kind("load", "image-archive", str(image.archive), "--name", KIND_NAME)
        self._start_remote(built["avi-egress-router"])
        return {name: image.name for name, image in built.items()}

    def outside(self) -> Outside:
        network = json.loads(self._run(self._engine, "network", "inspect", "kind"))[0]
        subnets = network.get("IPAM", {}).get("Config") or network.get("subnets")
        subnet = next(item for item in subnets if ":" not in (item.get("Subnet") or item["subnet"]))
        cidr = subnet.get("Subnet") or subnet["subnet"]
        prefix = ".".join(cidr.split(".")[:2])
        template = "{{.NetworkSettings.Networks.kind.IPAddress}}"
        return Outside(
            subnet=cidr,
            gateway=subnet.get("Gateway") or subnet["gateway"],
            # The engine hands out its addresses from the beginning of the /16; the far end stays free.
            begin=f"{prefix}.250.150",
            end=f"{prefix}.250.199",
            destination=self._run(self._engine, "inspect", "-f", template, REMOTE_CONTAINER).strip(),
            # The article's default would cover the engine's own networks.
            bridge_subnet="100.64.118.1/24",
        )

    def down(self) -> bool:
        existed = KIND_NAME in self._kind("get", "clusters").split()
        subprocess.run([self._engine, "rm", "-f", REMOTE_CONTAINER], capture_output=True, check=False)
        if existed:
            self._kind("delete", "cluster", "--name", KIND_NAME)
        self.kubeconfig.unlink(missing_ok=True)
        return existed

    def _start_remote(self, image: Image) -> None:
        """The remote application as a container; it has Python from the router's image and no route to the pods."""
        if (
            subprocess.run([self._engine, "inspect", REMOTE_CONTAINER], capture_output=True, check=False).returncode
            == 0
        ):
            return
        if self._engine == "docker":
            self._run(self._engine, "load", "-i", str(image.archive))
        program = Path(__file__).resolve().parents[1] / "cluster/remote.py"
        mount = f"{program}:/remote.py:ro"
        self._run(
            *(self._engine, "run", "-d", "--name", REMOTE_CONTAINER, "--network", "kind", "-v", mount),
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

    def up(self) -> None:
        """The cluster is there already."""

    def images(self) -> Mapping[str, str]:
        return {f"avi-egress-{role}": self._images[f"{role}_image"] for role in ("router", "controller")}

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


def choose() -> Provider:
    """The provider for this machine, by the caller's word first; DemoError if that word leads nowhere."""
    if os.environ.get("EGRESS_DEMO_KUBECONFIG") == "1":
        return ExistingCluster()
    for engine in ("docker", "podman"):
        answers = (
            shutil.which(engine) and subprocess.run([engine, "info"], capture_output=True, check=False).returncode == 0
        )
        if answers and shutil.which("kind"):
            return KindCluster(engine)
    return LocalCluster()
