# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""A tenant with every right in his own project gets at neither the privileged account nor the egress pod."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from typing import Any

import pytest

from tests.support.client import RESTRICTED, client_pod
from tests.support.outside import Outside
from tests.support.project import Project
from tests.support.waiting import wait_for

SERVICE = "tenants-own"
NAME = f"{SERVICE}-avi-egress-pod"


class Tenant:
    """Somebody with the ClusterRole ``admin`` in one project, and nothing elsewhere."""

    def __init__(self, project: Project) -> None:
        self.project = project
        self._user = f"tenant-of-{project.name}"
        project.kubectl.run(
            "-n", project.name, "create", "rolebinding", "tenant", "--clusterrole=admin", f"--user={self._user}"
        )

    def grant(self, resource: str) -> None:
        """A right beyond those of ``admin``."""
        run, namespace = self.project.kubectl.run, ("-n", self.project.name)
        name = f"tenant-{resource.replace('/', '-')}"
        run(*namespace, "create", "role", name, "--verb=get,patch,update", f"--resource={resource}")
        run(*namespace, "create", "rolebinding", name, f"--role={name}", f"--user={self._user}")

    def refused(self, *arguments: str, stdin: str | None = None) -> str:
        """Why the API server refuses a command; AssertionError if it does not."""
        done = self._run(*arguments, stdin=stdin)
        assert done.returncode != 0, f"allowed: {arguments}"
        return done.stderr

    def allowed(self, *arguments: str, stdin: str | None = None) -> str:
        done = self._run(*arguments, stdin=stdin)
        assert done.returncode == 0, done.stderr
        return done.stdout

    def _run(self, *arguments: str, stdin: str | None) -> subprocess.CompletedProcess[str]:
        kubectl = self.project.kubectl
        return subprocess.run(
            kubectl.command(f"--as={self._user}", "-n", self.project.name, *arguments),
            input=stdin,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )


