# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What tenants can't do where the role's admission policies are, each seen to be possible where they are not.

The tenants are real users: client certificates, with the ClusterRole ``edit`` or ``admin`` in their project, and some
rights beyond those that clusters often give. The parts are those that the controller's own process has made.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.avi.egress.plugins.module_utils.api.resources import (
    EGRESS_CLOUD,
    EGRESS_NETWORK,
    NAMESPACE,
    NETWORK_POLICY,
    POD,
    REPLICATION_CONTROLLER,
    SERVICE,
    STATEFUL_SET,
    KubeObject,
    Resource,
    account_name,
)

from tests.cluster.tools import KUBERNETES_SERIES
from tests.support.api_server import ADMIN_TOKEN, SERIES, ApiServer
from tests.support.controller_process import (
    LEADS_SECONDS,
    ControllerProcess,
)
from tests.support.definitions import CRDS, define
from tests.support.installed import install_account, install_policies
from tests.support.kinds import CLUSTER_ROLE, CLUSTER_ROLE_BINDING, ROLE_BINDING, SECRET
from tests.support.users import MERGE_PATCH, SERVER_SIDE_APPLY, STRATEGIC_MERGE_PATCH, Answer, Request, User
from tests.support.waiting import wait_for

UUID = str(uuid.uuid4())
ACCOUNT = account_name(UUID)
ACCOUNT_USER = f"system:serviceaccount:green:{ACCOUNT}"
POD_NAME = "shop-avi-egress-pod-abcde"
RBAC_GROUP = "rbac.authorization.k8s.io"
BEYOND = {
    "": ["pods/ephemeralcontainers", "pods/resize", "podtemplates", "replicationcontrollers/status"],
    "apps": ["statefulsets/status"],
    "policy": ["poddisruptionbudgets/status"],
    "discovery.k8s.io": ["endpointslices"],
    "apps.openshift.io": ["deploymentconfigs"],
}
"""Rights that the ClusterRoles for users lack, and that many clusters add."""

POD_NAME_LABEL, INDEX_LABEL = "statefulset.kubernetes.io/pod-name", "apps.kubernetes.io/pod-index"
REVISION_LABEL = "controller-revision-hash"
PRIVILEGED = {"name": "root", "image": "any", "securityContext": {"privileged": True}}
CORE, APPS, BATCH = "/api/v1/namespaces/green", "/apis/apps/v1/namespaces/green", "/apis/batch/v1/namespaces/green"
RBAC = "/apis/rbac.authorization.k8s.io/v1/namespaces/green"
POLICIES = "/apis/networking.k8s.io/v1/namespaces/green/networkpolicies"
BUDGETS = "/apis/policy/v1/namespaces/green/poddisruptionbudgets"
SLICES = "/apis/discovery.k8s.io/v1/namespaces/green/endpointslices"
RC, STS = f"{CORE}/replicationcontrollers", f"{APPS}/statefulsets"

ACCOUNTS = "accounts named avivantage-* may run privileged pods; they are for the egress controller"
MANAGED = "it is the egress controller's"
EITHER = f"{ACCOUNTS}|{MANAGED}"
"""Two policies are against it, and the server tells of one."""
REQUESTS = "may run privileged pods, and nobody may act as it"
ENTRANCE = "egress pods are privileged; only administrators"
BINDINGS = "get no other right; take them out of subjects"
LABEL = "the label name=*-avi-egress-pod is for egress pods"
DOOR_TO = "egress pods are reached by the Service that they are for alone"
BY_KUBERNETES = "no label but those that Kubernetes gives to pods"
NAME = "names with -avi-egress-pod are for egress pods"


def create(path: str, body: KubeObject, **query: str) -> Request:
    return Request("POST", path, body, query=query)


def merge(path: str, body: KubeObject) -> Request:
    return Request("PATCH", path, body, MERGE_PATCH)


def strategic(path: str, body: KubeObject) -> Request:
    return Request("PATCH", path, body, STRATEGIC_MERGE_PATCH)


def apply(path: str, body: KubeObject) -> Request:
    return Request("PATCH", path, body, SERVER_SIDE_APPLY, {"fieldManager": "tenant", "force": "true"})


def delete(path: str) -> Request:
    return Request("DELETE", path)


def pod_spec(account: str = "default", **fields: Any) -> dict[str, Any]:
    return {"serviceAccountName": account, "containers": [{"name": "c", "image": "any"}], **fields}


def workload(kind: str, spec: dict[str, Any], name: str = "sly", labels: Mapping[str, str] | None = None) -> KubeObject:
    """An object of a kind that pods are made of, or a pod itself."""
    labels = {"app": "sly", **(labels or {})}
    head = {"metadata": {"name": name, "labels": labels}}
    template = {"metadata": {"labels": labels}, "spec": spec}
    once = {**template, "spec": {**spec, "restartPolicy": "Never"}}
    forms: dict[str, dict[str, Any]] = {
        "Pod": {"apiVersion": "v1", "spec": spec},
        "PodTemplate": {"apiVersion": "v1", "template": template},
        "ReplicationController": {"apiVersion": "v1", "spec": {"selector": labels, "template": template}},
        "Job": {
            "apiVersion": "batch/v1",
            "spec": {"template": once},
        },
        "CronJob": {
            "apiVersion": "batch/v1",
            "spec": {
                "schedule": "* * * * *",
                "jobTemplate": {"spec": {"template": once}},
            },
        },
        "StatefulSet": {
            "apiVersion": "apps/v1",
            "spec": {"serviceName": name, "selector": {"matchLabels": labels}, "template": template},
        },
        "DeploymentConfig": {"apiVersion": "apps.openshift.io/v1", "spec": {"template": template}},
    }
    plain = {"apiVersion": "apps/v1", "spec": {"selector": {"matchLabels": labels}, "template": template}}
    return {**head, "kind": kind, **forms.get(kind, plain)}


