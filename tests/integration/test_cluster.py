# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The local cluster does what the other tests rely on. Needs root."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
import uuid
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest

from tests.cluster import Cluster, ClusterError, images
from tests.cluster.identity import ProcessIdentity
from tests.cluster.namespaces import inside
from tests.cluster.processes import CHECKOUT
from tests.support.capture import Capture
from tests.support.client import RESTRICTED

PROBE = "localhost/avi-egress-probe:1"
REMOTE = "10.10.10.200"
REMOTE_V6 = "fd10:10:10::200"


@dataclass(frozen=True)
class Kubectl:
    """kubectl in one namespace of the cluster."""

    cluster: Cluster
    namespace: str

    def run(self, *arguments: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
        command = [str(self.cluster.tool("kubectl")), f"--kubeconfig={self.cluster.kubeconfig}"]
        return subprocess.run(
            [*command, f"--namespace={self.namespace}", *arguments],
            check=False,
            capture_output=True,
            text=True,
            input=text,
            timeout=60,
        )

    def must(self, *arguments: str, text: str | None = None) -> str:
        done = self.run(*arguments, text=text)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def create(self, *objects: Mapping[str, object]) -> None:
        self.must("apply", "-f", "-", text=json.dumps({"apiVersion": "v1", "kind": "List", "items": objects}))

    def probe(self, pod: str, *arguments: str) -> subprocess.CompletedProcess[str]:
        return self.run("exec", pod, "--", "/probe", *arguments)

    def address(self, pod: str) -> str:
        return self.addresses(pod)[0]

    def addresses(self, pod: str) -> list[str]:
        """The pod's IPv4 and IPv6 address."""
        return self.must("get", "pod", pod, "-o", "jsonpath={.status.podIPs[*].ip}").split()


def _eventually(holds: Callable[[], bool], otherwise: str, seconds: float = 20) -> None:
    """Kubernetes' parts follow each other; wait for the last of them, not for ever."""
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.2)


def _pod(name: str, node: str) -> dict[str, object]:
    container = {
        "name": "probe",
        "image": PROBE,
        "imagePullPolicy": "Never",
        "args": ["serve", ":8080"],
        "readinessProbe": {"httpGet": {"port": 8080}, "periodSeconds": 1},
        "securityContext": {**RESTRICTED, "runAsUser": 1000},  # the image has no user
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {"nodeName": node, "terminationGracePeriodSeconds": 0, "containers": [container]},
    }


def _service(name: str, **more: object) -> dict[str, object]:
    """A Service in front of the pod `two`."""
    spec = {"selector": {"app": "two"}, "ports": [{"port": 80, "targetPort": 8080}], **more}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name}, "spec": spec}


@pytest.fixture(scope="module")
def pods(cluster: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Kubectl]:
    """A namespace with the pods `one` on node1 and `two` on node2, and the Services `two` and `two-dual`."""
    archive = tmp_path_factory.mktemp("image") / "probe.tar"
    images.write_program_archive(cluster.tool("probe"), PROBE, archive)
    cluster.load_images([archive])
    kubectl = Kubectl(cluster, f"cluster-test-{uuid.uuid4().hex[:8]}")
    kubectl.must("create", "namespace", kubectl.namespace)
    try:
        # Pods are refused until the namespace's service account is there.
        _eventually(
            lambda: kubectl.run("get", "serviceaccount", "default").returncode == 0,
            "the namespace got no service account",
        )
        services = (_service("two"), _service("two-dual", ipFamilyPolicy="PreferDualStack"))
        kubectl.create(_pod("one", "node1"), _pod("two", "node2"), *services)
        kubectl.must("wait", "--for=condition=Ready", "pod", "--all", "--timeout=50s")
        yield kubectl
    finally:
        kubectl.run("delete", "namespace", kubectl.namespace, "--wait=false")


def test_up_changes_nothing_when_healthy(cluster: Cluster) -> None:
    before = cluster.states()
    began = time.monotonic()
    cluster.up()
    assert time.monotonic() - began < 2
    assert cluster.states() == before
    assert cluster.problems() == []