@pytest.fixture(scope="module")
def tenant(green: Project, outside: Outside) -> Iterator[Tenant]:
    tenant = Tenant(green)
    annotation = json.dumps({"destination_ip": outside.destination})
    metadata = {"name": SERVICE, "annotations": {"egress_pod": annotation}}
    service = {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": [{"port": 80}]}}
    tenant.allowed("apply", "-f", "-", stdin=json.dumps(service))
    green.wait_ready(SERVICE)
    yield tenant
    tenant.allowed("delete", "service", SERVICE)


@pytest.fixture(scope="module")
def account(green: Project, tenant: Tenant) -> str:
    return str(green.egress_pods(SERVICE)[0]["spec"]["serviceAccountName"])


def workload(kind: str, account: str) -> dict[str, Any]:
    container = {"name": "c", "image": "any", "securityContext": {"privileged": True}}
    pod_spec = {"serviceAccountName": account, "containers": [container], "restartPolicy": "Always"}
    metadata = {"name": f"sly-{kind.lower()}", "labels": {"app": "sly"}}
    template = {"metadata": {"labels": {"app": "sly"}}, "spec": pod_spec}
    if kind == "Pod":
        return {"apiVersion": "v1", "kind": kind, "metadata": metadata, "spec": pod_spec}
    if kind == "ReplicationController":
        return {
            "apiVersion": "v1",
            "kind": kind,
            "metadata": metadata,
            "spec": {"selector": {"app": "sly"}, "template": template},
        }
    if kind == "CronJob":
        job = {"template": {"spec": {**pod_spec, "restartPolicy": "Never"}}}
        return {
            "apiVersion": "batch/v1",
            "kind": kind,
            "metadata": metadata,
            "spec": {"schedule": "* * * * *", "jobTemplate": {"spec": job}},
        }
    spec: dict[str, Any] = {"selector": {"matchLabels": {"app": "sly"}}, "template": template}
    if kind == "StatefulSet":
        spec["serviceName"] = "sly"
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": metadata, "spec": spec}


@pytest.mark.parametrize("kind", ["Pod", "ReplicationController", "Deployment", "DaemonSet", "StatefulSet", "CronJob"])
def test_no_workload_of_his_runs_as_the_privileged_account(tenant: Tenant, account: str, kind: str) -> None:
    told = tenant.refused("create", "-f", "-", stdin=json.dumps(workload(kind, account)))
    assert "avivantage-* may run privileged" in told


def test_the_same_workload_with_an_account_of_his_own_is_his_business(tenant: Tenant) -> None:
    mine = json.dumps(workload("Deployment", "default"))
    tenant.allowed("create", "-f", "-", "--dry-run=server", stdin=mine)


@pytest.mark.parametrize("kind", ["pod", "replicationcontroller"])
def test_he_does_not_change_the_image_of_the_egress_pod(tenant: Tenant, green: Project, kind: str) -> None:
    name = green.egress_pods(SERVICE)[0]["metadata"]["name"] if kind == "pod" else NAME
    container = [{"name": "avi-egress-router", "image": "intruder.net/root"}]
    pod_spec = {"containers": container}
    patch = {"spec": pod_spec if kind == "pod" else {"template": {"spec": pod_spec}}}
    told = tenant.refused("patch", kind, name, "--type=strategic", "-p", json.dumps(patch))
    assert "avivantage-* may run privileged" in told or "it is the egress controller's" in told


def test_he_runs_nothing_by_acting_as_the_privileged_account(tenant: Tenant, green: Project, account: str) -> None:
    """The ClusterRole ``admin`` lets him impersonate his project's accounts, and this one has rights here."""
    as_account = f"--as=system:serviceaccount:{green.name}:{account}"
    user = f"system:serviceaccount:{green.name}:{account}"
    green.kubectl.run("-n", green.name, "create", "rolebinding", "lent", "--clusterrole=edit", f"--user={user}")
    pod = json.dumps(client_pod(green.name, "any", name="sly-pod"))  # refused for who makes it, and for nothing else
    tenant.allowed(as_account, "get", "pods")
    assert "nobody may act as it" in tenant.refused(as_account, "create", "-f", "-", stdin=pod)
    told = tenant.refused(as_account, "exec", "client-node1", "--", "id")
    assert "nobody may act as it" in told


def test_he_scales_orphans_and_deletes_nothing_of_the_controllers(tenant: Tenant) -> None:
    for words in (
        ("scale", "replicationcontroller", NAME, "--replicas=0"),
        ("delete", "replicationcontroller", NAME, "--cascade=orphan"),
        ("delete", "networkpolicy", NAME),
        ("patch", "networkpolicy", NAME, "--type=merge", "-p", '{"metadata": {"ownerReferences": null}}'),
    ):
        assert "it is the egress controller's" in tenant.refused(*words)


@pytest.mark.parametrize(
    "door",
    [
        ("exec", "{pod}", "--", "id"),
        ("attach", "{pod}"),
        ("port-forward", "{pod}", "18080:80"),
        ("create", "token", "{account}"),
    ],
    ids=["exec", "attach", "port-forward", "token"],
)
def test_he_does_not_enter_the_egress_pod_by_any_door(
    tenant: Tenant, green: Project, account: str, door: tuple[str, ...]
) -> None:
    pod = green.egress_pods(SERVICE)[0]["metadata"]["name"]
    told = tenant.refused(*(word.format(pod=pod, account=account) for word in door))
    assert "egress pods are privileged" in told


def test_he_puts_no_container_of_his_into_the_egress_pod(tenant: Tenant, green: Project) -> None:
    """Kubernetes' role ``admin`` does not have ephemeral containers; many tenants are given them for debugging."""
    pod = green.egress_pods(SERVICE)[0]["metadata"]["name"]
    tenant.grant("pods/ephemeralcontainers")
    # As the SCC of the egress pod would admit it, which is for no profile of seccomp.
    entering = debugger("avi-egress-router", {})
    told = tenant.refused("patch", "pod", pod, "--subresource=ephemeralcontainers", "-p", entering)
    assert "avivantage-* may run privileged" in told
    own = ("patch", "pod", "client-node1", "--subresource=ephemeralcontainers", "--dry-run=server")
    tenant.allowed(*own, "-p", debugger("client", RESTRICTED))


def debugger(target: str, context: dict[str, Any]) -> str:
    """The patch that adds an ephemeral container with a security context beside another."""
    container = {"name": "door", "image": "any", "targetContainerName": target, "securityContext": context}
    return json.dumps({"spec": {"ephemeralContainers": [container]}})


def test_his_own_pods_stay_open_to_him(tenant: Tenant) -> None:
    assert tenant.allowed("exec", "client-node1", "--", "python3", "-c", "print('in')").strip() == "in"


def test_the_network_and_the_leases_are_out_of_his_reach(tenant: Tenant) -> None:
    for kind in ("egressleases", "egressaddresses", "egressnetworks", "egressclouds"):
        assert "cannot list" in tenant.refused("get", kind)


def test_he_may_have_the_egress_pod_made_anew(tenant: Tenant, green: Project) -> None:
    before = green.egress_pods(SERVICE)[0]["metadata"]
    tenant.allowed("delete", "pod", before["name"])

    def others() -> set[str]:
        return {pod["metadata"]["uid"] for pod in green.egress_pods(SERVICE)} - {before["uid"]}

    assert len(wait_for("another pod", others)) == 1


def test_a_policy_by_which_he_lets_others_in_is_named_on_the_service(tenant: Tenant, green: Project) -> None:
    """NetworkPolicies add up, so this one is Kubernetes' to obey; everybody can see that it is there."""

    def told() -> str:
        return green.condition(SERVICE, "PolicyWidened").get("message", "")

    assert not told()
    spec = {"podSelector": {}, "ingress": [{}]}
    metadata = {"name": "allow-all"}
    policy = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}
    tenant.allowed("create", "-f", "-", stdin=json.dumps(policy))
    assert "by: allow-all;" in wait_for("its name", told)
    tenant.allowed("delete", "networkpolicy", "allow-all")
    wait_for("it to be gone", lambda: not told())
