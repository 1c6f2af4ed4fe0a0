# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The preflight: which nodes are looked at for which networks, by which pods, and what those have found.

Pure. A pod has a container for each subnet of the networks. They run one after the other, and each ends with one line
of JSON as its termination message (docs/explanation/data-path.md), so nobody needs a right to read logs.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Mapping, Sequence

from ...api.conditions import is_true
from ...api.resources import (
    API_GROUP,
    NAMESPACE,
    POD,
    REQUIRED_SCC_ANNOTATION,
    SECRET,
    SERVICE_ACCOUNT,
    KubeObject,
)
from ...ipam.network import EgressNetwork, Subnet
from ...workload.manifests import HOST_MOUNT, HOST_VOLUME, attachment

PREFLIGHT_NAMESPACE = "avi-egress-preflight"
"""It is there only as long as the pods are: privileged pods are admitted there, and in no namespace that stays."""
PREFLIGHT_LABEL = f"{API_GROUP}/preflight"
ACCOUNT = "preflight"
"""A ServiceAccount without any right, and without a token in its pods."""
SCC = "privileged"
"""Which every OpenShift has. Another one may let the pods in, with a user who can look at nothing."""
NOT_READY = "NodeNotReady"
NOT_LOOKED = "NotLooked"
LONGEST_TEXT = 600
"""Characters of a sentence that is repeated: it comes from a container."""
GRACE_SECONDS = 5

_PASSING = "node.kubernetes.io/"
"""The taints of a state that passes, such as that of a node that is being upgraded."""
_KEEPING_OUT = ("NoSchedule", "NoExecute")
_STUCK = ("ImagePullBackOff", "InvalidImageName", "ErrImageNeverPull", "CreateContainerConfigError")
"""What a container waits for that will not come by itself."""


@dataclass(frozen=True)
class Question:
    """One subnet of a network that nodes are looked at for; ``address`` is leased for it, None if none was free."""

    network: EgressNetwork
    subnet: Subnet
    address: str | None

    @property
    def environment(self) -> list[dict[str, str]]:
        """As in an egress pod; what isn't given is left out."""
        values = {
            "EGRESS_SOURCE": self.address,
            "EGRESS_SUBNET": self.subnet.cidr,
            "EGRESS_GATEWAY": self.subnet.gateway,
            **attachment(self.network),
        }
        return [{"name": name, "value": value} for name, value in values.items() if value]


@dataclass(frozen=True)
class Finding:
    """What one node has in the way of egress pods with addresses of one subnet; ``reason`` is None if nothing."""

    node: str
    network: str
    subnet: str
    address: str | None
    looks: tuple[str, ...] = ()
    """Those that were made; none where the node was not looked at."""
    reason: str | None = None
    message: str | None = None
    remedy: str | None = None


@dataclass(frozen=True)
class Setting:
    """What all pods of one preflight have in common."""

    image: str
    pull_secrets: Sequence[str]
    seconds: int
    """After so long a pod is ended, whatever became of the task that made it."""


def candidates(nodes: Sequence[KubeObject], selector: Mapping[str, str]) -> list[KubeObject]:
    """The nodes that egress pods may be scheduled to, by name; those with the selector's labels, if it has any.

    Without a selector, nodes with a taint that egress pods don't tolerate are left out. Who names nodes by labels means
    all of them: their projects may have tolerations by other ways.
    """
    wanted = (node for node in nodes if (_has_labels(node, selector) if selector else _is_open(node)))
    return sorted(filter(_is_linux, wanted), key=lambda node: str(node["metadata"]["name"]))


def asked_of(node: KubeObject, questions: Sequence[Question]) -> list[Question]:
    """Those about networks that the node has."""
    return [question for question in questions if _has_labels(node, question.network.node_selector)]


def is_ready(node: KubeObject) -> bool:
    """Whether its kubelet would run a pod."""
    return is_true(node, "Ready")


def _is_linux(node: KubeObject) -> bool:
    return _labels(node).get("kubernetes.io/os", "linux") == "linux"


def _has_labels(node: KubeObject, selector: Mapping[str, str]) -> bool:
    return selector.items() <= _labels(node).items()


def _labels(node: KubeObject) -> Mapping[str, str]:
    labels: Mapping[str, str] = node["metadata"].get("labels") or {}
    return labels


def _is_open(node: KubeObject) -> bool:
    taints = (node.get("spec") or {}).get("taints") or ()
    return not any(
        item.get("effect") in _KEEPING_OUT and not str(item.get("key", "")).startswith(_PASSING) for item in taints
    )


def namespace() -> KubeObject:
    """The namespace of the pods. No project of the platform's own rules: no node selector, no label by itself."""
    labels = {
        PREFLIGHT_LABEL: "true",
        "pod-security.kubernetes.io/enforce": "privileged",
        "security.openshift.io/scc.podSecurityLabelSync": "false",
    }
    annotations = {"openshift.io/node-selector": ""}
    metadata = {"name": PREFLIGHT_NAMESPACE, "labels": labels, "annotations": annotations}
    return {"apiVersion": NAMESPACE.api_version, "kind": NAMESPACE.kind, "metadata": metadata}


def account() -> KubeObject:
    return {
        "apiVersion": SERVICE_ACCOUNT.api_version,
        "kind": SERVICE_ACCOUNT.kind,
        "metadata": {"name": ACCOUNT, "namespace": PREFLIGHT_NAMESPACE},
        "automountServiceAccountToken": False,
    }


