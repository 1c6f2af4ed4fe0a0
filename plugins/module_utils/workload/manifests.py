# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The objects that make up a secure egress service: pod controller, NetworkPolicy and the Service's own part.

Pure rendering, as the article's "Post Secure Service Creation" shows it. What goes beyond the article:
EGRESS_PORTS (the port map that several destinations need), EGRESS_UPLINK, EGRESS_MODE, EGRESS_SUBNET and EGRESS_GATEWAY
(the way out of the network), EGRESS_REFUSED and EGRESS_CLUSTER (what is no destination), EGRESS_RESOLVE, EGRESS_PROBE
and EGRESS_DRAIN, an annotation with the health port (that scrapers find it by), a readiness probe beside the liveness
probe (so that no client is sent to a pod whose data path does not stand yet), a startup probe (so that a router that
waits for its address is not restarted for waiting), and the host directory that the router reaches its node's network
namespace by.
"""

from __future__ import annotations

import hashlib
import json
from fnmatch import fnmatchcase
from functools import lru_cache
from typing import Any, Mapping, Sequence

from ..annotations.egress_service import Destination, EgressService
from ..api import addresses
from ..api.errors import Refused
from ..api.reasons import Reason
from ..api.resources import (
    MANAGED_LABEL,
    MANAGER,
    METRICS_PORT_ANNOTATION,
    NETWORK_POLICY,
    POD,
    POD_DISRUPTION_BUDGET,
    REPLICATION_CONTROLLER,
    REQUIRED_SCC_ANNOTATION,
    SERVICE,
    SOURCE_IPS_ANNOTATION,
    STATEFUL_SET,
    KubeObject,
    Resource,
    account_name,
    egress_pod_name,
    scc_name,
)
from ..ipam.cloud import EgressCloud
from ..ipam.network import EgressNetwork
from . import placement
from .network_policy import ingress_rules, namespace_peer
from .placement import Place

CONTAINER_NAME = "avi-egress-router"
HOST_NAMESPACES = "/proc/1/ns"
"""The directory, not the file ``net`` in it: container runtimes refuse to mount a magic link."""
HOST_VOLUME: Mapping[str, Any] = {
    "name": "host-namespaces",
    "hostPath": {"path": HOST_NAMESPACES, "type": "Directory"},
}
HOST_MOUNT: Mapping[str, Any] = {
    "name": "host-namespaces",
    "mountPath": f"/hostroot{HOST_NAMESPACES}",
    "readOnly": True,
}
"""How a router reaches its node's network namespace."""
RENDERING_VARIABLE = "EGRESS_RENDERING"
"""A digest of the pod's rendering: not for the router, but to know pods of an older rendering by."""
CONTROLLER_LABELS = {"app.kubernetes.io/name": "avi-egress-controller"}
"""Of the egress controller's pods, as the role makes them."""
CLUSTER_VARIABLE = "EGRESS_CLUSTER"
"""What the cluster showed of its own networks when the pod was rendered."""
STARTUP_FAILURES = 2**31 - 1
"""A router may wait for ever, such as for an address that another host has: one that is ended forgets what it told."""
TERMINATION_GRACE_SECONDS = 5
"""The router withdraws its address within milliseconds of SIGTERM; a successor must not wait longer for a hung one."""
EVICTION_SECONDS = 5
"""How long a pod stays on a node that is known to be lost, instead of Kubernetes' 300: its successor probes first."""

_LOST_NODE: Sequence[KubeObject] = [
    {"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": EVICTION_SECONDS}
    for key in ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
]


def router_image(cloud: EgressCloud, service: EgressService) -> str:
    """The image of the egress pod; Refused if the tenant's is not among those the cloud allows."""
    wanted = service.egress_pod.image
    if wanted is None or wanted == cloud.router_image:
        return cloud.router_image
    if any(_image_matches(wanted, pattern) for pattern in cloud.allowed_images):
        return wanted
    raise Refused(
        Reason.IMAGE_NOT_ALLOWED,
        f"Service {service.namespace}/{service.name}: egress_pod.image {wanted!r} is not allowed; "
        f"EgressCloud {cloud.name} must list it in spec.allowedImages",
    )


