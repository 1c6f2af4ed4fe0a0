# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""All Molecule scenarios by the command that a developer gives, on a cluster that has the product already.

It is not the cluster of the other tests, so that these can run at the same time.
"""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.avi.egress.plugins.plugin_utils.given import given

from images.build import REPOSITORY
from tests.cluster import Cluster
from tests.support import playbook
from tests.support.checkout import files
from tests.support.kubectl import Kubectl
from tests.support.running_cluster import load_images, running, site_of

SCENARIOS = sorted(path.parent.name for path in files("extensions/molecule/*/molecule.yml"))
CLUSTER, API_PORT = "egress-test-molecule", 16447
LIMIT_SECONDS = 2400
INSTALLED = (
    ("deployment", "avi-egress-controller", "-n", "avi-egress"),
    ("egresscloud", "default"),
    ("egressnetwork", "outside"),
)


@pytest.fixture
def cluster() -> Iterator[Cluster]:
    with running(CLUSTER, API_PORT) as found:
        yield found


def test_every_scenario_holds_and_the_product_is_left_as_it_was_found(cluster: Cluster, tmp_path: Path) -> None:
    site = site_of(cluster, load_images(cluster))
    playbook.run(cluster.kubeconfig, site, "site", show=False)
    kubectl = Kubectl(cluster.kubeconfig)

    def installed() -> list[Any]:
        return [given(kubectl.json("get", *what)["spec"]) for what in INSTALLED]

    before = installed()
    variables = tmp_path / "site.json"
    # The scenarios say themselves what is different from one to another.
    own = ("egress_projects", "egress_placement")
    variables.write_text(json.dumps({name: value for name, value in site.items() if name not in own}))
    done = molecule(cluster, tmp_path / "molecule", "test", "--all", "--report", "--", f"--extra-vars=@{variables}")
    if done.returncode:
        pytest.fail(f"molecule test --all failed:\n{done.stdout[-12000:]}", pytrace=False)
    assert [name for name in SCENARIOS if f"[{name} > verify] Executed: Successful" not in done.stdout] == []
    assert installed() == before
    assert not cluster.problems()


def molecule(cluster: Cluster, folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run Molecule on a cluster that is there, with a folder of its own."""
    layout = cluster.layout
    environment = {
        **os.environ,
        "EGRESS_CLUSTER_NAME": layout.name,
        "EGRESS_CLUSTER_API_PORT": str(layout.api_port),
        "EGRESS_CLUSTER_STATE": str(layout.state_root),
        "MOLECULE_EPHEMERAL_DIRECTORY": str(folder),
        "NO_COLOR": "1",
    }
    environment.pop("EGRESS_DEMO_KUBECONFIG", None)
    return subprocess.run(
        ["molecule", *arguments],
        cwd=REPOSITORY / "extensions",
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=LIMIT_SECONDS,
        check=False,
    )