PATHS = {
    "Pod": f"{CORE}/pods",
    "PodTemplate": f"{CORE}/podtemplates",
    "ReplicationController": RC,
    "Deployment": f"{APPS}/deployments",
    "DaemonSet": f"{APPS}/daemonsets",
    "ReplicaSet": f"{APPS}/replicasets",
    "StatefulSet": STS,
    "Job": f"{BATCH}/jobs",
    "CronJob": f"{BATCH}/cronjobs",
    "DeploymentConfig": "/apis/apps.openshift.io/v1/namespaces/green/deploymentconfigs",
}


def forged(api_version: str, kind: str, name: str, spec: dict[str, Any], **metadata: Any) -> KubeObject:
    """An object of the tenant's own, made to look like one of the controller's."""
    return {"apiVersion": api_version, "kind": kind, "metadata": {"name": name, **metadata}, "spec": spec}


def service(name: str, **spec: Any) -> KubeObject:
    body = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}}
    return {**body, "spec": {"ports": [{"port": 80}], **spec}}


FORGED = "later-avi-egress-pod"
OWNER = [{"apiVersion": "v1", "kind": "Service", "name": "later", "uid": "5e0f1a52"}]
MARK = {"egress.avi.dev/managed-by": "egress-controller"}
OWN_RC = workload("ReplicationController", pod_spec(), FORGED)
ANY_POLICY = {"podSelector": {}, "ingress": [{}]}
ANY_BUDGET = {"maxUnavailable": 0, "selector": {"matchLabels": {"app": "sly"}}}
ANY_SLICE = {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4", "endpoints": []}
TOKEN_SECRET = {
    "apiVersion": "v1",
    "kind": "Secret",
    "metadata": {"name": "token", "annotations": {"kubernetes.io/service-account.name": ACCOUNT}},
    "type": "kubernetes.io/service-account-token",
}


def bound_to(subject: dict[str, str], name: str = "lent") -> KubeObject:
    role = {"apiGroup": RBAC_GROUP, "kind": "ClusterRole", "name": "edit"}
    head = {"apiVersion": f"{RBAC_GROUP}/v1", "kind": "RoleBinding", "metadata": {"name": name}}
    return {**head, "roleRef": role, "subjects": [subject]}


AS_ACCOUNT = {"kind": "ServiceAccount", "name": ACCOUNT, "namespace": "green"}
AS_USER = {"kind": "User", "apiGroup": RBAC_GROUP, "name": ACCOUNT_USER}
ALL_ACCOUNTS = {"kind": "Group", "apiGroup": RBAC_GROUP, "name": "system:serviceaccounts:green"}
BOTH_NAMES = {"serviceAccountName": ACCOUNT, "serviceAccount": ACCOUNT}
INTRUDER = {"containers": [{"name": "avi-egress-router", "image": "intruder.net/x"}]}
NO_ACCOUNT = {"serviceAccountName": "default", "serviceAccount": "default", "initContainers": [PRIVILEGED]}
DOOR = {"name": "door", "image": "any", "targetContainerName": "avi-egress-router"}
OWN_DOOR = {**DOOR, "targetContainerName": "c"}
LARGER = {"name": "avi-egress-router", "resources": {"requests": {"cpu": "1"}}}

REFUSED: dict[str, tuple[str, Request, str]] = {
    # Who asks, for what, and what is said.
    **{
        f"{kind} as the account": ("edit", create(PATHS[kind], workload(kind, pod_spec(ACCOUNT))), ACCOUNTS)
        for kind in PATHS
    },
    "the account by the field's older name": (
        "edit",
        create(PATHS["Pod"], workload("Pod", {**pod_spec(), "serviceAccountName": "", "serviceAccount": ACCOUNT})),
        ACCOUNTS,
    ),
    "the account by the field's older name, of a kind that is not Kubernetes'": (
        "edit",
        create(PATHS["DeploymentConfig"], workload("DeploymentConfig", {"serviceAccount": ACCOUNT})),
        ACCOUNTS,
    ),
    "a pod as the account with its token": (
        "edit",
        create(PATHS["Pod"], workload("Pod", pod_spec(ACCOUNT, automountServiceAccountToken=True))),
        ACCOUNTS,
    ),
    "a pod as the account by server-side apply": (
        "edit",
        apply(f"{CORE}/pods/sly", workload("Pod", pod_spec(ACCOUNT))),
        ACCOUNTS,
    ),
    "the account in a workload of one's own": (
        "edit",
        merge(f"{RC}/own", {"spec": {"template": {"spec": BOTH_NAMES}}}),
        ACCOUNTS,
    ),
    "a container beside another account in the managed controller": (
        "edit",
        merge(f"{RC}/shop-avi-egress-pod", {"spec": {"template": {"spec": NO_ACCOUNT}}}),
        EITHER,
    ),
    "the same of a StatefulSet": (
        "edit",
        merge(f"{STS}/pair-avi-egress-pod", {"spec": {"template": {"spec": NO_ACCOUNT}}}),
        EITHER,
    ),
    "the same by server-side apply": (
        "edit",
        apply(
            f"{STS}/pair-avi-egress-pod",
            {
                "apiVersion": "apps/v1",
                "kind": "StatefulSet",
                "metadata": {"name": "pair-avi-egress-pod"},
                "spec": {"template": {"spec": {"serviceAccountName": "default", "initContainers": [PRIVILEGED]}}},
            },
        ),
        EITHER,
    ),
    "an image of one's own in the managed controller": (
        "edit",
        Request(
            "PATCH",
            f"{RC}/shop-avi-egress-pod",
            {"spec": {"template": {"spec": INTRUDER}}},
            "application/strategic-merge-patch+json",
        ),
        EITHER,
    ),
    "a label of the managed controller": (
        "edit",
        merge(f"{RC}/shop-avi-egress-pod", {"metadata": {"labels": {"a": "b"}}}),
        EITHER,
    ),
    "its mark": ("edit", merge(f"{RC}/shop-avi-egress-pod", {"metadata": {"labels": dict.fromkeys(MARK)}}), EITHER),
    "a finalizer": ("edit", merge(f"{RC}/shop-avi-egress-pod", {"metadata": {"finalizers": ["a.b/c"]}}), EITHER),
    "its owner": ("edit", merge(f"{RC}/shop-avi-egress-pod", {"metadata": {"ownerReferences": None}}), EITHER),
    "its replicas": ("edit", merge(f"{RC}/shop-avi-egress-pod", {"spec": {"replicas": 0}}), EITHER),
    "its scale": ("edit", merge(f"{RC}/shop-avi-egress-pod/scale", {"spec": {"replicas": 2}}), MANAGED),
    "a StatefulSet's scale": ("edit", merge(f"{STS}/pair-avi-egress-pod/scale", {"spec": {"replicas": 0}}), MANAGED),
    "its status": ("edit", merge(f"{RC}/shop-avi-egress-pod/status", {"status": {"replicas": 1}}), MANAGED),
    "a StatefulSet's status": (
        "edit",
        merge(f"{STS}/pair-avi-egress-pod/status", {"status": {"replicas": 2}}),
        MANAGED,
    ),
    "a budget's status": (
        "edit",
        merge(f"{BUDGETS}/pair-avi-egress-pod/status", {"status": {"disruptionsAllowed": 2}}),
        MANAGED,
    ),
    "its end": ("edit", delete(f"{RC}/shop-avi-egress-pod"), MANAGED),
    "a StatefulSet's end": ("edit", delete(f"{STS}/pair-avi-egress-pod"), MANAGED),
    "the policy's end": ("edit", delete(f"{POLICIES}/shop-avi-egress-pod"), MANAGED),
    "all policies' end": ("edit", delete(POLICIES), MANAGED),
    "the budget's end": ("edit", delete(f"{BUDGETS}/pair-avi-egress-pod"), MANAGED),
    "the policy opened": ("edit", merge(f"{POLICIES}/shop-avi-egress-pod", {"spec": {"ingress": [{}]}}), MANAGED),
    "the policy's owner": (
        "edit",
        merge(f"{POLICIES}/shop-avi-egress-pod", {"metadata": {"ownerReferences": []}}),
        MANAGED,
    ),
    "the budget changed": ("edit", merge(f"{BUDGETS}/pair-avi-egress-pod", {"spec": {"minAvailable": 2}}), MANAGED),
    "a controller with a Service as its owner": (
        "edit",
        create(RC, {**OWN_RC, "metadata": {**OWN_RC["metadata"], "ownerReferences": OWNER}}),
        f"{NAME}|{MANAGED}",
    ),
    "a StatefulSet by the name of one of the controller's": (
        "edit",
        create(STS, workload("StatefulSet", pod_spec(), FORGED)),
        f"{NAME}|{MANAGED}",
    ),
    "a policy by such a name": (
        "edit",
        create(POLICIES, forged("networking.k8s.io/v1", "NetworkPolicy", FORGED, ANY_POLICY)),
        MANAGED,
    ),
    "a budget by such a name": (
        "edit",
        create(BUDGETS, forged("policy/v1", "PodDisruptionBudget", FORGED, ANY_BUDGET)),
        MANAGED,
    ),
    "a way to egress pods by such a name": (
        "edit",
        create(SLICES, {**ANY_SLICE, "metadata": {"name": FORGED}}),
        MANAGED,
    ),
    "a way to egress pods with the controller's mark": (
        "edit",
        create(SLICES, {**ANY_SLICE, "metadata": {"name": "sly", "labels": MARK}}),
        MANAGED,
    ),
    "a policy with the controller's mark": (
        "edit",
        create(POLICIES, forged("networking.k8s.io/v1", "NetworkPolicy", "sly", ANY_POLICY, labels=MARK)),
        MANAGED,
    ),
    "the mark on a controller of one's own": ("edit", merge(f"{RC}/own", {"metadata": {"labels": MARK}}), MANAGED),
    "the account itself": ("edit", delete(f"{CORE}/serviceaccounts/{ACCOUNT}"), MANAGED),
    "the account's pull secrets": (
        "edit",
        merge(f"{CORE}/serviceaccounts/{ACCOUNT}", {"imagePullSecrets": [{"name": "mine"}]}),
        MANAGED,
    ),
    "an account named so": (
        "edit",
        create(
            f"{CORE}/serviceaccounts",
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "avivantage-mine"}},
        ),
        MANAGED,
    ),
    "an image of one's own in the egress pod": (
        "edit",
        strategic(f"{CORE}/pods/{POD_NAME}", {"spec": INTRUDER}),
        ACCOUNTS,
    ),
    "the egress pod let go": (
        "edit",
        merge(f"{CORE}/pods/{POD_NAME}", {"metadata": {"labels": {"name": None}}}),
        ACCOUNTS,
    ),
    "a container into the egress pod": (
        "edit",
        strategic(f"{CORE}/pods/{POD_NAME}/ephemeralcontainers", {"spec": {"ephemeralContainers": [DOOR]}}),
        ACCOUNTS,
    ),
    "the egress pod's size": (
        "edit",
        strategic(f"{CORE}/pods/{POD_NAME}/resize", {"spec": {"containers": [LARGER]}}),
        ACCOUNTS,
    ),
    "exec": ("edit", Request("POST", f"{CORE}/pods/{POD_NAME}/exec", query={"command": "id"}, kept=True), ENTRANCE),
    "attach": ("edit", Request("POST", f"{CORE}/pods/{POD_NAME}/attach", kept=True), ENTRANCE),
    "port-forward": (
        "edit",
        Request("POST", f"{CORE}/pods/{POD_NAME}/portforward", query={"ports": "80"}, kept=True),
        ENTRANCE,
    ),
    "the API server as a proxy": ("edit", Request("GET", f"{CORE}/pods/{POD_NAME}/proxy/", kept=True), ENTRANCE),
    "a token": (
        "edit",
        Request("POST", f"{CORE}/serviceaccounts/{ACCOUNT}/token", {"spec": {}}, kept=True),
        ENTRANCE,
    ),
    "a Secret that is filled with a token": ("edit", create(f"{CORE}/secrets", TOKEN_SECRET), ENTRANCE),
    "another account's Secret turned to this one": (
        "edit",
        merge(f"{CORE}/secrets/own", {"metadata": {"annotations": {"kubernetes.io/service-account.name": ACCOUNT}}}),
        ENTRANCE,
    ),
    "a right for the account": ("admin", create(f"{RBAC}/rolebindings", bound_to(AS_ACCOUNT)), BINDINGS),
    "a right for the account as a user": ("admin", create(f"{RBAC}/rolebindings", bound_to(AS_USER)), BINDINGS),
    "the account added to a binding": (
        "admin",
        merge(f"{RBAC}/rolebindings/own", {"subjects": [AS_ACCOUNT]}),
        BINDINGS,
    ),
    "the label of egress pods on a pod": (
        "edit",
        create(PATHS["Pod"], workload("Pod", pod_spec(), labels={"name": "shop-avi-egress-pod"})),
        LABEL,
    ),
    **{
        f"the label of egress pods on those of a {kind}": (
            "edit",
            create(PATHS[kind], workload(kind, pod_spec(), labels={"name": "shop-avi-egress-pod"})),
            LABEL,
        )
        for kind in PATHS
        if kind != "Pod"
    },
    "the label of egress pods on a pod that runs": (
        "edit",
        merge(f"{CORE}/pods/own", {"metadata": {"labels": {"name": "shop-avi-egress-pod"}}}),
        LABEL,
    ),
    "a pod named as an egress pod": ("edit", create(PATHS["Pod"], workload("Pod", pod_spec(), POD_NAME[:-1])), NAME),
    "a Deployment whose pods are named so": (
        "edit",
        create(PATHS["Deployment"], workload("Deployment", pod_spec(), FORGED)),
        NAME,
    ),
    **{
        f"{asker}, a pod": (asker, create(PATHS["Pod"], workload("Pod", pod_spec(containers=[PRIVILEGED]))), REQUESTS)
        for asker in ("edit as the account", "admin as the account", "the account's token")
    },
    "a Deployment asked for as the account": (
        "edit as the account",
        create(PATHS["Deployment"], workload("Deployment", pod_spec())),
        REQUESTS,
    ),
    "a change asked for as the account": (
        "edit as the account",
        merge(f"{CORE}/pods/own", {"metadata": {"labels": {"a": "b"}}}),
        REQUESTS,
    ),
    "exec as the account": (
        "edit as the account",
        Request("POST", f"{CORE}/pods/own/exec", query={"command": "id"}, kept=True),
        REQUESTS,
    ),
    "attach as the account": ("edit as the account", Request("POST", f"{CORE}/pods/own/attach", kept=True), REQUESTS),
    "a container as the account": (
        "edit as the account",
        strategic(f"{CORE}/pods/own/ephemeralcontainers", {"spec": {"ephemeralContainers": [OWN_DOOR]}}),
        REQUESTS,
    ),
    "another account's token asked for as the account": (
        "edit as the account",
        Request("POST", f"{CORE}/serviceaccounts/default/token", {"spec": {}}, kept=True),
        REQUESTS,
    ),
    "a pod as the account, by somebody else's account with every right": (
        "robot",
        create(PATHS["Pod"], workload("Pod", pod_spec(ACCOUNT), POD_NAME[:-1])),
        ACCOUNTS,
    ),
    "a pod as the account, by another of Kubernetes' controllers": (
        "replicaset-controller",
        create(PATHS["Pod"], workload("Pod", pod_spec(ACCOUNT), POD_NAME[:-1])),
        ACCOUNTS,
    ),
    "an autoscaler": (
        "horizontal-pod-autoscaler",
        merge(f"{RC}/shop-avi-egress-pod/scale", {"spec": {"replicas": 2}}),
        MANAGED,
    ),
    "a Service of one's own before the egress pod": (
        "edit",
        create(f"{CORE}/services", service("sly", type="NodePort", selector={"name": "shop-avi-egress-pod"})),
        DOOR_TO,
    ),
    "a selector turned to the egress pod": (
        "edit",
        merge(f"{CORE}/services/own", {"spec": {"selector": {"name": "shop-avi-egress-pod"}}}),
        DOOR_TO,
    ),
    "a node port of the Service that is served": (
        "edit",
        merge(f"{CORE}/services/shop", {"spec": {"type": "NodePort"}}),
        DOOR_TO,
    ),
    "an external IP of the Service that is served": (
        "edit",
        merge(f"{CORE}/services/shop", {"spec": {"externalIPs": ["192.0.2.1"]}}),
        DOOR_TO,
    ),
    "a Service for one pod of two": (
        "edit",
        create(f"{CORE}/services", service("sly", selector={POD_NAME_LABEL: "pair-avi-egress-pod-1"})),
        DOOR_TO,
    ),
    "a Service for the pods of one revision, and a label that they have too": (
        "edit",
        create(
            f"{CORE}/services",
            service("sly", selector={REVISION_LABEL: "pair-avi-egress-pod-5c7d8", INDEX_LABEL: "0"}),
        ),
        DOOR_TO,
    ),
    "a node port of the first pod of each StatefulSet": (
        "edit",
        create(f"{CORE}/services", service("sly", type="NodePort", selector={INDEX_LABEL: "0"})),
        BY_KUBERNETES,
    ),
    "a balancer before the pods of a zone": (
        "edit",
        create(
            f"{CORE}/services",
            service("sly", type="LoadBalancer", selector={"topology.kubernetes.io/zone": "a", INDEX_LABEL: "0"}),
        ),
        BY_KUBERNETES,
    ),
    "an external IP, and then a selector by Kubernetes' labels": (
        "edit",
        merge(
            f"{CORE}/services/own",
            {"spec": {"externalIPs": ["192.0.2.1"], "selector": {"app": None, INDEX_LABEL: "1"}}},
        ),
        BY_KUBERNETES,
    ),
    "a pod of a name that was cut": (
        "replication-controller",
        create(PATHS["Pod"], workload("Pod", pod_spec(ACCOUNT), f"{'x' * 48}-avi-egressabcde")),
        "give the Service a name of up to 42 characters",
    ),
}

