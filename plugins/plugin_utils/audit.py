# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What an audit makes of what was read of a cluster: a pure function from facts to a report with findings."""

from __future__ import annotations

from typing import Any, Collection, Iterable, Iterator, Mapping, NamedTuple, Sequence

from ansible_collections.avi.egress.plugins.module_utils.api.resources import (
    EGRESS_ADDRESS,
    EGRESS_CLOUD,
    EGRESS_LEASE,
    EGRESS_NETWORK,
    KubeObject,
    account_name,
    account_user,
    egress_pod_name,
)
from ansible_collections.avi.egress.plugins.module_utils.ipam.cloud import GATEWAY
from ansible_collections.avi.egress.plugins.module_utils.workload.accounts import scc_projects
from ansible_collections.avi.egress.plugins.module_utils.workload.exposure import (
    EgressPods,
    external_ips,
    has_rules,
    widening,
)
from ansible_collections.avi.egress.plugins.plugin_utils.deployment import trouble

Told = Mapping[str, Any]
"""A service, lease, network or cloud as the information modules return it."""

KINDS = (EGRESS_CLOUD, EGRESS_NETWORK, EGRESS_LEASE, EGRESS_ADDRESS)
ADMISSION_POLICIES = (
    *("avi-egress-accounts", "avi-egress-managed", "avi-egress-services", "avi-egress-requests"),
    *("avi-egress-entrance", "avi-egress-bindings", "avi-egress-pod-security", "avi-egress-projects"),
    "avi-egress-networks",
)
VERSION_LABEL = "app.kubernetes.io/version"


class Finding(NamedTuple):
    """Something that somebody should look at."""

    kind: str
    """One word; that of a condition's reason where there is one."""
    subject: str
    """``Kind name`` or ``Kind namespace/name``."""
    message: str


def audit(facts: Told) -> dict[str, Any]:
    """The report. ``facts`` has what the modules returned.

    ``version`` (the collection's), ``namespace`` (the controller's), ``absent`` (our kinds that are not served, as
    ``egressleases.egress.avi.dev``), and unless there are such: ``networks`` (EgressNetworks), ``services``,
    ``leases``, ``figures`` (of networks), ``clouds``, ``controllers`` (Deployments), ``policies``
    (ValidatingAdmissionPolicies; None where their kind is not served), ``pods`` (those of the projects' accounts),
    ``network_policies`` and ``all_services`` (of the whole cluster), and ``nodes`` (the findings of a preflight, if
    there was one).
    """
    if facts["absent"]:
        missing = Finding("NotInstalled", "avi.egress", _lacking(facts["absent"]))
        return {"installed": None, "services": [], "leases": {}, "networks": [], "projects": [], **_told([missing])}
    found = [
        *_of_controller(facts),
        *_of_policies(facts["policies"], facts["clouds"]),
        *_of_services(facts["services"]),
        *_of_leases(facts["services"], facts["leases"]),
        *_of_networks(facts["networks"], facts["figures"]),
        *_of_clouds(facts["clouds"]),
        *_of_pods(facts["services"], facts["pods"]),
        *_of_exposure(facts),
        *_of_nodes(facts["nodes"]),
    ]
    return {
        "installed": _installed(facts),
        "services": [_service(service) for service in facts["services"]],
        "leases": _leases(facts["leases"]),
        "networks": [{key: value for key, value in item.items() if key != "families"} for item in facts["figures"]],
        "projects": [_project(cloud, project) for cloud in facts["clouds"] for project in cloud["projects"]],
        **_told(found),
    }


def _lacking(absent: Collection[str]) -> str:
    there = [resource.kind for resource in KINDS if f"{resource.plural}.{resource.group}" not in absent]
    some = f" whole: of its kinds only {', '.join(there)} are there" if there else ""
    return f"it is not installed{some}; run avi.egress.site"


def _told(findings: Iterable[Finding]) -> dict[str, Any]:
    return {"findings": [finding._asdict() for finding in findings]}


def _installed(facts: Told) -> Told:
    controller = next(iter(facts["controllers"]), None)
    status = (controller or {}).get("status") or {}
    return {
        "collection": facts["version"],
        "version": _version(controller),
        "image": controller["spec"]["template"]["spec"]["containers"][0]["image"] if controller else None,
        "replicas": controller["spec"].get("replicas", 1) if controller else 0,
        "ready_replicas": status.get("readyReplicas", 0),
        "clouds": [cloud["cloud"] for cloud in facts["clouds"]],
    }


def _version(controller: KubeObject | None) -> str | None:
    """None before 0.2.0, which was the first to say it."""
    label: str | None = ((controller or {}).get("metadata", {}).get("labels") or {}).get(VERSION_LABEL)
    return label


