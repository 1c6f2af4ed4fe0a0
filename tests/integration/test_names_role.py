# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The role's part in CoreDNS's Corefile, told in order on one cluster: refused, foreseen, set up, changed, removed."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.avi.egress.plugins.module_utils.client.kube_client import KubeClient
from ansible_collections.avi.egress.plugins.plugin_utils.corefile import with_names

from tests.support.ansible_run import HOST, Ansible, Run
from tests.support.api_server import ApiServer
from tests.support.kinds import CONFIG_MAP, DEPLOYMENT

# What Jinja would take for its own, trailing blanks and no newline at the end: all of it has to survive.
COREFILE = """\
.:53 {
    errors
    template IN A example.org {
        answer "{{ .Name }} 60 IN A 10.0.0.1"
    }
    forward . /etc/resolv.conf   \n}\n\n# the end"""
NAMED = with_names(COREFILE, "sub-domain", "cluster.local")
SET_UP = "Set up the names of services in CoreDNS"


@pytest.fixture(scope="module")
def cluster(api: ApiServer) -> KubeClient:
    return api.cluster()


def dns(ansible: Ansible, *arguments: str, **variables: Any) -> Run:
    """Run the role's task file alone."""
    role = {"name": "avi.egress.egress", "tasks_from": "dns"}
    task = {"name": "Names", "ansible.builtin.include_role": role}
    path = ansible.folder / "dns.yml"
    path.write_text(json.dumps([{"hosts": HOST, "connection": "local", "gather_facts": False, "tasks": [task]}]))
    return ansible.playbook(str(path), "-e", json.dumps(variables), *arguments)


def data(cluster: KubeClient) -> dict[str, str]:
    found = cluster.get(CONFIG_MAP, "coredns", "kube-system")
    assert found
    kept: dict[str, str] = found["data"]
    return kept


def write(cluster: KubeClient, corefile: str) -> None:
    metadata = {"namespace": "kube-system", "name": "coredns"}
    content = {"Corefile": corefile, "other": "kept"}
    cluster.create(CONFIG_MAP, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": content})


def run_coredns(cluster: KubeClient) -> None:
    """A Deployment as kubeadm makes it, as far as a restart needs one."""
    labels, container = {"k8s-app": "kube-dns"}, {"name": "coredns", "image": "coredns"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [container]}}
    spec = {"selector": {"matchLabels": labels}, "template": template}
    metadata = {"namespace": "kube-system", "name": "coredns"}
    cluster.create(DEPLOYMENT, {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": metadata, "spec": spec})


def restarted(cluster: KubeClient) -> str | None:
    """When somebody last asked for a restart."""
    found = cluster.get(DEPLOYMENT, "coredns", "kube-system")
    assert found
    annotations: dict[str, str] = found["spec"]["template"]["metadata"].get("annotations") or {}
    return annotations.get("kubectl.kubernetes.io/restartedAt")


def test_without_coredns_only_a_wish_for_names_is_refused(ansible: Ansible) -> None:
    assert dns(ansible).failure == ""
    refused = dns(ansible, egress_sub_domain="sub-domain")

    assert refused.failure == (
        "egress_sub_domain is sub-domain, but the cluster has no ConfigMap kube-system/coredns with a Corefile; leave "
        "egress_sub_domain empty (on OpenShift, whose DNS operator rewrites no names, docs/how-to/names.md tells what "
        "to do instead)"
    )


def test_check_mode_foresees_the_change_and_makes_none(ansible: Ansible, cluster: KubeClient) -> None:
    write(cluster, COREFILE)

    run = dns(ansible, "--check", "--diff", egress_sub_domain="sub-domain")

    assert run.stats["changed"] == 1
    diff = run.result(SET_UP)["diff"]
    assert diff["before"] == {"data": {"Corefile": COREFILE}}
    assert diff["after"] == {"data": {"Corefile": NAMED}}
    assert data(cluster)["Corefile"] == COREFILE


def test_names_are_set_up_and_everything_else_is_kept(ansible: Ansible, cluster: KubeClient) -> None:
    run = dns(ansible, egress_sub_domain="sub-domain")

    assert (run.failure, run.stats["changed"]) == ("", 1)
    assert data(cluster) == {"Corefile": NAMED, "other": "kept"}


@pytest.mark.parametrize("arguments", [(), ("--check", "--diff")])
def test_a_second_run_changes_nothing(ansible: Ansible, cluster: KubeClient, arguments: tuple[str, ...]) -> None:
    run = dns(ansible, *arguments, egress_sub_domain="sub-domain")

    assert (run.failure, run.stats["changed"]) == ("", 0)
    assert data(cluster)["Corefile"] == NAMED


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"egress_sub_domain": "sub_domain"}, "role egress: egress_sub_domain is 'sub_domain'; give a DNS domain such"),
        ({"egress_sub_domain": "a.corp", "egress_cluster_domain": "corp"}, "outside the cluster's own, corp"),
    ],
)
def test_a_wrong_domain_is_refused(ansible: Ansible, cluster: KubeClient, variables: dict[str, str], told: str) -> None:
    run = dns(ansible, **variables)

    assert told in run.failure
    assert data(cluster)["Corefile"] == NAMED


def test_an_emptied_variable_takes_the_names_away_and_restarts_coredns_that_would_not_see_it(
    ansible: Ansible, cluster: KubeClient
) -> None:
    run_coredns(cluster)

    foreseen = dns(ansible, "--check")
    assert restarted(cluster) is None
    run = dns(ansible)

    assert (foreseen.stats["changed"], run.stats["changed"]) == (2, 2)
    assert data(cluster) == {"Corefile": COREFILE, "other": "kept"}
    assert restarted(cluster)


def test_coredns_that_looks_for_changes_is_not_restarted(ansible: Ansible, cluster: KubeClient) -> None:
    before = restarted(cluster)
    reloading = COREFILE.replace("    errors\n", "    errors\n    reload 10s\n")
    cluster.patch(CONFIG_MAP, "coredns", {"data": {"Corefile": reloading}}, "kube-system")

    runs = [dns(ansible, egress_sub_domain=domain) for domain in ("sub-domain", "")]

    assert [run.stats["changed"] for run in runs] == [1, 1]
    assert data(cluster)["Corefile"] == reloading
    assert restarted(cluster) == before
    cluster.patch(CONFIG_MAP, "coredns", {"data": {"Corefile": COREFILE}}, "kube-system")


def test_the_site_sets_the_names_up_and_uninstalling_takes_them_away(ansible: Ansible, cluster: KubeClient) -> None:
    site = {"egress_wait": False, "egress_sub_domain": "sub-domain"}
    assert ansible.playbook("avi.egress.site", "-e", json.dumps(site)).failure == ""
    assert data(cluster)["Corefile"] == NAMED

    assert ansible.playbook("avi.egress.uninstall").failure == ""
    assert data(cluster)["Corefile"] == COREFILE


def test_a_corefile_without_a_place_for_the_names_is_told(ansible: Ansible, cluster: KubeClient) -> None:
    found = cluster.get(CONFIG_MAP, "coredns", "kube-system")
    assert found
    cluster.delete(CONFIG_MAP, found)
    write(cluster, "example.org:53 {\n}\n")

    assert dns(ansible).failure == ""
    assert "no line opens the server block '.:53'" in dns(ansible, egress_sub_domain="sub-domain").failure
