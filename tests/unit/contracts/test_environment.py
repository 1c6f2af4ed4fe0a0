# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What the controller renders for a pod, the router reads as the service meant it: variables, probes and mounts."""

from __future__ import annotations

import inspect
import re
from dataclasses import replace
from ipaddress import ip_address
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.avi.egress.plugins.module_utils.annotations.egress_pod import read_service
from ansible_collections.avi.egress.plugins.module_utils.annotations.egress_service import EgressService
from ansible_collections.avi.egress.plugins.module_utils.api.errors import InvalidAnnotation, Refused
from ansible_collections.avi.egress.plugins.module_utils.api.resources import KubeObject
from ansible_collections.avi.egress.plugins.module_utils.ipam.cloud import EgressCloud
from ansible_collections.avi.egress.plugins.module_utils.ipam.cluster_networks import ClusterNetworks
from ansible_collections.avi.egress.plugins.module_utils.ipam.network import EgressNetwork
from ansible_collections.avi.egress.plugins.module_utils.workload import admission, manifests
from egress_router import config, last_words, main
from egress_router.config import Config, ConfigError, Destination, Mode, Protocol, Resolve, ServedPort
from hypothesis import assume, given, reject
from hypothesis import strategies as st

from tests.support.builders import cloud, namespace, network, service_object
from tests.support.checkout import files

SOURCES = {4: ("10.70.112.155", "10.70.112.156"), 6: ("fd70:112::155", "fd70:112::156")}
BRIDGES = {4: ("172.18.0.1/16", "100.64.118.1/24"), 6: ("fd00:172:18::1/64", "fd00:99::1/112")}
SUBNETS = [
    {"cidr": "10.70.112.0/24", "gateway": "10.70.112.1"},
    {"cidr": "fd70:112::/64", "gateway": "fd70:112::1"},
]
WAYS_OUT = {4: ("10.70.112.0/24", "10.70.112.1"), 6: ("fd70:112::/64", "fd70:112::1")}
ROUTED = network(
    mode="routed",
    uplink="eth0",
    subnets=[
        {"cidr": "10.70.112.0/24", "gateway": "192.0.2.1"},
        {"cidr": "fd70:112::/64", "gateway": "fe80::1"},
    ],
)
CRD = yaml.safe_load(files("roles/egress/files/crds/*egressnetwork*")[0].read_text())
UPLINK: dict[str, Any] = CRD["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["spec"]["properties"][
    "uplink"
]

SHOWN = ClusterNetworks(("10.97.0.0/16", "fd00:97::/112"))
CLUSTER: dict[str, Any] = {"clusterCIDRs": ["10.128.0.0/14", "fd01::/48"]}

SET_BY_OTHERS = {"HOSTNAME"}
"""By kubelet."""

ports = st.integers(1, 65535)
protocols = st.sampled_from(["TCP", "UDP"])
labels = st.from_regex(r"[a-z0-9]([a-z0-9-]{0,6}[a-z0-9])?", fullmatch=True)
names = (
    st.lists(labels, min_size=1, max_size=4).map(".".join).filter(lambda name: not name.rpartition(".")[2].isdigit())
)
uplinks = st.none() | st.from_regex(re.compile(UPLINK["pattern"], re.A), fullmatch=True).filter(
    lambda name: len(name) <= UPLINK["maxLength"]
)


def hosts(version: int) -> st.SearchStrategy[str]:
    """Addresses of one family, odd ones among them, and host names as users spell them."""
    odd = [*BRIDGES[version], *SOURCES[version], "10.10.10.200", "fd10:10:10::200", "64:ff9b::a0a:ac8"]
    known = [text.partition("/")[0] for text in odd if (":" in text) == (version == 6)]
    spelled = names | names.map(str.upper) | names.map(lambda name: f"{name}.")
    return st.sampled_from(known) | st.ip_addresses(v=version).map(str) | spelled


@st.composite
def annotated(draw: st.DrawFn, version: int) -> KubeObject:
    """A Service as a user writes it."""
    wanted: dict[str, Any] = {"ha": draw(st.booleans()), "resolve": draw(st.sampled_from(["ttl", "once"]))}
    if draw(st.booleans()):
        wanted["hm_port"] = draw(ports)
    served = draw(st.lists(st.tuples(ports, protocols), min_size=1, max_size=4, unique=True))
    spec = []
    for number, (port, protocol) in enumerate(served):
        target = {"targetPort": draw(ports)} if draw(st.booleans()) else {}
        spec.append({"name": f"p{number}", "port": port, "protocol": protocol, **target})
    if draw(st.booleans()):
        wanted["destination_ip"] = draw(hosts(version))
    else:
        wanted["destinations"] = {}
        for port, protocol in served:
            key = str(port) if protocol == "TCP" and draw(st.booleans()) else f"{port}/{protocol.lower()}"
            wanted["destinations"].setdefault(draw(hosts(version)), {})[key] = draw(ports)
    families = ["IPv4", "IPv6"] if version == 4 else ["IPv6", "IPv4"]
    return service_object(wanted, ports=spec, ipFamilies=families)


