# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Every module both ways, in Ansible's own process and in one of its own: the same results."""

from __future__ import annotations

import base64
import json
import re
import sys
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.avi.egress.plugins.module_utils.api.resources import (
    EGRESS_CLOUD,
    EGRESS_NETWORK,
    NAMESPACE,
)
from ansible_collections.avi.egress.plugins.module_utils.client.kube_client import KubeClient

from tests.faults import FaultProxy
from tests.support.ansible_run import Ansible
from tests.support.api_server import ADMIN_TOKEN, TENANT_TOKEN, ApiServer
from tests.support.definitions import CRDS, SCC_CRD, define
from tests.support.kinds import DEPLOYMENT

Task = dict[str, Any]
MOMENT = "2026-11-20T06:31:00Z"
CHANGING = {
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}": "UUID",
    r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?(Z|\+00:00)": "MOMENT",
    r'"resourceVersion": "\d+"': "VERSION",
    r"10\.97\.\d+\.\d+": "CLUSTER_IP",
}
"""What the API server makes anew for each object."""


@pytest.fixture(scope="module")
def cluster(api: ApiServer) -> KubeClient:
    found = api.cluster()
    define(found, [*CRDS, SCC_CRD])
    return found


@pytest.fixture
def other_python(tmp_path: Path) -> Path:
    """The same Python under a name that is not Ansible's own, so that a module gets a process of its own."""
    script = tmp_path / "python"
    script.write_text(f'#!/bin/sh\nexec {sys.executable} "$@"\n')
    script.chmod(0o755)
    return script


@dataclass(frozen=True)
class Runner:
    """Runs tasks, and counts the modules that were sent to a process of their own."""

    ansible: Ansible
    folder: Path

    def tasks(self, *tasks: Task, variables: dict[str, Any] | None = None, **keywords: Any) -> tuple[list[Task], int]:
        sent = self.folder / uuid.uuid4().hex
        environment = {"ANSIBLE_REMOTE_TMP": str(sent), "ANSIBLE_KEEP_REMOTE_FILES": "1"}
        environment["ANSIBLE_INJECT_INVOCATION"] = "true"  # ansible-core 2.21 leaves it out otherwise.
        results = self.ansible.tasks(*tasks, environment=environment, variables=variables, **keywords)
        return results, sum(1 for name in ("avi_*", "k8s*") for _file in sent.rglob(f"AnsiballZ_{name}"))


@pytest.fixture
def runner(ansible: Ansible, tmp_path: Path) -> Runner:
    return Runner(ansible, tmp_path / "sent")