def _image_matches(image: str, pattern: str) -> bool:
    """Whether an image is one that a pattern of ``allowedImages`` means; ``*`` stands for any characters.

    What stands before the first slash (the registry) is matched by itself: ``*.example.org/router`` must not allow
    ``intruder.net/x.example.org/router``.
    """
    patterns, parts = pattern.split("/", 1), image.split("/", 1)
    return len(patterns) == len(parts) and all(map(fnmatchcase, parts, patterns))


def is_outdated(pod: KubeObject, controller: KubeObject) -> bool:
    """Whether a pod was made of another rendering of the RC.

    Told by a variable and not by comparing specs: admission may change pods (a sidecar, a project's node selector,
    a pull policy), but an environment stays as it was made, and no tenant can change it.
    """
    return rendering_of(pod) != _rendering(controller)


def is_same_rendering(one: KubeObject, other: KubeObject) -> bool:
    """Whether two controllers make the same pods."""
    return _rendering(one) == _rendering(other)


def pod_of(controller: KubeObject) -> KubeObject:
    """A pod as a rendered controller would ask for it."""
    template, metadata = controller["spec"]["template"], controller["metadata"]
    named = {"generateName": f"{metadata['name']}-", "namespace": metadata["namespace"]}
    head = {"apiVersion": POD.api_version, "kind": POD.kind, "metadata": {**template["metadata"], **named}}
    return {**head, "spec": template["spec"]}


def rendering_of(pod: KubeObject) -> str | None:
    """The digest of the rendering that a pod was made of."""
    return environment_of(pod["spec"]).get(RENDERING_VARIABLE)


def _rendering(controller: KubeObject) -> str | None:
    return rendering_of(controller["spec"]["template"])


def environment_of(pod_spec: KubeObject) -> dict[str, str | None]:
    """The router's variables; those whose value comes from elsewhere have None."""
    routers = [item for item in pod_spec["containers"] if item["name"] == CONTAINER_NAME]
    return {item["name"]: item.get("value") for router in routers for item in router.get("env") or ()}


def told_networks(controller: KubeObject | None) -> tuple[str, ...] | None:
    """What of the cluster's own networks the pods of a controller are told; None if that can't be read."""
    if controller is None:
        return None
    return _networks_in(environment_of(controller["spec"]["template"]["spec"]).get(CLUSTER_VARIABLE) or "")


@lru_cache(maxsize=64)
def _networks_in(text: str) -> tuple[str, ...] | None:
    """Remembered, for most pods of a cluster are told the same."""
    told = tuple(text.split(",")) if text else ()
    return told if all(addresses.address_or_subnet(cidr) for cidr in told) else None


def _digest(pod_spec: KubeObject) -> str:
    return hashlib.sha256(json.dumps(pod_spec, sort_keys=True).encode()).hexdigest()[:16]


def egress_ports(routes: Sequence[Destination]) -> str:
    """EGRESS_PORTS: ``<pod port>/<protocol>=<host>:<port>``, comma-separated, IPv6 addresses in brackets."""
    return ",".join(f"{route.port}/{route.protocol.lower()}={destination_address(route)}" for route in routes)


def destination_address(route: Destination) -> str:
    """Host and port of a destination as in a URL, which is how the router calls it too."""
    host = f"[{route.host}]" if ":" in route.host else route.host
    return f"{host}:{route.host_port}"


def tried_destinations(service: EgressService) -> tuple[Destination, ...]:
    """What the egress pod tries by itself: all that is TCP, unless that is switched off."""
    routes = service.routes if service.egress_pod.probe.interval else ()
    return tuple(route for route in routes if route.protocol == "TCP")