def cluster(**bridges: str) -> EgressCloud:
    """A cloud with networks of the cluster that are named, and others that the cluster shows by itself."""
    return replace(cloud(**CLUSTER, **bridges), inside=SHOWN)


def admitted(obj: KubeObject, version: int, **bridges: str) -> EgressService:
    """The service as the controller would serve it; one that it refuses is no example."""
    try:
        service = read_service(obj)
        assert service is not None
        admission.admit(service, [cluster(**bridges)], {"outside": network()}, namespace())
    except (InvalidAnnotation, Refused):
        reject()
    return service


def rendered(service: EgressService, version: int, uplink: str | None, **bridges: str) -> list[tuple[str, KubeObject]]:
    """The name of each pod of a service in a network of SUBNETS, and its spec."""
    lan = network(subnets=SUBNETS, **({"uplink": uplink} if uplink else {}))
    return rendered_in(lan, service, version, **bridges)


def rendered_in(
    lan: EgressNetwork, service: EgressService, version: int, **bridges: str
) -> list[tuple[str, KubeObject]]:
    """The name of each pod of a service in a network, and its spec."""
    if service.egress_pod.ha:
        made = manifests.stateful_set(service, cluster(**bridges), lan, SOURCES[version])
        pods = [f"{made['metadata']['name']}-{ordinal}" for ordinal in range(made["spec"]["replicas"])]
    else:
        made = manifests.replication_controller(service, cluster(**bridges), lan, SOURCES[version][:1])
        pods = [f"{made['metadata']['name']}-7k2lp"]
    return [(pod, made["spec"]["template"]["spec"]) for pod in pods]


def read(pod: str, spec: KubeObject) -> Config:
    """What the router makes of its pod's variables; kubelet adds HOSTNAME."""
    (container,) = spec["containers"]
    return config.parse({"HOSTNAME": pod, **{item["name"]: item["value"] for item in container["env"]}})


def meant(obj: KubeObject) -> dict[ServedPort, Destination]:
    """The routes that a user's words mean, put together from the Service alone."""
    found = {}
    spelled = {
        (int(key.partition("/")[0]), key.partition("/")[2].upper() or "TCP"): (host, target)
        for host, targets in _words(obj).get("destinations", {}).items()
        for key, target in targets.items()
    }
    for item in obj["spec"]["ports"]:
        pod_port = item.get("targetPort", item["port"])
        host, target = spelled.get((item["port"], item["protocol"]), (_words(obj).get("destination_ip"), pod_port))
        found[ServedPort(pod_port, Protocol(item["protocol"].lower()))] = Destination(_host(host), target)
    return found


def _words(obj: KubeObject) -> dict[str, Any]:
    words: dict[str, Any] = yaml.safe_load(obj["metadata"]["annotations"]["egress_pod"])
    return words


def _host(text: str) -> Any:
    try:
        return ip_address(text)
    except ValueError:
        return text.lower()


@pytest.mark.parametrize("version", [4, 6])
@given(data=st.data())
def test_every_admitted_service_is_read_by_its_routers_as_it_was_meant(version: int, data: st.DataObject) -> None:
    bridge, uplink = data.draw(st.sampled_from(BRIDGES[version])), data.draw(uplinks)
    bridges = {"bridgeSubnet" if version == 4 else "bridgeSubnetV6": bridge}
    obj = data.draw(annotated(version))
    service = admitted(obj, version, **bridges)
    # Which addresses are leased says the network; one that an application has is none of them.
    assume(not set(SOURCES[version]) & {route.host for route in service.routes})
    for ordinal, (pod, spec) in enumerate(rendered(service, version, uplink, **bridges)):
        found = read(pod, spec)
        assert str(found.source) == SOURCES[version][ordinal]
        assert found.routes == meant(obj)
        assert (str(found.bridge), found.uplink) == (bridge, uplink)
        assert (str(found.subnet), str(found.gateway)) == WAYS_OUT[version]
        shown = {4: "10.97.0.0/16", 6: "fd00:97::/112"}[version]
        assert [str(cidr) for cidr in found.refused] == [*CLUSTER["clusterCIDRs"], shown]
        assert (found.health_port, found.resolve) == (_words(obj).get("hm_port", 4), Resolve(_words(obj)["resolve"]))


