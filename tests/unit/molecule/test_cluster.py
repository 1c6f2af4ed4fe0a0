# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Whose cluster the scenarios run on, and what becomes of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterable, Mapping
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
import yaml

from images.build import Image
from tests.molecule import cluster
from tests.support.outside import DemoError, Outside
from tests.support.provider import KIND_CONFIGURATION, LocalCluster, choose, free_range


class Somewhere:
    """A cluster that is only remembered: whether it is there, and whether it can be brought up."""

    disposable = True

    def __init__(self, folder: Path, there: bool = False, works: bool = True, title: str = "somewhere") -> None:
        self.title = title
        self.there = there
        self._works = works
        self._folder = folder

    @property
    def kubeconfig(self) -> Path:
        return self._folder / "admin"

    def exists(self) -> bool:
        return self.there

    def up(self) -> None:
        self.there = True
        if not self._works:
            raise DemoError("interrupted")

    def images(self) -> Mapping[str, str]:
        return {"avi-egress-router": "router:1", "avi-egress-controller": "controller:1"}

    def load(self, images: Iterable[Image]) -> None:
        """Images are only names here."""

    def outside(self) -> Outside:
        return Outside("192.0.2.0/24", "192.0.2.1", "192.0.2.100", "192.0.2.199", "198.51.100.7")

    def down(self) -> bool:
        was, self.there = self.there, False
        return was


@pytest.fixture(autouse=True)
def kubectl(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine that has one."""
    monkeypatch.setattr("tests.molecule.cluster.shutil.which", lambda _name: "/usr/bin/kubectl")


def test_a_cluster_that_was_made_for_the_scenarios_is_removed(tmp_path: Path) -> None:
    made = Somewhere(tmp_path)
    cluster.up(tmp_path, made)
    cluster.up(tmp_path, made)
    assert cluster.down(tmp_path, made)
    assert not made.there


def test_a_cluster_that_was_there_before_stays(tmp_path: Path) -> None:
    found = Somewhere(tmp_path, there=True)
    cluster.up(tmp_path, found)
    assert not cluster.down(tmp_path, found)
    assert found.there


def test_what_an_interrupted_run_has_made_is_removed_as_well(tmp_path: Path) -> None:
    with pytest.raises(DemoError, match="interrupted"):
        cluster.up(tmp_path, Somewhere(tmp_path, works=False))
    left = Somewhere(tmp_path, there=True)
    cluster.up(tmp_path, left)
    assert cluster.down(tmp_path, left)
    assert not left.there


def test_the_end_of_one_run_says_nothing_of_the_next(tmp_path: Path) -> None:
    one = Somewhere(tmp_path)
    cluster.up(tmp_path, one)
    cluster.down(tmp_path, one)
    one.there = True
    cluster.up(tmp_path, one)
    assert not cluster.down(tmp_path, one)


def test_another_cluster_than_the_one_that_was_used_is_not_touched(tmp_path: Path) -> None:
    cluster.up(tmp_path, Somewhere(tmp_path))
    other = Somewhere(tmp_path, there=True, title="elsewhere")
    for touch in (cluster.up, cluster.down):
        with pytest.raises(DemoError, match="cluster is somewhere, but this environment chooses elsewhere"):
            touch(tmp_path, other)
    assert other.there


def test_the_inventory_has_what_the_playbooks_ask_for(tmp_path: Path) -> None:
    cluster.up(tmp_path, Somewhere(tmp_path))
    told = yaml.safe_load((tmp_path / "inventory/cluster.yml").read_text())["all"]["vars"]
    assert told["egress_router_image"] == "router:1"
    assert told["egress_networks"][0]["subnets"][0]["cidr"] == "192.0.2.0/24"
    assert told["remote"] == "198.51.100.7"
    assert "egress_projects" not in told
    assert (tmp_path / "kubeconfig").readlink() == tmp_path / "admin"


def test_a_local_cluster_that_is_named_is_preferred_to_an_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("EGRESS_DEMO_KUBECONFIG", raising=False)
    monkeypatch.setenv("EGRESS_CLUSTER_NAME", "named")
    monkeypatch.setenv("EGRESS_CLUSTER_API_PORT", "16555")
    chosen = choose(cluster.MOLECULE)
    assert isinstance(chosen, LocalCluster)
    assert chosen.kubeconfig.parent.name == "named"


def test_openshifts_admission_is_had_by_the_local_cluster_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("EGRESS_DEMO_KUBECONFIG", "EGRESS_CLUSTER_NAME", "EGRESS_CLUSTER_STATE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("EGRESS_KUBERNETES", "openshift")
    monkeypatch.setattr(shutil, "which", lambda _program: pytest.fail("an engine was looked for"))

    chosen = choose(cluster.MOLECULE)

    assert isinstance(chosen, LocalCluster)
    assert chosen.kubeconfig.parent.name == cluster.MOLECULE.local


@pytest.mark.parametrize("cidr", ["172.18.0.0/16", "10.89.0.0/24", "192.168.32.0/20"])
def test_addresses_for_leases_are_at_the_end_of_the_engines_network(cidr: str) -> None:
    begin, end = map(ip_address, free_range(cidr))
    network = ip_network(cidr)
    assert begin in network
    assert int(end) - int(begin) == 49
    assert int(network.broadcast_address) - int(end) == 1


def test_every_node_of_kind_is_of_one_pinned_image() -> None:
    nodes = yaml.safe_load(KIND_CONFIGURATION.read_text())["nodes"]
    (image,) = {node["image"] for node in nodes}
    assert "@sha256:" in image
    assert [node["role"] for node in nodes].count("worker") == 2