@dataclass(frozen=True)
class Place:
    """A project, a network and a cloud's UUID that nobody else uses."""

    project: str
    network: str
    cloud: str

    @classmethod
    def new(cls, cluster: KubeClient) -> Place:
        place = cls(f"green-{uuid.uuid4().hex[:6]}", f"dmz-{uuid.uuid4().hex[:6]}", str(uuid.uuid4()))
        cluster.create(NAMESPACE, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": place.project}})
        spec = {"subnets": [{"cidr": "10.70.112.0/29"}], "uplink": place.network}
        body = {"apiVersion": EGRESS_NETWORK.api_version, "kind": EGRESS_NETWORK.kind, "spec": spec}
        cluster.create(EGRESS_NETWORK, {**body, "metadata": {"name": place.network}})
        return place

    def without_what_changes(self, results: list[Task]) -> list[Task]:
        text = json.dumps(results).replace(self.project, "PROJECT").replace(self.network, "NETWORK")
        for pattern, name in CHANGING.items():
            text = re.sub(pattern, name if "VERSION" not in name else '"resourceVersion": "VERSION"', text)
        found: list[Task] = json.loads(text)
        return found


def checked(task: Task) -> Task:
    return {**task, "check_mode": True}


def services(place: Place) -> list[Task]:
    def service(**options: Any) -> Task:
        usual = {"name": "x", "namespace": place.project, "wait": False, "destination_ip": "10.10.10.200"}
        return {"avi.egress.avi_egress_service": {**usual, "ports": [{"name": "foo", "port": 80}], **options}}

    def info(**options: Any) -> Task:
        return {"avi.egress.avi_egress_service_info": {"namespace": place.project, **options}}

    key = {"host": "{{ egress_api }}", "api_key": ADMIN_TOKEN, "validate_certs": False}
    gone = {"avi.egress.avi_egress_service": {"name": "x", "namespace": place.project, "state": "absent"}}
    return [
        checked(service()),
        service(),
        service(),
        checked(service(labels={"team": "t"})),
        {**service(labels={"team": "t"}), "diff": False},
        service(annotations={"note": f"it is the {ADMIN_TOKEN}"}, **key),
        {**service(), "no_log": True},
        service(project=place.project),
        service(project="another"),
        service(destination_ip="no host"),
        service(destinations={"a.example": {"8080": 80}}),
        service(ports=[{"port": "many"}]),
        service(nonsense=1),
        service(type="NodePort"),
        service(namespace="no-such-project"),
        {**service(name="{{ item }}"), "loop": ["y", "z", "y"]},
        {**service(), "register": "found", "until": "found.changed", "retries": 1, "delay": 0},
        service(kubeconfig="/no/such/file"),
        info(),
        checked(info(name="x")),
        info(nonsense=1),
        service(**{**key, "api_key": "wrong-token"}),
        checked(gone),
        gone,
        gone,
    ]


def accounts(place: Place) -> list[Task]:
    def account(**options: Any) -> Task:
        return {"avi.egress.avi_scc_account": {"uuid": place.cloud, "project": place.project, **options}}

    def access(**options: Any) -> Task:
        scc = {"resource": "securitycontextconstraints.security.openshift.io", "verbs": ["get"], "if_served": True}
        unknown = {"resource": "unknown.example.org", "verbs": ["get"], "if_served": True}
        rights = [{"resource": "pods", "verbs": ["get", "list"], "namespace": place.project}, scc, unknown]
        return {"avi.egress.avi_access_info": {"rights": rights, **options}}

    head = {"apiVersion": EGRESS_CLOUD.api_version, "kind": EGRESS_CLOUD.kind, "metadata": {"name": place.cloud}}
    spec = {"uuid": place.cloud, "projects": {"include": {"names": [place.project]}}}
    cloud = {"definition": {**head, "spec": spec}}
    return [
        account(),
        {"avi.egress.k8s": cloud},
        checked(account()),
        account(),
        account(),
        account(cloud="default"),
        account(uuid="ABC"),
        account(project="no-such-project"),
        {"avi.egress.avi_scc_account_info": {"uuid": place.cloud}},
        {"avi.egress.avi_scc_account_info": {"cloud": "no-such-cloud"}},
        access(),
        access(host="{{ egress_api }}", api_key=TENANT_TOKEN, validate_certs=False),
        access(rights=[{"resource": "pods", "verbs": []}]),
        checked(account(state="absent")),
        account(state="absent"),
        account(state="absent"),
        {"avi.egress.k8s": {**cloud, "state": "absent"}},
    ]


def leases(place: Place) -> list[Task]:
    def lease(**options: Any) -> Task:
        usual = {"network": place.network, "namespace": place.project, "service": "x", "address": "10.70.112.2"}
        return {"avi.egress.avi_ipam_lease": {**usual, **options}}

    def listed(*items: Task) -> Task:
        usual = {"network": place.network, "namespace": place.project, "service": "y", "address": "10.70.112.3"}
        return {"avi.egress.avi_ipam_lease": {"leases": [{**usual, **item} for item in items]}}

    def info(**options: Any) -> Task:
        return {"avi.egress.avi_ipam_lease_info": {"namespace": place.project, "network": place.network, **options}}

    return [
        checked(lease()),
        lease(),
        lease(),
        lease(service="z"),
        lease(address="10.9.9.9"),
        lease(slot="many"),
        listed({}, {"service": "z", "address": "10.70.112.4"}),
        listed({}, {"service": "z", "address": "10.70.112.4", "state": "absent"}),
        listed({}, {}),
        info(),
        checked(info(phases=["Bound"])),
        info(phases=["Nonsense"]),
        info(at="yesterday"),
        checked(lease(state="absent")),
        lease(state="absent"),
        lease(state="absent"),
    ]


def imports(place: Place) -> list[Task]:
    def imported(**options: Any) -> Task:
        usual = {"network": place.network, "namespace": place.project, "service": "x", "address": "10.70.112.5"}
        moments = {"phase": "Bound", "bound_at": MOMENT}
        return {"avi.egress.avi_ipam_lease_import": {"leases": [{**usual, **moments, **options}]}}

    return [
        checked(imported()),
        imported(),
        imported(),
        imported(address="10.70.112.6"),
        imported(bound_at="yesterday"),
        imported(phase="Nonsense"),
    ]


def objects(place: Place) -> list[Task]:
    name = {"name": "x", "namespace": place.project}

    def applied(**data: str) -> Task:
        definition = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": name, "data": data}
        owner = {"field_manager": "tests", "force_conflicts": True}
        return {"avi.egress.k8s": {"apply": True, "server_side_apply": owner, "definition": definition}}

    def info(**options: Any) -> Task:
        return {"avi.egress.k8s_info": {"api_version": "v1", "kind": "ConfigMap", **name, **options}}

    def patch(*operations: dict[str, str]) -> Task:
        of = {"api_version": "v1", "kind": "ConfigMap", **name}
        return {"avi.egress.k8s_json_patch": {**of, "patch": list(operations)}}

    gone = {"avi.egress.k8s": {"state": "absent", "api_version": "v1", "kind": "ConfigMap", **name}}
    key = {"host": "{{ egress_api }}", "api_key": ADMIN_TOKEN, "validate_certs": False}
    return [
        checked(applied(a="1")),
        applied(a="1"),
        applied(a="1"),
        {**applied(a="2"), "diff": False},
        {**info(namespace="{{ item }}", **key), "loop": [place.project, "no-such-project"]},
        info(),
        info(field_selectors=["metadata.name=x"]),
        info(nonsense=1),
        info(kind="NoSuchKind"),
        info(context="no-such-context"),
        patch({"op": "replace", "path": "/data/a", "value": "3"}),
        patch({"op": "nonsense", "path": "/data/a"}),
        checked(gone),
        gone,
        gone,
    ]


@pytest.mark.parametrize(
    "scenario", [services, accounts, leases, imports, objects], ids=lambda scenario: scenario.__name__
)
def test_both_ways_give_the_same_results(
    runner: Runner, api: ApiServer, cluster: KubeClient, other_python: Path, scenario: Callable[[Place], list[Task]]
) -> None:
    first, second = Place.new(cluster), Place.new(cluster)
    variables = {"egress_api": api.host}

    here, none = runner.tasks(*scenario(first), variables=variables)
    there, many = runner.tasks(
        *scenario(second), variables={**variables, "ansible_python_interpreter": str(other_python)}
    )

    assert none == 0
    assert many >= len(scenario(second))
    assert len(here) == len(scenario(first))
    for one, other in zip(first.without_what_changes(here), second.without_what_changes(there)):
        assert one == other
    assert {True, False} <= {item["changed"] for item in here if "changed" in item}
    assert any(item.get("failed") for item in here)
    keyed = [item for item in here if "VALUE_SPECIFIED_IN_NO_LOG_PARAMETER" in json.dumps(_without_kubeconfig(item))]
    assert not [token for token in (ADMIN_TOKEN, TENANT_TOKEN) if token in json.dumps(keyed)]
    assert bool(keyed) == (scenario in (services, accounts, objects)), "those that give a key"


def _without_kubeconfig(result: Task) -> Task:
    """Ansible hides it where it refuses the options itself, as it could hold secrets."""
    arguments = result.get("invocation", {}).get("module_args", {})
    return {**result, "invocation": {name: value for name, value in arguments.items() if name != "kubeconfig"}}


def test_what_needs_a_process_of_its_own_gets_it(runner: Runner, cluster: KubeClient, other_python: Path) -> None:
    task = {"avi.egress.avi_ipam_lease_info": {}}
    another = {**task, "vars": {"ansible_python_interpreter": str(other_python)}}

    for tasks, modules in (
        ([task], 0),
        ([{**task, "environment": {"HTTPS_PROXY": ""}}], 1),
        ([another], 1),
        ([{**task, "async": 60, "poll": 1}], 1),
        ([{**task, "delegate_to": "localhost"}], 0),
    ):
        results, sent = runner.tasks(*tasks)
        assert not [item["msg"] for item in results if item.get("failed")]
        assert sent == modules, tasks


def test_no_key_of_a_kubeconfig_outlives_a_task_of_kubernetes_core(
    ansible: Ansible, api: ApiServer, cluster: KubeClient, tmp_path: Path
) -> None:
    inline = {
        "client-certificate-data": base64.b64encode(api.client_cert.read_bytes()).decode(),
        "client-key-data": base64.b64encode(api.client_key.read_bytes()).decode(),
    }
    config = {**yaml.safe_load(api.kubeconfig.read_text()), "users": [{"name": "admin", "user": inline}]}
    task = {"avi.egress.k8s_info": {"kind": "Namespace", "name": "{{ item }}", "kubeconfig": config}}

    (result,) = ansible.tasks({**task, "loop": ["default", "kube-system"]}, environment={"TMPDIR": str(tmp_path)})

    assert [item["resources"][0]["metadata"]["name"] for item in result["results"]] == ["default", "kube-system"]
    left = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert left, "what it knows of the API is kept there"
    assert not [path for path in left if b"PRIVATE KEY" in path.read_bytes()]


def test_connection_options_come_from_the_task_the_group_and_the_environment(
    runner: Runner, api: ApiServer, cluster: KubeClient
) -> None:
    task = {"avi.egress.avi_ipam_lease_info": {}}
    nowhere = {"K8S_AUTH_KUBECONFIG": "/no/such/file"}
    there = {"host": api.host, "api_key": ADMIN_TOKEN, "validate_certs": False}

    by_task, none = runner.tasks({**task, "environment": nowhere}, task)
    by_group, _none = runner.tasks({**task, "environment": nowhere}, defaults=there)

    assert none == 0
    assert [item.get("msg") for item in by_task] == ["kubeconfig is '/no/such/file'; there is no such file", None]
    assert not by_group[0].get("failed")


def lease(place: Place) -> Task:
    return {
        "avi.egress.avi_ipam_lease": {"network": place.network, "namespace": place.project, "service": "{{ item }}"}
    }


def service(place: Place) -> Task:
    options = {"name": "{{ item }}", "namespace": place.project, "destination_ip": "10.10.10.200", "wait": False}
    return {"avi.egress.avi_egress_service": {**options, "ports": [{"port": 80}]}}


@pytest.mark.parametrize(("task", "requests"), [(lease, 4), (service, 2)], ids=["lease", "service"])
def test_an_unchanged_item_of_a_loop_costs_no_more_than_its_reads(
    runner: Runner, cluster: KubeClient, faults: FaultProxy, task: Callable[[Place], Task], requests: int
) -> None:
    looped = {**task(Place.new(cluster)), "loop": ["a", "b", "c"]}
    defaults = {"kubeconfig": str(faults.kubeconfig)}
    (made,), _none = runner.tasks(looped, defaults=defaults)
    faults.journal.clear()

    (same,), none = runner.tasks(looped, defaults=defaults)

    assert none == 0
    assert (made["changed"], same["changed"]) == (True, False)
    assert faults.journal.count() == faults.journal.count("list") + faults.journal.count("get") == 3 * requests


def test_a_wait_in_vain_says_what_refuses_the_pods(cluster: KubeClient, runner: Runner) -> None:
    place, labels = Place.new(cluster), {"app": "x"}
    pods = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "x", "image": "x"}]}}
    deployment = {
        **{"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "x", "namespace": place.project}},
        "spec": {"selector": {"matchLabels": labels}, "template": pods},
    }
    cluster.create(DEPLOYMENT, deployment)
    told = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "exceeded quota: small"}
    cluster.patch(DEPLOYMENT, "x", {"status": {"conditions": [told]}}, place.project, subresource="status")
    waiting = {"definition": deployment, "wait": True, "wait_sleep": 1, "wait_timeout": 1}

    (result,), own = runner.tasks({"avi.egress.k8s": waiting})

    assert own == 0
    assert result["msg"] == '"Deployment" "x": Timed out waiting on resource; FailedCreate: exceeded quota: small'