def _of_controller(facts: Told) -> Iterator[Finding]:
    installed = _installed(facts)
    subject = f"Deployment {facts['namespace']}/avi-egress-controller"
    if not facts["controllers"]:
        told = "there is none, so services are not looked after: run avi.egress.site, or give its egress_namespace"
        yield Finding("ControllerMissing", subject, told)
        return
    if installed["ready_replicas"] < max(installed["replicas"], 1):
        told = f"{installed['ready_replicas']} of {installed['replicas']} replicas are ready"
        told += trouble(facts["controllers"][0])
        yield Finding("ControllerNotReady", subject, told)
    if installed["version"] != facts["version"]:
        told = f"its version is {installed['version'] or 'older than 0.2.0'}, this collection's is {facts['version']}"
        yield Finding("VersionDiffers", subject, f"{told}: run avi.egress.site of the newer one")


def _of_policies(policies: Iterable[KubeObject] | None, clouds: Iterable[Told]) -> Iterator[Finding]:
    if policies is None:
        if any(cloud["placement"] != GATEWAY for cloud in clouds):
            told = (
                "the cluster has no such kind (Kubernetes before 1.30), so whoever may make pods in an included "
                "project can be root on a node: upgrade it, or set egress_placement to gateway"
            )
            yield Finding("AdmissionPolicyMissing", "ValidatingAdmissionPolicy avi-egress-accounts", told)
        return
    there = {item["metadata"]["name"] for item in policies}
    for name in ADMISSION_POLICIES:
        if name not in there:
            told = "it is not there, so the cluster does not refuse what it is against: set egress_admission_policy"
            yield Finding("AdmissionPolicyMissing", f"ValidatingAdmissionPolicy {name}", told)


def _of_services(services: Iterable[Told]) -> Iterator[Finding]:
    for service in services:
        subject, condition = f"Service {_name(service)}", service["condition"] or {}
        if service["error"] and service["ready"]:
            told = f"what runs is of an earlier annotation: {service['error']}"
            yield Finding("InvalidAnnotation", subject, told)
        elif not service["ready"]:
            told = service["error"] or condition.get("message") or "no egress controller has seen it"
            yield Finding(condition.get("reason") or "NotSeen", subject, told)
        elif condition.get("reason") == "Degraded":
            yield Finding("Degraded", subject, condition["message"])


def _of_leases(services: Sequence[Told], leases: Sequence[Told]) -> Iterator[Finding]:
    bound = [lease for lease in leases if lease["phase"] == "Bound"]
    there = {_name(service) for service in services}
    for lease in bound:
        owner = f"{lease['namespace']}/{lease['service']}"
        if lease["claimed_by"] == "controller" and owner not in there:
            told = f"{lease['address']} is held for Service {owner}, which is no secure egress service any more"
            yield Finding("OrphanedLease", _lease(lease), told)
    held = {(f"{lease['namespace']}/{lease['service']}", lease["address"]) for lease in bound}
    for service in services:
        for address in service["source_ips"]:
            if service["ready"] and (_name(service), address) not in held:
                told = f"it sends from {address}, and no lease in use says so"
                yield Finding("NotLeased", f"Service {_name(service)}", told)


def _of_networks(networks: Iterable[KubeObject], figures: Iterable[Told]) -> Iterator[Finding]:
    told = set()
    for network in networks:
        subject = f"EgressNetwork {network['metadata']['name']}"
        for condition in (network.get("status") or {}).get("conditions") or ():
            # Where all is well, the reason is the type's own word.
            if condition["status"] != "True" or condition["reason"] != condition["type"]:
                told.add(subject)
                yield Finding(condition["reason"], subject, condition["message"])
    for item in figures:
        subject = f"EgressNetwork {item['name']}"
        if item["error"] and subject not in told:
            yield Finding("InvalidInput", subject, item["error"])


def _of_clouds(clouds: Iterable[Told]) -> Iterator[Finding]:
    for cloud in clouds:
        if cloud["error"]:
            yield Finding("InvalidInput", f"EgressCloud {cloud['cloud']}", cloud["error"])
        for project in cloud["projects"]:
            subject = f"Namespace {project['namespace']}"
            if project["missing"]:
                told = f"it lacks {', '.join(project['missing'])} for egress pods: run avi.egress.onboard_project"
                yield Finding("ProjectLacks", subject, told)
            if project["surplus"]:
                told = (
                    f"it takes no part and still has {', '.join(project['surplus'])}: run avi.egress.offboard_project"
                )
                yield Finding("ProjectLeftOver", subject, told)
        yield from _strangers(cloud)


def _strangers(cloud: Told) -> Iterator[Finding]:
    """Users of the SCC who are no project's account: each may run privileged pods."""
    users = cloud["scc_users"] or ()
    own = {account_user(cloud["uuid"], project) for project in scc_projects(users, cloud["uuid"])}
    for user in users:
        if user not in own:
            told = f"{user} may run privileged pods by it and is no project's account: take it out of users"
            yield Finding("StrangeUser", f"SecurityContextConstraints {cloud['scc']}", told)


