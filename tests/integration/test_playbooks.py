# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The playbooks' story on one cluster, told in order: refused, foreseen, installed, unchanged, changed, removed.

The API server has no nodes, so the controller's Deployment is stored and not waited for.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.avi.egress.plugins.module_utils.api.errors import EgressError
from ansible_collections.avi.egress.plugins.module_utils.api.resources import (
    CUSTOM_RESOURCE_DEFINITION,
    EGRESS_ADDRESS,
    EGRESS_CLOUD,
    EGRESS_LEASE,
    EGRESS_NETWORK,
    NAMESPACE,
    POD,
    SERVICE,
    SERVICE_ACCOUNT,
)
from ansible_collections.avi.egress.plugins.module_utils.client.kube_client import KubeClient

from tests.faults import FaultProxy
from tests.support.ansible_run import HOST, Ansible, Run
from tests.support.api_server import ADMIN_TOKEN, TENANT_TOKEN, ApiServer
from tests.support.checkout import files
from tests.support.kinds import CLUSTER_ROLE, CLUSTER_ROLE_BINDING, DEPLOYMENT
from tests.support.site import SITE, SUBNET

OURS = (EGRESS_CLOUD, EGRESS_NETWORK, EGRESS_LEASE, EGRESS_ADDRESS)
COMPARED = (
    *(CUSTOM_RESOURCE_DEFINITION, NAMESPACE, SERVICE, SERVICE_ACCOUNT, POD),
    *(DEPLOYMENT, CLUSTER_ROLE, CLUSTER_ROLE_BINDING, *OURS),
)
SERVICE_OPTIONS: dict[str, Any] = {
    "egress_service_name": "secure-egress-service",
    "egress_service_namespace": "green",
    "egress_service_destination_ip": "10.10.10.200",
    "egress_service_ports": [{"name": "foo", "port": 80}],
    "egress_service_wait": False,
}
ANY = {**SITE, **SERVICE_OPTIONS, "egress_leases_file": "no-leases.yml"}
"""Variables for any of the playbooks."""
NOT_RUN = "avi.egress is not installed there, or not whole; run avi.egress.site"
NEED_THE_SITE = {
    "egress_service": f"the cluster has no EgressCloud: {NOT_RUN}",
    "leases_export": f"the cluster has no EgressLease: {NOT_RUN}",
    "leases_import": "no-leases.yml",
    "onboard_project": f"the cluster has no EgressCloud: {NOT_RUN}",
    "preflight": f"the cluster has no EgressNetwork: {NOT_RUN}",
}
"""What those say that nothing can be foreseen of before the installation."""
WRONG_PROJECT = {"egress_service_namespace": "gren"}
MISTAKES: list[tuple[str, dict[str, Any], str]] = [
    ("main", {**SITE, "egress_netwroks": []}, "egress_netwroks is no variable of avi.egress; egress_networks is, .*"),
    ("main", {**SITE, "egress_namespace": "Bad_Name"}, 'egress_namespace is "Bad_Name"; give a name of up to 63 .*'),
    (
        "main",
        {**SITE, "egress_namespace": "other"},
        "egress_namespace is other, but the controller is in avi-egress;.*",
    ),
    (
        "main",
        {**SITE, "egress_cluster_admin": "y"},
        r"egress_cluster_admin is 'y'; give true or false\. Nothing was .*",
    ),
    ("main", {**SITE, "egress_bridge_subnet": "x"}, r"EgressCloud default: spec\.bridgeSubnet is 'x'; give an IPv4 .*"),
    (
        "main",
        {**SITE, "egress_networks": [{"name": "lan", "subnets": [{"cidr": "10.0.0.0/33"}]}]},
        r"EgressNetwork lan: spec\.subnets\[0\]\.cidr is '10\.0\.0\.0/33'; give a subnet, such as .*",
    ),
    (
        "main",
        {**SITE, "egress_monitoring_namespaces": "monitoring"},
        r"egress_monitoring_namespaces is 'monitoring'; give a list of texts\. Nothing was changed\.",
    ),
    (
        "main",
        {**SITE, "egress_controller_replicas": -1},
        r'Deployment\.apps "avi-egress-controller" is invalid: spec\.replicas: Invalid value: -1: must be greater .*',
    ),
    ("projects", {"egress_projects": "green Blue!"}, 'egress_projects has "Blue!"; give names of namespaces, .*'),
    (
        "onboard",
        {"egress_projects": "green", "egress_pod_security": "privilegd"},
        r"egress_pod_security is 'privilegd'; give one of privileged, baseline, restricted, nothing\. Nothing was .*",
    ),
    ("onboard", {"egress_projects": ""}, r'egress_projects is "", which names no project; give .*'),
    (
        "onboard",
        {"egress_projects": "green gren", "egress_create_projects": "false"},
        r"egress_projects names gren, and there is no such namespace; create it, or set egress_create_projects .*",
    ),
    ("offboard", {"egress_projects": []}, r"egress_projects is \[\], which names no project; give .*"),
    ("offboard", {"egress_projects": [{"name": "green"}]}, r'egress_projects has {"name": "green"}; give .*'),
    ("offboard", {"egress_projects": "green", "egress_cloud_name": "west"}, "EgressCloud west does not exist; .*"),
    ("uninstall", {"egress_namespace": "other"}, "egress_namespace is other, but the controller is in avi-egress; .*"),
    ("uninstall", {"egress_uninstall_leases": "y"}, "egress_uninstall_leases is 'y'; give true or false.*"),
]
"""Entry points of the role, variables that somebody may get wrong, and what is said of it."""
ELSEWHERE = ("awx_setup", "firewall", "images")
"""They change nothing of a cluster, or only its registry (``test_images.py``)."""
PLAYBOOKS = {path.stem for path in files("playbooks/*.yml")} - set(ELSEWHERE)