ALLOWED: dict[str, tuple[str, Request]] = {
    **{f"a {kind} of one's own": ("edit", create(PATHS[kind], workload(kind, pod_spec()))) for kind in PATHS},
    "one's own scale": ("edit", merge(f"{RC}/own/scale", {"spec": {"replicas": 3}})),
    "one's own template": ("edit", merge(f"{RC}/own", {"spec": {"template": {"spec": {"hostNetwork": False}}}})),
    "one's own policy": ("edit", create(POLICIES, forged("networking.k8s.io/v1", "NetworkPolicy", "own", ANY_POLICY))),
    "one's own budget": ("edit", create(BUDGETS, forged("policy/v1", "PodDisruptionBudget", "own", ANY_BUDGET))),
    "one's own endpoints": ("edit", create(SLICES, {**ANY_SLICE, "metadata": {"name": "own"}})),
    "one's own account": (
        "edit",
        create(f"{CORE}/serviceaccounts", {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "own"}}),
    ),
    "one's own token": ("edit", Request("POST", f"{CORE}/serviceaccounts/default/token", {"spec": {}}, kept=True)),
    "one's own Secret": (
        "edit",
        create(f"{CORE}/secrets", {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "plain"}}),
    ),
    "a right of one's own account": (
        "admin",
        create(f"{RBAC}/rolebindings", bound_to({"kind": "ServiceAccount", "name": "default", "namespace": "green"})),
    ),
    "a right of all the project's accounts": ("admin", create(f"{RBAC}/rolebindings", bound_to(ALL_ACCOUNTS))),
    "one's own node port": ("edit", create(f"{CORE}/services", service("sly", type="NodePort", selector={"app": "a"}))),
    "a node port of the first pod of one's own StatefulSet": (
        "edit",
        create(f"{CORE}/services", service("sly", type="NodePort", selector={"app": "a", INDEX_LABEL: "0"})),
    ),
    "a node port of one's own pod": (
        "edit",
        create(f"{CORE}/services", service("sly", type="NodePort", selector={POD_NAME_LABEL: "db-0"})),
    ),
    "a Service before the first pod of each StatefulSet": (
        "edit",
        create(f"{CORE}/services", service("sly", selector={INDEX_LABEL: "0"})),
    ),
    "a Service of no selector": ("edit", create(f"{CORE}/services", service("sly", type="NodePort"))),
    "the Service's ports": (
        "edit",
        merge(f"{CORE}/services/shop", {"spec": {"ports": [{"name": "b", "port": 81}, {"name": "a", "port": 80}]}}),
    ),
    "the Service's end": ("edit", delete(f"{CORE}/services/shop")),
    "the egress pod's end": ("edit", delete(f"{CORE}/pods/{POD_NAME}")),
    "the egress pod seen": ("edit", Request("GET", f"{CORE}/pods/{POD_NAME}", kept=True)),
    "the StatefulSet's controller, its status": (
        "statefulset-controller",
        merge(f"{STS}/pair-avi-egress-pod/status", {"status": {"replicas": 2}}),
    ),
    "the replication controller, a pod": (
        "replication-controller",
        create(PATHS["Pod"], workload("Pod", pod_spec(ACCOUNT), POD_NAME[:-1], {"name": "shop-avi-egress-pod"})),
    ),
    "the replication controller, a pod let go": (
        "replication-controller",
        merge(f"{CORE}/pods/{POD_NAME}", {"metadata": {"ownerReferences": []}}),
    ),
    "the garbage collector, an owner that is gone": (
        "generic-garbage-collector",
        merge(f"{RC}/shop-avi-egress-pod", {"metadata": {"ownerReferences": []}}),
    ),
    "the garbage collector, an end": ("generic-garbage-collector", delete(f"{POLICIES}/shop-avi-egress-pod")),
    "the namespace's controller, an end": ("namespace-controller", delete(f"{CORE}/serviceaccounts/{ACCOUNT}")),
    "an administrator, a change": ("root", merge(f"{RC}/shop-avi-egress-pod", {"spec": {"replicas": 0}})),
    "an administrator, a token": (
        "root",
        Request("POST", f"{CORE}/serviceaccounts/{ACCOUNT}/token", {"spec": {}}, kept=True),
    ),
    "whoever onboards, an account": (
        "onboarder",
        create(
            f"{CORE}/serviceaccounts",
            {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "avivantage-new"}},
        ),
    ),
    "whoever offboards, an account": ("onboarder", delete(f"{CORE}/serviceaccounts/{ACCOUNT}")),
}