def environment(
    service: EgressService, cloud: EgressCloud, network: EgressNetwork, sources: Sequence[str]
) -> list[dict[str, str]]:
    """The router's env: the article's five in its order, then ours."""
    pod, bridge = service.egress_pod, cloud.bridges[service.ip_family]
    hosts = dict.fromkeys(route.host for route in service.routes)
    values = {
        "EGRESS_SOURCE": ",".join(sources),
        "EGRESS_DESTINATION": ",".join(hosts),
        "BRIDGE_IP_ADDR": bridge.address,
        "BRIDGE_NETMASK": str(bridge.prefix),
        "TCP_HM_PORT": str(pod.hm_port),
        "EGRESS_PORTS": egress_ports(service.routes),
        "EGRESS_RESOLVE": pod.resolve,
        "EGRESS_PROBE": f"{pod.probe.interval}/{pod.probe.timeout}",
    }
    if pod.drain_seconds:
        values["EGRESS_DRAIN"] = str(pod.drain_seconds)
    if cloud.cluster_cidrs:
        values["EGRESS_REFUSED"] = ",".join(cloud.cluster_cidrs)
    if told := cloud.inside.told(service.ip_family) if cloud.told is None else cloud.told:
        values[CLUSTER_VARIABLE] = ",".join(told)
    values |= attachment(network) | _way_out(network, sources)
    return [{"name": name, "value": value} for name, value in values.items()]


def attachment(network: EgressNetwork) -> dict[str, str]:
    """How a router finds its network on the node."""
    values = {"EGRESS_UPLINK": network.uplink or "", "EGRESS_MODE": "routed" if network.is_routed else ""}
    return {name: value for name, value in values.items() if value}


def _way_out(network: EgressNetwork, sources: Sequence[str]) -> dict[str, str]:
    """The subnet of each source with its gateway, in the same order; of two, only those of one subnet are alike."""
    subnets = [network.subnet_of(source) for source in sources]
    if len(set(subnets)) == 1:
        subnets = subnets[:1]
    values = {
        "EGRESS_SUBNET": ",".join(subnet.cidr if subnet else "" for subnet in subnets),
        "EGRESS_GATEWAY": ",".join(subnet.gateway or "" if subnet else "" for subnet in subnets),
    }
    return {name: value for name, value in values.items() if value.strip(",")}


def replication_controller(
    service: EgressService,
    cloud: EgressCloud,
    network: EgressNetwork,
    sources: Sequence[str],
    replicas: int = 1,
) -> KubeObject:
    """The RC with exactly 1 replica (article, action 1), owned by the Service so that it can't outlive it.

    ``replicas`` is 0 for as long as a pod of an older rendering is still there.
    """
    place = placement.of(service, cloud)
    return {
        **part(REPLICATION_CONTROLLER, service, place),
        "spec": {
            "replicas": replicas,
            "selector": {"name": place.name},
            "template": _pod_template(service, cloud, network, sources),
        },
    }


def stateful_set(
    service: EgressService,
    cloud: EgressCloud,
    network: EgressNetwork,
    sources: Sequence[str],
    replicas: int = 2,
) -> KubeObject:
    """The StatefulSet with 2 replicas (article, "High Availability"), each with its own address by its ordinal.

    The pods run on different nodes and start side by side. A changed rendering replaces one after the other: a
    StatefulSet never has two pods of one ordinal, so no two ever hold one address.
    """
    place = placement.of(service, cloud)
    template = _pod_template(service, cloud, network, sources, affinity=_on_different_nodes(place))
    return {
        **part(STATEFUL_SET, service, place),
        "spec": {
            "replicas": replicas,
            "serviceName": service.name,
            "podManagementPolicy": "Parallel",
            "selector": {"matchLabels": dict(template["metadata"]["labels"])},
            "template": template,
        },
    }


def disruption_budget(service: EgressService, cloud: EgressCloud) -> KubeObject:
    """Drains and upgrades take one egress pod at a time (``ha`` only: a budget on a single pod would block them).

    Pods that are not ready serve nobody, so they never hold a drain up.
    """
    place = placement.of(service, cloud)
    return {
        **part(POD_DISRUPTION_BUDGET, service, place),
        "spec": {
            "minAvailable": 1,
            "selector": {"matchLabels": {"name": place.name}},
            "unhealthyPodEvictionPolicy": "AlwaysAllow",
        },
    }


