# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The product under OpenShift's own SCC admission, in order: installed, served, attacked, moved, offboarded, removed.

The API server has no nodes: pods are made by Kubernetes' own controllers, with their rights, and are admitted or not.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http import HTTPStatus
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.avi.egress.plugins.module_utils.api.resources import (
    EGRESS_CLOUD,
    EGRESS_NETWORK,
    NAMESPACE,
    POD,
    SECURITY_CONTEXT_CONSTRAINTS,
    SERVICE,
    SERVICE_ACCOUNT,
    KubeObject,
    Resource,
    account_name,
    account_user,
    scc_name,
)
from ansible_collections.avi.egress.plugins.module_utils.client.kube_client import KubeClient, Selection
from ansible_collections.avi.egress.plugins.module_utils.ipam.network import read_network
from ansible_collections.avi.egress.plugins.module_utils.module.preflight import pods as preflight

from tests.cluster.allocator import UID_RANGE
from tests.cluster.standard_sccs import scc
from tests.support.ansible_run import Ansible, Run
from tests.support.api_server import ADMIN_TOKEN, ApiServer
from tests.support.controller_process import LEADS_SECONDS, ControllerProcess
from tests.support.installed import account_kubeconfig
from tests.support.kinds import POLICY_BINDING, ROLE_BINDING
from tests.support.openshift import openshift
from tests.support.users import MERGE_PATCH, Answer, Request, User
from tests.support.waiting import wait_for

RBAC = "rbac.authorization.k8s.io"
CHOSEN, REQUIRED = "openshift.io/scc", "openshift.io/required-scc"
CONTROLLER = "avi-egress"
RC_CONTROLLER = "system:serviceaccount:kube-system:replication-controller"
REFUSAL_SECONDS = 60
"""Each refusal takes 10 s of these, which the admission waits for what is missing."""
NOT_USABLE = "not usable by user or serviceaccount"
AS_INSTALLED: dict[str, Any] = {
    "egress_wait": False,
    "egress_projects": ["green", "blue"],
    "egress_networks": [{"name": "lan", "uplink": "eth0", "subnets": [{"cidr": "10.70.112.0/24"}]}],
}
GREEDY = "greedy"
SOUND: KubeObject = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "sound"},
    "spec": {
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [
            {
                "name": "c",
                "image": "any",
                "securityContext": {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}},
            }
        ],
    },
}
"""Against no level of Pod Security."""
PRIVILEGED: KubeObject = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "root"},
    "spec": {"containers": [{"name": "c", "image": "any", "securityContext": {"privileged": True}}]},
}


