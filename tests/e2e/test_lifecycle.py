# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The article's lifecycle with real pods and packets: what goes when, in which order, and what stays.

The order of changes to different objects is read from their resource versions: in one cluster they are numbers of one
sequence, and no clock or slow watch can reverse them.
"""

from __future__ import annotations

import json
import subprocess
import threading
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest

from images.build import Image
from tests.cluster import Cluster
from tests.support.kubectl import Kubectl
from tests.support.outside import Outside
from tests.support.project import Project
from tests.support.router_links import nodes_that_hold
from tests.support.waiting import wait_for

SERVICE = "living"
PARTS = ("replicationcontrollers", "statefulsets", "networkpolicies", "poddisruptionbudgets", "pods")
CONTROLLER = ("-n", "avi-egress", "deployment/avi-egress-controller")
SCCS = "securitycontextconstraints"
"""By its full name: the short one is another kind's where that is served."""
SLOW = 60
"""Seconds for what takes several passes and a pod's end or start on a busy machine."""

Json = dict[str, Any]


@dataclass(frozen=True)
class Change:
    """One event of a watch."""

    event: str
    obj: Json

    @property
    def revision(self) -> int:
        return int(self.obj["metadata"]["resourceVersion"])


class Watch:
    """Every change to some objects from now on, as kubectl tells it; begins with those that are there as ADDED."""

    def __init__(self, cluster: Cluster, *arguments: str) -> None:
        command = [str(cluster.tool("kubectl")), f"--kubeconfig={cluster.kubeconfig}", "get", *arguments]
        self._command = [*command, "--watch", "--output-watch-events", "-o", "json"]
        self._changes: list[Change] = []

    def __enter__(self) -> Watch:
        self._process = subprocess.Popen(self._command, stdout=subprocess.PIPE, text=True)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        try:
            wait_for("the watch shows what is there", self.changes)
        except AssertionError:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        self._process.terminate()
        self._process.wait(timeout=10)
        self._reader.join(timeout=10)

    def changes(self, event: str | None = None) -> list[Change]:
        return [change for change in list(self._changes) if event in (None, change.event)]

    def first(self, condition: Callable[[Change], bool], what: str) -> Change:
        """The first change of a kind, which may be still to come."""
        found: list[Change] = wait_for(what, lambda: [change for change in self.changes() if condition(change)], SLOW)
        return found[0]

    def pod_ended(self) -> Change:
        return self.first(lambda change: change.event == "DELETED" or has_ended(change.obj), "the pod has ended")

    def gone(self, what: str) -> Change:
        return self.first(lambda change: change.event == "DELETED", f"{what} is deleted")

    def _read(self) -> None:
        for line in self._process.stdout or ():
            told = json.loads(line)
            self._changes.append(Change(told["type"], told["object"]))


def annotate(project: Project, wish: Json | None, service: str = SERVICE) -> None:
    change = "egress_pod-" if wish is None else f"egress_pod={json.dumps(wish)}"
    project.kubectl.run("-n", project.name, "annotate", "service", service, "--overwrite", change)


def label(kubectl: Kubectl, project: Project, change: str) -> None:
    kubectl.run("label", "namespace", project.name, "--overwrite", change)


def parts(project: Project, service: str = SERVICE) -> list[str]:
    """What is there of a service's egress."""
    items = project.json("get", ",".join(PARTS))["items"]
    prefix = f"{service}-avi-egress-pod"
    return [
        f"{item['kind']} {item['metadata']['name']}" for item in items if item["metadata"]["name"].startswith(prefix)
    ]


def leases(kubectl: Kubectl, project: Project) -> list[Json]:
    """The service's leases by their slots; under ``ha`` there were two."""
    found = [item for item in kubectl.json("get", "egressleases")["items"] if item["spec"]["namespace"] == project.name]
    return sorted(found, key=lambda item: int(item["spec"]["slot"]))


def phase(kubectl: Kubectl, project: Project) -> str:
    return str(leases(kubectl, project)[0]["status"]["phase"])


def is_released(lease: Json) -> bool:
    return bool((lease.get("status") or {}).get("phase") == "Released")


def has_ended(pod: Json) -> bool:
    """Whether a pod's containers have ended for good: it sends nothing any more, though kubelet still clears it up."""
    return pod["status"].get("phase") in ("Succeeded", "Failed")