def test_the_two_pods_of_a_set_take_one_address_each() -> None:
    service = admitted(service_object({"destination_ip": "10.10.10.200", "ha": True}), 4)
    assert {str(read(pod, spec).source) for pod, spec in rendered(service, 4, None)} == set(SOURCES[4])


@pytest.mark.parametrize("variable", ["EGRESS_SOURCE", "EGRESS_PORTS"])
def test_what_the_router_cannot_do_without_is_rendered(variable: str) -> None:
    """The router names it where it is missing, and so this test would fail if it asked for more."""
    service = admitted(service_object({"destination_ip": "10.10.10.200"}), 4)
    ((pod, spec),) = rendered(service, 4, None)
    read(pod, spec)
    spec["containers"][0]["env"] = [item for item in spec["containers"][0]["env"] if item["name"] != variable]
    with pytest.raises(ConfigError, match=f"{variable} is not set"):
        read(pod, spec)


def test_each_variable_that_is_rendered_is_one_that_the_router_reads_and_the_other_way_round() -> None:
    service = admitted(service_object({"destination_ip": "10.10.10.200", "ha": True}), 4)
    made = rendered(service, 4, "eth0") + rendered_in(ROUTED, service, 4)
    written = {item["name"] for _pod, spec in made for item in spec["containers"][0]["env"]} - {
        manifests.RENDERING_VARIABLE
    }
    asked = set(re.findall(r'"([A-Z][A-Z_]+)"', inspect.getsource(config.parse))) - SET_BY_OTHERS
    assert asked
    assert written == asked


@pytest.mark.parametrize("version", [4, 6])
def test_a_routed_network_is_read_as_one_with_its_gateway_on_another_link(version: int) -> None:
    families = ["IPv4" if version == 4 else "IPv6"]
    destination = {4: "10.10.10.200", 6: "fd10:10:10::200"}[version]
    service = admitted(service_object({"destination_ip": destination}, ipFamilies=families), version)
    ((pod, spec),) = rendered_in(ROUTED, service, version)
    found = read(pod, spec)
    assert (found.mode, str(found.gateway)) == (Mode.ROUTED, {4: "192.0.2.1", 6: "fe80::1"}[version])
    ((pod, spec),) = rendered(service, version, None)
    assert read(pod, spec).mode is Mode.LAN


def test_a_destination_that_is_the_bridge_is_refused_before_a_router_would() -> None:
    service = read_service(service_object({"destination_ip": "172.18.0.1"}))
    assert service is not None
    with pytest.raises(InvalidAnnotation, match=r"172\.18\.0\.1") as told:
        admission.admit(service, [cloud()], {"outside": network()}, namespace())
    assert "the address of the bridge of EgressCloud openshift" in str(told.value)


@pytest.mark.parametrize("destination", ["10.129.3.7", "fd01:0:0:7::1"])
def test_a_destination_inside_the_cluster_is_refused_before_a_router_would(destination: str) -> None:
    families = ["IPv6" if ":" in destination else "IPv4"]
    service = read_service(service_object({"destination_ip": destination}, ipFamilies=families))
    assert service is not None
    with pytest.raises(InvalidAnnotation, match=r"one of spec\.clusterCIDRs of EgressCloud openshift") as refused:
        admission.admit(service, [cluster()], {"outside": network()}, namespace())
    assert destination in str(refused.value)
    assert admission.admit(service, [cloud()], {"outside": network()}, namespace()), (
        "where nothing is said, it is served"
    )


def test_probes_mounts_and_the_termination_message_are_where_the_router_has_them() -> None:
    service = admitted(service_object({"destination_ip": "10.10.10.200", "hm_port": 1000}), 4)
    ((pod, spec),) = rendered(service, 4, None)
    (container,) = spec["containers"]
    probes = [container[name]["httpGet"]["port"] for name in ("startupProbe", "readinessProbe")]
    assert {container["livenessProbe"]["tcpSocket"]["port"], *probes} == {read(pod, spec).health_port}
    options = main._options([])
    assert [str(options.host_ns)] == [mount["mountPath"] for mount in container["volumeMounts"]]
    # Kubernetes' default, as the container names no other.
    assert Path(container.get("terminationMessagePath", "/dev/termination-log")) == options.termination_log
    assert options.termination_log == last_words.TERMINATION_LOG
    assert container.get("terminationMessagePolicy", "File") == "File"