@dataclass(frozen=True)
class Site:
    """A cluster on which the role was run as on any OpenShift, and its controller's process."""

    api: ApiServer
    cluster: KubeClient
    ansible: Ansible
    uuid: str
    controller: ControllerProcess

    @property
    def account(self) -> str:
        return account_name(self.uuid)

    @property
    def scc(self) -> str:
        return scc_name(self.uuid)

    def play(self, name: str, **variables: Any) -> Run:
        run = self.ansible.playbook(f"avi.egress.{name}", "-e", json.dumps(variables))
        assert run.failure == ""
        return run

    def users_of_scc(self) -> list[str]:
        found = self.cluster.get(SECURITY_CONTEXT_CONSTRAINTS, self.scc) or {}
        return list(found.get("users") or ())

    def serve(self, name: str, project: str = "green", **egress_pod: Any) -> None:
        text = json.dumps({"destination_ip": "10.10.10.200", **egress_pod})
        metadata = {"name": name, "namespace": project, "annotations": {"egress_pod": text}}
        body = {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": [{"port": 80}]}}
        self.cluster.create(SERVICE, body)

    def condition(self, name: str, reason: str) -> str:
        """What a service of green says while it is not ready for that reason; empty if it says another thing."""
        found = (self.cluster.get(SERVICE, name, "green") or {})["status"].get("conditions") or ()
        return next((str(item["message"]) for item in found if item["reason"] == reason), "")

    def pods(self, namespace: str, contains: str) -> list[KubeObject]:
        return [item for item in self.cluster.list(POD, namespace) if contains in item["metadata"]["name"]]

    def wait_pods(self, namespace: str, contains: str, count: int = 1) -> list[KubeObject]:
        def look() -> list[KubeObject]:
            found = self.pods(namespace, contains)
            return found if len(found) == count else []

        return wait_for(f"{count} pods {contains} in {namespace}", look, shown=lambda: self.told(namespace))

    def told(self, namespace: str) -> list[str]:
        """What was said of what is in a namespace, such as why a pod was refused."""
        events = Resource("", "v1", "Event", "events")
        return [item.get("message", "") for item in self.cluster.list(events, namespace)]

    def tried(self, namespace: str, pod: KubeObject, asker: str | None = None) -> Answer:
        """A pod that somebody would make there; an administrator, if nobody else."""
        user = User.by_token(self.api, ADMIN_TOKEN)
        request = Request("POST", POD.path(namespace), pod)
        return (user.acting_as(asker) if asker else user).ask(request)


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    with openshift(tmp_path_factory.mktemp("openshift")) as server:
        yield server


@pytest.fixture(scope="module")
def site(api: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder: Path = tmp_path_factory.mktemp("site")
    cluster, ansible = api.cluster(), Ansible(folder, api.kubeconfig)
    run = ansible.playbook("avi.egress.site", "-e", json.dumps(AS_INSTALLED))
    assert run.failure == ""
    (cloud,) = cluster.list(EGRESS_CLOUD)
    process = ControllerProcess(account_kubeconfig(api, cluster, folder), folder / "controller.log", "replica")
    process.start()
    try:
        wait_for("it to lead", lambda: process.leads, LEADS_SECONDS)
        yield Site(api, cluster, ansible, cloud["spec"]["uuid"], process)
    finally:
        process.end()


def chosen(pod: KubeObject) -> str:
    """The SCC that a pod was admitted by."""
    return str(pod["metadata"]["annotations"][CHOSEN])


def copied(pod: KubeObject, **annotations: str | None) -> KubeObject:
    """The same pod to be made anew, before any SCC, with some annotations changed."""
    metadata = pod["metadata"]
    wanted = {**metadata["annotations"], CHOSEN: None, **annotations}
    head = {
        "name": f"{metadata['labels']['name']}-tried",
        "labels": metadata["labels"],
        "annotations": {key: value for key, value in wanted.items() if value is not None},
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": head, "spec": {**pod["spec"], "nodeName": None}}


def container_context(pod: KubeObject) -> dict[str, Any]:
    (container,) = pod["spec"]["containers"]
    context: dict[str, Any] = container["securityContext"]
    return context


def test_egress_pods_are_in_projects_and_have_the_articles_scc(site: Site) -> None:
    cloud = site.cluster.get(EGRESS_CLOUD, "default") or {}
    found = site.cluster.get(SECURITY_CONTEXT_CONSTRAINTS, site.scc) or {}

    assert cloud["spec"]["placement"] == "project"
    assert {key: value for key, value in found.items() if key not in ("apiVersion", "kind", "metadata") and value} == {
        "allowPrivilegedContainer": True,
        "allowPrivilegeEscalation": True,
        "allowHostDirVolumePlugin": True,
        "allowHostNetwork": True,
        "allowHostPorts": True,
        "volumes": ["*"],
        **{key: {"type": "RunAsAny"} for key in ("runAsUser", "seLinuxContext", "fsGroup", "supplementalGroups")},
        "users": [account_user(site.uuid, "blue"), account_user(site.uuid, "green")],
    }


def test_egress_pods_are_admitted_by_the_clouds_own_scc(site: Site) -> None:
    site.serve("shop")
    site.serve("pair", ha=True)

    pods = [*site.wait_pods("green", "shop-avi-egress-pod-"), *site.wait_pods("green", "pair-avi-egress-pod-", 2)]

    assert {chosen(pod) for pod in pods} == {site.scc}
    assert all(container_context(pod)["privileged"] for pod in pods)
    assert not any("runAsUser" in container_context(pod) for pod in pods), "the image's own user"


def test_the_controllers_pods_are_admitted_as_restricted(site: Site) -> None:
    pods = site.wait_pods(CONTROLLER, "avi-egress-controller-", 2)

    namespace = (site.cluster.get(NAMESPACE, CONTROLLER) or {})["metadata"]
    first = int(namespace["annotations"][UID_RANGE].split("/")[0])
    assert [chosen(pod) for pod in pods] == ["restricted-v2"] * 2
    assert [container_context(pod)["runAsUser"] for pod in pods] == [first] * 2


@contextmanager
def greedy(site: Site) -> Iterator[None]:
    """There is an SCC that goes before all others and may be used by everybody, as some operators bring."""
    host = {"allowPrivilegedContainer": True, "allowHostDirVolumePlugin": True, "volumes": ["*"]}
    everybody = {"priority": 100, "groups": ["system:authenticated"], "requiredDropCapabilities": None}
    site.cluster.create(SECURITY_CONTEXT_CONSTRAINTS, scc(GREEDY, **host, **everybody, seccompProfiles=["*"]))
    try:
        wait_for("it to be in force", lambda: chosen(site.tried("default", SOUND).body) == GREEDY)
        yield
    finally:
        site.cluster.delete_named(SECURITY_CONTEXT_CONSTRAINTS, GREEDY)


def test_an_scc_with_a_priority_takes_no_pod_of_ours(site: Site) -> None:
    (egress,) = site.wait_pods("green", "shop-avi-egress-pod-")
    controller, _other = site.wait_pods(CONTROLLER, "avi-egress-controller-", 2)
    with greedy(site):
        unbound = site.tried("green", copied(egress, **{REQUIRED: None}), RC_CONTROLLER).body
        for namespace, pod in (("green", egress), (CONTROLLER, controller)):
            site.cluster.delete_named(POD, pod["metadata"]["name"], namespace)
        old = {egress["metadata"]["uid"], controller["metadata"]["uid"]}

        def made_anew() -> list[KubeObject]:
            now = [*site.pods("green", "shop-avi-egress-pod-"), *site.pods(CONTROLLER, "avi-egress-controller-")]
            return now if len(now) == 3 and not any(pod["metadata"]["uid"] in old for pod in now) else []

        pods = wait_for("both to be made anew", made_anew)

    assert [chosen(pod) for pod in pods] == [site.scc, "restricted-v2", "restricted-v2"]
    assert chosen(unbound) == GREEDY, "otherwise nothing is shown"
    assert container_context(unbound)["runAsUser"] > 0, "as whom an egress pod could do nothing"


def test_a_refusal_of_the_scc_admission_is_told_and_ends(site: Site) -> None:
    """As after somebody has deleted one of OpenShift's own SCCs: it admits no pod then."""
    lost = site.cluster.get(SECURITY_CONTEXT_CONSTRAINTS, "hostaccess") or {}
    site.cluster.delete_named(SECURITY_CONTEXT_CONSTRAINTS, "hostaccess")
    try:
        site.serve("later")
        told = wait_for("the refusal to be told", lambda: site.condition("later", "PodRefused"), REFUSAL_SECONDS)
    finally:
        metadata = {"name": "hostaccess"}
        site.cluster.create(SECURITY_CONTEXT_CONSTRAINTS, {**lost, "metadata": metadata})

    assert "securitycontextconstraints.security.openshift.io cache is missing hostaccess" in told
    assert [chosen(pod) for pod in site.wait_pods("green", "later-avi-egress-pod-")] == [site.scc]
    wait_for("the refusal to be over", lambda: site.condition("later", "WaitingForPod"))


def test_a_pod_of_another_account_is_not_admitted_by_it(site: Site) -> None:
    (egress,) = site.wait_pods("green", "shop-avi-egress-pod-")
    tenant = as_tenant(site)
    container = {"name": "c", "image": "any", "securityContext": {"privileged": True}}
    for wanted in ({REQUIRED: site.scc}, {}):
        metadata = {"name": "root", "annotations": wanted}
        body = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}}

        answer = tenant.ask(Request("POST", POD.path("green"), body))

        assert answer.forbidden
        assert NOT_USABLE in answer.message
    plain = copied(egress)
    plain["spec"]["serviceAccountName"] = plain["spec"]["serviceAccount"] = "default"
    assert NOT_USABLE in site.tried("green", plain, RC_CONTROLLER).message


def as_tenant(site: Site) -> User:
    """Somebody with the ClusterRole ``admin`` in green."""
    name = "tenant-of-green"
    if site.cluster.get(ROLE_BINDING, name, "green") is None:
        body = bound_to({"kind": "User", "apiGroup": RBAC, "name": name}, name, "admin")
        site.cluster.create(ROLE_BINDING, {**body, "metadata": {"name": name, "namespace": "green"}})
    return User.by_certificate(site.api, name)


def bound_to(subject: dict[str, str], name: str = "lent", role: str = "edit") -> KubeObject:
    head = {"apiVersion": f"{RBAC}/v1", "kind": "RoleBinding", "metadata": {"name": name}}
    return {**head, "roleRef": {"apiGroup": RBAC, "kind": "ClusterRole", "name": role}, "subjects": [subject]}


def test_no_way_to_the_accounts_right_is_open(site: Site) -> None:
    tenant, core = as_tenant(site), "/api/v1/namespaces/green"
    user, bindings = account_user(site.uuid, "green"), ROLE_BINDING.path("green")
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "token", "annotations": {"kubernetes.io/service-account.name": site.account}},
        "type": "kubernetes.io/service-account-token",
    }
    as_account = {**PRIVILEGED, "spec": {**PRIVILEGED["spec"], "serviceAccountName": site.account}}
    name = site.wait_pods("green", "shop-avi-egress-pod-")[0]["metadata"]["name"]
    template = {"spec": {"template": {"spec": {"initContainers": PRIVILEGED["spec"]["containers"]}}}}
    rc = f"{core}/replicationcontrollers/shop-avi-egress-pod"
    attacks = {
        "a binding": Request(
            "POST", bindings, bound_to({"kind": "ServiceAccount", "name": site.account, "namespace": "green"})
        ),
        "a binding to the user": Request("POST", bindings, bound_to({"kind": "User", "apiGroup": RBAC, "name": user})),
        "a token's Secret": Request("POST", f"{core}/secrets", secret),
        "a token": Request("POST", f"{core}/serviceaccounts/{site.account}/token", {"spec": {}}),
        "a pod of the account": Request("POST", f"{core}/pods", as_account),
        "a container in the RC": Request("PATCH", rc, template, MERGE_PATCH),
        "a way in": Request("POST", f"{core}/pods/{name}/exec", query={"command": "sh"}, kept=True),
    }

    answers = {name: tenant.ask(request) for name, request in attacks.items()}

    assert {name: answer.status for name, answer in answers.items() if not answer.forbidden} == {}
    assert {
        name: "avivantage-" in answer.message or "egress" in answer.message for name, answer in answers.items()
    } == (dict.fromkeys(answers, True))


