# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What is taken out of the variables of ``avi.egress.site`` goes from the cluster; what others have set stays."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml
from ansible_collections.avi.egress.plugins.module_utils.api.resources import (
    EGRESS_CLOUD,
    EGRESS_NETWORK,
    NAMESPACE,
    SERVICE_ACCOUNT,
    KubeObject,
    Resource,
)
from ansible_collections.avi.egress.plugins.module_utils.client.kube_client import KubeClient
from ansible_collections.avi.egress.plugins.plugin_utils.variables import options

from tests.support.ansible_run import Ansible, Run
from tests.support.api_server import ApiServer
from tests.support.checkout import CHECKOUT
from tests.support.definitions import define
from tests.support.kinds import CONFIG_MAP, DEPLOYMENT, POLICY, POLICY_BINDING
from tests.support.monitoring import DASHBOARD, RULES
from tests.support.site import SUBNET

POD_MONITOR = Resource("monitoring.coreos.com", "v1", "PodMonitor", "podmonitors")
PROMETHEUS_RULE = Resource("monitoring.coreos.com", "v1", "PrometheusRule", "prometheusrules")
MONITORS = (
    (POD_MONITOR, "avi-egress-controller"),
    (POD_MONITOR, "avi-egress-router"),
    (PROMETHEUS_RULE, "avi-egress"),
)
MONITORING_CRDS = [
    CHECKOUT / f"tests/integration/manifests/{kind}-crd.yaml" for kind in ("podmonitor", "prometheusrule")
]
CONSOLE = "openshift-config-managed"
LAN: dict[str, Any] = {"name": "lan", "subnets": [SUBNET]}
LESS: dict[str, Any] = {"egress_wait": False, "egress_projects": [], "egress_networks": [LAN]}
MORE: dict[str, Any] = {
    **LESS,
    "egress_networks": [
        {
            **LAN,
            "uplink": "eth0",
            "allowedNamespaces": {"names": ["green"]},
            "allowedDestinations": [{"destinations": ["*.example.com", "::/0"], "namespaces": {"names": ["green"]}}],
            "nodeSelector": {"rack": ""},
            "addressesPerNamespace": 2,
            "quotas": [{"namespace": "green", "addresses": 1}],
            "reservations": [{"address": "10.70.112.102", "namespace": "green"}],
        }
    ],
    "egress_cluster_cidrs": ["10.96.0.0/16"],
    "egress_pods": {"nodeSelector": {"infra": ""}, "resources": {"limits": {"memory": "1Gi"}}},
    "egress_allowed_images": ["registry.example/router:*"],
    "egress_allowed_node_labels": ["topology.kubernetes.io/zone"],
    "egress_allowed_tolerations": ["infra"],
    "egress_monitoring": True,
    "egress_monitoring_labels": {"release": "main"},
    "egress_monitoring_namespaces": ["monitoring"],
    "egress_exclude": {"matchLabels": {"zone": "lab"}, "names": ["kube-system"]},
    "egress_include": {"matchLabels": {"team": "payments"}},
    "egress_controller_node_selector": {"infra": "yes"},
    "egress_controller_tolerations": [{"key": "infra", "operator": "Exists"}],
    "egress_image_pull_secrets": ["theirs"],
}
FORMER_MANAGER = "OpenAPI-Generator"


@pytest.fixture(scope="module")
def cluster(api: ApiServer) -> KubeClient:
    return api.cluster()


@pytest.fixture(scope="module", autouse=True)
def installed(ansible: Ansible) -> None:
    """The site, whose definitions and rights no test changes."""
    site(ansible, LESS, tags="crds,access,configuration")


def site(ansible: Ansible, variables: dict[str, Any], *arguments: str, tags: str = "configuration,controller") -> Run:
    run = ansible.playbook("avi.egress.site", "-e", json.dumps(variables), "--tags", tags, *arguments)
    assert run.failure == ""
    return run


def network_of(cluster: KubeClient) -> dict[str, Any]:
    return _spec(cluster.get(EGRESS_NETWORK, "lan"))