def held_address(pod: Json) -> str | None:
    """The source address that a pod may send from: its ordinal's under ``ha``, none once it has ended for good."""
    if has_ended(pod):
        return None
    environment = {item["name"]: item.get("value", "") for item in pod["spec"]["containers"][0]["env"]}
    addresses = environment["EGRESS_SOURCE"].split(",")
    ordinal = pod["metadata"]["name"].rsplit("-", 1)[1]
    return str(addresses[int(ordinal)] if len(addresses) > 1 else addresses[0])


def overlaps(changes: list[Change]) -> list[tuple[str, list[str]]]:
    """The moments at which two pods held one address, with the pods' names."""
    pods: dict[str, Json] = {}
    found = []
    for change in changes:
        identity = change.obj["metadata"]["uid"]
        pods.pop(identity, None)
        if change.event != "DELETED":
            pods[identity] = change.obj
        holders: dict[str, list[str]] = {}
        for pod in pods.values():
            if address := held_address(pod):
                holders.setdefault(address, []).append(pod["metadata"]["name"])
        found += [(address, names) for address, names in holders.items() if len(names) > 1]
    return found


@dataclass(frozen=True)
class Cloud:
    """An EgressCloud of a test's own; the shared one does not include its projects."""

    kubectl: Kubectl
    name: str
    uuid: str
    new_project: Any

    @property
    def mark(self) -> str:
        """The label by which it includes projects."""
        return f"lifecycle.test/{self.name}"

    @property
    def account(self) -> str:
        return f"avivantage-{self.uuid}"

    @property
    def scc(self) -> str:
        return f"avivantage-scc-{self.uuid}"

    def project(self, title: str) -> Project:
        made: Project = self.new_project(title, included=False, labels={self.mark: "yes"})
        wait_for(f"project {made.name} is in the SCC", lambda: self.user(made) in self.users())
        return made

    def user(self, project: Project) -> str:
        return f"system:serviceaccount:{project.name}:{self.account}"

    def users(self) -> list[str]:
        found = self.kubectl.json("get", SCCS, f"--field-selector=metadata.name={self.scc}")["items"]
        return [user for item in found for user in item.get("users") or ()]

    def accounts(self) -> list[str]:
        """The projects that have the cloud's account."""
        arguments = ("get", "serviceaccounts", "-A", f"--field-selector=metadata.name={self.account}")
        return [item["metadata"]["namespace"] for item in self.kubectl.json(*arguments)["items"]]

    def spec(self, image: str) -> Json:
        include = {"matchLabels": {self.mark: "yes"}}
        spec = {"uuid": self.uuid, "secureEgressMode": True, "routerImage": image, "projects": {"include": include}}
        return {
            "apiVersion": "egress.avi.dev/v1",
            "kind": "EgressCloud",
            "metadata": {"name": self.name},
            "spec": spec,
        }


@pytest.fixture(scope="module")
def router_image(images: dict[str, Image]) -> str:
    return images["avi-egress-router"].name


@pytest.fixture
def cloud(product: object, kubectl: Kubectl, new_project: Any, router_image: str) -> Iterator[Cloud]:
    made = Cloud(kubectl, f"life-{uuid.uuid4().hex[:6]}", str(uuid.uuid4()), new_project)
    kubectl.apply(made.spec(router_image))
    yield made
    kubectl.run("delete", "egresscloud", made.name, "--ignore-not-found")


@pytest.fixture(scope="module")
def project(new_project: Any) -> Project:
    made: Project = new_project("life")
    return made


@pytest.fixture
def service(project: Project, outside: Outside) -> Iterator[str]:
    """The source address of a service that is up."""
    yield start(project, outside)
    project.kubectl.run("-n", project.name, "delete", "service", SERVICE, "--ignore-not-found")
    wait_for("nothing of it is left", lambda: not parts(project), SLOW)
    wait_for("its leases are released", lambda: all(map(is_released, leases(project.kubectl, project))), SLOW)


def start(project: Project, outside: Outside) -> str:
    project.create_service(SERVICE, {"destination_ip": outside.destination})
    project.wait_served(SERVICE)
    return project.source_ip(SERVICE)


def watch_pods(cluster: Cluster, project: Project) -> Watch:
    return Watch(cluster, "pods", "-n", project.name, "-l", f"name={SERVICE}-avi-egress-pod")


