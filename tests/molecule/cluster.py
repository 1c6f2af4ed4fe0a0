# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The cluster of all scenarios, and what Molecule's folder has to know of it.

A cluster that was there before is used as it is, and stays.
"""

from __future__ import annotations

import json
import secrets
import shutil
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.support import playbook
from tests.support.kubectl import Kubectl
from tests.support.outside import DemoError
from tests.support.provider import Names, Provider, choose

MOLECULE = Names("avi-egress-molecule", "egress-molecule", 16446)


@dataclass(frozen=True)
class Record:
    """What `down` has to know; written before anything is made, so that an interrupted `up` is undone as well."""

    title: str
    made: bool
    """Whether the cluster was made for the scenarios."""


def provider() -> Provider:
    return choose(MOLECULE)


def up(folder: Path, cluster: Provider) -> None:
    """Have a cluster with the product's images, and in the folder an inventory that describes it and a way to it."""
    record = _read(folder) or Record(cluster.title, made=not cluster.exists())
    _require_same(record, cluster)
    _record(folder).write_text(json.dumps(asdict(record)))
    cluster.up()
    inventory = {"all": {"vars": {**_variables(cluster), "cluster_found": not record.made}}}
    _inventory(folder).parent.mkdir(parents=True, exist_ok=True)
    _inventory(folder).write_text(yaml.safe_dump(inventory))
    for link, target in _links(folder, cluster).items():
        link.parent.mkdir(exist_ok=True)
        link.unlink(missing_ok=True)
        link.symlink_to(target)


def down(folder: Path, cluster: Provider) -> bool:
    """Remove the cluster if `up` has made it; whether it did."""
    record = _read(folder)
    if record:
        _require_same(record, cluster)
        if record.made:
            cluster.down()
    for path in (*_links(folder, cluster), _inventory(folder), _record(folder)):
        path.unlink(missing_ok=True)
    return record is not None and record.made


def _variables(cluster: Provider) -> dict[str, Any]:
    """The variables of ``avi.egress.site`` but for its projects, and the scenarios' own."""
    images, outside = cluster.images(), cluster.outside()
    site = playbook.site_variables(outside, images)
    del site["egress_projects"]
    # Projects of another run may still be on their way out.
    return {**site, "remote": outside.destination, "run": secrets.token_hex(2), "disposable": cluster.disposable}


def _require_same(record: Record, cluster: Provider) -> None:
    if record.title != cluster.title:
        raise DemoError(
            f"the scenarios' cluster is {record.title}, but this environment chooses {cluster.title}: "
            "set it as it was, and run `molecule destroy` first"
        )


def _read(folder: Path) -> Record | None:
    return Record(**json.loads(_record(folder).read_text())) if _record(folder).exists() else None


def _record(folder: Path) -> Path:
    return folder / "cluster.json"


def _links(folder: Path, cluster: Provider) -> dict[Path, Path]:
    """What the scenarios' configuration names in the folder, and where that really is."""
    kubectl = shutil.which(Kubectl(cluster.kubeconfig).program)
    if not kubectl:
        raise DemoError("there is no kubectl here, through which the scenarios call from pods: install it")
    return {folder / "kubeconfig": cluster.kubeconfig, folder / "bin/kubectl": Path(kubectl)}


def _inventory(folder: Path) -> Path:
    return folder / "inventory" / "cluster.yml"