def test_impersonation_would_pass_the_scc_and_is_refused(site: Site) -> None:
    """SCC admission also asks for the rights of whoever makes a pod; ``admin`` may pass for a project's accounts."""
    tenant = as_tenant(site)
    all_accounts = {"kind": "Group", "apiGroup": RBAC, "name": "system:serviceaccounts:green"}
    answer = tenant.ask(Request("POST", ROLE_BINDING.path("green"), bound_to(all_accounts), kept=True))
    assert answer.status == HTTPStatus.CREATED
    impersonated = tenant.acting_as(account_user(site.uuid, "green"))
    ask = Request("POST", POD.path("green"), PRIVILEGED)

    told = "may run privileged pods, and nobody may act as it"
    with without(site.cluster, "avi-egress-pod-security"):  # which refuses this pod too, and sometimes first
        with without(site.cluster, "avi-egress-requests"):
            passed = wait_for("the policies to be gone", lambda: admitted(impersonated.ask(ask)))
        wait_for("it to be refused again", lambda: told in impersonated.ask(ask).message)
    assert passed
    assert chosen(passed.body) == site.scc


def admitted(answer: Answer) -> Answer | None:
    return answer if answer.status == HTTPStatus.CREATED else None


@contextmanager
def without(cluster: KubeClient, *policies: str) -> Iterator[None]:
    """As long as it lasts, some of the role's admission policies are not in force."""
    found = [cluster.get(POLICY_BINDING, name) for name in policies]
    for name in policies:
        cluster.delete_named(POLICY_BINDING, name)
    try:
        yield
    finally:
        for binding in found:
            assert binding
            metadata = {"name": binding["metadata"]["name"]}
            cluster.create(POLICY_BINDING, {**binding, "metadata": metadata})