def pull_secret(secret: KubeObject) -> KubeObject:
    """A copy of one that the controller's image is pulled with."""
    return {
        "apiVersion": SECRET.api_version,
        "kind": SECRET.kind,
        "metadata": {"name": secret["metadata"]["name"], "namespace": PREFLIGHT_NAMESPACE},
        "type": secret["type"],
        "data": secret["data"],
    }


def pod(number: int, node: str, questions: Sequence[Question], setting: Setting) -> KubeObject:
    """The pod that looks at one node, past the scheduler and whatever the node's taints."""
    *first, last = (_container(place, question, setting.image) for place, question in enumerate(questions))
    return {
        "apiVersion": POD.api_version,
        "kind": POD.kind,
        "metadata": {
            "name": f"{ACCOUNT}-{number}",
            "namespace": PREFLIGHT_NAMESPACE,
            "labels": {PREFLIGHT_LABEL: "true"},
            "annotations": {REQUIRED_SCC_ANNOTATION: SCC},
        },
        "spec": {
            "nodeName": node,
            "tolerations": [{"operator": "Exists"}],
            "restartPolicy": "Never",
            "activeDeadlineSeconds": setting.seconds,
            "terminationGracePeriodSeconds": GRACE_SECONDS,
            "serviceAccountName": ACCOUNT,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "imagePullSecrets": [{"name": name} for name in setting.pull_secrets],
            "volumes": [dict(HOST_VOLUME)],
            "initContainers": first,
            "containers": [last],
        },
    }


def _container(place: int, question: Question, image: str) -> KubeObject:
    return {
        "name": _container_name(place),
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "args": ["preflight"],
        "env": question.environment,
        "securityContext": {"privileged": True},
        "volumeMounts": [dict(HOST_MOUNT)],
    }


def _container_name(place: int) -> str:
    return f"look-{place}"


def is_over(pod: KubeObject) -> bool:
    """Whether nothing more will be heard of a pod."""
    status = pod.get("status") or {}
    waiting = ((item.get("state") or {}).get("waiting") or {} for item in _statuses(pod))
    return status.get("phase") in ("Succeeded", "Failed") or any(item.get("reason") in _STUCK for item in waiting)


def _statuses(pod: KubeObject) -> list[Mapping[str, Any]]:
    status = pod.get("status") or {}
    return [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]


def findings(node: KubeObject, questions: Sequence[Question], pod: KubeObject | None) -> list[Finding]:
    """What became of each question about one node; ``pod`` is as it was seen last, None if there is none."""
    ended = {
        str(item.get("name")): str(((item.get("state") or {}).get("terminated") or {}).get("message") or "")
        for item in _statuses(pod or {})
    }
    asked = enumerate(asked_of(node, questions))
    return [_finding(node, question, pod, ended.get(_container_name(place), "")) for place, question in asked]


def foreseen(node: KubeObject, questions: Sequence[Question]) -> list[Finding]:
    """What would be looked at."""
    name = node["metadata"]["name"]
    asked = asked_of(node, questions)
    return [Finding(name, question.network.name, question.subnet.cidr, question.address) for question in asked]


def _finding(node: KubeObject, question: Question, pod: KubeObject | None, told: str) -> Finding:
    name = node["metadata"]["name"]
    about = (name, question.network.name, question.subnet.cidr, question.address)
    if not is_ready(node):
        return Finding(*about, (), NOT_READY, "the node is not ready, so no pod runs there", "mend the node first")
    outcome = _read(told)
    if outcome is None:
        what, remedy = _why_not_looked(pod, told)
        return Finding(*about, (), NOT_LOOKED, what, remedy)
    return Finding(*about, *outcome)


def _read(told: str) -> tuple[tuple[str, ...], str | None, str | None, str | None] | None:
    """Looks, reason, message and remedy of a container's line; None if it is not one."""
    try:
        found = json.loads(told)
    except (ValueError, RecursionError):
        return None
    if not isinstance(found, dict) or not isinstance(found.get("looks"), list):
        return None
    reason, what, remedy = (found.get(key) for key in ("reason", "what", "remedy"))
    looks = tuple(str(look)[:LONGEST_TEXT] for look in found["looks"])
    if reason is None:
        return looks, None, None, None
    return looks, str(reason)[:LONGEST_TEXT], str(what)[:LONGEST_TEXT], str(remedy)[:LONGEST_TEXT]


def _why_not_looked(pod: KubeObject | None, told: str) -> tuple[str, str]:
    """In words of container, kubelet or scheduler."""
    again = "run the preflight again when that is mended"
    if pod is None:
        return "the pod is gone", "run no other preflight at the same time"
    for item in _statuses(pod):
        state = item.get("state") or {}
        if waiting := state.get("waiting"):
            reason, message = waiting.get("reason"), waiting.get("message")
            if reason not in ("PodInitializing", "ContainerCreating"):
                return f"the pod waits: {reason}: {str(message)[:LONGEST_TEXT]}", again
        ended = state.get("terminated")
        if ended and ended.get("exitCode"):
            text = " ".join(str(told or ended.get("message") or "").split())[:LONGEST_TEXT]
            what = f"the router's image ended with exit code {ended['exitCode']} {text}".rstrip()
            return what, "take an image of this collection's version"
    status = pod.get("status") or {}
    word, text = status.get("reason") or status.get("phase"), str(status.get("message") or "no word of it")
    return f"the pod did not run in time ({word}: {text[:LONGEST_TEXT]})", again