CONTROLLERS = (
    *("replication-controller", "replicaset-controller", "statefulset-controller", "horizontal-pod-autoscaler"),
    *("generic-garbage-collector", "namespace-controller"),
)


class World:
    """A project with two services that are served, and those who have to do with it."""

    def __init__(self, api: ApiServer, folder: Path) -> None:
        self.cluster = api.cluster()
        define(self.cluster, CRDS)
        self.kubeconfig = install_account(api, self.cluster, folder)
        self.folder = folder
        self._make("Namespace", "green", NAMESPACE, labels={"egress.avi.dev/project": "included"})
        included = {"include": {"matchLabels": {"egress.avi.dev/project": "included"}}}
        cloud = {"uuid": UUID, "secureEgressMode": True, "networks": ["lan"], "projects": included}
        self._make("EgressCloud", "default", EGRESS_CLOUD, spec=cloud)
        network = {"subnets": [{"cidr": "10.70.112.0/24"}], "quarantineSeconds": 0}
        self._make("EgressNetwork", "lan", EGRESS_NETWORK, spec=network)
        self.users = self._users(api)

    @contextmanager
    def controller(self) -> Iterator[ControllerProcess]:
        """The controller's own process, as long as it is wanted."""
        process = ControllerProcess(self.kubeconfig, self.folder / "controller.log", "replica")
        process.start()
        try:
            wait_for("it to lead", lambda: process.leads, LEADS_SECONDS)
            yield process
        finally:
            process.end()

    def annotate(self, name: str, *, ha: bool = False) -> None:
        """A Service that asks for egress."""
        annotations = {"egress_pod": json.dumps({"destination_ip": "10.10.10.200", "ha": ha})}
        metadata = {"name": name, "namespace": "green", "annotations": annotations}
        body = {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": [{"port": 80}]}}
        self.cluster.create(SERVICE, body)

    def part(self, resource: Resource, service: str) -> KubeObject | None:
        return self.cluster.get(resource, f"{service}-avi-egress-pod", "green")

    def selector(self, name: str) -> Any:
        found = self.cluster.get(SERVICE, name, "green")
        assert found is not None
        return (found["spec"].get("selector") or {}).get("name")

    def reason(self, name: str) -> Any:
        found = self.cluster.get(SERVICE, name, "green")
        assert found is not None
        conditions = found["status"].get("conditions") or ()
        return next((item["reason"] for item in conditions if item["type"] == "EgressReady"), None)

    def own(self) -> None:
        """What the tenants have of their own."""
        for kind in ("ReplicationController", "Pod"):
            body = workload(kind, pod_spec(), "own")
            body["metadata"]["namespace"] = "green"
            self.cluster.create(REPLICATION_CONTROLLER if kind == "ReplicationController" else POD, body)
        body = service("own", selector={"app": "a"})
        body["metadata"]["namespace"] = "green"
        self.cluster.create(SERVICE, body)
        secret = {**TOKEN_SECRET, "metadata": {"name": "own", "namespace": "green"}}
        secret["metadata"]["annotations"] = {"kubernetes.io/service-account.name": "default"}
        self.cluster.create(SECRET, secret)
        self._bind("own", "edit", {"kind": "ServiceAccount", "name": "default", "namespace": "green"})

    def run_pod(self) -> None:
        """Play the replication controller: the egress pod of the service ``shop``."""
        found = self.cluster.get(REPLICATION_CONTROLLER, "shop-avi-egress-pod", "green")
        assert found is not None
        template = found["spec"]["template"]
        template["spec"]["containers"][0]["resources"] = {"requests": {"cpu": "10m"}}  # or it can't be resized
        metadata = {"name": POD_NAME, "namespace": "green", "labels": template["metadata"]["labels"]}
        self.cluster.create(POD, {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]})

    def ask(self, asker: str, request: Request) -> Answer:
        return self.users[asker].ask(request)

    def _users(self, api: ApiServer) -> dict[str, User]:
        root = User.by_token(api, ADMIN_TOKEN)
        edit, admin = User.by_certificate(api, "edit-of-green"), User.by_certificate(api, "admin-of-green")
        for name, role in (("edit-of-green", "edit"), ("admin-of-green", "admin")):
            self._bind(name, role, {"kind": "User", "name": name, "apiGroup": RBAC_GROUP})
        # What a tenant could do before the policies were there, and what OpenShift's SCC asks of an account, it has.
        for number, subject in enumerate((AS_ACCOUNT, {"kind": "User", "name": "edit-of-green"})):
            self._bind(f"early-{number}", "edit", {"apiGroup": "", **subject})
            self._bind(f"beyond-{number}", "beyond", {"apiGroup": "", **subject})
        rules = [{"apiGroups": [group], "resources": kinds, "verbs": ["*"]} for group, kinds in BEYOND.items()]
        self._make("ClusterRole", "beyond", CLUSTER_ROLE, rules=rules)
        rules = [{"apiGroups": [""], "resources": ["serviceaccounts"], "verbs": ["list", "create", "patch", "delete"]}]
        self._make("ClusterRole", "onboard", CLUSTER_ROLE, rules=rules)
        robot = {"kind": "ServiceAccount", "name": "robot", "namespace": "default"}
        self._bind_cluster("robot", "cluster-admin", robot)
        for name in CONTROLLERS:
            user = {"kind": "User", "apiGroup": RBAC_GROUP}
            self._bind_cluster(name, "cluster-admin", {**user, "name": f"system:serviceaccount:kube-system:{name}"})
        onboarder = {"kind": "User", "apiGroup": RBAC_GROUP, "name": "onboarder"}
        self._bind_cluster("onboarder", "onboard", onboarder)
        wait_for("the rights of edit", lambda: (self.cluster.get(CLUSTER_ROLE, "edit") or {}).get("rules"))
        return {
            "root": root,
            "edit": edit,
            "admin": admin,
            "edit as the account": edit.acting_as(ACCOUNT_USER),
            "admin as the account": admin.acting_as(ACCOUNT_USER),
            "robot": root.acting_as("system:serviceaccount:default:robot"),
            "onboarder": User.by_certificate(api, "onboarder"),
            **{name: root.acting_as(f"system:serviceaccount:kube-system:{name}") for name in CONTROLLERS},
        }

    def take_token(self, api: ApiServer) -> None:
        """As a tenant could before the policies were there."""
        answer = self.ask("edit", Request("POST", f"{CORE}/serviceaccounts/{ACCOUNT}/token", {"spec": {}}, kept=True))
        self.users["the account's token"] = User.by_token(api, answer.body["status"]["token"])

    def _bind(self, name: str, role: str, subject: dict[str, str]) -> None:
        body = bound_to(subject, name)
        body["metadata"]["namespace"] = "green"
        body["roleRef"]["name"] = role
        self.cluster.create(ROLE_BINDING, body)

    def _bind_cluster(self, name: str, role: str, subject: dict[str, str]) -> None:
        body = {**bound_to(subject, f"test-{name}"), "kind": "ClusterRoleBinding"}
        body["roleRef"]["name"] = role
        self.cluster.create(CLUSTER_ROLE_BINDING, body)

    def _make(self, kind: str, name: str, resource: Resource, labels: Any = None, **fields: Any) -> None:
        head = {"apiVersion": resource.api_version, "kind": kind, "metadata": {"name": name, "labels": labels or {}}}
        self.cluster.create(resource, {**head, **fields})