def part(resource: Resource, service: EgressService, place: Place) -> KubeObject:
    """The head of an object that belongs to the service; all of them in one place have one name.

    An owner is of the same namespace. Elsewhere the labels tell whose the object is, and the controller deletes it.
    """
    owned = {} if place.is_apart else {"ownerReferences": [owner_reference(service)]}
    return {
        "apiVersion": resource.api_version,
        "kind": resource.kind,
        "metadata": {
            "name": place.name,
            "namespace": place.namespace,
            "labels": {**place.labels, MANAGED_LABEL: MANAGER},
            **owned,
        },
    }


def _on_different_nodes(place: Place) -> KubeObject:
    selector = {"matchLabels": {"name": place.name}}
    term = {"labelSelector": selector, "topologyKey": "kubernetes.io/hostname"}
    return {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}}


def _spread(cloud: EgressCloud, place: Place) -> KubeObject:
    """The pod's field that says how the pods of one service are spread; no field where nothing is asked for."""
    selector = {"labelSelector": {"matchLabels": {"name": place.name}}}
    constraints = [{**constraint, **selector} for constraint in cloud.pods.topology_spread_constraints]
    return {"topologySpreadConstraints": constraints} if constraints else {}


def _pod_template(
    service: EgressService,
    cloud: EgressCloud,
    network: EgressNetwork,
    sources: Sequence[str],
    affinity: KubeObject | None = None,
) -> KubeObject:
    place, account = placement.of(service, cloud), account_name(cloud.uuid)
    port = service.egress_pod.hm_port
    # The port is open as long as the router runs; whether it serves, it says. One that waits is not to be ended for it.
    serves = {"httpGet": {"path": "/readyz", "port": port}, "periodSeconds": 1, "timeoutSeconds": 1}
    container: dict[str, Any] = {
        "name": CONTAINER_NAME,
        "image": router_image(cloud, service),
        "imagePullPolicy": cloud.pods.image_pull_policy,
        "resources": cloud.pods.resources,
        "env": environment(service, cloud, network, sources),
        "startupProbe": {**serves, "failureThreshold": STARTUP_FAILURES},
        "livenessProbe": {
            "tcpSocket": {"port": port},
            "timeoutSeconds": 1,
            "initialDelaySeconds": 10,
            "periodSeconds": 3,
            "failureThreshold": 3,
            "successThreshold": 1,
        },
        "readinessProbe": {**serves, "failureThreshold": 1, "successThreshold": 1},
        "securityContext": {"privileged": True},
        "volumeMounts": [dict(HOST_MOUNT)],
    }
    pod_spec: dict[str, Any] = {
        "containers": [container],
        "serviceAccount": account,
        "serviceAccountName": account,
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": service.egress_pod.drain_seconds + TERMINATION_GRACE_SECONDS,
        "volumes": [dict(HOST_VOLUME)],
        # The administrator's last: no tenant leaves the nodes that are for egress, or that have the network.
        "nodeSelector": {**service.egress_pod.node_selector, **cloud.pods.node_selector, **network.node_selector},
        "tolerations": [*_LOST_NODE, *cloud.pods.tolerations, *service.egress_pod.tolerations],
        **cloud.pods.others,
        **_spread(cloud, place),
    }
    if affinity:
        pod_spec["affinity"] = affinity
    container["env"] = [*container["env"], {"name": RENDERING_VARIABLE, "value": _digest(pod_spec)}]
    # A stranger's SCC that admits everybody would be chosen for its priority; other platforms know no such annotation.
    # The article's pod declares no port that a scraper could find by its name.
    annotations = {
        REQUIRED_SCC_ANNOTATION: scc_name(cloud.uuid),
        METRICS_PORT_ANNOTATION: str(port),
    }
    metadata = {"name": place.name, "labels": place.labels, "annotations": annotations}
    return {"metadata": metadata, "spec": pod_spec}