def watch_lease(cluster: Cluster, project: Project) -> Watch:
    name = leases(project.kubectl, project)[0]["metadata"]["name"]
    return Watch(cluster, "egressleases", f"--field-selector=metadata.name={name}")


def watch_controller(cluster: Cluster, project: Project) -> Watch:
    return Watch(cluster, "replicationcontrollers", "-n", project.name, "-l", f"name={SERVICE}-avi-egress-pod")


def test_a_deleted_service_frees_its_address_only_after_its_pod(
    project: Project, service: str, cluster: Cluster
) -> None:
    """The egress controller scales to 0 and deletes; the garbage collector may be faster and takes both at once."""
    pods, lease, controller = (make(cluster, project) for make in (watch_pods, watch_lease, watch_controller))
    with pods, lease, controller:
        project.kubectl.run("-n", project.name, "delete", "service", SERVICE)
        released = lease.first(lambda change: is_released(change.obj), "the lease is released")
        pod_ended, controller_gone = pods.pod_ended(), controller.gone("the ReplicationController")
        pods.gone("the pod")
    assert max(pod_ended.revision, controller_gone.revision) < released.revision
    assert len({change.obj["metadata"]["uid"] for change in pods.changes()}) == 1, "no pod is started any more"
    wait_for("nothing of it is left", lambda: not parts(project), SLOW)
    assert nodes_that_hold(cluster, service) == []


def test_a_removed_annotation_scales_to_0_then_deletes_and_leaves_the_user_his_service(
    project: Project, service: str, cluster: Cluster, outside: Outside
) -> None:
    before = project.json("get", "service", SERVICE)
    pods, lease, controller = (make(cluster, project) for make in (watch_pods, watch_lease, watch_controller))
    with pods, lease, controller:
        annotate(project, None)
        scaled = controller.first(lambda change: change.obj["spec"]["replicas"] == 0, "it is scaled to 0")
        pod_ended, controller_gone = pods.pod_ended(), controller.gone("the ReplicationController")
        released = lease.first(lambda change: is_released(change.obj), "the lease is released")
    assert scaled.event == "MODIFIED"
    order = [change.revision for change in (scaled, pod_ended, controller_gone, released)]
    assert order == sorted(order), "scaled to 0, its pod ended, deleted, and then the address"
    wait_for("nothing of it is left", lambda: not parts(project), SLOW)

    after = project.json("get", "service", SERVICE)
    assert after["metadata"]["uid"] == before["metadata"]["uid"]
    assert not [key for key in after["metadata"].get("annotations") or {} if "egress" in key]
    assert after["spec"] == {key: value for key, value in before["spec"].items() if key != "selector"}
    assert not after["status"].get("conditions")
    wait_for("clients are led nowhere", lambda: project.fetch(project.cluster_ip(SERVICE)).refused)

    annotate(project, {"destination_ip": outside.destination})
    project.wait_ready(SERVICE)
    assert project.source_ip(SERVICE) == service, "the same service gets its address again"


def test_a_user_who_chose_his_own_selector_keeps_it(project: Project, service: str) -> None:
    own = {"app": "client-node1"}
    text = json.dumps({"metadata": {"annotations": {"egress_pod": None}}, "spec": {"selector": {"name": None, **own}}})
    project.kubectl.run("-n", project.name, "patch", "service", SERVICE, "--type=merge", "-p", text)
    wait_for("nothing of it is left", lambda: not parts(project), SLOW)
    wait_for("the condition is gone", lambda: not project.condition(SERVICE))
    assert project.json("get", "service", SERVICE)["spec"]["selector"] == own


def test_edits_never_let_two_pods_hold_one_address(
    project: Project, service: str, cluster: Cluster, outside: Outside
) -> None:
    wishes: list[Json] = [
        {"destination_ip": outside.destination, "hm_port": 1001},
        {"destination_ip": outside.destination, "hm_port": 1002},
        {"destination_ip": outside.destination, "hm_port": 1002, "ha": True},
        {"destination_ip": outside.destination, "hm_port": 1003, "ha": True},
        {"destination_ip": outside.destination},
    ]
    with watch_pods(cluster, project) as pods:
        for wish in wishes:
            annotate(project, wish)
            annotate(project, {**wish, "resolve": "once"})  # again, while the first edit is being carried out
            settled = f"the edit {wish} is carried out"
            wait_for(settled, lambda wish=wish: serves(project, {**wish, "resolve": "once"}), 2 * SLOW)
            seen = wait_for("clients are led there", lambda: project.fetch(project.cluster_ip(SERVICE)).seen)
            assert seen in project.source_ip(SERVICE).split(",")
        assert not overlaps(pods.changes())
        assert len({change.obj["metadata"]["uid"] for change in pods.changes()}) > len(wishes), "pods were replaced"
    assert project.source_ip(SERVICE) == service
    assert project.fetch(project.cluster_ip(SERVICE)).seen == service