@dataclass(frozen=True)
class Told:
    """The answers to the same requests without the policies and with them."""

    before: Mapping[str, Answer]
    after: Mapping[str, Answer]


@pytest.fixture(scope="module")
def world(api: ApiServer, tmp_path_factory: pytest.TempPathFactory) -> World:
    return World(api, tmp_path_factory.mktemp("world"))


@pytest.fixture(scope="module")
def told(api: ApiServer, world: World) -> Told:
    define(world.cluster, [Path(__file__).parent / "manifests/deploymentconfig-crd.yaml"])
    with world.controller():
        world.annotate("shop")
        world.annotate("pair", ha=True)
        for name in ("shop", "pair"):
            wait_for(f"{name} to be served", lambda name=name: world.selector(name))
    world.own()
    world.run_pod()
    world.take_token(api)
    asked: dict[str, tuple[str, Request]] = {
        **ALLOWED,
        **{name: (asker, request) for name, (asker, request, _message) in REFUSED.items()},
    }
    before = {name: world.ask(*question) for name, question in asked.items()}
    install_policies(world.cluster)
    probes = [next(name for name, case in REFUSED.items() if case[2] == message) for message in MESSAGES]
    for name in probes:
        wait_for("the policies to be in force", lambda name=name: world.ask(*asked[name]).forbidden)
    return Told(before, {name: world.ask(*question) for name, question in asked.items()})