def test_both_nodes_are_ready_and_named(pods: Kubectl) -> None:
    nodes = json.loads(pods.must("get", "nodes", "-o", "json"))["items"]
    assert [node["metadata"]["name"] for node in nodes] == ["node1", "node2"]
    for node in nodes:
        assert node["metadata"]["labels"]["external-accessible-node"] == "true"
        assert node["status"]["nodeInfo"]["kubeletVersion"] == "v1.36.3"
        assert {"type": "Ready", "status": "True"}.items() <= node["status"]["conditions"][-1].items()


def test_pods_see_each_others_addresses_across_nodes(pods: Kubectl) -> None:
    seen = pods.probe("one", "get", f"http://{pods.address('two')}:8080/")
    assert seen.stdout.strip() == pods.address("one"), seen.stderr


def test_a_pod_has_an_address_of_each_family_of_its_nodes_share(pods: Kubectl) -> None:
    for pod, name in (("one", "node1"), ("two", "node2")):
        first, second = map(ip_address, pods.addresses(pod))
        node = pods.cluster.layout.node(name)
        assert (first in node.pods, second in node.pods_v6) == (True, True)


def test_pods_see_each_others_ipv6_addresses_across_nodes(pods: Kubectl) -> None:
    seen = pods.probe("one", "get", f"http://[{pods.addresses('two')[1]}]:8080/")
    assert seen.stdout.strip() == pods.addresses("one")[1], seen.stderr


def test_a_service_of_both_families_answers_on_its_ipv6_cluster_address(pods: Kubectl) -> None:
    first, second = json.loads(pods.must("get", "service", "two-dual", "-o", "jsonpath={.spec.clusterIPs}"))
    layout = pods.cluster.layout
    assert (ip_address(first) in layout.services, ip_address(second) in layout.services_v6) == (True, True)
    name = f"two-dual.{pods.namespace}.svc.cluster.local"
    assert set(pods.probe("one", "lookup", name).stdout.split()) == {first, second}
    _eventually(
        lambda: pods.probe("one", "get", f"http://[{second}]/").stdout.strip() == pods.addresses("one")[1],
        "the Service does not answer over IPv6",
    )


def test_a_service_that_asks_for_nothing_is_ipv4_alone(pods: Kubectl) -> None:
    assert pods.must("get", "service", "two", "-o", "jsonpath={.spec.ipFamilies}") == '["IPv4"]'


def test_a_pod_resolves_names_and_reaches_services(pods: Kubectl) -> None:
    assert pods.probe("one", "lookup", "kubernetes.default").stdout.strip() == "10.96.0.1"
    url = f"http://two.{pods.namespace}.svc.cluster.local/"
    _eventually(
        lambda: pods.probe("one", "get", url).stdout.strip() == pods.address("one"), "the Service does not answer"
    )


def test_names_outside_are_the_remotes_or_do_not_exist(pods: Kubectl) -> None:
    assert set(pods.probe("one", "lookup", "remote.outside.test").stdout.split()) == {REMOTE, REMOTE_V6}
    assert "no such host" in pods.probe("one", "lookup", "elsewhere.test").stderr


def test_an_edited_corefile_takes_effect(pods: Kubectl) -> None:
    system = Kubectl(pods.cluster, "kube-system")
    before = json.loads(system.must("get", "configmap", "coredns", "-o", "json"))["data"]["Corefile"]
    name = f"{pods.namespace}.example"
    line = f"    rewrite name {name} two.{pods.namespace}.svc.cluster.local\n    errors\n"

    def put(corefile: str) -> None:
        system.must("patch", "configmap", "coredns", "--patch", json.dumps({"data": {"Corefile": corefile}}))

    put(before.replace("    errors\n", line, 1))
    try:
        service = pods.must("get", "service", "two", "-o", "jsonpath={.spec.clusterIP}")
        _eventually(
            lambda: pods.probe("one", "lookup", f"{name}.").stdout.strip() == service, f"{name} is not rewritten"
        )
    finally:
        put(before)


