# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The other pods of an onboarded project are held to its former level: the policy against Kubernetes' own admission.

Each pod is tried twice: in a namespace that Pod Security itself holds to a level, and in one that is labelled as
onboarding labels it. Both have to say the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

import pytest
from ansible_collections.avi.egress.plugins.module_utils.api.resources import NAMESPACE, POD, KubeObject, Resource
from ansible_collections.avi.egress.plugins.module_utils.client.kube_client import ApiError, Forbidden, KubeClient

from tests.support.api_server import ADMIN_TOKEN, SERIES, ApiServer
from tests.support.installed import install_policies
from tests.support.users import Request, User
from tests.support.waiting import wait_for

ENFORCE, HELD = "pod-security.kubernetes.io/enforce", "egress.avi.dev/pod-security"
LEVELS = ("baseline", "restricted")
KINDS = ("containers", "initContainers", "ephemeralContainers")
SOUND = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}
"""What ``restricted`` asks of a container."""
OF_CONTAINERS = {key: SOUND[key] for key in ("allowPrivilegeEscalation", "capabilities")}
"""What of this no pod can say for its containers."""

CONTEXTS: tuple[dict[str, Any], ...] = (
    *({key: None} for key in SOUND),
    {"privileged": True, "allowPrivilegeEscalation": None},
    {"allowPrivilegeEscalation": True},
    {"runAsNonRoot": False},
    {"runAsUser": 0},
    {"runAsUser": 1000},
    *(
        {"capabilities": {"drop": ["ALL"], "add": [word]}}
        for word in ("NET_BIND_SERVICE", "CHOWN", "NET_RAW", "SYS_ADMIN")
    ),
    {"capabilities": {"drop": ["NET_RAW"]}},
    {"capabilities": {"add": ["ALL"]}},
    *(
        {"seccompProfile": profile}
        for profile in ({"type": "Unconfined"}, {"type": "Localhost", "localhostProfile": "x"})
    ),
    *({"seLinuxOptions": {"type": word}} for word in ("container_t", "container_engine_t", "spc_t")),
    *({"seLinuxOptions": {key: "x"}} for key in ("user", "role", "level")),
    *({"appArmorProfile": {"type": word}} for word in ("RuntimeDefault", "Unconfined")),
    {"appArmorProfile": {"type": "Localhost", "localhostProfile": "x"}},
    {"procMount": "Default"},
    {"windowsOptions": {"hostProcess": False}},
)
ITEMS: tuple[dict[str, Any], ...] = (
    {"ports": [{"containerPort": 80, "hostPort": 80}]},
    {"ports": [{"containerPort": 80}]},
    *(
        {probe: {"httpGet": {"port": 80, "host": host}}}
        for probe in ("livenessProbe", "readinessProbe", "startupProbe")
        for host in ("", "127.0.0.1")
    ),
    {"livenessProbe": {"tcpSocket": {"port": 80, "host": "10.0.0.1"}}},
    *({"lifecycle": {hook: {"httpGet": {"port": 80, "host": "x"}}}} for hook in ("postStart", "preStop")),
    {"lifecycle": {"preStop": {"tcpSocket": {"port": 80, "host": "x"}}}},
    {"lifecycle": {"preStop": {"exec": {"command": ["x"]}}}},
)
SYSCTLS = ("kernel.shm_rmid_forced", "net.ipv4.ip_local_reserved_ports", "net.ipv4.tcp_wmem", "kernel.msgmax")
POD_CONTEXTS: tuple[dict[str, Any], ...] = (
    {"runAsNonRoot": False},
    {"runAsUser": 0},
    {"seccompProfile": {"type": "Unconfined"}},
    {"seLinuxOptions": {"type": "spc_t"}},
    {"seLinuxOptions": {"user": "x"}},
    {"appArmorProfile": {"type": "Unconfined"}},
    *(
        {"sysctls": [{"name": name, "value": "1"}]}
        for name in ("kernel.shm_rmid_forced", "net.ipv4.tcp_wmem", "kernel.msgmax")
    ),
)
VOLUMES: tuple[dict[str, Any], ...] = (
    {"hostPath": {"path": "/"}},
    {"emptyDir": {}},
    {"configMap": {"name": "x"}},
    {"secret": {"secretName": "x"}},
    {"projected": {"sources": []}},
    {"downwardAPI": {}},
    {"csi": {"driver": "x"}},
    {"persistentVolumeClaim": {"claimName": "x"}},
    {"image": {"reference": "x"}},
    {"nfs": {"server": "x", "path": "/x"}},
    {"iscsi": {"targetPortal": "x", "iqn": "iqn.2001-04.com.example:x", "lun": 0}},
    {"gcePersistentDisk": {"pdName": "x"}},
)