MESSAGES = (DOOR_TO, ACCOUNTS, MANAGED, REQUESTS, ENTRANCE, BINDINGS)


@pytest.mark.parametrize("attack", REFUSED)
def test_an_attack_that_would_succeed_is_refused_with_a_sentence(told: Told, attack: str) -> None:
    if told.before[attack].status == 404 and SERIES != KUBERNETES_SERIES:
        pytest.skip(f"Kubernetes {SERIES} has no such request")
    assert not told.before[attack].forbidden, told.before[attack].message
    assert told.before[attack].status not in (404, 422), told.before[attack].message
    assert told.after[attack].forbidden, told.after[attack]
    assert any(sentence in told.after[attack].message for sentence in REFUSED[attack][2].split("|"))


@pytest.mark.parametrize("right", ALLOWED)
def test_what_is_somebodys_own_stays_so(told: Told, right: str) -> None:
    assert told.before[right].status < 300, told.before[right].message
    assert told.after[right].status < 300, told.after[right].message


@pytest.mark.usefixtures("told")
def test_the_controller_does_all_its_work_under_the_policies(world: World) -> None:
    with world.controller() as process:
        world.annotate("late")
        world.annotate("twin", ha=True)
        for name, made in (("late", REPLICATION_CONTROLLER), ("twin", STATEFUL_SET)):
            wait_for(f"{name} to be served", lambda name=name: world.selector(name), shown=process.log)
            parts = [world.part(kind, name) for kind in (NETWORK_POLICY, made)]
            assert all(part and part["metadata"]["labels"].items() >= MARK.items() for part in parts)
            text = {"metadata": {"annotations": {"egress_pod": None}}}
            world.cluster.patch(SERVICE, name, text, "green")
            for kind in (NETWORK_POLICY, made):
                wait_for("its parts to go", lambda kind=kind, name=name: not world.part(kind, name), shown=process.log)


