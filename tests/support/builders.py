# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""Objects as the API server has them, the article's own where it shows one; each test changes what it is about."""

from __future__ import annotations

import json
from typing import Any

from ansible_collections.avi.egress.plugins.module_utils.annotations.egress_pod import read_service
from ansible_collections.avi.egress.plugins.module_utils.annotations.egress_service import EgressService
from ansible_collections.avi.egress.plugins.module_utils.api.resources import KubeObject
from ansible_collections.avi.egress.plugins.module_utils.ipam.cloud import EgressCloud, read_cloud
from ansible_collections.avi.egress.plugins.module_utils.ipam.network import EgressNetwork, read_network

UUID = "bfff9603-1ffd-4bcc-aef6-118268e5f2b5"
SOURCE = "10.70.112.155"


def cloud_object(name: str = "openshift", **spec: Any) -> KubeObject:
    return {"metadata": {"name": name}, "spec": {"uuid": UUID, "secureEgressMode": True, **spec}}


def cloud(name: str = "openshift", **spec: Any) -> EgressCloud:
    return read_cloud(cloud_object(name, **spec))


def network_object(name: str = "outside", **spec: Any) -> KubeObject:
    return {"metadata": {"name": name}, "spec": {"subnets": [{"cidr": "10.70.112.0/24"}], **spec}}


def network(name: str = "outside", **spec: Any) -> EgressNetwork:
    return read_network(network_object(name, **spec))


def namespace(name: str = "default", **labels: str) -> KubeObject:
    return {"metadata": {"name": name, "labels": {"kubernetes.io/metadata.name": name, **labels}}}


def service_object(
    egress_pod: Any = None, *, name: str = "secure-egress-service", project: str = "default", **fields: Any
) -> KubeObject:
    """The article's Service; ``egress_pod`` and ``avi_proxy`` are JSON, or an annotation's raw text."""
    given = {"egress_pod": egress_pod or {"destination_ip": "10.10.24.85"}, "avi_proxy": fields.pop("avi_proxy", None)}
    annotations = {
        key: value if isinstance(value, str) else json.dumps(value) for key, value in given.items() if value is not None
    }
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": name,
            "namespace": project,
            "uid": "5e0f1a52-uid",
            "resourceVersion": "1",
            "annotations": annotations,
        },
        "spec": {"type": "ClusterIP", "ports": [{"name": "foo", "port": 80, "protocol": "TCP"}], **fields},
    }


def service(egress_pod: Any = None, **fields: Any) -> EgressService:
    found = read_service(service_object(egress_pod, **fields))
    assert found is not None
    return found