@pytest.mark.parametrize("family", ["IPv4", "IPv6"])
def test_a_network_policy_refuses(pods: Kubectl, family: str) -> None:
    one, two = pods.addresses("two")
    url = f"http://{one}:8080/" if family == "IPv4" else f"http://[{two}]:8080/"
    assert pods.probe("one", "get", url).returncode == 0
    pods.create(
        {
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": "closed"},
            "spec": {"podSelector": {"matchLabels": {"app": "two"}}, "policyTypes": ["Ingress"]},
        }
    )
    try:
        _eventually(lambda: pods.probe("one", "get", url).returncode != 0, "the policy is not enforced", 10)
    finally:
        pods.must("delete", "networkpolicy", "closed")


def test_a_network_policy_follows_its_peers_over_both_families(pods: Kubectl) -> None:
    policy = {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {"name": "friends"},
        "spec": {
            "podSelector": {"matchLabels": {"app": "two"}},
            "ingress": [{"from": [{"podSelector": {"matchLabels": {"friend": "yes"}}}], "ports": [{"port": 8080}]}],
        },
    }
    hosts = [f"[{address}]" if ":" in address else address for address in pods.addresses("two")]

    def reaches(expected: list[bool]) -> bool:
        return [pods.probe("one", "get", f"http://{host}:8080/").returncode == 0 for host in hosts] == expected

    # One friend stays, so that the enforcer has a set to change and not a rule to write or drop.
    pods.must("label", "pod", "two", "friend=yes")
    pods.create(policy)
    try:
        for friend, expected in (("no", [False, False]), ("yes", [True, True])) * 3:
            pods.must("label", "pod", "one", f"friend={friend}", "--overwrite")
            _eventually(partial(reaches, expected), f"friend={friend} has no effect over both families")
    finally:
        pods.must("delete", "networkpolicy", "friends")
        pods.must("label", "pod", "one", "two", "friend-")


@pytest.mark.parametrize(("pod", "address"), [("one", "10.70.112.61"), ("two", "10.70.112.62")])
def test_the_remote_sees_a_plain_pod_as_its_node(pods: Kubectl, pod: str, address: str) -> None:
    assert pods.probe(pod, "get", f"http://{REMOTE}/").stdout == f"{address}\n"


@pytest.mark.parametrize(("pod", "address"), [("one", "fd70:112::61"), ("two", "fd70:112::62")])
@pytest.mark.parametrize("port", [80, 443, 8080])
def test_the_remote_sees_a_plain_pods_ipv6_as_its_node(pods: Kubectl, pod: str, address: str, port: int) -> None:
    assert pods.probe(pod, "get", f"http://[{REMOTE_V6}]:{port}/").stdout == f"{address}\n"


def test_the_capture_sees_a_plain_pods_ipv6_on_the_lan(pods: Kubectl) -> None:
    with Capture(pods.cluster.namespace("fabric"), to=[REMOTE_V6]) as capture:
        assert pods.probe("one", "get", f"http://[{REMOTE_V6}]/").returncode == 0
        assert set(capture.settled()) == {"fd70:112::61"}
        assert not capture.errors


def test_the_remote_has_no_route_back(cluster: Cluster) -> None:
    def routes() -> list[str]:
        lines = Path("/proc/thread-self/net/route").read_text().splitlines()[1:]
        return [" ".join(line.split()[:3]) for line in lines]

    # One route, destination 10.70.112.0 in the kernel's byte order, without a gateway.
    path = cluster.layout.namespace_path("remote")
    assert inside(path, routes) == ["eth0 0070460A 00000000"]


def test_the_remote_has_no_ipv6_route_back(cluster: Cluster) -> None:
    def routes() -> set[tuple[str, str]]:
        lines = Path("/proc/thread-self/net/ipv6_route").read_text().splitlines()
        # The destination's prefix and its length in hexadecimal, by interface: lo has the host's own addresses.
        found = (line.split() for line in lines)
        return {(fields[0], fields[1]) for fields in found if fields[-1] != "lo"}

    def written(network: str) -> tuple[str, str]:
        known = ip_network(network)
        return known.network_address.packed.hex(), f"{known.prefixlen:02x}"

    inside_remote = inside(cluster.layout.namespace_path("remote"), routes)
    allowed = {written(network) for network in ("fd70:112::/64", "fe80::/64", "ff00::/8")}
    assert written("fd70:112::/64") in inside_remote
    assert {route for route in inside_remote if route[1] != "80"} <= allowed


