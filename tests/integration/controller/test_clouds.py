# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What a cloud says holds for its projects: who is included, whether services are served, who may run privileged."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.avi.egress.plugins.module_utils.api.resources import (
    EGRESS_CLOUD,
    NAMESPACE,
    NETWORK_POLICY,
    SECURITY_CONTEXT_CONSTRAINTS,
    SERVICE_ACCOUNT,
    KubeObject,
    account_name,
    account_user,
    egress_pod_name,
    scc_name,
)

from tests.faults import FaultProxy
from tests.faults.requests import READS
from tests.faults.rules import Delay, HoldWatch, Rule
from tests.support.controller_process import (
    LEADS_SECONDS,
    ControllerProcess,
    Replica,
)
from tests.support.waiting import wait_for
from tests.support.world import LABEL, World


@pytest.mark.usefixtures("account")
def test_a_cloud_that_comes_into_view_late_is_not_told_as_missing(
    world: World, faults: FaultProxy, tmp_path: Path
) -> None:
    # It does so just while the server is being asked whether there is one.
    lagging = Rule(HoldWatch(0.5), path="/egressclouds$")
    asking = Rule(Delay(1.5), READS, path=f"/namespaces/{world.namespace}$")
    faults.use(lagging, asking)
    process = ControllerProcess(faults.kubeconfig, tmp_path / "controller.log", "late")
    try:
        process.start()
        wait_for("it to lead", lambda: process.leads, LEADS_SECONDS)
        world.set_up()
        world.serve("shop")
        world.wait_served("shop")
        events = wait_for("the Event", lambda: world.events("shop"))
        assert [event["reason"] for event in events] == ["WaitingForPod"]
        assert faults.journal.count("get", asking.path), "otherwise nothing was asked, and nothing is shown"
    finally:
        process.end()


def test_the_scc_lists_each_included_project(world: World, controller: ControllerProcess) -> None:
    world.set_up()
    second = f"{world.name}-b"
    world.add_namespace(second)
    wanted = {account_user(world.uuid, world.namespace), account_user(world.uuid, second)}
    scc = scc_name(world.uuid)

    def users() -> set[str]:
        return set((world.cluster.get(SECURITY_CONTEXT_CONSTRAINTS, scc) or {}).get("users") or ())

    wait_for("both users", lambda: users() == wanted)
    world.cluster.patch(NAMESPACE, second, {"metadata": {"labels": {LABEL: None}}})
    wait_for("the second to leave", lambda: users() == {account_user(world.uuid, world.namespace)})
    wait_for("its account to go", lambda: not world.cluster.get(SERVICE_ACCOUNT, account_name(world.uuid), second))
    world.cluster.delete_named(EGRESS_CLOUD, world.name)
    wait_for("the SCC to go", lambda: not world.cluster.get(SECURITY_CONTEXT_CONSTRAINTS, scc))
    name = account_name(world.uuid)
    wait_for("the account to go", lambda: not world.cluster.get(SERVICE_ACCOUNT, name, world.namespace))


def test_an_excluded_project_loses_admission_at_once(world: World, controller: ControllerProcess) -> None:
    """Whether the project's labels change or the cloud's: with SCCs the user is the right to run privileged pods."""
    world.set_up()
    second = f"{world.name}-b"
    world.add_namespace(second)
    user = account_user(world.uuid, second)

    def is_admitted() -> bool:
        scc = world.cluster.get(SECURITY_CONTEXT_CONSTRAINTS, scc_name(world.uuid)) or {}
        return user in (scc.get("users") or ())

    def exclude(**labels: str | None) -> None:
        projects = {"exclude": {"matchLabels": labels}}
        world.cluster.patch(EGRESS_CLOUD, world.name, {"spec": {"projects": projects}})

    wait_for("it is admitted", is_admitted)
    exclude(zone="lab")
    world.cluster.patch(NAMESPACE, second, {"metadata": {"labels": {"zone": "lab"}}})
    wait_for("its label excludes it", lambda: not is_admitted())
    world.cluster.patch(NAMESPACE, second, {"metadata": {"labels": {"zone": None}}})
    wait_for("it is admitted again", is_admitted)
    world.cluster.patch(NAMESPACE, second, {"metadata": {"labels": {"area": "test"}}})
    exclude(zone=None, area="test")  # the former label goes, as with the role
    wait_for("the cloud excludes it", lambda: not is_admitted())
    name = account_name(world.uuid)
    wait_for("its account goes", lambda: not world.cluster.get(SERVICE_ACCOUNT, name, second))


def test_a_cloud_deleted_while_the_controller_is_away_leaves_nothing(world: World, replica: Replica) -> None:
    world.set_up()
    name = account_name(world.uuid)
    first = replica()
    first.start()
    wait_for("the account", lambda: world.cluster.get(SERVICE_ACCOUNT, name, world.namespace), LEADS_SECONDS)
    first.end()
    world.cluster.delete_named(EGRESS_CLOUD, world.name)
    replica().start()
    wait_for("the account to go", lambda: not world.cluster.get(SERVICE_ACCOUNT, name, world.namespace))
    scc = scc_name(world.uuid)
    wait_for("the SCC to go", lambda: not world.cluster.get(SECURITY_CONTEXT_CONSTRAINTS, scc))


def test_a_scraper_is_let_in_to_the_health_port_and_refused_again(world: World, controller: ControllerProcess) -> None:
    world.set_up()
    world.serve("shop", {"destination_ip": "10.10.10.200", "hm_port": 1700})
    world.wait_served("shop")
    before = world.controller("shop")

    def admitted() -> list[KubeObject]:
        policy = world.cluster.get(NETWORK_POLICY, egress_pod_name("shop"), world.namespace)
        assert policy
        rules: list[KubeObject] = policy["spec"]["ingress"]
        return [rule for rule in rules if "monitoring" in str(rule)]

    def monitored_from(namespaces: list[str] | None) -> None:
        world.cluster.patch(EGRESS_CLOUD, world.name, {"spec": {"monitoringNamespaces": namespaces}})

    assert admitted() == []
    monitored_from(["monitoring"])
    (rule,) = wait_for("the scraper to be let in", admitted)
    assert rule["ports"] == [{"protocol": "TCP", "port": 1700}]
    assert len(rule["from"]) == 1
    monitored_from(None)
    wait_for("the scraper to be refused", lambda: not admitted())
    assert world.controller("shop") == before, "no egress pod is replaced for it"


def test_secure_egress_mode_off_is_told_and_on_serves(world: World, controller: ControllerProcess) -> None:
    world.set_up(secure=False)
    world.serve("shop")
    told = world.wait_reason("shop", "SecureEgressModeOff")
    assert f"EgressCloud {world.name}" in told["message"]
    assert world.lease("shop") is None
    world.cluster.patch(EGRESS_CLOUD, world.name, {"spec": {"secureEgressMode": True}})
    world.wait_served("shop")


def test_a_project_that_no_cloud_includes_is_refused(world: World, controller: ControllerProcess) -> None:
    """What runs goes on, with its address and told on the Service, until somebody takes its annotation off."""
    world.set_up()
    world.serve("former")
    world.wait_served("former")
    world.cluster.patch(NAMESPACE, world.namespace, {"metadata": {"labels": {LABEL: None}}})
    world.serve("shop")
    world.wait_reason("shop", "ProjectNotIncluded")
    assert world.controller("shop") is None
    world.wait_reason("former", "ProjectNotIncluded")
    assert (world.controller("former") or {})["spec"]["replicas"] == 1
    assert world.phase("former") == "Bound"
    world.annotate("former", None)
    wait_for("its pod to go", lambda: world.controller("former") is None)
