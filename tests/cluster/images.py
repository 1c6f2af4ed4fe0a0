# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Container images without a registry: archives of single programs, and archives into the nodes."""

from __future__ import annotations

import hashlib
import io
import json
import subprocess
import tarfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.cluster import node as nodes
from tests.cluster import tools
from tests.cluster.errors import ClusterError
from tests.cluster.layout import Layout, Node

_OCI_NAMES = ("io.containerd.image.name", "org.opencontainers.image.ref.name")


def write_program_archive(program: Path, reference: str, archive: Path) -> None:
    """A docker archive of an image that holds one static program and runs it."""
    layer = io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as content:
        entry = tarfile.TarInfo(program.name)
        entry.mode = 0o755
        entry.size = program.stat().st_size
        with program.open("rb") as file:
            content.addfile(entry, file)
    layer_digest = hashlib.sha256(layer.getvalue()).hexdigest()
    config = json.dumps(
        {
            "architecture": _architecture(),
            "os": "linux",
            "config": {"Entrypoint": [f"/{program.name}"]},
            "rootfs": {"type": "layers", "diff_ids": [f"sha256:{layer_digest}"]},
        }
    ).encode()
    config_name = f"{hashlib.sha256(config).hexdigest()}.json"
    manifest = [{"Config": config_name, "RepoTags": [reference], "Layers": [f"{layer_digest}.tar"]}]
    parts = (
        (config_name, config),
        (f"{layer_digest}.tar", layer.getvalue()),
        ("manifest.json", json.dumps(manifest).encode()),
    )
    with tarfile.open(archive, mode="w") as content:
        for name, data in parts:
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            content.addfile(entry, io.BytesIO(data))


def load_pause(layout: Layout) -> None:
    """Give the nodes the image that holds every pod's namespaces open."""
    archive = layout.state / "pause.tar"
    write_program_archive(tools.program("pause"), nodes.PAUSE_IMAGE, archive)
    load(layout, [archive])
    archive.unlink()


def load(layout: Layout, archives: Iterable[Path]) -> None:
    """Import docker or OCI archives into every node; what a node already has from the same archive is left alone."""
    known = [(archive, _digest(archive), references(archive)) for archive in archives]

    def fill(node: Node) -> None:
        for archive, digest, references in known:
            _import(layout, node, archive, digest, references)

    with ThreadPoolExecutor(max_workers=len(layout.nodes)) as workers:
        list(workers.map(fill, layout.nodes))


def _architecture() -> str:
    names = {"x86_64": "amd64", "aarch64": "arm64"}
    machine = subprocess.run(["uname", "-m"], capture_output=True, text=True, check=True).stdout.strip()
    return names.get(machine, machine)


def _digest(archive: Path) -> str:
    try:
        with archive.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as failure:
        raise ClusterError(
            f"The archive {archive} cannot be read ({failure.strerror}): name an image archive."
        ) from None


def references(archive: Path) -> list[str]:
    """The image names that the archive gives."""
    try:
        with tarfile.open(archive) as content:
            names = content.getnames()
            if "manifest.json" in names:
                return [tag for image in _json(content, "manifest.json") for tag in image.get("RepoTags") or []]
            manifests = _json(content, "index.json")["manifests"]
            annotations = [manifest.get("annotations", {}) for manifest in manifests]
            return [found[name] for found in annotations for name in _OCI_NAMES if name in found]
    except (tarfile.TarError, KeyError, ValueError):
        raise ClusterError(
            f"The archive {archive} is neither a docker nor an OCI archive: make one with "
            "`buildah push IMAGE docker-archive:FILE:NAME`."
        ) from None


def _json(content: tarfile.TarFile, name: str) -> Any:
    member = content.extractfile(name)
    if member is None:
        raise KeyError(name)
    return json.load(member)


def _import(layout: Layout, node: Node, archive: Path, digest: str, references: list[str]) -> None:
    # Two archives may give one name in turn, so what counts is which archive gave the name last.
    ledger = layout.node_state(node) / "images.json"
    imported: dict[str, str] = json.loads(ledger.read_text()) if ledger.exists() else {}
    if references and all(imported.get(reference) == digest for reference in references):
        return
    command = ["ctr", "--address", f"{nodes.root(layout, node)}{nodes.SOCKET}", "--namespace", "k8s.io"]
    done = subprocess.run([*command, "images", "import", str(archive)], check=False, capture_output=True, text=True)
    if done.returncode != 0:
        reason = done.stderr.strip().splitlines()[-1:] or ["no reason given"]
        raise ClusterError(f"{node.name} does not take the archive {archive}: {reason[0]}.")
    imported.update(dict.fromkeys(references, digest))
    ledger.write_text(json.dumps(imported))