def test_no_interface_of_the_machine_is_inside(cluster: Cluster) -> None:
    def interfaces() -> set[str]:
        lines = Path("/proc/thread-self/net/dev").read_text().splitlines()[2:]
        return {line.partition(":")[0].strip() for line in lines}

    assert inside(cluster.layout.namespace_path("control"), interfaces) == {"lo", "eth0"}
    assert {"lo", "eth0", "eth1"} <= inside(cluster.layout.namespace_path("node1"), interfaces)
    assert not {"underlay", "lan", "cni0"} & interfaces()


def test_a_node_shows_its_own_network_namespace(cluster: Cluster) -> None:
    own = os.stat(f"/proc/{cluster.node_pid('node1')}/root/proc/1/ns/net")
    assert own.st_ino == os.stat(f"/run/netns/{cluster.namespace('node1')}").st_ino


def test_security_context_constraints_are_stored(pods: Kubectl) -> None:
    flags = ("HostDirVolumePlugin", "HostIPC", "HostNetwork", "HostPID", "HostPorts", "PrivilegedContainer")
    pods.create(
        {
            "apiVersion": "security.openshift.io/v1",
            "kind": "SecurityContextConstraints",
            "metadata": {"name": pods.namespace},
            "readOnlyRootFilesystem": False,
            "users": ["system:serviceaccount:green:avivantage"],
            **{f"allow{flag}": False for flag in flags},
        }
    )
    try:
        stored = json.loads(pods.must("get", "securitycontextconstraints", pods.namespace, "-o", "json"))
        assert stored["users"] == ["system:serviceaccount:green:avivantage"]
    finally:
        pods.must("delete", "securitycontextconstraints", pods.namespace)


def test_a_namespace_without_a_label_admits_restricted_pods_alone(pods: Kubectl) -> None:
    told = pods.run("run", "any", f"--image={PROBE}", "--dry-run=server").stderr
    assert 'violates PodSecurity "restricted:latest"' in told, told


def test_a_port_in_use_is_named_with_its_holder_and_the_remedy(cluster: Cluster, tmp_path: Path) -> None:
    other = Cluster("port-test", cluster.layout.api_port, tmp_path)
    with pytest.raises(ClusterError) as refused:
        other.up()
    message = str(refused.value)
    assert str(cluster.layout.api_port) in message
    assert "forward" in message
    assert "--api-port" in message
    assert not any(tmp_path.iterdir())


def test_down_without_a_cluster_is_content(tmp_path: Path) -> None:
    Cluster("never-made", 16999, tmp_path).down()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_is_not_a_clusters_is_left_alone(tmp_path: Path) -> None:
    theirs = tmp_path / "foreign" / "letter"
    theirs.parent.mkdir()
    theirs.write_text("dear reader")
    with pytest.raises(ClusterError, match="is not a cluster's"):
        Cluster("foreign", 16999, tmp_path).down()
    assert theirs.read_text() == "dear reader"


def test_a_killed_up_leaves_nothing_after_down(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.cluster"]
    options = ["--name=killed", "--api-port=16998", f"--state={tmp_path}"]
    with subprocess.Popen([*command, "up", *options], cwd=CHECKOUT, stdout=subprocess.PIPE, text=True) as up:
        assert up.stdout is not None
        for line in up.stdout:
            if "waiting for the API server" in line:
                break
        up.kill()
    records = (tmp_path / "killed" / "pids").glob("*.json")
    started = [known for path in records if (known := ProcessIdentity.load(path)) is not None]
    assert len(started) > 4
    subprocess.run([*command, "down", *options], cwd=CHECKOUT, check=True, capture_output=True)
    assert not any(known.alive() for known in started)
    assert not list(Path("/run/netns").glob("avi-killed-*"))
    assert not list(Path("/sys/fs/cgroup").glob("*/avi-killed-*"))
    assert not (tmp_path / "killed").exists()
