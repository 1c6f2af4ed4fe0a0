# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Each module's EXAMPLES run as they stand, and RETURN says what then comes back.

No egress controller runs here; what it would write is written by hand.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.avi.egress.plugins.module_utils.api.resources import (
    EGRESS_CLOUD,
    EGRESS_NETWORK,
    NAMESPACE,
    REPLICATION_CONTROLLER,
    SERVICE,
    KubeObject,
    Resource,
)
from ansible_collections.avi.egress.plugins.module_utils.client.kube_client import KubeClient

from tests.support.ansible_run import Ansible
from tests.support.api_server import ApiServer
from tests.support.definitions import CRDS, SCC_CRD, define
from tests.support.documented import Returned, text

ORDER = (
    "avi_scc_account",
    "avi_scc_account_info",
    "avi_ipam_lease",
    "avi_ipam_lease_import",
    "avi_egress_service",
    "avi_egress_service_info",
    "avi_ipam_lease_info",
)
"""So that the addresses of services are leased, and given back, before there are services."""
SOURCE = "10.70.112.155"

Task = dict[str, Any]
Results = list[tuple[str, dict[str, Any]]]
"""Each with its module; empty for those of others."""


@pytest.fixture(scope="module")
def cluster(api: ApiServer) -> KubeClient:
    """With the projects, the cloud and the network that the examples speak of."""
    found = api.cluster()
    define(found, [*CRDS, SCC_CRD])
    labels = {"pod-security.kubernetes.io/enforce": "privileged"}
    for name in ("green", "blue"):
        _create(found, NAMESPACE, name, labels=labels)
    uuid = "bfff9603-1ffd-4bcc-aef6-118268e5f2b5"
    _create(found, EGRESS_CLOUD, "default", {"uuid": uuid, "projects": {"include": {"names": ["green", "blue"]}}})
    # So large that what an example draws is hardly ever what another one names.
    subnets = [{"cidr": "10.70.0.0/16"}, {"cidr": "fd70:112::/64"}]
    _create(found, EGRESS_NETWORK, "dmz", {"subnets": subnets, "uplink": "eth1"})
    return found


@pytest.fixture(scope="module")
def results(ansible: Ansible, cluster: KubeClient) -> Results:
    """Of all examples, and of some tasks more for what those do not return."""
    record = {"network": "dmz", "namespace": "blue", "service": "archive", "address": "10.70.112.161"}
    moments = {"phase": "Released", "bound_at": "2026-11-20T06:31:00Z", "released_at": "2026-11-21T06:31:00Z"}
    past = {"address": "10.70.112.17", "bound_at": "2026-10-01T00:00:00Z", "released_at": "2026-10-02T00:00:00Z"}
    history = [{**past, "reason": "ReleasedByModule"}]
    leases = {"leases": [{**record, **moments, "reason": "ServiceDeleted", "history": history}]}
    Path(ansible.folder, "egress-leases.yml").write_text(yaml.safe_dump(leases))
    examples = {module: [_without_waiting(task) for task in text(module, "EXAMPLES")] for module in ORDER}
    first_service = examples["avi_egress_service"][0]
    import_file = {**examples["avi_ipam_lease_import"][-1], "check_mode": False}

    accounts, *others = (examples[module] for module in ORDER[:4])
    before = [*accounts, accounts[0], *(task for tasks in others for task in tasks)]
    found = _run(ansible, *before, import_file, first_service)
    _play_the_controller(cluster, "green", "secure-egress-service")
    _create(cluster, SERVICE, "wrong", {"ports": [{"port": 80}]}, "green", {"egress_pod": "{", "avi_proxy": "{}"})
    after = [
        first_service,
        _listed(first_service),
        *examples["avi_egress_service_info"],
        *examples["avi_ipam_lease_info"],
    ]
    return found + _run(ansible, *after, *examples["avi_egress_service"], *_more())


def test_examples_run(results: Results) -> None:
    assert [result["msg"] for _module, result in results if result.get("failed") and result["task"] != "refused"] == []
    assert {module for module, _result in results if module} == set(ORDER)


@pytest.mark.parametrize("module", ORDER)
def test_what_is_returned_is_documented_with_samples_like_it(results: Results, module: str) -> None:
    returned = Returned(module)

    for name, result in results:
        if name == module:
            returned.see(result)

    assert returned.unseen() == []


