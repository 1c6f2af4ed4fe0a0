# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What is rendered for the article's example is the article's."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from ansible_collections.avi.egress.plugins.module_utils.api.errors import Refused
from ansible_collections.avi.egress.plugins.module_utils.api.merge_patch import merge_patch
from ansible_collections.avi.egress.plugins.module_utils.api.resources import KubeObject
from ansible_collections.avi.egress.plugins.module_utils.ipam.cloud import EgressCloud
from ansible_collections.avi.egress.plugins.module_utils.workload import manifests

from tests.support.builders import SOURCE, cloud, network, service

ARTICLE = yaml.safe_load("""
apiVersion: v1
kind: ReplicationController
metadata:
  labels:
    name: secure-egress-service-avi-egress-pod
  name: secure-egress-service-avi-egress-pod
  namespace: default
spec:
  replicas: 1
  selector:
    name: secure-egress-service-avi-egress-pod
  template:
    metadata:
      labels:
        name: secure-egress-service-avi-egress-pod
      name: secure-egress-service-avi-egress-pod
    spec:
      containers:
      - name: avi-egress-router
        image: avinetworks/avi-egress-router
        imagePullPolicy: IfNotPresent
        livenessProbe:
          failureThreshold: 3
          initialDelaySeconds: 10
          periodSeconds: 3
          successThreshold: 1
          tcpSocket:
            port: 4
          timeoutSeconds: 1
      serviceAccount: avivantage-bfff9603-1ffd-4bcc-aef6-118268e5f2b5
      serviceAccountName: avivantage-bfff9603-1ffd-4bcc-aef6-118268e5f2b5
""")
"""Action 1 of "Post Secure Service Creation", without its notes and dots."""
ARTICLE_ENV = yaml.safe_load("""
- name: EGRESS_SOURCE
  value: 10.70.112.155
- name: EGRESS_DESTINATION
  value: 10.10.24.85
- name: BRIDGE_IP_ADDR
  value: 172.18.0.1
- name: BRIDGE_NETMASK
  value: "16"
- name: TCP_HM_PORT
  value: "4"
""")


def rendered(egress_pod: Any = None, the_cloud: EgressCloud | None = None, **fields: Any) -> KubeObject:
    return manifests.replication_controller(service(egress_pod, **fields), the_cloud or cloud(), network(), [SOURCE])


def container(controller: KubeObject) -> dict[str, Any]:
    (only,) = controller["spec"]["template"]["spec"]["containers"]
    return dict(only)


def environment(controller: KubeObject) -> dict[str, str]:
    return {item["name"]: item["value"] for item in container(controller)["env"]}


def test_the_replication_controller_holds_all_that_the_article_shows() -> None:
    assert merge_patch(ARTICLE, rendered()) == {}
    assert rendered()["spec"]["selector"] == ARTICLE["spec"]["selector"]
    metadata = rendered()["spec"]["template"]["metadata"]
    assert {key: metadata[key] for key in ("name", "labels")} == ARTICLE["spec"]["template"]["metadata"]
    assert (
        container(rendered())["livenessProbe"] == ARTICLE["spec"]["template"]["spec"]["containers"][0]["livenessProbe"]
    )


def test_the_environment_is_the_articles_five_in_their_order_then_ours() -> None:
    found = container(rendered())["env"]
    assert found[:5] == ARTICLE_ENV
    ours = ["EGRESS_PORTS", "EGRESS_RESOLVE", "EGRESS_PROBE", "EGRESS_SUBNET", "EGRESS_RENDERING"]
    assert [item["name"] for item in found[5:]] == ours
    assert all(isinstance(item["value"], str) for item in found)