LISTED = (
    "/(egress[a-z]+|services|replicationcontrollers|statefulsets|pods|nodes|namespaces|serviceaccounts|networkpolicies"
    "|validating.*)$"
)
AUDIT_LISTS = 17
"""One of each kind, and a second one of networks, clouds and leases, which two modules read, and of Services."""


@pytest.fixture(scope="module")
def cluster(api: ApiServer) -> KubeClient:
    return api.cluster()


def play(ansible: Ansible, name: str, *arguments: str, **variables: Any) -> Run:
    return ansible.playbook(f"avi.egress.{name}", "-e", json.dumps(variables), *arguments)


def play_all(ansible: Ansible, names: list[str], *arguments: str, **variables: Any) -> Run:
    """Several playbooks in one run, as starting Ansible is what takes the time."""
    first, *others = (f"avi.egress.{name}" for name in names)
    return ansible.playbook(first, *others, "-e", json.dumps(variables), *arguments)


def state(cluster: KubeClient) -> dict[tuple[str, ...], str]:
    """The version of each object that a playbook could change."""
    return {
        (resource.kind, item["metadata"].get("namespace", ""), item["metadata"]["name"]): item["metadata"][
            "resourceVersion"
        ]
        for resource in COMPARED
        if resource not in OURS or cluster.serves(resource)
        for item in cluster.list(resource)
    }


def broken(api: ApiServer, folder: Path, old: str, new: str) -> dict[str, str]:
    """The environment of somebody whose kubeconfig is another one."""
    path = folder / "kubeconfig"
    path.write_text(api.kubeconfig.read_text().replace(old, new))
    return {"K8S_AUTH_KUBECONFIG": str(path)}


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (ADMIN_TOKEN, TENANT_TOKEN, "this account may not get, create, patch customresourcedefinitions.apiextensions"),
        (ADMIN_TOKEN, "expired", "the API server does not know these credentials; the token may have expired"),
        ("https://127.0.0.1", "https://127.0.0.1:1/", "the API server at https://127.0.0.1:1/"),
        ("current-context: it", "current-context: lost", "lost"),
    ],
)
def test_without_access_the_role_says_so_in_one_sentence_and_does_nothing(
    ansible: Ansible, api: ApiServer, cluster: KubeClient, tmp_path: Path, old: str, new: str, told: str
) -> None:
    run = ansible.playbook("avi.egress.site", "-e", json.dumps(SITE), environment=broken(api, tmp_path, old, new))

    assert told in run.failure
    assert "\n" not in run.failure
    assert run.stats["changed"] == 0
    assert cluster.get(NAMESPACE, "avi-egress") is None


@pytest.mark.parametrize("name", sorted(NEED_THE_SITE))
def test_check_mode_before_the_installation_says_what_is_missing(
    ansible: Ansible, cluster: KubeClient, name: str
) -> None:
    before = state(cluster)

    run = play(ansible, name, "--check", **ANY)

    assert NEED_THE_SITE[name] in run.failure
    assert run.stats["changed"] == 0
    assert state(cluster) == before


