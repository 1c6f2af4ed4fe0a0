# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The article's samples as a reader pastes them, and its ``oc describe`` values against what is really there.

The article works in project ``default``; here the service is in a project of its own (``create -n``), so that the
policy's group is pasted twice: as it stands, which admits project ``default``, and with the project's own name.
"""

from __future__ import annotations

import ipaddress
import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from images.build import Image
from tests.cluster import Cluster
from tests.seed import ARTICLE
from tests.support.client import client_pod, fetch
from tests.support.kubectl import Kubectl
from tests.support.outside import Outside
from tests.support.project import NODES, Project
from tests.support.waiting import wait_for

SERVICE = "secure-egress-service"
CUSTOMIZED = "customized"
POD = "secure-egress-service-avi-egress-pod"
NAMES = ("dest-service1.mycompany.com", "ad-service.mycompany.com")
NODE_LABEL = "external-accessible-node"


def create(project: Project, text: str) -> None:
    """``oc create -f secure-egress-service.json``"""
    project.kubectl.run("-n", project.name, "create", "-f", "-", stdin=text)


def describe_condition(project: Project, service: str) -> str:
    condition = project.condition(service)
    return f"{condition.get('reason')}: {condition.get('message')}"


@pytest.fixture(scope="module")
def project(new_project: Any) -> Project:
    found: Project = new_project("article")
    return found


@pytest.fixture(scope="module")
def pasted(project: Project) -> Iterator[str]:
    """The article's service with its policy for the project it is in; its source address."""
    create(project, ARTICLE.service.replace("default-avi-microservicegroup", f"{project.name}-avi-microservicegroup"))
    project.wait_served(SERVICE)
    yield project.source_ip(SERVICE)
    project.delete(SERVICE)


@pytest.fixture(scope="module")
def elsewhere(new_project: Any) -> Project:
    """A project without services of its own."""
    found: Project = new_project("pasted")
    return found


@pytest.fixture(scope="module")
def company_names(kubectl: Kubectl, project: Project, outside: Outside) -> Iterator[None]:
    """The article's host names, known to the cluster's DNS as addresses of the remote application."""
    before = kubectl.json("-n", "kube-system", "get", "configmap", "coredns")["data"]["Corefile"]
    hosts = (
        f"    hosts {{\n        {outside.destination} {' '.join(NAMES)}\n        ttl 5\n        fallthrough\n    }}\n"
    )

    def put(corefile: str) -> None:
        body = json.dumps({"data": {"Corefile": corefile}})
        kubectl.run("-n", "kube-system", "patch", "configmap", "coredns", "--patch", body)

    put(before.replace("    errors\n", f"    errors\n{hosts}", 1))
    try:
        wait_for("the names are known", lambda: project.fetch(NAMES[0]).seen)
        yield
    finally:
        put(before)


@pytest.fixture(scope="module")
def uuid(kubectl: Kubectl) -> str:
    (cloud,) = kubectl.json("get", "egressclouds")["items"]
    return str(cloud["spec"]["uuid"])