def cloud_of(cluster: KubeClient) -> dict[str, Any]:
    return _spec(cluster.get(EGRESS_CLOUD, "default"))


def pods_of(cluster: KubeClient) -> dict[str, Any]:
    spec: dict[str, Any] = _spec(cluster.get(DEPLOYMENT, "avi-egress-controller", "avi-egress"))["template"]["spec"]
    return spec


def _spec(found: KubeObject | None) -> dict[str, Any]:
    assert found
    spec: dict[str, Any] = found["spec"]
    return spec


def optional(cluster: KubeClient) -> dict[str, Any]:
    """All that ``MORE`` sets and ``LESS`` does not."""
    network, cloud, pods = network_of(cluster), cloud_of(cluster), pods_of(cluster)
    given = MORE["egress_networks"][0].keys() - LAN.keys()
    return {
        **{f"network {key}": network.get(key) for key in given},
        "clusterCIDRs": cloud.get("clusterCIDRs") or None,
        "allowedImages": cloud.get("allowedImages") or None,
        "allowedNodeLabels": cloud.get("allowedNodeLabels"),
        "allowedTolerations": cloud.get("allowedTolerations"),
        "monitoringNamespaces": cloud.get("monitoringNamespaces"),
        "pods": cloud.get("pods"),
        "nodeSelector": pods.get("nodeSelector"),
        "tolerations": pods.get("tolerations"),
        "imagePullSecrets": pods.get("imagePullSecrets"),
        "dashboard": cluster.get(CONFIG_MAP, "avi-egress-dashboard", "avi-egress"),
    }


def test_what_is_taken_out_goes_and_check_mode_shows_it_go(ansible: Ansible, cluster: KubeClient) -> None:
    run = site(ansible, MORE)
    assert "no PodMonitor and no PrometheusRule" in run.result("Say what this cluster has no use for")["msg"]
    assert None not in optional(cluster).values()
    assert cloud_of(cluster)["projects"]["include"] == {"matchLabels": {"team": "payments"}}
    assert cloud_of(cluster)["pods"] == MORE["egress_pods"]

    foreseen = site(ansible, LESS, "--check", "--diff")
    assert None not in optional(cluster).values(), "check mode changes nothing"
    before, after = (_shown(foreseen, "Set up the cloud and its networks", side) for side in ("before", "after"))
    for word in ("uplink", "allowedNamespaces", "quotas", "payments", '"lab"'):
        assert word in before, word
        assert word not in after, word

    assert site(ansible, LESS).stats["changed"] == foreseen.stats["changed"] > 0
    assert set(optional(cluster).values()) == {None}
    assert cloud_of(cluster)["projects"] == {
        "include": {"matchLabels": {"egress.avi.dev/project": "included"}},
        "exclude": {"matchLabels": {"egress.avi.dev/project": "excluded"}},
    }
    again = site(ansible, LESS)
    assert again.stats["changed"] == 0, json.dumps([task for task in again.tasks if task["changed"]])


def _shown(run: Run, task: str, side: str) -> str:
    result = run.result(task)
    return json.dumps([item["diff"][side] for item in result["result"]["results"]])


def test_an_empty_include_means_all_and_other_labels_replace_the_former(ansible: Ansible, cluster: KubeClient) -> None:
    former = {"include": {"matchLabels": {"a": "1"}}, "exclude": {"matchLabels": {"b": ""}}}
    site(ansible, {**LESS, "egress_include": former["include"], "egress_exclude": former["exclude"]})
    assert cloud_of(cluster)["projects"] == former, "a label without a value is a condition, too"

    site(ansible, {**LESS, "egress_include": {}, "egress_exclude": {"matchLabels": {"c": "1"}}})

    assert cloud_of(cluster)["projects"] == {"exclude": {"matchLabels": {"c": "1"}}}