def pod(**spec: Any) -> KubeObject:
    container = {"name": "c", "image": "x", "securityContext": SOUND}
    return {"metadata": {"name": "tried"}, "spec": {"containers": [container], **spec}}


def with_container(kind: str, **fields: Any) -> KubeObject:
    """A pod whose container of a kind is another than the sound one."""
    body = deepcopy(pod())
    container = {"name": "c" if kind == "containers" else "d", "image": "x", "securityContext": SOUND, **fields}
    body["spec"][kind] = [container]
    return body


def with_context(kind: str, **fields: Any) -> KubeObject:
    context = {key: value for key, value in {**SOUND, **fields}.items() if value is not None}
    return with_container(kind, securityContext=context)


def told(value: Any) -> str:
    return str(value).replace("'", "")


def pods() -> Iterator[tuple[str, KubeObject]]:
    yield "sound", pod()
    for key in ("hostNetwork", "hostPID", "hostIPC"):
        yield key, pod(**{key: True})
    for context in CONTEXTS:
        for kind in KINDS:
            yield f"{kind} {told(context)}", with_context(kind, **context)
    for item in ITEMS:
        yield f"containers {told(item)}", with_container("containers", **item)
    for volume in VOLUMES:
        yield f"volume {told(volume)}", pod(volumes=[{"name": "v", **volume}])
    for context in POD_CONTEXTS:
        yield f"pod {told(context)}", pod(securityContext=context)
        bare = pod(securityContext={"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}, **context})
        bare["spec"]["containers"] = [
            {
                "name": "c",
                "image": "x",
                "securityContext": {key: SOUND[key] for key in ("allowPrivilegeEscalation", "capabilities")},
            }
        ]
        yield f"pod alone {told(context)}", bare
    for word in ("runtime/default", "localhost/x", "unconfined"):
        body = pod()
        body["metadata"]["annotations"] = {"container.apparmor.security.beta.kubernetes.io/c": word}
        yield f"annotation {word}", body
    for mount in ("Default", "Unmasked"):
        body = with_context("containers", procMount=mount, runAsNonRoot=None, runAsUser=0)
        body["spec"]["hostUsers"] = False
        yield f"users of its own, procMount {mount}", body
    windows = pod(os={"name": "windows"})
    windows["spec"]["containers"] = [{"name": "c", "image": "x", "securityContext": {"runAsNonRoot": True}}]
    yield "windows", windows
    process = pod(os={"name": "windows"}, hostNetwork=True)
    options = {"windowsOptions": {"hostProcess": True}, "runAsNonRoot": True}
    process["spec"]["containers"] = [{"name": "c", "image": "x", "securityContext": options}]
    yield "windows, hostProcess", process


PODS = dict(pods())


@pytest.fixture(scope="module")
def cluster(api: ApiServer) -> KubeClient:
    found = api.cluster()
    for level in LEVELS:
        namespace(found, f"kubernetes-{level}", {ENFORCE: level})
        namespace(found, f"held-{level}", {ENFORCE: "privileged", HELD: level})
    namespace(found, "free", {ENFORCE: "privileged", HELD: "privileged"})
    namespace(found, "before", {ENFORCE: "privileged"})
    for name in ("before", "free", *(f"{by}-{level}" for by in ("kubernetes", "held") for level in LEVELS)):
        account = Resource("", "v1", "ServiceAccount", "serviceaccounts")
        wait_for("its account", lambda name=name, account=account: found.get(account, "default", name))
    assert refusal(found, "held-baseline", pod(hostPID=True)) is None, "without the policy the label opens the project"
    install_policies(found)
    wait_for("the policies to be in force", lambda: refusal(found, "held-baseline", pod(hostPID=True)))
    wait_for("the policies to be in force", lambda: refusal(found, "held-restricted", pod(hostPID=True)))
    return found


def namespace(cluster: KubeClient, name: str, labels: dict[str, str]) -> None:
    body = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}}
    cluster.create(NAMESPACE, body)


def refusal(cluster: KubeClient, project: str, body: KubeObject) -> str | None:
    """Why a pod is not let into a project; None where it is."""
    body = deepcopy(body)
    ephemeral = body["spec"].pop("ephemeralContainers", None)
    body["metadata"]["namespace"] = project
    if ephemeral:
        return _refusal_of_ephemeral(cluster, project, body, ephemeral)
    try:
        cluster.create(POD, {"apiVersion": "v1", "kind": "Pod", **body}, dry_run=True)
    except Forbidden as error:
        return str(error)
    return None