def serves(project: Project, wish: Json) -> bool:
    """Whether exactly the pods of this wish are there, and ready."""
    pods = project.egress_pods(SERVICE)
    probes = {pod["spec"]["containers"][0]["livenessProbe"]["tcpSocket"]["port"] for pod in pods}
    modes = {
        item["value"]
        for pod in pods
        for item in pod["spec"]["containers"][0]["env"]
        if item["name"] == "EGRESS_RESOLVE"
    }
    if (len(pods), probes, modes) != (2 if wish.get("ha") else 1, {wish.get("hm_port", 4)}, {wish["resolve"]}):
        return False
    return project.condition(SERVICE).get("reason") == "EgressReady"


@contextmanager
def no_controller(kubectl: Kubectl) -> Iterator[None]:
    """For as long as it lasts, nobody reconciles."""
    before = kubectl.json("get", *CONTROLLER)["spec"]["replicas"]
    kubectl.run("scale", *CONTROLLER, "--replicas=0")
    try:
        wait_for("no controller is left", lambda: not kubectl.json("-n", "avi-egress", "get", "pods")["items"], SLOW)
        yield
    finally:
        kubectl.run("scale", *CONTROLLER, f"--replicas={before}")
        kubectl.run("rollout", "status", *CONTROLLER, "--timeout=90s")


def test_without_a_controller_traffic_goes_on_and_a_deleted_service_is_collected(
    project: Project, service: str, cluster: Cluster, kubectl: Kubectl
) -> None:
    with no_controller(kubectl):
        assert project.fetch(project.cluster_ip(SERVICE)).seen == service
        project.kubectl.run("-n", project.name, "delete", "pod", "-l", f"name={SERVICE}-avi-egress-pod")
        wait_for(
            "Kubernetes replaces a lost pod by itself",
            lambda: project.fetch(project.cluster_ip(SERVICE)).seen == service,
            SLOW,
        )

        project.kubectl.run("-n", project.name, "delete", "service", SERVICE)
        wait_for("the cluster's own garbage collector takes all of it", lambda: not parts(project), SLOW)
        assert nodes_that_hold(cluster, service) == []
        assert phase(kubectl, project) == "Bound", "an address is freed by the controller alone"
    wait_for("the controller is back and releases the lease", lambda: phase(kubectl, project) == "Released", SLOW)


def test_a_project_that_is_deleted_takes_its_account_its_right_and_its_leases_along(
    cloud: Cloud, kubectl: Kubectl, outside: Outside
) -> None:
    leaving, staying = cloud.project("leaving"), cloud.project("staying")
    start(leaving, outside)
    kept = start(staying, outside)
    assert cloud.accounts() == sorted([leaving.name, staying.name])

    kubectl.run("delete", "namespace", leaving.name, "--wait=true", timeout=180)
    wait_for("its lease is released", lambda: phase(kubectl, leaving) == "Released", SLOW)
    wait_for("its user is out of the SCC", lambda: cloud.users() == [cloud.user(staying)], SLOW)
    assert cloud.accounts() == [staying.name]
    assert staying.fetch(staying.cluster_ip(SERVICE)).seen == kept
    delete_service(staying)