def test_a_new_cloud_has_its_egress_pods_in_the_gateway(ansible: Ansible, cluster: KubeClient) -> None:
    assert cloud_of(cluster)["placement"] == "gateway"
    site(ansible, {**LESS, "egress_image_pull_secrets": ["theirs"]}, tags="access,configuration")
    uuid = cloud_of(cluster)["uuid"]
    account = cluster.get(SERVICE_ACCOUNT, f"avivantage-{uuid}", "avi-egress")
    assert account
    assert account["imagePullSecrets"] == [{"name": "theirs"}]

    site(ansible, LESS, tags="configuration")

    assert cloud_of(cluster)["placement"] == "gateway"
    assert not (cluster.get(SERVICE_ACCOUNT, f"avivantage-{uuid}", "avi-egress") or {}).get("imagePullSecrets")
    labels = (cluster.get(NAMESPACE, "avi-egress") or {})["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "privileged"
    assert labels["egress.avi.dev/pod-security"] == "restricted", "all pods but egress pods"


def test_admission_policies_go_with_their_variable(ansible: Ansible, cluster: KubeClient) -> None:
    before = cluster.list(POLICY)
    without = {**LESS, "egress_admission_policy": False}

    foreseen = site(ansible, without, "--check", "--diff", tags="access")
    assert cluster.list(POLICY) == before != []
    run = site(ansible, without, tags="access")

    assert [*cluster.list(POLICY), *cluster.list(POLICY_BINDING)] == []
    assert foreseen.stats["changed"] == run.stats["changed"] == 1
    assert site(ansible, without, tags="access").stats["changed"] == 0
    site(ansible, LESS, tags="access")
    assert len(cluster.list(POLICY)) == len(before)


def test_a_cloud_keeps_the_placement_that_it_was_given(ansible: Ansible, cluster: KubeClient) -> None:
    for given in ({"egress_placement": "project"}, {}):
        site(ansible, {**LESS, **given}, tags="access,configuration")
        assert cloud_of(cluster)["placement"] == "project"
    labels = (cluster.get(NAMESPACE, "avi-egress") or {})["metadata"]["labels"]
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


@pytest.mark.parametrize("nothing", [None, ""])
def test_an_empty_value_is_as_good_as_none(ansible: Ansible, cluster: KubeClient, nothing: object) -> None:
    site(ansible, {**LESS, "egress_networks": [{**LAN, "uplink": "eth0"}]})
    assert network_of(cluster)["uplink"] == "eth0"

    site(ansible, {**LESS, "egress_networks": [{**LAN, "uplink": nothing}]})

    assert "uplink" not in network_of(cluster)


@pytest.mark.parametrize("nothing", [None, ""])
def test_a_variable_that_is_nothing_is_as_good_as_none(ansible: Ansible, nothing: object) -> None:
    usual = {**LESS, "egress_image_pull_secrets": []}
    site(ansible, usual, tags="all")
    empty = {name: nothing for name, option in options().items() if not option.get("default")}

    run = site(ansible, {**empty, **usual}, tags="all")

    assert len(empty) > 20
    assert [task["task"] for task in run.tasks if task["changed"]] == []


def test_what_others_have_set_stays(ansible: Ansible, cluster: KubeClient) -> None:
    site(ansible, {**LESS, "egress_networks": [{**LAN, "reservations": [_reserved("100", "green")]}]})
    (reserved,) = ansible.tasks(
        {
            "name": "Reserve",
            "avi.egress.avi_ipam_lease": {"network": "lan", "address": "10.70.112.101", "namespace": "blue"},
        }
    )
    assert not reserved.get("failed"), reserved.get("msg")
    cluster.patch(EGRESS_NETWORK, "lan", {"metadata": {"labels": {"theirs": "yes"}}, "spec": {"uplink": "eth7"}})

    assert site(ansible, LESS).stats["changed"] > 0

    assert network_of(cluster)["reservations"] == [_reserved("101", "blue")]
    assert network_of(cluster)["uplink"] == "eth7"
    found = cluster.get(EGRESS_NETWORK, "lan")
    assert found
    assert found["metadata"]["labels"] == {"theirs": "yes"}


def _reserved(last: str, project: str) -> dict[str, str]:
    return {"address": f"10.70.112.{last}", "namespace": project}


def test_what_a_release_has_set_that_patched_goes_once_and_others_never(ansible: Ansible, cluster: KubeClient) -> None:
    """0.1.0 wrote with ``state: present``; a reservation may be of ``avi_ipam_lease``, which patches too."""
    uuid = cloud_of(cluster)["uuid"]
    for kind, name in ((EGRESS_CLOUD, "default"), (EGRESS_NETWORK, "lan")):
        cluster.delete_named(kind, name)
    spec = {
        "uuid": uuid,
        "secureEgressMode": True,
        "routerImage": "former.example/router",
        "allowedImages": ["former.example/*"],
        "projects": {"include": {"matchLabels": {"a": "1"}}},
    }
    network = {"subnets": [SUBNET], "uplink": "eth0", "reservations": [_reserved("101", "blue")]}
    _patched(ansible, "EgressCloud", "default", spec)
    _patched(ansible, "EgressNetwork", "lan", network)

    site(ansible, LESS)

    assert "uplink" not in network_of(cluster)
    assert network_of(cluster)["reservations"] == [_reserved("101", "blue")]
    assert "allowedImages" not in cloud_of(cluster)
    assert cloud_of(cluster)["projects"]["include"] == {"matchLabels": {"egress.avi.dev/project": "included"}}

    _patched(ansible, "EgressNetwork", "lan", {"uplink": "eth1"})
    assert site(ansible, LESS).stats["changed"] == 0
    assert network_of(cluster)["uplink"] == "eth1", "an administrator's own, since then"


def _patched(ansible: Ansible, kind: str, name: str, spec: dict[str, Any]) -> None:
    body = {"apiVersion": "egress.avi.dev/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}
    (done,) = ansible.tasks({"kubernetes.core.k8s": {"definition": body}})
    assert done["changed"], done


def test_scraping_that_nobody_is_let_in_for_is_refused_at_once(ansible: Ansible) -> None:
    run = ansible.playbook("avi.egress.site", "-e", json.dumps({**LESS, "egress_monitoring": True}), "--tags", "crds")
    assert run.failure == (
        "egress_monitoring: true is to have egress pods scraped that let no scraper in; list the namespace of "
        "Prometheus in egress_monitoring_namespaces. Nothing was changed."
    )
    assert run.stats["changed"] == 0


def test_monitors_rules_and_dashboards_come_and_leave_with_egress(ansible: Ansible, cluster: KubeClient) -> None:
    """With the kinds of the Prometheus Operator, and OpenShift's namespace for dashboards."""
    define(cluster, MONITORING_CRDS)
    cluster.create(NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": CONSOLE}})
    variables = {key: value for key, value in MORE.items() if "monitoring" in key}

    site(ansible, {**LESS, **variables}, tags="configuration")

    assert [name for resource, name in MONITORS if not cluster.get(resource, name, "avi-egress")] == []
    rule = cluster.get(PROMETHEUS_RULE, "avi-egress", "avi-egress")
    assert rule
    assert rule["metadata"]["labels"] == {"release": "main"}
    assert rule["spec"] == yaml.safe_load(RULES.read_text())
    dashboards = [cluster.get(CONFIG_MAP, "avi-egress-dashboard", place) for place in ("avi-egress", CONSOLE)]
    for dashboard, label in zip(dashboards, ("grafana_dashboard", "console.openshift.io/dashboard")):
        assert dashboard
        assert label in dashboard["metadata"]["labels"]
        assert dashboard["data"]["avi-egress.json"] == DASHBOARD.read_text()

    site(ansible, {**LESS, **variables, "egress_state": "absent"}, tags="uninstall")

    assert [name for resource, name in MONITORS if cluster.get(resource, name, "avi-egress")] == []
    assert [cluster.get(CONFIG_MAP, "avi-egress-dashboard", place) for place in ("avi-egress", CONSOLE)] == [None, None]
