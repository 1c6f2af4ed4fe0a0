# SPDX-License-Identifier: GPL-3.0-or-later
# Copyright: (c) 2026, avi.egress contributors
"""What a router leaves in its termination message is what the controller takes from there, word for word."""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

import pytest
from ansible_collections.avi.egress.plugins.module_utils.annotations.egress_pod import read_service
from ansible_collections.avi.egress.plugins.module_utils.api.resources import KubeObject
from ansible_collections.avi.egress.plugins.module_utils.workload import manifests
from ansible_collections.avi.egress.plugins.module_utils.workload.termination_message import FAULTS, fault_of, report_of
from egress_router import faults
from egress_router.last_words import LastWords, Told, conflict, of_fault
from hypothesis import given
from hypothesis import strategies as st

from tests.support.builders import cloud, network, service_object

MAC = bytes.fromhex("0200000000fe")

macs = st.binary(min_size=6, max_size=6)
sources = st.ip_addresses(v=4) | st.ip_addresses(v=6)


class Mark:
    """A mark that no other run of the container has set."""

    def is_set(self) -> bool:
        return False

    def set(self) -> None:
        """Nothing outlasts this test."""

    def remove(self) -> None:
        """Nothing outlasts this test."""


def pod_of(sources: list[str], ordinal: int, message: str, **status: object) -> KubeObject:
    """An egress pod as the controller rendered it, whose router has ended with a message."""
    service = read_service(service_object({"destination_ip": "10.10.10.200", "ha": len(sources) > 1}))
    assert service is not None
    render = manifests.stateful_set if len(sources) > 1 else manifests.replication_controller
    made = render(service, cloud(), network(), sources)
    suffix = str(ordinal) if len(sources) > 1 else "7k2lp"
    ended = {"terminated": {"exitCode": 75, "message": message}}
    container = {"name": manifests.CONTAINER_NAME, "started": False, "restartCount": 1, "lastState": ended, **status}
    return {
        "metadata": {"name": f"{made['metadata']['name']}-{suffix}"},
        "spec": made["spec"]["template"]["spec"],
        "status": {"containerStatuses": [container]},
    }


@given(source=sources, mac=macs)
def test_any_address_and_mac_is_read_back(source: object, mac: bytes) -> None:
    address = ip_address(str(source))
    found = report_of(pod_of([str(source)], 0, conflict(address, mac).message))
    assert found is not None
    assert bytes.fromhex(found.mac.replace(":", "")) == mac
    assert found.first_run


@pytest.mark.parametrize("ordinal", [0, 1])
@pytest.mark.parametrize("pair", [["10.70.112.155", "10.70.112.156"], ["fd70:112::155", "fd70:112::156"]])
def test_a_pod_of_a_set_speaks_of_its_own_address_alone(pair: list[str], ordinal: int) -> None:
    own, other = ip_address(pair[ordinal]), ip_address(pair[1 - ordinal])
    assert report_of(pod_of(pair, ordinal, conflict(own, MAC).message)) is not None
    assert report_of(pod_of(pair, ordinal, conflict(other, MAC).message)) is None


def test_the_file_that_the_router_writes_is_the_message(tmp_path: Path) -> None:
    log = tmp_path / "termination-log"
    log.touch()
    router = LastWords(log, 0, lambda _kind: Mark())
    with pytest.raises(Told):
        router.troubled(conflict(ip_address("10.70.112.155"), MAC))
    found = report_of(pod_of(["10.70.112.155"], 0, log.read_text()))
    assert found is not None
    assert found.mac == MAC.hex(":")


def faults_at(source: str) -> list[faults.Fault]:
    """One of each kind that a router reports."""
    address, other = ip_address(source), ip_address("10.70.112.61")
    return [
        faults.node_firewall(address, other, "eth1"),
        faults.node_masquerades(address, other, "eth1"),
        faults.other_interface(address, "eth0", "eth1"),
        faults.wrong_route(address, "the node has no route to 10.10.10.200"),
        faults.gateway_silent(address, other, address, "eth1", 3.0),
        faults.no_way_out(address, "the node has no default route by a gateway"),
        faults.lan_proxy(address, MAC),
        faults.uplink_unusable(address, "EGRESS_UPLINK='eth7' is not usable: this node has no interface of that name."),
        faults.no_carrier(address, "eth1"),
        faults.failed(address, "nftables: Could not process rule: \u00e9\n"),
        faults.name_unknown(address, {"pay.example.org": "the name does not exist", "web.example.org": None}),
    ]


@pytest.mark.parametrize("source", ["10.70.112.155", "fd70:112::155"])
def test_each_fault_is_read_back_with_its_sentence(source: str) -> None:
    for fault in faults_at(source):
        found = fault_of(pod_of([source], 0, of_fault(fault).message))
        assert found is not None, fault
        assert (found.reason, found.message) == (fault.reason.value, f"{fault.what}; {fault.remedy}")


def test_every_reason_of_a_routers_fault_is_known() -> None:
    assert {str(reason) for reason in FAULTS} == {reason.value for reason in faults.Reason}


def test_a_pod_of_a_set_speaks_of_its_own_faults_alone() -> None:
    pair = ["10.70.112.155", "10.70.112.156"]
    assert fault_of(pod_of(pair, 0, of_fault(faults_at(pair[0])[0]).message)) is not None
    assert fault_of(pod_of(pair, 0, of_fault(faults_at(pair[1])[0]).message)) is None


def test_a_fault_is_not_taken_for_a_conflict_nor_a_conflict_for_a_fault() -> None:
    source = ip_address("10.70.112.155")
    for fault in faults_at(str(source)):
        assert report_of(pod_of([str(source)], 0, of_fault(fault).message)) is None
    assert fault_of(pod_of([str(source)], 0, conflict(source, MAC).message)) is None


@pytest.mark.parametrize(
    "message",
    [
        "fault reason=EgressReady address=10.70.112.155 message=all is well",
        "fault reason=NodeFirewall address=10.70.112.155 message=",
        "fault reason=NodeFirewall address=10.70.112.155 message=two\nlines",
        "fault reason=NodeFirewall address=10.70.112.155 message=\u001b[31mred",
        f"fault reason=NodeFirewall address=10.70.112.155 message={'x' * 1001}",
        " fault reason=NodeFirewall address=10.70.112.155 message=blank before",
    ],
)
def test_words_that_no_router_writes_are_no_fault(message: str) -> None:
    assert fault_of(pod_of(["10.70.112.155"], 0, message)) is None


def test_a_router_that_has_served_since_has_no_fault() -> None:
    message = of_fault(faults_at("10.70.112.155")[0]).message
    assert fault_of(pod_of(["10.70.112.155"], 0, message, started=True)) is None