def test_the_way_out_is_that_of_the_subnet_of_the_address() -> None:
    subnets = [
        {"cidr": "10.70.112.0/24", "gateway": "10.70.112.1"},
        {"cidr": "10.70.113.0/24"},
        {"cidr": "fd70:0112::/64", "gateway": "fd70:112:0::1"},
    ]

    def way_out(*sources: str) -> list[str | None]:
        found = {
            item["name"]: item["value"]
            for item in manifests.environment(service(), cloud(), network(subnets=subnets), sources)
        }
        return [found.get(name) for name in ("EGRESS_SUBNET", "EGRESS_GATEWAY")]

    assert way_out("10.70.112.155") == ["10.70.112.0/24", "10.70.112.1"]
    assert way_out("10.70.112.155", "10.70.112.156") == ["10.70.112.0/24", "10.70.112.1"]
    assert way_out("10.70.113.155") == ["10.70.113.0/24", None]
    assert way_out("10.70.113.155", "10.70.112.155") == ["10.70.113.0/24,10.70.112.0/24", ",10.70.112.1"]
    assert way_out("fd70:112::155") == ["fd70:112::/64", "fd70:112::1"]
    assert way_out("192.0.2.1") == [None, None], "what the network no longer offers has the node's way"


def test_the_uplink_is_told_only_where_the_network_names_it() -> None:
    assert "EGRESS_UPLINK" not in environment(rendered())
    found = manifests.environment(service(), cloud(), network(uplink="eth1"), [SOURCE])
    assert {"name": "EGRESS_UPLINK", "value": "eth1"} in found


def test_the_mode_is_told_only_of_a_routed_network() -> None:
    assert "EGRESS_MODE" not in environment(rendered()), "so that no pod is replaced for it"
    found = manifests.environment(service(), cloud(), network(mode="routed"), [SOURCE])
    assert {"name": "EGRESS_MODE", "value": "routed"} in found


def test_the_rc_dies_with_its_service_and_gives_its_pod_no_credentials() -> None:
    controller = rendered()
    (owner,) = controller["metadata"]["ownerReferences"]
    assert owner == {"apiVersion": "v1", "kind": "Service", "name": "secure-egress-service", "uid": "5e0f1a52-uid"}
    assert controller["spec"]["template"]["spec"]["automountServiceAccountToken"] is False


def test_the_host_is_mounted_read_only_and_no_more_of_it_than_its_namespaces() -> None:
    controller = rendered()
    (volume,) = controller["spec"]["template"]["spec"]["volumes"]
    (mount,) = container(controller)["volumeMounts"]
    assert volume["hostPath"] == {"path": "/proc/1/ns", "type": "Directory"}
    assert mount == {"name": volume["name"], "mountPath": "/hostroot/proc/1/ns", "readOnly": True}


@pytest.mark.parametrize("port", [1000, "1000"])
def test_the_health_port_and_its_probes_move_together(port: Any) -> None:
    controller = rendered({"destination_ip": "10.10.10.200", "hm_port": port})
    assert environment(controller)["TCP_HM_PORT"] == "1000"
    probes = container(controller)
    assert probes["livenessProbe"]["tcpSocket"] == {"port": 1000}
    assert probes["startupProbe"]["httpGet"] == probes["readinessProbe"]["httpGet"] == {"path": "/readyz", "port": 1000}


def test_bridge_image_and_nodes_are_as_the_cloud_and_the_annotation_say() -> None:
    controller = rendered(
        {"destination_ip": "10.10.10.200", "nodeSelector": {"external-accessible-node": "true"}},
        cloud(bridgeSubnet="192.168.7.1/24", routerImage="registry.example/router@sha256:0f"),
    )
    assert environment(controller)["BRIDGE_IP_ADDR"] == "192.168.7.1"
    assert environment(controller)["BRIDGE_NETMASK"] == "24"
    assert container(controller)["image"] == "registry.example/router@sha256:0f"
    assert controller["spec"]["template"]["spec"]["nodeSelector"] == {"external-accessible-node": "true"}


def test_the_bridge_is_that_of_the_services_family() -> None:
    the_cloud = cloud(bridgeSubnet="192.168.7.1/24", bridgeSubnetV6="2001:db8:7::1/48")
    six = {"destination_ip": "2001:db8::5"}
    for given, egress_pod, expected in [
        (the_cloud, None, ("192.168.7.1", "24")),
        (the_cloud, six, ("2001:db8:7::1", "48")),
        (cloud(), None, ("172.18.0.1", "16")),
        (cloud(), six, ("fd00:172:18::1", "64")),
    ]:
        found = environment(rendered(egress_pod, given, ipFamilies=["IPv4", "IPv6"]))
        assert (found["BRIDGE_IP_ADDR"], found["BRIDGE_NETMASK"]) == expected