@pytest.fixture(scope="module")
def openshift(product: Path, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """OpenShift's own client: an observer that shares no code with the product."""
    from kubernetes import config  # noqa: PLC0415 - only where a cluster is
    from openshift.dynamic import DynamicClient  # noqa: PLC0415

    cache = str(tmp_path_factory.mktemp("openshift") / "discovery.json")
    return DynamicClient(config.new_client_from_config(str(product)), cache_file=cache)


class TestPastedVerbatim:
    def test_it_is_made_and_admits_the_project_that_it_names(
        self, elsewhere: Project, images: dict[str, Image], outside: Outside
    ) -> None:
        """The colon mended, and nothing else: the group is that of project ``default``, so ``elsewhere`` is denied."""
        client = f"client-of-{elsewhere.name}"
        pod = client_pod("default", images["avi-egress-controller"].name, NODES[0], client)
        elsewhere.kubectl.apply(pod)
        create(elsewhere, ARTICLE.service)
        try:
            elsewhere.wait_ready(SERVICE)
            elsewhere.kubectl.wait("default", "condition=Ready", f"pod/{client}")
            address, source = elsewhere.cluster_ip(SERVICE), elsewhere.source_ip(SERVICE)
            wait_for("the policy is enforced", lambda: elsewhere.fetch(address).refused)
            seen = wait_for("it is admitted", lambda: fetch(elsewhere.kubectl, "default", address, pod=client).seen)
            assert seen == source
            assert elsewhere.fetch(address).refused
        finally:
            elsewhere.delete(SERVICE)
            elsewhere.kubectl.run("-n", "default", "delete", "pod", client, "--wait=false")

    def test_with_its_slip_it_is_told_and_nothing_is_made(self, elsewhere: Project) -> None:
        elsewhere.delete(SERVICE)
        wait_for("what was there is gone", lambda: not made_for(elsewhere))
        create(elsewhere, ARTICLE.service_with_its_slip)
        try:
            check_invalid(elsewhere, SERVICE, "avi_proxy", "line 1", "column 102", "a ':' is missing")
        finally:
            elsewhere.delete(SERVICE)

    @pytest.mark.parametrize("key", ["host name", "destinations", "ha"])
    def test_typographic_quotes_are_told_and_nothing_is_made(self, elsewhere: Project, key: str) -> None:
        name = f"typographic-{key.replace(' ', '-')}"
        elsewhere.create_service(name, ARTICLE.customizations_as_written[key])
        try:
            check_invalid(elsewhere, name, "egress_pod", "line 1", "column 2", "straight quotes")
        finally:
            elsewhere.delete(name)

    @pytest.mark.parametrize("key", ["destinations", "ha"])
    def test_a_missing_brace_is_told_and_nothing_is_made(self, elsewhere: Project, key: str) -> None:
        text = ARTICLE.customization(key).removesuffix("}")
        elsewhere.create_service("unclosed", text)
        try:
            check_invalid(
                elsewhere, "unclosed", "egress_pod", "line 1", f"column {len(text) + 1}", "1 closing '}' missing"
            )
        finally:
            elsewhere.delete("unclosed")


def made_for(project: Project) -> list[str]:
    """The names of all that the controller makes for services of a project."""
    kinds = "replicationcontrollers,statefulsets,networkpolicies,poddisruptionbudgets"
    found = [item["metadata"]["name"] for item in project.json("get", kinds)["items"]]
    leases = project.kubectl.json("get", "egressleases", "-l", f"egress.avi.dev/namespace={project.name}")["items"]
    bound = [item["metadata"]["name"] for item in leases if item["status"].get("phase") != "Released"]
    pods = [item["metadata"]["name"] for item in project.json("get", "pods")["items"]]
    return found + bound + [name for name in pods if "avi-egress-pod" in name]


def check_invalid(project: Project, service: str, *words: str) -> None:
    """The service's condition and Event tell of an invalid annotation in these words, and nothing is made for it."""
    wait_for("the condition tells", lambda: project.condition(service).get("reason") == "InvalidAnnotation")
    condition = project.condition(service)
    assert condition["status"] == "False"
    assert all(word in condition["message"] for word in (f"{project.name}/{service}", *words)), condition["message"]
    selector = f"involvedObject.name={service},reason=InvalidAnnotation,type=Warning"
    wait_for("an Event tells, too", lambda: project.json("get", "events", "--field-selector", selector)["items"])
    assert made_for(project) == []
    found = project.json("get", "service", service)
    assert "selector" not in found["spec"]
    assert "egress.avi.dev/source-ips" not in found["metadata"]["annotations"]


class TestTraffic:
    def test_the_remote_sees_egress_source_and_egress_destination_on_port_80(
        self, project: Project, pasted: str, outside: Outside
    ) -> None:
        for host in (project.cluster_ip(SERVICE), f"{SERVICE}.{project.name}.svc"):
            assert project.witness(host) == (pasted, "10.10.10.200", 80)
        assert ipaddress.ip_address(pasted) in ipaddress.ip_network(outside.subnet)

    def test_another_service_of_the_project_has_another_source_address(self, project: Project, pasted: str) -> None:
        project.create_service("another", ARTICLE.egress_pod)
        try:
            project.wait_served("another")
            assert project.source_ip("another") != pasted
            assert project.witness(project.cluster_ip("another")) == (project.source_ip("another"), "10.10.10.200", 80)
            assert project.witness(project.cluster_ip(SERVICE)) == (pasted, "10.10.10.200", 80)
        finally:
            project.delete("another")

    def test_the_policys_second_rule_denies_all_others(self, pasted: str, project: Project, elsewhere: Project) -> None:
        wait_for("the policy is enforced", lambda: elsewhere.fetch(project.cluster_ip(SERVICE)).refused)
        for node in NODES:
            assert elsewhere.fetch(project.cluster_ip(SERVICE), node=node).refused


@pytest.mark.usefixtures("pasted")
class TestDescribed:
    """The article's "Post Secure Service Creation" and "Workflow Overview", field by field."""

    def test_the_replication_controller(self, project: Project, pasted: str, uuid: str, kubectl: Kubectl) -> None:
        found = project.json("get", "replicationcontroller", POD)
        template = found["spec"]["template"]
        (container,) = template["spec"]["containers"]
        (cloud,) = kubectl.json("get", "egressclouds")["items"]
        # Ours beside the article's: by it the controller knows what it made, and tenants cannot set it.
        assert found["metadata"]["labels"] == {"name": POD, "egress.avi.dev/managed-by": "egress-controller"}
        assert found["spec"]["replicas"] == 1
        assert found["spec"]["selector"] == {"name": POD}
        assert template["metadata"]["name"] == POD
        assert template["metadata"]["labels"] == {"name": POD}
        assert container["env"][:5] == [
            {"name": "EGRESS_SOURCE", "value": pasted},
            {"name": "EGRESS_DESTINATION", "value": "10.10.10.200"},
            {"name": "BRIDGE_IP_ADDR", "value": "172.18.0.1"},
            {"name": "BRIDGE_NETMASK", "value": "16"},
            {"name": "TCP_HM_PORT", "value": "4"},
        ]
        assert container["image"] == cloud["spec"]["routerImage"]
        assert container["imagePullPolicy"] == "IfNotPresent"
        assert container["livenessProbe"] == {
            "failureThreshold": 3,
            "initialDelaySeconds": 10,
            "periodSeconds": 3,
            "successThreshold": 1,
            "tcpSocket": {"port": 4},
            "timeoutSeconds": 1,
        }
        assert template["spec"]["serviceAccount"] == f"avivantage-{uuid}"
        assert template["spec"]["serviceAccountName"] == f"avivantage-{uuid}"
        assert template["spec"]["restartPolicy"] == "Always"

    def test_the_pod(self, project: Project, cluster: Cluster, uuid: str) -> None:
        (pod,) = project.egress_pods(SERVICE)
        (state,) = pod["status"]["containerStatuses"]
        assert pod["metadata"]["name"].startswith(f"{POD}-")
        assert pod["metadata"]["labels"] == {"name": POD}
        assert pod["spec"]["nodeName"] in NODES
        assert pod["spec"]["serviceAccountName"] == f"avivantage-{uuid}"
        assert pod["status"]["phase"] == "Running"
        assert (state["name"], state["ready"], state["restartCount"]) == ("avi-egress-router", True, 0)
        assert ipaddress.ip_address(pod["status"]["podIP"]) in cluster.layout.pods
        assert "hostNetwork" not in pod["spec"]
        assert "ports" not in pod["spec"]["containers"][0]

    def test_the_service(self, project: Project, cluster: Cluster) -> None:
        service = project.json("get", "service", SERVICE)
        spec, (port,) = service["spec"], service["spec"]["ports"]
        assert service["metadata"]["labels"] == {"svc": SERVICE}
        assert spec["selector"] == {"name": POD}
        assert spec["type"] == "LoadBalancer"
        assert ipaddress.ip_address(spec["clusterIP"]) in cluster.layout.services
        assert (port["name"], port["port"], port["protocol"]) == ("foo", 80, "TCP")
        # A difference: the article's "NodePort: foo 30289/TCP" would be a way in from outside (docs/conformance.md).
        assert "nodePort" not in port
        assert spec["sessionAffinity"] == "None"

    def test_the_services_one_endpoint_is_the_pod_on_port_80(self, project: Project) -> None:
        (pod,) = project.egress_pods(SERVICE)
        (subset,) = project.json("get", "endpoints", SERVICE)["subsets"]
        assert [item["ip"] for item in subset["addresses"]] == [pod["status"]["podIP"]]
        assert "notReadyAddresses" not in subset
        assert [(item["name"], item["port"], item["protocol"]) for item in subset["ports"]] == [("foo", 80, "TCP")]

    def test_the_security_context_constraints(self, project: Project, uuid: str, openshift: Any) -> None:
        resource = openshift.resources.get(api_version="security.openshift.io/v1", kind="SecurityContextConstraints")
        scc = resource.get(name=f"avivantage-scc-{uuid}").to_dict()
        assert f"system:serviceaccount:{project.name}:avivantage-{uuid}" in scc["users"]
        nothing = ["priority", "defaultAddCapabilities", "requiredDropCapabilities", "allowedCapabilities", "groups"]
        # Of these the article shows nothing; they are named so that nobody's change of them stays.
        nothing += ["defaultAllowPrivilegeEscalation", "allowedFlexVolumes", "allowedUnsafeSysctls", "forbiddenSysctls"]
        assert not any(scc.get(key) for key in nothing)
        allowed = {key: value for key, value in scc.items() if key.startswith("allow") and key not in nothing}
        assert allowed == {
            "allowPrivilegedContainer": True,
            # What it is by default, named so that nobody's change of it stays.
            "allowPrivilegeEscalation": True,
            "allowHostNetwork": True,
            "allowHostPorts": True,
            "allowHostPID": False,
            "allowHostIPC": False,
            # "Allowed Volume Types: *" of the article has host paths in it.
            "allowHostDirVolumePlugin": True,
        }
        assert scc["volumes"] == ["*"]
        assert scc["readOnlyRootFilesystem"] is False
        strategies = ("runAsUser", "seLinuxContext", "fsGroup", "supplementalGroups")
        assert [scc[key] for key in strategies] == [{"type": "RunAsAny"}] * 4

    def test_the_service_account(self, project: Project, uuid: str, openshift: Any) -> None:
        resource = openshift.resources.get(api_version="v1", kind="ServiceAccount")
        account = resource.get(name=f"avivantage-{uuid}", namespace=project.name)
        assert account.metadata.name == f"avivantage-{uuid}"
        assert account.metadata.namespace == project.name
        # The secrets that the article shows are OpenShift's own doing; ours is a label and no token in the pod.
        assert account.automountServiceAccountToken is False


class TestCredentials:
    """The article's "Prerequisites"."""

    ALL = ("create", "delete", "get", "list", "update", "watch")
    RULES = (
        ("", ("pods", "replicationcontrollers", "secrets", "serviceaccounts", "services"), ("*",)),
        ("security.openshift.io", ("securitycontextconstraints",), ("*",)),
        ("", ("*",), ("get", "list", "watch")),
        ("route.openshift.io", ("routes/status",), ("patch", "update")),
        ("apps", ("daemonsets",), ALL),
        ("networking.k8s.io", ("ingresses",), ALL),
        ("apps", ("statefulsets",), ALL),
    )
    """The article's, each resource in the API group where it is today."""

    def test_the_cluster_role_is_the_articles_in_todays_api_groups(self, product: Path, kubectl: Kubectl) -> None:
        rules = kubectl.json("get", "clusterrole", "avirole")["rules"]
        found = [(*rule["apiGroups"], tuple(rule["resources"]), tuple(rule["verbs"])) for rule in rules]
        assert sorted(found) == sorted(self.RULES)

    def test_a_client_certificate_was_enough_to_install_it(self, product: Path) -> None:
        (user,) = yaml.safe_load(product.read_text())["users"]
        assert set(user["user"]) == {"client-certificate-data", "client-key-data"}

    def test_the_controller_is_no_cluster_admin(self, product: Path, kubectl: Kubectl) -> None:
        account = "system:serviceaccount:avi-egress:avi-egress-controller"

        def may(verb: str, resource: str) -> bool:
            command = ("auth", "can-i", verb, resource, "--all-namespaces", f"--as={account}")
            return kubectl.run(*command, check=False).strip() == "yes"

        assert may("create", "serviceaccounts")
        assert may("create", "securitycontextconstraints.security.openshift.io")
        assert not may("create", "deployments.apps")
        assert not may("create", "clusterrolebindings.rbac.authorization.k8s.io")


Customize = Callable[[Any], None]


@pytest.fixture
def customize(project: Project) -> Iterator[Customize]:
    """Makes the service with a text of ``egress_pod``. One name for all: the same service gets its address again."""
    yield lambda text: project.create_service(CUSTOMIZED, text)
    project.delete(CUSTOMIZED)
    wait_for("its pods are gone", lambda: not project.egress_pods(CUSTOMIZED))


@pytest.fixture(params=NODES)
def only_labelled(request: pytest.FixtureRequest, kubectl: Kubectl) -> Iterator[str]:
    """The one node that carries the article's label."""
    (other,) = set(NODES) - {request.param}
    kubectl.run("label", "node", other, f"{NODE_LABEL}-")
    yield request.param
    kubectl.run("label", "node", other, f"{NODE_LABEL}=true")


class TestCustomizations:
    def test_the_health_monitor_port_moves_with_its_probes(self, project: Project, customize: Customize) -> None:
        customize(ARTICLE.customization("hm_port"))
        project.wait_ready(CUSTOMIZED)
        (pod,) = project.egress_pods(CUSTOMIZED)
        (container,) = pod["spec"]["containers"]
        assert {"name": "TCP_HM_PORT", "value": "1000"} in container["env"]
        assert container["livenessProbe"]["tcpSocket"]["port"] == 1000
        assert [container[probe]["httpGet"]["port"] for probe in ("startupProbe", "readinessProbe")] == [1000] * 2
        # Something listens at 1000 (which knows no /json), and nothing at 4.
        assert not project.fetch(pod["status"]["podIP"], port=1000).refused
        assert project.fetch(pod["status"]["podIP"], port=4).refused

    def test_an_image_that_is_not_allowed_is_told_and_not_run(self, project: Project, customize: Customize) -> None:
        customize(ARTICLE.customization("image"))
        wait_for("the condition tells", lambda: project.condition(CUSTOMIZED).get("reason") == "ImageNotAllowed")
        message = project.condition(CUSTOMIZED)["message"]
        assert "private-repo:5000/avi-egress-router" in message
        assert "spec.allowedImages" in message
        assert not project.egress_pods(CUSTOMIZED)

    def test_a_node_selector_restricts_the_pod_to_its_nodes(
        self, project: Project, customize: Customize, only_labelled: str
    ) -> None:
        customize(ARTICLE.customization("nodeSelector"))
        project.wait_served(CUSTOMIZED)
        (pod,) = project.egress_pods(CUSTOMIZED)
        assert pod["spec"]["nodeSelector"] == {NODE_LABEL: "true"}
        assert pod["spec"]["nodeName"] == only_labelled
        assert project.fetch(project.cluster_ip(CUSTOMIZED)).seen == project.source_ip(CUSTOMIZED)

    def test_a_node_selector_that_no_node_meets_is_told(self, project: Project, customize: Customize) -> None:
        selector = {"no-such-label": "true"}
        customize({"destination_ip": "10.10.10.200", "nodeSelector": selector})
        wait_for("the condition tells", lambda: "Unschedulable" in describe_condition(project, CUSTOMIZED))
        condition = project.condition(CUSTOMIZED)
        assert (condition["status"], condition["reason"]) == ("False", "WaitingForPod")
        assert "didn't match Pod's node affinity/selector" in condition["message"]

    @pytest.mark.usefixtures("company_names")
    def test_a_host_name_is_a_destination(self, project: Project, customize: Customize, outside: Outside) -> None:
        customize(ARTICLE.customization("host name"))
        project.wait_served(CUSTOMIZED)
        (pod,) = project.egress_pods(CUSTOMIZED)
        destination = {"name": "EGRESS_DESTINATION", "value": "ad-service.mycompany.com"}
        assert destination in pod["spec"]["containers"][0]["env"]
        expected = (project.source_ip(CUSTOMIZED), outside.destination, 80)
        assert project.witness(project.cluster_ip(CUSTOMIZED)) == expected

    @pytest.mark.usefixtures("company_names")
    def test_multiple_destinations_have_a_service_port_each(
        self, project: Project, customize: Customize, outside: Outside
    ) -> None:
        customize(ARTICLE.customization("destinations"))
        project.wait_served(CUSTOMIZED)
        vip, source = project.cluster_ip(CUSTOMIZED), project.source_ip(CUSTOMIZED)
        ports = {item["port"] for item in project.json("get", "service", CUSTOMIZED)["spec"]["ports"]}
        assert {8080, 9080} <= ports
        assert project.witness(vip, 8080) == (source, outside.destination, 80)
        assert project.witness(vip, 9080) == (source, "10.10.20.20", 80)

    @pytest.mark.usefixtures("company_names")
    def test_high_availability_has_two_pods_with_a_source_each(
        self, project: Project, customize: Customize, outside: Outside
    ) -> None:
        customize(ARTICLE.customization("ha"))
        wait_for("both are ready", lambda: project.condition(CUSTOMIZED).get("reason") == "EgressReady", 60)
        project.wait_served(CUSTOMIZED)
        sources = project.source_ip(CUSTOMIZED).split(",")
        assert len(set(sources)) == 2
        assert len(project.egress_pods(CUSTOMIZED)) == 2
        for port, destination in ((8080, outside.destination), (9080, "10.10.20.20")):
            source, *to = project.witness(project.cluster_ip(CUSTOMIZED), port)
            assert source in sources
            assert to == [destination, 80]