def _more() -> list[Task]:
    """One that is refused for each module, and a service with a policy."""
    record = {"network": "dmz", "namespace": "green", "service": "x", "address": "ten"}
    policy = {"networksecuritypolicy": {"rules": []}}
    service = {
        "name": "x",
        "namespace": "green",
        "destination_ip": "10.10.10.200",
        "ports": [{"port": 80}],
        "wait": False,
    }
    refused: dict[str, Task] = {
        "avi_egress_service": {**service, "destination_ip": "no host"},
        "avi_egress_service_info": {"name": ""},
        "avi_scc_account": {"cloud": "none", "project": "green"},
        "avi_scc_account_info": {"cloud": "none"},
        "avi_ipam_lease": {**record, "address": "ten"},
        "avi_ipam_lease_import": {"leases": [{**record, "phase": "Bound", "bound_at": "2026-11-20T06:31:00Z"}]},
        "avi_ipam_lease_info": {"at": "noon"},
    }
    return [
        {"avi.egress.avi_egress_service": {**service, "avi_proxy": policy}},
        {"avi.egress.avi_egress_service_info": {"namespace": "green"}},
        *({"name": "refused", f"avi.egress.{module}": options} for module, options in refused.items()),
    ]


def _run(ansible: Ansible, *tasks: Task) -> Results:
    modules = [
        next((key.removeprefix("avi.egress.") for key in task if key.startswith("avi.egress.")), "") for task in tasks
    ]
    return list(zip(modules, ansible.tasks(*tasks), strict=True))


def _listed(task: Task) -> Task:
    """The same service in a list."""
    options = dict(task["avi.egress.avi_egress_service"])
    return {"avi.egress.avi_egress_service": {"wait": options.pop("wait"), "services": [options]}}


def _without_waiting(task: Task) -> Task:
    """There is no controller to wait for."""
    module = "avi.egress.avi_egress_service"
    return {**task, module: {**task[module], "wait": False}} if module in task else task


def _create(
    cluster: KubeClient,
    resource: Resource,
    name: str,
    spec: KubeObject | None = None,
    namespace: str | None = None,
    annotations: dict[str, str] | None = None,
    labels: dict[str, str] | None = None,
) -> KubeObject:
    metadata: KubeObject = {"name": name, "annotations": annotations or {}, "labels": labels or {}}
    if namespace:
        metadata["namespace"] = namespace
    body = {"apiVersion": resource.api_version, "kind": resource.kind, "metadata": metadata, "spec": spec or {}}
    return cluster.create(resource, body)


def _play_the_controller(cluster: KubeClient, namespace: str, name: str) -> None:
    """Say that the service is ready, and that its destinations answer."""
    pod = f"{name}-avi-egress-pod"
    said = {"EgressReady": f"traffic leaves from {SOURCE}", "DestinationsReachable": "10.10.10.200 80/TCP is Open"}
    since = {"lastTransitionTime": "2026-11-23T06:31:00Z"}
    conditions = [
        {"type": kind, "status": "True", "reason": kind, "message": message, **since} for kind, message in said.items()
    ]
    annotated = {
        "metadata": {"annotations": {"egress.avi.dev/source-ips": SOURCE}},
        "spec": {"selector": {"name": pod}},
    }
    service = cluster.patch(SERVICE, name, annotated, namespace)
    cluster.patch(SERVICE, name, {"status": {"conditions": conditions}}, namespace, subresource="status")
    owner = {"apiVersion": "v1", "kind": "Service", "name": name, "uid": service["metadata"]["uid"]}
    template = {
        "metadata": {"labels": {"name": pod}},
        "spec": {"containers": [{"name": "avi-egress-router", "image": "none.example/none"}]},
    }
    spec = {"replicas": 1, "selector": {"name": pod}, "template": template}
    body = {
        "apiVersion": "v1",
        "kind": "ReplicationController",
        "metadata": {"name": pod, "namespace": namespace, "ownerReferences": [owner]},
        "spec": spec,
    }
    cluster.create(REPLICATION_CONTROLLER, body)
    ready = {"status": {"replicas": 1, "readyReplicas": 1}}
    cluster.patch(REPLICATION_CONTROLLER, pod, ready, namespace, subresource="status")