def test_check_mode_of_the_others_is_safe_before_the_installation(ansible: Ansible, cluster: KubeClient) -> None:
    before, others = state(cluster), sorted(PLAYBOOKS - set(NEED_THE_SITE) - {"site"})

    run = play_all(ansible, others, "--check", **ANY)

    assert (run.failure, run.stats["changed"]) == ("", 0)
    assert state(cluster) == before
    assert run.custom_stats["egress_audit_kinds"] == ["NotInstalled"]


def test_modules_say_that_the_role_has_not_been_run(ansible: Ansible) -> None:
    task: dict[str, Any] = {"name": "x", "namespace": "default", "destination_ip": "10.10.10.200"}
    lease = {"network": "lan", "namespace": "default", "service": "x"}

    results = ansible.tasks(
        {"avi.egress.avi_egress_service": {**task, "ports": [{"port": 80}]}},
        {"avi.egress.avi_scc_account": {"cloud": "default", "project": "default"}},
        {"avi.egress.avi_ipam_lease": lease},
        {"avi.egress.avi_egress_service": {"name": "x", "namespace": "default", "state": "absent"}},
    )

    for result, kind in zip(results[:3], ("EgressCloud", "EgressCloud", "EgressLease")):
        assert result["msg"] == f"the cluster has no {kind}: {NOT_RUN}"
    assert not results[3]["changed"]


def test_check_mode_foresees_the_installation_and_does_nothing(ansible: Ansible, cluster: KubeClient) -> None:
    run = play(ansible, "site", "--check", "--diff", **SITE)

    assert run.failure == ""
    assert run.stats["changed"] > 0
    assert "EgressCloud default" in run.result("Say what a first installation would create")["msg"]
    assert run.result("Give the projects the account of their egress pods")["changed"]
    assert cluster.list(CUSTOM_RESOURCE_DEFINITION) == []
    assert cluster.get(NAMESPACE, "green") is None


def test_the_site_is_installed(ansible: Ansible, cluster: KubeClient) -> None:
    run = play(ansible, "site", **SITE)

    assert run.failure == ""
    cloud, network = cluster.get(EGRESS_CLOUD, "default"), cluster.get(EGRESS_NETWORK, "lan")
    assert cloud
    assert network
    assert cloud["spec"]["secureEgressMode"] is True
    assert network["spec"] == {
        "uplink": "eth0",
        "subnets": [SUBNET],
        "quarantineSeconds": 86400,
        "historySeconds": 7776000,
        "releaseBrakePercent": 25,
        "almostExhaustedPercent": 90,
    }
    for project in ("green", "blue"):
        namespace = cluster.get(NAMESPACE, project)
        assert namespace
        assert namespace["metadata"]["labels"]["egress.avi.dev/project"] == "included"
        assert namespace["metadata"]["labels"]["pod-security.kubernetes.io/enforce"] == "privileged"
        assert cluster.get(SERVICE_ACCOUNT, f"avivantage-{cloud['spec']['uuid']}", project)
    assert cluster.get(CLUSTER_ROLE_BINDING, "avi-egress-controller-cluster-admin") is None