def test_a_name_alone_gets_the_bridge_of_the_services_first_family() -> None:
    found = environment(rendered({"destination_ip": "a.example"}, ipFamilies=["IPv6", "IPv4"]))
    assert found["BRIDGE_IP_ADDR"] == "fd00:172:18::1"


def test_the_port_map_tells_each_port_with_its_destination() -> None:
    for one, other in (("10.0.0.5", "10.0.0.9"), ("[2001:db8::5]", "[2001:db8::9]")):
        hosts = one.strip("[]"), other.strip("[]")
        pod = {"destinations": {"dest.example": {"8080": 80}, hosts[0]: {"53/udp": 5353}, hosts[1]: {"8081": 80}}}
        found = environment(rendered(pod, ports=[{"port": 8081, "targetPort": 9090}]))
        assert found["EGRESS_PORTS"] == f"9090/tcp={other}:80,8080/tcp=dest.example:80,53/udp={one}:5353"
        assert found["EGRESS_DESTINATION"] == f"{hosts[1]},dest.example,{hosts[0]}"
    assert environment(rendered())["EGRESS_PORTS"] == "80/tcp=10.10.24.85:80"


@pytest.mark.parametrize(
    ("pattern", "image", "allowed"),
    [
        ("private-repo:5000/avi-egress-router", "private-repo:5000/avi-egress-router", True),
        ("private-repo:5000/avi-egress-router", "private-repo:5000/avi-egress-router:evil", False),
        ("private-repo:5000/*", "private-repo:5000/team/router:2", True),
        ("private-repo:5000/*", "private-repo:5000", False),
        ("private-repo:5000/*", "private-repo:5000.evil.net/router", False),
        ("*.example.org/router", "a.example.org/router", True),
        ("*.example.org/router", "intruder.net/a.example.org/router", False),
        ("*/router", "intruder.net/x/router", False),
        ("*/router", "avinetworks/router", True),
        ("*", "router", True),
        ("*", "intruder.net/router", False),
        ("repo/router@sha256:*", "repo/router@sha256:00ff", True),
        ("repo/router@sha256:*", "repo/router:latest", False),
        ("Repo/router", "repo/router", False),
        ("repo/router[12]", "repo/router2", True),
    ],
)
def test_only_images_that_the_cloud_allows_are_run(pattern: str, image: str, allowed: bool) -> None:
    given = {"destination_ip": "10.10.10.200", "image": image}
    if allowed:
        assert container(rendered(given, cloud(allowedImages=["other", pattern])))["image"] == image
        return
    with pytest.raises(Refused, match="allowedImages") as caught:
        rendered(given, cloud(allowedImages=["other", pattern]))
    assert caught.value.reason == "ImageNotAllowed"


def test_without_a_list_only_the_clouds_own_image_is_run() -> None:
    own = {"destination_ip": "10.10.10.200", "image": "avinetworks/avi-egress-router"}
    assert container(rendered(own))["image"] == "avinetworks/avi-egress-router"
    with pytest.raises(Refused):
        rendered({"destination_ip": "10.10.10.200", "image": "avinetworks/avi-egress-router:latest"})


def pod_of(controller: KubeObject) -> KubeObject:
    template = controller["spec"]["template"]
    return {"metadata": dict(template["metadata"]), "spec": template["spec"]}


@pytest.mark.parametrize(
    "change",
    [
        {"egress_pod": {"destination_ip": "10.10.24.86"}},
        {"egress_pod": {"destination_ip": "10.10.24.85", "hm_port": 5}},
        {"egress_pod": {"destination_ip": "10.10.24.85", "nodeSelector": {"a": "b"}}},
        {"egress_pod": {"destination_ip": "10.10.24.85", "resolve": "once"}},
        {"the_cloud": cloud(routerImage="other")},
        {"the_cloud": cloud(bridgeSubnet="172.19.0.1/16")},
    ],
)
def test_a_pod_of_another_rendering_is_outdated(change: dict[str, Any]) -> None:
    assert manifests.is_outdated(pod_of(rendered()), rendered(**change))
    assert not manifests.is_outdated(pod_of(rendered(**change)), rendered(**change))


