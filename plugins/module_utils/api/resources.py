# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""The API resources this project reads and writes, and the names that it gives them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Dict

NAMESPACE_NAME = re.compile(r"(?=.{1,63}\Z)[a-z0-9]([a-z0-9-]*[a-z0-9])?")
"""What a namespace may be called: a DNS label (RFC 1123)."""

LABEL_LENGTH = 63
"""Characters of a DNS label, such as a Service's name, and of a label's value at most."""

KubeObject = Dict[str, Any]
"""A Kubernetes object as the API server speaks it: JSON as a dict."""

API_GROUP = "egress.avi.dev"
API_VERSION = "v1"

EGRESS_POD_ANNOTATION = "egress_pod"
AVI_PROXY_ANNOTATION = "avi_proxy"
SOURCE_IPS_ANNOTATION = f"{API_GROUP}/source-ips"
MASS_RELEASE_ANNOTATION = f"{API_GROUP}/mass-release"
"""On an EgressNetwork: ``allow`` confirms that many of its leases are to be given up at once."""
RELEASE_CONFIRMED_ANNOTATION = f"{API_GROUP}/release-confirmed"
"""Of a lease: when an administrator said that it may go, see ``ipam.release_confirmation``."""
RETRIED_ANNOTATION = f"{API_GROUP}/retried-at"
"""On a ReplicationController or StatefulSet: when its refused pods were last asked for again."""

NETWORK_LABEL = f"{API_GROUP}/network"
"""On leases and locks: their EgressNetwork."""
NAMESPACE_LABEL = f"{API_GROUP}/namespace"
"""On leases, and on what is in the controller's namespace for a project: their project."""
SERVICE_LABEL = f"{API_GROUP}/service"
"""On what is in the controller's namespace for a project: the service that it is for."""
CLAIMED_BY_LABEL = f"{API_GROUP}/claimed-by"
"""On leases: whose they are, and so who gives them up."""

CLOUD_LABEL = f"{API_GROUP}/cloud"
"""On ServiceAccounts and the SCC: the uuid of their EgressCloud, by which they are found when it is gone."""

MANAGED_LABEL = f"{API_GROUP}/managed-by"
"""On what the egress controller makes in projects; an admission policy lets nobody else set it."""
MANAGER = "egress-controller"

METRICS_PORT_ANNOTATION = "prometheus.io/port"
"""Of egress pods: the port that answers ``GET /metrics``, as many scrapers' configurations know it."""
REQUIRED_SCC_ANNOTATION = "openshift.io/required-scc"
"""On a pod: the one SCC that may admit it, whatever others its account may use."""

READY_CONDITION = "EgressReady"
REACHABLE_CONDITION = "DestinationsReachable"
"""On a Service: whether its destinations answer, as its egress pods find when they try them."""
WIDENED_CONDITION = "PolicyWidened"
"""On a Service, only while it is so: other NetworkPolicies let in to its egress pods whom its own rules don't."""
RELEASES_CONDITION = "ReleasesAllowed"
"""On an EgressNetwork: whether leases whose services are gone are given up, or are too many at once."""
SERVED_CONDITION = "EgressServed"
"""On a Service: that it has been ready, and with which source addresses. Such a one is never moved to another."""