def test_the_controller_is_confined(cluster: KubeClient) -> None:
    deployment = cluster.get(DEPLOYMENT, "avi-egress-controller", "avi-egress")
    assert deployment
    pod = deployment["spec"]["template"]["spec"]
    (container,) = pod["containers"]

    assert deployment["spec"]["replicas"] == 2
    assert pod["securityContext"] == {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    assert container["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "capabilities": {"drop": ["ALL"]},
        "readOnlyRootFilesystem": True,
    }
    rules = [
        (group, resource, verb)
        for role in ("avirole", "avi-egress-controller")
        for rule in (cluster.get(CLUSTER_ROLE, role) or {})["rules"]
        for group in rule["apiGroups"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    ]
    assert not [rule for rule in rules if rule[1] == "*" and rule[2] not in ("get", "list", "watch")]
    assert not [rule for rule in rules if rule[0] == "*" or rule[0] == "rbac.authorization.k8s.io"]


@pytest.mark.parametrize("arguments", [(), ("--check", "--diff")])
def test_a_second_run_changes_nothing(ansible: Ansible, arguments: tuple[str, ...]) -> None:
    kept = {"egress_router_image": "another:1", "egress_keep_router_image": True, "egress_projects": "green, blue\n"}

    run = play(ansible, "site", *arguments, **{**SITE, **kept})

    assert (run.failure, run.stats["changed"]) == ("", 0)
    installed = run.custom_stats["egress_installed"]
    assert (installed["version"], installed["networks"]) == ("0.2.0", ["lan"])
    assert run.custom_stats["egress_onboarded"] == ["green", "blue"]


def test_another_uuid_is_refused(ansible: Ansible) -> None:
    run = play(ansible, "site", **SITE, egress_cloud_uuid="bfff9603-1ffd-4bcc-aef6-118268e5f2b5")

    assert "leave egress_cloud_uuid out" in run.failure


def test_a_wrong_variable_is_refused_before_anything_happens(ansible: Ansible) -> None:
    run = play(ansible, "site", **{**SITE, "egress_networks": [{"name": "lan"}]})

    assert run.failure == (
        "egress_networks[0].subnets is not there; give a list of dictionaries with cidr. Nothing was changed."
    )
    assert run.stats["changed"] == 0


def test_cluster_admin_comes_and_goes_with_its_variable(ansible: Ansible, cluster: KubeClient) -> None:
    play(ansible, "site", **SITE, egress_cluster_admin=True, egress_router_image="another:1")
    given = cluster.get(CLUSTER_ROLE_BINDING, "avi-egress-controller-cluster-admin")
    run = play(ansible, "site", "--tags", "access", **SITE)

    assert given
    assert (cluster.get(EGRESS_CLOUD, "default") or {})["spec"]["routerImage"] == "another:1"
    assert cluster.get(CLUSTER_ROLE_BINDING, "avi-egress-controller-cluster-admin") is None
    assert run.stats["changed"] == 1


@pytest.mark.parametrize(
    ("variables", "told"),
    [
        ({"egress_projects": "red, Green!"}, 'egress_projects has "Green!"; give names of namespaces, of up to 63'),
        ({"egress_projects": ["red"], "egress_cloud_name": "west"}, "west"),
    ],
)
def test_onboarding_refuses_before_anything_happens(
    ansible: Ansible, cluster: KubeClient, variables: dict[str, Any], told: str
) -> None:
    run = play(ansible, "onboard_project", **variables)

    assert told in run.failure
    assert run.stats["changed"] == 0
    assert cluster.get(NAMESPACE, "red") is None


def test_a_service_from_variables(ansible: Ansible, cluster: KubeClient) -> None:
    runs = [play(ansible, "egress_service", *arguments, **SERVICE_OPTIONS) for arguments in (("--check",), (), ())]

    assert [run.stats["changed"] for run in runs] == [1, 1, 0]
    assert cluster.get(SERVICE, "secure-egress-service", "green")
    assert "source IP not leased yet" in runs[1].result("Tell the addresses")["msg"]


def test_check_mode_of_every_playbook_is_safe_after_the_installation(ansible: Ansible, cluster: KubeClient) -> None:
    leases = ansible.folder / "leases.yml"
    leases.write_text("format: 1\nleases: []\n")
    before = state(cluster)
    switches = {"egress_offboard_services": True, "egress_uninstall_services": True}

    run = play_all(ansible, sorted(PLAYBOOKS), "--check", **{**ANY, **switches, "egress_leases_file": str(leases)})

    assert run.failure == ""
    assert run.stats["changed"] > 0
    assert run.custom_stats["egress_uninstalled"]["deleted_services"] == ["green/secure-egress-service"]
    assert state(cluster) == before
    assert leases.read_text() == "format: 1\nleases: []\n"


def test_the_audit_tells_what_somebody_should_look_at(
    ansible: Ansible, cluster: KubeClient, faults: FaultProxy, tmp_path: Path
) -> None:
    cloud = cluster.get(EGRESS_CLOUD, "default")
    assert cloud
    account = f"avivantage-{cloud['spec']['uuid']}"
    container = {"name": "root", "image": "root", "securityContext": {"privileged": True}}
    pod = {"metadata": {"name": "root", "namespace": "green"}, "spec": {"containers": [container]}}
    cluster.create(POD, {**pod, "spec": {**pod["spec"], "serviceAccountName": account}})
    before, path = state(cluster), tmp_path / "audit.json"
    variables = {"egress_audit_file": str(path), "egress_audit_strict": True}

    run = ansible.playbook(
        "avi.egress.audit",
        "-e",
        json.dumps(variables),
        environment={"K8S_AUTH_KUBECONFIG": str(faults.kubeconfig)},
    )

    assert run.failure == "3 findings: ControllerNotReady, NotSeen, StrangePod"
    report = json.loads(path.read_text())
    assert report["installed"]["version"] == "0.2.0"
    assert {
        "kind": "StrangePod",
        "subject": "Pod green/root",
        "message": f"it runs as {account} and is of no secure egress service: end it",
    } in report["findings"]
    assert "service     green/secure-egress-service: no address, not seen" in run.result("Tell the report")["msg"]
    assert run.custom_stats["egress_audit_unready"] == ["green/secure-egress-service"]
    assert state(cluster) == before
    assert faults.journal.count("list", LISTED) == AUDIT_LISTS

    page = play(ansible, "audit", egress_audit_file=str(tmp_path / "audit.html"))
    assert page.failure == ""
    assert f"it runs as {account} and is of no secure egress service" in (tmp_path / "audit.html").read_text()
    cluster.delete_named(POD, "root", "green")


@pytest.mark.parametrize(
    ("name", "variables", "told"),
    [
        (
            "audit",
            {"egress_audit_file": "missing/a.html"},
            r"egress_audit_file is \S+/missing/a\.html; give a file in .*",
        ),
        (
            "audit",
            {"egress_audit_file": "/etc/hostname/a.json"},
            r"egress_audit_file is /etc/hostname/a\.json; give .*",
        ),
        ("audit", {"egress_audit_strict": "perhaps"}, "egress_audit_strict is 'perhaps'; give true or false.*"),
        ("leases_export", {"egress_leases_file": "/etc"}, "egress_leases_file is /etc; give a file in a folder .*"),
        ("firewall", {"egress_firewall_project": "green"}, ".*egress_firewall_hosts, firewall, means 0 hosts .*"),
        ("firewall", {"egress_firewall_hosts": HOST}, 'egress_firewall_project is "", .*; name a project, and .*'),
    ],
)
def test_a_mistake_of_a_playbooks_own_variables_is_told(
    ansible: Ansible, name: str, variables: dict[str, Any], told: str
) -> None:
    run = play(ansible, name, **variables)

    assert re.fullmatch(told, run.failure), run.failure
    assert run.stats["changed"] == 0


def test_a_mistake_of_the_roles_variables_is_told_and_nothing_is_changed(ansible: Ansible, cluster: KubeClient) -> None:
    before = state(cluster)

    results = ansible.tasks(*(_tried(entry, variables) for entry, variables, _told in MISTAKES))

    failures = [item["msg"] for item in results if item.get("failed")]
    assert len(failures) == len(MISTAKES), failures
    for (entry, _variables, told), failure in zip(MISTAKES, failures):
        assert re.fullmatch(told, failure), f"{entry}: {failure}"
    assert state(cluster) == before


def test_the_deletion_of_no_service_is_told(ansible: Ansible) -> None:
    run = play(ansible, "egress_service", **{**SERVICE_OPTIONS, **WRONG_PROJECT, "egress_service_state": "absent"})

    assert (run.failure, run.stats["changed"]) == ("", 0)
    assert run.result("Tell that there is nothing to be deleted")["msg"].startswith("there is no service gren/")


def test_offboarding_refuses_while_services_are_there(ansible: Ansible, cluster: KubeClient) -> None:
    refused = play(ansible, "offboard_project", egress_projects=["green", "gone"])
    foreseen = play(
        ansible, "offboard_project", "--check", egress_projects=["green", "gone"], egress_offboard_services=True
    )

    assert refused.failure == (
        "these secure egress services are still there: green/secure-egress-service; delete them, or set "
        "egress_offboard_services to true"
    )
    assert foreseen.stats["changed"] == 3
    assert cluster.get(SERVICE, "secure-egress-service", "green")


def test_offboarding(ansible: Ansible, cluster: KubeClient) -> None:
    variables = {"egress_projects": ["green", "gone"], "egress_offboard_services": True}

    runs = [play(ansible, "offboard_project", **variables) for _time in range(2)]

    assert runs[0].result("Tell which projects there are none of")["msg"].startswith("the cluster has no project gone")
    assert [(run.failure, run.stats["changed"]) for run in runs] == [("", 3), ("", 0)]
    assert cluster.get(SERVICE, "secure-egress-service", "green") is None
    namespace = cluster.get(NAMESPACE, "green")
    assert namespace
    assert namespace["metadata"]["labels"]["egress.avi.dev/project"] == "excluded"
    assert [item["metadata"]["namespace"] for item in _accounts(cluster)] == ["blue"]


def test_uninstalling_keeps_the_leases(ansible: Ansible, cluster: KubeClient) -> None:
    ansible.tasks({"avi.egress.avi_ipam_lease": {"network": "lan", "namespace": "blue", "service": "x"}})
    cluster.patch(EGRESS_NETWORK, "lan", {"status": {"bound": 1}}, subresource="status")
    with pytest.raises(EgressError, match="1 of its addresses are in use"):
        cluster.delete_named(EGRESS_NETWORK, "lan")

    run = play(ansible, "uninstall")

    assert run.failure == ""
    assert re.search(r"acquired or .*: 10\.70\.112\.10\d of blue/x; where", run.result("addresses stay leased")["msg"])
    assert run.custom_stats["egress_uninstalled"]["leases_kept"] is True
    assert _crds(cluster) == ["egressaddresses.egress.avi.dev", "egressleases.egress.avi.dev"]
    assert len(cluster.list(EGRESS_LEASE)) == 1
    assert _accounts(cluster) == []
    assert cluster.get(NAMESPACE, "avi-egress") is None
    assert cluster.get(CLUSTER_ROLE, "avirole") is None
    assert cluster.get(NAMESPACE, "blue")


def test_kept_leases_are_told_and_an_audit_says_that_the_rest_is_missing(ansible: Ansible, cluster: KubeClient) -> None:
    audit = play_all(ansible, ["uninstall", "audit"])
    offboarding = play(ansible, "offboard_project", egress_projects="blue")
    (told,) = audit.result("Compare them")["ansible_facts"]["egress_audit_report"]["findings"]
    found, addresses = ansible.tasks(
        {"avi.egress.avi_ipam_lease_info": {}},
        {"ansible.builtin.set_fact": {"told": "{{ query('avi.egress.source_ips', 'blue') }}"}},
    )

    assert (audit.failure, audit.stats["changed"]) == ("", 0), "uninstalled twice"
    assert (told["kind"], told["message"]) == (
        "NotInstalled",
        "it is not installed whole: of its kinds only EgressLease, EgressAddress are there; run avi.egress.site",
    )
    assert offboarding.failure == f"the cluster has no EgressCloud: {NOT_RUN}"
    assert [lease["address"] for lease in found["leases"]] == addresses["ansible_facts"]["told"]
    assert (len(found["leases"]), found["networks"]) == (1, [])


def test_the_role_absent_finds_nothing_left_but_the_leases(ansible: Ansible, cluster: KubeClient) -> None:
    run = play(ansible, "site", egress_state="absent", egress_uninstall_leases=True)

    assert run.failure == ""
    assert [task["task"] for task in run.tasks if task.get("changed")] == [
        "avi.egress.egress : Delete the custom resources"
    ]
    assert _crds(cluster) == []
    audit = play(ansible, "audit", egress_audit_strict=True)
    assert audit.failure == "1 finding: NotInstalled"
    (told,) = audit.result("Compare them")["ansible_facts"]["egress_audit_report"]["findings"]
    assert told["message"] == "it is not installed; run avi.egress.site"


def _tried(entry: str, variables: dict[str, Any]) -> dict[str, Any]:
    """An entry point of the role, whose failure does not end the run."""
    role = {"name": "avi.egress.egress", "tasks_from": entry, "rolespec_validate": False}
    included = {"name": entry, "ansible.builtin.include_role": role, "vars": variables}
    return {"block": [included], "rescue": [{"ansible.builtin.debug": {"msg": entry}}], "ignore_errors": False}


def _crds(cluster: KubeClient) -> list[str]:
    return sorted(item["metadata"]["name"] for item in cluster.list(CUSTOM_RESOURCE_DEFINITION))


def _accounts(cluster: KubeClient) -> list[dict[str, Any]]:
    return cluster.list(SERVICE_ACCOUNT, labels="egress.avi.dev/cloud")