def test_preflight_pods_are_admitted_whatever_other_sccs_there_are(site: Site) -> None:
    (found,) = site.cluster.list(EGRESS_NETWORK)
    network = read_network(found)
    questions = [preflight.Question(network, network.subnets[0], None)]
    pod = preflight.pod(0, "node1", questions, preflight.Setting("router:1", [], 60))
    site.cluster.create(NAMESPACE, preflight.namespace())
    try:
        site.cluster.create(SERVICE_ACCOUNT, preflight.account())
        with greedy(site):
            answer = site.tried(preflight.PREFLIGHT_NAMESPACE, pod)
        assert chosen(answer.body) == "privileged"
    finally:
        site.cluster.delete_named(NAMESPACE, preflight.PREFLIGHT_NAMESPACE)


def test_the_audit_finds_nothing_but_that_nothing_runs_without_nodes(site: Site) -> None:
    run = site.play("audit")

    assert run.custom_stats["egress_audit_kinds"] == ["ControllerNotReady", "WaitingForPod"]


def first_time(cluster: KubeClient, selection: Selection, version: str, is_it: Callable[[KubeObject], bool]) -> int:
    """The cluster's revision at which an object first was as wanted."""
    events = cluster.watch(selection, version=version, timeout=20)
    return next(int(obj["metadata"]["resourceVersion"]) for kind, obj in events if kind != "DELETED" and is_it(obj))


