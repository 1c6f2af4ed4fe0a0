# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What a cluster may lack that the role needs, and the ClusterRole in the article's own form."""

from __future__ import annotations

import json
from typing import Any

import pytest
from ansible_collections.avi.egress.plugins.module_utils.api.resources import (
    CUSTOM_RESOURCE_DEFINITION,
    NAMESPACE,
    Resource,
)
from ansible_collections.avi.egress.plugins.module_utils.client.kube_client import KubeClient

from tests.support.ansible_run import Ansible
from tests.support.api_server import SERIES, ApiServer
from tests.support.avirole import AVIROLE, LEGACY_API_VERSION
from tests.support.waiting import wait_for

TODAYS = Resource("rbac.authorization.k8s.io", "v1", "ClusterRole", "clusterroles", namespaced=False)
OPENSHIFTS = Resource(*LEGACY_API_VERSION.split("/"), "ClusterRole", "clusterroles", namespaced=False)
RULES = [{key: value for key, value in rule.items() if value is not None} for rule in AVIROLE["rules"]]
"""The article's without ``attributeRestrictions: null``."""
VARIABLES = {"egress_wait": False, "egress_role_form": "article"}


@pytest.fixture(scope="module")
def cluster(api: ApiServer) -> KubeClient:
    return api.cluster()


def openshifts_kind() -> dict[str, Any]:
    """What serves OpenShift's ClusterRole here, as OpenShift's API server is not at hand."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {"name": OPENSHIFTS.version, "served": True, "storage": True, "schema": {"openAPIV3Schema": schema}}
    names = {"kind": OPENSHIFTS.kind, "plural": "clusterroles"}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"clusterroles.{OPENSHIFTS.group}"},
        "spec": {"group": OPENSHIFTS.group, "scope": "Cluster", "names": names, "versions": [version]},
    }


def test_todays_kind_takes_the_articles_rules_without_the_field_that_it_no_longer_knows(cluster: KubeClient) -> None:
    created = cluster.create(
        TODAYS, {**AVIROLE, "apiVersion": TODAYS.api_version, "metadata": {"name": "of-the-article"}}
    )

    assert created["rules"] == RULES


def test_a_cluster_without_openshifts_kind_is_told_and_left_as_it_was(ansible: Ansible, cluster: KubeClient) -> None:
    run = ansible.playbook("avi.egress.site", "-e", json.dumps(VARIABLES))

    assert "Set it to current" in run.failure
    assert run.stats["changed"] == 0
    assert cluster.get(NAMESPACE, "avi-egress") is None


@pytest.mark.skipif(SERIES != "1.28", reason="this Kubernetes has admission policies")
def test_a_cluster_without_admission_policies_is_told_and_left_as_it_was(ansible: Ansible, cluster: KubeClient) -> None:
    run = ansible.playbook("avi.egress.site", "-e", '{"egress_wait": false}')

    assert "This cluster has no ValidatingAdmissionPolicy (Kubernetes before 1.30)" in run.failure
    assert run.stats["changed"] == 0
    assert cluster.get(NAMESPACE, "avi-egress") is None


def test_where_that_is_served_the_role_makes_the_articles(ansible: Ansible, cluster: KubeClient) -> None:
    cluster.create(CUSTOM_RESOURCE_DEFINITION, openshifts_kind())
    wait_for("OpenShift's kind to be served", lambda: cluster.serves(OPENSHIFTS))

    run = ansible.playbook("avi.egress.site", "-e", json.dumps(VARIABLES))

    assert run.failure == ""
    made = cluster.get(OPENSHIFTS, "avirole")
    assert made is not None
    assert made["rules"] == AVIROLE["rules"]
    assert cluster.get(TODAYS, "avirole") is None
