# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""When a tool is built again."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.cluster import tools
from tests.cluster.errors import ClusterError


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(tools, "SOURCES", tmp_path / "sources")
    # Go's own cache stays: without it the standard library would be compiled for one line that does not compile.
    monkeypatch.setenv("GOCACHE", os.environ.get("GOCACHE") or str(tools.cache().parents[1] / "go-build"))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    folder = tmp_path / "sources" / "thing"
    folder.mkdir(parents=True)
    (folder / "go.mod").write_text("module thing\n\ngo 1.26.0\n")
    return folder


def test_sums_sources_and_flags_change_the_fingerprint(sources: Path) -> None:
    tool = tools.Tool("thing", ("thing",))
    first = tool.fingerprint()
    assert tool.fingerprint() == first
    (sources / "go.sum").write_text("h1:other")
    second = tool.fingerprint()
    flagged = tools.Tool("thing", ("thing",), link_flags=("-X a=b",)).fingerprint()
    assert len({first, second, flagged}) == 3


def test_what_the_cache_has_is_not_built(sources: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tool = tools.Tool("thing", ("thing",))
    made = tools.cache() / f"thing-{tool.fingerprint()}"
    made.mkdir(parents=True)
    monkeypatch.setenv("PATH", "")
    reported: list[str] = []
    assert tools.ensure(tool, reported.append) == made
    assert reported == []


def test_a_failed_build_says_why_and_leaves_no_half_of_itself(sources: Path) -> None:
    (sources / "main.go").write_text("package main\n\nfunc main() { undefined() }\n")
    with pytest.raises(ClusterError, match="undefined: undefined"):
        tools.ensure(tools.Tool("thing", ("thing",)), lambda line: None)
    assert [left.name for left in tools.cache().iterdir()] == [".lock"], "which keeps builds from each other"


def test_an_unknown_program_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ClusterError, match="kubectl"):
        tools.program("kubeadm")


def test_an_unknown_series_of_kubernetes_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ClusterError, match=r"EGRESS_KUBERNETES is '1\.29': take one of 1\.36, 1\.28, 1\.30"):
        tools.kubernetes_servers("1.29")


def test_each_series_of_kubernetes_says_its_version_and_has_a_cache_of_its_own() -> None:
    servers = [tools.kubernetes_servers(series) for series in ("1.36", "1.28", "1.30", "1.34", "1.37")]

    assert servers[0] is tools.KUBERNETES
    assert len({tool.folder for tool in servers}) == len(servers)
    assert "-X k8s.io/component-base/version.gitVersion=v1.30.14" in servers[2].link_flags


def test_a_cluster_that_admits_by_sccs_has_all_programs_of_one_version(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EGRESS_KUBERNETES", "openshift")

    assert {tools.program(name).parent for name in tools.KUBERNETES.programs} == {tools.OPENSHIFT.folder}
    assert tools.kubernetes_servers("openshift") is tools.OPENSHIFT


def test_a_series_of_api_servers_alone_leaves_the_cluster_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("EGRESS_KUBERNETES", "1.30")

    assert tools.program("kubelet") == tools.KUBERNETES.folder / "kubelet"