def test_a_deleted_cloud_takes_its_accounts_and_then_its_scc_along(
    cloud: Cloud, cluster: Cluster, kubectl: Kubectl, outside: Outside, router_image: str
) -> None:
    """Its egress pods stay as they run, as under every refusal, and their services are told why nothing follows."""
    projects = [cloud.project("first"), cloud.project("second")]
    source = start(projects[0], outside)
    others = {item["metadata"]["name"] for item in kubectl.json("get", SCCS)["items"]} - {cloud.scc}
    accounts = Watch(cluster, "serviceaccounts", "-A", f"--field-selector=metadata.name={cloud.account}")
    sccs = Watch(cluster, SCCS, f"--field-selector=metadata.name={cloud.scc}")
    with accounts, sccs:
        kubectl.run("delete", "egresscloud", cloud.name)
        scc_gone = sccs.gone("the SCC")
        wait_for("each project's account is deleted", lambda: len(accounts.changes("DELETED")) == len(projects))
    assert all(change.revision < scc_gone.revision for change in accounts.changes("DELETED"))
    assert cloud.accounts() == []
    assert others <= {item["metadata"]["name"] for item in kubectl.json("get", SCCS)["items"]}
    told(projects[0], "ProjectNotIncluded", "no EgressCloud includes project")
    assert projects[0].fetch(projects[0].cluster_ip(SERVICE)).seen == source

    kubectl.apply(cloud.spec(router_image))
    projects[0].wait_served(SERVICE)
    wait_for("the accounts are back", lambda: cloud.accounts() == sorted(item.name for item in projects))
    assert projects[0].fetch(projects[0].cluster_ip(SERVICE)).seen == source

    kubectl.run("delete", "egresscloud", cloud.name)
    told(projects[0], "ProjectNotIncluded", "no EgressCloud includes project")
    delete_service(projects[0])


def test_mode_off_leaves_running_pods_and_tells_why(cloud: Cloud, kubectl: Kubectl, outside: Outside) -> None:
    mine = cloud.project("off")
    source = start(mine, outside)
    (pod,) = mine.egress_pods(SERVICE)
    kubectl.run("patch", "egresscloud", cloud.name, "--type=merge", "-p", '{"spec": {"secureEgressMode": false}}')
    told(mine, "SecureEgressModeOff", "secureEgressMode")
    assert [item["metadata"]["uid"] for item in mine.egress_pods(SERVICE)] == [pod["metadata"]["uid"]]
    assert mine.fetch(mine.cluster_ip(SERVICE)).seen == source
    delete_service(mine)


def test_a_project_that_is_no_longer_included_is_told_why(cloud: Cloud, kubectl: Kubectl, outside: Outside) -> None:
    mine = cloud.project("out")
    source = start(mine, outside)
    (pod,) = mine.egress_pods(SERVICE)
    label(kubectl, mine, f"{cloud.mark}-")
    told(mine, "ProjectNotIncluded", "spec.projects")
    wait_for("account and right are gone", lambda: not cloud.users() and not cloud.accounts())
    assert [item["metadata"]["uid"] for item in mine.egress_pods(SERVICE)] == [pod["metadata"]["uid"]]
    assert mine.fetch(mine.cluster_ip(SERVICE)).seen == source

    label(kubectl, mine, f"{cloud.mark}=yes")
    mine.wait_ready(SERVICE)
    wait_for("its right is back", lambda: cloud.users() == [cloud.user(mine)])
    delete_service(mine)


def told(project: Project, reason: str, words: str) -> None:
    """The service says why nothing follows, in its condition and by an Event."""
    wait_for(f"the condition tells {reason}", lambda: project.condition(SERVICE).get("reason") == reason)
    condition = project.condition(SERVICE)
    assert condition["status"] == "False"
    assert words in condition["message"]
    selector = f"--field-selector=involvedObject.name={SERVICE},reason={reason}"
    wait_for("an Event tells it too", lambda: project.json("get", "events", selector)["items"])


def delete_service(project: Project) -> None:
    """Whatever became of its cloud, a deleted service leaves nothing and gives its address back."""
    project.kubectl.run("-n", project.name, "delete", "service", SERVICE)
    wait_for("nothing of it is left", lambda: not parts(project), SLOW)
    wait_for("its lease is released", lambda: phase(project.kubectl, project) == "Released", SLOW)


def test_a_refused_pod_is_told_in_the_servers_words_and_comes_when_the_quota_goes(
    project: Project, outside: Outside
) -> None:
    quota = ("resourcequota", "no-pods")
    project.kubectl.run("-n", project.name, "create", *quota, "--hard=pods=0")
    try:
        project.create_service(SERVICE, {"destination_ip": outside.destination})
        told(project, "PodRefused", "no-pods")
    finally:
        project.kubectl.run("-n", project.name, "delete", *quota)
    project.wait_ready(SERVICE)
    project.kubectl.run("-n", project.name, "delete", "service", SERVICE)
    wait_for("nothing of it is left", lambda: not parts(project), SLOW)