def _of_pods(services: Sequence[Told], pods: Iterable[KubeObject]) -> Iterator[Finding]:
    """Pods that run as a project's privileged account and that the egress controller did not ask for."""
    if any(service["controllers"] is None for service in services):
        return  # What may not be read can't be compared.
    asked = {(item["namespace"], item["kind"], item["name"]) for service in services for item in service["controllers"]}
    for pod in pods:
        metadata = pod["metadata"]
        owners = [owner for owner in metadata.get("ownerReferences") or () if owner.get("controller")]
        made_by = {(metadata["namespace"], owner["kind"], owner["name"]) for owner in owners}
        if not made_by & asked and not metadata.get("deletionTimestamp"):
            told = f"it runs as {pod['spec']['serviceAccountName']} and is of no secure egress service: end it"
            yield Finding("StrangePod", f"Pod {metadata['namespace']}/{metadata['name']}", told)


def _of_exposure(facts: Told) -> Iterator[Finding]:
    """Ways to an egress pod, or to its addresses, past the rules of its service."""
    for service in facts["services"]:
        for pods in _egress_pods(service, facts["pods"]):
            for name in widening(facts["network_policies"], pods):
                told = (
                    f"it lets others into the egress pod of Service {_name(service)}, past its own rules: except "
                    f"pods with the label name={pods.name} by its podSelector"
                )
                yield Finding("PolicyWidened", f"NetworkPolicy {pods.namespace}/{name}", told)
    leased = [lease["address"] for lease in facts["leases"] if lease["phase"] != "Expired" and lease["address"]]
    for name, address in external_ips(facts["all_services"], leased):
        told = f"nodes take traffic for {address} by its externalIPs, and that address is leased: take it out"
        yield Finding("LeasedExternalIP", f"Service {name}", told)
    users = _destinations(facts["services"])
    for name, address in external_ips(facts["all_services"], users):
        told = (
            f"nodes take traffic for {address} by its externalIPs, and that is a destination of Service "
            f"{users[address]}: take it out"
        )
        yield Finding("DestinationExternalIP", f"Service {name}", told)


def _destinations(services: Iterable[Told]) -> Mapping[str, str]:
    """From each address that a service leads to, to the first such service."""
    found: dict[str, str] = {}
    for service in services:
        egress_pod = service["egress_pod"] or {}
        for host in (egress_pod.get("destination_ip"), *(egress_pod.get("destinations") or ())):
            if host:
                found.setdefault(host, _name(service))
    return found


def _egress_pods(service: Told, pods: Iterable[KubeObject]) -> Iterator[EgressPods]:
    """The egress pods of a service, in each place where there are some or should be."""
    places = {(item["namespace"], item["name"]) for item in service["controllers"] or ()}
    labels = [(pod["metadata"]["namespace"], pod["metadata"].get("labels") or {}) for pod in pods]
    for namespace, name in sorted(places or {(service["namespace"], egress_pod_name(service["name"]))}):
        found = [some for where, some in labels if where == namespace and some.get("name") == name]
        yield EgressPods(namespace, name, service["namespace"], has_rules(service["service"]), found)


def _of_nodes(nodes: Iterable[Told]) -> Iterator[Finding]:
    for item in nodes:
        if item["reason"]:
            told = f"for EgressNetwork {item['network']}, {item['subnet']}: {item['message']}; {item['remedy']}"
            yield Finding(item["reason"], f"Node {item['node']}", told)


def _service(service: Told) -> Told:
    condition = service["condition"] or {}
    return {
        "namespace": service["namespace"],
        "name": service["name"],
        "ready": service["ready"],
        "source_ips": service["source_ips"],
        "reason": condition.get("reason"),
    }


def _leases(leases: Sequence[Told]) -> Told:
    """How many are in each phase, who has which address, which are in quarantine, and who had which before."""
    return {
        "bound": sum(lease["phase"] == "Bound" for lease in leases),
        "quarantined": [
            {"address": lease["address"], "lease": _lease(lease), "since": lease["released_at"]}
            for lease in leases
            if lease["phase"] == "Released"
        ],
        "expired": sum(lease["phase"] == "Expired" for lease in leases),
        "holders": [
            {"address": lease["address"], **_owner(lease), "since": lease["bound_at"]}
            for lease in leases
            if lease["phase"] == "Bound"
        ],
        "history": sorted(_past(leases), key=lambda item: str(item["until"]), reverse=True),
    }


def _past(leases: Iterable[Told]) -> Iterator[Told]:
    """Each time that an address was held and given back, as far as the leases remember."""
    for lease in leases:
        for held in (*lease["history"], lease):
            if held["released_at"]:
                told = {"since": held["bound_at"], "until": held["released_at"], "reason": held["reason"]}
                yield {"address": held["address"], **_owner(lease), **told}


def _owner(lease: Told) -> Told:
    return {key: lease[key] for key in ("namespace", "service", "network")}


def _project(cloud: Told, project: Told) -> Told:
    keys = ("namespace", "included", "missing", "surplus")
    return {"cloud": cloud["cloud"], "account": account_name(cloud["uuid"]), **{key: project[key] for key in keys}}


def _name(service: Told) -> str:
    return f"{service['namespace']}/{service['name']}"


def _lease(lease: Told) -> str:
    return f"EgressLease {lease['network']}.{lease['namespace']}.{lease['service']}.{lease['slot']}"