@pytest.mark.usefixtures("told")
def test_the_controller_leaves_nothing_in_a_template_that_is_not_its_own(world: World) -> None:
    """An administrator may write it, or whoever could while there were no policies."""
    before = world.part(REPLICATION_CONTROLLER, "shop")
    assert before is not None
    foreign = {"template": {"spec": {"initContainers": [PRIVILEGED], "hostPID": True}}}
    world.cluster.patch(REPLICATION_CONTROLLER, "shop-avi-egress-pod", {"spec": foreign}, "green")
    with world.controller() as process:

        def is_put_right() -> bool:
            found = world.part(REPLICATION_CONTROLLER, "shop")
            return bool(found and found["spec"]["template"] == before["spec"]["template"])

        wait_for("the template to be put right", is_put_right, shown=process.log)


@pytest.mark.usefixtures("told")
def test_the_controller_adopts_no_controller_of_a_tenants(world: World) -> None:
    """One that was there before the policies were, with an owner reference to the Service."""
    world.annotate("trap")
    service = world.cluster.get(SERVICE, "trap", "green")
    assert service is not None
    owner = {"apiVersion": "v1", "kind": "Service", "name": "trap", "uid": service["metadata"]["uid"]}
    body = workload("ReplicationController", pod_spec(), "trap-avi-egress-pod", {"name": "trap-avi-egress-pod"})
    body["metadata"] |= {"namespace": "green", "ownerReferences": [owner]}
    made = world.cluster.create(REPLICATION_CONTROLLER, body)
    with world.controller() as process:
        wait_for("it to be told", lambda: world.reason("trap") == "NameTaken", shown=process.log)
    assert world.part(REPLICATION_CONTROLLER, "trap") == made


@pytest.mark.usefixtures("told")
def test_a_name_that_a_pods_name_cannot_hold_is_refused_before_anything_is_made(world: World) -> None:
    name = "x" * 43
    with world.controller() as process:
        world.annotate(name)
        wait_for("it to be told", lambda: world.reason(name) == "InvalidInput", shown=process.log)
    assert world.part(NETWORK_POLICY, name) is None
    assert world.part(REPLICATION_CONTROLLER, name) is None