@dataclass(frozen=True)
class Resource:
    """One kind of object and where the API server serves it."""

    group: str
    version: str
    kind: str
    plural: str
    namespaced: bool = True

    @cached_property
    def api_version(self) -> str:
        """One string for all objects that bear it."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str | None = None, name: str | None = None, subresource: str | None = None) -> str:
        """The request path, such as ``/apis/egress.avi.dev/v1/egressleases/NAME/status``."""
        parts = ["/apis", self.group, self.version] if self.group else ["/api", self.version]
        if self.namespaced and namespace:
            parts += ["namespaces", namespace]
        parts += [part for part in (self.plural, name, subresource) if part]
        return "/".join(parts)


NODE = Resource("", "v1", "Node", "nodes", namespaced=False)
NAMESPACE = Resource("", "v1", "Namespace", "namespaces", namespaced=False)
SERVICE = Resource("", "v1", "Service", "services")
SERVICE_ACCOUNT = Resource("", "v1", "ServiceAccount", "serviceaccounts")
SECRET = Resource("", "v1", "Secret", "secrets")
POD = Resource("", "v1", "Pod", "pods")
EVENT = Resource("", "v1", "Event", "events")
RESOURCE_QUOTA = Resource("", "v1", "ResourceQuota", "resourcequotas")
LIMIT_RANGE = Resource("", "v1", "LimitRange", "limitranges")
REPLICATION_CONTROLLER = Resource("", "v1", "ReplicationController", "replicationcontrollers")
DEPLOYMENT = Resource("apps", "v1", "Deployment", "deployments")
STATEFUL_SET = Resource("apps", "v1", "StatefulSet", "statefulsets")
POD_DISRUPTION_BUDGET = Resource("policy", "v1", "PodDisruptionBudget", "poddisruptionbudgets")
NETWORK_POLICY = Resource("networking.k8s.io", "v1", "NetworkPolicy", "networkpolicies")
ENDPOINT_SLICE = Resource("discovery.k8s.io", "v1", "EndpointSlice", "endpointslices")
SERVICE_CIDR = Resource("networking.k8s.io", "v1", "ServiceCIDR", "servicecidrs", namespaced=False)
LEADER_LEASE = Resource("coordination.k8s.io", "v1", "Lease", "leases")
CUSTOM_RESOURCE_DEFINITION = Resource(
    "apiextensions.k8s.io", "v1", "CustomResourceDefinition", "customresourcedefinitions", namespaced=False
)
SELF_SUBJECT_ACCESS_REVIEW = Resource(
    "authorization.k8s.io", "v1", "SelfSubjectAccessReview", "selfsubjectaccessreviews", namespaced=False
)
SECURITY_CONTEXT_CONSTRAINTS = Resource(
    "security.openshift.io", "v1", "SecurityContextConstraints", "securitycontextconstraints", namespaced=False
)
EGRESS_CLOUD = Resource(API_GROUP, API_VERSION, "EgressCloud", "egressclouds", namespaced=False)
EGRESS_NETWORK = Resource(API_GROUP, API_VERSION, "EgressNetwork", "egressnetworks", namespaced=False)
EGRESS_LEASE = Resource(API_GROUP, API_VERSION, "EgressLease", "egressleases", namespaced=False)
EGRESS_ADDRESS = Resource(API_GROUP, API_VERSION, "EgressAddress", "egressaddresses", namespaced=False)


def resource_of(obj: KubeObject) -> Resource:
    """The resource an object belongs to, by its ``kind``; KeyError for a kind this project does not handle."""
    return _BY_KIND[obj["kind"]]


_BY_KIND = {value.kind: value for value in list(globals().values()) if isinstance(value, Resource)}


def egress_pod_name(service: str) -> str:
    """The name of the RC and of its ``name`` label (article, "Post Secure Service Creation", action 1)."""
    return f"{service}-avi-egress-pod"


def longest_service_name(ha: bool) -> int:
    """How long the name of a secure egress service may be: its pods' names hold it uncut, which they are known by.

    Kubernetes cuts a generated name to 58 characters before it adds its own 5. A StatefulSet's pods are not named so,
    but have a label of its name and another 11.
    """
    return min(58 - len(egress_pod_name("-")), LABEL_LENGTH - len(egress_pod_name("")) - (11 if ha else 0))


def account_name(cloud_uuid: str) -> str:
    """The project's ServiceAccount (article, "Workflow Overview")."""
    return f"avivantage-{cloud_uuid}"


def scc_name(cloud_uuid: str) -> str:
    """The cloud's SecurityContextConstraints (article, "Workflow Overview")."""
    return f"avivantage-scc-{cloud_uuid}"


def account_user(cloud_uuid: str, namespace: str) -> str:
    """How an SCC's ``users`` names the project's ServiceAccount."""
    return f"system:serviceaccount:{namespace}:{account_name(cloud_uuid)}"


def lease_name(network: str, namespace: str, service: str, slot: int) -> str:
    """``<network>.<namespace>.<service>.<slot>``: unambiguous, for none of the parts may hold a dot."""
    return f"{network}.{namespace}.{service}.{slot}"


def address_name(network: str, address: str) -> str:
    """``<network>.<10-70-112-155>``: the object whose name is the lock on the address.

    An IPv6 address is written in full, so that one address has one name.
    """
    if ":" in address:
        import ipaddress

        return f"{network}.{ipaddress.IPv6Address(address).exploded.replace(':', '-')}"
    return f"{network}.{address.replace('.', '-')}"


def object_key(obj: KubeObject) -> str:
    """``Kind namespace/name`` (or ``Kind name``), as messages and diffs call an object."""
    metadata = obj["metadata"]
    namespace = metadata.get("namespace")
    name = f"{namespace}/{metadata['name']}" if namespace else metadata["name"]
    return f"{obj['kind']} {name}"