def network_policy(service: EgressService, cloud: EgressCloud) -> KubeObject:
    """Who reaches the egress pod: those whom ``avi_proxy`` admits, by default only pods of the project's own namespace.

    (Article, "Access Patterns".) Refused where a rule of ``avi_proxy`` can't be expressed. The egress controller is
    let in too, to ask the health port what has become of the destinations, and so are those who read its metrics.
    """
    place = placement.of(service, cloud)
    ingress: list[KubeObject] = [{"from": [place.project.pods]}]
    if service.policy is not None:
        subject = f"Service {service.namespace}/{service.name}"
        ingress = ingress_rules(service.policy, place.project, service.ports, subject)
    if cloud.controller_namespace and tried_destinations(service):
        controllers = {**namespace_peer(cloud.controller_namespace), "podSelector": {"matchLabels": CONTROLLER_LABELS}}
        ingress = [*ingress, _asked_by([controllers], service.egress_pod.hm_port)]
    if cloud.monitoring_namespaces:
        scrapers = [namespace_peer(namespace) for namespace in cloud.monitoring_namespaces]
        ingress = [*ingress, _asked_by(scrapers, service.egress_pod.hm_port)]
    return {
        **part(NETWORK_POLICY, service, place),
        "spec": {
            "podSelector": {"matchLabels": {"name": place.name}},
            "policyTypes": ["Ingress", "Egress"],
            "ingress": ingress,
            # Whatever else the project forbids its pods: the router asks the cluster's name servers, and resets its
            # clients' connections at the end. What it forwards leaves by another interface, past all policies.
            "egress": [{}],
        },
    }


def _asked_by(peers: Sequence[KubeObject], health_port: int) -> KubeObject:
    return {"from": list(peers), "ports": [{"protocol": "TCP", "port": health_port}]}


def service_part(service: EgressService, sources: Sequence[str], ports: Sequence[dict[str, Any]]) -> KubeObject:
    """What this project owns of the Service: the selector, the added ports and the annotation (article, action 2).

    ``ports`` are the Service's present ones; the user's stay, in their order, and those that ``destinations`` ask for
    are added behind them.
    """
    destinations = service.egress_pod.destinations
    kept = own_ports(ports, destinations)
    wanted = [*kept, *missing_ports(destinations, kept)]
    if len(wanted) > 1:  # several ports must all have names (Kubernetes' validation of Services)
        wanted = [{**item, "name": item.get("name") or _port_name("port", item)} for item in wanted]
    part: KubeObject = {
        "apiVersion": SERVICE.api_version,
        "kind": SERVICE.kind,
        "metadata": {
            "name": service.name,
            "namespace": service.namespace,
            "annotations": {SOURCE_IPS_ANNOTATION: ",".join(sources)},
        },
        "spec": {"selector": {"name": egress_pod_name(service.name)}},
    }
    if wanted != list(ports):
        part["spec"]["ports"] = wanted
    return part


def own_ports(ports: Sequence[dict[str, Any]], destinations: Sequence[Destination] = ()) -> list[dict[str, Any]]:
    """The Service's ports without those that this project added for destinations that are gone."""
    asked = {(route.port, route.protocol) for route in destinations}
    return [
        item
        for item in ports
        if item.get("name") != _port_name("egress", item) or (item["port"], item.get("protocol", "TCP")) in asked
    ]


def missing_ports(destinations: Sequence[Destination], ports: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """The Service ports that ``destinations`` ask for beyond those that are there."""
    present = {(item["port"], item.get("protocol", "TCP")) for item in ports}
    added = [
        {"port": route.port, "protocol": route.protocol, "targetPort": route.port}
        for route in destinations
        if (route.port, route.protocol) not in present
    ]
    return [{"name": _port_name("egress", item), **item} for item in added]


def _port_name(prefix: str, port: Mapping[str, Any]) -> str:
    return f"{prefix}-{port['port']}-{port.get('protocol', 'TCP').lower()}"


def owner_reference(service: EgressService) -> dict[str, str]:
    return {"apiVersion": SERVICE.api_version, "kind": SERVICE.kind, "name": service.name, "uid": service.uid}