def _refusal_of_ephemeral(cluster: KubeClient, project: str, body: KubeObject, ephemeral: Any) -> str | None:
    body["metadata"]["name"] = "debugged"
    if cluster.get(POD, "debugged", project) is None:
        cluster.create(POD, {"apiVersion": "v1", "kind": "Pod", **body})
    patch = {"spec": {"ephemeralContainers": ephemeral}}
    try:
        cluster.patch(POD, "debugged", patch, project, subresource="ephemeralcontainers", dry_run=True)
    except Forbidden as error:
        return str(error)
    return None


@pytest.mark.skipif(SERIES in ("1.28", "1.30", "1.34"), reason="the policy has the levels of a newer Kubernetes")
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("name", PODS)
def test_a_pod_is_held_to_what_kubernetes_itself_would_hold_it_to(cluster: KubeClient, name: str, level: str) -> None:
    try:
        standard = refusal(cluster, f"kubernetes-{level}", PODS[name])
    except ApiError as error:
        pytest.fail(f"this is no pod at all: {error}")
    held = refusal(cluster, f"held-{level}", PODS[name])
    assert bool(held) == bool(standard), (standard, held)
    if held:
        assert f"the project keeps the Pod Security level {level} that it had before it was onboarded" in held


@pytest.mark.parametrize("level", LEVELS)
def test_both_verdicts_are_among_the_pods_that_are_tried(cluster: KubeClient, level: str) -> None:
    verdicts = {bool(refusal(cluster, f"kubernetes-{level}", body)) for body in PODS.values()}
    assert verdicts == {True, False}


@pytest.mark.parametrize("project", ["free", "before"])
def test_a_project_that_had_no_level_is_held_to_none(cluster: KubeClient, project: str) -> None:
    assert refusal(cluster, project, with_context("containers", privileged=True, allowPrivilegeEscalation=None)) is None


@pytest.mark.parametrize(
    "metadata",
    [
        {"labels": {HELD: "privileged"}},
        {"labels": {HELD: None}},
        {"labels": {ENFORCE: "baseline"}},
        {"labels": {"egress.avi.dev/project": "included"}},
        {"annotations": {"egress.avi.dev/pod-security-before": "privileged"}},
    ],
)
def test_an_owner_of_one_namespace_changes_nothing_of_this(api: ApiServer, cluster: KubeClient, metadata: Any) -> None:
    owner = owner_of(api, cluster, "held-restricted")
    path, merge = NAMESPACE.path(None, "held-restricted"), "application/merge-patch+json"
    answer = owner.ask(Request("PATCH", path, {"metadata": metadata}, merge))
    assert answer.forbidden
    assert "is for those to say who may change all namespaces" in answer.message
    assert owner.ask(Request("PATCH", path, {"metadata": {"labels": {"team": "a"}}}, merge)).status == 200
    root = User.by_token(api, ADMIN_TOKEN)
    assert root.ask(Request("PATCH", path, {"metadata": metadata}, merge)).status == 200


def test_nobody_makes_a_namespace_that_takes_part(api: ApiServer, cluster: KubeClient) -> None:
    owner = owner_of(api, cluster, "held-restricted")
    body = {"metadata": {"name": "mine", "labels": {"egress.avi.dev/project": "included"}}}
    answer = owner.ask(Request("POST", NAMESPACE.path(), {"apiVersion": "v1", "kind": "Namespace", **body}))
    assert "is for those to say who may change all namespaces" in answer.message
    body["metadata"]["labels"] = {}
    assert owner.ask(Request("POST", NAMESPACE.path(), {"apiVersion": "v1", "kind": "Namespace", **body})).status == 201


def owner_of(api: ApiServer, cluster: KubeClient, project: str) -> User:
    """Somebody who may make namespaces, and change one."""
    group = "rbac.authorization.k8s.io"
    role = Resource(group, "v1", "ClusterRole", "clusterroles", namespaced=False)
    binding = Resource(group, "v1", "ClusterRoleBinding", "clusterrolebindings", namespaced=False)
    if cluster.get(role, "owner") is None:
        rules = [
            {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["patch", "update"], "resourceNames": [project]},
            {"apiGroups": [""], "resources": ["namespaces"], "verbs": ["create"]},
        ]
        head = {"apiVersion": role.api_version, "metadata": {"name": "owner"}}
        subject = {"kind": "User", "name": "owner", "apiGroup": group}
        reference = {"kind": "ClusterRole", "name": "owner", "apiGroup": group}
        cluster.create(role, {**head, "kind": role.kind, "rules": rules})
        cluster.create(binding, {**head, "kind": binding.kind, "roleRef": reference, "subjects": [subject]})
    return User.by_certificate(api, "owner")
