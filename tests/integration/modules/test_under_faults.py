# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What modules make of an API server that refuses, fails or is slow."""

from __future__ import annotations

import time

import pytest
from ansible_collections.avi.egress.plugins.module_utils.api.errors import EgressError
from ansible_collections.avi.egress.plugins.module_utils.api.resources import (
    SERVICE,
)
from ansible_collections.avi.egress.plugins.module_utils.client.connection import Connection
from ansible_collections.avi.egress.plugins.module_utils.client.kube_client import KubeClient
from ansible_collections.avi.egress.plugins.module_utils.module import scc_account
from ansible_collections.avi.egress.plugins.module_utils.module.service import egress_service

from tests.faults import FaultProxy
from tests.faults.requests import WRITES
from tests.faults.rules import CONFLICT, INTERNAL_ERROR, TOO_MANY_REQUESTS, Rule
from tests.support.ansible_run import Ansible
from tests.support.controllers_part import (
    once_there,
    set_condition,
)
from tests.support.module_tasks import (
    as_given,
    changed,
    service,
    service_item,
    service_options,
)


def through(faults: FaultProxy) -> KubeClient:
    return KubeClient(Connection(kubeconfig=str(faults.kubeconfig)))


def test_many_services_are_made_though_others_are_faster(faults: FaultProxy, cluster: KubeClient, project: str) -> None:
    items = [as_given(service_item(project, f"s{number}")) for number in range(20)]
    # As often as one Service may meet it, of the dry runs and of the creates: whoever they hit, it is not too much.
    dry_runs = Rule(CONFLICT, WRITES, path="/services", times=4)
    creates = Rule(CONFLICT, WRITES, path="/services", skip=30, times=4)
    faults.use(dry_runs, creates)

    made = egress_service.reconcile(through(faults), service_options(items), False)

    assert faults.journal.count(fault="Conflict") == 8
    assert [item["changed"] for item in made.values["services"]] == [True] * 20
    assert [item["name"] for item in made.values["services"]] == [item["name"] for item in items]
    assert len(cluster.list(SERVICE, project)) == 20


def test_accounts_are_made_though_others_are_faster(
    faults: FaultProxy, cluster: KubeClient, openshift: None, project: str, cloud: str
) -> None:
    options = {"uuid": cloud, "cloud": None, "projects": [project], "state": "present"}
    faults.use(
        Rule(CONFLICT, WRITES, path="/serviceaccounts", times=2),
        Rule(CONFLICT, WRITES, path="/securitycontextconstraints", times=2),
    )

    made = scc_account.reconcile(through(faults), options, False)

    assert (made.changed, faults.journal.count(fault="Conflict")) == (True, 4)
    assert not scc_account.reconcile(through(faults), options, False).changed


def test_a_server_that_is_too_busy_is_asked_again_when_it_says_so(
    ansible: Ansible, faults: FaultProxy, cluster: KubeClient, project: str
) -> None:
    faults.use(Rule(TOO_MANY_REQUESTS, times=3))

    (made,) = ansible.tasks(service(project, kubeconfig=str(faults.kubeconfig)))

    assert changed([made]) == [True]
    assert faults.journal.count(fault="TooManyRequests") == 3


def test_a_failure_in_the_middle_tells_what_was_changed_and_the_next_run_does_the_rest(
    faults: FaultProxy, cluster: KubeClient, project: str
) -> None:
    items = [as_given(service_item(project, f"s{number}")) for number in range(40)]
    # Spares the dry runs, and some of the creates.
    faults.use(Rule(INTERNAL_ERROR, {"create"}, skip=60, times=1))

    with pytest.raises(EgressError) as caught:
        egress_service.reconcile(through(faults), service_options(items), False)

    there = {item["metadata"]["name"] for item in cluster.list(SERVICE, project)}
    assert 0 < len(there) < 40
    assert caught.value.changed
    told = str(caught.value).partition("; changed already: ")[2]
    assert told.endswith(f" and {len(there) - 5} more")
    again = egress_service.reconcile(through(faults), service_options(items), False)
    assert {item["name"] for item in again.values["services"] if not item["changed"]} == there


def test_a_wait_is_one_watch_and_asks_for_nothing_else(
    ansible: Ansible, faults: FaultProxy, cluster: KubeClient, project: str
) -> None:
    def controller() -> None:
        for number in range(5):
            time.sleep(0.5)
            set_condition(cluster, project, f"Step{number}", ready=False)
        set_condition(cluster, project, "EgressReady", ready=True)

    with once_there(cluster, project, controller):
        task = service(project, wait=True, wait_timeout=60, kubeconfig=str(faults.kubeconfig))
        assert changed(ansible.tasks(task)) == [True]

    paths = [(verb, path) for verb, path in faults.journal.requests() if "services" in path]
    assert sorted(verb for verb, _path in paths) == ["create", "get", "list", "watch"]
    assert faults.journal.count(path="services") == 4