def test_a_pod_that_admission_changed_is_not_outdated() -> None:
    pod = pod_of(rendered())
    router = {**pod["spec"]["containers"][0], "image": "mirror.example/router", "imagePullPolicy": "Always"}
    router["env"] = [{"name": "HTTP_PROXY", "valueFrom": {}}, *router["env"]]
    pod["spec"] = {**pod["spec"], "nodeSelector": {"project": "green"}, "containers": [{"name": "sidecar"}, router]}
    assert not manifests.is_outdated(pod, rendered())


@pytest.mark.parametrize("containers", [[], [{"name": "sidecar"}], [{"name": "avi-egress-router"}]])
def test_a_pod_that_tells_no_rendering_is_outdated(containers: list[Any]) -> None:
    assert manifests.is_outdated({"metadata": {}, "spec": {"containers": containers}}, rendered())


def test_the_number_of_replicas_does_not_make_pods_outdated() -> None:
    held = manifests.replication_controller(service(), cloud(), network(), [SOURCE], replicas=0)
    assert held["spec"]["replicas"] == 0
    assert held["spec"]["template"] == rendered()["spec"]["template"]


def test_the_service_points_to_the_pod_and_tells_its_addresses() -> None:
    part = manifests.service_part(service(), [SOURCE], [{"port": 80}])
    assert part["spec"] == {"selector": {"name": "secure-egress-service-avi-egress-pod"}}
    assert part["metadata"]["annotations"] == {"egress.avi.dev/source-ips": SOURCE}


DESTINATIONS = {"destinations": {"dest.example": {"8080": "80"}, "10.10.20.20": {"9080": "80", "53/udp": "53"}}}


def added(number: int, protocol: str = "TCP") -> dict[str, Any]:
    name = f"egress-{number}-{protocol.lower()}"
    return {"name": name, "port": number, "protocol": protocol, "targetPort": number}


def test_the_ports_of_destinations_are_added_behind_the_users() -> None:
    present = [{"name": "foo", "port": 80, "nodePort": 30289}, {"name": "bar", "port": 9080, "targetPort": 1}]
    ports = manifests.service_part(service(DESTINATIONS, ports=present), [SOURCE], present)["spec"]["ports"]
    assert ports == [*present, added(8080), added(53, "UDP")]


def test_a_port_without_a_name_gets_one_when_it_is_no_longer_alone() -> None:
    present = [{"port": 80, "protocol": "TCP"}]
    ports = manifests.service_part(service(DESTINATIONS), [SOURCE], present)["spec"]["ports"]
    assert ports[0] == {"port": 80, "protocol": "TCP", "name": "port-80-tcp"}
    assert len({item["name"] for item in ports}) == len(ports) == 4


def test_ports_that_destinations_no_longer_ask_for_go() -> None:
    present = [{"name": "foo", "port": 80, "protocol": "TCP"}, added(8080), added(9999)]
    ports = manifests.service_part(service(DESTINATIONS), [SOURCE], present)["spec"]["ports"]
    assert ports == [present[0], added(8080), added(9080), added(53, "UDP")]
    assert "ports" not in manifests.service_part(service(DESTINATIONS), [SOURCE], ports)["spec"]


def test_no_strangers_scc_is_chosen_for_an_egress_pod() -> None:
    annotations = rendered()["spec"]["template"]["metadata"]["annotations"]
    assert annotations["openshift.io/required-scc"] == "avivantage-scc-bfff9603-1ffd-4bcc-aef6-118268e5f2b5"


def test_an_egress_pod_says_where_its_metrics_are_and_declares_no_port() -> None:
    template = rendered({"destination_ip": "10.10.10.200", "hm_port": 1700})["spec"]["template"]
    assert template["metadata"]["annotations"]["prometheus.io/port"] == "1700"
    assert "ports" not in template["spec"]["containers"][0], "as in the article"


def test_a_lost_node_is_left_in_seconds_and_not_in_kubernetes_five_minutes() -> None:
    tolerations = rendered()["spec"]["template"]["spec"]["tolerations"]
    assert {item["key"]: (item["effect"], item["tolerationSeconds"]) for item in tolerations} == {
        "node.kubernetes.io/not-ready": ("NoExecute", 5),
        "node.kubernetes.io/unreachable": ("NoExecute", 5),
    }