@pytest.mark.parametrize("way", ["by the playbook", "by its label"])
def test_the_right_is_there_before_the_account(site: Site, way: str) -> None:
    """OpenShift's label syncer looks at the SCCs when an account comes, and not when an SCC changes."""
    project = f"late-{way.rpartition(' ')[2]}"
    _namespaces, version = site.cluster.list_with_version(NAMESPACE)
    if way == "by the playbook":
        site.play("onboard_project", egress_projects=[project])
    else:
        labels = {"egress.avi.dev/project": "included"}
        body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": project, "labels": labels}}
        site.cluster.create(NAMESPACE, body)

    user = account_user(site.uuid, project)
    right = first_time(
        site.cluster,
        Selection(SECURITY_CONTEXT_CONSTRAINTS),
        version,
        lambda obj: obj["metadata"]["name"] == site.scc and user in (obj.get("users") or ()),
    )
    account = first_time(
        site.cluster,
        Selection(SERVICE_ACCOUNT, project),
        version,
        lambda obj: obj["metadata"]["name"] == site.account,
    )

    assert right < account


def test_offboarding_takes_the_right_away_at_once(site: Site) -> None:
    (egress,) = site.wait_pods("green", "shop-avi-egress-pod-")
    pod = copied(egress)
    assert site.tried("green", pod, RC_CONTROLLER).status == HTTPStatus.CREATED

    site.play("offboard_project", egress_projects=["green"], egress_offboard_services=True)

    assert account_user(site.uuid, "green") not in site.users_of_scc()
    with remade_account(site):
        answer = wait_for("the account to be seen", lambda: known(site.tried("green", pod, RC_CONTROLLER)))
    assert answer
    assert answer.forbidden
    assert NOT_USABLE in answer.message


@contextmanager
def remade_account(site: Site) -> Iterator[None]:
    """The account of green is there again, while the controller is away, which would take it back."""
    site.controller.end()
    metadata = {"name": site.account, "namespace": "green"}
    site.cluster.create(SERVICE_ACCOUNT, {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata})
    try:
        yield
    finally:
        site.cluster.delete_named(SERVICE_ACCOUNT, site.account, "green")
        site.controller.start()


def known(answer: Answer) -> Answer | None:
    return None if "error looking up service account" in answer.message else answer


def test_egress_pods_apart_are_admitted_by_the_clouds_own_scc(site: Site) -> None:
    site.serve("apart", "blue")
    site.wait_pods("blue", "apart-avi-egress-pod-")

    site.play("site", **{**AS_INSTALLED, "egress_projects": ["blue"], "egress_placement": "gateway"})

    (pod,) = site.wait_pods(CONTROLLER, "blue-apart-")
    assert chosen(pod) == site.scc
    assert site.users_of_scc() == [account_user(site.uuid, CONTROLLER)]


def test_uninstalling_leaves_no_right(site: Site) -> None:
    site.play("uninstall", egress_uninstall_services=True)

    assert site.cluster.get(SECURITY_CONTEXT_CONSTRAINTS, site.scc) is None
    assert not [item for item in site.cluster.list(SERVICE_ACCOUNT) if item["metadata"]["name"] == site.account]
